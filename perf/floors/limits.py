"""Floors that compare a reading with bounds, or with the last one and its time."""

from __future__ import annotations

import numpy as np
from numba import njit

from domain.records import Floats, Int32s, Int64s

__all__ = ["bounds", "gap", "held", "zeros"]


@njit(nogil=True, cache=True)
def bounds(slots: int, sensor: Int32s, ts: Int64s, value: Floats, low: float, high: float) -> int:
    """Two comparisons with bounds, and of the time with the last; the last reading between them is kept."""
    last, normal = np.zeros(slots, np.int64), np.zeros(slots)
    n = 0
    for i in range(len(value)):
        s, x = sensor[i], value[i]
        if ts[i] <= last[s]:
            continue
        last[s] = ts[i]
        if low < x < high:
            normal[s] = x
        else:
            n += 1
    return n


@njit(nogil=True, cache=True)
def gap(slots: int, sensor: Int32s, ts: Int64s, value: Floats, silence: int) -> int:
    """Time since the sensor's last reading, compared with a bound."""
    last = np.full(slots, ts[0])
    before = np.zeros(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        n += ts[i] - last[s] >= silence
        last[s], before[s] = ts[i], value[i]
    return n


@njit(nogil=True, cache=True)
def held(slots: int, sensor: Int32s, ts: Int64s, value: Floats, tolerance: float, duration: int) -> int:
    """Distance to the value that is held, the count of readings at it, and for how long."""
    at, since, count = np.zeros(slots), np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        if abs(value[i] - at[s]) <= tolerance:
            count[s] += 1
            n += ts[i] - since[s] >= duration
        else:
            at[s], since[s], count[s] = value[i], ts[i], 1
    return n


@njit(nogil=True, cache=True)
def zeros(slots: int, sensor: Int32s, ts: Int64s, value: Floats, tolerance: float, duration: int) -> int:
    """Distance to zero, and the counts of readings at it and off it."""
    alive, since = np.zeros(slots), np.zeros(slots, np.int64)
    at, off = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        if abs(value[i]) > tolerance:
            alive[s] = value[i]
            off[s] += 1
            at[s] = 0
        else:
            if at[s] == 0:
                since[s] = ts[i]
            at[s] += 1
            n += ts[i] - since[s] >= duration
    return n
