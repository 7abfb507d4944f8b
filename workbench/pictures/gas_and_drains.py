"""Pictures of the detectors for gas, drains and septic tanks."""

from __future__ import annotations

import math
from typing import Final

from simulators.effects import Ramp, Swell
from simulators.signals import Storm
from workbench.pictures.drawing import Picture
from workbench.pictures.simulated import DAY, HOUR, simulated

__all__ = ["PICTURES"]


def _storm(start: float, hours: float, peak: float) -> Storm:
    return Storm(start, start + hours * HOUR, peak, 0.0, 0.0, 1000.0)


PICTURES: Final = {
    "threshold": Picture(
        simulated(
            [("gas-lel", "%LEL")],
            "valve-well",
            2400.0,
            5.0,
            effects=[Swell("0", 600.0, 1500.0, 40.0, 90.0, 240.0)],
            events=[(600.0, 1500.0)],
        ),
        "simulated gas leak in a valve well",
        "A simulated gas leak in a valve well, with thresholds at 10, 20 and 25 %LEL: found at the first "
        "reading beyond.",
        {"rising": ["10 %LEL", "20 %LEL", "25 %LEL"], "hysteresis": "2 %LEL"},
        bounds=(lambda m: 10.0, lambda m: 20.0, lambda m: 25.0),
        score=lambda m: m.value / 10.0,
    ),
    "accumulation": Picture(
        simulated(
            [("gas-lel", "%LEL")],
            "cable-trench",
            2 * DAY,
            60.0,
            effects=[Swell("0", 18 * HOUR, 30 * HOUR, 6.0, 4 * HOUR, 2 * HOUR)],
            events=[(18 * HOUR, 30 * HOUR)],
        ),
        "simulated gas that gathers in a cable trench",
        "Gas that gathers in a simulated cable trench for twelve hours and stays below a threshold of 10 %LEL. A "
        "steady climb by 3 %LEL within eight hours is found after four hours; then the exposure keeps it open.",
        {"excess": ["2 %LEL", "5 %LEL"], "floor": "1.5 %LEL", "rise": "3 %LEL"},
    ),
    "biogas": Picture(
        simulated(
            [("gas-lel", "%LEL")],
            "sewer-manhole",
            8 * DAY,
            60.0,
            effects=[Swell("0", 5.92 * DAY, 6.12 * DAY, 9.0, 1800.0, 1800.0)],
            events=[(5.92 * DAY, 6.12 * DAY)],
            seed=3,
        ),
        "simulated leak beside a sewer with biogas",
        "A simulated sewer. Biogas comes every day and is a notice of grade 1; what leaves the hour's usual "
        "mean (blue) at once is a leak, of grade 2.",
        {"level": "3.5 %LEL", "fast": "8 %LEL/h", "margin": "2 %LEL"},
        expected=lambda m: m.state["mean"][m.hour % 24] if m.state["days"][m.hour % 24] >= 3 else math.nan,
        bounds=(lambda m: 3.5,),
        window=("2025-07-17 12:00", "2025-07-22"),
    ),
    "regulator": Picture(
        simulated(
            [("outlet-pressure", "kPa")],
            "regulator-cabinet",
            7 * DAY,
            60.0,
            effects=[Ramp("0", 3 * DAY, 5.5 * DAY, 0.5)],
            events=[(3 * DAY, 5.5 * DAY)],
        ),
        "simulated regulator whose outlet creeps up",
        "A simulated regulator whose outlet pressure creeps up: within a day it is found as a drift, well "
        "inside the band; a day later the pressure leaves the band, which raises the grade.",
        {"low": "2.0 kPa", "high": "3.0 kPa", "hysteresis": "0.05 kPa", "drift": "0.15 kPa"},
        expected=lambda m: m.state["long"],
        bounds=(lambda m: 3.0,),
        score=lambda m: abs(m.state["short"] - m.state["long"]) / 0.15,
    ),
    "septic": Picture(
        simulated(
            [("gas-lel", "%LEL"), ("level", "m"), ("temperature", "degC")],
            "septic-tank",
            10 * HOUR,
            60.0,
            effects=[
                Swell("1", 3 * HOUR, 4.5 * HOUR, 0.6, HOUR, 2 * HOUR),
                Swell("0", 3.2 * HOUR, 5 * HOUR, 9.0, HOUR, 1.0 * HOUR),
            ],
            events=[(3 * HOUR, 5 * HOUR)],
        ),
        "simulated septic tank that fills, two of three sensors",
        "A simulated septic tank that fills. The gas stays below its own threshold of 15 %LEL, but at 8 %LEL "
        "a rising level is enough to ask for ventilation.",
        {"rising": [15.0, 25.0], "moderate": 8.0},
        show=(0, 1),
    ),
    "overflow_forecast": Picture(
        simulated(
            [("level", "m")],
            "storm-drain",
            2.5 * HOUR,
            10.0,
            storms=[_storm(1200.0, 1.5, 280.0)],
            events=[(2940.0, 5280.0)],
        ),
        "simulated storm on a drain",
        "A simulated storm on a drain with its crest at 1.6 m (dashed). The crest is foretold 14 minutes "
        "ahead, for the rise still gathers speed; the forecast ends as the level falls.",
        {"crest": "1.6 m", "rise": "0.03 m"},
        bounds=(lambda m: 1.6,),
    ),
    "level_rise": Picture(
        simulated(
            [("level", "m"), ("rain", "mm/h")],
            "storm-drain",
            2 * DAY,
            60.0,
            effects=[Ramp("0", 40 * HOUR, 40.5 * HOUR, 0.9), Ramp("0", 43 * HOUR, 44 * HOUR, -0.9)],
            storms=[_storm(4 * HOUR, 3, 60.0), _storm(15 * HOUR, 2, 80.0), _storm(29 * HOUR, 3, 90.0)],
            events=[(40 * HOUR, 40.5 * HOUR)],
        ),
        "simulated drain: storms, then backwater in dry weather",
        "A simulated drain. Three storms lift the level as the rain explains, and find nothing; backwater in "
        "dry weather is found within three minutes.",
        {"response": "2 min"},
        show=(0, 1),
        unit="m",
    ),
    "blockage": Picture(
        simulated(
            [("level", "m"), ("drain-flow", "m3/h"), ("rain", "mm/h")],
            "storm-drain",
            6 * DAY,
            60.0,
            effects=[
                Swell("0", 4.3 * DAY, 5.2 * DAY, 0.35, 4 * HOUR, HOUR),
                Swell("1", 4.3 * DAY, 5.2 * DAY, -60, 4 * HOUR, HOUR),
            ],
            storms=[_storm(1.2 * DAY, 3, 40.0), _storm(3.1 * DAY, 3, 60.0)],
            events=[(4.3 * DAY, 5.2 * DAY)],
        ),
        "simulated drain that is blocked downstream",
        "A simulated drain that is blocked downstream: the level rises while the flow falls, and it does not "
        "rain. Two storms before raise both.",
        {},
        show=(0, 1),
        unit="m",
    ),
    "illicit_discharge": Picture(
        simulated(
            [("drain-flow", "m3/h"), ("rain", "mm/h")],
            "storm-drain",
            21 * DAY,
            300.0,
            effects=[
                Swell("0", 18 * DAY + 2 * HOUR, 18 * DAY + 5 * HOUR, 60.0, 600.0, 900.0),
                Swell("0", 19 * DAY + 2 * HOUR, 19 * DAY + 5 * HOUR, 60.0, 600.0, 900.0),
            ],
            storms=[_storm(16.5 * DAY, 4, 20.0)],
            events=[(18 * DAY + 2 * HOUR, 18 * DAY + 5 * HOUR), (19 * DAY + 2 * HOUR, 19 * DAY + 5 * HOUR)],
        ),
        "simulated drain with discharges at night",
        "A simulated drain with discharges in two nights, 20 minutes of which are waited for. The storm "
        "before is explained by the rain gauge.",
        {"rise": [20.0, 80.0]},
        show=(0, 1),
        window=("2025-07-29", "2025-08-04"),
    ),
}
