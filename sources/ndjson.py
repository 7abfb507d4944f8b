"""Recorded NDJSON: one message a line, plain or gzip. Lines are cut and passed on as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from domain.records import RawBatch
from sources.batches import CHUNK, Batch, drop
from sources.lines import LineSplitter

__all__ = ["read_ndjson"]


def read_ndjson(name: str, opened: Callable[[], BinaryIO], first: int = 0) -> Iterator[Batch]:
    """Yield the lines of a file as raw messages from line `first` on (counted from 0, as the offsets are).

    A file of lines does not tell when they were recorded: `recorded` is 0, which stands for the running maximum of
    event time. A blank line is an empty message, so that offsets stay line numbers.
    """
    return drop(_chunks(name, opened), first, name)


def _chunks(name: str, opened: Callable[[], BinaryIO]) -> Iterator[Batch]:
    lines = LineSplitter()
    line = 0
    with opened() as file:
        piece = file.read(CHUNK).removeprefix(b"\xef\xbb\xbf")  # byte order mark
        more = True
        while more:
            more = bool(piece)
            data, start, end = lines.feed(piece) if more else lines.finish()
            if len(start):
                offset = np.arange(line, line + len(start), dtype=np.int64)
                yield RawBatch(name, data, start, end, offset, np.zeros(len(start), np.int64))
                line += len(start)
            piece = file.read(CHUNK)
