"""Blocks are a function of the stream: not of how panes travelled, nor of a restart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import DAY, MINUTE, SECOND
from domain.errors import StateError
from domain.records import Aggregates
from sinks.clickhouse.blocks import Block, Blocks, _by_sensor
from tests.sinks.clickhouse.streams import PANES, START, Pane, aggregates_of, cuts, panes_of, rows_of

BUCKETS = st.sampled_from([1, 5, 7, 60, 3600]).map(lambda seconds: seconds * SECOND)


def plain(block: Block) -> tuple[str, int, dict[str, list[float]]]:
    return block.token, block.rows, {name: column.tolist() for name, column in block.columns.items()}


def run(stream: Sequence[Pane], cut: Sequence[int], bucket: int, restart: bool = False) -> list[Block]:
    blocks = Blocks(3, bucket)
    out: list[Block] = []
    for first, last in pairwise(cut):
        out += blocks.panes(panes_of(stream, first, last))
        for period in (SECOND, MINUTE):
            out += blocks.aggregates(aggregates_of(stream, period, first, last))
        if restart:
            blocks = Blocks(3, bucket, state=blocks.snapshot())
    return out + list(blocks.flush())


@given(data=st.data(), stream=PANES, bucket=BUCKETS)
def test_grouping_and_restarts_do_not_matter(data: st.DataObject, stream: list[Pane], bucket: int) -> None:
    """The same blocks with the same rows in the same order, however cut and wherever resumed."""
    whole = sorted(map(plain, run(stream, [0, len(stream)], bucket)))
    cut = data.draw(cuts(len(stream)))
    assert sorted(map(plain, run(stream, cut, bucket))) == whole
    assert sorted(map(plain, run(stream, cut, bucket, restart=True))) == whole


@given(stream=PANES, bucket=BUCKETS)
def test_nothing_is_lost_and_blocks_lie_in_one_day(stream: list[Pane], bucket: int) -> None:
    """Every reading is in exactly one block, every token is unique, and no block crosses a daily partition."""
    blocks = run(stream, [0, len(stream)], bucket)
    assert len({block.token for block in blocks}) == len(blocks)
    found: list[tuple[int, int, float]] = []
    for block in blocks:
        begin = block.columns["pane" if "end" in block.columns else "start"]
        assert len(begin) == block.rows
        assert len(set((begin // DAY).tolist())) == 1
        if "end" in block.columns:
            sensor = np.repeat(block.columns["sensor"], np.diff(block.columns["end"], prepend=0))
            found += zip(sensor.tolist(), block.columns["ts"].tolist(), block.columns["value"].tolist(), strict=True)
    assert sorted(found) == sorted(rows_of(stream))


def test_a_block_comes_once_its_bucket_is_complete() -> None:
    """Not before the last pane of the bucket has closed, and then at once."""
    stream: list[Pane] = [{0: {0: 1.0}} for _ in range(12)]
    blocks = Blocks(3)
    assert list(blocks.panes(panes_of(stream, 0, 4))) == []
    assert [block.token for block in blocks.panes(panes_of(stream, 4, 5))] == [f"readings_packed/3/{START}"]
    assert [block.rows for block in blocks.flush()] == []


def test_a_snapshot_of_something_else_is_refused() -> None:
    """Resuming with another length of buckets would make other blocks under known tokens."""
    with pytest.raises(StateError, match="buckets of 5 s"):
        Blocks(3, 10 * SECOND, state=Blocks(3).snapshot())


def test_rows_are_in_order_of_sensor_and_time() -> None:
    """However rows arrive, also against the order of time, as seconds of a longer pane do; equal keys as they came."""
    starts = np.array([3, 1, 1, 0, 2, 1, 7, 6], np.int64) * SECOND + START
    sensors = np.array([0, 1, 0, 1, 0, 1, 1, 0], np.int32)
    marks = np.arange(8.0)
    blocks = Blocks(3, 5 * SECOND)
    columns = (marks.astype(np.int64), marks, marks, marks, marks, marks)

    def part(first: int, last: int) -> Aggregates:
        cut = slice(first, last)
        return Aggregates(
            3, SECOND, START, sensors[cut], starts[cut], columns[0][cut], *(column[cut] for column in columns[1:])
        )

    found = [*blocks.aggregates(part(0, 3)), *blocks.aggregates(part(3, 8)), *blocks.flush()]
    assert [block.columns["mean"].tolist() for block in found] == [[2, 4, 0, 3, 1, 5], [7, 6]]


def test_coarse_aggregates_have_coarse_blocks() -> None:
    """A short bucket does not cut the minutes into blocks of one row each sensor and less than a period."""
    stream: list[Pane] = [{0: {0: 1.0}} for _ in range(130)]
    blocks = Blocks(3)
    found = [*blocks.aggregates(aggregates_of(stream, MINUTE)), *blocks.flush()]
    assert {(block.bucket - START - 10 * SECOND) % MINUTE for block in found} == {0}
    assert len(found) == 3


@given(st.lists(st.integers(0, 6), min_size=1))
def test_the_counting_sort(sensors: list[int]) -> None:
    """Equals a stable sort."""
    sensor = np.array(sensors, np.int32)
    assert _by_sensor(sensor).tolist() == np.argsort(sensor, kind="stable").tolist()
