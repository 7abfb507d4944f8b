"""Readings thinned out to what a screen shows."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from domain.traces import POINTS, thinned

VALUES = st.lists(st.floats(allow_infinity=True, allow_nan=True, width=32), max_size=700)


@given(VALUES, st.integers(4, POINTS))
def test_few_and_with_every_extreme(values: list[float], points: int) -> None:
    """At most so many, in order, some of what was there, with its ends, its least and its greatest."""
    ts, some = thinned(range(len(values)), values, points)
    assert len(ts) == len(some) <= max(points, 0)
    assert ts == sorted(set(ts))
    assert all(values[at] is value for at, value in zip(ts, some, strict=True))
    if values:
        assert (ts[0], ts[-1]) == (0, len(values) - 1)
    if known := [value for value in values if not math.isnan(value)]:
        assert {min(known), max(known)} <= set(some)


def test_what_is_short_stays_as_it_is() -> None:
    """Nothing is left out without need."""
    assert thinned([3, 5], [1.0, 2.0]) == ([3, 5], [1.0, 2.0])
