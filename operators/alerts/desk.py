"""The desk: verdicts of all shards in, alert events out, in event time."""

from __future__ import annotations

import logging
import pickle
from typing import Any

from domain.actions import Action
from domain.city import City
from domain.commands import Gauge
from domain.findings import AlertEvent, AlertEventType, Finding
from domain.records import DeadLetter, Verdicts
from operators.alerts.correlate import Correlator
from operators.alerts.handling import Handling
from operators.alerts.lifecycle import Lifecycle, Step
from operators.alerts.rules import DEFAULT, Rules
from operators.alerts.timing import FOREVER, Arrivals
from operators.belonging import check_snapshot
from operators.watching import Watched

__all__ = ["Desk"]

log = logging.getLogger(__name__)

#: Raised when what is remembered changes its meaning; a snapshot of another version is refused.
VERSION = 4


class Desk:
    """Makes alerts of what all shards have found.

    What it says is a pure function of the findings, video events, reports and actions. They are held until every shard
    has come past their time, and then counted instant by instant: all records of the instant, what is due then (delays
    that have passed), what people did, and what the desk hears of it. So it does not matter how the shards' items were
    interleaved or how far each of them stepped. No shard should claim to have come further than its stream did: delays
    run out up to there.

    Parameters
    ----------
    city
        Registry, monitors, rules, and what is expected of people.
    shards
        How many shards send verdicts, numbered from 0.
    rules
        Distances, times and weights of correlation.
    attended
        As `Handling` takes it.
    """

    def __init__(self, city: City, shards: int, rules: Rules = DEFAULT, *, attended: bool = True) -> None:
        self._city, self._shards = city, shards
        self._correlator = Correlator(city, rules)
        self._lifecycle = Lifecycle(city, self._correlator.weigh, rules)
        self._handling = Handling(city, attended)
        self._arrivals = Arrivals(shards)
        self._watched = Watched(city)
        self._now = 0

    def take(self, verdicts: Verdicts) -> list[AlertEvent]:
        """Take what one shard sent; return what became certain by it, in order."""
        self._arrivals.add(verdicts)
        events = self._run(self._arrivals.frontier)
        if self._arrivals.over:
            self._handling.finish()
        return events

    def refused(self) -> list[DeadLetter]:
        """Actions since the last call that could change nothing."""
        return self._handling.refused()

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
        state = (
            self._now, self._arrivals, self._correlator.state, self._lifecycle.state, self._handling.snapshot(),
            self._lifecycle.traces.state,
        )  # fmt: skip
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
        check_snapshot(snapshot, "alerts", VERSION, self._city.name, self._shards)
        # The snapshot is this class's own, from the recovery store of the engine.
        state = pickle.loads(snapshot["state"])
        self._now, self._arrivals, self._correlator.state, self._lifecycle.state, handled, traces = state
        self._lifecycle.traces.state = traces
        self._handling.restore(handled)
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
        arrivals, correlator, lifecycle, handling = self._arrivals, self._correlator, self._lifecycle, self._handling
        events: list[AlertEvent] = []
        while (now := min(part.next for part in (arrivals, correlator, lifecycle, handling))) < min(frontier, FOREVER):
            # A record from before the frontier breaks its shard's promise; it counts now, as nothing may be lost.
            now = self._now = max(now, self._now)
            actions: list[Action] = []
            while arrivals.next <= now:
                record = arrivals.pop()
                if isinstance(record, Action):
                    actions.append(record)
                elif isinstance(record, Finding):
                    lifecycle.traces.note(record)
                    correlator.take(record.without_samples(), now)  # it may hold many
                elif not isinstance(record, Gauge):
                    correlator.take(record, now)
            correlator.due(now)
            cases = {case.number: case for case in (*correlator.changed(), *lifecycle.due(now))}
            steps: list[Step] = []
            while cases:
                for _, case in sorted(cases.items()):
                    told = lifecycle.step(case, correlator.level(case), now)
                    if told and told[-1][0] is AlertEventType.CLEARED:
                        correlator.close(case, now)
                    steps += told
                    if told and case.cause is not None:  # people hear of that, and it may be over by this
                        correlator.look_again(case.cause)
                cases = {case.number: case for case in correlator.changed()}
            events += handling.step(steps, actions, now)
        return events
