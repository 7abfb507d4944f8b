"""Blocks: what one shard holds of one table in one bucket of event time.

After a crash the engine repeats items in other batches than before. A block is defined by event time alone, so the
repeated block is the same, and carries a token by which ClickHouse knows it.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from domain.clock import DAY, SECOND
from domain.errors import StateError
from domain.records import Aggregates, Panes
from sinks.clickhouse.schema import AGGREGATES

__all__ = ["Block", "Blocks"]

Column = npt.NDArray[Any]

_STATISTICS: Final = ("count", "min", "max", "mean", "last", "std")


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one table, all of one day; sensors are dense indexes, times nanoseconds.

    Blocks of readings hold one row a segment: its columns `sensor` and `pane`, the running `end` of its readings, and
    the readings' own `ts` and `value`.
    """

    table: str
    shard: int
    bucket: int  # start of the bucket, ns
    columns: Mapping[str, Column]
    rows: int

    @property
    def token(self) -> str:
        """What the block is, as ClickHouse recognises it when it comes again."""
        return f"{self.table}/{self.shard}/{self.bucket}"


class Blocks:
    """Gathers panes and aggregates of one shard into blocks.

    A pure function of the stream: however panes travel together, the same blocks come out, and each row of a block
    lies in one bucket.

    Parameters
    ----------
    shard
        Index of the shard.
    bucket
        Length of a bucket of readings and one-second aggregates, ns. Buckets begin anew at midnight (UTC), as
        partitions do.
    readings
        Whether readings are kept, or aggregates only. Without readings, late rows cannot correct the aggregates.
    state
        What `snapshot` returned.
    """

    def __init__(
        self, shard: int, bucket: int = 5 * SECOND, readings: bool = True, state: dict[str, Any] | None = None
    ) -> None:
        self._shard = shard
        self._bucket = bucket
        self._readings = readings
        self._open: dict[str, _Pending] = {}
        if state is not None:
            self._restore(state)

    def panes(self, panes: Panes) -> Iterator[Block]:
        """Take panes; yield the blocks that they close."""
        if not self._readings:
            return
        pending = self._pending("readings_packed", self._bucket, panes.interval)
        if len(panes):
            pending.add(
                {
                    "pane": panes.segment_pane,
                    "sensor": panes.segment_sensor,
                    "length": np.diff(panes.bound),
                    "ts": panes.ts[panes.bound[0] : panes.bound[-1]],
                    "value": panes.value[panes.bound[0] : panes.bound[-1]],
                }
            )
        yield from pending.close(panes.upto)

    def aggregates(self, aggregates: Aggregates) -> Iterator[Block]:
        """Take aggregates of one period; yield the blocks that they close."""
        table = AGGREGATES[aggregates.period] + "_stored"
        pending = self._pending(table, self._bucket, aggregates.period)
        if len(aggregates):
            columns: dict[str, Column] = {"start": aggregates.start, "sensor": aggregates.sensor}
            pending.add(columns | {name: getattr(aggregates, name) for name in _STATISTICS})
        yield from pending.close(aggregates.upto)

    def flush(self) -> Iterator[Block]:
        """The stream has ended: yield what is still open."""
        for table in sorted(self._open):
            yield from self._open[table].close(None)

    def snapshot(self) -> dict[str, Any]:
        """Rows that wait for their bucket to close."""
        return {
            "shard": self._shard,
            "bucket": self._bucket,
            "open": {table: pending.snapshot() for table, pending in self._open.items()},
        }

    def _restore(self, state: dict[str, Any]) -> None:
        if (state["shard"], state["bucket"]) != (self._shard, self._bucket):
            raise StateError(
                f"the snapshot holds blocks of shard {state['shard']} in buckets of {state['bucket'] / 1e9:g} s; shard "
                f"{self._shard} with {self._bucket / 1e9:g} s was expected. Start with a new recovery directory."
            )
        for table, data in state["open"].items():
            self._open[table] = _Pending.restore(table, self._shard, data)

    def _pending(self, table: str, bucket: int, period: int) -> _Pending:
        found = self._open.get(table)
        if found is None:
            found = self._open[table] = _Pending(table, self._shard, max(bucket, period), period)
        return found


