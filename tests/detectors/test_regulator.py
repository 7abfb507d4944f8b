"""Outlet pressures by hand, in kPa-like units: a set point of 2.5 and a band from 2 to 3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors import registry
from detectors.contract import END, MARK, ONSET, Reason
from domain.errors import ConfigError
from tests.detectors.naive import NS, Mark
from tests.detectors.streams import START

PARAMS: dict[str, Any] = {"low": "2 u", "high": "3 u", "hysteresis": "0.05 u", "drift": "0.15 u"}


def outlet(days: int) -> np.ndarray:
    """A reading a minute: the daily swing of the load, and noise."""
    t = np.arange(days * 1440)
    return 2.5 + 0.05 * np.sin(2 * np.pi * t / 1440) + np.random.default_rng(1).normal(0, 0.02, len(t))


def find(values: np.ndarray, at: np.ndarray | None = None, **params: Any) -> list[Mark]:
    """Marks of a sensor read once a minute, or `at` so many s; times in s. (`streams.find` has other `low`, `high`.)"""
    seconds = np.arange(1, len(values) + 1) * 60.0 if at is None else at
    one = np.ones(1)
    detector = registry.build("regulator", PARAMS | params, -one, one, one, "u")
    out = np.zeros(2 * len(values), MARK)
    ts = START + np.round(seconds * NS).astype(np.int64)
    n = detector.rows(np.zeros(1, np.int32), np.zeros(len(values), np.int32), ts, values, out)
    marks = [Mark(*mark) for mark in out[:n].tolist()]
    return [mark._replace(ts=(mark.ts - START) // NS, onset=(mark.onset - START) // NS) for mark in marks]


def test_quiet_weeks_find_nothing() -> None:
    """Neither the daily swing nor noise is drift."""
    assert find(outlet(28)) == []


@pytest.mark.parametrize(("shift", "reason"), [(0.8, Reason.RISE), (-0.8, Reason.FALL)])
def test_out_of_band_is_grave(shift: float, reason: Reason) -> None:
    """Ten minutes outside: known after a minute, over with the first reading inside."""
    x = outlet(3)
    x[3000:3010] += shift
    onset, end = find(x)
    assert (onset.phase, onset.grade, onset.reason) == (ONSET, 2, reason)
    assert (onset.onset, onset.ts) == (3001 * 60, 3002 * 60)
    assert (end.phase, end.ts) == (END, 3011 * 60)


def test_a_moment_outside_is_nothing() -> None:
    """A swing of one reading at a change of load."""
    x = outlet(3)
    x[3000] += 0.8
    assert find(x) == []


def test_creep_within_the_band_is_found() -> None:
    """0.1 a day from day 10 to 13: found while it is well inside the band, and normal after `accept`."""
    x = outlet(40)
    x += np.clip((np.arange(len(x)) - 14_400) / 1440, 0, 3) * 0.1
    onset, end = find(x, accept="10 d")
    assert (onset.grade, onset.reason) == (1, Reason.DRIFT)
    assert 10.5 < onset.ts / 86_400 < 13
    assert end.ts - onset.ts == pytest.approx(10 * 86_400, abs=120)


def test_a_gap_is_no_drift() -> None:
    """The first reading after two silent days may be at the edge of its noise; it moves the means little."""
    x = outlet(6)
    at = np.arange(1, len(x) + 1) * 60.0
    at[5000:] += 2 * 86_400
    x[5000] += 0.3
    assert find(x, at=at) == []


def test_a_band_must_be_wide_enough() -> None:
    """A band inside its own hysteresis could never be left."""
    one = np.ones(1)
    with pytest.raises(ConfigError, match="wider than twice"):
        registry.build("regulator", {"low": "2 u", "high": "2.1 u", "hysteresis": "0.1 u"}, -one, one, one, "u")
