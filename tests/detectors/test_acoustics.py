"""Leak noise by hand: a level every ten minutes."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.contract import END, ONSET
from tests.detectors.naive import Mark
from tests.detectors.streams import find

DAY = 144


def levels(days: int, seed: int = 1) -> np.ndarray:
    """Loud days with traffic, quiet nights at about 20 dB."""
    t = np.arange(days * DAY)
    rng = np.random.default_rng(seed)
    return 30 - 10 * np.cos(2 * np.pi * (t % DAY - 18) / DAY) + rng.gamma(2.0, 1.0, len(t))


def listen(x: np.ndarray, **params: Any) -> list[Mark]:
    return find("leak_noise", x, at=(-1_764_000_000) % 86_400 + 600.0 * np.arange(len(x)), rise="6 u", **params)


def day_of(seconds: float) -> int:
    return int((seconds - (-1_764_000_000) % 86_400) // 86_400)


def test_a_leak_is_found_in_its_third_night_and_ends_with_the_repair() -> None:
    """10 dB more from day 20 to day 29."""
    x = levels(40)
    x[20 * DAY : 30 * DAY] += 10
    onset, end = listen(x)
    assert (onset.phase, day_of(onset.onset), day_of(onset.ts)) == (ONSET, 20, 22)
    assert (end.phase, day_of(end.ts)) == (END, 30)


def test_two_noisy_nights_are_no_leak() -> None:
    """Rain, or works in the street."""
    x = levels(40)
    x[20 * DAY : 22 * DAY] += 10
    assert listen(x) == []


def test_noise_with_pauses_is_no_leak() -> None:
    """Traffic and draws, however loud, leave a quiet moment in the night."""
    x = levels(40)
    x[20 * DAY :] += 15 * (np.arange(20 * DAY) % 6 != 0)
    assert listen(x) == []


def test_quiet_months_find_nothing() -> None:
    """Half a year of nights that differ by chance only."""
    assert listen(levels(180)) == []


def test_what_stays_becomes_normal() -> None:
    """After `accept` the noise is the pipe's own."""
    x = levels(60)
    x[20 * DAY :] += 10
    assert [mark.phase for mark in listen(x, accept="14 d")] == [ONSET, END]
