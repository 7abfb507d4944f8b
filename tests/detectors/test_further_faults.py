"""Noise bursts, drift and dead zeros, by hand."""

from __future__ import annotations

import numpy as np

from detectors import registry
from detectors.contract import END, ONSET, Reason
from domain.findings import Verdict
from tests.detectors.streams import find

RNG = np.random.default_rng(12)
NOISE = RNG.normal(0, 1, 3000)


def test_they_are_faults() -> None:
    """A sensor that scatters or creeps is not an event in the city."""
    assert all(registry.get(name).verdict is Verdict.FAULT for name in ("noise_burst", "drift"))


def test_a_noise_burst_has_a_beginning_and_an_end() -> None:
    """Seven times the usual noise for 100 readings."""
    x = NOISE.copy()
    x[1000:1100] *= 7
    onset, end = find("noise_burst", x)
    assert (onset.phase, onset.reason, end.phase) == (ONSET, Reason.NOISE, END)
    assert 1000 <= onset.onset <= onset.ts <= 1040
    assert 1100 <= end.ts <= 1150


def test_events_are_no_noise() -> None:
    """A step, a spike, a leak that swells and ebbs, and constant readings that begin to move by the resolution."""
    k = np.arange(3000)
    swell = 300 * (1 - np.exp(-np.clip(k - 1000, 0, 500) / 9)) * np.exp(-np.clip(k - 1500, 0, None) / 24)
    assert find("noise_burst", NOISE + swell) == []
    assert find("noise_burst", NOISE + 50 * (k >= 1000) + 80 * (k == 2000)) == []
    assert find("noise_burst", 0.01 * (k > 1000) * (k % 2), size="0.02 u") == []


def test_a_sensor_that_is_noisy_by_nature_is_not_faulty() -> None:
    """What is usual is learned."""
    assert find("noise_burst", 20 * NOISE) == []


def test_a_drift_is_straight_and_slow() -> None:
    """8 u in 800 s begin at 1000: known once the line is straight, over when it stops."""
    k = np.arange(3000)
    onset, end = find("drift", 0.1 * NOISE + 8 * np.clip((k - 1000) / 800, 0, 1), amount="4 u", window="8 min")
    assert (onset.phase, onset.reason, end.phase) == (ONSET, Reason.DRIFT, END)
    assert 1380 <= onset.ts <= 1560
    assert 880 <= onset.onset <= 1080
    assert 1800 <= end.ts <= 2200


def test_steps_swells_and_fast_ramps_are_no_drift() -> None:
    """They bend away from their line, or run faster than any instrument ages."""
    k = np.arange(3000)
    for shape in (8 * (k > 1000), 20 * -np.expm1(-np.clip(k - 1000, 0, None) / 90), 6 * np.sin(k / 60)):
        assert find("drift", 0.1 * NOISE + shape, amount="4 u", window="8 min") == []
    assert find("drift", 0.1 * NOISE + 0.05 * k, amount="4 u", window="8 min", fastest="1 u/min") == []


def test_a_pressure_of_nothing_is_a_dead_sensor() -> None:
    """After 1,000 readings that were never zero: known after ten zeros and 30 s, over at the first that is not."""
    onset, end = find("stuck_at_zero", [*(30 + NOISE[:1000]), *[0.0] * 60, 30.0], tolerance="0.01 u")
    assert (onset.phase, onset.reason, onset.onset, onset.ts) == (ONSET, Reason.STUCK_AT_ZERO, 1001, 1031)
    assert (end.phase, end.ts) == (END, 1061)


def test_what_rests_at_zero_is_not_dead() -> None:
    """Rain comes and goes; a sensor that has been dead from the start is not known to be."""
    rain = np.clip(10 * np.sin(np.arange(5000) / 200), 0, None)
    assert find("stuck_at_zero", rain, tolerance="0.01 u") == []
    assert find("stuck_at_zero", np.zeros(5000), tolerance="0.01 u") == []
