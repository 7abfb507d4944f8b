"""Where records enter: a source's partition is read, decoded, stamped with its clock, and split into frames.

All of it happens on the worker that reads the partition, because a partition's clock needs all of its messages in order
and nobody else's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from time import monotonic
from typing import Any, Final

import numpy as np
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from domain import metrics
from domain.clock import MILLISECOND, NEVER, SECOND, floor_to
from domain.errors import SourceError
from domain.records import Columns, DeadLetter, Decoded, Frame, RawBatch
from domain.settings import EngineSettings
from domain.streams import Partition, Source
from operators.decode import Decoder
from operators.layout import Layout
from operators.route import future_letters, route
from operators.stamp import PartitionClock

__all__ = ["Intake", "PartitionIntake"]

#: An engine's clock may lag the broker's by this much before a tick could close a pane too early.
TICK_MARGIN: Final = 2000 * MILLISECOND

#: How far in event time one partition may run ahead of another, beyond the batch that it is at.
AHEAD: Final = 10 * SECOND

#: When to look again where nothing has come: soon after something did, else at leisure.
SOON: Final = timedelta(microseconds=200)
LATER: Final = timedelta(milliseconds=5)
LINGER: Final = 0.1  # s

_NO_INTS: Final = np.empty(0, np.int64)
_NO_SENSORS: Final = np.empty(0, np.int32)
_NO_VALUES: Final = np.empty(0, np.float64)


class PartitionIntake:
    """One partition: from what it polls to frames and dead letters. Plain, so that a test can drive it."""

    def __init__(
        self,
        index: int,
        name: str,
        partition: Partition,
        decoder: Decoder,
        layout: Layout,
        settings: EngineSettings,
        now: Callable[[], int] | None = None,
        resume: dict[str, Any] | None = None,
    ) -> None:
        self.index, self._name = index, name
        self._partition = partition
        self._decoder = decoder
        self._layout = layout
        self._rules = settings.time
        self._keep = settings.keep_dead
        self._names = [sensor.id for sensor in layout.city.sensors]
        self._now = now
        self._clock = PartitionClock(settings.time, resume["clock"] if resume else None)
        self.ended = bool(resume and resume["ended"])
        self._told = resume["told"] if resume else NEVER  # the pane-aligned watermark that all shards know of
        self._messages = metrics.MESSAGES.labels(name)
        self._readings = metrics.READINGS.labels(name)
        self._late = metrics.LATE_ROWS.labels(name)
        self._watermark = metrics.WATERMARK.labels(name)

    @property
    def reached(self) -> int:
        """The largest event time that was accepted (NEVER before the first)."""
        return self._clock.largest

    def next(self) -> list[Frame | DeadLetter] | None:
        """What the next poll brings; None when it brings nothing. At the end of the stream it closes the last pane."""
        try:
            batch = self._partition.poll()
        except StopIteration:
            self.ended = True
            return list(self._close())
        if batch is None or not len(batch):
            return self._tick()
        return self._take(batch)

    def _take(self, batch: RawBatch | Columns) -> list[Frame | DeadLetter]:
        rows = self._decoder.decode(batch)
        stamps = self._clock.stamp(rows, batch.recorded)
        out: list[Frame | DeadLetter] = list(rows.dead)
        rows, ahead = future_letters(rows, stamps, batch, self._rules.max_ahead, self._names, self._keep)
        out += ahead
        where = (self.index, self._name)
        frames = list(route(self._layout, where, rows, stamps, batch.offset, self._clock.watermark))
        self._count(batch, rows, stamps.late, out)
        out += self._tell(frames, int(stamps.recorded[-1]))
        return out

    def _tell(self, frames: list[Frame], recorded: int) -> Iterable[Frame]:
        """Frames, and an empty one for every other shard when the watermark has passed the end of a pane."""
        mark = floor_to(self._clock.watermark, self._rules.pane) if self._clock.watermark != NEVER else NEVER
        if mark <= self._told:
            return frames
        self._told = mark
        self._watermark.set(self._clock.watermark / 1e9)
        told = {frame.shard for frame in frames}
        quiet = (self._mark(s, recorded) for s in range(self._layout.shards) if s not in told)
        return [*frames, *quiet]

    def _tick(self) -> list[Frame | DeadLetter] | None:
        if self._now is None or self._rules.idle is None or not self._partition.caught_up:
            return None
        recorded = self._now() - TICK_MARGIN
        self._clock.tick(recorded)
        return list(self._tell([], recorded)) or None

    def _close(self) -> Iterable[Frame]:
        """The stream has ended: its last pane closes, and it holds nobody back any more."""
        pane = self._rules.pane
        largest = self._clock.largest
        end = max(floor_to(largest, pane) + pane, self._clock.watermark) if largest != NEVER else NEVER
        for shard in range(self._layout.shards):
            yield self._mark(shard, 0, end, ended=True)

    def _mark(self, shard: int, recorded: int, watermark: int | None = None, *, ended: bool = False) -> Frame:
        mark = self._clock.watermark if watermark is None else watermark
        return Frame(shard, self.index, mark, recorded, _NO_SENSORS, _NO_INTS, _NO_VALUES, ended=ended)

    def _count(self, batch: RawBatch | Columns, rows: Decoded, late: int, out: list[Frame | DeadLetter]) -> None:
        self._messages.inc(len(batch))
        self._readings.inc(len(rows))
        if late:
            self._late.inc(late)
        for letter in out:
            if isinstance(letter, DeadLetter):
                metrics.DEAD_LETTERS.labels(self._name, letter.reason).inc()

    def snapshot(self) -> dict[str, Any]:
        """State to go on from."""
        return {
            "source": self._partition.snapshot(),
            "clock": self._clock.snapshot(),
            "ended": self.ended,
            "told": self._told,
        }

    def close(self) -> None:
        """Close the partition."""
        self._partition.close()


class _Pace:
    """Keeps the partitions of one process together in event time while they catch up.

    A pane stays open until the last partition has passed it: the one that runs ahead only fills memory.
    """

    def __init__(self) -> None:
        self._reached: dict[int, int] = {}

    def may_go(self, index: int) -> bool:
        """Whether a partition is not far ahead of the slowest that has something to read."""
        mine = self._reached.get(index, NEVER)
        return mine <= min(self._reached.values(), default=NEVER) + AHEAD

    def report(self, index: int, reached: int | None) -> None:
        """A partition has come to an event time; None when it has nothing to read, and so holds nobody back."""
        if reached is None:
            self._reached.pop(index, None)
        else:
            self._reached[index] = reached


@dataclass(slots=True)
class _Failed:
    """Errors of the source that ended a run: with its state written, unlike an error that Bytewax sees."""

    errors: list[SourceError] = field(default_factory=list)


class _BytewaxPartition(StatefulSourcePartition[Any, dict[str, Any]]):
    """Feeds Bytewax, and holds back when an epoch has brought enough.

    Bytewax lets a source run ahead without limit inside an epoch, but begins no epoch before the last one is through:
    so a limit per epoch bounds what is in flight, also across processes.
    """

    def __init__(self, intake: PartitionIntake, pace: _Pace, limit: int, stop: Event, failed: _Failed | None) -> None:
        self._intake = intake
        self._pace = pace
        self._failed = failed
        self._limit = limit
        self._stop = stop
        self._emitted = 0
        self._last = 0.0  # when something came, in seconds of a clock that only grows
        self._wait: datetime | None = None

    def next_batch(self) -> Iterable[tuple[str, Frame | DeadLetter]]:
        intake, pace = self._intake, self._pace
        if self._stop.is_set() or intake.ended or (self._failed and self._failed.errors):
            pace.report(intake.index, None)
            raise StopIteration
        self._wait = None
        items = None
        if self._emitted < self._limit and pace.may_go(intake.index):
            try:
                items = intake.next()
            except SourceError as error:
                if self._failed is None:
                    raise
                self._failed.errors.append(error)
                raise StopIteration from None
            pace.report(intake.index, None if items is None or intake.ended else intake.reached)
        if items is None:
            busy = monotonic() - self._last < LINGER
            self._wait = datetime.now(UTC) + (SOON if busy else LATER)
            return ()
        self._last = monotonic()
        # A dead letter goes to any worker; a frame to the one that has its shard.
        keyed = [(str(item.shard) if isinstance(item, Frame) else "dead", item) for item in items]
        self._emitted += sum(len(item) for item in items if isinstance(item, Frame))
        return keyed

    def next_awake(self) -> datetime | None:
        return self._wait

    def snapshot(self) -> dict[str, Any]:
        self._emitted = 0
        return self._intake.snapshot()

    def close(self) -> None:
        self._intake.close()


class Intake(FixedPartitionedSource[Any, dict[str, Any]]):
    """A source of ours as a Bytewax source of (shard, Frame) and ("dead", DeadLetter).

    Parameters
    ----------
    source
        Where records come from.
    decoder
        Makes a decoder; every partition has its own, since workers run side by side.
    live
        Whether a partition that is caught up lets recorded time tick on with the wall clock.
    stop
        When set, every partition ends after its current batch, without ending the stream: the run can be resumed.
    alone
        Whether this process has all partitions. Then an error of the source stops the run in order, and `raise_failure`
        tells of it; otherwise it is raised at once, since the other processes must not go on without a part.
    """

    def __init__(
        self,
        source: Source,
        decoder: Callable[[], Decoder],
        layout: Layout,
        settings: EngineSettings,
        *,
        live: bool = False,
        stop: Event | None = None,
        alone: bool = True,
    ) -> None:
        self._source, self._decoder, self._layout, self._settings = source, decoder, layout, settings
        self.live = live
        self._stop = stop or Event()
        self._pace = _Pace()
        self._failed = _Failed() if alone else None
        self.names = tuple(source.partitions())

    def raise_failure(self) -> None:
        """Raise the SourceError that ended the run, if one did."""
        if self._failed and self._failed.errors:
            raise self._failed.errors[0]

    def list_parts(self) -> list[str]:
        """Names of the partitions."""
        return list(self.names)

    def build_part(
        self, step_id: str, for_part: str, resume_state: dict[str, Any] | None
    ) -> StatefulSourcePartition[Any, dict[str, Any]]:
        """Open a partition where the last snapshot left it."""
        partition = self._source.open(for_part, resume_state["source"] if resume_state else None)
        intake = PartitionIntake(
            self.names.index(for_part),
            for_part,
            partition,
            self._decoder(),
            self._layout,
            self._settings,
            time.time_ns if self.live else None,
            resume_state,
        )
        limit = max(1, self._settings.in_flight // len(self.names))
        return _BytewaxPartition(intake, self._pace, limit, self._stop, self._failed)
