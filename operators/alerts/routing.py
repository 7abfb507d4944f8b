"""Which desk hears of which step of an alert, and when: at once, in its digest, or in the summary of a flood.

Everything here follows from the steps that people are told of and from event time.

- A desk hears of the alerts of its units; of one that was escalated to a unit of its own; and, of one that it has heard
  of, everything up to the end. While nobody is on duty, its relief hears what cannot wait, too.
- What is urgent, overdue, or was told at once before is told at once. The rest waits for the desk's digest, which has
  the last step of each alert; a digest waits for somebody to be on duty.
- After `flood` alarms in ten minutes of event time, further ones are held, and told together when the ten minutes are
  over. The gravest level is never held, by neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from domain.city import City
from domain.clock import MINUTE, NEVER, floor_to
from domain.findings import AlertEvent, AlertEventType
from domain.identity import identify
from domain.notices import Notice, Why
from domain.policy import Desk
from domain.rota import Rota
from operators.alerts.timing import FOREVER

__all__ = ["BUCKET", "Routing"]

#: In which alarms are counted; the same ten minutes as those of the alarm load, ns.
BUCKET: Final = 10 * MINUTE

#: Of so many alerts that stand it is remembered whether a desk was told at once: those that it heard of last.
REMEMBERED: Final = 10_000

#: Steps that ask people to look: an alarm rings.
_RINGS: Final = frozenset(
    {
        AlertEventType.RAISED,
        AlertEventType.ESCALATED,
        AlertEventType.OVERDUE,
        AlertEventType.REALARMED,
        AlertEventType.UNSHELVED,
        AlertEventType.RESUMED,
    }
)
#: Steps that cannot wait for a digest, however mild the alert is.
_PRESSING: Final = frozenset({AlertEventType.OVERDUE, AlertEventType.REALARMED})


@dataclass(slots=True)
class Told:
    """What one desk has heard and what waits for it."""

    alerts: dict[UUID, bool] = field(default_factory=dict)  # that stand, and whether they were told at once
    digest: dict[UUID, AlertEvent] = field(default_factory=dict)
    digest_due: int = FOREVER
    held: dict[UUID, AlertEvent] = field(default_factory=dict)  # by the flood
    held_until: int = FOREVER
    bucket: int = NEVER
    rung: int = 0  # alarms of milder levels in that bucket

    @property
    def due(self) -> int:
        """When something is to be told, ns."""
        return min(self.held_until, self.digest_due)


class Routing:
    """Tells the desks of a city.

    Parameters
    ----------
    city
        Its policy has the desks.
    state
        What `snapshot` returned, of a city that may have had others.
    """

    def __init__(self, city: City, state: dict[str, Any] | None = None) -> None:
        self._desks = city.policy.desks
        self._by_name = {desk.name: desk for desk in self._desks}
        self._rank = {desk.name: rank for rank, desk in enumerate(self._desks)}
        self._rota = Rota(city)
        self._gravest = min((level.rank for level in city.levels), default=1)
        self._now: int = state["now"] if state else NEVER
        before: dict[str, Told] = state["told"] if state else {}
        self._told = {desk.name: before.get(desk.name) or Told() for desk in self._desks}
        self._inherit([told for name, told in before.items() if name not in self._told])

    def take(self, events: Iterable[AlertEvent], upto: int) -> Iterator[Notice]:
        """What desks are told.

        Parameters
        ----------
        events
            Steps of alerts that people are told of, in order.
        upto
            Event time that they are complete to, ns.
        """
        for event in events:
            now = max(self._now, event.ts)
            yield from self._run(now)
            self._now = now
            for desk in self._concerned(event, now):
                yield from self._tell(desk, event, now)
        yield from self._run(upto)

    # Whom

    def _concerned(self, event: AlertEvent, now: int) -> list[Desk]:
        """The desks that hear of a step, in the order of the file."""
        alert = event.alert
        names = {desk.name for desk in self._desks if desk.serves(alert.owner, *event.notify)}
        names |= {name for name, told in self._told.items() if _knows(told, alert.id)}
        for desk in self._desks:
            if desk.name in names and desk.relief and not self._rota.attended(desk.name, now):
                names |= {desk.relief} if self._at_once(desk, event) else set()
        return [self._by_name[name] for name in sorted(names, key=self._rank.__getitem__)]

    def _at_once(self, desk: Desk, event: AlertEvent) -> bool:
        alert = event.alert
        return (
            not desk.digest
            or alert.urgent
            or alert.level == self._gravest
            or event.type in _PRESSING
            or event.revision > 0
            or self._told[desk.name].alerts.get(alert.id, False)
        )

    # What, and when

    def _tell(self, desk: Desk, event: AlertEvent, now: int) -> Iterator[Notice]:
        told, alert = self._told[desk.name], event.alert
        if event.revision:  # of readings that came late: it is no alarm, and changes nothing in what waits
            yield self._notice(desk, Why.AT_ONCE, (event,), event.ts)
        elif alert.id in told.held and alert.level != self._gravest:
            told.held[alert.id] = event
        elif not self._at_once(desk, event):
            told.digest[alert.id] = event
            told.digest_due = min(told.digest_due, floor_to(now, desk.digest) + desk.digest)
        elif self._is_flooded(desk, event, now):
            told.digest.pop(alert.id, None)
            told.held[alert.id] = event
            told.held_until = floor_to(now, BUCKET) + BUCKET
        else:
            told.digest.pop(alert.id, None)
            told.held.pop(alert.id, None)
            yield self._notice(desk, Why.AT_ONCE, (event,), now)

    def _is_flooded(self, desk: Desk, event: AlertEvent, now: int) -> bool:
        """Count an alarm; whether it is one more than people can take in."""
        told, alert = self._told[desk.name], event.alert
        rings = event.type in _RINGS or not _knows(told, alert.id)
        if alert.level == self._gravest or not rings or not desk.flood:
            return False
        if told.bucket != floor_to(now, BUCKET):
            told.bucket, told.rung = floor_to(now, BUCKET), 0
        told.rung += 1
        return told.rung > desk.flood

    def _run(self, upto: int) -> Iterator[Notice]:
        """Tell what is due at `upto` or before."""
        while self._desks:
            desk = min(self._desks, key=lambda one: self._told[one.name].due)
            told = self._told[desk.name]
            if (now := told.due) > upto or now == FOREVER:
                break
            self._now = max(self._now, now)
            if told.held_until == now:
                events, told.held, told.held_until = tuple(told.held.values()), {}, FOREVER
                if events:
                    yield self._notice(desk, Why.FLOOD, events, now)
            elif told.digest and not self._rota.attended(desk.name, now):
                told.digest_due = self._rota.next_attended(desk.name, now)
            else:
                events, told.digest, told.digest_due = tuple(told.digest.values()), {}, FOREVER
                if events:
                    yield self._notice(desk, Why.DIGEST, events, now)

    def _notice(self, desk: Desk, why: Why, events: tuple[AlertEvent, ...], now: int) -> Notice:
        told = self._told[desk.name]
        for event in events:
            alert = event.alert
            if event.revision:
                continue
            if (alert.active or alert.latched) and not alert.quiet:
                told.alerts[alert.id] = told.alerts.get(alert.id, False) or why is not Why.DIGEST
                if len(told.alerts) > REMEMBERED:
                    del told.alerts[next(iter(told.alerts))]
            else:  # people hear no more of it, unless it is back
                told.alerts.pop(alert.id, None)
        on_duty = tuple(shift.name for shift in self._rota.on_duty(desk.name, now))
        id = identify("notice", desk.name, why, *(event.id for event in events))
        return Notice(id, now, desk.name, why, events, on_duty)

    def _inherit(self, gone: list[Told]) -> None:
        """What waits for desks that are there no more is told to those that hear of everything."""
        waiting = {id: event for told in gone for id, event in (told.digest | told.held).items()}
        for heir in (self._told[desk.name] for desk in self._desks if waiting and not desk.units):
            heir.held = waiting | heir.held
            heir.held_until = min(heir.held_until, floor_to(self._now, BUCKET) + BUCKET)

    def snapshot(self) -> dict[str, Any]:
        """State to go on from."""
        copied = {
            name: Told(
                dict(told.alerts), dict(told.digest), told.digest_due, dict(told.held), told.held_until, told.bucket,
                told.rung,
            )
            for name, told in self._told.items()
        }  # fmt: skip
        return {"now": self._now, "told": copied}


def _knows(told: Told, alert: UUID) -> bool:
    return alert in told.alerts or alert in told.digest or alert in told.held
