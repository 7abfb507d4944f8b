"""The latest readings of each sensor that is watched: what a finding carries along to be judged anew.

A finding's samples are the readings before it, so they depend on the stream alone, never on how rows were batched: a
sensor's history takes only rows that step forward in its time, and a finding at T sees those before T.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from detectors.contract import MARK, Marks
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
        self._ahead = np.full(len(self._rings), -1, np.int32)  # while something is cut: where its ring's copy is
        # Compile what the first finding would otherwise wait for.
        self.before(np.empty(0, MARK), _NO_SENSORS, _NO_SENSORS, np.empty(0, np.int64), np.empty(0))

    def push(self, sensor: Int32s, ts: Int64s, value: Floats) -> None:
        """Take rows, `sensor` among the shard's own, once everything that was found in them has been cut out."""
        _push(self._rings, self._slot_of, sensor, ts, value)

    def before(self, marks: Marks, at: Int32s, sensor: Int32s, ts: Int64s, value: Floats) -> list[Samples]:
        """What each mark's sensor had said before it: rows that were pushed, then those that are about to be.

        Parameters
        ----------
        marks
            What was found, by a detector or as a deadline, in or right after the rows.
        at
            Sensor of each mark, among the shard's own. Shape (marks,).
        """
        slots = self._slot_of[at]
        order = np.lexsort((marks["ts"], slots))
        slots = slots[order]
        first = np.flatnonzero(np.concatenate((_ONE[: len(slots)], slots[1:] != slots[:-1], _ONE)))
        slots = slots[first[:-1]]
        ahead = self._rings[slots]  # a copy, which runs ahead
        self._ahead[slots] = np.arange(len(slots), dtype=np.int32)
        count = np.empty(len(marks), np.int64)
        cut_ts, cut_value = np.empty((len(marks), LENGTH), np.int64), np.empty((len(marks), LENGTH))
        until = marks["ts"][order]
        _cut(ahead, self._ahead, self._slot_of, sensor, ts, value, until, first, count, cut_ts, cut_value)
        self._ahead[slots] = -1
        found: list[Samples] = [Samples()] * len(marks)
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
def _cut(
    rings: Any,
    ring_of: Int32s,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    until: Int64s,
    first: Int64s,
    count: Int64s,
    out_ts: npt.NDArray[np.int64],
    out_value: npt.NDArray[np.float64],
) -> None:
    """Push rows and cut out each mark's readings on the way; ring r has the marks `first[r]:first[r + 1]`, by time."""
    next = first.copy()
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        r = ring_of[slot] if slot >= 0 else -1
        if r < 0:
            continue
        while next[r] < first[r + 1]:
            k = next[r]
            # A row that no history takes up tells nothing of how far a sensor's time has come, but for its own mark.
            if not (ts[i] == until[k] or (ts[i] > until[k] and abs(value[i]) <= LIMIT)):
                break
            count[k] = _take(rings[r], until[k], out_ts[k], out_value[k])
            next[r] += 1
        _put(rings[r], ts[i], value[i])
    for r in range(len(rings)):
        for k in range(next[r], first[r + 1]):
            count[k] = _take(rings[r], until[k], out_ts[k], out_value[k])
