"""Passages that load a structure too much."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import FALL, LIMIT, RISE, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["Overload", "OverloadParams"]

_LN2: Final = 0.6931471805599453


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    peak: Floats,
    start: float,
    longest: int,
    quiet: int,
    half_life: int,
) -> int:
    n = 0
    tau = half_life / _LN2
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        cell = state[slot]
        t, x = ts[i], value[i]
        if t <= cell.last or not abs(x) <= LIMIT:
            continue
        step = t - cell.last
        cell.last = t
        away = x - cell.base
        if cell.grade and t - cell.found >= quiet:
            reason = RISE if cell.most > 0.0 else FALL
            n = settle(out, n, cell, slot, 0, reason, t, t, abs(away), peak[0], x, cell.base)
        if step > half_life:  # the first reading, or too long ago to know the baseline
            cell.began, cell.base, cell.count, cell.inside = t, x, 1, 0
            continue
        if t - cell.began < half_life:
            cell.count += 1
            cell.base += away / cell.count
            continue
        if abs(away) < start:
            if cell.inside and t - cell.since <= longest:
                cell.passages += 1
                grade = 0
                for k in range(len(peak)):
                    if abs(cell.most) >= peak[k]:
                        grade = k + 1
                if grade:
                    cell.found = t
                if grade > cell.grade:
                    reason = RISE if cell.most > 0.0 else FALL
                    top = cell.base + cell.most
                    bound = peak[grade - 1]
                    n = settle(out, n, cell, slot, grade, reason, t, cell.since, abs(cell.most), bound, top, cell.base)
            cell.inside = 0
        elif cell.inside == 0:
            cell.inside = 1
            cell.since, cell.most = t, away
        elif abs(away) > abs(cell.most):
            cell.most = away
        if cell.inside == 0 or t - cell.since > longest:
            cell.base += step / (tau + step) * min(max(away, -start), start)
    return n


class OverloadParams(Params):
    """`longest` must be shorter than `half_life`."""

    peak: tuple[QuantityField, ...] = Field(
        min_length=1,
        max_length=4,
        description="Peaks of a passage, from the baseline, of grade 1, 2, ..., ascending, above 0.",
    )
    longest: Seconds = Field(
        15.0, gt=0, description="A passage is over within this event time; what stays longer is no passage."
    )
    half_life: Seconds = Field(
        300.0, ge=1, description="Time in which the baseline takes up half of a change; also its warm-up."
    )
    start: float = Field(
        0.5, gt=0, le=1, description="A passage is what is beyond this part of the first peak (no unit)."
    )
    quiet: Seconds = Field(
        60.0, ge=0, description="Event time without a further overload after which the finding ends."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_grades("peak")
        if self.longest >= self.half_life:
            raise ValueError("expected a `half_life` longer than `longest`")
        return self


class Overload(Detector):
    """Finds passages with a higher peak of strain or deflection than a structure should bear: overweight vehicles.

    A passage is a time for which readings are further from the baseline than the part `start` of the first peak, and at
    most `longest`: what stays is a settlement, heat or a queue, and no overload. It is judged when it is over.
    Overloads closer than `quiet` are one finding, whose grade only rises. The baseline is the mean of the first
    `half_life`; then it follows what is no passage, and what stays by at most `start` x peak in 1.4 `half_life`. After
    a gap of more than a `half_life` it is learned anew. The state counts the passages.

    Misses overloads in the warm-up, those of a vehicle that stands for longer than `longest`, and all of them after a
    shift, until the baseline has caught up. Several vehicles at once are one passage. Needs `half_life` to start, and
    readings that are fast beside a passage: twenty or more. State: 80 bytes a sensor. Marks: score is the peak from the
    baseline, value the peak's reading.

    Method: peaks over a threshold, runs declustered by `quiet` (Coles, An Introduction to Statistical Modeling of
    Extreme Values, 2001, chapters 4 and 5).
    """

    name = "overload"
    lane = Lane.FAST
    Params = OverloadParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("began", np.int64),
            ("since", np.int64),  # when the passage began
            ("found", np.int64),  # when the latest overload was over
            ("base", np.float64),
            ("most", np.float64),  # the passage's largest distance, with its sign
            ("count", np.int64),  # readings in the warm-up
            ("passages", np.int64),
            ("inside", np.uint8),  # whether a passage goes on
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: OverloadParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._peak = np.array([q.value for q in params.peak], np.float64)
        self._start = float(params.start * self._peak[0])

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
                self._start,
                nanoseconds(p.longest),
                nanoseconds(p.quiet),
                nanoseconds(p.half_life),
            )
        )
