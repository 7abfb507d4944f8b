"""Pictures of the detectors for water mains."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from simulators.effects import Ring, Swell
from workbench.pictures.drawing import Moment, Picture
from workbench.pictures.recordings import hanoi, town_flow
from workbench.pictures.simulated import DAY, HOUR, simulated

__all__ = ["PICTURES"]


def _hour_of_week(m: Moment) -> float:
    return float(m.state["season"][m.hour % 168] + m.state["level"])


def _usual_night(m: Moment) -> float:
    nights = m.state["nights"]
    same = nights[np.arange(len(nights)) % 7 == m.state["day"] % 7]
    return float(np.nanmedian(same)) if np.isfinite(same).any() else math.nan


def _usual_minimum(m: Moment) -> float:
    filled = min(int(m.state["filled"]), 28)
    return float(np.median(m.state["quiet"][:filled])) if filled else math.nan


PICTURES: Final = {
    "weekly_cusum": Picture(
        town_flow,
        "BattLeDIM, flow into L-Town without its tank, 2019",
        "Flow into a town without its tank (BattLeDIM), against the profile of the week. The burst of 15 "
        "January (p523) is found after eight hours, that of 24 January (p827) as one more step; repairs end "
        "the finding. Then an older profile stands again, and p280, of a few m3/h, stays below the noise for "
        "now.",
        {},
        expected=_hour_of_week,
        score=lambda m: m.state["up"] / 24.0,
        window=("2019-01-05", "2019-03-01"),
    ),
    "night_flow": Picture(
        hanoi(8, "inflow"),
        "LeakDB, Hanoi scenario 8",
        "Inflow of a district (LeakDB, scenario 8), against the median of the same nights of the week (blue). "
        "The leak is found in the first night after it began.",
        {},
        expected=_usual_night,
        window=("2018-04-01", "2018-06-01"),
    ),
    "pressure_residual": Picture(
        hanoi(11, "inflow", "P2", "P7", "P13", "P16", "P22", "P26", "P31"),
        "LeakDB, Hanoi scenario 11, two of eight sensors",
        "Inflow and seven pressures of a district (LeakDB, scenario 11), two of them drawn. The eye sees no "
        "leak; what the flow and the other pressures leave unexplained shows it from the first hours on. The "
        "onset it names is days too early: the mean that is judged is slow.",
        {},
        show=(4, 0),
        window=("2018-03-01", "2018-05-01"),
        unit="m",
    ),
    "negative_pressure_wave": Picture(
        simulated(
            [("transient-pressure", "m")],
            "water-main",
            90.0,
            0.01,
            effects=[Swell("0", 60.0, 90.0, -7.0, 2.0, 60.0), Ring("0", 60.0, 90.0, 4.0, 0.4, 4.0)],
            events=[(60.0, 90.0)],
        ),
        "simulated burst, pressure at 100 Hz",
        "A simulated burst at 100 Hz: the arrival is known to a sample, and found 80 ms later. Water hammer "
        "follows, in which nothing is reported twice.",
        {"depth": "0.5 m", "min_sigma": "0.05 m"},
        expected=lambda m: m.state["mean"],
        score=lambda m: m.state["sum"] / 20.0,
        window=("2025-07-14 00:00:57", "2025-07-14 00:01:12"),
    ),
    "burst": Picture(
        simulated(
            [("flow", "m3/h"), ("pressure", "m"), ("pressure", "m"), ("pressure", "m")],
            "water-main",
            1800.0,
            1.0,
            effects=[
                Swell("0", 900.0, 1500.0, 180.0, 10.0, 60.0),
                Swell("1", 900.0, 1500.0, -7.0, 2.0, 60.0),
                Ring("1", 900.0, 1500.0, 4.0, 0.4, 4.0),
                Swell("2", 900.3, 1500.0, -3.9, 2.0, 60.0),
                Ring("2", 900.3, 1500.0, 2.2, 0.4, 4.0),
                Swell("3", 900.6, 1500.0, -2.1, 2.0, 60.0),
            ],
            events=[(900.0, 1500.0)],
        ),
        "simulated burst of a main, two of four sensors",
        "A simulated burst of a main: three pressures drop within a second and the flow rises; the more of "
        "them agree, the graver. Found after the three seconds of `hold`.",
        {"flows": 1, "drop": 2.0, "flow_step": 20.0},
        show=(1, 0),
        expected=lambda m: m.state["base"][1] if m.state["filled"][1] >= 15 else math.nan,
        unit="m",
    ),
    "leak_noise": Picture(
        simulated(
            [("leak-noise", "dB")],
            "water-main",
            30 * DAY,
            300.0,
            effects=[Swell("0", 18 * DAY + 11 * HOUR, 25 * DAY + 15 * HOUR, 14.0, 2 * HOUR, HOUR)],
            events=[(18 * DAY + 11 * HOUR, 25 * DAY + 15 * HOUR)],
        ),
        "simulated leak beside an acoustic logger",
        "A simulated acoustic logger. The leak lifts even the quietest minutes of the night; after the third "
        "such night it is found, and with the first quiet one it is gone.",
        {"rise": "6 dB"},
        expected=_usual_minimum,
    ),
}
