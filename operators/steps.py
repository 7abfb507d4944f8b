"""The plain classes of this folder as Bytewax steps: `(step_id, up, ...)`, keyed by shard.

Every step is one `stateful_batch`: Bytewax hands over what arrived for a shard, the plain class answers, and its
snapshot is what Bytewax keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter, time_ns
from typing import Any, Protocol, TypeVar

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream, StatefulBatchLogic

from detectors.contract import Lane
from domain import metrics
from domain.commands import CommandEvent
from domain.failures import remembered
from domain.findings import AlertEvent
from domain.notices import Notice
from domain.records import Aggregates, DeadLetter, Frame, Panes, Verdicts
from domain.renumbering import Renumbering, Roster
from domain.settings import EngineSettings
from operators.aggregate import Aggregator
from operators.alerts.desk import Desk
from operators.alerts.pager import Page, PagedDesk
from operators.alerts.reviewed import ReviewedDesk
from operators.commands.ventilation import Gauges, VentilationControl
from operators.detect import Bank
from operators.entrance import Entrance
from operators.layout import Layout
from operators.second_look import SecondLook

__all__ = ["Numbered", "aggregate", "correlate", "detect", "look_again", "order", "stateful", "ventilate"]

X = TypeVar("X")
Y = TypeVar("Y")


class Plain(Protocol):
    """What a plain class offers to a step, besides its work."""

    def snapshot(self) -> Any:
        """State to go on from; never changed afterwards."""


P = TypeVar("P", bound=Plain)


@dataclass(frozen=True)
class Numbered:
    """Says that a step's state is numbered by the sensors of its shard, and how to take it over to other numbers."""

    layout: Layout
    renumber: Callable[[Any, Renumbering], Any]

    def roster(self, first: Any) -> Roster:
        """Whom the numbers stand for, in the shard that an item is of."""
        return self.layout.roster(first.shard)

    def take_over(self, there: tuple[Roster, Any], now: Roster) -> Any:
        """The state as it is to be read now."""
        roster, state = there
        return state if roster == now else self.renumber(state, roster.to(now))


class _Logic(StatefulBatchLogic[X, Y, Any]):
    def __init__(
        self,
        step: str,
        build: Callable[[Any, Any], P],
        take: Callable[[P, list[X]], Iterable[Y]],
        numbered: Numbered | None,
        kept: bool,
        state: Any,
        eager: bool = False,
    ) -> None:
        self._step, self._build, self._take, self._kept, self._state = step, build, take, kept, state
        self._numbered = numbered
        self._roster: Roster | None = None
        self._plain: Any = build(None, state) if eager and state is not None else None

    @remembered()
    def on_batch(self, values: list[X]) -> tuple[Iterable[Y], bool]:
        if self._plain is None:  # Bytewax does not tell a logic its key: the first item does
            self._plain = self._first(values[0])
            self._state = None
        return list(self._take(self._plain, values)), StatefulBatchLogic.RETAIN

    def _first(self, item: Any) -> Any:
        state = self._state
        if self._numbered is not None:
            self._roster = self._numbered.roster(item)
            if state is not None:
                state = self._numbered.take_over(state, self._roster)
        return self._build(item, state)

    @remembered()
    def snapshot(self) -> Any:
        if not self._kept:
            return None  # Bytewax asks at the end of every epoch, also where it has nowhere to store the answer
        if self._plain is None:
            return self._state
        started = perf_counter()
        state = self._plain.snapshot()
        metrics.SNAPSHOT_SECONDS.labels(self._step).observe(perf_counter() - started)
        return state if self._roster is None else (self._roster, state)


@operator
def stateful(
    step_id: str,
    up: KeyedStream[X],
    build: Callable[[Any, Any], P],
    take: Callable[[P, list[X]], Iterable[Y]],
    numbered: Numbered | None = None,
    *,
    kept: bool = True,
    eager: bool = False,
) -> KeyedStream[Y]:
    """Run one plain object per key.

    Parameters
    ----------
    build
        Makes the object from the first item that arrives for its key, and the state to resume from (None: anew).
    take
        Hands it what arrived, in order; returns what goes on.
    numbered
        Of state that holds numbers of sensors: what to do when a city's sensors have changed.
    kept
        Whether its state is stored at the end of every epoch.
    eager
        Whether it is made of its state at once, without an item: it does something before one arrives.
    """
    return op.stateful_batch("stateful", up, lambda state: _Logic(step_id, build, take, numbered, kept, state, eager))


@operator
def order(
    step_id: str,
    up: KeyedStream[Frame],
    layout: Layout,
    settings: EngineSettings,
    partitions: int,
    *,
    kept: bool = True,
) -> KeyedStream[Verdicts | Panes]:
    """Frames to what the fast lane finds in them, as they arrive, and to closed panes, in order of event time."""

    def build(frame: Frame, state: Any) -> Entrance:
        return Entrance(layout, settings, frame.shard, partitions, state)

    def take(entrance: Entrance, frames: list[Frame]) -> Iterable[Verdicts | Panes]:
        for item in entrance.take(frames):
            if isinstance(item, Verdicts):
                yield _counted(item)
                continue
            if item.duplicates:
                metrics.DUPLICATES.labels(str(item.shard)).inc(item.duplicates)
            yield item

    return stateful("order", up, build, take, Numbered(layout, Entrance.renumbered), kept=kept)


