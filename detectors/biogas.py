"""Gas in sewers and septic tanks: biogas that comes with the time of day, or a leak."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params, Reason
from detectors.kernels import LIMIT, begin_block, nanoseconds, number, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, RateField, Seconds

__all__ = ["Biogas", "BiogasParams"]

_HOURS: Final = 24
_BIOGAS: Final = int(Reason.BIOGAS)
_LEAK: Final = int(Reason.LEAK)


@njit(nogil=True, cache=True)
def _close(
    out: Any,
    n: int,
    cell: Any,
    slot: int,
    t: int,
    step: int,
    day: int,
    days: int,
    level: float,
    fast: float,
    margin: float,
    times: float,
    release: float,
    alpha: float,
) -> int:
    """Judge the step that has just ended, then learn it."""
    x = cell.sum / cell.count
    begin = cell.block * step
    today = begin // day
    h = min((begin - today * day) // (day // _HOURS), _HOURS - 1)
    today += 1

    rushes = cell.before_block > 0 and x - cell.before >= fast * (cell.block - cell.before_block)
    cell.before, cell.before_block = x, cell.block
    known = cell.days[h] - (1 if cell.today[h] == today else 0) >= days
    e = x - cell.mean[h]
    bound = max(margin, times * cell.spread[h])
    usual = known and e <= bound

    cell.score = min(max(x / level, 0.0), 1e300)
    grade = 0
    if x >= level or (cell.grade and x >= release * level):
        grade = 2 if rushes or not usual or cell.grade == 2 else 1
        cell.reason = _LEAK if grade == 2 else _BIOGAS
    limit = level if grade else release * level
    n = settle(out, n, cell, slot, grade, cell.reason, t, begin, x, limit, x, cell.mean[h] if cell.seen[h] else x)

    if cell.today[h] != today:
        cell.today[h] = today
        cell.days[h] += 1
    if known and e > bound:
        e = bound  # learned as if it were just usual: a leak hardly moves the hour, a new habit does in the end
    cell.seen[h] += 1
    a = max(alpha, 1.0 / cell.seen[h])
    cell.mean[h] += a * e
    if cell.seen[h] > 1:
        cell.spread[h] += a * (abs(e) - cell.spread[h])
    return n


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    step: int,
    day: int,
    days: int,
    level: float,
    fast: float,
    margin: float,
    times: float,
    release: float,
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
        block = number(t, step, cell.block)
        if block != cell.block:
            if cell.count:
                n = _close(out, n, cell, slot, t, step, day, days, level, fast, margin, times, release, alpha)
            begin_block(cell, block)
        cell.count += 1
        cell.sum += x
    return n


class BiogasParams(Params):
    """`level` is what deserves a look; `fast` and `margin` tell a leak from biogas."""

    level: QuantityField = Field(description="Gas below this is of no interest, above 0.")
    fast: RateField = Field(
        description="A rise at this speed or more is a leak: faster than biogas, and than noise from step to step."
    )
    margin: QuantityField = Field(
        description="Gas up to this above the hour's mean always fits the daily rhythm, above 0."
    )
    times: float = Field(
        4.0, ge=0, description="Gas up to so many mean deviations of the hour above its mean fits the rhythm, too."
    )
    step: Seconds = Field(
        300.0, gt=0, description="Readings are averaged over it; speeds are taken from one to the next."
    )
    day: Seconds = Field(86_400.0, ge=0.001, description="Length of the rhythm; its profile has 24 hours.")
    days: int = Field(3, ge=1, description="Days on which an hour must have been seen before its rhythm is known.")
    half_life: float = Field(7.0, gt=0, description="Days after which a day's weight in the rhythm has halved.")
    release: float = Field(0.8, gt=0, le=1, description="The finding ends below this part of `level` (no unit).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ("level", "fast", "margin"):
            if getattr(self, name).value <= 0:
                raise ValueError(f"expected a `{name}` above 0, got {getattr(self, name)}")
        return self


class Biogas(Detector):
    """Finds gas in sewers and septic tanks, and tells biogas that comes with the time of day from a leak.

    Readings are averaged over `step`. Each of the 24 hours of the day has a weighted mean and mean deviation of its
    own. Gas at or above `level` is biogas (grade 1, a notice; reason "biogas") as long as it came slowly and fits the
    hour: not further above its mean than `margin`, or `times` its mean deviation. It is a leak (grade 2, reason "leak")
    if it rises at `fast` or more, or leaves the rhythm, or if the rhythm is not known yet: in doubt for safety. A leak
    stays one until the gas is gone. What is beyond the rhythm is learned as if it were at its edge: a leak of some
    hours hardly moves the profile, a new habit is learned in some weeks.

    Misses leaks that stay below `level`, and those that come slowly and stay within what is usual at the hour. Takes
    biogas at an unusual hour (a discharge, a warm spell) for a leak: it knows no temperature and no neighbours. Needs
    `days` days to know the rhythm, then the end of a step. State: 936 bytes a sensor. Marks: score and value are the
    step's mean, threshold the level, baseline the hour's mean.

    Method: a seasonal profile of exponentially weighted means (Roberts, Technometrics 1, 1959), learning bounded as in
    Huber, Robust Statistics (1981), and a bound on the slope.
    """

    name = "biogas"
    lane = Lane.PANE
    Params = BiogasParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("block", np.int64),  # the step that is being filled
            ("sum", np.float64),
            ("count", np.int64),
            ("before", np.float64),  # mean of the latest step with readings, and
            ("before_block", np.int64),  # which that was
            ("score", np.float64),
            ("mean", np.float64, _HOURS),
            ("spread", np.float64, _HOURS),  # mean absolute deviation
            ("seen", np.int64, _HOURS),  # steps learned
            ("today", np.int64, _HOURS),  # the latest day on which the hour was seen
            ("days", np.int32, _HOURS),  # how many those were
            ("reason", np.uint8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: BiogasParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._step = nanoseconds(params.step)
        self._day = nanoseconds(params.day)
        steps = max(params.day / _HOURS / params.step, 1.0)
        self._alpha = float(-np.expm1(-np.log(2.0) / (params.half_life * steps)))

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
                self._step,
                self._day,
                p.days,
                p.level.value,
                p.fast.value * p.step,
                p.margin.value,
                p.times,
                p.release,
                self._alpha,
            )
        )
