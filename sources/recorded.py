"""Recorded streams: what was recorded once comes again, message for message, in whatever format it was kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np

from domain.city import City
from domain.errors import SourceError
from domain.streams import Partition, Source
from sources import recorder
from sources.batches import Batch, Chunks, drop, take
from sources.ndjson import read_ndjson
from sources.pacing import Pacer
from sources.parquet import MESSAGES, columns_of, read_messages, read_readings
from sources.texts import UNREADABLE, natural, texts_of
from sources.wide_csv import read_wide_csv

__all__ = ["BATCH", "Recording", "files_of", "open_recording"]

#: Files of a folder that hold data; others (read-me, licence) are passed over.
DATA: Final = re.compile(r"\.(csv|ndjson|jsonl|json|parquet)(\.gz|\.zip)?$|\.zip$", re.IGNORECASE)

#: Most messages in one poll of what need not be waited for.
BATCH: Final = 65_536

#: Files that are NDJSON by their name, even if they are empty or begin with a line that is none.
NDJSON: Final = re.compile(r"\.(ndjson|jsonl)(\.gz|\.zip)?$", re.IGNORECASE)


def open_recording(
    path: str | Path, city: City, *, batch: int = BATCH, speed: float | None = None, chain: bool = False
) -> Recording:
    """Open a recorded stream; its format is told by its content.

    A folder that `lifeline record` wrote has the partitions that were recorded. Any other folder has one partition a
    data file, by name (2 before 10), or with `chain` a single one that reads the files one after the other.

    Parameters
    ----------
    path
        A recording folder, NDJSON, Parquet of readings, wide CSV (both texts plain, .gz or .zip), or a folder of them.
    city
        Its `recording` says how a wide CSV is read.
    batch
        Most messages in one poll. Results never depend on it.
    speed
        Times real time, by recorded time; None: as fast as it goes.

    Raises SourceError, naming the file, where there is nothing to read.
    """
    path = Path(path)
    if recorder.is_recording(path):
        found: dict[str, Chunks] = {
            name: partial(read_messages, name, recorder.segments(path, name)) for name in recorder.partitions(path)
        }
    else:
        found = {name: chunks for file in _files(path) for name, chunks in _parts(file, city)}
    if not found:
        raise _nothing(path)
    if chain:
        found = {path.name: partial(_chained, path.name, tuple(found.values()))}
    pacer = Pacer(speed) if speed is not None else None
    return Recording(found, batch, pacer, gapless=recorder.is_recording(path) and not chain)


def files_of(path: Path) -> list[Path]:
    """The records that a path holds: a recording folder or a file itself, or the data files of any other folder by
    name.

    Raises SourceError where there is nothing.
    """
    found = [path] if recorder.is_recording(path) else _files(path)
    if not found:
        raise _nothing(path)
    return found


class Recording(Source):
    """A recorded stream: named partitions, each with what reads it."""

    def __init__(
        self, chunks: Mapping[str, Chunks], batch: int = BATCH, pacer: Pacer | None = None, *, gapless: bool = False
    ) -> None:
        if batch < 1:
            raise SourceError(f"expected at least 1 message in a batch, got {batch}")
        self._chunks = dict(chunks)
        self._batch = batch
        self._pacer = pacer
        self.gapless = gapless

    def partitions(self) -> Sequence[str]:
        """Names of all partitions."""
        return tuple(self._chunks)

    def open(self, partition: str, resume: Any | None) -> RecordedPartition:
        """Open one partition at its start or after the `resume` messages that were polled before."""
        if partition not in self._chunks:
            raise SourceError(f"the recording has no partition {partition!r}; it has {', '.join(self._chunks)}")
        return RecordedPartition(partition, self._chunks[partition], resume or 0, self._batch, self._pacer)


class RecordedPartition(Partition):
    """One recorded partition. Its snapshot is the number of messages that were polled."""

    def __init__(self, name: str, chunks: Chunks, position: int, batch: int, pacer: Pacer | None) -> None:
        self._name = name
        self._reader = chunks(position)
        self._position = position
        self._batch = batch
        self._pacer = pacer
        self._chunk: Batch | None = None
        self._at = 0
        self._ended = False

    def poll(self) -> Batch | None:
        """The next messages; None when none is due yet. Raises StopIteration at the end, SourceError."""
        while self._chunk is None or self._at == len(self._chunk):
            self._next_chunk()
        last = min(self._at + self._batch, self._at + self.most, len(self._chunk))
        if self._pacer:
            last = self._at + self._pacer.due(self._due[self._at : last])
            if last == self._at:
                return None
        messages = take(self._chunk, self._at, last)
        self._position += last - self._at
        self._at = last
        return messages

    def _next_chunk(self) -> None:
        try:
            self._chunk = next(self._reader)
        except StopIteration:
            self._ended = True
            raise
        except (*UNREADABLE, UnicodeDecodeError) as error:
            raise SourceError(f"{self._name}, after message {self._position}: {error}") from error
        self._at = 0
        if self._pacer:
            self._due = self._pacer.times(self._chunk)

    @property
    def caught_up(self) -> bool:
        """Only at the end: recorded time does not go on by itself in a recording."""
        return self._ended

    def snapshot(self) -> int:
        """How many messages were polled."""
        return self._position

    def close(self) -> None:
        """Let go of the file."""
        cast("Any", self._reader).close()


def _nothing(path: Path) -> SourceError:
    return SourceError(f"{path}: nothing to read: expected .csv, .ndjson, .jsonl or .parquet files (also .gz and .zip)")


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        names = (file for file in path.iterdir() if file.is_file() and DATA.search(file.name))
        return sorted((file for file in names if not file.name.startswith(".")), key=lambda file: natural(file.name))
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder")
    return [path]


def _parts(path: Path, city: City) -> Iterator[tuple[str, Chunks]]:
    """The partitions that one file holds, with what reads them."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == b"PAR1":
            if set(MESSAGES.names) <= set(columns_of(path)):
                yield path.name, partial(read_messages, path.name, (path,))
            else:
                yield path.name, partial(read_readings, path.name, path)
        else:
            for name, opened in texts_of(path):
                yield name, _text(name, path, opened, city)
    except UNREADABLE as error:
        raise SourceError(f"{path}: {error}") from error


def _text(name: str, path: Path, opened: Callable[[], BinaryIO], city: City) -> Chunks:
    with opened() as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if NDJSON.search(name) or head[:1] in (b"{", b"["):
        return partial(read_ndjson, name, opened)
    if city.recording is None:
        raise SourceError(
            f"{path}: does not begin like NDJSON, so it is taken for CSV; but the city.toml of {city.name!r} has no "
            "[recording] table that says how it is read"
        )
    return partial(read_wide_csv, name, opened, city.recording)


def _chained(name: str, parts: Sequence[Chunks], first: int) -> Iterator[Batch]:
    """Parts one after the other as one partition; offsets go on from part to part."""

    def renumbered() -> Iterator[Batch]:
        at = 0
        for chunks in parts:
            for chunk in chunks(0):
                offset = np.arange(at, at + len(chunk), dtype=np.int64)
                yield replace(chunk, partition=name, offset=offset)
                at += len(chunk)

    return drop(renumbered(), first, name)
