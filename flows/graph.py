"""The dataflow that every command runs, readable as the sentence it implements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.operators import KeyedStream
from bytewax.outputs import DynamicSink, Sink, StatelessSinkPartition

from domain.clock import END
from domain.findings import AlertEvent
from domain.records import Aggregates, DeadLetter, Frame, Panes, Verdicts
from domain.settings import EngineSettings
from operators.intake import Intake
from operators.layout import Layout
from operators.steps import aggregate, correlate, detect, order, stateful
from sinks.clickhouse.blocks import Block, Blocks
from sinks.clickhouse.sink import ClickHouseSink, EpochSink

__all__ = ["Outlets", "city_flow"]

X = TypeVar("X")


@dataclass(frozen=True)
class Outlets:
    """Where results go; every sink by a name of its own."""

    #: Everything that is stored: blocks, findings, alert events, video events, late rows, dead letters.
    store: Mapping[str, Sink[Any]] = field(default_factory=dict)
    #: The steps in the lives of alerts, for people.
    alerts: Mapping[str, Sink[Any]] = field(default_factory=dict)


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
    alerts = correlate("correlate", seen_in_order, layout, live=intake.live, kept=kept)

    blocks = _blocks("blocks", op.merge("rows", panes, aggregates), settings, kept)
    rare = op.merge(
        "rare",
        op.flat_map_batch("findings", seen_in_order, _findings),
        op.flat_map_batch("alerts", alerts, lambda items: [event for _, event in items]),
        op.flat_map_batch("kept", panes, _kept),
        op.flat_map_batch("dead", records, lambda items: [item for _, item in items if isinstance(item, DeadLetter)]),
    )
    for name, sink in (outlets.store or {"nowhere": _Nowhere()}).items():
        if isinstance(sink, ClickHouseSink):
            op.output(f"to_{name}", blocks, sink)
            every = op.merge(f"stored_{name}", at_once, rare)
            op.output(f"to_{name}_by_epoch", op.key_on(f"rare_{name}", every, lambda _: "all"), EpochSink(sink))
        else:
            op.output(f"to_{name}", op.merge(f"stored_{name}", blocks, rare), sink)
    told: Stream[AlertEvent] = op.flat_map_batch("told", alerts, lambda items: [event for _, event in items])
    for name, sink in outlets.alerts.items():
        op.output(f"to_{name}", told, sink)
    return flow


def _blocks(step_id: str, up: KeyedStream[Panes | Aggregates], settings: EngineSettings, kept: bool) -> Stream[Block]:
    """Rows for the store, gathered by shard and bucket of event time."""

    def build(first: Panes | Aggregates, state: Any) -> Blocks:
        return Blocks(first.shard, settings.block, state=state)

    def take(blocks: Blocks, values: list[Panes | Aggregates]) -> Iterable[Block]:
        for item in values:
            if isinstance(item, Panes):
                yield from blocks.panes(replace(item, upto=END) if item.ended else item)
            else:
                yield from blocks.aggregates(item)

    keyed = stateful(step_id, up, build, take, kept=kept)
    return op.flat_map_batch(f"{step_id}_out", keyed, lambda items: [block for _, block in items])


def _only(step_id: str, up: Stream[tuple[str, Any]], kind: type[X]) -> Stream[tuple[str, X]]:
    return op.flat_map_batch(step_id, up, lambda items: [item for item in items if isinstance(item[1], kind)])


def _findings(items: list[tuple[str, Verdicts]]) -> Iterable[Any]:
    return [verdicts.findings for _, verdicts in items if verdicts.findings]


def _kept(items: list[tuple[str, Panes]]) -> Iterable[Any]:
    """What panes carry along for the store: video events and late rows."""
    for _, panes in items:
        yield from panes.video
        yield from panes.late


class _Nowhere(DynamicSink[Any]):
    """Bytewax wants an end to every flow."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[Any]:
        return _Nothing()


class _Nothing(StatelessSinkPartition[Any]):
    def write_batch(self, items: list[Any]) -> None:
        pass
