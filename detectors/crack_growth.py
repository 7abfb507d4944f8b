"""Cracks that are too wide, or grow."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params, Reason
from detectors.kernels import LIMIT, RISE, bound_of, grade_of, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, RateField, Seconds

__all__ = ["CrackGrowth", "CrackGrowthParams"]

_PARTS: Final = 12  # of a day
_DAYS: Final = 14
_WIDTH: Final = int(Reason.WIDTH)


@njit(nogil=True, cache=True)
def _width(cell: Any) -> float:
    """Median of the means of a day's parts; NaN while fewer than half of them hold readings."""
    means = np.empty(_PARTS)
    m = 0
    for k in range(_PARTS):
        if cell.count[k]:
            means[m] = cell.mean[k]
            m += 1
    return np.median(means[:m]) if 2 * m >= _PARTS else np.nan


@njit(nogil=True, cache=True)
def _growth(cell: Any) -> float:
    """Theil-Sen slope of the latest days, per day; 0 while they are fewer than half."""
    slopes = np.empty(_DAYS * (_DAYS - 1) // 2)
    m = days = 0
    for i in range(_DAYS):
        if cell.day - cell.at[i] >= _DAYS:
            continue
        days += 1
        for j in range(i):
            if cell.day - cell.at[j] < _DAYS:
                slopes[m] = (cell.width[i] - cell.width[j]) / (cell.at[i] - cell.at[j])
                m += 1
    return np.median(slopes[:m]) if 2 * days >= _DAYS else 0.0


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    wide: Floats,
    fast: Floats,
    length: int,
    release: float,
) -> int:
    n = 0
    per_second = 1e9 / length
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        cell = state[slot]
        t, x = ts[i], value[i]
        if t <= cell.last or not abs(x) <= LIMIT:
            continue
        cell.last = t
        day = t // length
        if day != cell.day:
            width = _width(cell)
            if width == width:
                place = cell.day % _DAYS
                cell.at[place] = cell.day
                cell.width[place] = width
                speed = _growth(cell) * per_second
                cell.wide = grade_of(width, wide, 0.0, True, cell.wide, release)
                cell.fast = grade_of(speed, fast, 0.0, True, cell.fast, release)
                grade = max(cell.wide, cell.fast)
                # The graver says why; at the end, the one that there is a threshold for.
                if cell.wide >= cell.fast and len(wide):
                    score, bounds, reason = width, wide, _WIDTH
                else:
                    score, bounds, reason = speed, fast, RISE
                bound = bound_of(grade, bounds, 0.0, release)
                before = width
                oldest = cell.day
                for k in range(_DAYS):
                    if cell.day - _DAYS < cell.at[k] < oldest:
                        oldest, before = cell.at[k], cell.width[k]
                n = settle(out, n, cell, slot, grade, reason, t, cell.began, score, bound, width, before)
            cell.day, cell.began = day, t
            cell.count[:] = 0
        k = (t - day * length) * _PARTS // length
        count = cell.count[k] + 1
        cell.mean[k] = x if count == 1 else cell.mean[k] + (x - cell.mean[k]) / count
        cell.count[k] = count
    return n


class CrackGrowthParams(Params):
    """At least one of `width` and `growth`."""

    width: tuple[QuantityField, ...] = Field(
        (), max_length=4, description="Widths of grade 1, 2, ..., ascending, above 0: as the sensor counts them."
    )
    growth: tuple[RateField, ...] = Field(
        (), max_length=4, description="Speeds of growth of grade 1, 2, ..., ascending, above 0, over fourteen days."
    )
    day: Seconds = Field(
        86400.0, ge=1, description="The rhythm that the crack breathes in, from whole multiples of it since 1970 (UTC)."
    )
    release: float = Field(0.9, gt=0, le=1, description="A grade is left below this part of its threshold (no unit).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.width and not self.growth:
            raise ValueError("expected thresholds in `width`, in `growth` or in both")
        self.check_grades("width", "growth")
        return self


class CrackGrowth(Detector):
    """Finds cracks and joints that are wider than they may be, or that grow, though they breathe with the temperature.

    A day's width is the median of the means of its twelve parts, so that neither the daily rhythm, nor spikes, nor
    uneven sampling shift it; a day with readings in fewer than six parts does not count. Growth is the median of the
    slopes between all pairs of the latest fourteen days, of which seven must count. The grade is the higher of the two;
    the reason is "width" or "rise", whichever is the graver.

    Misses what opens and closes within a day, and growth that stops within days. Takes the yearly opening of a joint
    for growth if the threshold is below it: a joint that moves by A in a year, peak to peak, moves by up to A / 116 a
    day. Needs a day for the width, seven days for growth. State: 408 bytes a sensor. Marks: score is the day's width,
    or the growth per second; value the day's width, baseline that of the oldest of the days.

    Method: Theil-Sen slope (Sen, Estimates of the Regression Coefficient Based on Kendall's Tau, Journal of the
    American Statistical Association 63, 1968) of daily medians.
    """

    name = "crack_growth"
    lane = Lane.PANE
    Params = CrackGrowthParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("day", np.int64),  # the day that is being filled, counted from 1970
            ("began", np.int64),  # its first reading
            ("mean", np.float64, _PARTS),
            ("at", np.int64, _DAYS),
            ("width", np.float64, _DAYS),
            ("count", np.int32, _PARTS),
            ("wide", np.uint8),  # grade by width
            ("fast", np.uint8),  # grade by growth
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: CrackGrowthParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._wide = np.array([q.value for q in params.width], np.float64)
        self._fast = np.array([r.value for r in params.growth], np.float64)
        self._length = nanoseconds(params.day)

    def initial(self, slots: int) -> Any:  # noqa: D102
        state = super().initial(slots)
        state["at"] = -_DAYS
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
                self._wide,
                self._fast,
                self._length,
                self.params.release,
            )
        )
