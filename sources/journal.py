"""The journal of a desk: what people do, a line an action, kept for good; and the engine's way of reading it.

The console writes there, the engine follows, and a replay beside a recording reads it again. Where a city has Apache
Kafka, a topic takes its place.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from domain.actions import Action
from domain.clock import MILLISECOND
from domain.errors import SinkError, SourceError
from domain.records import Columns, RawBatch
from domain.streams import Partition, Source
from sources.lines import Lines, LineSplitter

__all__ = ["ACTIONS", "Journal", "WithJournal"]

#: Name of the partition that a journal is.
ACTIONS: Final = "actions"

#: Bytes read in one poll at most.
_PIECE: Final = 1 << 18

_RECORDED: Final = re.compile(rb'"recorded":(\d{1,16})\}$')


class Journal:
    """Where actions are written; several processes may write to one journal.

    Parameters
    ----------
    path
        The file; it is made with its folder by the first action.
    now
        The clock by which the city lives, ns: the wall clock, but for a simulated city, which has a day of its own.
    """

    def __init__(self, path: Path | str, now: Callable[[], int] = time.time_ns) -> None:
        self.path = Path(path)
        self._now = now

    def append(self, action: Action) -> None:
        """Write one action; it is on disk when this returns. Raises SinkError where it cannot be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise SinkError(f"{self.path}: the action was not written: {error}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            end = os.fstat(file).st_size
            torn = end > 0 and os.pread(file, 1, end - 1) != b"\n"  # a process was killed while it wrote
            # Inside the lock, so that recorded times never fall.
            stamp = b',"recorded":%d}\n' % (self._now() // MILLISECOND)
            line = (b"\n" if torn else b"") + action.to_json()[:-1] + stamp
            if os.write(file, line) < len(line):
                os.ftruncate(file, end)
                raise SinkError(f"{self.path}: the action was not written: the disk is full")
            os.fsync(file)
        except OSError as error:
            raise SinkError(f"{self.path}: the action was not written: {error}") from error
        finally:
            os.close(file)


class WithJournal(Source):
    """A stream, and a journal as one more partition of it.

    Parameters
    ----------
    source
        Readings and camera events.
    path
        The journal; one that is followed need not be there yet.
    follow
        Wait for what is written while the stream goes on; otherwise the journal ends where it ends now.
    live
        Whether recorded time is the present. Otherwise it is what the stream has come to.
    """

    def __init__(self, source: Source, path: Path | str, *, follow: bool, live: bool = False) -> None:
        self._source, self._path, self._follow = source, Path(path), follow
        self._beside = _Beside()
        self._clock = time.time_ns if live else self._beside.now
        self.gapless = source.gapless
        self.beginning = source.beginning

    def now(self) -> int:
        """Recorded time that the stream has come to, in this process, ns; the present, where it is live."""
        return self._clock()

    def partitions(self) -> Sequence[str]:
        """Those of the stream, and the journal."""
        return (*self._source.partitions(), ACTIONS)

    def refresh(self) -> Sequence[str]:
        """The same, as they are now."""
        return (*self._source.refresh(), ACTIONS)

    @property
    def identity(self) -> str:
        """That of the stream: a journal may join at any time."""
        return self._source.identity

    def open(self, partition: str, resume: Any | None) -> Partition:
        """Open a partition; raises SourceError."""
        if partition == ACTIONS:
            return JournalPartition(self._path, resume or (0, 0), self._beside if self._follow else None, self._clock)
        return _Heard(self._source.open(partition, resume), self._beside)


class _Beside:
    """How far the partitions beside a journal have come, in this process."""

    def __init__(self) -> None:
        self.open = self.ended = self.recorded = 0

    def now(self) -> int:
        """The newest recorded time among them, ns."""
        return self.recorded

    @property
    def over(self) -> bool:
        """Whether all of them have ended."""
        return 0 < self.open == self.ended


class _Heard(Partition):
    """A partition that lets a journal know how far it has come."""

    def __init__(self, partition: Partition, beside: _Beside) -> None:
        self._partition, self._beside = partition, beside
        self.prompt = partition.prompt
        beside.open += 1

    def poll(self) -> RawBatch | Columns | None:
        self._partition.most = self.most
        try:
            batch = self._partition.poll()
        except StopIteration:
            self._beside.ended += 1
            raise
        if batch is not None and len(batch):
            self._beside.recorded = max(self._beside.recorded, int(batch.recorded[-1]))
        return batch

    @property
    def caught_up(self) -> bool:
        return self._partition.caught_up

    @property
    def unheard(self) -> int:
        return self._partition.unheard

    @property
    def clock(self) -> Callable[[], int] | None:
        return self._partition.clock

    @property
    def backlog(self) -> int | None:
        return self._partition.backlog

    def snapshot(self) -> Any:
        return self._partition.snapshot()

    def close(self) -> None:
        self._partition.close()


class JournalPartition(Partition):
    """The lines of a journal. Its snapshot is how many bytes and lines were polled."""

    prompt = True

    def __init__(self, path: Path, resume: tuple[int, int], beside: _Beside | None, clock: Callable[[], int]) -> None:
        self._path, self._beside, self._clock = path, beside, clock
        self._position, self._line = resume
        self._idle = False

    def poll(self) -> RawBatch | None:
        """The lines that are there; None when there is no whole one. Raises StopIteration after the last."""
        over = self._beside is None or self._beside.over
        data, start, end = self._read(over)
        self._idle = not len(start)
        if self._idle:
            if over:
                raise StopIteration
            return None
        lines = [data[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]
        found = [_RECORDED.search(line) for line in lines]
        recorded = [int(match[1]) * MILLISECOND if match else 0 for match in found]
        offset = range(self._line, self._line + len(lines))
        self._line += len(lines)
        return RawBatch.of(ACTIONS, lines, offset, recorded)

    def _read(self, over: bool) -> Lines:
        """Whole lines; at the end also one that nobody ended."""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                if size < self._position:
                    raise SourceError(f"{self._path} was cut: {self._position} bytes of it were read before")
                file.seek(self._position)
                piece = file.read(_PIECE)
                while b"\n" not in piece and (more := file.read(_PIECE)):
                    piece += more
                last = file.tell() == size
        except FileNotFoundError:
            if self._beside is None or self._position:
                raise SourceError(f"{self._path}: the journal is not there") from None
            piece, last = b"", True
        except OSError as error:
            raise SourceError(f"{self._path}: the journal cannot be read: {error}") from error
        if not (over and last):
            piece = piece[: piece.rfind(b"\n") + 1]
        self._position += len(piece)
        return LineSplitter().feed(piece if piece.endswith(b"\n") or not piece else piece + b"\n")

    @property
    def caught_up(self) -> bool:
        """Whether nothing new was there at the last poll, and its clock tells a time."""
        return self._idle and self._clock() > 0

    @property
    def clock(self) -> Callable[[], int] | None:
        """The recorded time that it has come to, where it is followed."""
        return self._clock if self._beside is not None else None

    def snapshot(self) -> tuple[int, int]:
        """Bytes and lines that were polled."""
        return self._position, self._line
