"""Pictures of the detectors for any sensor."""

from __future__ import annotations

import math
from typing import Final

from workbench.pictures.drawing import Moment, Picture
from workbench.pictures.recordings import hanoi, nab_series, skab_loop

__all__ = ["PICTURES"]

#: SKAB's channels.
_LOOP: Final = {
    "Volume Flow RateRMS": ("flow", "L/min"),
    "Pressure": ("pressure", "bar"),
    "Accelerometer1RMS": ("vibration 1", "g"),
    "Accelerometer2RMS": ("vibration 2", "g"),
    "Current": ("current", "A"),
    "Temperature": ("temperature", "degC"),
    "Thermocouple": ("water", "degC"),
    "Voltage": ("voltage", "V"),
}


def _sigma(m: Moment) -> float:
    return math.sqrt(m.state["var"]) if m.state["count"] > 2 else math.nan


PICTURES: Final = {
    "ewma": Picture(
        nab_series("realAWSCloudwatch/rds_cpu_utilization_e47b3b.csv", "CPU", "percent"),
        "NAB rds_cpu_utilization_e47b3b",
        "A server's load (NAB). The peak, the step up and the step down are each found at their first "
        "reading; half an hour after a step it is the new normal. The dashed lines are six standard "
        "deviations from the mean.",
        {"z": [6.0], "half_life": 60.0, "min_sigma": "0.5 percent"},
        expected=lambda m: m.state["mean"],
        bounds=(lambda m: m.state["mean"] + 6 * _sigma(m), lambda m: m.state["mean"] - 6 * _sigma(m)),
        score=lambda m: abs(m.value - m.before["mean"]) / max(6 * math.sqrt(m.before["var"]), 3.0) if m.before else 0.0,
    ),
    "cusum": Picture(
        skab_loop("valve1/0.csv", _LOOP),
        "SKAB valve1/0, flow of a loop whose valve is closed by and by",
        "Flow of a water loop (SKAB) in which a valve is moved. No single reading says much, for the meter "
        "counts whole litres; their sum does, after 20 s and again after 133 s.",
        {"warm_up": 300, "min_sigma": "0.3 L/min", "drift": 1.0, "limit": 25.0},
        expected=lambda m: m.state["mean"],
        score=lambda m: max(m.state["up"], m.state["down"]) / 25.0,
    ),
    "page_hinkley": Picture(
        nab_series("realAWSCloudwatch/rds_cpu_utilization_cc0c53.csv", "CPU", "percent"),
        "NAB rds_cpu_utilization_cc0c53",
        "A server's load (NAB) that doubles: found five readings after the step; then all is learned anew. "
        "The second labelled window holds nothing that lasts.",
        {"threshold": "40 percent", "delta": "0.5 percent", "hold": "6 h"},
        expected=lambda m: m.state["mean"] if m.state["count"] else math.nan,
        score=lambda m: max(m.state["up"] - m.state["lowest"], m.state["highest"] - m.state["down"], 0.0) / 40.0,
    ),
    "robust_mad": Picture(
        nab_series("realAdExchange/exchange-4_cpc_results.csv", "cost a click", "USD"),
        "NAB exchange-4_cpc",
        "Prices of an exchange (NAB). Peaks stand out against the median of the latest 256 readings and do "
        "not move it; some of them are outside the labelled windows.",
        {"z": [8.0], "min_sigma": "0.03 USD"},
    ),
    "novelty": Picture(
        nab_series("realTraffic/occupancy_t4013.csv", "occupancy", "percent"),
        "NAB occupancy_t4013",
        "How much of the time vehicles stand over a road sensor (NAB). Each day has its rush hours, which "
        "were seen before; the two peaks of the last days were not.",
        {"ratio": [2.0]},
    ),
    "seasonal_ewma": Picture(
        hanoi(9, "inflow"),
        "LeakDB, Hanoi scenario 9",
        "Inflow of a district (LeakDB, scenario 9) with a large leak, against the mean of the same hour of "
        "the week. A week later the leak is being learned: `weekly_cusum` and `night_flow` are for what "
        "lasts.",
        {"z": [6.0], "min_sigma": "50 m3/h"},
        expected=lambda m: m.state["mean"][m.hour % 168] if m.state["seasons"][m.hour % 168] > 1 else math.nan,
        window=("2018-06-18", "2018-07-09"),
    ),
    "recursive_pca": Picture(
        skab_loop("valve1/0.csv", _LOOP),
        "SKAB valve1/0, two of eight sensors",
        "A water loop (SKAB) in which a valve is moved: eight sensors leave their common behaviour, of which "
        "two are drawn. Neither of the two leaves its own range much.",
        {"smoothing": 0.1, "index": [7.0], "warm_up": 380},
        show=(0, 2),
    ),
    "river_model": Picture(
        nab_series("realAWSCloudwatch/ec2_cpu_utilization_5f5533.csv", "CPU", "percent"),
        "NAB ec2_cpu_utilization_5f5533, by ADWIN",
        "A server's load (NAB). ADWIN, fed with means of a quarter of an hour, finds both changes of the "
        "mean; a drift is a moment, so the finding ends at once.",
        {"model": "drift.ADWIN", "period": "15 min"},
    ),
}
