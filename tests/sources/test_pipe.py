"""A pipe gives what is there, at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domain.errors import SourceError
from domain.records import RawBatch
from sources.pipe import PipePartition, PipeSource


def lines(batch: RawBatch | None) -> list[bytes]:
    return [] if batch is None else [batch.payload(i) for i in range(len(batch))]


def opened(place: int | Path, resume: int | None = None, stamp: bool = True) -> PipePartition:
    return PipeSource(place, stamp=stamp, now=lambda: 77).open("pipe", resume)


def test_pipe() -> None:
    """Whole lines come at once, half a line when its end has come, the last when the writer closes."""
    read_end, write_end = os.pipe()
    pipe = opened(read_end)
    assert pipe.poll() is None
    assert pipe.caught_up
    os.write(write_end, b"a\nb\nha")
    batch = pipe.poll()
    assert lines(batch) == [b"a", b"b"]
    assert batch is not None
    assert batch.recorded.tolist() == [77, 77]
    assert not pipe.caught_up
    os.write(write_end, b"lf\nend")
    assert lines(pipe.poll()) == [b"half"]
    os.close(write_end)
    batch = pipe.poll()
    while batch is None:
        batch = pipe.poll()
    assert lines(batch) == [b"end"]
    assert batch.offset.tolist() == [3]
    for _ in range(2):
        with pytest.raises(StopIteration):
            pipe.poll()
    assert pipe.snapshot() == 4
    pipe.close()


def test_offsets_go_on_after_a_restart() -> None:
    """And without stamps nothing depends on the wall clock."""
    read_end, write_end = os.pipe()
    pipe = opened(read_end, resume=10, stamp=False)
    os.write(write_end, b"x\n")
    os.close(write_end)
    batch = pipe.poll()
    assert batch is not None
    assert (batch.offset.tolist(), batch.recorded.tolist()) == ([10], [0])
    with pytest.raises(StopIteration):
        pipe.poll()
    pipe.close()


def test_named_pipe(tmp_path: Path) -> None:
    """It can be opened before its writer is there."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    pipe = opened(path)
    assert pipe.poll() is None
    writer = os.open(path, os.O_WRONLY)
    os.write(writer, b"hello\n")
    assert lines(pipe.poll()) == [b"hello"]
    os.close(writer)
    with pytest.raises(StopIteration):
        pipe.poll()
    pipe.close()


def test_no_such_pipe(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(SourceError, match="nowhere: cannot be opened as a pipe"):
        opened(tmp_path / "nowhere")
