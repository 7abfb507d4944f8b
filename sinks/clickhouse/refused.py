"""A block that ClickHouse refuses, taken apart: what is good is stored, the rest becomes dead letters.

The block is halved until the bad rows are alone. Pieces carry tokens of their own, so that a block that comes again
after a crash, and is refused again, is stored once all the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import orjson

from domain.clock import MILLISECOND
from domain.errors import SinkRefused
from domain.records import DeadLetter
from sinks.clickhouse.client import code_of
from sinks.clickhouse.insert import Insert
from sinks.clickhouse.native import Arrays, Column, Dictionary, inner_of
from sinks.clickhouse.native_read import decode

__all__ = ["REASON", "piece", "rows_of", "salvage"]

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
