"""Ventilation by order, for a whole city: verdicts of all shards in, the same verdicts and the steps of commands out.

What is ordered is a pure function of the findings, readings and actions: as the desk does, it waits until every shard
has come past a time, and then counts instant by instant. What it finds itself (an order that shows no effect) is handed
on with the verdicts by which it became certain, so the desk hears of it in time.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from domain.actions import Action, Verb
from domain.city import City
from domain.clock import NEVER
from domain.commands import CommandEvent, Gauge
from domain.findings import Finding
from domain.records import Bools, Panes, Verdicts
from operators.alerts.maintenance import WINDOWS, Maintenance
from operators.alerts.timing import FOREVER, Arrivals, Timers
from operators.belonging import check_snapshot
from operators.commands.fan import FanControl
from operators.watching import Watched

__all__ = ["Gauges", "VentilationControl"]

#: Raised when what is remembered changes its meaning; a snapshot of another version is refused.
VERSION: Final = 1

_OF_FANS: Final = frozenset({Verb.ENTER, Verb.LEAVE, Verb.ANSWER})


class Gauges:
    """Picks the readings that commands depend on; none where a city orders nothing."""

    def __init__(self, city: City) -> None:
        fans = city.ventilation.fan if city.ventilation is not None else ()
        wanted = {name for fan in fans for name in (fan.gas, fan.sensor)}
        self._names = [sensor.id for sensor in city.sensors]
        self._is_wanted: Bools | None = np.array([name in wanted for name in self._names], bool) if fans else None

    def of(self, panes: Panes, verdicts: Verdicts) -> Verdicts:
        """The verdicts on panes, with these readings of theirs."""
        if self._is_wanted is None or not len(panes):
            return verdicts
        rows = np.flatnonzero(self._is_wanted[panes.sensor])
        if not len(rows):
            return verdicts
        columns = (column[rows].tolist() for column in (panes.ts, panes.sensor, panes.value))
        names = self._names
        gauges = tuple(Gauge(ts, names[sensor], value) for ts, sensor, value in zip(*columns, strict=True))
        return replace(verdicts, gauges=gauges)


class VentilationControl:
    """The fans of a city.

    Parameters
    ----------
    city
        One that has `ventilation`.
    shards
        How many shards send verdicts, numbered from 0.
    """

    def __init__(self, city: City, shards: int) -> None:
        assert city.ventilation is not None
        policy = city.ventilation
        delays = {monitor.name: monitor.on_delay for monitor in city.monitors if monitor.name in policy.monitors}
        ranks = sorted(level.rank for level in city.levels)
        self._fans = {fan.asset: FanControl(fan, policy, delays, ranks) for fan in policy.fan}
        self._asset = {sensor.id: sensor.asset for sensor in city.sensors if sensor.asset in self._fans}
        for fan in policy.fan:
            self._asset |= {name: fan.asset for name in (fan.gas, fan.sensor) if name}
        self._city, self._shards = city.name, shards
        self._maintenance = Maintenance(city, city.desk.suppress_most)
        self._watched = Watched(city)
        self._arrivals = Arrivals(shards)
        self._timers: Timers[str] = Timers()
        self._wakes: dict[str, int] = {}

    def take(self, verdicts: Verdicts) -> Iterator[Verdicts | CommandEvent]:
        """Take what one shard sent; yield the steps that became certain by it, and then the verdicts for the desk."""
        self._arrivals.add(verdicts)
        findings: list[Finding] = []
        for fan in self._run(self._arrivals.frontier):
            yield from fan.steps
            findings += fan.findings
            fan.steps, fan.findings = [], []
        yield replace(verdicts, findings=(*verdicts.findings, *findings), gauges=())

    def _run(self, frontier: int) -> Iterator[FanControl]:
        """Come to the frontier; yields a fan whenever it may have something to say."""
        arrivals, maintenance, timers = self._arrivals, self._maintenance, self._timers
        while (now := min(arrivals.next, maintenance.next, timers.next)) < min(frontier, FOREVER):
            touched: dict[str, None] = {}
            moved = maintenance.due(now)
            while arrivals.next <= now:
                record = arrivals.pop()
                if isinstance(record, Action) and record.verb in WINDOWS:
                    moved |= maintenance.take(record, now)
                elif asset := self._note(record):
                    touched[asset] = None
            while timers.next <= now:
                touched[timers.pop()] = None
            for asset in self._fans if moved else touched:
                fan = self._fans.get(asset)
                if fan is None:
                    continue  # the city has changed
                fan.consider(now, maintenance.holds(fan.fan.gas))
                self._wake(asset, fan.next(now), now)
                yield fan

    def _wake(self, asset: str, at: int, now: int) -> None:
        set_for = self._wakes.get(asset, NEVER)
        if at < FOREVER and (set_for <= now or at < set_for):
            self._wakes[asset] = at
            self._timers.at(at, asset)

    def _note(self, record: object) -> str:
        """Hand a record to the fan that it concerns; its asset, empty where there is none."""
        if isinstance(record, Action):
            fan = self._fans.get(record.asset) if record.verb in _OF_FANS else None
            if fan is not None:
                fan.hear(record)
                return record.asset
        elif isinstance(record, Finding | Gauge) and (asset := self._asset.get(record.sensor)):
            fan = self._fans[asset]
            fan.find(record) if isinstance(record, Finding) else fan.read(record)
            return asset
        return ""

    def snapshot(self) -> dict[str, Any]:
        """A copy of the state."""
        fans = {asset: fan.state for asset, fan in self._fans.items()}
        state = self._arrivals, self._maintenance.state, self._timers, self._wakes, fans
        findings = (one for fan in fans.values() for one in (*fan.asked.values(), *fan.faults.values()))
        keys = {(one.monitor, one.sensor): self._watched.key(one.monitor, one.sensor) for one in findings}
        return {
            "version": VERSION,
            "city": self._city,
            "shards": self._shards,
            "state": pickle.dumps(state, pickle.HIGHEST_PROTOCOL),
            "watched": keys,
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up a snapshot of the same city and number of shards; raises StateError otherwise.

        What a monitor had found that does not watch a sensor any more as it did asks for nothing and forbids nothing.
        """
        check_snapshot(snapshot, "commands", VERSION, self._city, self._shards)
        # The snapshot is this class's own, from the recovery store of the engine.
        self._arrivals, self._maintenance.state, self._timers, self._wakes, fans = pickle.loads(snapshot["state"])
        gone = {key for key, was in snapshot["watched"].items() if self._watched.key(*key) != was}
        for asset, state in fans.items():
            if asset not in self._fans:
                continue
            self._fans[asset].state = state
            for known in (state.asked, state.faults):
                for one in [one for one in known.values() if (one.monitor, one.sensor) in gone]:
                    del known[one.id]
