"""Blocks: what one shard holds of one table in one bucket of event time.

After a crash the engine repeats items in other batches than before. A block is defined by event time alone, so the
repeated block is the same, and carries a token by which ClickHouse knows it.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from domain.clock import DAY, SECOND
from domain.errors import StateError
from domain.records import Aggregates, Floats, Int32s, Int64s, Panes
from domain.renumbering import Renumbering
from sinks.clickhouse.tables import AGGREGATES

__all__ = ["Block", "Blocks"]

Column = npt.NDArray[Any]
Rows = dict[str, Column]

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
        Length of a bucket, ns; that of coarser aggregates is at least their period. Buckets begin anew at midnight
        (UTC), as partitions do.
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
            columns: Rows = {"start": aggregates.start, "sensor": aggregates.sensor}
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

    @staticmethod
    def renumbered(state: dict[str, Any], moved: Renumbering) -> dict[str, Any]:
        """The state of a shard that has other sensors now; what waits of those that are gone is dropped."""
        return state | {"open": {table: _Pending.renumbered(held, moved) for table, held in state["open"].items()}}

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
    """Rows of one table whose buckets are open, in order of time; the first column tells when a row begins."""

    def __init__(self, table: str, shard: int, bucket: int, period: int) -> None:
        self._table, self._shard, self._bucket, self._period = table, shard, bucket, period
        self._parts: list[Rows] = []

    def add(self, part: Rows) -> None:
        begin = _begin(part)
        newest = _begin(self._parts[-1])[-1] if self._parts else begin[0]
        if begin[0] >= newest and bool(np.all(begin[1:] >= begin[:-1])):
            self._parts.append(part)
        else:
            rows = _joined([*self._parts, part])
            self._parts = [_arranged([rows], np.argsort(_begin(rows), kind="stable"))]

    def close(self, upto: int | None) -> Iterator[Block]:
        """Blocks of the buckets that are complete at `upto`, or of all when it is None; rows by sensor and time."""
        while self._parts:
            begin = int(_begin(self._parts[0])[0])
            midnight = begin // DAY * DAY
            start = midnight + (begin - midnight) // self._bucket * self._bucket
            end = min(start + self._bucket, midnight + DAY)
            # A bucket is complete when the last period that begins inside it is over.
            if upto is not None and upto < -(-end // self._period) * self._period:
                return
            columns = _Columns(self._until(end))
            yield Block(self._table, self._shard, start, columns, columns.rows)

    def _until(self, end: int) -> list[Rows]:
        """Take out what begins before a time."""
        parts: list[Rows] = []
        for number, part in enumerate(self._parts):
            count = int(np.searchsorted(_begin(part), end))
            if count < len(_begin(part)):
                if count:
                    parts.append(_slice(part, 0, count))
                self._parts = [_slice(part, count, len(_begin(part))), *self._parts[number + 1 :]]
                return parts
            parts.append(part)
        self._parts = []
        return parts

    def snapshot(self) -> bytes:
        rows = _joined(self._parts) if self._parts else {}
        return pickle.dumps((self._bucket, self._period, rows), pickle.HIGHEST_PROTOCOL)

    @staticmethod
    def renumbered(data: bytes, moved: Renumbering) -> bytes:
        bucket, period, rows = pickle.loads(data)
        if rows:
            stays, sensor = moved.rows(rows["sensor"])
            inner = np.repeat(stays, rows["length"]) if "length" in rows else stays
            rows = {name: column[inner if name in _INNER else stays] for name, column in rows.items()}
            rows = rows | {"sensor": sensor} if len(sensor) else {}
        return pickle.dumps((bucket, period, rows), pickle.HIGHEST_PROTOCOL)

    @classmethod
    def restore(cls, table: str, shard: int, data: bytes) -> _Pending:
        bucket, period, rows = pickle.loads(data)
        pending = cls(table, shard, bucket, period)
        pending._parts = [rows] if rows else []
        return pending


_INNER: Final = ("ts", "value")  # of readings: one entry a reading, `length` of them a row


def _begin(rows: Rows) -> Int64s:
    begin: Int64s = next(iter(rows.values()))
    return begin


def _joined(parts: Sequence[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _slice(rows: Rows, first: int, last: int) -> Rows:
    cut = {name: column[first:last] for name, column in rows.items() if name not in _INNER}
    if "length" in rows:
        begin = int(rows["length"][:first].sum())
        cut |= {name: rows[name][begin : begin + int(cut["length"].sum())] for name in _INNER}
    return cut


def _arranged(parts: Sequence[Rows], order: Int64s) -> Rows:
    """Rows of all parts in another order, their readings with them."""
    outer = _joined([{name: part[name] for name in part if name not in _INNER} for part in parts])
    rows = {name: column[order] for name, column in outer.items()}
    if "length" in rows:
        place = np.empty(len(order), np.int64)
        place[order] = np.cumsum(rows["length"]) - rows["length"]
        total = int(rows["length"].sum())
        rows |= {"ts": np.empty(total, np.int64), "value": np.empty(total)}
        first = 0
        for part in parts:
            last = first + len(part["length"])
            _copy(place[first:last], part["length"], part["ts"], part["value"], rows["ts"], rows["value"])
            first = last
    return rows


class _Columns(Mapping[str, Column]):
    """The parts of a block, arranged once somebody looks at them: that is the sink's time, not the flow's."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self.rows = sum(len(part["sensor"]) for part in parts)

    @cached_property
    def _rows(self) -> Rows:
        parts, self._parts = self._parts, ()
        rows = _arranged(parts, _by_sensor(np.concatenate([part["sensor"] for part in parts])))
        if "length" not in rows:
            return rows
        columns = {name: column for name, column in rows.items() if name != "length"}
        return columns | {"end": np.cumsum(rows["length"])}

    def __getitem__(self, name: str) -> Column:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


@njit(nogil=True, cache=True)
def _by_sensor(sensor: Int32s) -> Int64s:
    """The stable order by sensor: a counting sort."""
    place = np.zeros(sensor.max() + 2, np.int64)
    for index in sensor:
        place[index + 1] += 1
    for index in range(1, len(place)):
        place[index] += place[index - 1]
    order = np.empty(len(sensor), np.int64)
    for row in range(len(sensor)):
        order[place[sensor[row]]] = row
        place[sensor[row]] += 1
    return order


@njit(nogil=True, cache=True)
def _copy(place: Int64s, length: Int64s, ts: Int64s, value: Floats, ts_out: Int64s, value_out: Floats) -> None:
    """Copy the readings of each row to its place."""
    source = 0
    for row in range(len(place)):
        target = place[row]
        for i in range(length[row]):
            ts_out[target + i] = ts[source + i]
            value_out[target + i] = value[source + i]
        source += length[row]
