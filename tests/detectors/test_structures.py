"""Bridges by hand: what stays is told from what passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.contract import END, ONSET, Reason
from tests.detectors.streams import find

RNG = np.random.default_rng(11)
SECONDS = np.arange(3600)
NOISE = RNG.normal(0, 0.5, len(SECONDS))
SHIFT: dict[str, Any] = {"shift": ["6 u", "12 u", "24 u"]}


def test_a_shift_that_stays_is_graded_and_ends_when_it_comes_back() -> None:
    """14 u from second 1000 to 2200: known three minutes later, over three minutes after it is back."""
    x = NOISE + 14.0 * ((SECONDS >= 1000) & (SECONDS < 2200))
    marks = find("strain_shift", x, **SHIFT)
    assert [(mark.phase, mark.grade) for mark in marks] == [(ONSET, 2), (END, 0)]
    assert abs(marks[0].onset - 1000) <= 15
    assert 1180 <= marks[0].ts <= 1215
    assert 2380 <= marks[-1].ts <= 2415
    assert marks[0].reason == Reason.RISE


def test_vehicles_that_cross_and_stand_are_no_shift() -> None:
    """A pulse of 40 u every half minute, and a lorry that stands for two and a half minutes."""
    x = NOISE + 40.0 * (SECONDS % 30 == 7) + 10.0 * ((SECONDS > 1500) & (SECONDS < 1650))
    assert find("strain_shift", x, **SHIFT) == []


def test_warmth_is_no_shift() -> None:
    """A day's cycle of 40 u from trough to peak, at most 5 u an hour."""
    minutes = np.arange(3 * 1440)
    x = 20.0 * np.sin(2 * np.pi * minutes / 1440) + RNG.normal(0, 0.5, len(minutes))
    assert find("strain_shift", x, step=60.0, stays="12 min", **SHIFT) == []


def test_a_slow_settlement_is_found_downwards() -> None:
    """13 u in ten minutes is quicker than heat."""
    marks = find("strain_shift", NOISE - 13.0 * np.clip((SECONDS - 1200) / 600, 0, 1), **SHIFT)
    assert marks[0].reason == Reason.FALL
    assert marks[0].ts < 2000


def test_what_stays_for_a_day_is_the_new_normal() -> None:
    """Here for half an hour: the finding ends, and the next shift counts from the new level."""
    x = NOISE + 20.0 * (SECONDS >= 600)
    onset, end = find("strain_shift", x, relearn="30 min", **SHIFT)
    assert (onset.phase, end.phase) == (ONSET, END)
    assert 2395 <= end.ts <= 2425
