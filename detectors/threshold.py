"""Values at or beyond fixed thresholds, in up to four grades a side."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import FALL, RISE, SKIPPED, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import Quantity, QuantityField, Seconds

__all__ = ["Threshold", "ThresholdParams"]


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    rising: Floats,
    falling: Floats,
    hysteresis: float,
    hold: int,
) -> int:
    n = 0
    high = rising[0] if len(rising) else np.inf
    low = falling[0] if len(falling) else -np.inf
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        cell = state[slot]
        t, x = ts[i], value[i]
        if t <= cell.last or not abs(x) <= SKIPPED:
            continue
        cell.last = t
        if cell.side == 0 and low < x < high:
            cell.normal = x
            continue
        # One side at a time: mirror the falling side, so that both read "at or above".
        if cell.side == 0:
            cell.side = 1 if x >= high else -1
        for _ in range(2):
            side = cell.side
            bounds = rising if side > 0 else falling
            reason = RISE if side > 0 else FALL
            grade = 0
            for k in range(len(bounds)):
                beyond = side * (x - bounds[k])
                if beyond >= 0.0 and cell.since[k] == 0:
                    cell.since[k] = t
                elif beyond < -hysteresis:
                    cell.since[k] = 0
                if cell.since[k] != 0 and t - cell.since[k] >= hold:
                    grade = k + 1
            bound = bounds[grade - 1] if grade else bounds[0] - side * hysteresis
            n = settle(out, n, cell, slot, grade, reason, t, cell.since[0], x, bound, x, cell.normal)
            if cell.since[0] != 0:
                break
            cell.side = 0
            if low < x < high:
                cell.normal = x
                break
            cell.side = -side  # straight from one side to the other
    return n


class ThresholdParams(Params):
    """At least one of `rising` and `falling`."""

    rising: tuple[QuantityField, ...] = Field(
        (),
        max_length=4,
        description="Thresholds of grade 1, 2, ... that are passed upwards: rising values, in the sensors' unit.",
    )
    falling: tuple[QuantityField, ...] = Field(
        (), max_length=4, description="Thresholds of grade 1, 2, ... that are passed downwards: falling values."
    )
    hysteresis: QuantityField | None = Field(
        None,
        description="A grade is left only this far inside its threshold; 0 if not given (IEC 62682 calls it deadband).",
    )
    hold: Seconds = Field(
        0.0,
        ge=0,
        description="Event time that a value must stay beyond a threshold before it counts (on-delay of IEC 62682).",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        rising, falling = ([q.value for q in side] for side in (self.rising, self.falling))
        band = self.hysteresis.value if self.hysteresis else 0.0
        if not rising and not falling:
            raise ValueError("expected thresholds in `rising`, in `falling` or in both")
        if any(a >= b for a, b in pairwise(rising)):
            raise ValueError("expected `rising` to rise from grade to grade")
        if any(a <= b for a, b in pairwise(falling)):
            raise ValueError("expected `falling` to fall from grade to grade")
        if band < 0:
            raise ValueError(f"expected a `hysteresis` of 0 or more, got {self.hysteresis}")
        if rising and falling and falling[0] + band >= rising[0] - band:
            raise ValueError("expected a gap between `falling` and `rising` that is wider than twice the `hysteresis`")
        return self


class Threshold(Detector):
    """Finds values at or beyond up to four thresholds a side, with hysteresis and an on-delay.

    The grade is the number of thresholds passed. It rises at once (after `hold`), and falls once the value is inside
    the threshold by more than the hysteresis. The onset is the time at which the first threshold was reached. A gap in
    the readings does not interrupt a hold: nothing has contradicted it.

    Misses what stays below the thresholds, however unusual. Needs one reading (or `hold`). State: 64 bytes a sensor.
    Marks: score and value are the reading, baseline the last reading inside all thresholds.

    Method: alarm set points with deadband and on-delay as in IEC 62682 (ISA-18.2).
    """

    name = "threshold"
    lane = Lane.FAST
    Params = ThresholdParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("normal", np.float64),
            ("since", np.int64, (4,)),  # when each threshold was reached, 0 while it is not
            ("side", np.int8),  # 1 beyond `rising`, -1 beyond `falling`
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: ThresholdParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._rising = _values(params.rising)
        self._falling = _values(params.falling)
        self._hysteresis = float(params.hysteresis.value) if params.hysteresis else 0.0
        self._hold = nanoseconds(params.hold)

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        return int(
            _rows(
                self.state,
                slot_of,
                sensor,
                ts,
                value,
                out,
                self._rising,
                self._falling,
                self._hysteresis,
                self._hold,
            )
        )


def _values(quantities: tuple[Quantity, ...]) -> Floats:
    return np.array([q.value for q in quantities], np.float64)
