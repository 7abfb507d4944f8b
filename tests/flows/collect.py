"""A sink that keeps results in memory, for flows that run inside the test's own process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from hashlib import sha256
from typing import Any

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from domain.actions import Action
from domain.commands import CommandEvent
from domain.findings import AlertEvent, Finding, VideoEvent
from domain.notices import Notice
from domain.records import DeadLetter, LateRows
from domain.reports import Report
from sinks.clickhouse.blocks import Block


class Collected(DynamicSink[Any]):
    """Everything that the flow stored, in the order it came."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[Any]:
        return _Partition(self.items)

    def of(self, kind: type) -> list[Any]:
        """Items of one kind; findings one by one."""
        flat = [part for item in self.items for part in (item if isinstance(item, tuple) else (item,))]
        return [item for item in flat if isinstance(item, kind)]

    def tables(self) -> dict[str, str]:
        """A hash per table, over its sorted rows: equal for equal results, whatever way they came."""
        blocks: dict[str, set[str]] = {}
        for block in self.of(Block):
            columns = {name: column.tobytes() for name, column in sorted(block.columns.items())}
            blocks.setdefault(block.table, set()).add(f"{block.token} {block.rows} {columns}")
        rows = {
            "findings": {repr(astuple(item)) for item in self.of(Finding)},
            "alert_events": {repr(astuple(item)) for item in self.of(AlertEvent)},
            "notices": {repr(astuple(item)) for item in self.of(Notice)},
            "video_events": {repr(astuple(item)) for item in self.of(VideoEvent)},
            "commands": {repr(astuple(item)) for item in self.of(CommandEvent)},
            "operator_actions": {repr(astuple(item)) for item in self.of(Action)},
            "reports": {repr(astuple(item)) for item in self.of(Report)},
            "dead_letters": {repr(astuple(item)) for item in self.of(DeadLetter)},
            "late_rows": {row for item in self.of(LateRows) for row in _late(item)},
            **blocks,
        }
        return {name: _hash(sorted(found)) for name, found in sorted(rows.items()) if found}


class _Partition(StatelessSinkPartition[Any]):
    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def write_batch(self, items: list[Any]) -> None:
        self._items.extend(items)


def _late(rows: LateRows) -> list[str]:
    columns = (rows.sensor, rows.ts, rows.value, rows.offset, rows.recorded, rows.watermark)
    return [f"{rows.partition} {row}" for row in zip(*(column.tolist() for column in columns), strict=True)]


def _hash(rows: Sequence[str]) -> str:
    return sha256("\n".join(rows).encode()).hexdigest()
