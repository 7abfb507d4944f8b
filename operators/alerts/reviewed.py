"""A desk whose alerts are put right once a second look has shown what should have been."""

from __future__ import annotations

import pickle
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Any, Final
from uuid import UUID

from domain.city import City
from domain.commands import UNCONFIRMED
from domain.errors import StateError
from domain.findings import Alert, AlertEvent, AlertEventType
from domain.operations import KIND
from domain.records import DeadLetter, LateRows, Verdicts
from operators.alerts.desk import Desk
from operators.alerts.revise import late_words, overlap, revise
from operators.alerts.rules import DEFAULT, Rules
from operators.alerts.timing import FOREVER

__all__ = ["ReviewedDesk"]

#: Steps by which an alert is found to be there: only these bring back one that was withdrawn.
_FOUND: Final = frozenset({AlertEventType.RAISED, AlertEventType.UPDATED, AlertEventType.ESCALATED})

#: What is found about the stream itself, or about orders, is found once.
LIVE_ONLY: Final = frozenset({KIND, UNCONFIRMED})

Key = tuple[str, str]  # kind of an alert, and one of its sensors or cameras


class ReviewedDesk:
    """Two desks, one of what was found and one of what should have been, and the revisions that the two make necessary.

    What is found about the stream itself is not looked at again. An alert is compared once it has been at rest for the
    time by which the second look is behind: so revisions, too, depend on nothing but the stream. It is remembered while
    it is open, or another one that may be the same, and for twice that time afterwards.

    Parameters
    ----------
    city, shards, rules
        As `Desk` takes them.
    behind
        How much later the second look is, ns.
    """

    def __init__(self, city: City, shards: int, behind: int, rules: Rules = DEFAULT) -> None:
        self._told, self._truth = Desk(city, shards, rules), Desk(city, shards, rules, attended=False)
        self._behind = behind
        self._names = [sensor.id for sensor in city.sensors]
        self._books = _Books()

    def take(self, verdicts: Verdicts) -> list[AlertEvent]:
        """Take what one shard sent, of either look; return what became certain by it."""
        books = self._books
        told: list[AlertEvent] = []
        if verdicts.settled:
            books.late.extend(row for rows in verdicts.late for row in self._rows(rows))
            books.due.extend(self._truth.take(verdicts))
        else:
            told = self._told.take(verdicts)
            books.told.extend(event for event in told if event.alert.kind not in LIVE_ONLY)
        return [*told, *self._look()]

    def refused(self) -> list[DeadLetter]:
        """Actions since the last call that could change nothing."""
        return self._told.refused()

    @property
    def frontier(self) -> int:
        """What the desk says of times before this, ns, it has said, but for revisions; FOREVER at the end."""
        return self._told.frontier

    def _rows(self, rows: LateRows) -> Iterator[tuple[int, str, str, int]]:
        for ts, sensor, offset in zip(rows.ts.tolist(), rows.sensor.tolist(), rows.offset.tolist(), strict=True):
            yield ts, self._names[sensor], rows.partition, offset

    def _look(self) -> Iterator[AlertEvent]:
        """Compare at every instant at which either desk has said something."""
        books = self._books
        upto = min(self._truth.frontier, self._told.frontier - self._behind)
        while (now := books.next) < upto:
            touched = books.come_to(now, now + self._behind)
            related = books.related(touched)
            told = [event for id in related if (event := books.ahead.get(id) or books.standing.get(id)) is not None]
            truth = [alert for id in related if (alert := books.truth.get(id)) is not None]
            for event in revise(told, truth, now, self._why, now + self._behind):
                books.stands(event)
                yield event
            books.rest(touched, now)
            books.forget(now, self._behind)

    def _why(self, sensors: Iterable[str]) -> str:
        wanted, now = set(sensors), self._books.now
        found: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for ts, sensor, partition, offset in self._books.late:
            if sensor in wanted and now - 2 * self._behind <= ts <= now:
                found[sensor, partition].append((ts, offset))
        words = []
        for (sensor, partition), rows in sorted(found.items()):
            times, offsets = zip(*rows, strict=True)
            span, place = (min(times), max(times)), (min(offsets), max(offsets))
            words.append(late_words(sensor, len(rows), span, partition, place))
        return f"late readings: {'; '.join(words)}" if words else "readings out of order"

    def snapshot(self) -> dict[str, Any]:
        """A copy of the state."""
        books = pickle.dumps(self._books, pickle.HIGHEST_PROTOCOL)
        return {"told": self._told.snapshot(), "truth": self._truth.snapshot(), "books": books}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up a snapshot; raises StateError as `Desk.restore` does."""
        if "told" not in snapshot:
            raise StateError(
                "the snapshot of alerts was written without a second look: start with a new recovery directory, or "
                "without second_look"
            )
        self._told.restore(snapshot["told"])
        self._truth.restore(snapshot["truth"])
        self._books = pickle.loads(snapshot["books"])  # this class's own, from the engine's recovery store


class _Books:
    """What both desks have said, as far as it may still have to be compared."""

    def __init__(self) -> None:
        self.now = 0
        self.told: deque[AlertEvent] = deque()  # by time
        self._soon: deque[AlertEvent] = deque()  # those of them that were told within the time of the second look
        self.ahead: dict[UUID, AlertEvent] = {}  # the last of these by alert: it is not at rest
        self.due: deque[AlertEvent] = deque()  # of the second look, by time
        self.late: deque[tuple[int, str, str, int]] = deque()  # time, sensor, partition, offset
        self.standing: dict[UUID, AlertEvent] = {}  # last event of each alert that was told
        self.truth: dict[UUID, Alert] = {}
        self._by_source: defaultdict[Key, dict[UUID, None]] = defaultdict(dict)
        self._sources: defaultdict[UUID, dict[Key, None]] = defaultdict(dict)  # all that an alert has ever had
        self._resting: deque[tuple[int, UUID]] = deque()

    @property
    def next(self) -> int:
        """The next instant at which either desk has said something."""
        return min((queue[0].ts for queue in (self._soon, self.told, self.due) if queue), default=FOREVER)

    def come_to(self, now: int, seen: int) -> list[UUID]:
        """Count what was said at `now`, and know what was told up to `seen`; the ids of the alerts it was said of."""
        self.now = now
        touched: dict[UUID, None] = {}
        while self.told and self.told[0].ts <= seen:
            event = self.told.popleft()
            self._soon.append(event)
            self.ahead[event.alert.id] = event
            self._index(event.alert)
        while self._soon and self._soon[0].ts <= now:
            event = self._soon.popleft()
            touched[event.alert.id] = None
            if self.ahead[event.alert.id] is event:
                del self.ahead[event.alert.id]
            before = self.standing.get(event.alert.id)
            gone = before is not None and before.type is AlertEventType.WITHDRAWN
            if not gone or event.type in _FOUND:  # otherwise it stays withdrawn
                self.stands(event)
        while self.due and self.due[0].ts <= now:
            alert = self.due.popleft().alert
            touched[alert.id] = None
            self.truth[alert.id] = alert
            self._index(alert)
        return list(touched)

    def stands(self, event: AlertEvent) -> None:
        """The last word on an alert that was told."""
        self.standing[event.alert.id] = event
        self._index(event.alert)

    def related(self, ids: Iterable[UUID]) -> list[UUID]:
        """All alerts that may be the same as one of `ids`, by way of others as well."""
        found = dict.fromkeys(ids)
        todo = list(found)
        while todo:
            id = todo.pop()
            mine = self._states(id)
            near = dict.fromkeys(other for key in self._sources.get(id, ()) for other in self._by_source[key])
            for other in near.keys() - found.keys():
                if any(overlap(a, b) for a in mine for b in self._states(other)):
                    found[other] = None
                    todo.append(other)
        return sorted(found, key=str)

    def rest(self, ids: Iterable[UUID], now: int) -> None:
        """Look at these again, later, to see whether they can be forgotten."""
        self._resting.extend((now, id) for id in ids)

    def forget(self, now: int, behind: int) -> None:
        """Drop alerts that have been over for so long that nothing can touch them any more."""
        while self.late and self.late[0][0] < now - 2 * behind:
            self.late.popleft()
        while self._resting and self._resting[0][0] + 2 * behind < now:
            _, id = self._resting.popleft()
            together = self.related([id])
            alerts = [alert for other in together for alert in self._states(other)]
            if any(alert.active or alert.updated + 2 * behind >= now for alert in alerts):
                continue  # whatever happens to these brings them here again
            for other in together:
                for key in self._sources.pop(other, ()):
                    del self._by_source[key][other]
                    if not self._by_source[key]:
                        del self._by_source[key]
                self.standing.pop(other, None)
                self.truth.pop(other, None)

    def _states(self, id: UUID) -> list[Alert]:
        """What is known of an alert: as it was told, as it should have been."""
        told = [events[id].alert for events in (self.ahead, self.standing) if id in events]
        return [*told, self.truth[id]] if id in self.truth else told

    def _index(self, alert: Alert) -> None:
        for source in (*alert.sensors, *alert.cameras):
            self._by_source[alert.kind, source][alert.id] = None
            self._sources[alert.id][alert.kind, source] = None
