"""What a process says of itself: that it makes progress, and that it is behind.

Both are measured by the wall clock, so they follow from no stream: nothing of it is stored, no result depends on it.
They go straight to where alerts go, past all that may be held up. Each is sent again and again and ends by itself where
the next one fails to come: it is the absence of a heartbeat that says that the engine stands still.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Protocol

from domain import metrics
from domain.city import Level
from domain.clock import NEVER, SECOND
from domain.findings import Alert, AlertEvent, AlertEventType
from domain.identity import identify
from domain.operations import HEARTBEAT, LAG
from domain.operations import level as operations_level

__all__ = ["Pulse", "Read"]

#: A heartbeat counts for so many times the distance between two.
PATIENCE: Final = 3


class Read(Protocol):
    """A partition that is read."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def heard(self) -> int:
        """Up to when all that was recorded has been read, ns; 0: nothing has."""

    @property
    def backlog(self) -> int | None:
        """Messages that wait to be read, where that is known."""


@dataclass(slots=True)
class _Life:
    """An alert of ours, while it lasts."""

    kind: str
    began: int
    seq: int = 0


@dataclass
class Pulse:
    """One process of a city's engine. Its methods may be called from several workers.

    Parameters
    ----------
    city, levels
        Name and alert scale of the city.
    process
        Number of this process.
    every
        Between two heartbeats, ns: no less than an epoch takes.
    limit
        So far (ns) a partition may be behind; None: as far as it likes. The alert ends at half of it.
    clock, now
        Time that only grows, and time of day, in ns; replaced in tests.
    """

    city: str
    levels: Sequence[Level]
    process: int
    every: int
    limit: int | None
    clock: Callable[[], int] = time.monotonic_ns
    now: Callable[[], int] = time.time_ns
    _lock: Lock = field(default_factory=Lock)
    _looked: dict[str, int] = field(default_factory=dict)  # by partition: when it was looked at
    _behind: dict[str, tuple[int, int | None]] = field(default_factory=dict)  # by partition: ns, and messages
    _opened: dict[str, int] = field(default_factory=dict)
    _heart: _Life | None = None
    _lag: _Life | None = None
    _said: int = 0  # when the last heartbeat was sent
    _epochs: int = 0  # that have ended since

    def epoch(self) -> None:
        """An epoch has ended: what was read before it has gone all the way."""
        self._epochs += 1

    def ended(self, name: str) -> None:
        """A partition will bring nothing more, or is not ours to read any more."""
        with self._lock:
            self._behind.pop(name, None)

    def look(self, part: Read) -> list[AlertEvent]:
        """What there is to say, having looked at one partition; asked often, it looks once a second or heartbeat."""
        at = self.clock()
        if at - self._looked.get(part.name, NEVER) < min(self.every, SECOND):
            return []
        with self._lock:
            self._looked[part.name] = at
            now = self.now()
            self._measure(part, now)
            said: list[AlertEvent] = []
            beat = self._epochs > 0 and at - self._said >= self.every
            until = now + PATIENCE * self.every
            if beat:
                self._heart = self._heart or _Life(HEARTBEAT, now)
                self._said, self._epochs = at, 0
                said.append(self._event(self._heart, now, until, self._place, f"{self._place} makes progress"))
            return said + self._judge(now, until, beat)

    @property
    def _place(self) -> str:
        return f"engine {self.process}"

    def _measure(self, part: Read, now: int) -> None:
        behind = max(0, now - (part.heard or self._opened.setdefault(part.name, now)))
        backlog = part.backlog
        self._behind[part.name] = behind, backlog
        metrics.BEHIND.labels(part.name).set(behind / SECOND)
        if backlog is not None:
            metrics.BACKLOG.labels(part.name).set(backlog)

    def _judge(self, now: int, until: int, beat: bool) -> list[AlertEvent]:
        """The alert that this process is behind: raised, said again with each heartbeat, cleared."""
        if self.limit is None:
            return []
        behind, name = max(((behind, name) for name, (behind, _) in self._behind.items()), default=(0, ""))
        words = f"{self._place} is {behind / SECOND:,.0f} s behind"
        if name:
            backlog = sum(messages or 0 for _, messages in self._behind.values())
            words += f" at {name}" + f", {backlog:,} messages wait" * bool(backlog)
        if self._lag is None:
            if behind <= self.limit:
                return []
            self._lag = _Life(LAG, now)
        elif behind <= self.limit // 2:
            life, self._lag = self._lag, None
            return [self._event(life, now, 0, self._place, words)]
        elif not beat:
            return []
        return [self._event(self._lag, now, until, self._place, words)]

    def _event(self, life: _Life, now: int, until: int, place: str, words: str) -> AlertEvent:
        """The next step of an alert's life; `until` is 0 where it is over."""
        level = operations_level(self.levels)
        urgent = any(one.urgent for one in self.levels if one.rank == level)
        alert = Alert(
            id=identify("alert", life.kind, self.city, self.process),
            kind=life.kind,
            level=level,
            active=until > 0,
            onset=life.began,
            raised=life.began,
            updated=now,
            cleared=until or now,
            zone="",
            asset="",
            place=place,
            lon=0.0,
            lat=0.0,
            owner="",
            urgent=urgent,
            corroboration=1.0,
            summary=words,
        )
        step = AlertEventType.UPDATED if until else AlertEventType.CLEARED
        if not life.seq:
            step = AlertEventType.RAISED
        event = AlertEvent(identify("alert-event", alert.id, now), life.seq, step, now, alert)
        life.seq += 1
        return event
