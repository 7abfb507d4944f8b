"""Parts of batches: what every source of recorded streams needs to keep its polls small and to resume exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import numpy as np

from domain.errors import SourceError
from domain.records import Columns, RawBatch

__all__ = ["CHUNK", "Batch", "Chunks", "drop", "take"]

#: Bytes that a source reads at once, and about what one poll may hold.
CHUNK: Final = 4 * 1024 * 1024

Batch = RawBatch | Columns

#: Opens a partition at a message number (0 is its first) and yields the messages from there on in chunks of about
#: `CHUNK`.
Chunks = Callable[[int], Iterator[Batch]]


def take(batch: Batch, first: int, last: int) -> Batch:
    """Messages `first` to `last` (exclusive) of a batch whose messages lie in order.

    >>> raw = RawBatch.of("p", [b"ab", b"c", b"def"], [4, 5, 6], [0, 0, 0])
    >>> part = take(raw, 1, 3)
    >>> part.data, part.payload(1), part.offset.tolist()
    (b'cdef', b'def', [5, 6])
    """
    if first == 0 and last == len(batch):
        return batch
    offset, recorded = batch.offset[first:last], batch.recorded[first:last]
    if isinstance(batch, RawBatch):
        start, end = batch.start[first:last], batch.end[first:last]
        base, stop = (int(start[0]), int(end[-1])) if last > first else (0, 0)
        return RawBatch(batch.partition, batch.data[base:stop], start - base, end - base, offset, recorded)
    a, b = np.searchsorted(batch.message, (first, last))
    return Columns(
        batch.partition,
        batch.names,
        batch.code[a:b],
        batch.ts[a:b],
        batch.value[a:b],
        batch.message[a:b] - np.int32(first),
        offset,
        recorded,
    )


def drop(chunks: Iterable[Batch], count: int, name: str) -> Iterator[Batch]:
    """The chunks without their first `count` messages; raises SourceError when there are fewer."""
    left = count
    for chunk in chunks:
        if left >= len(chunk):
            left -= len(chunk)
        else:
            yield take(chunk, left, len(chunk))
            left = 0
    if left:
        raise SourceError(
            f"{name}: cannot resume at message {count}: only {count - left} are there. "
            "The recording was changed or replaced since; start without the old recovery directory."
        )
