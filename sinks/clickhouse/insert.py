"""One insert: rows of one table as a Native block, with the token by which ClickHouse knows it when it comes again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from domain import metrics
from sinks.clickhouse.client import embedded, translated
from sinks.clickhouse.native import Column, Run, runs

__all__ = ["Insert", "Reader"]

_SETTINGS: Final = {
    "async_insert": 0,
    "max_insert_threads": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # What the rollups compute is soon done; to compile it first takes the embedded engine tens of milliseconds.
    "compile_expressions": 0,
    "compile_aggregate_expressions": 0,
    "compile_sort_description": 0,
}


@dataclass(frozen=True, slots=True)
class Insert:
    """What is sent at once. Rows without a token are known by their keys."""

    table: str
    columns: tuple[str, ...]
    rows: int
    token: str
    runs: tuple[Run, ...]  # a Native block

    @classmethod
    def of(cls, table: str, columns: Sequence[Column], token: str = "") -> Insert:
        """Encode columns."""
        names = tuple(column.name for column in columns)
        return cls(table, names, len(columns[0].values), token, tuple(runs(columns)))

    @property
    def data(self) -> bytes:
        """The block in one run."""
        return b"".join(self.runs)

    @property
    def head(self) -> dict[str, Any]:
        """All but the block."""
        return {"table": self.table, "columns": self.columns, "rows": self.rows, "token": self.token}

    def send(self, client: Client) -> None:
        """Store it; raises SinkRefused where the rows or the table are to blame, SinkError where something may pass."""
        settings: dict[str, Any] = _SETTINGS | ({"insert_deduplication_token": self.token} if self.token else {})
        # The embedded engine reads from a file, into which the runs can go as they are.
        block: Any = Reader(self.runs) if embedded(client) else self.data
        with translated(patient=True):
            client.raw_insert(self.table, self.columns, block, settings, fmt="Native")
        metrics.SINK_ROWS.labels("clickhouse", self.table).inc(self.rows)


class Reader:
    """Runs of bytes as a binary file that is read once, of views."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._left = [memoryview(run) for run in reversed(runs) if run]

    def read(self, size: int) -> memoryview:
        """The next bytes, so many at most; none at the end."""
        if not self._left:
            return memoryview(b"")
        run = self._left.pop()
        if len(run) > size:
            self._left.append(run[size:])
        return run[:size]
