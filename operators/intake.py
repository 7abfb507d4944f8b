"""Where records enter: a source's partition is read, decoded, stamped with its clock, and split into frames.

All of it happens on the worker that reads the partition, because a partition's clock needs all of its messages in order
and nobody else's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event
from time import monotonic
from typing import Any, Final

import numpy as np
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from domain import metrics
from domain.clock import MILLISECOND, NEVER, floor_to
from domain.errors import SourceError
from domain.failures import remembered
from domain.findings import AlertEvent, Finding
from domain.health import HEALTH
from domain.operations import level as operations_level
from domain.records import Columns, DeadLetter, Decoded, Frame, RawBatch
from domain.settings import EngineSettings
from domain.streams import Partition, Source
from operators.decode import Decoder
from operators.gaps import GapWatch
from operators.layout import Layout
from operators.pace import Pace
from operators.pulse import Pulse
from operators.route import future_letters, route
from operators.silence import SilenceWatch
from operators.stamp import PartitionClock, Stamps

__all__ = ["Intake", "Member", "PartitionIntake"]

#: An engine's clock may lag the broker's by this much before a tick could close a pane too early.
TICK_MARGIN: Final = 2000 * MILLISECOND

#: ... or, where it is this machine's clock that tells both, only so long as it takes to write a line.
PROMPT_MARGIN: Final = 200 * MILLISECOND

#: When to look again where nothing has come: soon after something did, else at leisure.
SOON: Final = timedelta(microseconds=200)
LATER: Final = timedelta(milliseconds=5)
LINGER: Final = 0.1  # s

#: What a dead letter weighs, in readings: an object, and its bytes. A flood of them must not fill the memory.
LETTER: Final = 32
LETTER_BYTES: Final = 16

_NO_INTS: Final = np.empty(0, np.int64)
_NO_SENSORS: Final = np.empty(0, np.int32)
_NO_VALUES: Final = np.empty(0, np.float64)


@dataclass(frozen=True, slots=True)
class Member:
    """A partition that is read, and the event time that was closed when it joined; None: it was there first."""

    name: str
    since: int | None = None


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
        *,
        gapless: bool = False,
        since: int = NEVER,
    ) -> None:
        self.index, self.name = index, name
        self.recorded = 0  #: recorded time of the last message, ns
        self._partition = partition
        self._decoder = decoder
        self._layout = layout
        # What is told as it happens waits for nobody, and holds nobody up.
        prompt = {"lateness": 0, "idle": 0} if partition.prompt else {}
        self._rules = settings.time.model_copy(update=prompt)
        self._keep = settings.keep_dead
        self._names = [sensor.id for sensor in layout.city.sensors]
        self._now = partition.clock or now
        self._margin = PROMPT_MARGIN if partition.prompt else TICK_MARGIN
        self._clock = PartitionClock(self._rules, resume["clock"] if resume else (NEVER, NEVER, since))
        level = operations_level(layout.city.levels)
        self._gaps = GapWatch(name, level, resume.get("gaps") if resume else None) if gapless else None
        self._silence: SilenceWatch | None = None
        if settings.silence is not None and not partition.prompt:
            # Nothing recorded may be further ahead in event time than this: a silence is then found in time.
            silence = max(settings.silence, settings.time.max_ahead)
            rate = np.array([sensor.rate for sensor in layout.city.sensors], np.float64)
            silent = resume.get("silence") if resume else None
            self._silence = SilenceWatch(name, level, silence, rate, since, silent)
        self.ended = bool(resume and resume["ended"])
        self._told = resume["told"] if resume else NEVER  # the pane-aligned watermark that all shards know of
        self._messages = metrics.MESSAGES.labels(name)
        self._readings = metrics.READINGS.labels(name)
        self._late = metrics.LATE_ROWS.labels(name)
        self._watermark = metrics.WATERMARK.labels(name)
        self._lag = metrics.WATERMARK_LAG.labels(name)

    @property
    def caught_up(self) -> bool:
        """Whether everything that the partition holds now has been read."""
        return self._partition.caught_up

    @property
    def backlog(self) -> int | None:
        """Messages that wait to be read, where that is known."""
        return self._partition.backlog

    @property
    def reached(self) -> int:
        """The largest event time that was accepted (NEVER before the first)."""
        return self._clock.largest

    @property
    def watermark(self) -> int:
        """Event time before which panes are closed to the partition."""
        return self._clock.watermark

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
        self.recorded = int(stamps.recorded[-1])
        out: list[Frame | DeadLetter] = list(rows.dead)
        rows, ahead = future_letters(rows, stamps, batch, self._rules.max_ahead, self._names, self._keep)
        out += ahead
        where = (self.index, self.name)
        frames = list(route(self._layout, where, rows, stamps, batch.offset, self._clock.watermark))
        self._count(batch, rows, stamps.late, out)
        told = list(self._tell(frames, int(stamps.recorded[-1])))
        # Findings come before the frames, as one of these may close the pane that a finding belongs to.
        return [*out, *self._watched(batch, rows, stamps), *told]

    def _watched(self, batch: RawBatch | Columns, rows: Decoded, stamps: Stamps) -> Iterable[Frame]:
        """What a batch shows about the partition itself."""
        found: list[Finding] = []
        spoken = 0
        if self._gaps is not None:
            found += self._gaps.take(batch.offset, stamps)
        if self._silence is not None:
            found += self._silence.take(rows, batch.recorded, stamps)
            spoken = self._silence.spoken
        return self._about(found, self.recorded, spoken)

    def _about(self, found: Sequence[Finding], recorded: int, spoken: int = 0) -> Iterable[Frame]:
        if found or spoken:
            yield replace(self._mark(0, recorded, NEVER), findings=tuple(found), spoken=spoken)

    def _tell(self, frames: list[Frame], recorded: int) -> Iterable[Frame]:
        """Frames, and an empty one for every other shard when the watermark has passed the end of a pane."""
        mark = floor_to(self._clock.watermark, self._rules.pane) if self._clock.watermark != NEVER else NEVER
        if mark <= self._told:
            return frames
        self._told = mark
        self._watermark.set(self._clock.watermark / 1e9)
        self._lag.set((recorded - self._clock.watermark) / 1e9)
        told = {frame.shard for frame in frames}
        quiet = (self._mark(s, recorded) for s in range(self._layout.shards) if s not in told)
        return [*frames, *quiet]

    def _tick(self) -> list[Frame | DeadLetter] | None:
        if self._now is None or not self._partition.caught_up:
            return None
        recorded = self._now() - self._margin
        silent = list(self._about(self._silence.tick(recorded), recorded)) if self._silence is not None else []
        self._clock.tick(recorded)
        return [*silent, *self._tell([], recorded)] or None

    def _close(self) -> Iterable[Frame]:
        """The stream has ended: its last pane closes, and it holds nobody back any more."""
        pane = self._rules.pane
        largest, end = self._clock.largest, self._clock.watermark
        if largest != NEVER:
            end = max(floor_to(largest, pane) + pane, end)
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
                metrics.DEAD_LETTERS.labels(self.name, letter.reason).inc()

    def snapshot(self) -> dict[str, Any]:
        """State to go on from."""
        return {
            "source": self._partition.snapshot(),
            "clock": self._clock.snapshot(),
            "ended": self.ended,
            "told": self._told,
            "gaps": self._gaps.snapshot() if self._gaps else None,
            "silence": self._silence.snapshot() if self._silence else None,
        }

    def close(self) -> None:
        """Close the partition."""
        self._partition.close()


@dataclass(slots=True)
class _Failed:
    """Errors of the source that ended a run: with its state written, unlike an error that Bytewax sees."""

    errors: list[SourceError] = field(default_factory=list)


class _BytewaxPartition(StatefulSourcePartition[Any, dict[str, Any]]):
    """Feeds Bytewax, and holds back when an epoch has brought enough.

    Bytewax lets a source run ahead without limit inside an epoch, but begins no epoch before the last one is through:
    so a limit per epoch bounds what is in flight, also across processes.
    """

    def __init__(
        self,
        intake: PartitionIntake,
        pace: Pace,
        limit: int,
        stop: Callable[[], bool],
        failed: _Failed | None,
        pulse: Pulse | None,
    ) -> None:
        self._intake = intake
        self._pace = pace
        self._failed = failed
        self._pulse = pulse
        self._limit = limit
        self._stop = stop
        self._emitted = 0
        self._last = 0.0  # when something came, in seconds of a clock that only grows
        self._wait: datetime | None = None

    def next_batch(self) -> Iterable[tuple[str, Frame | DeadLetter | AlertEvent]]:
        intake, pace = self._intake, self._pace
        if self._stop() or intake.ended or (self._failed and self._failed.errors):
            pace.report(intake.index, None)
            if self._pulse is not None:
                self._pulse.ended(intake.name)
            raise StopIteration
        self._wait = None
        items = None
        if self._emitted < self._limit and pace.may_go(intake.index):
            try:
                items = intake.next()
            except SourceError as error:
                if self._failed is None:
                    with remembered():
                        raise
                self._failed.errors.append(error)
                raise StopIteration from None
            pace.report(intake.index, None if items is None or intake.ended else intake.reached)
            HEALTH.heard(intake.name, intake.recorded, intake.caught_up)
        said = [("pulse", event) for event in self._pulse.look(intake)] if self._pulse is not None else []
        if items is None:
            busy = monotonic() - self._last < LINGER
            self._wait = datetime.now(UTC) + (SOON if busy else LATER)
            return said
        self._last = monotonic()
        # A dead letter goes to any worker; a frame to the one that has its shard.
        keyed = [(str(item.shard) if isinstance(item, Frame) else "dead", item) for item in items]
        self._emitted += sum(map(_weight, items))
        return [*keyed, *said]

    def next_awake(self) -> datetime | None:
        return self._wait

    def snapshot(self) -> dict[str, Any]:
        self._emitted = 0
        HEALTH.epoch(self._intake.name)
        if self._pulse is not None:
            self._pulse.epoch()
        return self._intake.snapshot()

    def close(self) -> None:
        HEALTH.ended(self._intake.name)
        self._intake.close()


def _weight(item: Frame | DeadLetter) -> int:
    """How much of what may be in flight an item takes, in readings."""
    return len(item) if isinstance(item, Frame) else LETTER + len(item.payload) // LETTER_BYTES


class Intake(FixedPartitionedSource[Any, dict[str, Any]]):
    """A source of ours as a Bytewax source of (shard, Frame), ("dead", DeadLetter) and ("pulse", AlertEvent).

    Parameters
    ----------
    source
        Where records come from.
    decoder
        Makes a decoder; every partition has its own, since workers run side by side.
    live
        Whether a partition that is caught up lets recorded time tick on with the wall clock.
    members
        The partitions to read, in an order that never changes; None: all that the source has.
    stop, pause
        When one is set, every partition ends after its current batch, without ending the stream: the run can be
        resumed.
    alone
        Whether this process has all partitions. Then an error of the source stops the run in order, and `raise_failure`
        tells of it; otherwise it is raised at once, since the other processes must not go on without a part.
    pulse
        What this process says of itself.
    pace
        What keeps its partitions together with those of other processes; None: there are no others.
    """

    def __init__(
        self,
        source: Source,
        decoder: Callable[[], Decoder],
        layout: Layout,
        settings: EngineSettings,
        *,
        members: Sequence[Member] | None = None,
        live: bool = False,
        stop: Event | None = None,
        pause: Event | None = None,
        alone: bool = True,
        pulse: Pulse | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._source, self._decoder, self._layout, self._settings = source, decoder, layout, settings
        self.live = live
        self._stops = [event for event in (stop, pause) if event is not None]
        self._pace = pace or Pace()
        self._pulse = pulse
        self._failed = _Failed() if alone else None
        self._members = tuple(Member(name) for name in source.partitions()) if members is None else tuple(members)
        self._intakes: list[PartitionIntake] = []
        self.names = tuple(member.name for member in self._members)

    @property
    def watermark(self) -> int | None:
        """Event time before which panes are closed to all partitions of this process; None where it has none."""
        return min((intake.watermark for intake in self._intakes if not intake.ended), default=None)

    def raise_failure(self) -> None:
        """Raise the SourceError that ended the run, if one did."""
        if self._failed and self._failed.errors:
            raise self._failed.errors[0]

    def list_parts(self) -> list[str]:
        """Names of the partitions."""
        return list(self.names)

    @remembered()
    def build_part(
        self, step_id: str, for_part: str, resume_state: dict[str, Any] | None
    ) -> StatefulSourcePartition[Any, dict[str, Any]]:
        """Open a partition where the last snapshot left it."""
        index = self.names.index(for_part)
        since = self._members[index].since
        begin = None if since is None else self._source.beginning
        partition = self._source.open(for_part, resume_state["source"] if resume_state else begin)
        intake = PartitionIntake(
            index,
            for_part,
            partition,
            self._decoder(),
            self._layout,
            self._settings,
            time.time_ns if self.live else None,
            resume_state,
            gapless=self._source.gapless,
            since=NEVER if since is None else since,
        )
        self._intakes.append(intake)
        HEALTH.opened(for_part)
        limit = max(1, self._settings.in_flight // len(self.names))
        return _BytewaxPartition(intake, self._pace, limit, self._stopped, self._failed, self._pulse)

    def _stopped(self) -> bool:
        return any(event.is_set() for event in self._stops)
