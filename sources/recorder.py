"""Recordings of our own: a folder with one sub-folder a partition, of Parquet segments that are complete or not there.

    recording.json                    the partitions, in their order
    readings%2F0/000000000000.parquet messages of partition "readings/0", named by the number of the first one in it
    readings%2F0/000000065536.parquet

Every message keeps its partition, offset, recorded time and bytes: the replay of a recording is the live run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from domain.errors import SinkError, SourceError
from domain.files import UNFINISHED, put
from domain.records import RawBatch
from sources.batches import CHUNK
from sources.parquet import MESSAGES

__all__ = ["Recorder", "is_recording", "partitions", "segments"]

_INDEX: Final = "recording.json"
_FORMAT: Final = "lifeline-recording"
_VERSION: Final = 1


def is_recording(folder: Path) -> bool:
    """Whether a path is a recording folder."""
    return (folder / _INDEX).is_file()


def partitions(folder: Path) -> tuple[str, ...]:
    """The partitions of a recording, in the order of the source that was recorded; raises SourceError."""
    try:
        index = json.loads((folder / _INDEX).read_bytes())
        if index["format"] != _FORMAT or index["version"] != _VERSION:
            raise ValueError(f"format {index['format']!r} version {index['version']!r}")
        return tuple(map(str, index["partitions"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{folder / _INDEX}: expected a {_FORMAT} of version {_VERSION}: {error}") from error


def segments(folder: Path, partition: str) -> tuple[Path, ...]:
    """The finished segments of a partition, in order."""
    return tuple(sorted((_place(folder, partition)).glob("*.parquet")))


def _place(folder: Path, partition: str) -> Path:
    """The sub-folder of a partition, whatever it is called."""
    name = quote(partition, safe="")
    return folder / (name if name.strip(".") else name.replace(".", "%2E"))


class Recorder:
    """Writes raw batches to a recording folder; an existing recording is continued.

    What was written since the last `flush` of its partition is lost in a crash; `position` tells where to go on.

    Parameters
    ----------
    folder
        Created where it is missing.
    names
        All partitions, in their order. Those of an existing recording must be among them, and come first in `names`.
    segment
        Bytes of payload after which a segment is finished by itself.

    Attributes
    ----------
    names
        All partitions, in the order of the recording.

    Raises SinkError when the folder cannot be written or holds something else.
    """

    def __init__(self, folder: Path, names: Sequence[str], segment: int = 64 * 1024 * 1024) -> None:
        self._folder = folder
        self._segment = segment
        self.names: tuple[str, ...] = ()
        self._pending: dict[str, list[RawBatch]] = {}
        self._held: dict[str, int] = {}
        self._count: dict[str, int] = {}
        self._next: dict[str, int | None] = {}
        try:
            self.add((*self._existing(names), *names))
        except OSError as error:
            raise SinkError(f"{folder}: cannot record here: {error}") from error

    def _existing(self, names: Sequence[str]) -> Sequence[str]:
        if is_recording(self._folder):
            there = partitions(self._folder)
            if not set(there) <= set(names):
                raise SinkError(
                    f"{self._folder} is a recording of {', '.join(there)}; record {', '.join(names)} to another folder"
                )
            return there
        if self._folder.exists() and any(self._folder.iterdir()):
            raise SinkError(f"{self._folder} is neither empty nor a recording")
        return ()

    def add(self, names: Sequence[str]) -> Sequence[str]:
        """Take in the partitions that are not known yet, behind those that are, and return them."""
        new = tuple(name for name in dict.fromkeys(names) if name not in self.names)
        for name in new:
            self._pending[name], self._held[name], self._count[name], self._next[name] = [], 0, 0, None
            folder = _place(self._folder, name)
            folder.mkdir(parents=True, exist_ok=True)
            for unfinished in folder.glob(f"*{UNFINISHED}"):
                unfinished.unlink()
            finished = segments(self._folder, name)
            if finished:
                last = pq.ParquetFile(finished[-1])
                self._count[name] = int(finished[-1].stem) + last.metadata.num_rows
                offsets = last.read_row_group(last.num_row_groups - 1, ["offset"]).column("offset")
                self._next[name] = offsets[-1].as_py() + 1
        if not new:
            return ()
        self.names += new
        index = {"format": _FORMAT, "version": _VERSION, "partitions": self.names}
        put(self._folder / _INDEX, json.dumps(index, indent=2).encode())
        return new

    def position(self, partition: str) -> int | None:
        """Offset after the last message that is safely recorded; None when there is none."""
        return self._next[partition]

    def write(self, batch: RawBatch) -> None:
        """Take a batch of one partition. Raises SinkError when the disk refuses."""
        if not len(batch):
            return
        self._pending[batch.partition].append(batch)
        self._held[batch.partition] += len(batch.data)
        if self._held[batch.partition] >= self._segment:
            self._finish(batch.partition)

    def flush(self) -> None:
        """Make safe what was written so far. Raises SinkError when the disk refuses."""
        for name in self.names:
            if self._pending[name]:
                self._finish(name)

    def _finish(self, name: str) -> None:
        pending = self._pending[name]
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(
            sink, MESSAGES, compression="zstd", use_dictionary=["partition"], write_statistics=["offset", "recorded"]
        ) as writer:
            table = pa.Table.from_batches(map(_record_batch, pending))
            # a group of rows is about what a source reads at once
            writer.write_table(table, max(1, len(table) * CHUNK // max(self._held[name], 1)))
        path = _place(self._folder, name) / f"{self._count[name]:012}.parquet"
        try:
            put(path, sink.getvalue())
        except OSError as error:
            raise SinkError(f"{path}: cannot be written: {error}") from error
        self._count[name] += sum(map(len, pending))
        self._next[name] = int(pending[-1].offset[-1]) + 1
        self._pending[name], self._held[name] = [], 0


def _record_batch(batch: RawBatch) -> pa.RecordBatch:
    n = len(batch)
    if not (batch.start[0] == 0 and np.array_equal(batch.start[1:], batch.end[:-1])):
        batch = RawBatch.of(batch.partition, [batch.payload(i) for i in range(n)], batch.offset, batch.recorded)
    bounds = np.zeros(n + 1, np.int32)
    bounds[1:] = batch.end
    payload = pa.Array.from_buffers(pa.binary(), n, [None, pa.py_buffer(bounds), pa.py_buffer(batch.data)])
    partition = pa.array([batch.partition]).take(pa.array(np.zeros(n, np.int8)))
    return pa.record_batch([partition, pa.array(batch.offset), pa.array(batch.recorded), payload], schema=MESSAGES)
