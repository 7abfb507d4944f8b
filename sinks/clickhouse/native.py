"""NumPy columns as a ClickHouse Native block, over the arrays' own memory.

The format: number of columns and rows, then for every column its name, its type and its values, as little-endian
arrays; strings carry their length as LEB128; an array column is the running ends of its arrays followed by all
values; a LowCardinality column is a dictionary and keys into it. See
https://clickhouse.com/docs/interfaces/formats/Native and the engine's `SerializationLowCardinality`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from domain.records import Int64s

__all__ = ["FIXED", "Arrays", "Column", "Dictionary", "Run", "encode", "inner_of", "runs"]

#: NumPy's name of each type of fixed width.
FIXED: Final = {
    "Int8": "<i1",
    "Int16": "<i2",
    "Int32": "<i4",
    "Int64": "<i8",
    "UInt8": "<u1",
    "UInt16": "<u2",
    "UInt32": "<u4",
    "UInt64": "<u8",
    "Float32": "<f4",
    "Float64": "<f8",
    "Bool": "<u1",
    "DateTime64": "<i8",
}

#: Consecutive bytes: of our own, or in the memory of an array.
Run: TypeAlias = bytes | memoryview

# Serialization of a LowCardinality column: version; then per block the kind of keys, with "additional keys" set.
_LOW_CARDINALITY_VERSION: Final = (1).to_bytes(8, "little")
_ADDITIONAL_KEYS: Final = 1 << 9


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Values of a LowCardinality(String) column: row i is `names[code[i]]`."""

    names: Sequence[str]
    code: npt.NDArray[np.integer[Any]]

    @classmethod
    def of(cls, values: Iterable[str]) -> Dictionary:
        """The dictionary of a few strings, in the order of their first occurrence."""
        index: dict[str, int] = {}
        code = [index.setdefault(value, len(index)) for value in values]
        return cls(tuple(index), np.array(code, np.int32))

    @classmethod
    def select(cls, names: Sequence[str], code: npt.NDArray[np.integer[Any]]) -> Dictionary:
        """Only those of many names that `code` uses."""
        used = np.flatnonzero(np.bincount(code, minlength=len(names)))
        place = np.empty(len(names), np.int32)
        place[used] = np.arange(len(used), dtype=np.int32)
        return cls([names[i] for i in used.tolist()], place[code])

    def __len__(self) -> int:
        return len(self.code)


