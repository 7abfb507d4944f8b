"""Sensors that repeat one value."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params, Reason
from detectors.kernels import SKIPPED, nanoseconds, settle
from domain.findings import Verdict
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["Stuck", "StuckParams"]

_STUCK: Final = int(Reason.STUCK)


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    duration: int,
    readings: int,
    tolerance: float,
    resting: float,
) -> int:
    n = 0
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        cell = state[slot]
        t, x = ts[i], value[i]
        if t <= cell.last or not abs(x) <= SKIPPED:
            continue
        cell.last = t
        if cell.count and abs(x - cell.held) <= tolerance:
            cell.count += 1
        else:
            seconds = (t - cell.since) * 1e-9
            n = settle(out, n, cell, slot, 0, _STUCK, t, t, seconds, duration * 1e-9, x, cell.held)
            cell.held, cell.since, cell.count = x, t, 1
        # A `resting` of NaN is near nothing.
        if cell.grade or cell.count < readings or t - cell.since < duration or abs(cell.held - resting) <= tolerance:
            continue
        seconds = (t - cell.since) * 1e-9
        n = settle(out, n, cell, slot, 1, _STUCK, t, cell.since, seconds, duration * 1e-9, x, cell.held)
    return n


class StuckParams(Params):
    """Both `duration` and `readings` must be reached."""

    duration: Seconds = Field(1800.0, ge=0, description="Event time that the value must stay unchanged.")
    readings: int = Field(
        30,
        ge=3,
        description="Readings that must repeat the value; take more where the resolution is coarse beside the noise.",
    )
    tolerance: QuantityField | None = Field(
        None, description="Distance from the first of the repeated values that counts as unchanged; 0 if not given."
    )
    resting: QuantityField | None = Field(
        None,
        description="A value that the quantity has while nothing happens (no rain, no gas): repeating it is no fault.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tolerance and self.tolerance.value < 0:
            raise ValueError(f"expected a `tolerance` of 0 or more, got {self.tolerance}")
        return self


class Stuck(Detector):
    """Finds sensors that repeat one value, within a tolerance, for a duration and a number of readings.

    A quantised, slow sensor repeats values while it works: the number of readings must be more than it ever repeats.
    The value is compared with the first of its run, so a slow drift starts new runs. The onset is the first reading of
    the run; the end is the first reading that differs.

    Misses sensors that are frozen with noise on top of more than the tolerance, and those stuck at `resting`. Needs the
    longer of `duration` and `readings`. State: 40 bytes a sensor. Marks: score is the run's length in s, threshold the
    duration in s, baseline the repeated value.

    Method: the persistence (flat line) test of QARTOD, Manual for Real-Time Quality Control of In-situ Temperature and
    Salinity Data, IOOS (test 8).
    """

    name = "stuck"
    lane = Lane.PANE
    verdict = Verdict.FAULT
    Params = StuckParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("held", np.float64),
            ("since", np.int64),
            ("count", np.int32),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: StuckParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._duration = nanoseconds(params.duration)
        self._tolerance = float(params.tolerance.value) if params.tolerance else 0.0
        self._resting = float(params.resting.value) if params.resting else np.nan

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        return int(
            _rows(
                self.state,
                slot_of,
                sensor,
                ts,
                value,
                out,
                self._duration,
                self.params.readings,
                self._tolerance,
                self._resting,
            )
        )
