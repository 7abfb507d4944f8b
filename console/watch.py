"""One look at the database each half second for everybody, and word of it to every open page."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from console.database import Database
from console.desk import State, state_of
from console.pending import Pending
from domain.clock import DAY, MILLISECOND, SECOND
from domain.errors import SinkError
from domain.findings import AlertEvent, AlertEventType
from sinks.clickhouse.read import standing_alerts
from sources.journal import Journal

__all__ = ["View", "Watch"]

log = logging.getLogger(__name__)

#: Seconds between two looks, and between two words to a page where nothing has changed.
EVERY: Final = 0.5
PULSE: Final = 2.0

#: How long the desk keeps what is over.
KEPT: Final = 2 * DAY

#: A stream that is older is a recording, and its own newest time is the present.
RECORDING: Final = DAY

# Every insert makes a part with a higher number: this answers at once, however many alerts there are.
_MARK: Final = """
SELECT max(max_block_number) AS mark FROM system.parts
WHERE database = currentDatabase() AND table = 'alert_events' AND active
"""
# The alerts of what was inserted since. By the names of the parts that this very query reads: a merge cannot hide any.
_NEWS: Final = """
SELECT DISTINCT alert FROM alert_events WHERE toInt64(splitByChar('_', _part)[3]) > {mark:Int64} LIMIT {limit:UInt32}
"""
#: So many are read one by one; of more, all that stand are.
FEW: Final = 500

#: Steps of an alert that call for somebody.
_CALLS: Final = frozenset(
    {AlertEventType.RAISED, AlertEventType.ESCALATED, AlertEventType.OVERDUE, AlertEventType.REALARMED}
)

_NEWEST: Final = "SELECT toUnixTimestamp64Milli(max(last_seen)) AS newest FROM sensor_last_seen"


@dataclass(frozen=True)
class View:
    """What was seen at the last look."""

    alerts: dict[UUID, AlertEvent] = field(default_factory=dict)
    newest: int = 0  # ns: event time of the newest reading
    trouble: str = ""  # why the database could not be asked
    version: int = 0

    def present(self, clock: int) -> int:
        """The time at which the desk stands, ns: now, or the end of a recording."""
        if self.live(clock):
            return clock
        return max([self.newest, *(event.alert.updated for event in self.alerts.values())])

    def live(self, clock: int) -> bool:
        """Whether the stream is of now."""
        return not self.newest or clock - self.newest < RECORDING

    def lag(self, clock: int) -> int | None:
        """How far the newest reading lies behind, ns; None for a recording, and where there is none."""
        return clock - self.newest if self.newest and self.live(clock) else None


class Watch:
    """Looks, remembers what it saw, and tells who listens.

    Parameters
    ----------
    journal
        Where this console, and others, write what people do.
    now
        The wall clock, ns.

    Attributes
    ----------
    view
        What the last look has shown.
    pending
        What people have done and the engine has not answered yet.
    """

    def __init__(self, database: Database, journal: Path, now: Callable[[], int] = time.time_ns) -> None:
        self.view = View()
        self.now = now
        self.pending = Pending(Journal(journal, lambda: self.present), lambda: self.present)
        self._database = database
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._stamped = 0
        self._mark: int | None = None
        self._states: dict[UUID, State] = {}
        self._listeners: set[asyncio.Queue[dict[str, Any]]] = set()

    @property
    def present(self) -> int:
        """The time at which the desk stands, ns."""
        return self.view.present(self.now())

    def stamp(self) -> int:
        """The time of an action that is done now, ns: later than any before, also where a recording's time stands."""
        with self._lock:
            self._stamped = max(self.present, self._stamped + MILLISECOND)
            return self._stamped

    async def run(self) -> None:
        """Look for ever."""
        told = 0.0
        while True:
            began = time.monotonic()
            changed: set[UUID] = set()
            try:
                changed = await run_in_threadpool(self.look)
            except Exception:
                log.exception("a look at the database failed")  # the next may do better; pages must hear of something
            if changed or began >= told + PULSE:
                told = began
                self.tell(changed)
            await asyncio.sleep(max(0.05, EVERY - (time.monotonic() - began)))

    def look(self) -> set[UUID]:
        """Ask the database; return the alerts of which there is news. May be called from several threads."""
        with self._looking:  # or the slower of two looks would take back what the other has seen
            return self._look()

    def _look(self) -> set[UUID]:
        before = self.view
        changed = self.pending.look(self._database)
        try:
            mark = int(self._database.rows(_MARK)[0]["mark"])
            newest = int(self._database.rows(_NEWEST)[0]["newest"]) * MILLISECOND
            alerts = before.alerts
            if mark != self._mark:
                since = max(0, View(before.alerts, newest).present(self.now()) - KEPT)
                alerts = self._standing(since, self._mark, mark)
                changed |= {id for id, event in alerts.items() if before.alerts.get(id) != event}
                changed |= before.alerts.keys() - alerts.keys()
                self._mark = mark
            trouble = ""
        except SinkError as error:
            alerts, newest, trouble, self._mark = before.alerts, before.newest, str(error), None
            if not before.trouble:
                log.warning("the database does not answer: %s", error)
        # Shelves end by the clock alone.
        present = View(alerts, newest).present(self.now())
        states = {id: state_of(event, present) for id, event in alerts.items()}
        changed |= {id for id, state in states.items() if self._states.get(id) is not state}
        self._states = states
        if changed or (newest, trouble) != (before.newest, before.trouble):
            self.view = View(alerts, newest, trouble, before.version + bool(changed))
        return changed

    def _standing(self, since: int, known: int | None, mark: int) -> dict[UUID, AlertEvent]:
        """What stands at `mark`: all of it, or what was seen before with the news since the mark that is `known`."""
        news: list[UUID] | None = None
        if known is not None and known < mark:
            rows = self._database.rows(_NEWS, {"mark": known, "limit": FEW + 1})
            news = [UUID(str(row["alert"])) for row in rows] if len(rows) <= FEW else None
        found = self._database.ask(lambda client: standing_alerts(client, since, news))
        alerts = {event.alert.id: event for event in found}
        if news is None:
            return alerts
        fresh = set(news)
        return {
            id: event
            for id, event in self.view.alerts.items()
            if id not in fresh and (event.alert.active or event.alert.latched or event.alert.updated >= since)
        } | alerts

    def tell(self, changed: set[UUID]) -> None:
        """Send word to every page."""
        word = self.word(changed)
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()  # a page that does not keep up misses words; it asks for all there is anyway
            listener.put_nowait(word)

    def word(self, changed: Collection[UUID] = ()) -> dict[str, Any]:
        """What a page is told: how things stand, and of which alerts there is news."""
        clock = self.now()
        lag = self.view.lag(clock)
        return {
            "version": self.view.version,
            "changed": sorted(map(str, changed)),
            "present": self.view.present(clock) // MILLISECOND,
            "live": self.view.live(clock),
            "lag": None if lag is None else round(lag / SECOND, 1),
            "trouble": bool(self.view.trouble),
            "new": [
                {"id": str(id), "level": self.view.alerts[id].alert.level}
                for id in sorted(changed, key=str)
                if self._states.get(id) is State.NEW and self.view.alerts[id].type in _CALLS
            ],
        }

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
        """Words from now on, the first at once."""
        words: asyncio.Queue[dict[str, Any]] = asyncio.Queue(16)
        words.put_nowait(self.word())
        self._listeners.add(words)
        try:
            yield words
        finally:
            self._listeners.discard(words)
