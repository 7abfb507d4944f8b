"""Aggregates: equal to the definition, and indifferent to how panes travelled."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import HOUR, MINUTE, SECOND
from domain.records import Aggregates, Panes
from operators.aggregate import Aggregator
from operators.panes import _order
from tests.operators.streams import T0

LOCAL = np.arange(3, dtype=np.int32)
rows_ = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 7_200_000), st.floats(-1e6, 1e6)),
    max_size=60,
    unique_by=lambda r: r[:2],
)


def _panes(rows: list[tuple[int, int, float]], interval: int, cuts: list[int]) -> list[Panes]:
    """The rows as panes, travelling together as the cuts (ms) say."""
    out = []
    edges = sorted({(T0 + cut * 1_000_000) // interval * interval for cut in cuts} | {T0 + 3 * HOUR})
    start = 0
    for edge in edges:
        part = [(s, T0 + ms * 1_000_000, v) for s, ms, v in rows if start <= T0 + ms * 1_000_000 < edge]
        sensor = np.array([r[0] for r in part], np.int32)
        ts = np.array([r[1] for r in part], np.int64)
        value = np.array([r[2] for r in part], np.float64)
        ordered = _order(sensor, ts, value, interval, LOCAL, LOCAL)
        out.append(Panes(0, interval, edge, 0, *ordered))
        start = edge
    return out


def _run(panes: list[Panes], interval: int, resume_after: int = -1) -> dict[tuple[int, int, int], tuple[float, ...]]:
    aggregator = Aggregator(0, interval, LOCAL, LOCAL)
    results: list[Aggregates] = []
    for i, block in enumerate(panes):
        results += aggregator.take(block)
        if i == resume_after:
            aggregator = Aggregator(0, interval, LOCAL, LOCAL, aggregator.snapshot())
    results += aggregator.finish()
    out: dict[tuple[int, int, int], tuple[float, ...]] = {}
    for found in results:
        columns = (found.count, found.min, found.max, found.mean, found.last, found.std)
        for i in range(len(found)):
            key = (found.period, int(found.sensor[i]), int(found.start[i]))
            assert key not in out, "a period is reported once"
            out[key] = tuple(float(column[i]) for column in columns)
    return out


@given(rows_, st.lists(st.integers(0, 7_300_000), max_size=5), st.sampled_from([SECOND, SECOND // 10, 30 * MINUTE]))
def test_aggregates_equal_their_definition(rows: list[tuple[int, int, float]], cuts: list[int], interval: int) -> None:
    """count, min, max, mean, last and standard deviation of every sensor and period, from the rows themselves."""
    got = _run(_panes(rows, interval, cuts), interval)
    groups: dict[tuple[int, int, int], list[tuple[int, float]]] = defaultdict(list)
    for sensor, ms, value in rows:
        ts = T0 + ms * 1_000_000
        for period in (SECOND, MINUTE, HOUR):
            groups[period, sensor, ts // period * period].append((ts, value))
    assert got.keys() == groups.keys()
    for key, group in groups.items():
        values = [value for _, value in sorted(group)]
        count, low, high, mean, last, std = got[key]
        assert (count, low, high, last) == (len(values), min(values), max(values), values[-1])
        assert math.isclose(mean, statistics.fmean(values), rel_tol=1e-9, abs_tol=1e-6)
        assert math.isclose(std, statistics.pstdev(values), rel_tol=1e-6, abs_tol=1e-3)


@given(rows_, st.lists(st.integers(0, 7_300_000), max_size=5), st.lists(st.integers(0, 7_300_000), max_size=5))
def test_aggregates_do_not_depend_on_how_panes_travel(
    rows: list[tuple[int, int, float]], one: list[int], other: list[int]
) -> None:
    """Bit for bit the same, also when resumed from a snapshot on the way."""
    assert _run(_panes(rows, SECOND, one), SECOND) == _run(_panes(rows, SECOND, other), SECOND, resume_after=1)
