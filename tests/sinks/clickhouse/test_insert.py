"""Inserts: the runs of a block are read as if they were one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.insert import Insert, Reader


def view(run: bytes) -> memoryview:
    """The same bytes in somebody's memory."""
    return memoryview(run)


RUNS = st.lists(st.one_of(st.binary(max_size=50), st.binary(max_size=50).map(view)), max_size=8)


@given(runs=RUNS, size=st.integers(1, 60))
def test_read_by_pieces(runs: list[bytes | memoryview], size: int) -> None:
    """None larger than asked for, and none empty before the end."""
    whole = Insert("t", (), 0, "", tuple(runs)).data
    reader = Reader(runs)
    pieces = list(iter(lambda: bytes(reader.read(size)), b""))
    assert b"".join(pieces) == whole
    assert all(len(piece) <= size for piece in pieces)
    assert not reader.read(size)
