"""A stream in memory, for flows that run inside the test's own process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from domain.records import RawBatch
from domain.streams import Partition, Source


class Crash(Exception):
    """Stands for a kill: the engine ends without closing anything."""


class MemorySource(Source):
    """Messages of (recorded, payload) by partition.

    Parameters
    ----------
    batch
        Messages in a poll.
    crash_after
        Polls of all partitions together after which the stream raises Crash; None: never.
    """

    def __init__(
        self, messages: Mapping[str, Sequence[tuple[int, bytes]]], batch: int, crash_after: int | None = None
    ) -> None:
        self.messages, self.batch, self.left = messages, batch, crash_after

    def partitions(self) -> Sequence[str]:
        return tuple(self.messages)

    def open(self, partition: str, resume: Any | None) -> Partition:
        return _MemoryPartition(self, partition, resume or 0)

    def polled(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Crash


class _MemoryPartition(Partition):
    def __init__(self, source: MemorySource, name: str, at: int) -> None:
        self.source, self.name, self.at = source, name, at

    def poll(self) -> RawBatch | None:
        self.source.polled()
        part = self.source.messages[self.name][self.at : self.at + self.source.batch]
        if not part:
            raise StopIteration
        offset = np.arange(self.at, self.at + len(part), dtype=np.int64)
        self.at += len(part)
        return RawBatch.of(self.name, [payload for _, payload in part], offset, [recorded for recorded, _ in part])

    @property
    def caught_up(self) -> bool:
        return True

    def snapshot(self) -> int:
        return self.at
