"""What the desk said beside what a timetable wants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from uuid import UUID

from domain.city import City
from domain.clock import SECOND
from domain.findings import Alert, AlertEvent, AlertEventType
from tests.acceptance.acting import Place, Town
from tests.acceptance.grammar import Timetable, Wanted

__all__ = ["belongs", "judge", "named"]


def belongs(alert: Alert, place: Place) -> bool:
    """Whether an alert is of a timetable's place."""
    return alert.asset in place.assets or bool(set(alert.sensors) & place.sensors or set(alert.cameras) & place.cameras)


def named(town: Town, timetable: Timetable, events: Sequence[AlertEvent]) -> dict[str, UUID]:
    """The alerts that a timetable names and that were raised, whenever that was."""
    found: dict[str, UUID] = {}
    for wanted in timetable.wanted:
        if "name" in wanted.clauses:
            fitting = [e for e in events if e.alert.id not in found.values() and _of(town, timetable, wanted, e, found)]
            if fitting:
                found[wanted.clauses["name"]] = fitting[0].alert.id
    return found


def judge(town: Town, timetable: Timetable, events: Sequence[AlertEvent]) -> list[str]:
    """What is wrong, a line each: what was wanted and did not come, what came and was not wanted.

    `events` are all that the desk said, in order.
    """
    city, zero, place = town.scenario.city, town.zero(timetable), town.places[timetable.name]
    own = [event for event in events if belongs(event.alert, place)]
    names: dict[str, UUID] = {}
    taken: set[UUID] = set()
    wrong: list[str] = []
    for wanted in timetable.wanted:
        near = [event for event in own if event.id not in taken and _of(town, timetable, wanted, event, names)]
        fitting = [event for event in near if not _faults(city, zero, wanted, event)]
        if not fitting:
            came = "; ".join(f"{_said(city, zero, e)} ({', '.join(_faults(city, zero, wanted, e))})" for e in near[:3])
            wrong.append(
                f"{timetable.name}, line {wanted.line}: wanted {_when(wanted)} {wanted.text}; {came or 'nothing'} came"
            )
            fitting = near[:1]
        for event in fitting[:1]:
            taken.add(event.id)
            if "name" in wanted.clauses:
                names[wanted.clauses["name"]] = event.alert.id
    besides = [event for event in own if event.id not in taken and event.type is not AlertEventType.UPDATED]
    wrong += [f"{timetable.name}: nobody wanted {_said(city, zero, event)}" for event in besides]
    raised = [event for event in own if event.type is AlertEventType.RAISED]
    wrong += [
        f"{timetable.name}, line {never.line}: never wanted, but came: {_said(city, zero, event)}"
        for never in timetable.never
        for event in raised
        if event.alert.kind == never.kind and _at(event.alert, never.place)
    ]
    return wrong


def _of(town: Town, timetable: Timetable, wanted: Wanted, event: AlertEvent, names: dict[str, UUID]) -> bool:
    """Whether an event is of the type and the alert of a row."""
    if str(event.type) != wanted.type or not belongs(event.alert, town.places[timetable.name]):
        return False
    if wanted.alert:
        return names.get(wanted.alert) == event.alert.id
    return event.alert.kind == wanted.kind and _at(event.alert, wanted.place)


def _at(alert: Alert, place: str) -> bool:
    return place == alert.asset or place in alert.sensors or place in alert.cameras


def _faults(city: City, zero: int, wanted: Wanted, event: AlertEvent) -> list[str]:
    """In what an event differs from what a row wants."""
    alert, at = event.alert, (event.ts - zero) / SECOND
    found = [] if wanted.begin <= at <= wanted.end else [f"at {at:g} s"]
    names = {level.rank: level.name for level in city.levels}
    for key, value in wanted.clauses.items():
        is_so: str
        match key:
            case "level":
                is_so, so = names[alert.level], names[alert.level] == value
            case "owner":
                is_so, so = alert.owner, alert.owner == value
            case "sensors":
                is_so, so = f"{len(alert.sensors)} sensors", len(alert.sensors) == int(value)
            case "cameras":
                is_so, so = f"{len(alert.cameras)} cameras", len(alert.cameras) == int(value)
            case "within":
                far = _far(city, wanted.place or alert.asset, alert)
                is_so, so = f"{far:.0f} m away", far <= float(value)
            case "because":
                is_so, so = repr(alert.summary), value in alert.summary or any(value in text for text in alert.support)
            case "urgent" | "quiet" | "latched":
                state = bool(getattr(alert, key))
                is_so, so = f"{'' if state else 'not '}{key}", state is not (value == "not ")
            case _:
                continue
        if not so:
            found.append(is_so)
    return found


def _far(city: City, place: str, alert: Alert) -> float:
    """Metres from an asset to where an alert places its cause."""
    asset = city.assets[place]
    east = (alert.lon - asset.lon) * 111_320 * math.cos(math.radians(asset.lat))
    return math.hypot(east, (alert.lat - asset.lat) * 110_920)


def _when(wanted: Wanted) -> str:
    return f"at {wanted.begin:g} to {wanted.end:g} s"


def _said(city: City, zero: int, event: AlertEvent) -> str:
    alert = event.alert
    level = next((level.name for level in city.levels if level.rank == alert.level), str(alert.level))
    where = alert.asset or ", ".join((*alert.sensors, *alert.cameras)[:3])
    return f"+{(event.ts - zero) / SECOND:g} s {event.type} {alert.kind} {level} at {where} for {alert.owner}"
