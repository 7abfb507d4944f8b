"""What each detector's kernel costs a sample, beside the least that an EWMA can cost.

1,000 sensors, a million readings of noise with a rare spike, kernels warm. "interleaved" is the order of arrival (every
reading is of another sensor), "by sensor" that of a pane. The floor is an EWMA mean and variance over two flat arrays,
without time, thresholds or marks, measured in turn with each kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numba import njit

from detectors import registry
from detectors.contract import MARK
from domain.records import Floats, Int32s, Int64s
from perf.report import Report, compare

__all__ = ["run"]

SENSORS: Final = 1000
READINGS: Final = 1_000_000

PARAMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "cusum": {},
    "drift": {"amount": "2 u"},
    "drop_out": {},
    "ewma": {},
    "ewma, plain": {"learning": "plain", "alpha": 0.05, "z": [6.0], "each": True},
    "noise_burst": {},
    "out_of_range": {},
    "page_hinkley": {"delta": "1 u", "threshold": "60 u"},
    "rate_of_rise": {"rising": ["5 u/min"]},
    "spike": {"size": "5 u"},
    "strain_shift": {"shift": ["6 u", "12 u"]},
    "stuck": {},
    "stuck_at_zero": {"tolerance": "0.01 u"},
    "threshold": {"rising": ["10 u", "20 u", "25 u"], "hysteresis": "2 u"},
}


@njit(nogil=True, cache=True)
def _floor(mean: Floats, var: Floats, sensor: Int32s, value: Floats, alpha: float) -> None:
    for i in range(len(value)):
        s = sensor[i]
        d = value[i] - mean[s]
        mean[s] += alpha * d
        var[s] = (1.0 - alpha) * (var[s] + alpha * d * d)


def run(report: Report) -> None:
    """Add each kernel's cost to `report`."""
    rng = np.random.default_rng(20260101)
    steps = READINGS // SENSORS
    sensor = np.tile(np.arange(SENSORS, dtype=np.int32), steps)
    ts = np.repeat(1_764_000_000_000_000_000 + 100_000_000 * np.arange(steps), SENSORS)
    value = rng.normal(0, 1, READINGS) + np.where(rng.random(READINGS) < 5e-5, 20.0, 0.0)
    by_sensor = np.argsort(sensor, kind="stable")
    for order, rows in (("interleaved", np.arange(READINGS)), ("by sensor", by_sensor)):
        for label, params in PARAMS.items():
            floor, kernel = _jobs(
                label.partition(",")[0], params, sensor[rows].copy(), ts[rows].copy(), value[rows].copy()
            )
            measured = compare(floor, kernel)
            report.figure(f"{label}, {order}", measured.b / READINGS * 1e9, "ns/sample")
            report.figure(f"{label}, {order} / EWMA floor", measured.ratio, "ratio")
    for name in registry.names():
        report.figure(f"{name}, state", registry.get(name).STATE.itemsize, "bytes/sensor")


def _jobs(
    name: str, params: Mapping[str, Any], sensor: Int32s, ts: Int64s, value: Floats
) -> tuple[Callable[[], None], Callable[[], int]]:
    every = np.ones(SENSORS)
    detector = registry.build(name, params, -50 * every, 50 * every, 10 * every, "u")
    slot_of = np.arange(SENSORS, dtype=np.int32)
    out = np.zeros(2 * READINGS, MARK)

    def kernel() -> int:
        detector.state = detector.initial(SENSORS)
        return detector.rows(slot_of, sensor, ts, value, out)

    mean, var = np.zeros(SENSORS), np.ones(SENSORS)
    return lambda: _floor(mean, var, sensor, value, 0.05), kernel
