"""Levels that are about to reach a crest: overflow and waterlogging, some minutes ahead."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import LIMIT, RISE, nanoseconds, number, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["OverflowForecast", "OverflowForecastParams"]

_BLOCKS: Final = 8
#: Blocks with readings that a line needs: a gap of three is bridged.
_ENOUGH: Final = 5


@njit(nogil=True, cache=True)
def _line(cell: Any, newest: int) -> tuple[float, float]:
    """Theil and Sen's line through the blocks: its slope, per block, and its level at the end of block `newest`."""
    at, mean = np.empty(_BLOCKS), np.empty(_BLOCKS)
    n = 0
    for age in range(_BLOCKS):
        k = (newest - age) % _BLOCKS
        if not np.isnan(cell.means[k]):
            at[n] = cell.at[k] - age - 1.0
            mean[n] = cell.means[k]
            n += 1
    if n < _ENOUGH:
        return 0.0, mean[0]
    slopes = np.empty(_BLOCKS * (_BLOCKS - 1) // 2)
    m = 0
    for a in range(n):
        for b in range(a):
            slopes[m] = (mean[b] - mean[a]) / (at[b] - at[a])
            m += 1
    slope = np.median(slopes[:m])
    return slope, np.median(mean[:n] - slope * at[:n])


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    crest: float,
    left_at: Floats,
    length: int,
    rise: float,
    release: float,
) -> int:
    n = 0
    per_minute = length / 60e9
    longest = 10.0 * release * left_at[0]
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
                k = cell.block % _BLOCKS
                cell.means[k] = cell.sum / cell.count
                cell.at[k] = cell.into / cell.count
                slope, level = _line(cell, cell.block)
                left = longest
                if slope > 0.0 and slope * _BLOCKS >= rise:
                    # What has passed since the block's end is no longer left.
                    passed = (t - (cell.block + 1) * length) / length
                    left = min(max((crest - level) / slope - passed, 0.0) * per_minute, longest)
                cell.score = min(left_at[0] / max(left, 1e-3), 1e3) if left < longest else 0.0
                grade = 0
                for j in range(len(left_at)):
                    if left <= left_at[j] or (j < cell.grade and left <= release * left_at[j]):
                        grade = j + 1
                bound = left_at[grade - 1] if grade else release * left_at[0]
                n = settle(out, n, cell, slot, grade, RISE, t, t, left, bound, x, crest)
                for gone in range(1, min(block - cell.block, _BLOCKS) + 1):
                    cell.means[(cell.block + gone) % _BLOCKS] = np.nan
            cell.block, cell.sum, cell.into, cell.count = block, 0.0, 0.0, 0
        cell.sum += x
        cell.into += (t - block * length) / length
        cell.count += 1
    return n


class OverflowForecastParams(Params):
    """The defaults suit levels that are read once a minute or more often."""

    crest: QuantityField = Field(description="Level at which water runs over, or a road counts as under water.")
    left: tuple[float, ...] = Field(
        (30.0, 15.0, 5.0),
        min_length=1,
        max_length=4,
        description="Minutes until the crest of grade 1, 2, ...: above 0, falling from grade to grade.",
    )
    window: Seconds = Field(
        600.0, ge=8, description="Event time through which the line is drawn; an eighth should hold a reading or more."
    )
    rise: QuantityField | None = Field(
        None,
        description="Rise of the line within `window` below which nothing is forecast: several times the sensor's "
        "noise. Any rise if not given.",
    )
    release: float = Field(1.5, ge=1, description="A grade is left above so many times its minutes (no unit).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.left[-1] <= 0 or any(a <= b for a, b in pairwise(self.left)):
            raise ValueError("expected `left` to be above 0 and to fall from grade to grade")
        if self.rise and self.rise.value < 0:
            raise ValueError(f"expected a `rise` of 0 or more, got {self.rise}")
        return self


class OverflowForecast(Detector):
    """Finds levels that, as they rise now, reach a crest within given minutes.

    The window is cut into eight blocks of event time; each keeps the mean of its readings and of their times. When a
    block has ended, the median of the slopes between all pairs of blocks is the slope, and the median height of the
    line through them its level: two blocks of the eight may be wrong. Extended to the crest it says how many minutes
    are left; with each of `left` reached the grade rises, and it is left at `release` times as many. At the crest
    nothing is left, as long as the level rises; that the level stands above it is for `threshold` to say.

    Misses overflows that build up within less than half a window, and those whose rise has only begun: the line is
    straight, so that a rise that still gathers speed is forecast late, and one that wanes too early. Needs five blocks
    with readings, then one block. State: 192 bytes a sensor. Marks: score is the minutes left, at most ten times
    `release` times the first of `left`; value the reading, baseline the crest.

    Method: Theil-Sen line, Sen, Estimates of the Regression Coefficient Based on Kendall's Tau, Journal of the American
    Statistical Association 63 (1968).
    """

    name = "overflow_forecast"
    lane = Lane.PANE
    Params = OverflowForecastParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("block", np.int64),  # the block that is being filled
            ("sum", np.float64),
            ("into", np.float64),  # sum of the readings' times, 0 to 1 within the block
            ("score", np.float64),
            ("count", np.int64),
            ("means", np.float64, _BLOCKS),  # by block modulo their number; NaN where there was no reading
            ("at", np.float64, _BLOCKS),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: OverflowForecastParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._crest = float(params.crest.value)
        self._left = np.array(params.left, np.float64)
        self._length = nanoseconds(params.window) // _BLOCKS
        self._rise = float(params.rise.value) if params.rise else 0.0

    def initial(self, slots: int) -> npt.NDArray[np.void]:  # noqa: D102
        state = super().initial(slots)
        state["means"] = np.nan
        return state

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        return int(
            _rows(
                self.state,
                slot_of,
                sensor,
                ts,
                value,
                out,
                self._crest,
                self._left,
                self._length,
                self._rise,
                self.params.release,
            )
        )
