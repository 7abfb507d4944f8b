"""Values far from their exponentially weighted mean, in multiples of their own standard deviation."""

from __future__ import annotations

import math
from typing import Any, Final, Literal, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import CHANGE, Detector, Lane, Marks, Params
from detectors.kernels import FALL, LIMIT, RISE, nanoseconds, settle
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
        grade = 0
        if cell.count < warm_up:
            cell.count += 1
        elif d * d > screen * var or cell.grade:
            z = abs(d) / math.sqrt(var) if var > 0.0 else 0.0
            toward = z if d * side >= 0.0 else 0.0
            for k in range(len(bounds)):
                if toward > bounds[k] or (k < cell.grade and toward > release * bounds[k]):
                    grade = k + 1
            over = guarded and cell.grade and t - cell.onset >= relearn
            if over:
                grade = 0
            if grade or cell.grade:
                reason = RISE if d >= 0.0 else FALL
                bound = bounds[grade - 1] if grade else release * bounds[0]
                written = n
                n = settle(cell, slot, grade, reason, t, t, z, bound, x, cell.mean, out, n)
                if each and n == written and toward > bounds[0]:
                    cell.grade = 0  # written as if it were new, then named for what it is
                    onset = cell.onset
                    n = settle(cell, slot, grade, reason, t, onset, z, bound, x, cell.mean, out, n)
                    out[written].phase = CHANGE
            if over:
                cell.mean, cell.var, cell.count = x, 0.0, 1
                continue
            if guarded and z > bounds[0]:
                continue
        a = max(alpha, 1.0 / cell.count) if guarded else alpha
        cell.mean += a * d
        cell.var = (1.0 - a) * (cell.var + a * d * d)
    return n
