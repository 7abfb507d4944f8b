"""Readings that cannot be are no measurements: detectors of events do not see them, those of faults do.

A value far outside the range of its sensor says nothing about what the sensor measures, but would lift a mean of hours
by itself. A reading a little outside is still one: zero points wander, and an instrument may read on past its range.

What cannot be was read all the same: of two readings of one time the first counts, so one that repeats its time is a
repeat, although a detector that never saw the first could not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numba import njit

from domain.clock import NEVER
from domain.records import Floats, Int32s, Int64s

__all__ = ["Plausible"]

#: So far outside the range a reading still counts, in parts of the range.
MARGIN: Final = 0.1


@njit(nogil=True, cache=True)
def _first(sensor: Int32s, value: Floats, low: Floats, high: Floats) -> int:
    """The first row that cannot be; how many rows there are when all can."""
    for i in range(len(sensor)):
        at = sensor[i]
        if not low[at] <= value[i] <= high[at]:  # nor can what is no number
            return i
    return len(sensor)


@njit(nogil=True, cache=True)
def _repeats(sensor: Int32s, ts: Int64s, value: Floats, refused: Int64s) -> Int64s:
    """The rows that can be, but repeat the time of one that cannot; notes when each sensor last read such a one."""
    found = np.empty(len(sensor), np.int64)
    n = 0
    for i in range(len(sensor)):
        if np.isnan(value[i]):
            refused[sensor[i]] = ts[i]
        elif ts[i] == refused[sensor[i]]:
            found[n] = i
            n += 1
    return found[:n]


class Plausible:
    """What each of a shard's sensors can read.

    Parameters
    ----------
    low, high
        Their ranges, each in its sensor's unit, infinite where unknown. Shape (sensors,).
    """

    def __init__(self, low: Floats, high: Floats) -> None:
        with np.errstate(invalid="ignore"):
            margin = np.where(np.isfinite(high - low), MARGIN * (high - low), 0.0)
        self._low, self._high = low - margin, high + margin
        self._refused = np.full(len(low), NEVER, np.int64)  # when each last read what cannot be, ns
        self._refusing = False  # whether any has

    def of(self, sensor: Int32s, value: Floats) -> Floats:
        """The rows' values, NaN where one cannot be; the same array where all can.

        >>> Plausible(np.array([0.0]), np.array([100.0])).of(np.zeros(3, np.int32), np.array([-5.0, 50.0, 1000.0]))
        array([-5., 50., nan])
        """
        first = _first(sensor, value, self._low, self._high)
        if first == len(sensor):
            return value
        out = value.copy()
        rest, at = out[first:], sensor[first:]
        rest[~((rest >= self._low[at]) & (rest <= self._high[at]))] = np.nan
        return out

    def of_first(self, sensor: Int32s, ts: Int64s, value: Floats) -> Floats:
        """The same of rows in the order in which they came, among which times may come twice.

        >>> gauge = Plausible(np.array([0.0]), np.array([100.0]))
        >>> gauge.of_first(np.zeros(3, np.int32), np.array([7, 7, 8]), np.array([1000.0, 50.0, 51.0]))
        array([nan, nan, 51.])
        """
        out = self.of(sensor, value)
        if out is value and not self._refusing:
            return value
        self._refusing = True
        repeats = _repeats(sensor, ts, out, self._refused)
        if len(repeats):
            out = value.copy() if out is value else out
            out[repeats] = np.nan
        return out

    def snapshot(self) -> dict[int, int]:
        """When each sensor last read what cannot be, ns, where one has."""
        return {int(at): int(self._refused[at]) for at in np.flatnonzero(self._refused != NEVER)}

    def restore(self, snapshot: Mapping[int, int]) -> None:
        """Go on from a snapshot."""
        for at, ts in snapshot.items():
            self._refused[at] = ts
        self._refusing = bool(snapshot)