@operator
def aggregate(
    step_id: str, up: KeyedStream[Panes], layout: Layout, settings: EngineSettings, *, kept: bool = True
) -> KeyedStream[Aggregates]:
    """Panes to statistics per sensor over 1 s, 1 min and 1 h."""

    def build(panes: Panes, state: Any) -> Aggregator:
        members = layout.members[panes.shard]
        return Aggregator(panes.shard, settings.time.pane, layout.local_of, members, state)

    def take(aggregator: Aggregator, values: list[Panes]) -> Iterable[Aggregates]:
        for panes in values:
            yield from aggregator.take(panes)
            if panes.ended:
                yield from aggregator.finish()

    return stateful("aggregate", up, build, take, Numbered(layout, Aggregator.renumbered), kept=kept)


@operator
def detect(step_id: str, up: KeyedStream[Panes], layout: Layout, *, kept: bool = True) -> KeyedStream[Verdicts]:
    """Panes to findings, in order of event time; one item a closing, also where nothing is found."""

    def build(panes: Panes, state: Any) -> Bank:
        return Bank(layout, panes.shard, Lane.PANE, state)

    gauges = Gauges(layout.city)

    def take(bank: Bank, values: list[Panes]) -> Iterable[Verdicts]:
        return [gauges.of(panes, _counted(bank.panes(panes))) for panes in values]

    return stateful("detect", up, build, take, Numbered(layout, Bank.renumbered), kept=kept)


@operator
def look_again(
    step_id: str,
    up: KeyedStream[Frame],
    layout: Layout,
    settings: EngineSettings,
    partitions: int,
    *,
    kept: bool = True,
) -> KeyedStream[Verdicts]:
    """Frames to what should have been found, once late rows have had the time of a second look to come."""

    def build(frame: Frame, state: Any) -> SecondLook:
        return SecondLook(layout, settings, frame.shard, partitions, state)

    def take(look: SecondLook, frames: list[Frame]) -> Iterable[Verdicts]:
        verdicts = look.take(frames)
        return [verdicts] if verdicts is not None else []

    return stateful("look_again", up, build, take, Numbered(layout, SecondLook.renumbered), kept=kept)


@operator
def ventilate(
    step_id: str, up: KeyedStream[Verdicts], layout: Layout, *, kept: bool = True
) -> KeyedStream[Verdicts | CommandEvent]:
    """Verdicts of the whole city to themselves and to orders for its fans; what these do not do is a finding more."""

    def build(_: Verdicts, state: Any) -> VentilationControl:
        control = VentilationControl(layout.city, layout.shards)
        if state is not None:
            control.restore(state)
        return control

    def take(control: VentilationControl, values: list[Verdicts]) -> Iterable[Verdicts | CommandEvent]:
        for verdicts in values:
            for item in control.take(verdicts):
                if isinstance(item, CommandEvent):
                    metrics.COMMAND_STEPS.labels(item.step).inc()
                yield item

    one = op.flat_map_batch("city", up, lambda items: [("city", verdicts) for _, verdicts in items])
    return stateful("ventilate", one, build, take, kept=kept)


def _counted(verdicts: Verdicts) -> Verdicts:
    for finding in verdicts.findings:
        metrics.FINDINGS.labels(finding.kind, finding.verdict, finding.phase).inc()
    return verdicts


@operator
def correlate(
    step_id: str,
    up: KeyedStream[Verdicts],
    layout: Layout,
    *,
    live: bool = False,
    behind: int = 0,
    stale: int | None = None,
    kept: bool = True,
) -> KeyedStream[AlertEvent | Page | Notice | DeadLetter]:
    """Findings, video events and actions of the whole city to alerts: all for the store, and those people are told of.

    Where the city's policy has desks, what they are told comes as notices.

    `live`: event time is measured against the wall clock; `behind`: how much later (ns) the second look comes that is
    among them, if one is; `stale`: how old (ns) what people are told of may be, by that clock.
    """

    def build(_: Verdicts, state: Any) -> PagedDesk:
        city, shards = layout.city, layout.shards
        desk = ReviewedDesk(city, shards, behind) if behind else Desk(city, shards)
        return PagedDesk(desk, stale if live else None, state, city)

    def take(desk: PagedDesk, values: list[Verdicts]) -> Iterable[AlertEvent | Page | Notice | DeadLetter]:
        for verdicts in values:
            now = time_ns()
            for item in desk.take(verdicts, now):
                yield item
                if isinstance(item, AlertEvent):
                    metrics.ALERT_EVENTS.labels(item.alert.kind, item.type, item.alert.level).inc()
                    if live and not item.revision:
                        metrics.EVENT_TO_ALERT.observe(max(0.0, (now - item.ts) / 1e9))
                elif isinstance(item, DeadLetter):
                    metrics.DEAD_LETTERS.labels(item.partition, item.reason).inc()
                elif isinstance(item, Notice):
                    metrics.NOTICES.labels(item.desk, item.why).inc(len(item.events))

    one = op.flat_map_batch("city", up, lambda items: [("city", verdicts) for _, verdicts in items])
    return stateful("correlate", one, build, take, kept=kept)
