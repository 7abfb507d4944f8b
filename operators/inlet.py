"""A source of ours as a source of Bytewax: its partitions are polled, and held back when an epoch has enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from time import monotonic
from typing import Any, Final

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from domain.clock import NEVER
from domain.errors import SourceError
from domain.failures import remembered
from domain.findings import AlertEvent
from domain.health import HEALTH
from domain.records import DeadLetter, Frame
from domain.settings import EngineSettings
from domain.streams import Source
from operators.decode import Decoder
from operators.high_water import HighWater
from operators.intake import PartitionIntake
from operators.layout import Layout
from operators.pace import Pace
from operators.pulse import Pulse

__all__ = ["Intake", "Member"]

#: When to look again where nothing has come: soon after something did, else at leisure.
SOON: Final = timedelta(microseconds=200)
LATER: Final = timedelta(milliseconds=5)
LINGER: Final = 0.1  # s

#: What a dead letter weighs, in readings: an object, and its bytes. A flood of them must not fill the memory.
LETTER: Final = 32
LETTER_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Member:
    """A partition that is read, and the event time that was closed when it joined; None: it was there first."""

    name: str
    since: int | None = None


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
        begun = datetime.now(UTC)  # Bytewax counts from before the poll, which may have waited
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
            HEALTH.heard(intake.name, intake.heard)
        said = [("pulse", event) for event in self._pulse.look(intake)] if self._pulse is not None else []
        if items is None:
            busy = monotonic() - self._last < LINGER
            self._wait = begun + (SOON if busy else LATER)
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
    high
        What remembers how far panes may have been closed; None: nothing does.
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
        high: HighWater | None = None,
    ) -> None:
        self._source, self._decoder, self._layout, self._settings = source, decoder, layout, settings
        self.live = live
        self._stops = [event for event in (stop, pause) if event is not None]
        self._pace = pace or Pace()
        self._high = high
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
            high=self._high,
        )
        self._intakes.append(intake)
        HEALTH.opened(for_part)
        limit = max(1, self._settings.in_flight // len(self.names))
        return _BytewaxPartition(intake, self._pace, limit, self._stopped, self._failed, self._pulse)

    def _stopped(self) -> bool:
        return any(event.is_set() for event in self._stops)
