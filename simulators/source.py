"""A scenario as a stream that the engine reads, or as messages for a broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from domain.clock import SECOND
from domain.errors import SourceError
from domain.records import RawBatch
from domain.streams import Partition, Source
from simulators.gateway import Chunk, Gateway, Network
from simulators.scenario import Scenario
from simulators.stage import Incident

__all__ = ["SimulatedCity"]

#: (chunk, messages of it that were polled, next offset)
Position = tuple[int, int, int]


class SimulatedCity(Source):
    """A city's gateways.

    Parameters
    ----------
    scenario
        What happens; equal scenarios give equal messages, however they are polled.
    partitions
        How many parts the stream has; a sensor stays in one.
    batch
        Messages in a poll at most.
    speed
        So many times as fast as real time, counted from when a partition is opened; None: as fast as it goes.
    head
        With a speed: what is recorded within so many ns of the scenario's start is sent as fast as it goes, and the
        speed counts from when the first partition has come so far.
    network
        How messages are delayed, repeated and spoiled on their way.
    clock
        Tells seconds, for pacing only.

    Raises
    ------
    SourceError
        When a partition is asked for that does not exist.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        partitions: int = 8,
        batch: int = 2_000,
        speed: float | None = None,
        head: int = 0,
        network: Network | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scenario = scenario
        self._head = _Head(scenario.start + head) if head else None
        self._names = tuple(f"{scenario.city.name}/{i}" for i in range(partitions))
        self._batch, self._speed, self._clock = batch, speed, clock
        self._network = network or Network()

    def partitions(self) -> Sequence[str]:
        """Names such as "bozhou/0"."""
        return self._names

    def open(self, partition: str, resume: Any | None) -> SimulatedPartition:
        """Open a partition; resuming costs one chunk."""
        if partition not in self._names:
            raise SourceError(f"expected a partition of {', '.join(self._names)}, got {partition!r}")
        gateway = Gateway(self.scenario, self._names.index(partition), len(self._names), self._network)
        place = resume or (0, 0, 0)
        return SimulatedPartition(partition, gateway, place, self._batch, self._speed, self._clock, self._head)

    def truth(self) -> tuple[Incident, ...]:
        """What happens, in order of time."""
        return self.scenario.truth


@dataclass
class _Head:
    """Up to which recorded time (ns) nothing is paced, and when by the clock the first partition had come so far."""

    end: int
    reached: float | None = None


class SimulatedPartition(Partition):
    """One partition of a simulated city; see `SimulatedCity`."""

    def __init__(
        self,
        name: str,
        gateway: Gateway,
        position: Position,
        batch: int,
        speed: float | None,
        clock: Callable[[], float],
        head: _Head | None,
    ) -> None:
        self._name, self._gateway, self._batch = name, gateway, batch
        self._speed, self._clock, self._head = speed, clock, head
        self._chunk, self._done, self._offset = position
        self._current: Chunk | None = None
        self._over = gateway.chunk(self._chunk - 1, None).over if 0 < self._chunk < gateway.chunks else None
        self._released = clock()
        self._from: int | None = None  # recorded time of the first message after opening
        self._idle = False

    def _load(self) -> Chunk:
        if self._current is None:
            if self._chunk >= self._gateway.chunks:
                raise StopIteration
            self._current = self._gateway.chunk(self._chunk, self._over)
        return self._current

    def _due(self, chunk: Chunk, begin: int, end: int) -> int:
        """The end of what may be polled of messages [begin, end)."""
        if self._speed is None:
            return end
        since = self._released
        if self._head is not None:
            if self._head.reached is None:
                if int(chunk.recorded[begin]) < self._head.end:
                    return begin + int(chunk.recorded[begin:end].searchsorted(self._head.end))
                self._head.reached = self._clock()
            since, self._from = self._head.reached, self._head.end
        elif self._from is None:
            self._from = int(chunk.recorded[begin])
        now = self._from + int((self._clock() - since) * self._speed * SECOND)
        return begin + int(chunk.recorded[begin:end].searchsorted(now, "right"))

    def poll(self) -> RawBatch | None:
        """The next messages. Raises StopIteration after the last."""
        chunk = self._load()
        while self._done == len(chunk):
            self._over, self._current = chunk.over, None
            self._chunk, self._done = self._chunk + 1, 0
            chunk = self._load()
        begin = self._done
        end = self._due(chunk, begin, min(begin + self._batch, len(chunk)))
        self._idle = end == begin
        if self._idle:
            return None
        first, last = int(chunk.start[begin]), int(chunk.end[end - 1])
        offset = np.arange(self._offset, self._offset + end - begin)
        self._done, self._offset = end, self._offset + end - begin
        return RawBatch(
            self._name,
            chunk.data[first:last],
            chunk.start[begin:end] - first,
            chunk.end[begin:end] - first,
            offset,
            chunk.recorded[begin:end],
        )

    @property
    def caught_up(self) -> bool:
        """Whether pacing holds the next message back, or there is none."""
        return self._idle or self._chunk >= self._gateway.chunks

    def snapshot(self) -> Position:
        """The chunk, how many of its messages were polled, and the next offset."""
        return (self._chunk, self._done, self._offset)
