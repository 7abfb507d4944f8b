"""A block that ClickHouse refuses, taken apart: what is good is stored, the rest becomes dead letters.

The block is halved until the bad rows are alone. Pieces carry tokens of their own, so that a block that comes again
after a crash, and is refused again, is stored once all the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import numpy as np
import orjson

from domain.clock import MILLISECOND
from domain.errors import SinkRefused
from domain.records import DeadLetter
from sinks.clickhouse.client import code_of
from sinks.clickhouse.insert import Insert
from sinks.clickhouse.native import FIXED, Arrays, Column, Dictionary, inner_of

__all__ = ["REASON", "decode", "piece", "rows_of", "salvage"]

#: Why such rows are dead letters.
REASON: Final = "refused-by-clickhouse"

#: Codes that speak against every row alike: columns and types that the table does not have.
_ALL_ALIKE: Final = frozenset({8, 9, 10, 16, 20, 44, 47, 50, 53, 70})

#: Refusals of one block after which what is still in doubt counts as bad, so that the rest need not wait for it.
TRIES: Final = 1000

_WORDS: Final = 1000  # characters kept of what the server said


def salvage(insert: Insert, refusal: SinkRefused, send: Callable[[Insert], None]) -> list[DeadLetter]:
    """Store the good rows of a refused insert; return the bad ones.

    `send` raises SinkRefused for another refusal; whatever else it raises comes through.
    """
    columns = decode(insert.data)
    dead: list[DeadLetter] = []
    tries = TRIES
    doubtful = [(0, insert.rows, refusal)]
    while doubtful:
        first, last, refusal = doubtful.pop()
        if last - first == 1 or tries <= 0 or code_of(refusal) in _ALL_ALIKE:
            dead += _letters(insert.table, columns, first, last, str(refusal)[:_WORDS])
            continue
        middle = (first + last) // 2
        for begin, end in ((middle, last), (first, middle)):
            token = f"{insert.token}#{begin}-{end}" if insert.token else ""
            try:
                send(Insert.of(insert.table, [piece(column, begin, end) for column in columns], token))
            except SinkRefused as error:
                tries -= 1
                doubtful.append((begin, end, error))
    return dead


def _letters(table: str, columns: Sequence[Column], first: int, last: int, words: str) -> Iterator[DeadLetter]:
    for row in rows_of(columns, first, last):
        payload = orjson.dumps(row)
        # The row itself tells which one it is, so that it is there once however it came.
        number = int.from_bytes(hashlib.blake2b(payload, digest_size=8).digest(), "little") >> 1
        times = (value for name, value in row.items() if name.endswith("_ns") and isinstance(value, int))
        yield DeadLetter(f"clickhouse/{table}", number, -1, next(times, 0), REASON, words, payload)


def rows_of(columns: Sequence[Column], first: int, last: int) -> Iterator[dict[str, Any]]:
    """Rows as plain values; times are nanoseconds, in fields that end in `_ns`."""
    plain = {}
    for column in columns:
        name = f"{column.name}_ns" if "DateTime64" in column.type else column.name
        plain[name] = _plain(column.type, _slice(column.values, first, last))
    for values in zip(*plain.values(), strict=True):
        yield dict(zip(plain, values, strict=True))


def _plain(type_: str, values: Any) -> list[Any]:
    if (inner := inner_of(type_, "Array")) is not None:
        flat = _plain(inner, values.values)
        ends = values.end.tolist()
        return [flat[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    if isinstance(values, Dictionary):
        return [values.names[code] for code in values.code.tolist()]
    if type_ == "UUID":
        return [str(value) for value in values]
    if type_ == "String":
        return [value.decode(errors="backslashreplace") for value in values]
    found: list[Any] = values.tolist()
    if type_.startswith("Enum8("):
        names = {int(number): name for name, number in re.findall(r"'(\w+)' = (-?\d+)", type_)}
        return [names[number] for number in found]
    if type_.startswith("DateTime64(3"):
        return [ticks * MILLISECOND for ticks in found]
    return [bool(value) for value in found] if type_ == "Bool" else found


def piece(column: Column, first: int, last: int) -> Column:
    """Some of a column's rows."""
    return Column(column.name, column.type, _slice(column.values, first, last))


def _slice(values: Any, first: int, last: int) -> Any:
    if isinstance(values, Dictionary):
        used, code = np.unique(values.code[first:last], return_inverse=True)
        return Dictionary([values.names[name] for name in used.tolist()], code)
    if isinstance(values, Arrays):
        begin, end = (int(values.end[row - 1]) if row else 0 for row in (first, last))
        return Arrays(values.end[first:last] - begin, _slice(values.values, begin, end))
    return values[first:last]


def decode(data: bytes) -> list[Column]:
    """What `native.encode` has made, as columns again; plain strings are bytes."""
    reader = _Reader(data)
    count, rows = reader.number(), reader.number()
    columns = []
    for _ in range(count):
        name, type_ = reader.text().decode(), reader.text().decode()
        if "LowCardinality" in type_ and rows:
            reader.words(1)  # version
        columns.append(Column(name, type_, reader.values(type_, rows)))
    return columns


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self) -> bytes:
        size = self.number()
        self._at += size
        return self._data[self._at - size : self._at]

    def array(self, dtype: str, count: int) -> Any:
        found = np.frombuffer(self._data, dtype, count, self._at)
        self._at += found.nbytes
        return found

    def words(self, count: int) -> list[int]:
        found: list[int] = self.array("<u8", count).tolist()
        return found

    def values(self, type_: str, rows: int) -> Any:
        if (inner := inner_of(type_, "Array")) is not None:
            end = self.array("<u8", rows).astype(np.int64)
            return Arrays(end, self.values(inner, int(end[-1]) if rows else 0))
        if type_ == "LowCardinality(String)":
            if not rows:
                return Dictionary([], np.empty(0, np.int64))
            keys, names = self.words(2)
            found = [self.text().decode() for _ in range(names)]
            (codes,) = self.words(1)
            return Dictionary(found, self.array(f"<u{1 << (keys & 0xFF)}", codes).astype(np.int64))
        if type_ == "String":
            return [self.text() for _ in range(rows)]
        if type_ == "UUID":
            turned = self.array("<u8", 2 * rows).astype(">u8").tobytes()
            return [UUID(bytes=turned[16 * row : 16 * row + 16]) for row in range(rows)]
        return self.array(FIXED["Int8" if type_.startswith("Enum8") else type_.partition("(")[0]], rows)
