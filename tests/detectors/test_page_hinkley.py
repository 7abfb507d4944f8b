"""Page-Hinkley against River's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import drift

from detectors.contract import END, ONSET
from tests.detectors.streams import find

values = st.lists(
    st.tuples(st.integers(1, 30), st.floats(-50, 50), st.sampled_from((0.0, 0.5, 3.0))), min_size=1, max_size=8
).map(
    lambda parts: np.concatenate(
        [level + width * np.random.default_rng(k).normal(size=n) for k, (n, level, width) in enumerate(parts)]
    )
)


@given(
    values,
    st.sampled_from(("both", "up", "down")),
    st.sampled_from((1, 2, 10, 30)),
    st.sampled_from((0.0, 0.005, 1.0)),
    st.sampled_from((1.0, 5.0, 50.0)),
    st.sampled_from((0.9999, 1.0, 0.9)),
)
def test_equals_river(x: np.ndarray, sides: str, readings: int, delta: float, threshold: float, alpha: float) -> None:
    """Changes are found at the very readings at which River finds them."""
    river = drift.PageHinkley(readings, delta, threshold, alpha, sides)
    expected = []
    for i, value in enumerate(x.tolist()):
        river.update(value)
        if river.drift_detected:
            expected.append(i + 1)
    params: dict[str, Any] = {"sides": sides, "readings": readings, "alpha": alpha}
    marks = find("page_hinkley", x, delta=f"{delta} u", threshold=f"{threshold} u", **params)
    assert [mark.ts for mark in marks if mark.phase == ONSET] == expected


@pytest.mark.parametrize("shift", [3.0, -3.0])
def test_a_shift_has_its_onset_where_it_began(shift: float) -> None:
    """The extreme of the sum estimates the change point."""
    x = np.random.default_rng(0).normal(0, 1, 1000) + np.where(np.arange(1000) >= 500, shift, 0)
    onset, end = find("page_hinkley", x, delta="0.5 u", threshold="30 u", hold="60 s")
    assert 500 < onset.ts < 525
    assert abs(onset.onset - 500) < 5
    assert (end.phase, end.ts) == (END, onset.ts + 60)
