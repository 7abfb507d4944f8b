"""Sensor faults by hand: stuck, spike, drop-out and out of range."""

from __future__ import annotations

import numpy as np

from detectors import registry
from detectors.contract import END, ONSET, Reason
from domain.findings import Verdict
from tests.detectors.naive import NS
from tests.detectors.streams import START, advance, find, make, run

NOISE = np.random.default_rng(7).normal(0, 1, 3000)


def test_they_are_faults() -> None:
    """A faulty sensor is not an event in the city."""
    for name in ("stuck", "spike", "drop_out", "out_of_range"):
        assert registry.get(name).verdict is Verdict.FAULT


def test_stuck_counts_from_the_first_repeat_and_ends_with_a_change() -> None:
    """Ten seconds and five readings: known at the reading that completes both."""
    onset, end = find("stuck", [*range(5), *[7] * 20, 8], duration="10 s", readings=5)
    assert (onset.phase, onset.onset, onset.ts, onset.reason) == (ONSET, 6, 16, Reason.STUCK)
    assert (end.phase, end.ts, end.score) == (END, 26, 20)


def test_a_slow_quantised_sensor_is_not_stuck() -> None:
    """Level in steps of 0.1, one reading a minute: it repeats values for half an hour, but not for 60 readings."""
    level = np.round(np.sin(np.arange(3000) / 400) + 0.05 * NOISE, 1)
    assert find("stuck", level, step=60, duration="30 min", readings=60) == []


def test_a_few_readings_do_not_make_a_stuck_sensor_however_long_they_take() -> None:
    """Three equal readings a day apart are too few."""
    assert find("stuck", [4, 4, 4], step=86_400, readings=5) == []


def test_rest_is_no_fault() -> None:
    """No rain for a day is weather; the same reading of 3 for a day is not."""
    assert find("stuck", [0] * 2000, resting="0 u") == []
    assert len(find("stuck", [3] * 2000, resting="0 u")) == 1


def test_stuck_within_a_tolerance() -> None:
    """The last bit may flicker; a creep is not a repeat."""
    assert len(find("stuck", [1, 1.1] * 1000, tolerance="0.2 u")) == 1
    assert find("stuck", np.arange(3000) * 0.02, tolerance="0.2 u") == []


def test_a_spike_is_known_when_the_next_reading_is_back() -> None:
    """The onset is the spike itself; the fault ends after a minute without another."""
    x = NOISE[:300].copy()
    x[[200, 210]] = (40, -40)
    onset, end = find("spike", x, size="5 u", times=10.0)
    assert (onset.onset, onset.ts, onset.value) == (201, 202, 40)
    assert (end.phase, end.ts) == (END, 272)


def test_steps_and_slow_peaks_are_no_spikes() -> None:
    """What stays for two readings is for other detectors to judge."""
    step = np.concatenate([NOISE[:200], NOISE[200:400] + 40])
    peak = NOISE[:400].copy()
    peak[200:202] = 40
    assert find("spike", step, size="5 u", times=10.0) == []
    assert find("spike", peak, size="5 u", times=10.0) == []


def test_noise_is_no_spike() -> None:
    """The bound follows the noise: what is a jump on a quiet sensor is not one on a noisy sensor."""
    assert find("spike", NOISE * 10, size="5 u") == []


def test_drop_out_begins_at_its_deadline_whoever_notices() -> None:
    """By the next reading or by time that passes, the mark is the same."""
    rows = [(2, START + k * NS, 1.0) for k in (0, 1, 2)]
    deadline = START + 12 * NS
    by_time, by_row = make("drop_out", {}), make("drop_out", {})
    run(by_time, rows)
    run(by_row, rows)
    assert len(advance(by_time, deadline - 1)) == 0
    (noticed,) = advance(by_time, deadline).tolist()
    assert len(advance(by_time, deadline + NS)) == 0
    later = [(2, deadline + 5 * NS, 1.0)]
    first, end = run(by_row, later).tolist()
    assert first == noticed
    assert run(by_time, later).tolist() == [end]
    assert (first[4], first[5]) == (deadline, START + 2 * NS)


def test_drop_out_knows_each_sensors_own_rate() -> None:
    """Ten intervals are 10 s at 1 Hz and 5 s at 2 Hz; a sensor that never reported says nothing."""
    detector = make("drop_out", {})
    run(detector, [(2, START, 1.0), (3, START, 1.0)])
    marks = advance(detector, START + 100 * NS)
    assert [(mark["slot"], (mark["ts"] - START) / NS) for mark in marks] == [(0, 10.0), (1, 5.0)]


def test_at_least_covers_the_pauses_of_fast_sensors() -> None:
    """At 100 Hz ten intervals are 0.1 s: shorter than any transport's pause."""
    assert find("drop_out", [1, 1], step=2, rate=100.0, at_least="10 s") == []
    assert len(find("drop_out", [1, 1], step=2, rate=100.0)) == 2


def test_out_of_range() -> None:
    """The bounds themselves are within; the threshold of a mark is the bound that was passed."""
    marks = find("out_of_range", [0, 100, 100.1, 99, -0.1, 5], low=0, high=100)
    assert [(mark.phase, mark.ts, mark.threshold) for mark in marks] == [
        (ONSET, 3, 100),
        (END, 4, 100),
        (ONSET, 5, 0),
        (END, 6, 0),
    ]
    assert find("out_of_range", [-0.1, 100.1], low=0, high=100, margin="1 u") == []
    assert len(find("out_of_range", [101, 5, 101, 5, 5, 5], low=0, high=100, quiet="2 s")) == 2


def test_without_a_range_nothing_is_out_of_it() -> None:
    """Most city files leave some ranges open."""
    assert find("out_of_range", [1e308, -1e308]) == []
