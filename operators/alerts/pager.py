"""Which alerts people hear of: none that is shelved or suppressed, and not every one that was missed in a downtime.

Everything is stored as it is found. Of an alert that becomes quiet people hear so, and then nothing until it is quiet
no more. While the engine catches up, a step in an alert's life that is older than `stale` says nothing they can act on
yet: the alert may have cleared long ago. Such steps wait until event time has come close to the present, but no longer
than `PATIENCE`: an engine that does not catch up must not fall silent. Then the last step of each alert is told where
it still matters: the alert is active, or was told before and is over. The others are counted in the log. This is for
live streams only, as it depends on the time of day; what is stored does not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from domain.city import City
from domain.clock import MINUTE, iso
from domain.findings import AlertEvent
from domain.notices import Notice
from domain.records import DeadLetter, Verdicts
from operators.alerts.desk import Desk
from operators.alerts.reviewed import ReviewedDesk
from operators.alerts.routing import Routing

__all__ = ["Page", "PagedDesk", "Pager"]

log = logging.getLogger(__name__)

#: How long steps wait at most, by the time of day.
PATIENCE: Final = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class Page:
    """A step in an alert's life that people are told of now."""

    event: AlertEvent


class PagedDesk:
    """A desk, and the pager that people carry.

    Parameters
    ----------
    desk
        Makes the alerts.
    stale
        As `Pager` takes it; None: people are told of everything at once.
    state
        What `snapshot` returned.
    city
        Whose desks are told; None: none is.
    """

    def __init__(
        self,
        desk: Desk | ReviewedDesk,
        stale: int | None,
        state: dict[str, Any] | None = None,
        city: City | None = None,
    ) -> None:
        self._desk = desk
        self._routing = Routing(city, state.get("routing") if state else None) if city and city.policy.desks else None
        if state is not None:
            desk.restore(state["desk"])
        self._pager = Pager(stale, state["pager"] if state else None) if stale is not None else None
        self._known: dict[UUID, None] = dict.fromkeys(state["known"] if state else ())  # that people know to be there

    def take(self, verdicts: Verdicts, now: int) -> Iterator[AlertEvent | Page | Notice | DeadLetter]:
        """Take what one shard sent; yield every step that became certain, and what people are told at `now`, ns.

        People hear of steps as they happen (pages), and desks as the city's policy has it (notices).

        Actions that could change nothing come as dead letters.
        """
        events = self._desk.take(verdicts)
        yield from events
        told = [event for event in events if self._concerns(event)]
        if self._pager is not None:
            told = self._pager.take(told, self._desk.frontier, now)
        yield from map(Page, told)
        if self._routing is not None:
            yield from self._routing.take(told, self._desk.frontier)
        yield from self._desk.refused()

    def _concerns(self, event: AlertEvent) -> bool:
        """Whether people want to hear of a step."""
        alert = event.alert
        if alert.quiet or not (alert.active or alert.latched):
            return self._known.pop(alert.id, False) is None or event.revision > 0
        self._known[alert.id] = None
        return True

    def snapshot(self) -> dict[str, Any]:
        """State to go on from."""
        pager = self._pager.snapshot() if self._pager else None
        routing = self._routing.snapshot() if self._routing else None
        return {"desk": self._desk.snapshot(), "pager": pager, "known": tuple(self._known), "routing": routing}


class Pager:
    """Holds steps back that are older than `stale`, ns, and tells the last of each alert once the engine has caught up.

    It holds one step an alert, of alerts that were raised in the time that is caught up with.
    """

    def __init__(self, stale: int, state: dict[str, Any] | None = None) -> None:
        self._stale = stale
        self._held: dict[UUID, AlertEvent] = dict(state["held"]) if state else {}
        self._told: dict[UUID, None] = dict.fromkeys(state["told"]) if state else {}  # active, and people know
        self._since: int | None = state["since"] if state else None  # when the first of those that wait came

    def take(self, events: list[AlertEvent], reached: int, now: int) -> list[AlertEvent]:
        """What people hear of now.

        Parameters
        ----------
        events
            New steps, in order.
        reached
            Event time that the desk has come to, ns.
        now
            Time of day, ns.
        """
        fresh = now - self._stale
        told = []
        for event in events:
            if event.ts < fresh:
                self._held[event.alert.id] = event
            else:
                self._held.pop(event.alert.id, None)  # this one carries the alert's whole state
                told.append(event)
        if not self._held:
            self._since = None
        else:
            self._since = now if self._since is None else self._since
            if reached >= fresh or now - self._since >= PATIENCE:
                told = [*self._release(), *told]
        for event in told:
            if event.alert.active:
                self._told[event.alert.id] = None
            else:
                self._told.pop(event.alert.id, None)
        return told

    def _release(self) -> list[AlertEvent]:
        held, self._held, self._since = self._held.values(), {}, None
        told = [event for event in held if event.alert.active or event.alert.id in self._told]
        over = [event for event in held if not (event.alert.active or event.alert.id in self._told)]
        if over:
            log.warning(
                "%d alerts from %s to %s had cleared before anybody could be told; nobody is paged for them, and "
                "`alerts` in the database has them all",
                len(over),
                iso(min(event.alert.raised for event in over)),
                iso(max(event.ts for event in over)),
            )
        return sorted(told, key=lambda event: event.ts)

    def snapshot(self) -> dict[str, Any]:
        """State to go on from."""
        return {"held": dict(self._held), "told": tuple(self._told), "since": self._since}
