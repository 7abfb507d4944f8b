"""Panes: whatever way the rows travel, the same panes with the same rows in the same order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import SECOND
from domain.records import Frame, Panes
from operators.layout import Layout
from operators.panes import PaneStore, _order
from tests.operators.streams import RULES, T0, Message, city, empty, frames, judge, messages

SENSORS = 6
LAYOUTS = tuple(Layout(city(SENSORS), shards) for shards in (1, 2))  # rows of one shard take a shortcut
LAYOUT = LAYOUTS[1]
PARTITIONS = ((0, 1, 2), (3, 4, 5))  # a sensor stays in one partition

layouts = st.sampled_from(LAYOUTS)
streams = st.tuples(*(messages(sensors) for sensors in PARTITIONS))
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def _oracle(stream: Sequence[Sequence[Message]], layout: Layout) -> dict[int, list[tuple[int, int, int, float]]]:
    """Rows (pane, sensor, ts, value) per shard, by the rules written out."""
    rows: dict[int, dict[tuple[int, int, int], float]] = {shard: {} for shard in range(layout.shards)}
    for items in stream:
        for verdict, _, _, (sensor, ts, value) in judge(items):
            if verdict == "on time":
                key = (ts - ts % SECOND, sensor, ts)
                rows[int(layout.shard_of[sensor])].setdefault(key, value)  # the first of two repeats stays
    return {shard: [(*key, found[key]) for key in sorted(found)] for shard, found in rows.items()}


def _store(shard: int, layout: Layout = LAYOUT, state: Any = None) -> PaneStore:
    return PaneStore(shard, len(PARTITIONS), RULES.pane, layout.local_of, layout.members[shard], state)


def _flat(panes: Sequence[Panes]) -> list[tuple[int, int, int, float]]:
    out = []
    for block in panes:
        for k in range(len(block.segment_sensor)):
            for i in range(block.bound[k], block.bound[k + 1]):
                assert block.sensor[i] == block.segment_sensor[k]
                out.append((int(block.segment_pane[k]), int(block.sensor[i]), int(block.ts[i]), float(block.value[i])))
    return out


def _interleave(parts: Sequence[list[Frame]], seed: int) -> list[Frame]:
    """Frames of all partitions in an order that chance decides, each partition's own order kept."""
    rng = random.Random(seed)
    left = [list(part) for part in parts]
    out = []
    while any(left):
        part = rng.choice([part for part in left if part])
        out.append(part.pop(0))
    return out


@given(layouts, streams, sizes, sizes, st.integers(0, 99), st.integers(1, 5))
def test_panes_equal_the_rules_however_rows_travel(
    layout: Layout,
    stream: tuple[list[Message], list[Message]],
    left: list[int],
    right: list[int],
    seed: int,
    group: int,
) -> None:
    """Any batching, interleaving of partitions and grouping by the engine give the oracle's panes, each once."""
    parts = [
        frames(p, items, sizes, layout) for p, (items, sizes) in enumerate(zip(stream, (left, right), strict=True))
    ]
    arrived = _interleave(parts, seed)
    for shard in range(layout.shards):
        store = _store(shard, layout)
        mine = [frame for frame in arrived if frame.shard == shard]
        answers = [store.take(mine[i : i + group]) for i in range(0, len(mine), group)]
        closed = [panes for panes in answers if panes is not None]
        assert _flat(closed) == _oracle(stream, layout)[shard]
        uptos = [panes.upto for panes in closed]
        assert uptos == sorted(uptos)
        assert [panes.ended for panes in closed] == [False] * (len(closed) - 1) + [True]


@given(layouts, streams, sizes, st.integers(0, 30))
def test_a_resumed_store_goes_on_as_if_nothing_had_happened(
    layout: Layout, stream: tuple[list[Message], list[Message]], sizes: list[int], cut: int
) -> None:
    """A snapshot taken anywhere, given to a new store, leads to the same panes."""
    arrived = _interleave([frames(p, items, sizes, layout) for p, items in enumerate(stream)], 1)
    for shard in range(layout.shards):
        mine = [frame for frame in arrived if frame.shard == shard]
        store = _store(shard, layout)
        closed = [store.take([frame]) for frame in mine[:cut]]
        store = _store(shard, layout, store.snapshot())
        closed += [store.take([frame]) for frame in mine[cut:]]
        assert _flat([panes for panes in closed if panes is not None]) == _oracle(stream, layout)[shard]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400), st.floats(-5, 5)), max_size=300), st.booleans())
def test_order_equals_a_plain_sort(rows: list[tuple[int, int, float]], sparse: bool) -> None:
    """Both ways of sorting (few panes, many panes) give rows by pane, sensor and time, the first of repeats kept."""
    step = 100 * SECOND if sparse else SECOND // 50
    sensor = np.array([row[0] for row in rows], np.int32)
    ts = np.array([T0 + row[1] * step for row in rows], np.int64)
    value = np.array([row[2] for row in rows], np.float64)
    got = _order(sensor, ts, value, SECOND, np.arange(4, dtype=np.int32), np.arange(4, dtype=np.int32))
    first: dict[tuple[int, int, int], float] = {}
    for s, t, v in zip(sensor.tolist(), ts.tolist(), value.tolist(), strict=True):
        first.setdefault((t - t % SECOND, s, t), v)
    want = sorted(first)
    assert list(zip(got[0].tolist(), got[1].tolist(), strict=True)) == [(s, t) for _, s, t in want]
    assert got[2].tolist() == [first[key] for key in want]
    assert got[6] == len(rows) - len(want)
    assert got[4].tolist() == got[0][got[3][:-1]].tolist()
    assert (got[5] == got[1][got[3][:-1]] // SECOND * SECOND).all()
    assert np.diff(got[3]).min(initial=1) > 0


def test_a_quiet_partition_holds_panes_open_until_it_ends() -> None:
    """A pane waits for every partition; one that is over holds nobody back."""
    store = _store(0)
    assert store.take([empty(0, 0, T0 + 5 * SECOND)]) is None
    panes = store.take([empty(0, 1, T0 + 2 * SECOND)])
    assert panes is not None
    assert panes.upto == T0 + 2 * SECOND
    panes = store.take([empty(0, 1, T0 + 2 * SECOND, ended=True)])
    assert panes is not None
    assert (panes.upto, panes.ended) == (T0 + 5 * SECOND, False)


def test_what_is_gone_is_let_go() -> None:
    """Rows that are far ahead of the others they came with keep no more than as many of these in memory."""
    store = _store(0)
    sensor = np.zeros(100, np.int32)
    ts = T0 + np.array([*range(90), *range(90_000, 90_010)], np.int64) * 1_000_000
    store.take([Frame(0, 0, T0, T0, sensor, ts, np.zeros(100)), empty(0, 1, T0 + 60 * SECOND)])
    panes = store.take([empty(0, 0, T0 + SECOND)])
    assert panes is not None
    assert panes.ts.tolist() == ts[:90].tolist()
    ((piece,), _) = store._open
    assert piece.rows[1].tolist() == ts[90:].tolist()
