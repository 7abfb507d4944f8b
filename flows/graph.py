"""The dataflow that every command runs, readable as the sentence it implements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Never, TypeVar

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.operators import KeyedStream
from bytewax.outputs import DynamicSink, Sink, StatelessSinkPartition

from domain.clock import END
from domain.commands import CommandEvent
from domain.findings import AlertEvent
from domain.notices import Notice
from domain.records import Aggregates, DeadLetter, Frame, Panes, Verdicts
from domain.settings import EngineSettings
from operators.alerts.pager import Page
from operators.inlet import Intake
from operators.layout import Layout
from operators.steps import Numbered, aggregate, correlate, detect, look_again, order, stateful, ventilate
from sinks import receivers
from sinks.clickhouse.blocks import Block, Blocks
from sinks.clickhouse.encoder import Item
from sinks.clickhouse.sink import ClickHouseSink, Delivery
from sinks.commands import CommandDelivery, CommandTopic
from sinks.receivers import Receiver

__all__ = ["Outlets", "city_flow"]

X = TypeVar("X")


@dataclass(frozen=True)
class Outlets:
    """Where results go; every sink by a name of its own."""

    #: All that is stored: blocks, findings, steps of alerts and of commands, notices, video events, actions, reports,
    #: late rows, dead letters.
    store: Mapping[str, Sink[Any] | ClickHouseSink] = field(default_factory=dict)
    #: The steps in the lives of alerts, for people.
    alerts: Mapping[str, Sink[Any] | Receiver] = field(default_factory=dict)
    #: Orders for the field; none where they are only kept.
    commands: Mapping[str, CommandTopic] = field(default_factory=dict)


def city_flow(
    intake: Intake, layout: Layout, settings: EngineSettings, outlets: Outlets, *, kept: bool = True
) -> Dataflow:
    """Window sensor streams, detect, correlate with video events, and sink alerts and aggregates.

    Parameters
    ----------
    intake
        The source: keyed frames and dead letters.
    layout
        The city's sensors over the shards.
    kept
        Whether there is a recovery store, for the steps' states.
    """
    flow = Dataflow("lifeline")
    records = op.input("read", flow, intake)

    frames = _only("frames", records, Frame)
    arrived = order("order", frames, layout, settings, len(intake.names), kept=kept)
    seen_at_once, panes = _only("seen_at_once", arrived, Verdicts), _only("panes", arrived, Panes)
    at_once = op.flat_map_batch("findings_at_once", seen_at_once, _findings)
    for name, sink in outlets.store.items():  # before the steps that a closing pane keeps busy, which would run first
        if not isinstance(sink, ClickHouseSink):
            op.output(f"to_{name}_at_once", at_once, sink)
    aggregates = aggregate("aggregate", panes, layout, settings, kept=kept)
    seen_in_order = detect("detect", panes, layout, kept=kept)
    ordered: list[Stream[CommandEvent]] = []
    if layout.city.ventilation is not None:
        ventilated = ventilate("ventilate", seen_in_order, layout, kept=kept)
        seen_in_order = _only("seen_and_ordered", ventilated, Verdicts)
        ordered.append(op.flat_map_batch("ordered", ventilated, _steps))
    for_the_desk = seen_in_order
    if settings.second_look:
        seen_again = look_again("look_again", frames, layout, settings, len(intake.names), kept=kept)
        for_the_desk = op.merge("for_the_desk", seen_in_order, seen_again)
    behind, stale = settings.second_look, settings.stale
    alerts = correlate("correlate", for_the_desk, layout, live=intake.live, behind=behind, stale=stale, kept=kept)

    blocks = _blocks("blocks", op.merge("rows", panes, aggregates), layout, settings, kept)
    rare = op.merge(
        "rare",
        op.flat_map_batch("findings", seen_in_order, _findings),
        op.flat_map_batch("alerts", alerts, lambda items: [x for _, x in items if not isinstance(x, Page)]),
        op.flat_map_batch("kept", panes, _kept),
        op.flat_map_batch("dead", records, lambda items: [item for _, item in items if isinstance(item, DeadLetter)]),
        *ordered,
    )
    for name, sink in (outlets.store or {"nowhere": _Nowhere()}).items():
        if isinstance(sink, ClickHouseSink):
            by_block = _stored(f"to_{name}", blocks, sink)
            every = op.key_on(f"rare_{name}", op.merge(f"rows_{name}", at_once, rare), lambda _: "all")
            by_epoch = _stored(f"to_{name}_by_epoch", every, sink)
            op.output(f"after_{name}", op.merge(f"stored_{name}", by_block, by_epoch), _Nowhere())
        else:
            unkeyed = op.flat_map_batch(f"blocks_{name}", blocks, lambda items: [block for _, block in items])
            op.output(f"to_{name}", op.merge(f"stored_{name}", unkeyed, rare), sink)
    told: Stream[AlertEvent] = op.flat_map_batch("told", alerts, _told)
    noticed: Stream[Notice] = op.flat_map_batch("noticed", alerts, _noticed)
    # What the engine says of itself goes straight there, past all that may be held up.
    said = op.flat_map_batch("said", records, lambda items: [x for _, x in items if isinstance(x, AlertEvent)])
    for name, outlet in outlets.alerts.items():
        if isinstance(outlet, Receiver):
            for_one: KeyedStream[Any] = op.key_on(f"for_{name}", noticed if outlet.desks else told, lambda _: "all")
            op.output(f"after_{name}", _delivered(f"to_{name}", for_one, outlet), _Nowhere())
            if outlet.heartbeats:
                op.output(f"heartbeats_{name}", said, outlet.beats)
        else:
            op.output(f"to_{name}", op.merge(f"told_and_said_{name}", told, said), outlet)
    for name, topic in outlets.commands.items():
        for steps in ordered:
            for_field = op.key_on(f"for_{name}", steps, lambda _: "all")
            op.output(f"after_{name}", _commanded(f"to_{name}", for_field, topic), _Nowhere())
    return flow


def _blocks(
    step_id: str, up: KeyedStream[Panes | Aggregates], layout: Layout, settings: EngineSettings, kept: bool
) -> KeyedStream[Block]:
    """Rows for the store, gathered by shard and bucket of event time."""

    def build(first: Panes | Aggregates, state: Any) -> Blocks:
        return Blocks(first.shard, settings.block, state=state)

    def take(blocks: Blocks, values: list[Panes | Aggregates]) -> Iterable[Block]:
        for item in values:
            if isinstance(item, Panes):
                yield from blocks.panes(replace(item, upto=END) if item.ended else item)
            else:
                yield from blocks.aggregates(item)

    return stateful(step_id, up, build, take, Numbered(layout, Blocks.renumbered), kept=kept)


def _stored(step_id: str, up: KeyedStream[Any], sink: ClickHouseSink) -> KeyedStream[Never]:
    """Items into the database: a step by key, where they are, since only those are told when an epoch ends."""

    def build(_: Item, state: None) -> Delivery:
        return sink.delivery()

    return stateful(step_id, up, build, Delivery.take)


def _delivered(step_id: str, up: KeyedStream[AlertEvent | Notice], receiver: Receiver) -> KeyedStream[Never]:
    """Alerts to one receiver."""

    def build(_: AlertEvent | Notice | None, state: Any) -> receivers.Delivery:
        return receiver.delivery(state)

    return stateful(step_id, up, build, receivers.Delivery.take, eager=True)


def _commanded(step_id: str, up: KeyedStream[CommandEvent], topic: CommandTopic) -> KeyedStream[Never]:
    """Orders to the field."""

    def build(_: CommandEvent, state: None) -> CommandDelivery:
        return topic.delivery()

    return stateful(step_id, up, build, CommandDelivery.take)


def _only(step_id: str, up: Stream[tuple[str, Any]], kind: type[X]) -> Stream[tuple[str, X]]:
    return op.flat_map_batch(step_id, up, lambda items: [item for item in items if isinstance(item[1], kind)])


def _steps(items: list[tuple[str, Verdicts | CommandEvent]]) -> Iterable[CommandEvent]:
    return [item for _, item in items if isinstance(item, CommandEvent)]


def _findings(items: list[tuple[str, Verdicts]]) -> Iterable[Any]:
    return [verdicts.findings for _, verdicts in items if verdicts.findings]


def _told(items: list[tuple[str, AlertEvent | Page | Notice | DeadLetter]]) -> Iterable[AlertEvent]:
    return [item.event for _, item in items if isinstance(item, Page)]


def _noticed(items: list[tuple[str, AlertEvent | Page | Notice | DeadLetter]]) -> Iterable[Notice]:
    return [item for _, item in items if isinstance(item, Notice)]


def _kept(items: list[tuple[str, Panes]]) -> Iterable[Any]:
    """What panes carry along for the store: video events, actions, reports and late rows."""
    for _, panes in items:
        yield from panes.video
        yield from panes.actions
        yield from panes.reports
        yield from panes.late


class _Nowhere(DynamicSink[Any]):
    """Bytewax wants an end to every flow."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[Any]:
        return _Nothing()


class _Nothing(StatelessSinkPartition[Any]):
    def write_batch(self, items: list[Any]) -> None:
        pass