class _Pending:
    """Rows of one table whose buckets are open; the first column tells when a row begins."""

    def __init__(self, table: str, shard: int, bucket: int, period: int) -> None:
        self._table, self._shard, self._bucket, self._period = table, shard, bucket, period
        self._parts: list[dict[str, Column]] = []
        self._oldest: int | None = None  # start of the oldest open bucket

    def add(self, part: dict[str, Column]) -> None:
        self._parts.append(part)
        oldest = int(self._bucket_of(next(iter(part.values())).min()))
        self._oldest = oldest if self._oldest is None else min(self._oldest, oldest)

    def close(self, upto: int | None) -> Iterator[Block]:
        """Blocks of the buckets that are complete at `upto`, or of all when it is None; rows by sensor and time."""
        if self._oldest is None or (upto is not None and upto < self._end(self._oldest)):
            return
        rows = self._merged()
        begin = next(iter(rows.values()))
        bucket = self._bucket_of(begin)
        order = np.lexsort((begin, rows["sensor"], bucket))
        rows = _take(rows, order)
        bucket = bucket[order]
        edges = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1, append=bucket[-1] + 1))
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            start = int(bucket[first])
            if upto is not None and upto < self._end(start):
                rest = _slice(rows, first, len(bucket))
                self._parts, self._oldest = [rest], start
                return
            yield Block(self._table, self._shard, start, _block(_slice(rows, first, last)), last - first)
        self._parts, self._oldest = [], None

    def _bucket_of(self, begin: Any) -> Any:
        midnight = begin // DAY * DAY
        return midnight + (begin - midnight) // self._bucket * self._bucket

    def _end(self, start: int) -> int:
        # When the last period that begins inside the bucket is over.
        end = min(start + self._bucket, start // DAY * DAY + DAY)
        return -(-end // self._period) * self._period

    def _merged(self) -> dict[str, Column]:
        if len(self._parts) == 1:
            return self._parts[0]
        return {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}

    def snapshot(self) -> bytes:
        rows = self._merged() if self._parts else {}
        return pickle.dumps((self._bucket, self._period, self._oldest, rows), pickle.HIGHEST_PROTOCOL)

    @classmethod
    def restore(cls, table: str, shard: int, data: bytes) -> _Pending:
        bucket, period, oldest, rows = pickle.loads(data)
        pending = cls(table, shard, bucket, period)
        pending._parts, pending._oldest = ([rows] if rows else []), oldest
        return pending


_INNER: Final = ("ts", "value")  # of readings: one entry a reading, `length` of them a row


def _take(rows: dict[str, Column], order: Column) -> dict[str, Column]:
    """Rows in another order, their readings with them."""
    taken = {name: column[order] for name, column in rows.items() if name not in _INNER}
    if "length" in rows:
        length = taken["length"]
        start = (np.cumsum(rows["length"]) - rows["length"])[order]
        gather = np.repeat(start - (np.cumsum(length) - length), length) + np.arange(int(length.sum()))
        taken |= {name: rows[name][gather] for name in _INNER}
    return taken


def _slice(rows: dict[str, Column], first: int, last: int) -> dict[str, Column]:
    cut = {name: column[first:last] for name, column in rows.items() if name not in _INNER}
    if "length" in rows:
        begin = int(rows["length"][:first].sum())
        cut |= {name: rows[name][begin : begin + int(cut["length"].sum())] for name in _INNER}
    return cut


def _block(rows: dict[str, Column]) -> dict[str, Column]:
    if "length" not in rows:
        return rows
    columns = {name: column for name, column in rows.items() if name != "length"}
    return columns | {"end": np.cumsum(rows["length"])}
