"""One receiver of alerts: what it is told, through an outbox of its own, so that it holds up neither flow nor others.

A step of the flow decides what a receiver is told (`Delivery`): what its filters let through, and from then on all of
that alert, its end above all. That is a matter of the stream, so the step's state is kept with the flow's. When the
alert arrives is the outbox's matter: at once, or whenever the receiver is back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Any, Final, Never
from uuid import UUID

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from domain.errors import SinkError
from domain.findings import AlertEvent
from domain.health import HEALTH
from domain.identity import identify
from domain.notices import Notice, Why
from domain.operations import repeated
from sinks.alert_outbox import AlertOutbox, AlertSpool, Notes
from sinks.channel import Bundle, Channel, Note, Told

__all__ = ["Delivery", "Heartbeats", "Receiver"]

log = logging.getLogger(__name__)

#: Steps of alerts that are put into the outbox as one.
MOST: Final = 500

#: Alerts that are over, and of which it is remembered that a receiver was told.
REMEMBERED: Final = 1000


class Receiver:
    """Where alerts go, while the `opened` block runs.

    Parameters
    ----------
    name
        Of the receiver.
    channel
        Opens a way to it.
    wants
        Whether its filters let an alert through: of a step, the desk that is told of it (empty: none), and when.
    limit
        Bytes that may wait for it on disk.
    heartbeats
        Whether it hears what the engine says of itself.
    desks
        Whether it hears what desks are told, in place of every step as it happens.
    """

    def __init__(
        self,
        name: str,
        channel: Callable[[], Channel],
        wants: Callable[[AlertEvent, str, int], bool] = lambda event, desk, at: True,
        *,
        limit: int = 64 << 20,
        heartbeats: bool = False,
        desks: bool = False,
    ) -> None:
        self.name, self.wants, self.heartbeats, self.desks = name, wants, heartbeats, desks
        self.hears: Callable[[AlertEvent], bool] = lambda event: True
        self._channel, self._limit = channel, limit
        self._outbox: AlertOutbox | None = None
        self._beside: _Beside | None = None
        self.standing: dict[UUID, AlertEvent] | None = None

    @contextmanager
    def opened(self, folder: Path | None, stop: Event, process: int = 0, processes: int = 1) -> Iterator[None]:
        """Deliver while the block runs.

        Parameters
        ----------
        folder
            Where receivers keep what waits; None: nowhere.
        stop
            Set when the run is to end.
        process, processes
            Which of how many processes this is.
        """
        root = folder / self.name if folder is not None else None
        spool = AlertSpool.of_process(root, self._limit, process, processes) if root is not None else None
        channel = self._channel()
        self.hears = lambda event: channel.hears is None or event.type in channel.hears
        self.standing = {} if channel.stands is not None else None
        self._outbox = AlertOutbox(self.name, channel, spool, stop, lambda: (self.standing or {}).values())
        self._beside = _Beside(self.name, self._channel()) if self.heartbeats else None
        wait = False
        try:
            yield
            wait = not stop.is_set()
        finally:
            if self._beside is not None:
                self._beside.close()
            self._outbox.close(wait=wait)

    def tell(self, events: Sequence[AlertEvent]) -> None:
        """Deliver events now, outside of a flow; raises SinkError."""
        notes = [Note(event) for event in events if self.wants(event, "", event.ts)]
        channel = self._channel()
        try:
            while notes:
                del notes[: channel.send(notes)]
        finally:
            channel.close()

    def delivery(self, state: Any = None) -> Delivery:
        """What a key of the flow delivers through."""
        assert self._outbox is not None
        return Delivery(self, self._outbox, state)

    @property
    def beats(self) -> Heartbeats:
        """Where the flow sends what the engine says of itself."""
        return Heartbeats(self)

    def beat(self, events: Iterable[AlertEvent]) -> None:
        """Say what will be said again anyway; nobody waits for it."""
        if self._beside is not None:
            self._beside.put(events)


class Delivery:
    """What one receiver is told, driven by a stateful step: such steps are told when an epoch ends."""

    def __init__(self, receiver: Receiver, outbox: AlertOutbox, state: Any = None) -> None:
        self._receiver, self._outbox = receiver, outbox
        self._told: dict[UUID, Told] = dict(state["told"]) if state else {}  # of alerts that are active
        self._over: dict[UUID, Told] = dict(state["over"]) if state else {}  # of alerts that are not
        if receiver.standing is not None and state:
            receiver.standing.clear()
            receiver.standing.update(state["standing"])

    def take(self, items: Sequence[AlertEvent | Notice]) -> Iterable[Never]:
        """Send events on their way."""
        single: list[Note] = []
        for item in items:
            if isinstance(item, AlertEvent):
                single += self._noted((item,), "", item.ts)
                continue
            notes = self._noted(item.events, item.desk, item.ts)
            if item.why is Why.AT_ONCE:
                single += notes
                continue
            self._put(single)
            single = []
            for part in range(0, len(notes), MOST):
                some = notes[part : part + MOST]
                id = identify("bundle", self._receiver.name, item.id, part)
                bundle = Bundle(id, item.ts, item.desk, item.why, len(some))
                self._put([replace(note, bundle=bundle) for note in some])
        self._put(single)
        return ()

    def _put(self, notes: list[Note]) -> None:
        for first in range(0, len(notes), MOST):
            self._outbox.put(Notes.of(notes[first : first + MOST]))

    def _noted(self, events: Sequence[AlertEvent], desk: str, at: int) -> list[Note]:
        return [note for event in events if (note := self._note(event, desk, at)) is not None]

    def _note(self, event: AlertEvent, desk: str, at: int) -> Note | None:
        alert, standing = event.alert, self._receiver.standing
        before = self._told.get(alert.id) or self._over.get(alert.id)
        if desk and before is not None and (before.id == event.id or before.ts > event.ts):
            return None  # another of its desks has told it as much
        if before is None and not self._receiver.wants(event, desk, at):
            return None
        if before is not None and not self._receiver.hears(event):
            return None
        self._told.pop(alert.id, None)
        self._over.pop(alert.id, None)
        (self._told if alert.active else self._over)[alert.id] = Told(event.id, event.ts)
        if len(self._over) > REMEMBERED:
            del self._over[next(iter(self._over))]
        if standing is not None:
            standing.pop(alert.id, None)
            if alert.active and not alert.quiet:
                standing[alert.id] = event
        return Note(event, before)

    def snapshot(self) -> Any:
        """Before the epoch counts as done, all that came in it is safe."""
        self._outbox.flush()
        return {"told": dict(self._told), "over": dict(self._over), "standing": dict(self._receiver.standing or {})}


class _Beside:
    """Says what is said again anyway from a thread of its own: nothing waits for it, and a failure is only told."""

    def __init__(self, name: str, channel: Channel) -> None:
        self._name, self._channel = name, channel
        self._waiting: dict[UUID, AlertEvent] = {}  # the newest of each alert
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name=f"heartbeats {name}", daemon=True)
        self._thread.start()

    def put(self, events: Iterable[AlertEvent]) -> None:
        with self._changed:
            self._waiting.update((event.alert.id, event) for event in events)
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        part = f"heartbeats to {self._name}"
        while (events := self._next()) is not None:
            try:
                self._channel.say(events)
            except SinkError as error:
                log.warning("%s were not delivered: %s", part, error)
                HEALTH.trouble(part, str(error))
            else:
                HEALTH.well(part)
        HEALTH.well(part)
        self._channel.close()

    def _next(self) -> list[AlertEvent] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            events, self._waiting = list(self._waiting.values()), {}
            return None if self._closed else events


class _Beats(StatelessSinkPartition[AlertEvent]):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def write_batch(self, items: list[AlertEvent]) -> None:
        self._receiver.beat(filter(repeated, items))


class Heartbeats(DynamicSink[AlertEvent]):
    """Passes heartbeats to a receiver that is open."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Beats:
        """One a worker; they share the receiver."""
        return _Beats(self._receiver)
