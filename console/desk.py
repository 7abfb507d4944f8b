"""What the desk shows: alerts as they stand, in the order in which they want to be looked at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from domain.findings import Alert, AlertEvent, AlertEventType

__all__ = ["Filters", "Row", "Shelf", "State", "Tally", "arranged", "folded", "shelf_of", "state_of", "tally"]


class State(StrEnum):
    """Where in its life an alert is, in one word."""

    NEW = "new"  # active, and nobody has taken note
    CONSEQUENCE = "consequence"  # active, and nobody need take note: people hear of its cause instead
    ACKNOWLEDGED = "acknowledged"
    GONE = "gone"  # cleared, but it stays until somebody has taken note and closed it
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    CLEARED = "cleared"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"  # readings that came late show that it was none


class Shelf(StrEnum):
    """The lists of the desk."""

    NOW = "now"
    SHELVED = "shelved"
    EARLIER = "earlier"


_SHELVES = {
    State.NEW: Shelf.NOW,
    State.CONSEQUENCE: Shelf.NOW,
    State.ACKNOWLEDGED: Shelf.NOW,
    State.GONE: Shelf.NOW,
    State.SHELVED: Shelf.SHELVED,
    State.SUPPRESSED: Shelf.SHELVED,
}

#: Of one level, what nobody has taken note of comes first.
_URGENCY = {State.NEW: 0, State.GONE: 1}


def state_of(event: AlertEvent, now: int) -> State:
    """The state of the alert that stands at `event`, at a time in ns."""
    alert = event.alert
    if event.type is AlertEventType.WITHDRAWN:
        return State.WITHDRAWN
    if alert.closed:
        return State.CLOSED
    if alert.active or alert.latched:
        if alert.suppressed:
            return State.SUPPRESSED
        if alert.shelved_until > now:
            return State.SHELVED
    if alert.active:
        if alert.acknowledged:
            return State.ACKNOWLEDGED
        return State.CONSEQUENCE if alert.cause else State.NEW
    return State.GONE if alert.latched else State.CLEARED


def shelf_of(state: State) -> Shelf:
    """The list in which an alert of that state stands."""
    return _SHELVES.get(state, Shelf.EARLIER)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which alerts the desk wants to see; empty means all."""

    shelf: Shelf = Shelf.NOW
    level: int = 0
    kind: str = ""
    zone: str = ""
    owner: str = ""
    text: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filters:
        """The filters that an address asks for; what cannot be read is no filter."""
        shelf, level = query.get("shelf", ""), query.get("level", "")
        return cls(
            Shelf(shelf) if shelf in set(Shelf) else Shelf.NOW,
            int(level) if level.isdecimal() and len(level) < 3 else 0,
            *(query.get(name, "")[:80] for name in ("kind", "zone", "owner", "text")),
        )

    def address(self, **changed: Any) -> str:
        """The address's query for these filters, some of them changed."""
        values = {
            "shelf": self.shelf, "level": self.level, "kind": self.kind, "zone": self.zone, "owner": self.owner,
            "text": self.text,
        } | changed  # fmt: skip
        if values["shelf"] == Shelf.NOW:
            values["shelf"] = ""
        return urlencode({name: value for name, value in values.items() if value})

    def fit(self, alert: Alert) -> bool:
        """Whether an alert is to be shown, whatever shelf it stands on."""
        return (
            (not self.level or alert.level == self.level)
            and (not self.kind or alert.kind == self.kind)
            and (not self.zone or alert.zone == self.zone)
            and (not self.owner or alert.owner == self.owner)
            and self.text.casefold()
            in f"{alert.place} {alert.summary} {alert.asset} {' '.join(alert.sensors)}".casefold()
        )


def arranged(events: Iterable[AlertEvent], filters: Filters, now: int) -> list[tuple[AlertEvent, State]]:
    """The alerts of a shelf that fit: the gravest first, of one level what nobody has taken note of, then the newest.

    What is over is in the order of time.
    """
    fitting = [
        (event, state)
        for event in events
        if shelf_of(state := state_of(event, now)) is filters.shelf and filters.fit(event.alert)
    ]
    if filters.shelf is Shelf.EARLIER:
        return sorted(fitting, key=lambda pair: (-pair[0].alert.updated, str(pair[0].alert.id)))
    return sorted(
        fitting,
        key=lambda pair: (
            pair[0].alert.level,
            _URGENCY.get(pair[1], 2),
            -pair[0].alert.raised,
            str(pair[0].alert.id),
        ),
    )


@dataclass(frozen=True, slots=True)
class Row:
    """An alert in the list, and its consequences, which stand under it."""

    event: AlertEvent
    state: State
    under: tuple[tuple[AlertEvent, State], ...] = ()


def folded(shown: Sequence[tuple[AlertEvent, State]]) -> list[Row]:
    """The same list with every consequence under the first of its causes, where that is in the list as well."""
    alerts = {event.alert.id: event.alert for event, _ in shown}
    under: dict[UUID, list[tuple[AlertEvent, State]]] = defaultdict(list)
    for event, state in shown:
        under[_first_cause(event.alert, alerts)].append((event, state))
    return [
        Row(event, state, tuple(pair for pair in under[event.alert.id] if pair[0] is not event))
        for event, state in shown
        if _first_cause(event.alert, alerts) == event.alert.id
    ]


def _first_cause(alert: Alert, alerts: Mapping[UUID, Alert]) -> UUID:
    """Itself, where it has no cause among the alerts."""
    seen, found = {alert.id}, alert
    while found.cause and found.cause in alerts:
        found = alerts[found.cause]
        if found.id in seen:
            return alert.id  # each the other's cause: nothing is to be lost
        seen.add(found.id)
    return found.id


@dataclass
class Tally:
    """How many alerts stand where: per shelf, and per level among those of now (all, and new ones)."""

    shelves: dict[Shelf, int] = field(default_factory=lambda: dict.fromkeys(Shelf, 0))
    levels: dict[int, int] = field(default_factory=dict)
    new: dict[int, int] = field(default_factory=dict)


def tally(events: Iterable[AlertEvent], now: int) -> Tally:
    """Count the desk."""
    counts = Tally()
    for event in events:
        state = state_of(event, now)
        shelf = shelf_of(state)
        counts.shelves[shelf] += 1
        if shelf is Shelf.NOW:
            level = event.alert.level
            counts.levels[level] = counts.levels.get(level, 0) + 1
            counts.new[level] = counts.new.get(level, 0) + (state in (State.NEW, State.GONE))
    return counts
