"""Readings that cannot be are no measurements: detectors of events do not see them, those of faults do.

A value far outside the range of its sensor says nothing about what the sensor measures, but would lift a mean of hours
by itself. A reading a little outside is still one: zero points wander, and an instrument may read on past its range.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from domain.records import Floats, Int32s

__all__ = ["Plausible"]

#: So far outside the range a reading still counts, in parts of the range.
MARGIN: Final = 0.1


@njit(nogil=True, cache=True)
def _first(sensor: Int32s, value: Floats, low: Floats, high: Floats) -> int:
    """The first row that cannot be; how many rows there are when all can."""
    for i in range(len(sensor)):
        at = sensor[i]
        if value[i] < low[at] or value[i] > high[at]:
            return i
    return len(sensor)


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
        rest[(rest < self._low[at]) | (rest > self._high[at])] = np.nan
        return out