@dataclass(frozen=True, slots=True)
class Arrays:
    """Values of an array column: row i is `values[end[i - 1]:end[i]]`, from 0."""

    end: Int64s
    values: Any  # whatever a column of the inner type takes

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> Arrays:
        """Join a few short sequences."""
        return cls(np.cumsum([len(row) for row in rows], dtype=np.int64), [value for row in rows for value in row])

    def __len__(self) -> int:
        return len(self.end)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its ClickHouse type and its values.

    Values of a DateTime64 are its ticks (nanoseconds for precision 9), those of an Enum8 its numbers.
    """

    name: str
    type: str
    values: Any


def encode(columns: Sequence[Column]) -> bytes:
    """One Native block of columns of equal length; raises as `runs` does.

    >>> encode([Column("n", "UInt8", np.array([1, 2])), Column("s", "String", ["a", ""])]).hex(" ")
    '02 02 01 6e 05 55 49 6e 74 38 01 02 01 73 06 53 74 72 69 6e 67 01 61 00'
    """
    return b"".join(runs(columns))


def runs(columns: Sequence[Column]) -> list[Run]:
    """The same block as the bytes that follow each other, without a copy of what lies in arrays.

    The arrays must stay as they are for as long as the runs are used. Raises ValueError when lengths differ, TypeError
    for values that the type cannot hold without loss.
    """
    rows = len(columns[0].values) if columns else 0
    out: list[Run] = [_leb128(len(columns)), _leb128(rows)]
    for column in columns:
        if len(column.values) != rows:
            raise ValueError(f"column {column.name!r} has {len(column.values)} rows, {columns[0].name!r} has {rows}")
        out += (_text(column.name), _text(column.type))
        if rows:
            _prefix(column.type, out)
            _values(column, column.type, column.values, out)
    return out


def _leb128(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _text(value: str) -> bytes:
    data = value.encode()
    return _leb128(len(data)) + data


def inner_of(type_: str, wrapper: str) -> str | None:
    """The type inside a wrapper; None where it is none of those.

    >>> inner_of("Array(UUID)", "Array")
    'UUID'
    """
    return type_[len(wrapper) + 1 : -1] if type_.startswith(wrapper + "(") else None


def _prefix(type_: str, out: list[Run]) -> None:
    # What a type writes once per column, before any values: only LowCardinality does, however deep it sits.
    if (inner := inner_of(type_, "Array")) is not None:
        _prefix(inner, out)
    elif type_ == "LowCardinality(String)":
        out.append(_LOW_CARDINALITY_VERSION)


def _values(column: Column, type_: str, values: Any, out: list[Run]) -> None:
    if type_ in FIXED:
        out.append(_fixed(column, values, np.dtype(FIXED[type_])))
    elif type_.startswith("DateTime64("):
        out.append(_fixed(column, values, np.dtype("<i8")))
    elif type_.startswith("Enum8("):
        out.append(_fixed(column, values, np.dtype("<i1")))
    elif type_ == "String":
        out.append(_strings(values))
    elif type_ == "UUID":
        out.append(_uuids(values))
    elif type_ == "LowCardinality(String)":
        _low_cardinality(values if isinstance(values, Dictionary) else Dictionary.of(values), out)
    elif (inner := inner_of(type_, "Array")) is not None:
        arrays = values if isinstance(values, Arrays) else Arrays.of(values)
        count = int(arrays.end[-1])
        if len(arrays.values) != count or np.any(np.diff(arrays.end, prepend=0) < 0):
            raise ValueError(f"column {column.name!r}: the arrays' ends do not fit their {len(arrays.values)} values")
        out.append(_fixed(column, arrays.end, np.dtype("<u8")))
        if count:
            _values(column, inner, arrays.values, out)
    else:
        raise TypeError(f"column {column.name!r}: cannot encode {type_}")


def _fixed(column: Column, values: Any, dtype: np.dtype[Any]) -> memoryview:
    array = np.asarray(values)
    if array.dtype != dtype:
        # Same memory or an exact copy, never a silent loss: datetime64, fractions and what overflows are refused.
        if array.dtype.kind not in "iufb" or (array.dtype.kind == "f" and dtype.kind != "f"):
            raise TypeError(f"column {column.name!r}: cannot store {array.dtype} as {column.type}")
        with np.errstate(invalid="ignore", over="ignore"):
            converted = array.astype(dtype)
            back = converted.astype(array.dtype)
        nan = array.dtype.kind == "f"
        if not (np.array_equal(converted, array, equal_nan=nan) and np.array_equal(back, array, equal_nan=nan)):
            raise TypeError(f"column {column.name!r}: {array.dtype} values do not fit {column.type}")
        array = converted
    return np.ascontiguousarray(array).view(np.uint8).data


def _strings(values: Iterable[str | bytes]) -> bytes:
    out = bytearray()
    for value in values:
        data = value.encode() if isinstance(value, str) else value
        out += _leb128(len(data))
        out += data
    return bytes(out)


def _uuids(values: Sequence[UUID]) -> bytes:
    # Two 64-bit halves, each little-endian: the halves keep their order, the bytes of each are turned round.
    joined = np.frombuffer(b"".join([value.bytes for value in values]), ">u8")
    return joined.astype("<u8").tobytes()


def _low_cardinality(values: Dictionary, out: list[Run]) -> None:
    width = next(i for i, top in enumerate((1 << 8, 1 << 16, 1 << 32)) if len(values.names) <= top)
    out.append((width | _ADDITIONAL_KEYS).to_bytes(8, "little"))
    out.append(len(values.names).to_bytes(8, "little"))
    out.append(_strings(values.names))
    out.append(len(values.code).to_bytes(8, "little"))
    code = np.asarray(values.code)
    if len(code) and not (code.min() >= 0 and code.max() < len(values.names)):
        raise ValueError("a dictionary code points outside its names")
    out.append(np.ascontiguousarray(code.astype(f"<u{1 << width}")).view(np.uint8).data)
