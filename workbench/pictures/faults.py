"""Pictures of the detectors of sensor faults."""

from __future__ import annotations

import math
from typing import Final

from simulators.effects import Ramp, Stuck
from workbench.pictures.drawing import Moment, Picture
from workbench.pictures.recordings import hanoi, miscalibrated, waterworks
from workbench.pictures.simulated import simulated

__all__ = ["PICTURES"]


def _as_others_have_it(m: Moment, k: int) -> float:
    """Regression of one sensor on the others, from the inverse of their correlations."""
    moments, precision = m.state["moments"], m.state["precision"]
    if not moments[k, k] > 0 or m.state["learned"] < 336:
        return math.nan
    row = precision[k] / precision[k, k]
    others = float(row @ m.state["z"]) - float(m.state["z"][k])
    return float(m.state["mean"][k] - others * math.sqrt(moments[k, k]))


PICTURES: Final = {
    "calibration": Picture(
        miscalibrated(
            hanoi(1, "inflow", "P2", "P7", "P13", "P16", "P22", "P26", "P31"),
            sensor=4,
            faults=[("2018-03-05", "2018-03-09", 1.0, 1.5), ("2018-03-19", "2018-03-23", 1.12, 0.0)],
        ),
        "LeakDB, Hanoi scenario 1, with an offset and a gain put in",
        "Pressures of a district without leaks (LeakDB), in one of which two faults are put: first it reads 1.5 m too "
        "much, then 12 % too much. The other seven say what it should read (blue), and which of both it is.",
        {"step": "30 min"},
        show=(4, 5),
        window=("2018-02-26", "2018-03-28"),
        unit="m",
        expected=lambda m: _as_others_have_it(m, 4),
    ),
    "stuck_at_zero": Picture(
        waterworks("Cl", "chlorine dioxide", "mg/L", "2016-09-05", "2016-09-08"),
        "GECCO 2018, a waterworks' chlorine dioxide, 7 September 2016",
        "Chlorine dioxide at a waterworks (GECCO 2018) reads zero for 24 minutes, within a longer event of "
        "the plant: found at the tenth zero, because this quantity had never rested there.",
        {"tolerance": "0.005 mg/L"},
        window=("2016-09-07 08:30", "2016-09-07 13:30"),
        score=lambda m: m.state["zeros"] / 10,
    ),
    "stuck": Picture(
        simulated(
            [("pressure", "m")],
            "water-main",
            1800.0,
            1.0,
            effects=[Stuck("0", 900.0, 1320.0, None)],
            events=[(900, 1320)],
        ),
        "simulated pressure sensor that is stuck for seven minutes",
        "A simulated pressure sensor repeats one value for seven minutes; 90 s and 30 equal readings are asked for.",
        {"duration": "90 s", "readings": 30},
        score=lambda m: (m.ts - m.state["since"]) / 90e9,
    ),
    "spike": Picture(
        waterworks("Fm_2", "flow", "m3/h", "2016-09-15", "2016-09-17"),
        "GECCO 2018, flow at a waterworks, 16 September 2016",
        "Flow at a waterworks (GECCO 2018): one minute reads half of its neighbours. It is told from a step "
        "by the next reading, so a minute later. The set's own events (shaded) are of another kind.",
        {"size": "100 m3/h"},
        window=("2016-09-16 12:00", "2016-09-16 20:00"),
    ),
    "drop_out": Picture(
        waterworks("Redox", "redox potential", "mV", "2016-08-27", "2016-08-31"),
        "GECCO 2018, redox potential at a waterworks, August 2016",
        "Redox potential at a waterworks (GECCO 2018), from which nothing comes for 16 hours: found ten "
        "minutes after the last reading.",
        {"intervals": 10.0, "at_least": "10 min"},
        score=lambda m: (m.ts - m.state["last"]) / 600e9 if m.state["last"] else 0.0,
    ),
    "out_of_range": Picture(
        waterworks("pH", "pH", "", "2016-09-14", "2016-09-15"),
        "GECCO 2018, pH at a waterworks, 14 September 2016",
        "pH at a waterworks (GECCO 2018) during an event of the plant. Below 6 and above 10 it cannot be; ten "
        "good minutes end the fault.",
        {"quiet": "10 min"},
        window=("2016-09-14 12:00", "2016-09-14 18:00"),
        low=6.0,
        high=10.0,
        bounds=(lambda m: 6.0, lambda m: 10.0),
        score=lambda m: m.state["grade"],
    ),
    "noise_burst": Picture(
        waterworks("Cl_2", "chlorine dioxide", "mg/L", "2016-09-16 14:00", "2016-09-18 12:00"),
        "GECCO 2018, chlorine dioxide at a waterworks, September 2016",
        "Chlorine dioxide at a waterworks (GECCO 2018): five events in which the sensor scatters, each found "
        "after three readings. The days before had more of them, and the usual noise has not followed.",
        {"size": "0.005 mg/L"},
        window=("2016-09-17 12:00", "2016-09-18 12:00"),
    ),
    "drift": Picture(
        simulated(
            [("gas-lel", "%LEL")],
            "valve-well",
            5 * 3600.0,
            10.0,
            effects=[Ramp("0", 7200.0, 12_600.0, 9.0)],
            events=[(7200.0, 12_600.0)],
        ),
        "simulated drift of a gas sensor in a valve well",
        "A simulated gas sensor creeps up by 9 %LEL in an hour and a half: straight, slower than `fastest`, "
        "and more than `amount` in half an hour. A leak would be faster.",
        {"amount": "1.5 %LEL", "window": "30 min", "fastest": "0.3 %LEL/min"},
    ),
}
