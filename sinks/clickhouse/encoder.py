"""Results as inserts: every insert is of columns.

Blocks carry their token; rows of the other tables have deterministic keys: so whatever comes twice is stored once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from domain.actions import Action
from domain.clock import MILLISECOND
from domain.commands import CommandEvent
from domain.findings import AlertEvent, Finding, VideoEvent
from domain.notices import Notice
from domain.records import DeadLetter, LateRows
from domain.reports import Report
from sinks.clickhouse.blocks import Block
from sinks.clickhouse.insert import Insert
from sinks.clickhouse.native import Arrays, Column, Dictionary
from sinks.clickhouse.rows import NAME, RARE, TIME

__all__ = ["Encoder", "Item"]

Item: TypeAlias = (
    Block
    | Finding
    | AlertEvent
    | Notice
    | VideoEvent
    | Action
    | Report
    | CommandEvent
    | LateRows
    | DeadLetter
    | Sequence[Finding]
)


class Encoder:
    """Makes inserts of results.

    Parameters
    ----------
    sensor_names
        Id of each sensor, by dense index.
    scope
        Sets the blocks of one deployment apart from those of another that writes into the same tables (another city,
        another number of shards): without it the second's blocks would be taken for repeats of the first's.
    """

    def __init__(self, sensor_names: Sequence[str], scope: str = "") -> None:
        self._names = sensor_names
        self._scope = f"{scope}/" if scope else ""

    def inserts(self, items: Iterable[Item]) -> Iterator[Insert]:
        """Items of one table together, blocks each by itself."""
        rare: dict[type, list[Any]] = {}
        for item in items:
            if isinstance(item, Block):
                yield Insert.of(item.table, self._block(item), f"{self._scope}{item.token}")
            elif isinstance(item, LateRows) or type(item) in RARE:
                rare.setdefault(type(item), []).append(item)
            elif isinstance(item, Sequence) and all(isinstance(part, Finding) for part in item):
                rare.setdefault(Finding, []).extend(item)
            else:
                known = ", ".join(kind.__name__ for kind in (Block, LateRows, *RARE))
                raise TypeError(f"the ClickHouse sink takes {known}, not {type(item)!r}")
        for kind, (table, columns) in RARE.items():
            if found := rare.get(kind):
                yield Insert.of(table, columns(found))
        if found := [late for late in rare.get(LateRows, ()) if len(late)]:
            yield Insert.of("late_rows", self._late(found))

    def _block(self, block: Block) -> list[Column]:
        columns = block.columns
        sensor = Column("sensor", NAME, Dictionary.select(self._names, columns["sensor"]))
        if "end" in columns:
            return [
                sensor,
                Column("pane", TIME, columns["pane"]),
                Column("ts", f"Array({TIME})", Arrays(columns["end"], columns["ts"])),
                Column("value", "Array(Float64)", Arrays(columns["end"], columns["value"])),
            ]
        return [
            sensor,
            Column("start", "DateTime64(3, 'UTC')", columns["start"] // MILLISECOND),
            Column("count", "UInt32", columns["count"]),
            *(Column(name, "Float64", columns[name]) for name in ("min", "max", "mean", "last", "std")),
        ]

    def _late(self, records: Sequence[LateRows]) -> list[Column]:
        def joined(name: str) -> Any:
            return np.concatenate([getattr(record, name) for record in records])

        sensor, ts, offset = joined("sensor"), joined("ts"), joined("offset")
        # Of rows with one sensor and time in one message the first counts, as it does in a pane.
        order = np.lexsort((np.arange(len(ts)), offset, ts, sensor))
        new = np.ones(len(order), bool)
        new[1:] = (np.diff(sensor[order]) != 0) | (np.diff(ts[order]) != 0)
        keep = order[new]
        partition = Dictionary.of([record.partition for record in records for _ in range(len(record))])
        return [
            Column("sensor", NAME, Dictionary.select(self._names, sensor[keep])),
            Column("ts", TIME, ts[keep]),
            Column("value", "Float64", joined("value")[keep]),
            Column("partition", NAME, Dictionary(partition.names, partition.code[keep])),
            Column("offset", "UInt64", offset[keep]),
            Column("recorded", TIME, joined("recorded")[keep]),
            Column("watermark", TIME, joined("watermark")[keep]),
        ]
