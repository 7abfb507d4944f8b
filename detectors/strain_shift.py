"""Shifts that stay: a support that has settled, a member that has slipped."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import FALL, LIMIT, RISE, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["StrainShift", "StrainShiftParams"]

_BLOCKS: Final = 12  # in `stays`: a vehicle's edges are blurred by a twelfth
_MEAN_OF_MEDIAN: Final = 1.1829  # mean over median of |x|, x normal


@njit(nogil=True, cache=True)
def _judge(cell: Any, mean: float, shift: Floats, times: float, release: float, alpha: float) -> float:
    """Count a block's mean for or against each grade, or learn it; return by how much the first threshold is scaled."""
    away = mean - cell.level
    scale: float = max(1.0, times * cell.noise / shift[0])
    if cell.held[0] == 0 and (cell.run[0] == 0 or cell.side * away <= 0.0):
        cell.side = 1 if away > 0.0 else -1
        cell.run[:] = 0
    away *= cell.side
    cell.score = max(min(away / (scale * shift[0]), 1e300), 0.0)
    if cell.held[0] == 0 and away < scale * shift[0]:
        cell.level += alpha * cell.side * away
        cell.noise += alpha * (abs(mean - cell.before) - cell.noise)
    cell.before = mean
    for k in range(len(shift)):
        contradicts = away >= scale * shift[k] if cell.held[k] == 0 else away < release * scale * shift[k]
        if not contradicts:
            cell.run[k] = 0
            continue
        if k == 0 and cell.held[0] == 0 and cell.run[0] == 0:
            cell.since = cell.began
        cell.run[k] += 1
        if cell.run[k] >= _BLOCKS:
            cell.held[k] = 1 - cell.held[k]
            cell.run[k] = 0
    return scale


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    shift: Floats,
    length: int,
    times: float,
    release: float,
    alpha: float,
    relearn: int,
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
        block = t // length
        if block != cell.block:
            if cell.count:
                mean = cell.sum / cell.count
                if cell.learned < _BLOCKS:
                    cell.first[cell.learned] = mean
                    cell.learned += 1
                    if cell.learned == _BLOCKS:
                        cell.level = np.median(cell.first)
                        cell.noise = _MEAN_OF_MEDIAN * np.median(np.abs(np.diff(cell.first)))
                        cell.before = mean
                else:
                    scale = _judge(cell, mean, shift, times, release, alpha)
                    grade = 0
                    for k in range(len(shift)):
                        if cell.held[k]:
                            grade = k + 1
                    stale = grade > 0 and cell.grade > 0 and t - cell.onset >= relearn
                    if stale:
                        grade = 0
                    bound = scale * shift[grade - 1] if grade else release * scale * shift[0]
                    reason = RISE if cell.side > 0 else FALL
                    score = max(cell.side * (mean - cell.level), 0.0)
                    n = settle(out, n, cell, slot, grade, reason, t, cell.since, score, bound, mean, cell.level)
                    if stale:
                        cell.learned = 0
                        cell.held[:] = 0
                        cell.run[:] = 0
                        cell.score = 0.0
            cell.block, cell.began, cell.sum, cell.count = block, t, 0.0, 0
        cell.sum += x
        cell.count += 1
    return n


class StrainShiftParams(Params):
    """`stays` must be longer than vehicles stand, `half_life` longer than `stays`."""

    shift: tuple[QuantityField, ...] = Field(
        min_length=1,
        max_length=4,
        description="Shifts of grade 1, 2, ..., ascending, above 0: about half of what would be damage.",
    )
    stays: Seconds = Field(
        180.0, ge=1, description="Event time for which a shift must last without a break: longer than vehicles stand."
    )
    half_life: Seconds = Field(
        600.0, ge=1, description="Time in which half of a slow change becomes normal: the thermal cycle drops out."
    )
    times: float = Field(
        6.0, ge=0, description="The first shift is at least this many mean differences between blocks."
    )
    release: float = Field(
        0.6, gt=0, le=1, description="A grade is left below this part of its shift, after `stays` (no unit)."
    )
    relearn: Seconds = Field(
        86400.0, ge=1, description="Event time after which a shift that stays is taken for the new normal."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_grades("shift")
        return self


class StrainShift(Detector):
    """Finds shifts of strain, tilt or deflection that stay, and passes over vehicles that cross or stand.

    Readings are averaged over blocks of a twelfth of `stays`. A shift counts once twelve blocks in a row are away from
    the level to one side; it ends once twelve in a row are back. The level learns, exponentially, from blocks that are
    not away: so it follows the thermal cycle, but neither vehicles nor a shift. It begins as the median of the first
    twelve blocks. The onset is the first reading of the first block that was away.

    Misses shifts that come more slowly than about `shift` in 1.4 `half_life`, for they look like heat, and those
    during the first `stays`. A quicker thermal change than that is taken for a shift. Where the asset has a
    thermometer, `thermal_strain` does better. Needs `stays` to learn, and `stays` to be sure.
    State: 200 bytes a sensor. Marks: score is the distance from the level, value the block's mean, baseline the level.

    Method: block means against an exponentially weighted level that learns only from what is normal (Roberts, Control
    Chart Tests Based on Geometric Moving Averages, Technometrics 1, 1959), with a run rule over consecutive means
    (Western Electric, Statistical Quality Control Handbook, 1956).
    """

    name = "strain_shift"
    lane = Lane.PANE
    Params = StrainShiftParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("since", np.int64),  # first reading of the first block that was away
            ("block", np.int64),  # the block that is being filled
            ("began", np.int64),  # first reading of that or, while it is judged, of the block before
            ("sum", np.float64),
            ("level", np.float64),
            ("noise", np.float64),  # mean absolute difference between blocks
            ("before", np.float64),  # mean of the block before
            ("score", np.float64),
            ("first", np.float64, _BLOCKS),
            ("count", np.int64),  # readings in the block
            ("learned", np.uint8),  # blocks in `first`
            ("held", np.uint8, 4),  # whether each grade counts
            ("run", np.uint8, 4),  # blocks in a row that say otherwise
            ("side", np.int8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: StrainShiftParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._shift = np.array([q.value for q in params.shift], np.float64)
        self._length = max(nanoseconds(params.stays) // _BLOCKS, 1)
        self._alpha = float(-np.expm1(-np.log(2.0) * params.stays / _BLOCKS / params.half_life))
        self._relearn = nanoseconds(params.relearn)

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
                self._shift,
                self._length,
                p.times,
                p.release,
                self._alpha,
                self._relearn,
            )
        )
