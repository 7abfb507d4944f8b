"""What was told against what should have been: alerts that are to be raised late, amended or withdrawn.

Both sides are whole states, so a revision depends on neither the steps that led to them nor on how often one looks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from operator import itemgetter
from typing import Final
from uuid import UUID

from domain.clock import iso
from domain.findings import Alert, AlertEvent, AlertEventType
from domain.identity import identify

__all__ = ["changes", "late_words", "overlap", "paired", "revise"]

_TIMES: Final = frozenset({"onset", "raised", "updated", "cleared"})
#: Changes in these are not worth a word in a note: they follow from others, or are long.
_QUIET: Final = frozenset(
    {"id", "updated", "summary", "evidence", "support", "against", "active", "clips", "reports", "cause", "traces"}
)


def paired(standing: Sequence[AlertEvent], truth: Sequence[Alert]) -> list[tuple[AlertEvent | None, Alert | None]]:
    """Each alert that was told with the one that should have been, in order of time; None where there is none.

    They are the same when they share their id. Of the others, those of one kind and place that have a sensor or camera
    in common and whose lives overlap are taken for the same, the nearest onsets first: a late reading may well have
    moved an onset, and with it the id. An alert that was withdrawn stands for no other.

    Parameters
    ----------
    standing
        The last event of each alert that was told.
    truth
        The alerts that should have been.
    """
    by_id = {event.alert.id: event for event in standing}
    found: list[tuple[AlertEvent | None, Alert | None]] = []
    moved: list[Alert] = []
    for alert in truth:
        event = by_id.pop(alert.id, None)
        if event is None:
            moved.append(alert)
        else:
            found.append((event, alert))
    among: defaultdict[tuple[str, str], dict[UUID, AlertEvent]] = defaultdict(dict)
    for event in by_id.values():
        if event.type is not AlertEventType.WITHDRAWN:
            for source in _sources(event.alert):
                among[source][event.alert.id] = event
    near = {
        (abs(event.alert.onset - alert.onset), alert.onset, str(alert.id), str(event.alert.id), number): event
        for number, alert in enumerate(moved)
        for source in _sources(alert)
        for event in among.get(source, {}).values()
        if _label(event.alert) == _label(alert) and overlap(event.alert, alert)
    }
    taken: dict[int, AlertEvent] = {}
    for (*_, number), event in sorted(near.items(), key=itemgetter(0)):
        if number not in taken and event.alert.id in by_id:
            taken[number] = by_id.pop(event.alert.id)
    found += [(taken.get(number), alert) for number, alert in enumerate(moved)]
    found += [(event, None) for event in by_id.values()]
    return sorted(found, key=_when)


def revise(
    standing: Sequence[AlertEvent],
    truth: Sequence[Alert],
    now: int,
    why: Callable[[Iterable[str]], str] = lambda sensors: "late readings",
    known: int | None = None,
) -> list[AlertEvent]:
    """The events that turn what was told into what should have been; none where they agree already.

    An alert that was updated after `now` is left alone: what should have become of it is not known yet.

    Parameters
    ----------
    standing, truth
        As `paired` takes them.
    now
        Event time up to which both are complete, ns.
    why
        The reason, given the ids of the sensors that have to do with it.
    known
        Event time at which the revisions become known, ns; None: `now`.
    """
    return [
        revision if known is None else replace(revision, ts=known)
        for event, alert in paired(standing, truth)
        if (event is None or event.alert.updated <= now) and (revision := _revision(event, alert, now, why)) is not None
    ]


def late_words(sensor: str, rows: int, times: tuple[int, int], partition: str, offsets: tuple[int, int]) -> str:
    """Which late readings of a sensor, by their first and last event time (ns), and where they stand in the stream.

    >>> late_words("G1", 1, (1_764_000_000_000_000_000, 1_764_000_000_000_000_000), "gas/0", (17, 17))
    '1 of G1, 2025-11-24T16:00:00.000Z (gas/0 at 17)'
    """
    (first, last), (low, high) = times, offsets
    span = iso(first) if first == last else f"{iso(first)} to {iso(last)}"
    where = f"at {low}" if low == high else f"from {low} to {high}"
    return f"{rows} of {sensor}, {span} ({partition} {where})"


def changes(before: Alert, after: Alert) -> str:
    """What is different, in words.

    Fields that follow from others are left out.
    """
    return ", ".join(
        f"{field.name} {_shown(field.name, a)} -> {_shown(field.name, b)}"
        for field in fields(Alert)
        if field.name not in _QUIET and (a := getattr(before, field.name)) != (b := getattr(after, field.name))
    )


def _revision(
    event: AlertEvent | None, alert: Alert | None, now: int, why: Callable[[Iterable[str]], str]
) -> AlertEvent | None:
    if event is None:
        assert alert is not None
        alert = replace(alert, latched=False)  # the desk does not know it: nobody could close it
        return _event(alert, 0, 1, AlertEventType.RAISED, now, f"raised late: {why(alert.sensors)}")
    before = event.alert
    number = event.revision + 1
    if alert is None:
        if event.type is AlertEventType.WITHDRAWN:
            return None
        note = f"withdrawn: {why(before.sensors)}"
        said = f"{before.summary}, withdrawn"
        gone = replace(before, active=False, latched=False, updated=now, cleared=now, summary=said)
        return _event(gone, event.seq, number, AlertEventType.WITHDRAWN, now, note)
    after = replace(alert, id=before.id).handled_as(before)  # readings that come late change nothing in that
    if after.cause is not None and before.cause is not None:
        after = replace(after, cause=before.cause)  # its id may be another by now, but it is known by that
    if after == before and event.type is not AlertEventType.WITHDRAWN:
        return None
    said = changes(before, after)
    note = f"{why(dict.fromkeys((*before.sensors, *after.sensors)))}{f': {said}' if said else ''}"
    return _event(after, event.seq, number, AlertEventType.AMENDED, now, note)


def _event(alert: Alert, seq: int, number: int, type: AlertEventType, now: int, note: str) -> AlertEvent:
    return AlertEvent(identify("alert-event", alert.id, seq, number), seq, type, now, alert, number, note)


def _sources(alert: Alert) -> list[tuple[str, str]]:
    return [(alert.kind, source) for source in (*alert.sensors, *alert.cameras)]


def _label(alert: Alert) -> tuple[str, ...]:
    """What never changes in an alert's life; other systems know it by that."""
    return alert.kind, alert.zone, alert.asset, alert.place, alert.owner


def overlap(a: Alert, b: Alert) -> bool:
    """Whether two alerts were there at one time."""
    return (a.active or b.onset <= a.cleared) and (b.active or a.onset <= b.cleared)


def _when(pair: tuple[AlertEvent | None, Alert | None]) -> tuple[int, str]:
    event, alert = pair
    one = alert or (event.alert if event else None)
    assert one is not None
    return one.raised, str(one.id)


def _shown(name: str, value: object) -> str:
    if name in _TIMES and isinstance(value, int):
        return iso(value) if value else "never"
    if isinstance(value, tuple):
        return f"[{' '.join(map(str, value))}]"
    return f"{value:.2f}" if isinstance(value, float) else str(value) or "none"
