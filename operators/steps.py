"""The plain classes of this folder as Bytewax steps: `(step_id, up, ...)`, keyed by shard.

Every step is one `stateful_batch`: Bytewax hands over what arrived for a shard, the plain class answers, and its
snapshot is what Bytewax keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter, time
from typing import Any, Protocol, TypeVar

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream, StatefulBatchLogic

from detectors.contract import Lane
from domain import metrics
from domain.findings import AlertEvent
from domain.records import Aggregates, Frame, Panes, Verdicts
from domain.settings import EngineSettings
from operators.aggregate import Aggregator
from operators.alerts.desk import Desk
from operators.detect import Bank
from operators.entrance import Entrance
from operators.layout import Layout

__all__ = ["aggregate", "correlate", "detect", "order", "stateful"]

X = TypeVar("X")
Y = TypeVar("Y")


class Plain(Protocol):
    """What a plain class offers to a step, besides its work."""

    def snapshot(self) -> Any:
        """State to go on from; never changed afterwards."""


P = TypeVar("P", bound=Plain)


class _Logic(StatefulBatchLogic[X, Y, Any]):
    def __init__(
        self, step: str, build: Callable[[X, Any], P], take: Callable[[P, list[X]], Iterable[Y]], kept: bool, state: Any
    ) -> None:
        self._step, self._build, self._take, self._kept, self._state = step, build, take, kept, state
        self._plain: Any = None

    def on_batch(self, values: list[X]) -> tuple[Iterable[Y], bool]:
        if self._plain is None:  # Bytewax does not tell a logic its key: the first item does
            self._plain = self._build(values[0], self._state)
            self._state = None
        return list(self._take(self._plain, values)), StatefulBatchLogic.RETAIN

    def snapshot(self) -> Any:
        if not self._kept:
            return None  # Bytewax asks at the end of every epoch, also where it has nowhere to store the answer
        if self._plain is None:
            return self._state
        started = perf_counter()
        state = self._plain.snapshot()
        metrics.SNAPSHOT_SECONDS.labels(self._step).observe(perf_counter() - started)
        return state


@operator
def stateful(
    step_id: str,
    up: KeyedStream[X],
    build: Callable[[X, Any], P],
    take: Callable[[P, list[X]], Iterable[Y]],
    *,
    kept: bool = True,
) -> KeyedStream[Y]:
    """Run one plain object per key.

    Parameters
    ----------
    build
        Makes the object from the first item that arrives for its key, and the state to resume from (None: anew).
    take
        Hands it what arrived, in order; returns what goes on.
    kept
        Whether its state is stored at the end of every epoch.
    """
    return op.stateful_batch("stateful", up, lambda state: _Logic(step_id, build, take, kept, state))


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

    return stateful("order", up, build, take, kept=kept)


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

    return stateful("aggregate", up, build, take, kept=kept)


@operator
def detect(step_id: str, up: KeyedStream[Panes], layout: Layout, *, kept: bool = True) -> KeyedStream[Verdicts]:
    """Panes to findings, in order of event time; one item a closing, also where nothing is found."""

    def build(panes: Panes, state: Any) -> Bank:
        return Bank(layout, panes.shard, Lane.PANE, state)

    def take(bank: Bank, values: list[Panes]) -> Iterable[Verdicts]:
        return [_counted(bank.panes(panes)) for panes in values]

    return stateful("detect", up, build, take, kept=kept)


def _counted(verdicts: Verdicts) -> Verdicts:
    for finding in verdicts.findings:
        metrics.FINDINGS.labels(finding.kind, finding.verdict, finding.phase).inc()
    return verdicts


@operator
def correlate(
    step_id: str, up: KeyedStream[Verdicts], layout: Layout, *, live: bool = False, kept: bool = True
) -> KeyedStream[AlertEvent]:
    """Findings and video events of the whole city to alerts; `live`: event time is measured against the wall clock."""

    def build(_: Verdicts, state: Any) -> Desk:
        desk = Desk(layout.city, layout.shards)
        if state:
            desk.restore(state)
        return desk

    def take(desk: Desk, values: list[Verdicts]) -> Iterable[AlertEvent]:
        for verdicts in values:
            for event in desk.take(verdicts):
                metrics.ALERT_EVENTS.labels(event.alert.kind, event.type, event.alert.level).inc()
                if live:
                    metrics.EVENT_TO_ALERT.observe(max(0.0, time() - event.ts / 1e9))
                yield event

    one = op.flat_map_batch("city", up, lambda items: [("city", verdicts) for _, verdicts in items])
    return stateful("correlate", one, build, take, kept=kept)
