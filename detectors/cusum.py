"""Small lasting shifts of the mean, by two cumulative sums."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import FALL, LIMIT, RISE, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["Cusum", "CusumParams"]


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    warm_up: int,
    floor: float,
    drift: float,
    limit: float,
    clip: float,
    relearn: int,
) -> int:
    n = 0
    cap = limit + clip
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        cell = state[slot]
        t, x = ts[i], value[i]
        if t <= cell.last or not abs(x) <= LIMIT:
            continue
        cell.last = t
        if cell.sigma == 0.0:  # learn the reference (Welford)
            cell.count += 1
            d = x - cell.mean
            cell.mean += d / cell.count
            cell.squares += d * (x - cell.mean)
            if cell.count >= warm_up:
                # Zero while all readings are equal and there is no floor: go on learning.
                cell.sigma = max(floor, math.sqrt(cell.squares / (cell.count - 1)))
            continue
        z = min(max((x - cell.mean) / cell.sigma, -clip), clip)
        up, down = cell.up, cell.down
        # `if up == 0.0: up_since = t`, without a branch that noise makes unpredictable (it would double the cost).
        cell.up_since += (up == 0.0) * (t - cell.up_since)
        cell.down_since += (down == 0.0) * (t - cell.down_since)
        cell.up = up = min(max(up + z - drift, 0.0), cap)
        cell.down = down = min(max(down - z - drift, 0.0), cap)
        if cell.grade == 0 and up <= limit and down <= limit:
            continue
        if cell.grade:
            total = cell.up if cell.reason == RISE else cell.down
            stale = t - cell.onset >= relearn
            if total > 0.0 and not stale:
                continue
            n = settle(out, n, cell, slot, 0, cell.reason, t, t, total, limit, x, cell.mean)
            if stale:
                cell.up = cell.down = cell.sigma = cell.mean = cell.squares = 0.0
                cell.count = 0
                continue
        if cell.up > limit:
            cell.reason = RISE
            n = settle(out, n, cell, slot, 1, RISE, t, cell.up_since, cell.up, limit, x, cell.mean)
        elif cell.down > limit:
            cell.reason = FALL
            n = settle(out, n, cell, slot, 1, FALL, t, cell.down_since, cell.down, limit, x, cell.mean)
    return n


class CusumParams(Params):
    """`mean` and `sigma` are given together or not at all."""

    limit: float = Field(
        12.0,
        gt=0,
        description="Sum at which a shift counts, in standard deviations (h of the literature). False alarms come "
        "about every (exp(2 k b) - 2 k b - 1) / (4 k k) readings with b = limit + 1.166 and k = drift, where readings "
        "are independent: every 520,000 by default (Siegmund 1985).",
    )
    drift: float = Field(
        0.5, gt=0, description="Half the smallest shift worth finding, in standard deviations (k of the literature)."
    )
    clip: float = Field(
        6.0,
        gt=0,
        description="One reading counts as at most so many standard deviations, so that a spike alone cannot alarm.",
    )
    warm_up: int = Field(
        100, ge=2, description="Readings of which the reference mean and standard deviation are learned."
    )
    mean: QuantityField | None = Field(None, description="Reference mean; learned if not given.")
    sigma: QuantityField | None = Field(
        None, description="Reference standard deviation, above 0; learned if not given."
    )
    min_sigma: QuantityField | None = Field(
        None,
        description="A learned standard deviation is taken to be at least this: about the sensors' resolution.",
    )
    relearn: Seconds = Field(
        21_600.0,
        gt=0,
        description="Event time after which a lasting shift is the new normal, if the reference was learned.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.mean is None) != (self.sigma is None):
            raise ValueError("expected `mean` and `sigma` together, or neither")
        if self.sigma and self.sigma.value <= 0:
            raise ValueError(f"expected a `sigma` above 0, got {self.sigma}")
        if self.min_sigma and self.min_sigma.value < 0:
            raise ValueError(f"expected a `min_sigma` of 0 or more, got {self.min_sigma}")
        if self.clip <= self.drift:
            raise ValueError("expected `clip` to be above `drift`: otherwise no sum would ever grow")
        return self


class Cusum(Detector):
    """Finds small lasting shifts of the mean, up or down, by cumulative sums of standardised readings.

    The sum upwards is S = max(0, S + z - drift), the one downwards the same with -z. A shift begins when a sum passes
    `limit`; its onset is the reading at which the sum last left 0 (the usual estimate of the change point). It ends
    when the sum is back at 0: sums are capped at limit + clip, so that takes at most about (limit + clip) / drift
    readings. The reference is given, or learned from the first `warm_up` readings and kept; with equal readings only,
    learning goes on.

    Misses shifts below `drift` standard deviations. A shift of d standard deviations is found after about
    limit / (d - drift) readings. Takes daily rhythms and slow drift for shifts: give it a stationary quantity.
    State: 80 bytes a sensor. Marks: score is the sum, baseline the reference mean.

    Method: Page, Continuous Inspection Schemes, Biometrika 41 (1954); false alarm rate after Siegmund, Sequential
    Analysis (1985).
    """

    name = "cusum"
    lane = Lane.PANE
    Params = CusumParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("up", np.float64),
            ("down", np.float64),
            ("up_since", np.int64),
            ("down_since", np.int64),
            ("mean", np.float64),
            ("sigma", np.float64),  # 0 while learning
            ("squares", np.float64),
            ("count", np.int32),
            ("reason", np.uint8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: CusumParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._floor = float(params.min_sigma.value) if params.min_sigma else 0.0
        self._relearn = nanoseconds(params.relearn if params.sigma is None else math.inf)

    def initial(self, slots: int) -> npt.NDArray[np.void]:  # noqa: D102
        state = super().initial(slots)
        if self.params.sigma is not None:
            state["mean"], state["sigma"] = self.params.mean.value, self.params.sigma.value
        return state

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
                p.warm_up,
                self._floor,
                p.drift,
                p.limit,
                p.clip,
                self._relearn,
            )
        )
