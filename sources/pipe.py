"""NDJSON from a pipe: standard input, a named pipe or a file descriptor; whatever is there is taken at once."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from domain.errors import SourceError
from domain.records import RawBatch
from domain.streams import Partition, Source
from sources.lines import LineSplitter

__all__ = ["PipeSource"]

#: Bytes taken in one poll at most: as much as Linux lets a pipe hold.
_PIECE: Final = 1 << 20
#: Milliseconds that a poll waits for a pipe that was empty: to be woken is quicker than to look again and again.
_WAIT: Final = 1


class PipeSource(Source):
    """A pipe as a stream of one partition, "pipe".

    A pipe cannot be read twice: after a restart the engine goes on with what the writer sends then, and offsets go on
    from the snapshot. What was in flight is gone: use Kafka where that matters.

    Parameters
    ----------
    place
        A file descriptor, or the path of a named pipe; 0 is standard input.
    stamp
        Recorded time is when a message arrived, by the wall clock. Without it: 0, the running maximum of event time,
        so that a run depends on nothing but what came through the pipe.
    now
        The wall clock, ns.
    """

    def __init__(self, place: int | Path = 0, *, stamp: bool = True, now: Callable[[], int] = time.time_ns) -> None:
        self._place = place
        self._now = now if stamp else None

    def partitions(self) -> Sequence[str]:
        """The one partition."""
        return ("pipe",)

    def open(self, partition: str, resume: Any | None) -> PipePartition:
        """Open the pipe; messages count from `resume`. Raises SourceError."""
        if isinstance(self._place, int):
            return PipePartition(self._place, resume or 0, self._now)
        try:
            # without O_NONBLOCK this would wait for a writer
            return PipePartition(os.open(self._place, os.O_RDONLY | os.O_NONBLOCK), resume or 0, self._now)
        except OSError as error:
            raise SourceError(f"{self._place}: cannot be opened as a pipe: {error}") from error


class PipePartition(Partition):
    """The messages of a pipe, a line each. Its snapshot is the number of messages that were polled."""

    def __init__(self, descriptor: int, position: int, now: Callable[[], int] | None) -> None:
        self._descriptor = descriptor
        self._position = position
        self._now = now
        self._lines = LineSplitter()
        self._waiting = select.poll()
        self._waiting.register(descriptor, select.POLLIN)
        self._empty = False
        self._ended = False

    def poll(self) -> RawBatch | None:
        """The messages that are there; None when no line is complete. Raises StopIteration after the last."""
        if self._ended:
            raise StopIteration
        try:
            self._empty = not self._waiting.poll(_WAIT if self._empty else 0)
            if self._empty:
                return None
            piece = os.read(self._descriptor, _PIECE)
        except BlockingIOError:
            self._empty = True
            return None
        except OSError as error:
            raise SourceError(f"the pipe broke after message {self._position}: {error}") from error
        self._ended = not piece
        data, start, end = self._lines.feed(piece) if piece else self._lines.finish()
        n = len(start)
        if not n:
            return self.poll() if self._ended else None
        recorded = np.full(n, self._now() if self._now else 0, np.int64)
        offset = np.arange(self._position, self._position + n, dtype=np.int64)
        self._position += n
        return RawBatch("pipe", data, start, end, offset, recorded)

    @property
    def caught_up(self) -> bool:
        """Whether the pipe was empty at the last poll."""
        return self._empty or self._ended

    def snapshot(self) -> int:
        """How many messages were polled."""
        return self._position

    def close(self) -> None:
        """Close the pipe, unless it is standard input."""
        if self._descriptor > 2:
            os.close(self._descriptor)
