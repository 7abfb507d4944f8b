"""Fatigue: cycles of stress or strain, counted by rainflow, and the damage that they do."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params, Reason
from detectors.kernels import LIMIT, nanoseconds, number, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["Rainflow", "RainflowParams"]

_DEPTH: Final = 32  # turning points that wait for their cycle
_MOST: Final = 1e300  # sums stop here
_FATIGUE: Final = int(Reason.FATIGUE)


@njit(nogil=True, cache=True)
def _damage(size: float, bend: float, life: float, slope: float) -> float:
    """Damage of one cycle: 1 / N of an S-N curve that goes through (`life`, `bend`) and is flatter below."""
    exponent = slope if size >= bend else 2.0 * slope - 1.0
    return min((size / bend) ** exponent / life, _MOST)  # type: ignore[no-any-return]


@njit(nogil=True, cache=True)
def _add(cell: Any, size: float, weight: float, bend: float, life: float, slope: float) -> None:
    damage = weight * _damage(size, bend, life, slope)
    cell.range = size
    cell.current = min(cell.current + damage, _MOST)
    cell.total = min(cell.total + damage, _MOST)


@njit(nogil=True, cache=True)
def _push(cell: Any, x: float, bend: float, life: float, slope: float) -> None:
    """Take a turning point and count the cycles that it closes (ASTM E1049, 5.4.4)."""
    point = cell.point
    if cell.depth == _DEPTH:
        _add(cell, abs(point[1] - point[0]), 0.5, bend, life, slope)
        point[:-1] = point[1:].copy()
        cell.depth -= 1
    point[cell.depth] = x
    cell.depth += 1
    while cell.depth >= 3:
        depth = cell.depth
        before = abs(point[depth - 2] - point[depth - 3])
        if abs(point[depth - 1] - point[depth - 2]) < before:
            return
        if depth == 3:  # it holds the start: half a cycle
            _add(cell, before, 0.5, bend, life, slope)
            point[0], point[1] = point[1], point[2]
            cell.depth = 2
        else:
            _add(cell, before, 1.0, bend, life, slope)
            point[depth - 3] = point[depth - 1]
            cell.depth = depth - 2


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    damage: Floats,
    length: int,
    ignore: float,
    bend: float,
    life: float,
    slope: float,
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
        if cell.depth == 0:
            cell.began = t
            cell.turn = x
            cell.point[0] = x
            cell.depth = 1
        cell.last = t
        window = number(t - cell.began, length, cell.window)
        closed = window != cell.window
        if closed:
            cell.previous = cell.current if window == cell.window + 1 else 0.0
            cell.current = 0.0
            cell.window = window
        away = x - cell.turn
        ahead = cell.way * away >= 0.0
        if cell.way != 0 and not closed and (ahead or abs(away) < ignore):
            cell.turn = x if ahead else cell.turn  # no branch: noise would make it unpredictable
            continue
        if cell.way == 0:
            if away != 0.0 and abs(away) >= ignore:
                cell.way = 1 if away > 0.0 else -1
                cell.turn = x
        elif ahead:
            cell.turn = x
        elif abs(away) >= ignore:
            _push(cell, cell.turn, bend, life, slope)
            cell.way = -cell.way
            cell.turn = x
            closed = True
        if not closed:
            continue
        worst = max(cell.current, cell.previous)
        cell.score = min(worst / damage[0], _MOST)
        grade = 0
        for k in range(len(damage)):
            if worst >= damage[k]:
                grade = k + 1
        bound = damage[max(grade, 1) - 1]
        n = settle(out, n, cell, slot, grade, _FATIGUE, t, t, worst, bound, cell.range, cell.total)
    return n


class RainflowParams(Params):
    """`category` and `cycles` are a point of the S-N curve, `slope` and `knee` its shape."""

    category: QuantityField = Field(
        description="Range (peak to peak) that the detail bears for `cycles`, above 0: its detail category, for strain "
        "divided by Young's modulus."
    )
    damage: tuple[float, ...] = Field(
        min_length=1,
        max_length=4,
        description="Damage sums within a `window` of grade 1, 2, ..., ascending, above 0 (1 is failure, no unit).",
    )
    window: Seconds = Field(
        86400.0, ge=1, description="Event time over which damage is summed, from the first reading on."
    )
    cycles: float = Field(2e6, ge=1, description="Cycles at `category` until failure.")
    slope: float = Field(3.0, ge=1, le=20, description="Slope m of the S-N curve, N ~ range^-m, above the knee.")
    knee: float = Field(5e6, ge=1, description="Cycles beyond which the slope is 2 m - 1; at least `cycles`.")
    ignore: QuantityField | None = Field(
        None, description="Smallest range that counts: above the noise, below the cut-off limit. 0 if not given."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.category.value <= 0:
            raise ValueError(f"expected a `category` above 0, got {self.category}")
        self.check_grades("damage")
        if self.knee < self.cycles:
            raise ValueError("expected `knee` to be at least `cycles`")
        if self.ignore and self.ignore.value < 0:
            raise ValueError(f"expected an `ignore` of 0 or more, got {self.ignore}")
        return self


class Rainflow(Detector):
    """Counts cycles of stress or strain by rainflow and finds damage that comes faster than it should.

    A turning point is a reading from which the next ones turn back by `ignore` or more. Of the last three ranges
    between turning points the rule of ASTM E1049 takes whole cycles out of the middle, and halves where the record
    begins. A cycle does 1 / N of damage, N from the S-N curve; damages add up (Miner). The grade is the number of sums
    that the damage of this window, or of the whole window before it, has reached: it is left when a window passes with
    less. A window of many years makes it a grade by accumulated damage, which never falls. At most 32 turning points
    wait for their cycle; beyond that the oldest, which is the widest, counts as half a cycle.

    Misses cycles that have not closed yet, such as the widest ever: they count when a wider one comes. Mean stress does
    not count, as usual for welded details. Damage before the first reading is not known. Needs no time to learn; a
    cycle counts once it has closed. State: 344 bytes a sensor. Marks: score is the damage in the window, value the
    range of the latest cycle, baseline the damage since the first reading.

    Method: rainflow counting of ASTM E1049 (5.4.4; Matsuishi and Endo 1968), linear damage of Palmgren (1924) and Miner
    (Cumulative Damage in Fatigue, Journal of Applied Mechanics 12, 1945), S-N curve with the second slope 2 m - 1 of
    Haibach (1970), which for m = 3 is that of EN 1993-1-9.
    """

    name = "rainflow"
    lane = Lane.PANE
    Params = RainflowParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("began", np.int64),
            ("window", np.int64),  # windows since `began`
            ("turn", np.float64),  # the extreme since the last turning point
            ("current", np.float64),  # damage in this window
            ("previous", np.float64),
            ("total", np.float64),
            ("range", np.float64),
            ("score", np.float64),
            ("point", np.float64, _DEPTH),
            ("depth", np.int32),
            ("way", np.int8),  # 1 while rising, -1 while falling
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: RainflowParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._damage = np.array(params.damage, np.float64)
        self._length = nanoseconds(params.window)
        self._ignore = float(params.ignore.value) if params.ignore else 0.0
        self._bend = float(params.category.value * (params.cycles / params.knee) ** (1.0 / params.slope))

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
                self._damage,
                self._length,
                self._ignore,
                self._bend,
                p.knee,
                p.slope,
            )
        )
