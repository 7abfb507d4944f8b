"""Short, hard blows."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params, Reason
from detectors.kernels import LIMIT, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["Impact", "ImpactParams"]

_CLIP: Final = 3.0  # in the noise a reading counts for at most so many times the noise
_IMPACT: Final = int(Reason.IMPACT)


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    peak: Floats,
    times: float,
    release: float,
    longest: int,
    calm: int,
    quiet: int,
    warm_up: int,
    alpha: float,
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
        away = x - cell.level
        size = abs(away)
        if cell.grade and t - cell.found >= quiet:
            n = settle(out, n, cell, slot, 0, _IMPACT, t, t, size, cell.bound, x, cell.level)
        if cell.count < warm_up:
            cell.count += 1
            cell.level += away / cell.count
            if cell.count > 1:
                cell.noise += (size - cell.noise) / (cell.count - 1)
            continue
        if cell.inside == 0:
            cell.bound = max(peak[0], times * cell.noise)
        if size >= release * cell.bound:
            if cell.inside == 0:
                cell.inside = 1
                cell.since, cell.most = t, 0.0
            cell.until = t
            if size > abs(cell.most):
                cell.most = away
        elif cell.inside and t - cell.until >= calm:
            cell.inside = 0
            most = abs(cell.most)
            if cell.until - cell.since <= longest and most >= cell.bound:
                grade = 1
                for k in range(1, len(peak)):
                    if most >= max(peak[k], cell.bound):
                        grade = k + 1
                cell.found = t
                if grade > cell.grade:
                    bound = max(peak[grade - 1], cell.bound)
                    top = cell.level + cell.most
                    n = settle(out, n, cell, slot, grade, _IMPACT, t, cell.since, most, bound, top, cell.level)
        # A reading counts for a bit at most, so that a blow is not learned but louder traffic is.
        step = min(size, _CLIP * max(cell.noise, alpha * peak[0]))
        cell.level += alpha * (step if away > 0.0 else -step)
        cell.noise += alpha * (step - cell.noise)
    return n


class ImpactParams(Params):
    """The larger of `peak` and `times` the noise is what counts."""

    peak: tuple[QuantityField, ...] = Field(
        min_length=1,
        max_length=4,
        description="Peaks of grade 1, 2, ..., from the level, ascending, above 0: well above what traffic does.",
    )
    times: float = Field(
        15.0, ge=1, description="The first peak is at least this many times the mean distance from the level."
    )
    longest: Seconds = Field(2.0, gt=0, description="A blow has died down within this event time; a quake has not.")
    calm: Seconds = Field(0.2, gt=0, description="A blow is over after this event time without a high reading.")
    release: float = Field(0.5, gt=0, le=1, description="A reading is high from this part of the first peak (no unit).")
    quiet: Seconds = Field(10.0, ge=0, description="Event time without a further blow after which the finding ends.")
    warm_up: int = Field(200, ge=2, description="Readings of which level and noise are learned.")
    half_life: float = Field(
        1000.0, ge=1, description="Readings after which the weight of one in level and noise has halved."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_grades("peak")
        return self


class Impact(Detector):
    """Finds short, hard blows in acceleration: a vehicle that hits a pier, a fall of rock, a wire that breaks.

    A blow is a time in which high readings, those from the part `release` of the bound, follow each other within
    `calm`; the bound is the first peak, or `times` the noise where that is more. It is judged when it is over, and is
    an impact if its highest reading reached the bound and it lasted for at most `longest`. Blows closer than `quiet`
    are one finding, whose grade only rises. Level and noise, the mean distance from it, are exponentially weighted, and
    a reading counts in them for at most three times the noise.

    Misses blows in the warm-up, and those that ring for longer than `longest` above half of the bound. A single false
    reading looks like a blow: select `spike` beside it. Needs `warm_up` readings to start, and ten or more in a blow.
    State: 80 bytes a sensor. Marks: score is the peak's distance from the level, value the peak, baseline the level.

    Method: peak over a robust noise level, by clipped exponential means (Huber, Robust Statistics, 1981).
    """

    name = "impact"
    lane = Lane.FAST
    Params = ImpactParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("since", np.int64),  # first high reading of the blow
            ("until", np.int64),  # latest one
            ("found", np.int64),  # when the latest impact was over
            ("level", np.float64),
            ("noise", np.float64),
            ("bound", np.float64),
            ("most", np.float64),  # the blow's largest distance, with its sign
            ("count", np.int32),
            ("inside", np.uint8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: ImpactParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._peak = np.array([q.value for q in params.peak], np.float64)
        self._alpha = float(-np.expm1(-np.log(2.0) / params.half_life))

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
                self._peak,
                p.times,
                p.release,
                nanoseconds(p.longest),
                nanoseconds(p.calm),
                nanoseconds(p.quiet),
                p.warm_up,
                self._alpha,
            )
        )
