"""Changes of the mean, by the test of Page and Hinkley, as River computes it."""

from __future__ import annotations

from typing import Any, Final, Literal, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import FALL, LIMIT, RISE, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["PageHinkley", "PageHinkleyParams"]

_SIDES: Final = {"both": 0, "up": 1, "down": -1}


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    readings: int,
    delta: float,
    threshold: float,
    alpha: float,
    side: int,
    hold: int,
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
        if cell.grade and t - cell.found >= hold:
            n = settle(out, n, cell, slot, 0, cell.reason, t, t, 0.0, threshold, x, cell.mean)
        count = cell.count + 1
        # 1 / n first, then the product: River's order, so that the results are equal to the last bit.
        mean = cell.mean + (1.0 / count) * (x - cell.mean)
        up = alpha * cell.up + (x - mean) - delta
        down = alpha * cell.down + (x - mean) + delta
        cell.count, cell.mean, cell.up, cell.down = count, mean, up, down
        if count == 1 or up < cell.lowest:
            cell.lowest, cell.lowest_ts = up, t
        if count == 1 or down > cell.highest:
            cell.highest, cell.highest_ts = down, t
        if count < readings:
            continue
        rise = up - cell.lowest if side >= 0 else 0.0
        fall = cell.highest - down if side <= 0 else 0.0
        if rise > threshold or fall > threshold:
            reason = RISE if rise >= fall else FALL
            if cell.grade == 0:
                cell.reason = reason
            onset = cell.lowest_ts if reason == RISE else cell.highest_ts
            n = settle(out, n, cell, slot, 1, reason, t, onset, max(rise, fall), threshold, x, mean)
            cell.found = t
            cell.count = 0
            cell.up = cell.down = cell.mean = 0.0
    return n


class PageHinkleyParams(Params):
    """`threshold` and `delta` are in the sensors' unit: they have to fit the noise."""

    threshold: QuantityField = Field(description="Sum of deviations at which a change counts (lambda), above 0.")
    delta: QuantityField = Field(description="Deviation that is tolerated in each reading, 0 or more.")
    readings: int = Field(30, ge=1, description="Readings that are needed before a change can be found.")
    alpha: float = Field(0.9999, gt=0, le=1, description="Factor by which the sums fade with each reading (no unit).")
    sides: Literal["both", "up", "down"] = Field("both", description="Which changes count.")
    hold: Seconds = Field(0.0, ge=0, description="Event time that a change stays open; 0 ends it at the next reading.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.threshold.value <= 0:
            raise ValueError(f"expected a `threshold` above 0, got {self.threshold}")
        if self.delta.value < 0:
            raise ValueError(f"expected a `delta` of 0 or more, got {self.delta}")
        if self.threshold.unit != self.delta.unit:
            raise ValueError(f"expected `threshold` and `delta` in one unit, got {self.threshold} and {self.delta}")
        return self


class PageHinkley(Detector):
    """Finds changes of the mean by the Page-Hinkley test, and learns anew after each.

    It finds what River's `drift.PageHinkley` finds at the same readings (`readings` is its min_instances). Being a
    moment and not a state, a change is closed by the first reading `hold` later; changes found meanwhile keep it open.
    The onset is the reading at which the sum had its extreme (the usual estimate of the change point).

    Misses changes smaller than `delta`, and those in the first `readings` after a start or a change. A shift of d is
    found after about threshold / (d - delta) readings. Takes slow drift for a series of changes.
    State: 96 bytes a sensor. Marks: score is the sum, baseline the mean since the previous change.

    Method: Page, Continuous Inspection Schemes, Biometrika 41 (1954); Hinkley, Inference about the Change-Point from
    Cumulative Sum Tests, Biometrika 58 (1971).
    """

    name = "page_hinkley"
    lane = Lane.PANE
    Params = PageHinkleyParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("found", np.int64),
            ("mean", np.float64),
            ("up", np.float64),
            ("down", np.float64),
            ("lowest", np.float64),
            ("lowest_ts", np.int64),
            ("highest", np.float64),
            ("highest_ts", np.int64),
            ("count", np.int64),  # readings since the previous change
            ("reason", np.uint8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: PageHinkleyParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._threshold, self._delta = float(params.threshold.value), float(params.delta.value)
        self._hold = nanoseconds(params.hold)

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
                p.readings,
                self._delta,
                self._threshold,
                p.alpha,
                _SIDES[p.sides],
                self._hold,
            )
        )
