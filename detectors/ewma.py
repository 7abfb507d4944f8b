"""Values far from their exponentially weighted mean, in multiples of their own standard deviation."""

from __future__ import annotations

import math
from typing import Any, Final, Literal, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import CHANGE, Detector, Lane, Marks, Params
from detectors.kernels import FALL, LIMIT, RISE, nanoseconds, settle, write
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["Ewma", "EwmaParams"]

_SIDES: Final = {"both": 0, "up": 1, "down": -1}


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    alpha: float,
    bounds: Floats,
    floor: float,
    release: float,
    warm_up: int,
    side: int,
    guarded: bool,
    relearn: int,
    each: bool,
) -> int:
    n = 0
    # Far from a bound nobody needs z itself: its root and division cost more than all the rest.
    screen = (bounds[0] * (1.0 - 1e-9)) ** 2
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        cell = state[slot]
        t, x = ts[i], value[i]
        if t <= cell.last or not abs(x) <= LIMIT:
            continue
        cell.last = t
        if cell.count == 0:
            cell.mean, cell.var, cell.count = x, 0.0, 1
            continue
        d = x - cell.mean
        var = max(cell.var, floor)
        if cell.count >= warm_up and (d * d > screen * var or cell.grade):
            z = abs(d) / math.sqrt(var) if var > 0.0 else 0.0
            toward = z if d * side >= 0.0 else 0.0
            grade = 0
            for k in range(len(bounds)):
                if toward > bounds[k] or (k < cell.grade and toward > release * bounds[k]):
                    grade = k + 1
            bound = bounds[grade - 1] if grade else release * bounds[0]
            reason = RISE if d >= 0.0 else FALL
            if guarded and cell.grade and t - cell.onset >= relearn:
                n = settle(out, n, cell, slot, 0, reason, t, t, z, bound, x, cell.mean)
                cell.mean, cell.var, cell.count = x, 0.0, 1
                continue
            if each and grade == cell.grade and toward > bounds[0]:
                n = write(out, n, slot, CHANGE, grade, reason, t, cell.onset, z, bound, x, cell.mean)
            n = settle(out, n, cell, slot, grade, reason, t, t, z, bound, x, cell.mean)
            if guarded and toward > bounds[0]:
                continue
        cell.count += 1
        a = max(alpha, 1.0 / cell.count) if guarded else alpha
        cell.mean += a * d
        cell.var = (1.0 - a) * (cell.var + a * d * d)
    return n


class EwmaParams(Params):
    """`alpha`, where given, stands in for `half_life`."""

    z: tuple[float, ...] = Field(
        (6.0,),
        min_length=1,
        max_length=3,
        description="Distances from the mean of grade 1, 2, 3 in standard deviations, ascending, above 0.",
    )
    half_life: float = Field(
        60.0,
        ge=0.5,
        description="Readings after which a reading's weight has halved: alpha = 1 - 2 ** (-1 / half_life).",
    )
    alpha: float | None = Field(None, gt=0, lt=1, description="Weight of the newest reading (no unit).")
    warm_up: int = Field(30, ge=2, description="Readings that are learned before the first is judged.")
    sides: Literal["both", "up", "down"] = Field("both", description="Which deviations count.")
    release: float = Field(
        0.5, gt=0, le=1, description="A grade is left at or below this part of its distance (no unit)."
    )
    min_sigma: QuantityField | None = Field(
        None,
        description="The standard deviation is taken to be at least this: about the sensors' resolution. "
        "If not given, a deviation from a constant is not judged.",
    )
    learning: Literal["guarded", "plain"] = Field(
        "guarded",
        description="guarded: readings beyond the first distance are not learned, and the first readings weigh alike. "
        "plain: every reading is learned with the same alpha from the start.",
    )
    relearn: Seconds = Field(
        1800.0,
        gt=0,
        description="Event time after which a lasting abnormality is taken as the new normal (guarded only).",
    )
    each: bool = Field(
        False,
        description="Mark every reading beyond the first distance (as a change), not only changes of grade.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_grades("z")
        if self.min_sigma and self.min_sigma.value < 0:
            raise ValueError(f"expected a `min_sigma` of 0 or more, got {self.min_sigma}")
        return self


class Ewma(Detector):
    """Finds readings far from their exponentially weighted mean, in multiples of the weighted standard deviation.

    A reading is judged against the mean and variance before it, then learned. What is learned, by `learning`:

    - guarded: not the readings beyond the first distance, so an anomaly does not become normal while it lasts. But
      `relearn` after its onset the abnormality ends, and a new baseline is learned from the next `warm_up` readings:
      then a lasting shift is normal. While fewer than 1 / alpha readings are known they weigh alike (a plain mean),
      else a long half-life would take the noise for too small at first.
    - plain: every reading, with the same alpha from the first on (mean = first reading, variance = 0). A shift becomes
      normal after a few half-lives, and widens the variance while it does.

    Misses slow drift (the mean follows it), and shifts of less than the first distance. Needs `warm_up` readings, then
    one.
    State: 48 bytes a sensor. Marks: score is |z|, threshold the distance, baseline the mean before the reading.

    Method: Roberts, Control Chart Tests Based on Geometric Moving Averages, Technometrics 1 (1959); weighted variance
    after Finch, Incremental Calculation of Weighted Mean and Variance (2009).
    """

    name = "ewma"
    lane = Lane.FAST
    Params = EwmaParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("mean", np.float64),
            ("var", np.float64),
            ("count", np.int64),  # readings learned
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: EwmaParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._alpha = params.alpha if params.alpha is not None else -math.expm1(-math.log(2.0) / params.half_life)
        self._bounds = np.array(params.z, np.float64)
        self._floor = float(params.min_sigma.value) ** 2 if params.min_sigma else 0.0
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
                self._alpha,
                self._bounds,
                self._floor,
                p.release,
                p.warm_up,
                _SIDES[p.sides],
                p.learning == "guarded",
                self._relearn,
                p.each,
            )
        )
