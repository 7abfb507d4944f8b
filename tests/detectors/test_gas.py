"""Gathering gas by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors.contract import END, ONSET, Reason
from detectors.registry import build
from domain.errors import ConfigError
from tests.detectors.streams import find


def test_exposure_adds_up_and_ebbs() -> None:
    """5 above a floor of 2 is a mean excess of 3 at most: 1.5 is reached after half of the window."""
    x = np.concatenate([np.zeros(200), np.full(200, 5.0), np.zeros(200)])
    onset, end = find("accumulation", x, excess=["1.5 u"], floor="2 u", window="2 min")
    assert (onset.phase, onset.grade, onset.reason) == (ONSET, 1, Reason.EXPOSURE)
    assert 195 <= onset.onset <= 201
    assert 255 < onset.ts < 275
    assert end.phase == END
    assert 400 < end.ts < 500


def test_a_brief_peak_is_no_exposure() -> None:
    """What lasts a tenth of the window adds a tenth of its height."""
    x = np.concatenate([np.zeros(200), np.full(12, 10.0), np.zeros(200)])
    assert find("accumulation", x, excess=["1.5 u"], window="2 min") == []


def test_a_leak_that_was_told_is_no_exposure_once_it_has_gone() -> None:
    """Half a minute far above the threshold of another monitor, and a full window without any afterwards."""
    x = np.concatenate([np.zeros(200), np.full(30, 40.0), np.zeros(200)])
    assert len(find("accumulation", x, excess=["3 u"], floor="1 u", window="2 min")) == 2
    assert find("accumulation", x, excess=["3 u"], floor="1 u", cap="10 u", window="2 min") == []


def test_exposure_is_over_when_there_is_no_more() -> None:
    """The mean of a window stays high for long; a twelfth of it without gas tells that the gas has gone."""
    x = np.concatenate([np.zeros(200), np.full(110, 9.0), np.zeros(200)])
    onset, end = find("accumulation", x, excess=["1.5 u"], floor="1 u", window="2 min")
    assert onset.ts < 310 < end.ts <= 331


def test_a_climb_below_every_threshold_is_found() -> None:
    """0.05 u/s over two minutes is 5.5 between the first block and the last, however low it is."""
    x = np.concatenate([np.zeros(200), 0.05 * np.arange(200), np.full(300, 10.0)])
    x += np.random.default_rng(2).normal(0, 0.1, len(x))
    onset, end = find("accumulation", x, rise="4 u", window="2 min")
    assert (onset.grade, onset.reason) == (1, Reason.RISE)
    assert 280 < onset.ts < 330
    assert 400 < end.ts < 480


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_swings_do_not_climb(seed: int) -> None:
    """Noise of the size of the climb, and a swing that turns within the window, are not steady."""
    x = np.random.default_rng(seed).normal(0, 3.0, 3000) + 6 * np.sin(np.arange(3000) / 10)
    assert find("accumulation", x, rise="4 u", window="2 min") == []


def test_a_gap_does_not_close_what_was_found() -> None:
    """Silence proves nothing: the finding ends only once a whole window is low."""
    x = np.concatenate([np.full(100, 5.0), np.zeros(200)])
    at = np.concatenate([np.arange(1, 101), np.arange(500, 700)])
    marks = find("accumulation", x, at=at, excess=["1.5 u"], window="2 min")
    assert [mark.phase for mark in marks] == [ONSET, END]
    assert marks[1].ts > 600


def test_something_must_be_asked_for() -> None:
    """Without bounds there is nothing to find."""
    one = np.ones(1)
    with pytest.raises(ConfigError, match="expected bounds"):
        build("accumulation", {}, -one, one, one, "u")


DAY = 288  # steps of 5 min
BIOGAS: dict[str, Any] = {"level": "5 u", "fast": "3 u/h", "margin": "2 u"}


def sewer(days: int, seed: int = 1) -> np.ndarray:
    """Biogas that swells to 8 around noon, at most 1.6 an hour, each day a little differently."""
    rng = np.random.default_rng(seed)
    t = np.arange(days * DAY)
    height = np.repeat(rng.normal(1.0, 0.05, days), DAY)
    return 4 + height * -4 * np.cos(2 * np.pi * t / DAY) + rng.normal(0, 0.02, len(t))


def from_midnight(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and their times in s from the next midnight on, in the middle of each step."""
    return values, (-1_764_000_000) % 86_400 + 300.0 * np.arange(len(values)) + 150


def test_the_daily_rhythm_is_biogas() -> None:
    """Once three days are known, each day's swell is a notice and no leak."""
    x, at = from_midnight(sewer(20))
    late = [mark for mark in find("biogas", x, at=at, **BIOGAS) if mark.ts > at[5 * DAY]]
    assert {mark.grade for mark in late} == {0, 1}
    assert {mark.reason for mark in late} == {Reason.BIOGAS}
    assert sum(mark.phase == ONSET for mark in late) == 15


@pytest.mark.parametrize(("hour", "speed"), [(2, 4.0), (2, 1.0), (12, 6.0)])
def test_a_leak_is_off_the_rhythm_or_fast(hour: int, speed: float) -> None:
    """At night whatever its speed, and at noon when it comes fast; `speed` in u/h over three hours."""
    x = sewer(10)
    k = 8 * DAY + hour * 12
    x[k : k + 36] += speed / 12 * np.arange(36) + (5 if hour == 2 else 0)
    x, at = from_midnight(x)
    leaks = [m for m in find("biogas", x, at=at, **BIOGAS) if m.grade == 2 and m.ts > at[5 * DAY]]
    assert len(leaks) == 1
    assert leaks[0].reason == Reason.LEAK
    assert at[k] < leaks[0].ts < at[k + 24]


def test_without_a_known_rhythm_gas_is_a_leak() -> None:
    """In doubt for safety: on the first day nobody knows better."""
    x, at = from_midnight(sewer(1))
    assert find("biogas", x, at=at, **BIOGAS)[0].grade == 2


def test_little_gas_is_nothing() -> None:
    """Below `level` neither speed nor rhythm matters."""
    x, at = from_midnight(0.5 * sewer(10))
    assert find("biogas", x, at=at, **BIOGAS) == []
