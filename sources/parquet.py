"""Parquet: readings as columns, and the segments of our own recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from domain.clock import MILLISECOND, NEVER
from domain.errors import SourceError
from domain.records import Columns, Int64s, RawBatch
from sources.batches import CHUNK, Batch, drop

__all__ = ["MESSAGES", "columns_of", "read_messages", "read_readings"]

#: A segment of a recording: one row a message.
MESSAGES: Final = pa.schema(
    [
        pa.field("partition", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("recorded", pa.int64(), nullable=False),  # ns
        pa.field("payload", pa.binary(), nullable=False),
    ]
)

#: Rows of a table of readings that are read at once: about `CHUNK` bytes.
_ROWS: Final = 1 << 17


def columns_of(path: Path) -> list[str]:
    """Names of a Parquet file's columns; raises SourceError when it is none."""
    with _opened(path) as file:
        names: list[str] = file.schema_arrow.names
        return names


def read_messages(name: str, segments: Sequence[Path], first: int = 0) -> Iterator[Batch]:
    """Yield the messages of one partition of a recording from message `first` on.

    A segment is named by the number of its first message, so that a lost one is noticed. Raises SourceError.
    """
    at = 0
    for path in segments:
        if path.stem.isdecimal() and int(path.stem) != at:
            raise SourceError(f"{path}: the segment before it ends at message {at}: one is missing or was cut")
        with _opened(path) as file:
            if not set(MESSAGES.names) <= set(file.schema_arrow.names):
                raise SourceError(f"{path}: expected the columns {', '.join(MESSAGES.names)}")
            count = file.metadata.num_rows
            if first < at + count:
                yield from drop(_messages(name, path, file), max(first - at, 0), str(path))
            at += count
    if first > at:
        yield from drop((), first - at, name)


def _messages(name: str, path: Path, file: pq.ParquetFile) -> Iterator[Batch]:
    for group in range(file.num_row_groups):
        meta = file.metadata.row_group(group)
        rows = max(1, meta.num_rows * CHUNK // max(meta.total_byte_size, 1))
        for block in _blocks(path, file, min(rows, meta.num_rows), MESSAGES.names[1:], [group]):
            payload = block.column("payload").cast(pa.binary())
            bounds = np.frombuffer(payload.buffers()[1], np.int32)[payload.offset : payload.offset + len(payload) + 1]
            base, stop = int(bounds[0]), int(bounds[-1])
            data = (payload.buffers()[2] or pa.py_buffer(b""))[base:stop].to_pybytes()
            start = bounds.astype(np.int64) - base
            offset, recorded = (block.column(k).to_numpy().astype(np.int64) for k in ("offset", "recorded"))
            yield RawBatch(name, data, start[:-1], start[1:], offset, recorded)


def read_readings(name: str, path: Path, first: int = 0) -> Iterator[Batch]:
    """Yield the rows of a table of readings from row `first` on, each as one message; offsets are row numbers from 0.

    Columns: `sensor` (text), `ts` (a time stamp, naive ones are UTC, or whole epoch milliseconds), `value` (a number)
    and optionally `recorded` (as `ts`; without it 0, which stands for the running maximum of event time). A null
    sensor is the sensor "", a null time `NEVER`, a null value NaN: the decoder makes dead letters of them. Raises
    SourceError.
    """
    row = 0
    with _opened(path) as file:
        names = file.schema_arrow.names
        if not {"sensor", "ts", "value"} <= set(names):
            raise SourceError(
                f"{path}: expected the columns sensor, ts, value (and recorded), found {', '.join(names)}"
            )
        wanted = [k for k in ("sensor", "ts", "value", "recorded") if k in names]
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if first < row + count:
                blocks = _readings(name, path, row, _blocks(path, file, _ROWS, wanted, [group]))
                yield from drop(blocks, max(first - row, 0), str(path))
            row += count
    if first > row:
        yield from drop((), first - row, str(path))


def _readings(name: str, path: Path, row: int, blocks: Iterator[pa.RecordBatch]) -> Iterator[Batch]:
    for block in blocks:
        n = len(block)
        try:
            sensor = block.column("sensor")
            if not pa.types.is_dictionary(sensor.type):
                sensor = sensor.cast(pa.string()).dictionary_encode()
            names = ("", *(name or "" for name in sensor.dictionary.cast(pa.string()).to_pylist()))
            code = pc.add(sensor.indices.cast(pa.int32()), 1).fill_null(0).to_numpy(zero_copy_only=False)
            value = block.column("value").cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            ts = _times(block.column("ts"), NEVER)
            late = _times(block.column("recorded"), 0) if "recorded" in block.schema.names else np.zeros(n, np.int64)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise SourceError(f"{path}, after row {row}: {error}") from error
        number = np.arange(n)
        yield Columns(name, names, code.astype(np.int32), ts, value, number.astype(np.int32), number + row, late)
        row += n


def _times(column: pa.Array, null: int) -> Int64s:
    """Nanoseconds of a column of time stamps or epoch milliseconds; beyond the range of int64, `null`."""
    if not pa.types.is_integer(column.type):
        unit = (
            {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[column.type.unit]
            if pa.types.is_timestamp(column.type)
            else 0
        )
        if not unit:
            raise pa.ArrowInvalid(f"expected time stamps or whole epoch milliseconds, found {column.type}")
    else:
        unit = MILLISECOND
    count = column.cast(pa.int64())
    known = count.is_valid().to_numpy(zero_copy_only=False)
    whole = count.fill_null(0).to_numpy(zero_copy_only=False)
    limit = (2**63 - 1) // unit
    known &= (whole <= limit) & (whole >= -limit)
    return np.where(known, np.where(known, whole, 0) * unit, null)


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path}: not a readable Parquet file: {error}") from error


def _blocks(
    path: Path, file: pq.ParquetFile, rows: int, columns: list[str], groups: list[int]
) -> Iterator[pa.RecordBatch]:
    try:
        yield from file.iter_batches(batch_size=rows, row_groups=groups, columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path}: damaged: {error}") from error
