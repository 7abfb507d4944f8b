"""Gas that gathers slowly: too much for too long, or a steady climb."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params, Reason
from detectors.kernels import LIMIT, RISE, begin_block, nanoseconds, number, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["Accumulation", "AccumulationParams"]

_BLOCKS: Final = 12
_EXPOSURE: Final = int(Reason.EXPOSURE)


@njit(nogil=True, cache=True)
def _exposure(cell: Any, known: int) -> tuple[float, int]:
    """Mean excess over the window, blocks not yet seen counting as none, and the first block with an excess."""
    total, first = 0.0, -1
    for k in range(known):
        over = cell.over[(cell.filled - known + k) % _BLOCKS]
        total += over
        if over > 0.0 and first < 0:
            first = k
    return total / _BLOCKS, first


@njit(nogil=True, cache=True)
def _climb(cell: Any, dip: float) -> tuple[float, bool]:
    """By how much the means rise from the first block to the last, and whether steadily."""
    climbed = cell.mean[(cell.filled - 1) % _BLOCKS] - cell.mean[cell.filled % _BLOCKS]
    for k in range(1, _BLOCKS):
        step = cell.mean[(cell.filled + k) % _BLOCKS] - cell.mean[(cell.filled + k - 1) % _BLOCKS]
        if step < -dip * climbed:
            return climbed, False
    return climbed, True


@njit(nogil=True, cache=True)
def _close(
    out: Any,
    n: int,
    cell: Any,
    slot: int,
    t: int,
    floor: float,
    excess: Floats,
    rise: float,
    length: int,
    dip: float,
    release: float,
) -> int:
    """Take the block that has just ended."""
    mean = cell.sum / cell.count
    cell.mean[cell.filled % _BLOCKS] = mean
    cell.over[cell.filled % _BLOCKS] = cell.beyond / cell.count
    cell.filled += 1
    known = min(cell.filled, _BLOCKS)
    full = known == _BLOCKS

    exposure, first = _exposure(cell, known)
    exposed = 0
    still = cell.over[(cell.filled - 1) % _BLOCKS] > 0.0
    for k in range(len(excess)):
        stays = not full or (still and exposure >= release * excess[k])
        if (still and exposure >= excess[k]) or (k < cell.exposed and stays):
            exposed = k + 1
    climbed, steady = _climb(cell, dip) if full else (0.0, False)
    climbs = (steady and climbed >= rise) or (cell.climbs == 1 and (not full or climbed >= release * rise))
    cell.exposed, cell.climbs = exposed, 1 if climbs else 0
    cell.score = max(climbed / rise, 0.0) if steady else 0.0
    if len(excess):
        cell.score = max(cell.score, exposure / excess[0])
    cell.score = min(cell.score, 1e300)

    grade = max(exposed, 1 if climbs else 0)
    if grade:
        cell.reason = _EXPOSURE if exposed else RISE
    begin = cell.block - known + 1 + (max(first, 0) if exposed else 0)
    if cell.reason == _EXPOSURE:
        score, bound, base = exposure, excess[exposed - 1] if exposed else release * excess[0], floor
    else:
        score, bound, base = climbed, rise if climbs else release * rise, mean - climbed
    return settle(out, n, cell, slot, grade, cell.reason, t, begin * length, score, bound, mean, base)


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    floor: float,
    cap: float,
    excess: Floats,
    rise: float,
    length: int,
    dip: float,
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
                n = _close(out, n, cell, slot, t, floor, excess, rise, length, dip, release)
            if not begin_block(cell, block):  # the row of blocks is broken
                cell.filled = 0
            cell.beyond = 0.0
        cell.count += 1
        cell.sum += x
        cell.beyond += max(min(x, cap) - floor, 0.0)
    return n


class AccumulationParams(Params):
    """At least one of `excess` and `rise`."""

    excess: tuple[QuantityField, ...] = Field(
        (),
        max_length=4,
        description="Mean excess over `floor` during `window` of grade 1, 2, ..., ascending, above 0.",
    )
    floor: QuantityField | None = Field(
        None, description="Only what a reading has above this counts as exposure; 0 if not given."
    )
    cap: QuantityField | None = Field(
        None,
        description="As exposure a reading counts as this much at most, above `floor`: what is above alarms by itself.",
    )
    rise: QuantityField | None = Field(
        None,
        description="Steady climb within `window` that is of grade 1, above 0; climbs are not sought if not given.",
    )
    dip: float = Field(
        0.05, ge=0, lt=1, description="A steady climb may fall between two blocks by this part of itself (no unit)."
    )
    window: Seconds = Field(
        28_800.0, ge=12, description="Event time over which is judged; a twelfth must hold a reading at least."
    )
    release: float = Field(0.8, gt=0, le=1, description="A grade is left below this part of its bound (no unit).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.excess and not self.rise:
            raise ValueError("expected bounds in `excess`, a `rise`, or both")
        self.check_grades("excess")
        if self.rise and self.rise.value <= 0:
            raise ValueError(f"expected a `rise` above 0, got {self.rise}")
        floor = self.floor.value if self.floor else 0.0
        if self.cap and self.cap.value <= floor:
            raise ValueError(f"expected a `cap` above `floor`, {floor:g}, got {self.cap}")
        return self


class Accumulation(Detector):
    """Finds gas that gathers slowly: exposure above a floor summed up over a window, or a steady climb.

    Readings are averaged over twelve blocks of a twelfth of `window`. The exposure is the mean over the window of what
    the readings have above `floor` (times the window it is the exposure integral); it counts from the first block on,
    as if there had been none before, and ends with a block that has none. A climb is steady when no block's mean falls
    behind the one before it by more than `dip` of the whole climb. A block without a reading begins the window anew;
    what was found stays open until the window is full again. The onset is the begin of the first block with exposure,
    or of the climb.

    Misses what comes and goes within a block when its mean is small, and climbs slower than `rise` in a `window`. Takes
    the climb of a daily rhythm for gathering gas, if the rhythm climbs by `rise` in a `window`. Needs a block to see a
    massive exposure, and a `window` for a climb. State: 264 bytes a sensor. Marks: score is the exposure or the climb,
    value the latest block's mean, baseline the floor or the climb's first mean.

    Method: time-weighted average over the eight hours of a shift, the reference period of occupational exposure limits
    (EN 689:2018), on block means; steady climbs after Mann, Nonparametric Tests against Trend, Econometrica 13 (1945),
    of neighbouring blocks in place of all pairs.
    """

    name = "accumulation"
    lane = Lane.PANE
    Params = AccumulationParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("block", np.int64),  # the block that is being filled
            ("sum", np.float64),
            ("beyond", np.float64),  # sum of what is above the floor
            ("score", np.float64),
            ("mean", np.float64, _BLOCKS),  # of the blocks before it, in a ring
            ("over", np.float64, _BLOCKS),  # mean excess of those
            ("count", np.int64),
            ("filled", np.int64),  # blocks in an unbroken row
            ("exposed", np.uint8),  # grade by exposure
            ("climbs", np.uint8),
            ("reason", np.uint8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: AccumulationParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._excess = np.array([q.value for q in params.excess], np.float64)
        self._floor = float(params.floor.value) if params.floor else 0.0
        self._cap = float(params.cap.value) if params.cap else np.inf
        self._rise = float(params.rise.value) if params.rise else np.inf
        self._length = nanoseconds(params.window) // _BLOCKS

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
                self._floor,
                self._cap,
                self._excess,
                self._rise,
                self._length,
                p.dip,
                p.release,
            )
        )
