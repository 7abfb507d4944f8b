"""A journal keeps what was written, whoever writes, and is read exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domain.actions import Action, Verb, parse
from domain.clock import SECOND
from domain.errors import SinkError, SourceError
from domain.records import RawBatch
from domain.streams import Partition, Source
from sources.journal import ACTIONS, Journal, WithJournal

T0 = 1_764_000_000 * SECOND


class Beside(Source):
    """A stream of one partition that says nothing until it ends."""

    def __init__(self) -> None:
        self.over = False

    def partitions(self) -> Sequence[str]:
        return ("p",)

    def open(self, partition: str, resume: Any | None) -> Partition:
        return _Silent(self)


class _Silent(Partition):
    def __init__(self, source: Beside) -> None:
        self._source = source

    def poll(self) -> RawBatch | None:
        if self._source.over:
            raise StopIteration
        return RawBatch.of("p", [b"x"], [0], [T0 + 9 * SECOND])

    @property
    def caught_up(self) -> bool:
        return True

    def snapshot(self) -> Any:
        return None


def done(number: int, at: int = T0) -> Action:
    return Action(UUID(int=number), Verb.COMMENT, at, "li.na", alert=UUID(int=1), comment="line\nbreak")


def read(partition: Partition) -> list[tuple[int, int, Action]]:
    """Offset, recorded time and action of what one poll brings."""
    batch = partition.poll()
    assert batch is None or isinstance(batch, RawBatch)
    rows = range(len(batch)) if batch is not None else ()
    return [(int(batch.offset[i]), int(batch.recorded[i]), parse(batch.payload(i))) for i in rows if batch is not None]


def test_written_and_read(tmp_path: Path) -> None:
    """What was appended is followed line by line, with the time of its appending, and goes on after a restart."""
    path = tmp_path / "desk" / "journal.ndjson"
    beside = Beside()
    source = WithJournal(beside, path, follow=True, live=True)
    assert source.partitions() == ("p", ACTIONS)
    partition = source.open(ACTIONS, None)
    assert read(partition) == []  # nobody has written yet
    assert partition.caught_up
    journal = Journal(path, now=lambda: T0 + SECOND)
    journal.append(done(1))
    journal.append(done(2))
    assert read(partition) == [(0, T0 + SECOND, done(1)), (1, T0 + SECOND, done(2))]
    with path.open("ab") as file:
        file.write(b'{"half')
    assert read(partition) == []
    again = source.open(ACTIONS, partition.snapshot())
    journal.append(done(3))  # puts an end to the line that somebody left unfinished
    batch = again.poll()
    assert isinstance(batch, RawBatch)
    assert [batch.payload(0), batch.offset.tolist()] == [b'{"half', [2, 3]]
    assert parse(batch.payload(1)) == done(3)


def test_followed_until_the_stream_ends(tmp_path: Path) -> None:
    """A journal ends with the stream beside it; its clock is what that has come to, unless the stream is live."""
    path = tmp_path / "journal"
    Journal(path).append(done(1))
    beside = Beside()
    source = WithJournal(beside, path, follow=True)
    other, partition = source.open("p", None), source.open(ACTIONS, 0)
    assert len(read(partition)) == 1
    assert read(partition) == []
    assert not partition.caught_up  # nobody has said what time it is
    other.poll()
    assert partition.caught_up
    assert partition.clock is not None
    assert partition.clock() == T0 + 9 * SECOND
    beside.over = True
    with pytest.raises(StopIteration):
        other.poll()
    with pytest.raises(StopIteration):
        partition.poll()


def test_replayed_to_its_end(tmp_path: Path) -> None:
    """Beside a recording it is read to its end, also where its last line has none; it must be there."""
    path = tmp_path / "journal"
    path.write_bytes(done(1).to_json() + b"\n" + done(2).to_json())
    partition = WithJournal(Beside(), path, follow=False).open(ACTIONS, None)
    assert [action for _, _, action in read(partition)] == [done(1), done(2)]
    assert partition.clock is None
    with pytest.raises(StopIteration):
        partition.poll()
    with pytest.raises(SourceError, match="not there"):
        WithJournal(Beside(), tmp_path / "none", follow=False).open(ACTIONS, None).poll()
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="was cut"):
        WithJournal(Beside(), path, follow=True).open(ACTIONS, partition.snapshot()).poll()


def test_several_processes_write(tmp_path: Path) -> None:
    """No line is lost or torn where two consoles write at once."""
    path = tmp_path / "journal"
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(partial(_write, path), (0, 1)))
    found = sorted(parse(line).id.int for line in path.read_bytes().splitlines())
    assert found == list(range(100))


def _write(path: Path, half: int) -> None:
    journal = Journal(path)
    for number in range(50):
        journal.append(done(50 * half + number))


def test_refused(tmp_path: Path) -> None:
    """Who cannot write hears of it."""
    with pytest.raises(SinkError, match="not written"):
        Journal(tmp_path).append(done(1))
