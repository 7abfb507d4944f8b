"""The latest readings of each sensor that is watched: what a finding carries along to be judged anew.

A finding's samples are the readings before it, so they depend on the stream alone, never on how rows were batched: a
sensor's history takes only rows that step forward in its time, and a finding at T sees those before T.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from detectors.kernels import LIMIT
from domain.findings import Samples
from domain.records import Floats, Int32s, Int64s

__all__ = ["LENGTH", "History"]

#: Readings that are kept of a sensor; a power of two.
LENGTH: Final = 32

#: One record a sensor: the readings number `count - 32` to `count - 1`, number n at n % 32.
STATE: Final = np.dtype(
    [("count", np.int64), ("ts", np.int64, (LENGTH,)), ("value", np.float64, (LENGTH,))], align=True
)

_NO_SENSORS: Final = np.empty(0, np.int32)
_NO_TIMES: Final = np.empty(0, np.int64)
_ONE: Final = np.ones(1, np.bool_)


class History:
    """Rings of the latest readings, 520 bytes a watched sensor.

    Parameters
    ----------
    slot_of
        Slot of each of the shard's sensors, negative where nobody watches it. Shape (sensors,).
    """

    def __init__(self, slot_of: Int32s) -> None:
        self._slot_of = slot_of
        self._rings = np.zeros(int(slot_of.max(initial=-1)) + 1, STATE)
        self._where = slot_of.copy()  # while something is cut, -2 - g where marks of group g are made
        # Compile what the first finding would otherwise wait for.
        self._cut(_NO_SENSORS, _NO_TIMES, np.empty(0), _NO_SENSORS, _NO_TIMES)

    def push(
        self, sensor: Int32s, ts: Int64s, value: Floats, at: Int32s = _NO_SENSORS, until: Int64s = _NO_TIMES
    ) -> list[Samples]:
        """Take rows; return, of each mark that was made in or right after them, what its sensor had said before it.

        Parameters
        ----------
        sensor, at
            Sensor of each row and of each mark, among the shard's own. Shapes (rows,) and (marks,).
        until
            Time of each mark, ns. Shape (marks,).
        """
        if len(at):
            return self._cut(sensor, ts, value, at, until)
        _push(self._rings, self._slot_of, sensor, ts, value)
        return []

    def _cut(self, sensor: Int32s, ts: Int64s, value: Floats, at: Int32s, until: Int64s) -> list[Samples]:
        order = np.lexsort((until, at))
        at = at[order]
        first = np.flatnonzero(np.concatenate((_ONE[: len(at)], at[1:] != at[:-1], _ONE)))
        groups = at[first[:-1]]  # the sensors of the marks
        slots = self._slot_of[groups]
        self._where[groups] = -2 - np.arange(len(groups), dtype=np.int32)
        count = np.empty(len(at), np.int64)
        cut_ts, cut_value = np.empty((len(at), LENGTH), np.int64), np.empty((len(at), LENGTH))
        _push_and_cut(self._rings, self._where, sensor, ts, value, slots, first, until[order], count, cut_ts, cut_value)
        self._where[groups] = slots
        found: list[Samples] = [Samples()] * len(at)
        for k, i in enumerate(order.tolist()):
            n = int(count[k])
            found[i] = Samples(cut_ts[k, :n].tobytes(), cut_value[k, :n].tobytes())
        return found

    def snapshot(self) -> bytes:
        """State to go on from."""
        return self._rings.tobytes()

    def restore(self, state: bytes, origin: Int64s | None = None) -> None:
        """Take up a snapshot of the same sensors, or of others: `origin` says where each stood there (-1: nowhere)."""
        rings = np.frombuffer(state, STATE)
        if origin is None:
            self._rings = rings.copy()
        else:
            stays = origin >= 0
            self._rings[stays] = rings[origin[stays]]


@njit(nogil=True, cache=True)
def _put(ring: Any, t: int, x: float) -> None:
    n = ring.count
    if (n == 0 or t > ring.ts[(n - 1) & (LENGTH - 1)]) and abs(x) <= LIMIT:
        ring.ts[n & (LENGTH - 1)] = t
        ring.value[n & (LENGTH - 1)] = x
        ring.count = n + 1


@njit(nogil=True, cache=True)
def _push(rings: Any, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats) -> None:
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot >= 0:
            _put(rings[slot], ts[i], value[i])


@njit(nogil=True, cache=True)
def _take(ring: Any, before: int, ts: Int64s, value: Floats) -> int:
    """Copy the readings before a time, the oldest first; returns how many."""
    n = 0
    for number in range(max(ring.count - LENGTH, 0), ring.count):
        if ring.ts[number & (LENGTH - 1)] < before:
            ts[n] = ring.ts[number & (LENGTH - 1)]
            value[n] = ring.value[number & (LENGTH - 1)]
            n += 1
    return n


@njit(nogil=True, cache=True)
def _push_and_cut(
    rings: Any,
    where: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    slots: Int32s,
    first: Int64s,
    until: Int64s,
    count: Int64s,
    cut_ts: npt.NDArray[np.int64],
    cut_value: npt.NDArray[np.float64],
) -> None:
    """Push rows and cut out each mark's readings on the way; group g is of `slots[g]`, its marks by time."""
    next = first.copy()
    count[:] = -1
    for i in range(len(ts)):
        slot = where[sensor[i]]
        if slot == -1:
            continue
        if slot < -1:
            g = -2 - slot
            slot = slots[g]
            for k in range(next[g], first[g + 1]):
                if until[k] > ts[i]:
                    break
                # What no history takes up tells nothing of how far a sensor's time has come, but for its own marks.
                if count[k] < 0 and (until[k] == ts[i] or abs(value[i]) <= LIMIT):
                    count[k] = _take(rings[slot], until[k], cut_ts[k], cut_value[k])
            while next[g] < first[g + 1] and count[next[g]] >= 0:
                next[g] += 1
        _put(rings[slot], ts[i], value[i])
    for g in range(len(slots)):
        for k in range(next[g], first[g + 1]):
            if count[k] < 0:
                count[k] = _take(rings[slots[g]], until[k], cut_ts[k], cut_value[k])
