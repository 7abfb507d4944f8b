"""ClickHouse's Native blocks read back: number by number, or as the columns that `native.encode` has made."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np

from sinks.clickhouse.native import FIXED, Arrays, Column, Dictionary, inner_of

__all__ = ["Cursor", "decode"]


class Cursor:
    """A place in a block that moves on as it is read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self) -> int:
        """A number in LEB128.

        >>> Cursor(bytes([0x80, 0x01])).number()
        128
        """
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self) -> bytes:
        """Bytes with their length before them."""
        size = self.number()
        self.at += size
        return self.data[self.at - size : self.at]


def decode(data: bytes) -> list[Column]:
    """What `native.encode` has made, as columns again; plain strings are bytes."""
    reader = _Columns(data)
    count, rows = reader.number(), reader.number()
    columns = []
    for _ in range(count):
        name, type_ = reader.text().decode(), reader.text().decode()
        if "LowCardinality" in type_ and rows:
            reader.words(1)  # version
        columns.append(Column(name, type_, reader.values(type_, rows)))
    return columns


class _Columns(Cursor):
    def array(self, dtype: str, count: int) -> Any:
        found = np.frombuffer(self.data, dtype, count, self.at)
        self.at += found.nbytes
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
