"""Small streams of panes and aggregates, cut into calls at will."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from hypothesis import strategies as st

from domain.clock import DAY, SECOND
from domain.records import Aggregates, Panes

SENSORS = ("a", "b", "c", "d")
#: Ten seconds before midnight, so that streams cross into the next daily partition.
START = 20_000 * DAY - 10 * SECOND

#: Per pane, the readings of each sensor: (offset in the pane in ms, value).
PANES = st.lists(
    st.dictionaries(
        st.integers(0, len(SENSORS) - 1),
        st.dictionaries(st.integers(0, 999), st.floats(-1e6, 1e6), min_size=1, max_size=3),
        max_size=3,
    ),
    min_size=1,
    max_size=30,
)
Pane = dict[int, dict[int, float]]


def cuts(count: int) -> st.SearchStrategy[list[int]]:
    """Where a stream of `count` panes is cut into calls."""
    return st.lists(st.integers(0, count), max_size=6).map(lambda inner: sorted({0, count, *inner}))


def panes_of(stream: Sequence[Pane], first: int, last: int) -> Panes:
    """The panes `first` to `last` of a stream in one record."""
    sensor, ts, value, bound, segments, starts = [], [], [], [0], [], []
    for number in range(first, last):
        begin = START + number * SECOND
        for index, readings in sorted(stream[number].items()):
            for offset, reading in sorted(readings.items()):
                sensor.append(index)
                ts.append(begin + offset * 1_000_000)
                value.append(reading)
            bound.append(len(ts))
            segments.append(index)
            starts.append(begin)
    return Panes(
        3,
        SECOND,
        START + last * SECOND,
        0,
        np.array(sensor, np.int32),
        np.array(ts, np.int64),
        np.array(value, np.float64),
        np.array(bound, np.int64),
        np.array(segments, np.int32),
        np.array(starts, np.int64),
    )


def rows_of(stream: Sequence[Pane]) -> Iterator[tuple[int, int, float]]:
    """(sensor, ns, value) of every reading, by pane and sensor."""
    panes = panes_of(stream, 0, len(stream))
    yield from zip(panes.sensor.tolist(), panes.ts.tolist(), panes.value.tolist(), strict=True)


def statistics(rows: Sequence[tuple[int, int, float]], period: int) -> dict[tuple[int, int], tuple[float, ...]]:
    """(sensor, start) to count, min, max, mean, last, std: the slow, sure way. The first reading of a time counts."""
    distinct: dict[tuple[int, int], float] = {}
    for sensor, ts, value in rows:
        distinct.setdefault((sensor, ts), value)
    groups: dict[tuple[int, int], list[float]] = {}
    for (sensor, ts), value in sorted(distinct.items()):
        groups.setdefault((sensor, ts // period * period), []).append(value)
    return {key: (len(v), min(v), max(v), float(np.mean(v)), v[-1], float(np.std(v))) for key, v in groups.items()}


def aggregates_of(stream: Sequence[Pane], period: int, first: int = 0, last: int | None = None) -> Aggregates:
    """Aggregates of a stream that are complete by its `last` pane and not by its `first`."""
    last = len(stream) if last is None else last
    begin, upto = ((START + number * SECOND) // period * period for number in (first, last))
    if last == len(stream):
        upto = START + last * SECOND + period
    found = {
        k: v for k, v in statistics(list(rows_of(stream)), period).items() if begin <= k[1] and k[1] + period <= upto
    }
    order = sorted(found, key=lambda key: (key[1], key[0]))
    columns = [np.array([found[key][i] for key in order], np.float64) for i in range(6)]
    return Aggregates(
        3,
        period,
        upto,
        np.array([key[0] for key in order], np.int32),
        np.array([key[1] for key in order], np.int64),
        columns[0].astype(np.int64),
        *columns[1:],
    )
