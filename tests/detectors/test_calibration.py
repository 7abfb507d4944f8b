"""Faults put into clean recordings: the sensor, the reason, the delay, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.csv as pa_csv
import pytest

from detectors import registry
from detectors.contract import END, MARK, ONSET, Detector, Reason
from domain.findings import Verdict

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
STEP = 300_000_000_000
START = 1_764_000_000_000_000_000
HANOI = {"step": "30 min", "window": "12 h", "learn": "30 d", "memory": "60 d", "patience": "2 d", "relearn": "30 d"}

Series = npt.NDArray[np.float64]


def make(sensors: int, **params: object) -> Detector:
    free = np.full(sensors, np.inf)
    return registry.build("calibration", params, -free, free, np.ones(sensors), "m", np.zeros(sensors, np.int32))


def play(detector: Detector, ts: npt.NDArray[np.int64], x: Series) -> list[tuple[int, int, int, float]]:
    """Feed columns side by side; marks as slot, phase, reason, hours since the first row."""
    rows, sensors = x.shape
    slots = np.arange(sensors, dtype=np.int32)
    out = np.zeros(2 * x.size, MARK)
    n = detector.rows(slots, np.repeat(slots, rows), np.tile(ts, sensors), np.ascontiguousarray(x.T.ravel()), out)
    return [(int(m["slot"]), int(m["phase"]), int(m["reason"]), (int(m["ts"]) - int(ts[0])) / HOUR) for m in out[:n]]


def network(days: int, sensors: int = 6) -> tuple[npt.NDArray[np.int64], Series]:
    """Pressures that share a daily rhythm and a slow one, each with noise of its own."""
    rng = np.random.default_rng(7)
    k = np.arange(days * 288)
    common = np.sin(2 * np.pi * k / 288) + 0.5 * np.sin(2 * np.pi * k / 97 + 1)
    share = np.linspace(1, 2, sensors)
    return START + k * STEP, 40 + np.outer(common, share) + rng.normal(0, 0.1, (len(k), sensors))


def test_they_are_faults() -> None:
    """A sensor that alone reads otherwise is not an event in the city."""
    assert registry.get("calibration").verdict is Verdict.FAULT


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        (Reason.OFFSET, lambda x: x + 0.8),
        (Reason.OFFSET, lambda x: x - 3.0),
        (Reason.GAIN, lambda x: 40 + 1.5 * (x - 40)),
        (Reason.GAIN, lambda x: 40 + 0.4 * (x - 40)),
        (Reason.CLOCK, lambda x: np.roll(x, 12)),
        (Reason.CLOCK, lambda x: np.roll(x, -12)),
    ],
)
def test_each_fault_is_told_from_the_others_and_ends(reason, fault) -> None:
    """From day 10 to day 12 in the fourth of six sensors: known within a day, over some hours after it is."""
    ts, x = network(16)
    wrong = x.copy()
    wrong[2880 : 12 * 288, 3] = fault(x[:, 3])[2880 : 12 * 288]
    onset, end = play(make(6), ts, wrong)
    assert onset[:3] == (3, ONSET, reason)
    assert 240 < onset[3] < 264
    assert end[:3] == (3, END, reason)
    assert 288 < end[3] < 312


def test_what_several_sensors_feel_is_no_fault() -> None:
    """A leak: three of six pressures fall, the nearest the most."""
    ts, x = network(16)
    x[2880:, 2:5] -= (0.5, 1.5, 0.8)
    assert play(make(6), ts, x) == []


def test_of_two_sensors_nobody_can_tell_which_is_wrong() -> None:
    """They part, and that is all there is to know."""
    ts, x = network(16, sensors=2)
    x[2880:, 1] += 0.8
    assert play(make(2), ts, x) == []


def test_noise_and_spikes_are_no_calibration() -> None:
    """They have detectors of their own."""
    ts, x = network(16)
    noisy = x.copy()
    noisy[2880:, 3] += np.random.default_rng(8).normal(0, 2, len(x) - 2880)
    assert play(make(6), ts, noisy) == []
    x[3000, 3] += 500
    assert play(make(6), ts, x) == []


def test_a_silent_neighbour_does_not_matter() -> None:
    """What the others make of it stands in: neither its end nor its return is a fault of anybody."""
    ts, x = network(16)
    x[2880:3500, 1] = np.nan
    assert play(make(6), ts, x) == []


@pytest.mark.skipif(not Path("../shared/data/leakdb_hanoi_regen").exists(), reason="the recordings are not here")
def test_faults_put_into_a_recording(root: Path) -> None:
    """Hanoi, scenario 1, a year without leaks: every fault in any of three sensors, and none in the year as it is."""
    table = pa_csv.read_csv(root / "../shared/data/leakdb_hanoi_regen/Hanoi_Scenario-1.csv.gz")
    ts = table["Timestamp"].to_numpy().astype("datetime64[ns]").astype(np.int64)
    x = np.column_stack([table[name].to_numpy() for name in table.column_names[1:-1]])
    assert play(make(8, **HANOI), ts, x) == []
    first, last = 150 * 48, 160 * 48
    before = make(8, **HANOI)
    play(before, ts[:first], x[:first])
    spread = x[:first].std(axis=0)
    faults = (
        (Reason.OFFSET, lambda k: x[:, k] + spread[k]),
        (Reason.OFFSET, lambda k: x[:, k] - 2 * spread[k]),
        (Reason.GAIN, lambda k: 0.7 * x[:, k]),
        (Reason.CLOCK, lambda k: np.roll(x[:, k], 6)),
        (Reason.CLOCK, lambda k: np.roll(x[:, k], -12)),
    )
    for k in (1, 4, 7):
        for reason, fault in faults:
            wrong = x.copy()
            wrong[:, k] = fault(k)
            detector = make(8, **HANOI)
            detector.restore(before.snapshot())
            found = play(detector, ts[first:last], wrong[first:last])
            assert [mark[:3] for mark in found] == [(k, ONSET, reason)]
            assert found[0][3] < 30
