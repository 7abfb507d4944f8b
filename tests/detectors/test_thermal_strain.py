"""A simulated bridge over eight days, the fourth of them hot: settlements are found, heat is not."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import registry
from detectors.contract import MARK, ONSET, Reason
from domain.records import Floats

MINUTES = np.arange(8 * 1440)
DAY = 1440
SHIFT = {"shift": [6.0, 12.0, 24.0], "step": "1 min", "stays": "12 min"}


def bridge(settles: float = 0.0, begins: float = 0.0, takes: float = 1.0, sun: float = 0.0) -> Floats:
    """A thermometer in degC and four gauges in um/m; the third settles from minute `begins` on.

    The steel follows the air with 90 min of delay, and part of each gauge's response comes at once. Vehicles pass.
    """
    rng = np.random.default_rng(3)
    hours = MINUTES / 60
    swing = np.where(MINUTES // DAY == 3, 10.0, 5.0)
    air = 12 + swing * np.sin(2 * np.pi * (hours - 9) / 24) + 1.5 * np.sin(2 * np.pi * hours / 50)
    steel = air.copy()
    for i in range(1, len(air)):
        steel[i] = steel[i - 1] + (air[i] - steel[i - 1]) / 90
    flank = sun * np.clip(np.sin(2 * np.pi * (hours - 8) / 24), 0, None)
    x = np.empty((len(air), 5))
    x[:, 0] = air + rng.normal(0, 0.1, len(air))
    for k in range(1, 5):
        vehicles = 8 * (rng.random(len(air)) < 0.15) * rng.random(len(air))
        x[:, k] = (5 + k) * steel + 2 * air + flank + vehicles + rng.normal(0, 0.6, len(air))
    x[:, 3] += settles * np.clip((MINUTES - begins) / takes, 0, 1)
    return x


def find(x: Floats, **params: object) -> list[tuple[int, int, int, int, float]]:
    """Marks as slot, phase, grade, reason and minute."""
    rows, sensors = x.shape
    free, slots = np.full(sensors, np.inf), np.arange(sensors, dtype=np.int32)
    group = np.zeros(sensors, np.int32)
    detector = registry.build("thermal_strain", SHIFT | params, -free, free, np.ones(sensors), "um/m", group)
    minute = 60_000_000_000
    start = 29_400_000 * minute
    out = np.zeros(2 * x.size, MARK)
    times = np.tile(start + MINUTES * minute, sensors)
    n = detector.rows(slots, np.repeat(slots, rows), times, np.ascontiguousarray(x.T.ravel()), out)
    return [
        (int(m["slot"]), int(m["phase"]), int(m["grade"]), int(m["reason"]), (int(m["ts"]) - start) / minute)
        for m in out[:n]
    ]


@pytest.mark.parametrize("sun", [0.0, 8.0])
def test_heat_is_no_shift(sun) -> None:
    """146 um/m from the coldest to the hottest, twice the swing on the fourth day, and sun that no thermometer sees."""
    assert find(bridge(sun=sun)) == []


def test_a_settlement_is_found_within_minutes_on_a_hot_day_too() -> None:
    """15 um/m in ten minutes, down: the gauge that feels it, 12 minutes later."""
    for begins in (3.4 * DAY, 5.3 * DAY):
        slot, phase, _, reason, minute = find(bridge(-15.0, begins, 10.0))[0]
        assert (slot, phase, reason) == (3, ONSET, Reason.FALL)
        assert 12 <= minute - begins <= 24


def test_a_settlement_may_take_a_day() -> None:
    """15 um/m in 24 h: a tenth of what the temperature does in that time, and quicker than `memory` forgets."""
    slot, phase, grade, reason, minute = find(bridge(15.0, 4.6 * DAY, DAY))[0]
    assert (slot, phase, grade, reason) == (3, ONSET, 1, Reason.RISE)
    assert minute < 5.6 * DAY


def test_without_its_thermometer_the_gauges_are_not_understood() -> None:
    """The same bridge, gauges alone: heat makes their residuals so large that the settlement is lost in them."""
    assert find(bridge(-15.0, 5.3 * DAY, 10.0)[:, 1:], thermometer=0) == []


def test_nothing_is_judged_without_the_temperature() -> None:
    """The thermometer is silent for three hours of warming."""
    x = bridge()
    x[6 * DAY : 6 * DAY + 180, 0] = np.nan
    assert find(x) == []
