"""The desk: verdicts of all shards in, alert events out, in event time."""

from __future__ import annotations

import logging
import pickle
from typing import Any

from domain.city import City
from domain.errors import StateError
from domain.findings import AlertEvent, AlertEventType
from domain.records import Verdicts
from operators.alerts.correlate import Correlator
from operators.alerts.lifecycle import Lifecycle
from operators.alerts.rules import DEFAULT, Rules
from operators.alerts.timing import FOREVER, Arrivals
from operators.watching import Watched

__all__ = ["Desk"]

log = logging.getLogger(__name__)

#: Raised when what is remembered changes its meaning; a snapshot of another version is refused.
VERSION = 2


class Desk:
    """Makes alerts of what all shards have found.

    What it says is a pure function of the findings and video events. They are held until every shard has come past
    their time, and then counted instant by instant: all records of the instant, what is due then (delays that have
    passed), and what the desk hears of it. So it does not matter how the shards' items were interleaved or how far each
    of them stepped. No shard should claim to have come further than its stream did: delays run out up to there.

    Parameters
    ----------
    city
        Registry, monitors and video rules.
    shards
        How many shards send verdicts, numbered from 0.
    rules
        Distances, times and weights of correlation.
    """

    def __init__(self, city: City, shards: int, rules: Rules = DEFAULT) -> None:
        self._city, self._shards = city, shards
        self._correlator = Correlator(city, rules)
        self._lifecycle = Lifecycle(city, rules)
        self._arrivals = Arrivals(shards)
        self._watched = Watched(city)
        self._now = 0

    def take(self, verdicts: Verdicts) -> list[AlertEvent]:
        """Take what one shard sent; return what became certain by it, in order."""
        self._arrivals.add(verdicts)
        return self._run(self._arrivals.frontier)

    @property
    def frontier(self) -> int:
        """What the desk says of times before this, ns, it has said; FOREVER at the end of the stream."""
        return FOREVER if self._arrivals.over else self._arrivals.frontier

    def finish(self) -> list[AlertEvent]:
        """The stream has ended: take what is left, up to the last time that any shard or record spoke of.

        Alerts that are open then stay open.
        """
        return self._run(self._arrivals.end)

    def snapshot(self) -> dict[str, Any]:
        """A copy of the state that pickles small and fast."""
        state = (self._now, self._arrivals, self._correlator.state, self._lifecycle.state)
        return {
            "version": VERSION,
            "city": self._city.name,
            "shards": self._shards,
            "state": pickle.dumps(state, pickle.HIGHEST_PROTOCOL),
            "watched": [(*key, self._watched.key(*key)) for key in self._correlator.lasting()],
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up a snapshot of the same city and number of shards; raises StateError otherwise."""
        snapshot = snapshot.get("told", snapshot)  # of a desk with a second look, which is not wanted any more
        there = tuple(snapshot.get(name) for name in ("version", "city", "shards"))
        if there != (VERSION, self._city.name, self._shards):
            raise StateError(
                f"the snapshot of alerts is of version {there[0]}, city {there[1]!r} and {there[2]} shards; version "
                f"{VERSION}, city {self._city.name!r} and {self._shards} shards were expected. Start with a new "
                "recovery directory, or with the city and the number of shards it was written with."
            )
        # The snapshot is this class's own, from the recovery store of the engine.
        self._now, self._arrivals, self._correlator.state, self._lifecycle.state = pickle.loads(snapshot["state"])
        self._give_up([(name, id) for name, id, key in snapshot["watched"] if self._watched.key(name, id) != key])

    def _give_up(self, watches: list[tuple[str, str]]) -> None:
        """What a monitor had found that does not watch a sensor any more as it did will never be said to have ended.

        It has ended, where the city changed: at the time that the desk has come to.
        """
        now = max(self._now, self._arrivals.frontier)
        ends = tuple(self._correlator.ended(monitor, sensor, now) for monitor, sensor in watches)
        if ends:
            log.warning("the city has changed: %d findings that were open count as ended", len(ends))
            self._arrivals.add(Verdicts(0, None, ends))

    def _run(self, frontier: int) -> list[AlertEvent]:
        arrivals, correlator, lifecycle = self._arrivals, self._correlator, self._lifecycle
        events: list[AlertEvent] = []
        while (now := min(arrivals.next, correlator.next, lifecycle.next)) < min(frontier, FOREVER):
            # A record from before the frontier breaks its shard's promise; it counts now, as nothing may be lost.
            now = self._now = max(now, self._now)
            while arrivals.next <= now:
                correlator.take(arrivals.pop(), now)
            correlator.due(now)
            cases = {case.number: case for case in (*correlator.changed(), *lifecycle.due(now))}
            for _, case in sorted(cases.items()):
                told = lifecycle.step(case, correlator.level(case), now)
                if told and told[-1].type is AlertEventType.CLEARED:
                    correlator.close(case, now)
                events += told
        return events
