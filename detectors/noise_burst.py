"""Sensors that suddenly scatter."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params, Reason
from detectors.kernels import LIMIT, settle
from domain.findings import Verdict
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField

__all__ = ["NoiseBurst", "NoiseBurstParams"]

_NOISE: Final = int(Reason.NOISE)
_CLIP: Final = 3.0  # a single swing counts for at most this many bounds: spikes are no burst


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    size: float,
    times: float,
    release: float,
    warm_up: int,
    quick: float,
    slow: float,
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
        first = cell.last == 0
        cell.last = t
        step = x - cell.before
        cell.before = x
        if first:
            continue
        flat = step == 0.0 and cell.step == 0.0
        turned = (step > 0.0) != (cell.step > 0.0)
        swing = min(abs(step), abs(cell.step)) if turned else 0.0
        cell.step = step
        if cell.count < warm_up:
            cell.count += 1
            cell.usual += (swing - cell.usual) / cell.count  # a plain mean at first
            cell.recent = cell.usual
            continue
        bound = max(size, times * cell.usual)
        swing = min(swing, _CLIP * bound)
        cell.recent += quick * (swing - cell.recent)
        low = release * bound
        if cell.recent <= low:
            cell.since = 0
        elif cell.since == 0:
            cell.since = t
        grade = 1 if cell.recent > bound or (cell.grade and cell.recent > low) else 0
        cell.score = min(cell.recent / bound, 1e300) if bound > 0.0 else 0.0
        reached = bound if grade else low
        n = settle(out, n, cell, slot, grade, _NOISE, t, cell.since, cell.recent, reached, x, cell.usual)
        if grade == 0 and not flat:  # a sensor that sticks says nothing about its noise
            cell.usual += slow * (min(swing, bound) - cell.usual)
    return n


class NoiseBurstParams(Params):
    """The larger of `size` and `times` the usual noise is what counts."""

    times: float = Field(4.0, gt=1, description="Noise that counts, as a multiple of the usual.")
    size: QuantityField | None = Field(
        None,
        description="Smallest noise that counts, as the mean swing (0.57 sigma of white noise): about the sensors' "
        "resolution. 0 if not given.",
    )
    span: float = Field(8.0, ge=2, description="Readings after which the weight of a swing in the noise has halved.")
    warm_up: int = Field(100, ge=2, description="Readings whose swings are learned before the first is judged.")
    half_life: float = Field(
        500.0, ge=1, description="Readings after which the weight of a swing in the usual noise has halved."
    )
    release: float = Field(0.5, gt=0, le=1, description="The burst is over at or below this part of it (no unit).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.size and self.size.value < 0:
            raise ValueError(f"expected a `size` of 0 or more, got {self.size}")
        if self.half_life <= self.span:
            raise ValueError("expected a `half_life` of more readings than the `span`")
        return self


class NoiseBurst(Detector):
    """Finds sensors that suddenly scatter: broken shields, loose wires, a failing supply.

    A reading that turns back makes a swing, of the smaller of the steps to and from it; one that does not makes a swing
    of 0. So steps, ramps, and the rise and ebb of an event are no noise. The noise is an exponentially weighted mean of
    the latest swings, the usual noise one of many; a swing counts in the latter for at most the bound, and not at all
    while a burst lasts or the reading stays the same. The onset is the reading at which the noise left the usual.

    Misses noise below `times` the usual, and that in the warm-up. Takes a strong oscillation near half the sampling
    rate, such as water hammer read each second, for noise: take a longer `span` there. Not for sensors that shake by
    nature, such as accelerometers beside traffic. Needs about a `span` of readings. State: 72 bytes a sensor. Marks:
    score is the noise, baseline the usual noise, both as mean swings.

    Method: noise from successive differences, which trends do not touch (von Neumann, Distribution of the Ratio of the
    Mean Square Successive Difference to the Variance, Annals of Mathematical Statistics 12, 1941), taken at turning
    points only (Kendall and Stuart, The Advanced Theory of Statistics 3, 1966).
    """

    name = "noise_burst"
    lane = Lane.PANE
    verdict = Verdict.FAULT
    Params = NoiseBurstParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("since", np.int64),  # when the noise left the usual; 0 while it has not
            ("before", np.float64),
            ("step", np.float64),
            ("recent", np.float64),  # mean swing of late
            ("usual", np.float64),
            ("score", np.float64),
            ("count", np.int32),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: NoiseBurstParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._size = float(params.size.value) if params.size else 0.0
        self._quick, self._slow = (float(-np.expm1(-np.log(2.0) / n)) for n in (params.span, params.half_life))

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
                self._size,
                p.times,
                p.release,
                p.warm_up,
                self._quick,
                self._slow,
            )
        )
