"""Streams of readings of a few sensors, as bad as they come, and what a detector makes of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from detectors import registry
from detectors.contract import MARK, Detector, Marks
from tests.detectors.naive import NS, Mark

SENSORS = 5
#: Slot of each sensor: two are not watched.
SLOT_OF = np.array([2, -1, 0, 1, -1], np.int32)
SLOTS = 3
LOW, HIGH = np.array([-30.0, -math.inf, -10.0]), np.array([30.0, 20.0, math.inf])
RATE = np.array([1.0, 2.0, 0.25])
START = 1_764_000_000 * NS

Row = tuple[int, int, float]  # sensor, ts, value

SHAPES = {
    "constant": lambda k, level: level,
    "ramp": lambda k, level: level + 3.0 * k,
    "fall": lambda k, level: level - 2.5 * k,
    "noise": lambda k, level: level + (0.0, 1.5, -1.0, 0.5, -2.0, 1.0, 2.5, -0.5)[k * k % 8],
    "spikes": lambda k, level: level + (40.0 if k % 7 == 3 else k % 2),
    "gap": lambda k, level: math.nan if k % 2 else level,
}
_segment = st.tuples(
    st.integers(0, SENSORS - 1),
    st.sampled_from(sorted(SHAPES)),
    st.integers(1, 14),
    st.integers(-60, 60).map(float),
    st.sampled_from((1.0, 1.0, 0.5, 0.25, 4.0, 0.0, -2.0, 30.0)),  # s between readings: repeats and steps back, too
)


def _rows(segments: Iterable[tuple[int, str, int, float, float]]) -> list[Row]:
    latest = [START] * SENSORS
    rows = []
    for sensor, shape, length, level, step in segments:
        ts = latest[sensor]
        for k in range(length):
            ts += round(step * NS)
            rows.append((sensor, ts, SHAPES[shape](k, level)))
        latest[sensor] = max(latest[sensor], ts)
    return rows


#: Rows in the order of their arrival.
streams = st.lists(_segment, max_size=14).map(_rows)
#: Rows in the order of event time, no (sensor, time) twice.
ordered_streams = streams.map(lambda rows: sorted({row[:2]: row for row in rows}.values(), key=lambda row: row[1]))

extremes = st.lists(
    st.tuples(
        st.integers(0, SENSORS - 1),
        st.integers(1, 2**62),
        st.one_of(
            st.floats(),
            st.sampled_from(
                (1e308, -1e308, 1.7976931348623157e308, 5e-324, -0.0, math.nan, math.inf, -math.inf, 1e150)
            ),
        ),
    ),
    max_size=60,
).map(lambda rows: sorted(rows, key=lambda row: row[1]))


def make(name: str, params: Mapping[str, Any]) -> Detector:
    return registry.build(name, params, LOW, HIGH, RATE, "u")


def run(detector: Detector, rows: Sequence[Row], slot_of: np.ndarray = SLOT_OF) -> Marks:
    """Feed rows in one call. The room after the two marks a row must stay untouched."""
    out = np.zeros(2 * len(rows) + 8, MARK)
    out.view(np.uint8)[:] = 0xAB
    guard = out.view(np.uint8).tobytes()
    n = detector.rows(
        slot_of,
        np.array([row[0] for row in rows], np.int32),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
        out,
    )
    assert 0 <= n <= 2 * len(rows)
    assert out.view(np.uint8).tobytes()[n * MARK.itemsize :] == guard[n * MARK.itemsize :], (
        "written beyond the marks that were returned"
    )
    return tidy(out[:n])


def plain(records: np.ndarray) -> dict[str, Any]:
    """Every field, bit for bit; the bytes between fields mean nothing, and copies need not keep them."""
    found = ((name, records[name]) for name in records.dtype.names or ())
    return {name: plain(column) if column.dtype.names else column.tobytes() for name, column in found}


def advance(detector: Detector, now: int) -> Marks:
    out = np.zeros(2 * SLOTS, MARK)
    return tidy(out[: detector.advance(now, out)])


def tidy(marks: Marks) -> Marks:
    """A copy whose padding is zero, so that bytes can be compared."""
    copy = np.zeros(len(marks), MARK)
    for field in MARK.names or ():
        copy[field] = marks[field]
    return copy


def as_tuples(marks: Marks) -> list[Mark]:
    return [Mark(*mark) for mark in marks.tolist()]


def find(
    name: str,
    values: Iterable[float],
    *,
    step: float = 1.0,
    rate: float = 1.0,
    low: float = -math.inf,
    high: float = math.inf,
    at: Iterable[float] | None = None,
    **params: Any,
) -> list[Mark]:
    """What a detector finds in one sensor's readings, `step` s apart, or `at` so many s; marks are in s, too."""
    x = np.array(list(values), np.float64)
    seconds = np.arange(1, len(x) + 1) * step if at is None else np.array(list(at))
    ts = START + np.round(seconds * NS).astype(np.int64)
    detector = registry.build(name, params, np.array([low]), np.array([high]), np.array([rate]), "u")
    out = np.zeros(2 * len(x), MARK)
    n = detector.rows(np.zeros(1, np.int32), np.zeros(len(x), np.int32), ts, x, out)
    marks: list[Any] = [Mark(*mark) for mark in out[:n].tolist()]
    return [mark._replace(ts=(mark.ts - START) / NS, onset=(mark.onset - START) / NS) for mark in marks]
