"""Readings outside a sensor's physical range."""

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

__all__ = ["OutOfRange", "OutOfRangeParams"]

_OUT_OF_RANGE: Final = int(Reason.OUT_OF_RANGE)


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    low: Floats,
    high: Floats,
    quiet: int,
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
        if low[slot] <= x <= high[slot]:
            if cell.grade and t - cell.beyond >= quiet:
                n = settle(out, n, cell, slot, 0, _OUT_OF_RANGE, t, t, 0.0, cell.bound, x, cell.good)
            cell.good = x
            continue
        cell.beyond = t
        cell.bound = high[slot] if x > high[slot] else low[slot]
        n = settle(out, n, cell, slot, 1, _OUT_OF_RANGE, t, t, abs(x - cell.bound), cell.bound, x, cell.good)
    return n


class OutOfRangeParams(Params):
    """The range itself is the sensor's own, from the city file."""

    margin: QuantityField | None = Field(
        None, description="Readings so far outside the range are still good (offset of a zero point); 0 if not given."
    )
    quiet: Seconds = Field(
        0.0,
        ge=0,
        description="Event time within the range after which the fault ends; 0 ends it at the first good reading.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.margin and self.margin.value < 0:
            raise ValueError(f"expected a `margin` of 0 or more, got {self.margin}")
        return self


class OutOfRange(Detector):
    """Finds readings outside the physical range of their sensor: the quantity cannot have that value.

    Misses wrong readings within the range, and everything where the city file gives no range. Needs one reading.
    Readings that are not numbers are not judged: they are dead letters before they come here.
    State: 48 bytes a sensor. Marks: score is the distance from the range, threshold the bound that was passed, baseline
    the last good reading.

    Method: the gross range test of QARTOD, Manual for Real-Time Quality Control of In-situ Temperature and Salinity
    Data, IOOS (test 4).
    """

    name = "out_of_range"
    lane = Lane.FAST
    verdict = Verdict.FAULT
    Params = OutOfRangeParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("beyond", np.int64),  # the last reading outside
            ("bound", np.float64),
            ("good", np.float64),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: OutOfRangeParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        margin = params.margin.value if params.margin else 0.0
        self._low, self._high = low - margin, high + margin
        self._quiet = nanoseconds(params.quiet)

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        return int(_rows(self.state, slot_of, sensor, ts, value, out, self._low, self._high, self._quiet))
