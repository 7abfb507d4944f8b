"""Gas that gathers: a concentration that stays up for long, though no single reading alarms."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import LIMIT, RISE, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["Accumulation", "AccumulationParams"]


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    levels: Floats,
    span: int,
    gap: int,
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
        if cell.last == 0:
            cell.mean = x
        else:
            step = min(t - cell.last, gap)
            cell.seen = min(cell.seen + step, span)
            # While less than a span is known, a plain mean over time.
            part = step / cell.seen if cell.seen < span else -math.expm1(-step / span)
            cell.mean += part * (x - cell.mean)
        cell.last = t
        if cell.mean < release * levels[0]:
            cell.since = 0
        elif cell.since == 0:
            cell.since = t
        grade = 0
        if cell.seen >= span:
            for k in range(len(levels)):
                if cell.mean >= levels[k] or (k < cell.grade and cell.mean >= release * levels[k]):
                    grade = k + 1
            cell.score = min(max(cell.mean / levels[0], 0.0), 1e300)
        bound = levels[grade - 1] if grade else release * levels[0]
        n = settle(out, n, cell, slot, grade, RISE, t, cell.since, cell.mean, bound, x, cell.mean)
    return n


class AccumulationParams(Params):
    """Levels well below those at which a single reading alarms."""

    levels: tuple[QuantityField, ...] = Field(
        min_length=1, max_length=4, description="Mean concentrations of grade 1, 2, ..., ascending, above 0."
    )
    span: Seconds = Field(900.0, ge=1, description="Event time over which the mean is taken (15 min: a STEL's).")
    gap: Seconds = Field(300.0, gt=0, description="A reading stands for at most this long before it, however late.")
    release: float = Field(0.8, gt=0, le=1, description="A grade is left below this part of its level (no unit).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(a >= b for a, b in pairwise([0.0, *(q.value for q in self.levels)])):
            raise ValueError("expected `levels` to be above 0 and to rise from grade to grade")
        return self


class Accumulation(Detector):
    """Finds concentrations that stay up: the time-weighted mean over a span reaches a level.

    The mean weighs readings by the time they stand for (at most `gap`) and forgets exponentially, so it is right at
    uneven sampling; until a whole `span` is known it is a plain mean and nothing is judged. A short swell that airs out
    passes, and a slow one that gathers is found at a level far below the alarm of a single reading. The onset is the
    reading at which the mean passed the level's release on its way up.

    Misses short peaks, however high. Does not tell where the gas is from. A steady concentration above the level is
    found within one `span` from its beginning at 1.6 times the level, later at less. State: 56 bytes a sensor. Marks:
    score and baseline are the mean, value the reading.

    Method: time-weighted averages, as exposure limits use them (8 h TWA and 15 min STEL; 29 CFR 1910.1000), computed as
    an exponential mean for uneven times (Dacorogna et al., An Introduction to High-Frequency Finance, 2001,
    chapter 3).
    """

    name = "accumulation"
    lane = Lane.PANE
    Params = AccumulationParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("since", np.int64),  # when the mean left the normal; 0 while it has not
            ("seen", np.int64),  # ns that the mean stands for, at most a span
            ("mean", np.float64),
            ("score", np.float64),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: AccumulationParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._levels = np.array([q.value for q in params.levels], np.float64)
        self._span, self._gap = nanoseconds(params.span), nanoseconds(params.gap)

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        return int(
            _rows(
                self.state,
                slot_of,
                sensor,
                ts,
                value,
                out,
                self._levels,
                self._span,
                self._gap,
                self.params.release,
            )
        )
