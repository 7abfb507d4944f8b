"""Pictures of the detectors for bridges."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from simulators.effects import Pulse, Ramp, Swell
from workbench.pictures.drawing import Moment, Picture
from workbench.pictures.recordings import bridge_shakes, bridge_strain
from workbench.pictures.simulated import DAY, HOUR, resonance, simulated

__all__ = ["PICTURES"]

_LOWERED: Final = ("2022-04-11 08:56:04", "2022-04-11 09:04:34")


def _slope(m: Moment) -> float:
    """Least-squares slope through the means of the window's parts, in um/m a minute."""
    age = (m.state["part"] - np.arange(8)) % 8
    known = m.state["count"] > 0
    if age[known].max() - age[known].min() < 4:
        return 0.0
    minutes = (m.state["at"] - age)[known] * m.detector.params.window / 8 / 60
    return float(np.polyfit(minutes, m.state["mean"][known], 1)[0])


def _width(m: Moment) -> float:
    return float(m.state["width"][np.argmax(m.state["at"])]) or math.nan


def _growth(m: Moment) -> float:
    """Median slope between all pairs of the latest fourteen days, mm a day."""
    known = m.state["day"] - m.state["at"] < 14
    day, width = m.state["at"][known], m.state["width"][known]
    if len(day) < 7:
        return 0.0
    i, j = np.triu_indices(len(day), 1)
    return float(np.median((width[i] - width[j]) / (day[i] - day[j])))


def _thermal(m: Moment, k: int) -> float:
    """What the temperature and its lags make of a gauge, by what has been learned."""
    gauge = m.state["gauge"][k]
    if not gauge["seen"]:
        return math.nan
    learned = np.linalg.lstsq(m.state["moments"], gauge["right"], rcond=None)[0]
    return float(gauge["origin"] + m.state["terms"] @ learned)


PICTURES: Final = {
    "strain_shift": Picture(
        bridge_strain("ref_support_load_01DMS", "lowering_01DMS", "lowering_02DMS", events=[_LOWERED]),
        "bridge of UniBw Munich, 11 April 2022",
        "A bridge of UniBw Munich whose support is lowered (100 Hz, three records). The vehicle that parks at "
        "08:43 is no shift. The first move, of 6 um/m, lies right at the threshold; what follows is found "
        "three minutes after its onset. The record has no labels: the shaded time is read off it.",
        {"shift": ["6 um/m", "12 um/m", "24 um/m"]},
        expected=lambda m: m.state["level"] if m.state["learned"] else math.nan,
    ),
    "thermal_strain": Picture(
        simulated(
            [("temperature", "degC"), ("strain", "um/m")],
            "bridge",
            11 * DAY,
            60.0,
            effects=[
                Swell("0", 5.30 * DAY, 5.75 * DAY, 14.0, 2 * HOUR, 3 * HOUR),
                Swell("1", 5.34 * DAY, 5.79 * DAY, 10.0, 2 * HOUR, 3 * HOUR),
                Ramp("1", 8.40 * DAY, 8.45 * DAY, -15.0),
            ],
            events=[(8.40 * DAY, 8.45 * DAY)],
        ),
        "simulated bridge: a hot day, then a support that sinks",
        "A simulated bridge. On the hot day (19 July) strain leaves its daily range as far as when a support "
        "sinks three days later (shaded, 15 um/m), but the thermometer explains it (blue).",
        {"step": "1 min"},
        show=(1, 0),
        window=("2025-07-16", "2025-07-25"),
        unit="um/m",
        expected=lambda m: _thermal(m, 1),
    ),
    "rate_of_rise": Picture(
        bridge_strain("lowering_01DMS", events=[_LOWERED]),
        "bridge of UniBw Munich, 11 April 2022",
        "A bridge of UniBw Munich whose support is lowered: the sudden move and the slow one are both faster "
        "than 1 um/m a minute over two minutes. The record has no labels: the shaded time is read off it.",
        {"rising": ["1 um/m/min", "2 um/m/min"], "falling": ["1 um/m/min", "2 um/m/min"], "window": "2 min"},
        score=lambda m: abs(_slope(m)),
    ),
    "overload": Picture(
        bridge_strain("ref_support_load_01DMS"),
        "bridge of UniBw Munich, 11 April 2022",
        "Vehicles on a bridge of UniBw Munich, with a low threshold to show them. Two crossings are found "
        "when they are over; the first falls into the warm-up. The vehicle that parks for two minutes is "
        "none, though it moves the baseline.",
        {"peak": ["4 um/m"], "half_life": "1 min", "longest": "15 s", "quiet": "10 s"},
        expected=lambda m: m.state["base"],
        score=lambda m: abs(m.value - m.state["base"]) / 4.0,
    ),
    "impact": Picture(
        bridge_shakes,
        "bridge of UniBw Munich, 11 April 2022",
        "Acceleration of a bridge of UniBw Munich: vehicles shake it, and one blow stands out, as a vehicle "
        "comes to park.",
        {"peak": ["0.003 g"]},
        score=lambda m: abs(m.value - m.state["level"]) / max(m.state["bound"], 0.003),
    ),
    "rainflow": Picture(
        simulated(
            [("dynamic-strain", "um/m")],
            "bridge",
            4 * HOUR,
            0.1,
            effects=[Pulse("0", at, at + 6.0, 110.0) for at in np.arange(1.5 * HOUR, 2.2 * HOUR, 9.0).tolist()],
            events=[(1.5 * HOUR, 2.2 * HOUR)],
        ),
        "simulated bridge, a convoy of heavy trucks",
        "A simulated bridge with a convoy of trucks, far heavier than what else crosses it: the damage of an "
        "hour passes a threshold of 3e-7. The score is the larger of this hour's and the last one's.",
        {"category": "380 um/m", "damage": [3e-7], "window": "1 h", "ignore": "6 um/m"},
    ),
    "frequency": Picture(
        resonance([3.10, 2.95], 3600.0),
        "a made deck whose frequency falls from 3.10 to 2.95 Hz",
        "A deck that the wind shakes, whose frequency falls from 3.10 to 2.95 Hz, made for the picture. "
        "Nothing of it is to be seen in the acceleration; it is found after two windows of two minutes.",
        {"expected": 3.0, "shift": [3, 6, 10], "window": "2 min"},
    ),
    "crack_growth": Picture(
        simulated(
            [("crack", "mm")],
            "bridge",
            50 * DAY,
            600.0,
            effects=[Ramp("0", 25 * DAY, 40 * DAY, 0.25)],
            events=[(25 * DAY, 40 * DAY)],
        ),
        "simulated crack that grows by 0.25 mm in 15 days",
        "A simulated crack that breathes with the day and grows by 0.017 mm a day for fifteen days. Found "
        "when half of the last fourteen days' slopes are above 0.01 mm a day.",
        {"growth": ["0.01 mm/d", "0.05 mm/d"]},
        expected=_width,
        score=lambda m: _growth(m) / 0.01,
    ),
}
