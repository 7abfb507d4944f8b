"""Sensors that have fallen to nothing though their quantity is never nothing."""

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

__all__ = ["StuckAtZero", "StuckAtZeroParams"]

_ZERO: Final = int(Reason.STUCK_AT_ZERO)


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    zero: float,
    tolerance: float,
    usual: int,
    readings: int,
    duration: int,
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
        held = (t - cell.since) * 1e-9 if cell.zeros else 0.0
        if abs(x - zero) > tolerance:
            n = settle(out, n, cell, slot, 0, _ZERO, t, t, held, duration * 1e-9, x, cell.alive)
            # Whatever it was, the quantity has been at zero and came back: perhaps it does rest there.
            cell.others = 1 if cell.zeros else min(cell.others + 1, usual)
            cell.zeros = 0
            cell.alive = x
            continue
        if cell.zeros == 0:
            cell.since = t
        cell.zeros = min(cell.zeros + 1, readings)
        if cell.others >= usual and cell.zeros >= readings and t - cell.since >= duration:
            held = (t - cell.since) * 1e-9
            n = settle(out, n, cell, slot, 1, _ZERO, t, cell.since, held, duration * 1e-9, x, cell.alive)
    return n


class StuckAtZeroParams(Params):
    """Both `duration` and `readings` must be reached."""

    tolerance: QuantityField = Field(description="Distance from zero that counts as zero, 0 or more: the resolution.")
    zero: QuantityField | None = Field(
        None, description="What a dead sensor reads: 0 if not given; 4 mA current loops have others."
    )
    usual: int = Field(
        1000, ge=1, description="Readings in a row away from zero that show that the quantity does not rest there."
    )
    readings: int = Field(10, ge=2, description="Readings in a row at zero that count.")
    duration: Seconds = Field(30.0, ge=0, description="Event time that the readings must stay at zero.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tolerance.value < 0:
            raise ValueError(f"expected a `tolerance` of 0 or more, got {self.tolerance}")
        return self


class StuckAtZero(Detector):
    """Finds sensors that read zero and stay there, though their quantity has never rested there.

    A pressure, a level in a sewer or a temperature that is suddenly nothing speaks for a dead sensor or a torn cable:
    `stuck` would need far longer to tell. That the quantity does not rest at zero is learned: `usual`
    readings in a row must have been away from it, and each visit to zero starts that count anew. The onset is the first
    reading at zero, the end the first that is not.

    Misses sensors that are dead from the start, quantities that are often nothing (rain, gas in clean air), and zeros
    with noise of more than `tolerance`. Takes a pipe that is truly empty for a dead sensor: its neighbours decide.
    Needs the longer of `readings` and `duration`. State: 48 bytes a sensor. Marks: score is the time at zero in s,
    threshold the duration in s, baseline the last reading away from zero.

    Method: the constant fault of Sharma, Golubchik and Govindan, Sensor Faults: Detection Methods and Prevalence in
    Real-World Datasets, ACM Transactions on Sensor Networks 6 (2010), at zero, with a rule for quantities that rest.
    """

    name = "stuck_at_zero"
    lane = Lane.PANE
    verdict = Verdict.FAULT
    Params = StuckAtZeroParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("since", np.int64),  # first reading of the row at zero
            ("alive", np.float64),  # the last reading away from zero
            ("others", np.int64),  # readings away from zero, in a row
            ("zeros", np.int32),  # readings in a row at zero
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: StuckAtZeroParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._tolerance = float(params.tolerance.value)
        self._zero = float(params.zero.value) if params.zero else 0.0
        self._duration = nanoseconds(params.duration)

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        p = self.params
        return int(
            _rows(
                self.state,
                slot_of,
                sensor,
                ts,
                value,
                out,
                self._zero,
                self._tolerance,
                p.usual,
                p.readings,
                self._duration,
            )
        )
