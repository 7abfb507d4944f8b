"""Native blocks as newer clients of the HTTP interface read them.

A client that names a `client_protocol_version` (Grafana's data source does, through clickhouse-go) reads Native
blocks with a block header and a serialization flag per column. The embedded engine cannot write those, so they are
put in here; for that the length of every column must be known, and `_Walk` finds it.
"""

from __future__ import annotations

import re
from typing import Final

from sinks.clickhouse.native_read import Cursor
from sinks.clickhouse.protocol import NOT_IMPLEMENTED, Unsupported

__all__ = ["CUSTOM_SERIALIZATION", "with_block_headers"]

#: From this revision on a column says whether its serialization is a custom one.
CUSTOM_SERIALIZATION: Final = 54454

# Field 1: no overflow rows; field 2: no bucket; field 0: end.
_BLOCK_INFO: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00"

_SIZES: Final = {
    **{f"{sign}Int{bits}": bits // 8 for bits in (8, 16, 32, 64, 128, 256) for sign in ("", "U")},
    "Float32": 4,
    "Float64": 8,
    "BFloat16": 2,
    "Bool": 1,
    "Nothing": 1,
    "UUID": 16,
    "IPv4": 4,
    "IPv6": 16,
    "Date": 2,
    "Date32": 4,
    "DateTime": 4,
    "DateTime64": 8,
    "Time": 4,
    "Time64": 8,
    "Enum8": 1,
    "Enum16": 2,
}


def with_block_headers(data: bytes, revision: int) -> bytes:
    """Native blocks of revision 0 as a client of `revision` reads them.

    Raises Unsupported for a type that cannot be measured.
    """
    walk = _Walk(data)
    out: list[bytes] = []
    flag = b"\x00" if revision >= CUSTOM_SERIALIZATION else b""
    while walk.at < len(data):
        begin = walk.at
        columns, rows = walk.number(), walk.number()
        out += (_BLOCK_INFO, data[begin : walk.at])
        for _ in range(columns):
            begin = walk.at
            walk.text()
            type_ = walk.text().decode()
            out += (data[begin : walk.at], flag)
            begin = walk.at
            if rows:
                walk.prefix(type_)
                walk.column(type_, rows)
            out.append(data[begin : walk.at])
    return b"".join(out)


class _Walk(Cursor):
    """Steps over values in a Native block."""

    def word(self) -> int:
        self.at += 8
        return int.from_bytes(self.data[self.at - 8 : self.at], "little")

    def strings(self, rows: int) -> None:
        for _ in range(rows):
            size = self.number()
            self.at += size

    def prefix(self, type_: str) -> None:
        name, args = _split(type_)
        if name == "LowCardinality":
            self.at += 8
        elif name in ("Array", "Nullable", "Tuple", "Map", "Nested"):
            for arg in args:
                self.prefix(arg)
        elif name == "SimpleAggregateFunction":
            self.prefix(args[1])

    def column(self, type_: str, rows: int) -> None:
        name, args = _split(type_)
        if name in _SIZES:
            self.at += _SIZES[name] * rows
        elif name.startswith("Interval"):
            self.at += 8 * rows
        elif name == "String":
            self.strings(rows)
        elif name == "FixedString":
            self.at += int(args[0]) * rows
        elif name == "Decimal":
            self.at += (
                next(size for digits, size in ((9, 4), (18, 8), (38, 16), (76, 32)) if int(args[0]) <= digits) * rows
            )
        elif name == "Nullable":
            self.at += rows
            self.column(args[0], rows)
        elif name in ("Array", "Map", "Nested"):
            self.at += 8 * (rows - 1)
            total = self.word() if rows else 0
            for arg in args:
                if total:
                    self.column(arg, total)
        elif name == "Tuple":
            for arg in args:
                self.column(arg, rows)
        elif name == "SimpleAggregateFunction":
            self.column(args[1], rows)
        elif name == "LowCardinality":
            width = 1 << (self.word() & 0xFF)
            inner = args[0].removeprefix("Nullable(")
            self.column(inner.removesuffix(")") if inner != args[0] else inner, self.word())
            keys = self.word()
            self.at += width * keys
        else:
            raise Unsupported(
                NOT_IMPLEMENTED, "NOT_IMPLEMENTED", f"type {type_} for this client; cast it to another in the query"
            )


def _split(type_: str) -> tuple[str, list[str]]:
    """Name and arguments: Tuple(a Int8, b Map(String, Int8)) gives ("Tuple", ["Int8", "Map(String, Int8)"])."""
    name, bracket, rest = type_.partition("(")
    if not bracket:
        return name, []
    args, depth, begin, quoted = [], 0, 0, False
    for i, char in enumerate(rest):
        if char == "'" and rest[i - 1] != "\\":
            quoted = not quoted
        elif quoted:
            continue
        elif char == "(":
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        elif char in ",)" and not depth:
            args.append(rest[begin:i].strip())
            begin = i + 1
    if name in ("Tuple", "Nested"):
        args = [re.sub(r"^(`(?:[^`\\]|\\.)*`|\w+) (?=\w)", "", arg) for arg in args]
    return name, args
