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


@given(readings, st.lists(st.integers(0, 3), min_size=20, max_size=20), st.integers(0, 20))
def test_the_first_of_a_time_counts(rows: list[tuple[int, float]], times: list[int], cut: int) -> None:
    """Also where it cannot be, however the rows are cut into frames, and from a snapshot."""
    sensor, value = np.array([s for s, _ in rows], np.int32), np.array([x for _, x in rows], np.float64)
    ts = np.array(times[: len(rows)], np.int64)
    alone, refused = Plausible(LOW, HIGH).of(sensor, value), dict[int, int]()
    wanted = alone.copy()
    for i, (s, at) in enumerate(zip(sensor.tolist(), ts.tolist(), strict=True)):
        if np.isnan(alone[i]):
            refused[s] = at
        elif refused.get(s) == at:
            wanted[i] = np.nan
    before, after = Plausible(LOW, HIGH), Plausible(LOW, HIGH)
    early = before.of_first(sensor[:cut], ts[:cut], value[:cut])
    after.restore(before.snapshot())
    found = np.concatenate([early, after.of_first(sensor[cut:], ts[cut:], value[cut:])])
    np.testing.assert_array_equal(found, wanted)


def test_nothing_is_copied_where_all_can_be() -> None:
    """That is nearly always, and on the way of every reading."""
    value = np.ones(3)
    assert Plausible(LOW, HIGH).of(np.zeros(3, np.int32), value) is value
    assert Plausible(LOW, HIGH).of_first(np.zeros(3, np.int32), np.arange(3), value) is value
