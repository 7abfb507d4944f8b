"""Rates of rise by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors.contract import END, ONSET, Reason
from tests.detectors.streams import find

PARAMS: dict[str, Any] = {"rising": ["6 u/min"], "window": "80 s"}


def ramp(calm: int, rise: int, speed: float) -> np.ndarray:
    return np.concatenate([np.zeros(calm), speed * np.arange(1, rise + 1), np.full(calm, speed * rise)])


def test_a_ramp_is_found_and_ends() -> None:
    """0.2 u/s is over the 0.1 u/s asked for: found inside one window, over within a window after it stops."""
    onset, end = find("rate_of_rise", ramp(120, 100, 0.2), **PARAMS)
    assert (onset.phase, end.phase) == (ONSET, END)
    assert onset.reason == Reason.RISE
    assert 120 < onset.ts < 200
    assert 220 < end.ts < 300
    assert onset.baseline == 0


@pytest.mark.parametrize("speed", [0.09, -0.2])
def test_slower_ramps_and_falls_are_not_found(speed: float) -> None:
    """Under the speed asked for, or the other way round."""
    assert find("rate_of_rise", ramp(120, 100, speed), **PARAMS) == []


def test_noise_is_not_a_rise() -> None:
    """A tenth of the window's rise as noise stays quiet."""
    assert find("rate_of_rise", np.random.default_rng(1).normal(0, 0.8, 20_000), **PARAMS) == []


def test_the_score_is_the_speed_whatever_the_sampling() -> None:
    """A burst of readings in the middle of a ramp, and a gap, do not tilt the line."""
    t = np.concatenate([np.arange(0, 100, 1.0), np.arange(100, 104, 0.01), np.arange(130, 400, 5.0)])
    marks = find("rate_of_rise", 0.15 * t, at=t + 1, **PARAMS)
    assert len(marks) == 1
    assert marks[0].score == pytest.approx(0.15)


def test_low_values_do_not_count() -> None:
    """Below `above` a steep rise says nothing yet."""
    (mark,) = find("rate_of_rise", 0.2 * np.arange(200), above="15 u", **PARAMS)
    assert mark.value >= 15


def test_slow_sensors_need_half_a_window() -> None:
    """A reading every 20 s fills a window of 80 s with four: enough, once they span half of it."""
    (mark,) = find("rate_of_rise", [0, 4, 8, 12, 16], step=20, **PARAMS)
    assert mark.score == pytest.approx(0.2)
