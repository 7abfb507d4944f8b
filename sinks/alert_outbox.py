"""The outbox of a receiver of alerts: it holds up nobody, and where there is no room left it says what it gives up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event
from typing import Any, ClassVar, Final

from pydantic import ConfigDict, TypeAdapter

from domain import metrics
from domain.errors import SinkError, SinkRefused, StateError
from domain.findings import AlertEvent
from sinks import outbox, spool
from sinks.channel import Channel, Note

__all__ = ["AlertOutbox", "AlertSpool", "Notes"]

log = logging.getLogger(__name__)

#: Seconds for which the flow waits for a receiver before what waits is put on disk.
GRACE: Final = 0.1

#: Seconds before a failed parcel is tried again: they double, up to the last.
PAUSES: Final = (0.5, 30.0)

_NOTES: Final = TypeAdapter(list[Note], config=ConfigDict(ser_json_inf_nan="constants"))


@dataclass(frozen=True, slots=True)
class Notes:
    """What was said to one receiver at once."""

    notes: tuple[Note, ...]
    data: bytes  # the same, as JSON

    @classmethod
    def of(cls, notes: Sequence[Note]) -> Notes:
        """Write them down."""
        return cls(tuple(notes), _NOTES.dump_json(list(notes)))

    @property
    def runs(self) -> tuple[bytes]:
        """What is stored of it."""
        return (self.data,)

    @property
    def head(self) -> dict[str, Any]:
        """How many there are."""
        return {"steps": len(self.notes)}


class AlertSpool(spool.Spool[Notes]):
    """What waits for one receiver."""

    suffix: ClassVar[str] = ".alerts"

    def parcel(self, head: Mapping[str, Any], data: bytes) -> Notes:
        """Notes as they were written; what another version knew besides is left out."""
        return Notes(tuple(_NOTES.validate_json(data)), data)


class AlertOutbox(outbox.Outbox[Notes]):
    """Tells one receiver, in order, as long as it takes; it never holds up the flow.

    Where neither memory nor disk has room for more, the oldest is given up, and said so: the database has it.

    Parameters
    ----------
    name
        Of the receiver.
    channel
        The way to it.
    spool, stop
        As for every outbox.
    standing
        The last step of each alert that stands, as the receiver was told or will be by what waits.
    """

    leave = 0.5  # there may be several, and what they were about is safe

    def __init__(
        self,
        name: str,
        channel: Channel,
        spool: AlertSpool | None,
        stop: Event,
        standing: Callable[[], Collection[AlertEvent]],
        *,
        memory: int = outbox.MEMORY,
        pauses: tuple[float, float] | None = None,
    ) -> None:
        self._channel, self._standing = channel, standing
        self._sent = 0  # of the oldest parcel, so many notes have arrived
        self._no_disk = False
        self._last = "nothing was tried"
        self.stands = channel.stands
        super().__init__(name, name, spool, stop, memory=memory, grace=GRACE, pauses=pauses or PAUSES)

    # ---- the flow's side

    def put(self, parcel: Notes) -> None:
        """Take a parcel."""
        if self._spool is None and self._bytes + spool.size_of(parcel) > self._memory:
            self._give_up("memory is full")
        super().put(parcel)

    def flush(self) -> None:
        """See that all that was put in is delivered or on disk, where there is a disk that takes it."""
        if self._spool is None:
            return
        upto, self._no_disk = self._put, False
        self._until(lambda: self._safe >= upto or self._no_disk)

    def close(self, *, wait: bool = True) -> None:
        """End it; raises SinkError where something was not delivered and is kept nowhere."""
        super().close(wait=wait)
        if self._spool is None and self._entries and wait:
            left = sum(len(entry.parcel.notes) for entry in self._entries if entry.parcel is not None) - self._sent
            raise SinkError(f"{self.name}: {left} steps of alerts could not be delivered: {self._last}")

    def _no_room(self, why: str) -> None:
        self._no_disk = not self._give_up(why)

    def _give_up(self, why: str) -> bool:
        """Give up the oldest half of what waits on disk, or else in memory; whether there is room on disk now."""
        with self._changed:
            waiting = list(self._entries)[1:]  # the first is on its way
            on_disk = [entry for entry in waiting if entry.path is not None]
            let_go = on_disk[: (len(on_disk) + 1) // 2]
            if not on_disk and self._bytes > self._memory // 2:
                let_go = waiting[: (len(waiting) + 1) // 2]
            steps = 0
            for entry in let_go:
                steps += self._steps(entry)
                self._entries.remove(entry)
                self._gone(entry)
            self._changed.notify_all()
        for entry in let_go:
            if entry.path is not None and self._spool is not None:
                self._spool.remove(entry.path)
        if steps:
            metrics.ALERTS_GIVEN_UP.labels(self.name, "no-room").inc(steps)
            log.error("%s: %s; the %d oldest steps of alerts that waited are given up", self.name, why, steps)
        else:
            self._say("spool", "%s: %s; what waits is in memory only", self.name, why)
        return bool(on_disk)

    def _steps(self, entry: outbox.Entry[Notes]) -> int:
        if entry.parcel is not None:
            return len(entry.parcel.notes)
        assert self._spool is not None
        assert entry.path is not None
        try:
            return len(self._spool.read(entry.path).notes)
        except StateError:
            return 1

    # ---- the thread's side

    def deliver(self, parcel: Notes) -> None:
        """Send what has not arrived yet of a parcel."""
        alone = False
        while rest := parcel.notes[self._sent :]:
            try:
                self._sent += self._channel.send([replace(rest[0], bundle=None)] if alone else rest)
            except SinkRefused as refusal:
                reason: Exception = refusal
            except SinkError as error:
                self._last = str(error)
                raise
            except Exception as error:  # no message can be made of it: no reason to be silent about all others
                reason = error
            else:
                continue
            if alone or len(rest) == 1:
                self._refused(rest[0], reason)
                self._sent += 1
            alone = True  # the others are not to blame
        self._sent = 0

    def stand(self) -> None:
        """Tell again of what stands."""
        if events := list(self._standing()):
            try:
                self._channel.say(events)
            except SinkRefused as refusal:
                log.warning("%s does not take again what stands: %s", self.name, refusal)

    def disconnect(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _refused(self, note: Note, reason: Exception) -> None:
        """Keep what the receiver will never take for somebody to look at."""
        metrics.ALERTS_GIVEN_UP.labels(self.name, "refused").inc()
        kept = ""
        if self._spool is not None:
            try:
                with self._spooling:
                    path = self._spool.write(Notes.of([note]))
                    kept = f"; it is kept as {self._spool.set_aside(path, 'refused')}" if path else ""
            except OSError as error:
                kept = f"; it cannot be kept: {error}"
        said = reason if isinstance(reason, SinkRefused) else repr(reason)
        log.error("%s does not take step %s of an alert: %s%s", self.name, note.event.id, said, kept)
