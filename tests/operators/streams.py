"""Small streams for property tests, and the rules of time in plain Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from domain.city import City, Sensor, Zone
from domain.clock import MILLISECOND, SECOND
from domain.records import Decoded, Frame
from domain.settings import TimeRules
from operators.layout import Layout
from operators.route import route
from operators.stamp import PartitionClock

T0 = 1_764_000_000 * SECOND
RULES = TimeRules()


@dataclass(frozen=True)
class Message:
    """One broker record: rows of (sensor, ts, value) that arrived together."""

    recorded: int
    rows: tuple[tuple[int, int, float], ...]


def city(sensors: int) -> City:
    """A city of so many sensors in one zone."""
    return City(
        "test", "UTC", tuple(Sensor(f"S{i}", "pressure", "m", "Z") for i in range(sensors)), zones={"Z": Zone("Z")}
    )


def messages(sensors: Sequence[int], *, recorded: bool = True) -> st.SearchStrategy[list[Message]]:
    """A partition's messages: rows out of order, repeated, late and from the future; mostly recorded afterwards."""
    row = st.tuples(
        st.sampled_from(sensors),
        st.integers(0, 12_000).map(lambda ms: T0 + ms * MILLISECOND) | st.just(T0 + 3600 * SECOND),
        st.sampled_from([0.0, 1.0, -2.5, 1e9]),
    )
    clock = st.integers(0, 30_000).map(lambda ms: T0 + ms * MILLISECOND) if recorded else st.just(0)
    return st.lists(st.builds(Message, clock, st.lists(row, max_size=4).map(tuple)), max_size=25)


def chop(items: Sequence[Message], sizes: Sequence[int]) -> Iterator[Sequence[Message]]:
    """Cut a partition into batches of the given sizes, which repeat."""
    i = k = 0
    while i < len(items):
        size = sizes[k % len(sizes)]
        yield items[i : i + size]
        i, k = i + size, k + 1


def decoded(batch: Sequence[Message]) -> tuple[Decoded, np.ndarray]:
    """A batch as the decoder gives it, and its recorded times."""
    rows = [(m, *row) for m, message in enumerate(batch) for row in message.rows]
    message, sensor, ts, value = zip(*rows, strict=True) if rows else ((), (), (), ())
    columns = Decoded(
        np.array(sensor, np.int32), np.array(ts, np.int64), np.array(value, np.float64), np.array(message, np.int32)
    )
    return columns, np.array([message.recorded for message in batch], np.int64)


def frames(
    partition: int, items: Sequence[Message], sizes: Sequence[int], layout: Layout, rules: TimeRules = RULES
) -> list[Frame]:
    """All frames of one partition, the closing ones included."""
    clock = PartitionClock(rules)
    out: list[Frame] = []
    offset = 0
    for batch in chop(items, sizes):
        rows, recorded = decoded(batch)
        stamps = clock.stamp(rows, recorded)
        offsets = np.arange(offset, offset + len(batch), dtype=np.int64)
        offset += len(batch)
        sent = list(route(layout, (partition, f"p{partition}"), rows, stamps, offsets, clock.watermark))
        quiet = set(range(layout.shards)) - {frame.shard for frame in sent}
        out += sent + [empty(shard, partition, clock.watermark) for shard in sorted(quiet)]
    end = clock.watermark
    if clock.largest > 0:
        end = max(end, clock.largest - clock.largest % rules.pane + rules.pane)
    return out + [empty(shard, partition, end, ended=True) for shard in range(layout.shards)]


def empty(shard: int, partition: int, watermark: int, *, ended: bool = False) -> Frame:
    """A frame that only tells the time."""
    nothing = np.empty(0, np.int64)
    return Frame(shard, partition, watermark, 0, nothing.astype(np.int32), nothing, nothing.astype(float), ended=ended)


def judge(items: Sequence[Message], rules: TimeRules = RULES) -> Iterator[tuple[str, int, int, tuple[int, int, float]]]:
    """The rules of time, one row after the other: (verdict, message index, watermark, row)."""
    largest = now = watermark = None
    for m, message in enumerate(items):
        if message.recorded:
            now = max(now or 0, message.recorded)
            if rules.idle is not None:
                watermark = max(watermark or 0, now - rules.idle)
        newest = largest
        for row in message.rows:
            pane_end = row[1] - row[1] % rules.pane + rules.pane
            if message.recorded and now is not None and row[1] > now + rules.max_ahead:
                yield "future", m, watermark or 0, row
                continue
            newest = max(newest or 0, row[1])
            late = watermark is not None and pane_end <= watermark
            yield ("late" if late else "on time"), m, watermark or 0, row
        if newest is not None:
            largest = newest
            watermark = max(watermark or 0, largest - rules.lateness)
        if not message.recorded and largest is not None:
            now = max(now or 0, largest)
