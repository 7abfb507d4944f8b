"""Bursts by hand: a flow meter and three pressures of one asset."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import registry
from detectors.contract import END, MARK, ONSET, Reason
from tests.detectors.naive import NS, Mark


def quiet(seconds: int = 600) -> np.ndarray:
    """A flow of 100 and pressures of 40, with noise. Shape (4, seconds)."""
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 1, (4, seconds)) * np.array([[1.0], [0.1], [0.1], [0.1]])
    return np.asarray(np.array([[100.0], [40.0], [41.0], [42.0]]) + noise)


def find(readings: np.ndarray, **params: str) -> list[Mark]:
    """Marks, with times in s."""
    sensors, seconds = readings.shape
    one = np.ones(sensors)
    detector = registry.build("burst", {"flows": 1, **params}, -one, one, one, "m")
    slots = np.arange(sensors, dtype=np.int32)
    out = np.zeros(2 * readings.size, MARK)
    sensor, ts = np.repeat(slots, seconds), np.tile(np.arange(1, seconds + 1) * NS, sensors)
    n = detector.rows(slots, sensor, ts, readings.ravel(), out)
    n += detector.advance((seconds + 2) * NS, out[n:])
    marks = [Mark(*mark) for mark in out[:n].tolist()]
    return [mark._replace(ts=mark.ts // NS, onset=mark.onset // NS) for mark in marks]


def test_sensors_that_agree_raise_the_grade() -> None:
    """Three pressures one after another, then the flow: 1, 2, 3, 4, and one end after the repair."""
    x = quiet()
    x[0, 304:400] += 40
    for c, at in ((1, 300), (2, 301), (3, 302)):
        x[c, at:400] -= 8 - c
    marks = find(x)
    assert [mark.grade for mark in marks if mark.ts < 350] == [1, 2, 3, 4]
    assert (marks[0].slot, marks[0].onset, marks[0].ts, marks[0].reason) == (1, 301, 304, Reason.FALL)
    assert marks[0].score == pytest.approx(7, abs=0.5)
    assert marks[-1].phase == END
    assert 400 < marks[-1].ts < 405
    assert sum(mark.phase == ONSET for mark in marks) == 1


def test_drops_far_apart_do_not_agree() -> None:
    """Two pressures that drop two minutes apart have nothing to do with each other."""
    x = quiet()
    x[1, 300:500] -= 6
    x[2, 420:500] -= 6
    assert {mark.grade for mark in find(x)} == {0, 1}


def test_what_is_no_burst() -> None:
    """Noise, a flow alone, a blink of two readings, a rise of pressure, and a slow evening."""
    assert find(quiet()) == []
    flow, blink, rise, evening = quiet(), quiet(), quiet(), quiet()
    flow[0, 300:] += 60
    blink[1:, 300:302] -= 10
    rise[1:, 300:] += 10
    evening[1:] -= 0.03 * np.arange(600)
    for readings in (flow, blink, rise, evening):
        assert find(readings) == []


def test_a_new_level_is_accepted_in_the_end() -> None:
    """A valve that was moved for good is no burst for ever."""
    x = quiet()
    x[1, 200:] -= 6
    assert [mark.phase for mark in find(x, accept="2 min")] == [ONSET, END]
