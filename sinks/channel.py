"""What a receiver of alerts is to us: something that takes messages, one after the other, and may be away."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import ClassVar
from uuid import UUID

from domain.findings import AlertEvent, AlertEventType

__all__ = ["Bundle", "Channel", "Note", "Told", "together"]


@dataclass(frozen=True, slots=True)
class Told:
    """A step of an alert that a receiver was told of."""

    id: UUID
    ts: int  # of the step, ns


@dataclass(frozen=True, slots=True)
class Bundle:
    """What several steps are told together as: a digest, or the summary of a flood."""

    id: UUID
    ts: int  # event time, ns
    desk: str
    why: str  # of `domain.notices.Why`
    count: int  # of alerts


@dataclass(frozen=True, slots=True)
class Note:
    """A step of an alert for a receiver, and the one before that the same receiver was told of, if there was one."""

    event: AlertEvent
    before: Told | None = None
    bundle: Bundle | None = None  # what it is told as a part of


class Channel(ABC):
    """A way to one receiver. Only one thread uses it."""

    #: Seconds between two times at which it is told again what still stands; None: it remembers by itself.
    stands: ClassVar[float | None] = None

    #: Steps that it hears of; None: of every one. Whatever the first step is that it is told of, it hears of it.
    hears: ClassVar[frozenset[AlertEventType] | None] = None

    @abstractmethod
    def send(self, notes: Sequence[Note]) -> int:
        """Send the first notes, as many as go into one message; return how many.

        Raises SinkError when it should be tried again later, SinkRefused when the receiver will never take them.
        """

    def say(self, events: Sequence[AlertEvent]) -> None:
        """Send what needs no memory: heartbeats, and what still stands. Raises as `send` does."""
        notes = [Note(event) for event in events]
        while notes:
            del notes[: self.send(notes)]

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Let go of connections."""


def together(notes: Sequence[Note], most: int) -> Sequence[Note]:
    """The first notes that go into one message, for a receiver that reads many at once.

    Those of one bundle, all of them, stay among themselves; of others at most so many.
    """
    first = notes[0].bundle
    alike = takewhile(lambda note: (note.bundle and note.bundle.id) == (first and first.id), notes)
    return list(alike) if first else list(islice(alike, most))
