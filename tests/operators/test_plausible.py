"""Readings that cannot be."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from operators.plausible import Plausible

LOW, HIGH = np.array([0.0, -5.0, -np.inf, 0.0]), np.array([100.0, 5.0, np.inf, np.inf])

readings = st.lists(st.tuples(st.integers(0, 3), st.one_of(st.floats(-2000, 2000), st.just(np.nan))), max_size=20)


@given(readings)
def test_only_what_is_far_outside_its_range_goes(rows: list[tuple[int, float]]) -> None:
    """A tenth of the range beyond it is still a reading; what was there before stays as it was."""
    sensor, value = np.array([s for s, _ in rows], np.int32), np.array([x for _, x in rows], np.float64)
    before = value.copy()
    found = Plausible(LOW, HIGH).of(sensor, value)
    np.testing.assert_array_equal(value, before)
    bounds = [(-10.0, 110.0), (-6.0, 6.0), (-np.inf, np.inf), (0.0, np.inf)]
    wanted = [x if bounds[s][0] <= x <= bounds[s][1] else np.nan for s, x in rows]
    np.testing.assert_array_equal(found, np.array(wanted, np.float64))


def test_nothing_is_copied_where_all_can_be() -> None:
    """That is nearly always, and on the way of every reading."""
    value = np.ones(3)
    assert Plausible(LOW, HIGH).of(np.zeros(3, np.int32), value) is value
