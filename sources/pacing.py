"""Replay at the speed of life, or N times it. Results never depend on it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from domain.clock import MILLISECOND, NEVER
from domain.errors import SourceError
from domain.records import Columns, Int64s
from sources.batches import Batch

__all__ = ["Pacer"]

_WRITTEN_TIME: Final = re.compile(rb'"(?:ts|t0)"\s*:\s*(\d{10,16})\b')


class Pacer:
    """Tells which messages are due, `speed` times as fast as they were recorded, from the first one on.

    Messages without a recorded time are paced by their event time; where that cannot be told before decoding, they are
    due at once. One pacer is shared by the partitions of a source, so that they stay together.
    """

    def __init__(self, speed: float, clock: Callable[[], int] = time.monotonic_ns) -> None:
        if not speed > 0:
            raise SourceError(f"expected a speed above 0, got {speed}")
        self._speed = speed
        self._clock = clock
        self._lock = threading.Lock()
        self._start: tuple[int, int] | None = None  # of the clock, and of the recording

    def due(self, when: Int64s) -> int:
        """How many of the first messages of a batch are due now, by their times (ns)."""
        now = self._clock()
        with self._lock:
            if self._start is None:
                first = int(when[0])
                if first <= 0:
                    return 1
                self._start = now, first
            began, first = self._start
        return int(np.searchsorted(np.maximum.accumulate(when), first + (now - began) * self._speed, side="right"))

    @staticmethod
    def times(batch: Batch) -> Int64s:
        """When the messages of a batch are due on the recording's clock (ns): recorded time, or else event time."""
        if batch.recorded.any():
            return batch.recorded
        times = np.zeros(len(batch), np.int64)
        if isinstance(batch, Columns):
            usable = np.flatnonzero(batch.ts != NEVER)
            times[batch.message[usable]] = batch.ts[usable]
        else:
            for i in range(len(batch)):
                found = _WRITTEN_TIME.search(batch.payload(i))
                times[i] = int(found[1]) * MILLISECOND if found else 0
        return times
