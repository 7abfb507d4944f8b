"""CUSUM by hand."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.contract import END, ONSET, Reason
from tests.detectors.streams import find

NOISE = np.random.default_rng(5).normal(0, 1, 20_000)


def test_sums_by_hand() -> None:
    """With mean 0, sigma 1 and drift 0.5: 2, 2, 2 make 1.5, 3, 4.5; the third passes 4, since the first."""
    marks = find("cusum", [0, 2, 2, 2, 0, -4.2, 0], mean="0 u", sigma="1 u", limit=4.0)
    assert [(mark.phase, mark.ts, mark.onset, mark.score) for mark in marks] == [(ONSET, 4, 2, 4.5), (END, 6, 2, 0.0)]


@pytest.mark.parametrize(("shift", "reason"), [(1.5, Reason.RISE), (-1.5, Reason.FALL)])
def test_small_shifts_are_found_with_their_onset(shift: float, reason: Reason) -> None:
    """1.5 sigma hides in the noise of single readings; the sum finds it after some 12 / (1.5 - 0.5) readings."""
    x = NOISE[:3000] + np.where((np.arange(3000) >= 1000) & (np.arange(3000) < 2000), shift, 0)
    onset, end = find("cusum", x, warm_up=300)
    assert onset.reason == reason
    assert 1005 < onset.ts < 1035
    assert abs(onset.onset - 1000) < 10
    assert end.phase == END
    assert 2000 < end.ts < 2060


def test_noise_is_no_shift() -> None:
    """The default limit keeps false alarms half a million readings apart."""
    assert find("cusum", NOISE, warm_up=1000) == []


def test_a_spike_alone_is_no_shift() -> None:
    """One reading counts as at most `clip`, which is below the limit."""
    x = NOISE[:1000].copy()
    x[500] = 1e6
    assert find("cusum", x) == []


def test_a_lasting_shift_becomes_normal() -> None:
    """After `relearn` the reference is learned anew."""
    marks = find("cusum", NOISE[:5000] + np.where(np.arange(5000) >= 1000, 5, 0), relearn="20 min")
    assert [mark.phase for mark in marks] == [ONSET, END]
    assert marks[1].ts - marks[1].onset == 1200


def test_a_constant_is_learned_until_it_changes() -> None:
    """Without a spread there is no unit to count in; with a floor there is."""
    assert find("cusum", [1.0] * 500) == []
    assert find("cusum", [1.0] * 500 + [1.5] * 20, min_sigma="0.1 u")[0].ts == 503
