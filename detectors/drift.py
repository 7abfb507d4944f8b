"""Sensors whose reading creeps away, straight and slowly."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params, Reason
from detectors.kernels import LIMIT, begin_block, nanoseconds, number, settle
from domain.findings import Verdict
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, RateField, Seconds

__all__ = ["Drift", "DriftParams"]

_DRIFT: Final = int(Reason.DRIFT)
_BLOCKS: Final = 8
_SPREAD: Final = (_BLOCKS**3 - _BLOCKS) / 12.0  # sum of squares of the blocks' distances from their middle


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    amount: float,
    length: int,
    fastest: float,
    straight: float,
    release: float,
) -> int:
    n = 0
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        cell = state[slot]
        t, x = ts[i], value[i]
        if t <= cell.last or not abs(x) <= LIMIT:
            continue
        cell.last = t
        block = number(t, length, cell.block)
        if block != cell.block:
            if cell.count:
                mean = cell.sum / cell.count
                cell.means[cell.filled % _BLOCKS] = mean
                cell.filled += 1
                if cell.filled >= _BLOCKS:
                    middle = cell.means.mean()
                    slope = 0.0
                    for k in range(_BLOCKS):
                        place = k - 0.5 * (_BLOCKS - 1)
                        slope += place * (cell.means[(cell.filled + k) % _BLOCKS] - middle) / _SPREAD
                    off = 0.0
                    for k in range(_BLOCKS):
                        place = k - 0.5 * (_BLOCKS - 1)
                        off = max(off, abs(cell.means[(cell.filled + k) % _BLOCKS] - middle - slope * place))
                    moved = _BLOCKS * abs(slope)
                    slow = moved <= fastest
                    cell.score = min(moved / amount, 1e300) if slow and off <= straight * moved else 0.0
                    goes_on = cell.grade and slow and moved >= release * amount and slope * cell.side > 0.0
                    grade = 1 if cell.score >= 1.0 or goes_on else 0
                    if cell.grade and slope * cell.side <= 0.0:
                        grade = 0
                    bound = amount if grade else release * amount
                    baseline = middle - slope * 0.5 * (_BLOCKS - 1)
                    onset = (cell.block - _BLOCKS + 1) * length
                    if grade and not cell.grade:
                        cell.side = 1 if slope > 0.0 else -1
                    n = settle(out, n, cell, slot, grade, _DRIFT, t, onset, moved, bound, mean, baseline)
            if not begin_block(cell, block):  # the row of blocks is broken
                cell.filled = 0
                cell.score = 0.0
        cell.sum += x
        cell.count += 1
    return n


class DriftParams(Params):
    """`amount` over `window` is the slowest drift that is found, `fastest` the quickest."""

    amount: QuantityField = Field(
        description="Movement within `window` that counts, above 0: more than any rhythm makes in that time."
    )
    window: Seconds = Field(
        86400.0, ge=8, description="Event time over which the line is drawn; an eighth must hold a reading at least."
    )
    fastest: RateField | None = Field(
        None, description="What moves faster than this is an event and no drift; no bound if not given."
    )
    straight: float = Field(
        0.1, gt=0, le=1, description="Largest distance of a block's mean from the line, as a part of the movement."
    )
    release: float = Field(
        0.5, gt=0, le=1, description="The drift is over below this part of `amount`, however straight (no unit)."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.amount.value <= 0:
            raise ValueError(f"expected an `amount` above 0, got {self.amount}")
        if self.fastest and self.fastest.value * self.window <= self.amount.value:
            raise ValueError("expected `fastest` to be more than `amount` in a `window`")
        return self


class Drift(Detector):
    """Finds sensors whose reading creeps away along a straight line, as ageing and fouled instruments do.

    Readings are averaged over eight blocks of an eighth of `window`, and a line is fitted. A drift is slow (not faster
    than `fastest`), large enough (`amount`) and straight: steps, swells and rhythms shorter than the window bend away
    from their line. It ends when it slows down, turns back, or runs faster than `fastest`. A block without a reading
    begins the line anew; what was found stays open meanwhile.

    Misses drift that comes by bits, and drift slower than `amount` in a `window`. One sensor alone cannot tell its own
    drift from an event that is as slow and as straight: choose `fastest` below what events do, `amount` above what
    slower rhythms do in a `window`, and let neighbours decide. Needs a `window`. State: 128 bytes a sensor. Marks:
    score is the movement within the window, value the latest block's mean, baseline the line's beginning, onset the
    first block's beginning.

    Method: least-squares slope over block means with a bound on the residuals; the drift fault of Ni et al., Sensor
    Network Data Fault Types, ACM Transactions on Sensor Networks 5 (2009).
    """

    name = "drift"
    lane = Lane.PANE
    verdict = Verdict.FAULT
    Params = DriftParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("block", np.int64),  # the block that is being filled
            ("sum", np.float64),
            ("score", np.float64),
            ("means", np.float64, _BLOCKS),  # of the blocks before it, in a ring
            ("count", np.int64),
            ("filled", np.int64),  # blocks in an unbroken row
            ("side", np.int8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: DriftParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._amount = float(params.amount.value)
        self._length = max(nanoseconds(params.window) // _BLOCKS, 1)
        self._fastest = float(params.fastest.value) * params.window if params.fastest else np.inf

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
                self._amount,
                self._length,
                self._fastest,
                p.straight,
                p.release,
            )
        )
