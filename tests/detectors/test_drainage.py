"""Drains and septic tanks by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors import registry
from detectors.contract import MARK, ONSET, Reason
from tests.detectors.naive import NS, Mark
from tests.detectors.naive_groups import GroupOracle
from tests.detectors.streams import START, find

NOISE = np.random.default_rng(11).normal(0, 1, 60_000)


def together(name: str, *sensors: Any, every: float = 60.0, **params: Any) -> list[Mark]:
    """What a detector finds in the sensors of one asset, read `every` s; times are in readings."""
    values = np.column_stack(sensors)
    rows, places = values.shape
    begin = START - START % (7 * 86_400 * NS)
    one = np.ones(places)
    detector = registry.build(name, params, -one, one, one / every, "u", np.zeros(places, np.int32))
    width = round(every * NS)
    sensor = np.repeat(np.arange(places, dtype=np.int32), rows)
    ts = np.tile(begin + width * np.arange(rows), places)
    out = np.zeros(2 * values.size, MARK)
    slots = np.arange(places, dtype=np.int32)
    n = detector.rows(slots, sensor, ts, values.T.ravel(), out)
    marks: list[Any] = [Mark(*mark) for mark in out[:n].tolist()]
    return [mark._replace(ts=(mark.ts - begin) / width, onset=(mark.onset - begin) / width) for mark in marks]


def test_an_overflow_is_forecast_in_good_time() -> None:
    """1 cm a minute towards 2 m: known 30 min ahead, then 15 and 5, each no later than a block (75 s) after."""
    level = np.concatenate([np.full(60, 1.0), 1.0 + 0.01 * np.arange(1, 100)]) + 0.001 * NOISE[:159]
    marks = find("overflow_forecast", level, step=60, rate=1 / 60, crest="2 u")
    assert [mark.grade for mark in marks] == [1, 2, 3]
    for mark, left in zip(marks, (30, 15, 5), strict=True):
        overflow = (60 + 100) * 60
        assert left - 2.5 <= (overflow - mark.ts) / 60 <= left + 2.5


def test_a_wild_reading_is_no_overflow() -> None:
    """One block in eight, however far off, does not turn the line; nor do the noise of a still level and its ebb."""
    still = np.full(300, 1.0) + 0.002 * NOISE[:300]
    wild = still.copy()
    wild[150] = 1.9
    ebb = np.linspace(1.9, 1.0, 300)
    for level in (still, wild, ebb):
        assert find("overflow_forecast", level, step=60, crest="2 u", rise="0.02 u") == []


def test_a_rise_that_stops_ends_the_forecast() -> None:
    """The level comes to rest 20 cm below the crest: what was said is taken back."""
    level = np.concatenate([np.linspace(1.0, 1.8, 40), np.full(60, 1.8)])
    marks = find("overflow_forecast", level, step=60, crest="2 u")
    assert marks[0].phase == ONSET
    assert marks[-1].grade == 0


def _storms(days: int) -> tuple[np.ndarray, np.ndarray]:
    """Rain in mm/h and the level of a drain in m, a minute apart: a shower of 40 min twice a day, 0.5 to 4 mm/h."""
    minutes = np.arange(days * 1440)
    rain = np.where(minutes % 720 < 40, 0.5 + (minutes // 720 * 7 % 8) / 2, 0.0)
    level, stored = np.empty(len(rain)), 0.0
    for k, x in enumerate(rain):
        stored += 0.004 * x - stored / 60
        level[k] = 0.4 + stored
    return rain, level + 0.002 * NOISE[: len(rain)]


def test_rain_explains_a_rise() -> None:
    """Ten days of showers, which lift the level by up to 16 mm/min: beyond `rise`, but as the rain has it."""
    rain, level = _storms(10)
    assert together("level_rise", level, rain) == []
    assert together("level_rise", level)  # without the gauge they are rises like any others


def test_a_rise_that_no_rain_explains_is_found() -> None:
    """Backwater of 3 cm/min for an hour, dry or in a shower: found within ten minutes, over soon after it."""
    rain, level = _storms(10)
    for begin in (9 * 1440 + 400, 9 * 1440 + 725):
        flooded = level.copy()
        flooded[begin:] += 0.03 * np.minimum(np.arange(len(level) - begin), 60)
        marks = together("level_rise", flooded, rain)
        assert begin <= marks[0].onset <= marks[0].ts <= begin + 10
        assert marks[0].slot == 0
        assert marks[-1].grade == 0
        assert marks[-1].ts <= begin + 75


@pytest.mark.parametrize(
    ("name", "params"),
    [
        (
            "blockage",
            {"rise": [0.51234, 1.51234], "z": 1.01234, "learn": 20, "horizon": 100, "trace": 1.51234, "dry": "9 min"}
            | {"step": "1 min", "memory": "2 min"},
        ),
        (
            "illicit_discharge",
            {"rise": [0.51234, 2.51234], "z": 0.51234, "period": "5 h", "step": "1 min", "hold": "3 min", "learn": 4}
            | {"rain": 3, "trace": 2.51234, "dry": "9 min"},
        ),
        (
            "septic",
            {"rising": [4.01234, 9.01234], "moderate": 1.01234, "filling": 5.01234, "warming": 9.01234}
            | {"memory": "3 min", "at_least": "5 min", "hysteresis": 0.51234},
        ),
        ("level_rise", {"rise": [0.051234], "rain": 3, "learn": 20, "trace": 1.01234, "response": "3 min"}),
    ],
)
def test_three_sensors_that_differ_are_judged_as_by_the_oracle(name: str, params: dict[str, Any]) -> None:
    """The suite's streams are much alike within an asset; these share a part and go their own ways besides."""
    steps = np.cumsum(NOISE[:9000].reshape(3, 3000), axis=1)
    sensors = [x + 0.5 * NOISE[3000:6000] for x in 0.2 * steps]
    found = together(name, *sensors, **params)
    kind = next(oracle for oracle in GroupOracle.__subclasses__() if oracle.name == name)
    oracle: GroupOracle = kind([0, 1, 2], registry.get(name).Params(**params))
    begin = START - START % (7 * 86_400 * NS)
    rows = [(s, begin + 60 * NS * k, float(x)) for s, values in enumerate(sensors) for k, x in enumerate(values)]
    expected: list[Any] = list(oracle.find(rows, begin + 60 * NS * 2999))
    assert len(expected) > 10
    assert [mark[:4] for mark in found] == [mark[:4] for mark in expected]
    np.testing.assert_allclose([mark[6:] for mark in found], [mark[6:] for mark in expected], rtol=1e-7, atol=1e-7)


def _sewer(days: int) -> tuple[np.ndarray, np.ndarray]:
    """Level in m and flow in m3/h of a sewer, every five minutes, with its daily rhythm and some noise."""
    steps = np.arange(days * 288)
    flow = 60 + 40 * np.sin(2 * np.pi * steps / 288) + 2 * NOISE[: len(steps)]
    return 0.2 + 0.004 * flow + 0.005 * NOISE[20_000 : 20_000 + len(steps)], flow


def test_a_blockage_is_found_and_its_end() -> None:
    """Water backs up by 25 cm in two hours while the flow falls by half: found before 15 cm more, over once cleared."""
    level, flow = _sewer(10)
    begin, end = 8 * 288 + 100, 8 * 288 + 220
    level[begin:end] += 0.25 * np.minimum(np.arange(end - begin) / 24, 1)
    flow[begin:end] *= 0.5
    onset, over = (mark for mark in together("blockage", level, flow, every=300) if mark.grade != 2 and mark.phase != 1)
    assert begin <= onset.onset <= begin + 15
    assert onset.reason == Reason.RELATION
    assert end <= over.ts <= end + 12


def test_more_flow_and_rain_are_no_blockage() -> None:
    """A discharge lifts level and flow; a shower lifts the level, and the day after it is dry again."""
    level, flow = _sewer(10)
    rain = np.zeros(len(level))
    assert together("blockage", level, flow, rain, every=300) == []
    at = slice(8 * 288, 8 * 288 + 20)
    flow[at] += 60
    level[at] += 0.004 * 60
    assert together("blockage", level, flow, rain, every=300) == []
    at = slice(9 * 288, 9 * 288 + 40)
    level[at] += 0.3
    assert together("blockage", level, flow, rain, every=300) != []
    rain[at] = 3.0
    assert together("blockage", level, flow, rain, every=300) == []


def test_a_discharge_at_night_is_found() -> None:
    """25 m3/h for two hours at the quietest time: after 20 minutes, and over with it; in rain it is the rain."""
    steps = np.arange(28 * 144)
    flow = 60 + 40 * np.sin(2 * np.pi * steps / 144) + 2 * NOISE[: len(steps)]
    rain = np.zeros(len(steps))
    assert together("illicit_discharge", flow, rain, every=600) == []
    begin = 24 * 144 + 102
    flow[begin : begin + 12] += 25
    marks = together("illicit_discharge", flow, rain, every=600)
    assert marks[0].onset == begin
    assert marks[0].ts == begin + 2
    assert marks[-1].grade == 0
    assert marks[-1].ts == begin + 13
    rain[begin - 6 : begin + 3] = 2
    assert together("illicit_discharge", flow, rain, every=600) == []


def test_a_tank_is_ventilated_for_much_gas_or_for_some_that_is_driven_out() -> None:
    """12 %LEL is enough alone; 7 %LEL is not, unless the level rises 30 cm/h or it warms by 3 degrees an hour."""
    still, ramp = np.zeros(240), np.maximum(np.arange(240) - 60, 0) / 60
    gas = np.where(np.arange(240) < 60, 3.0, 7.0) + 0.1 * NOISE[:240]
    level, warmth = 1.0 + 0.002 * NOISE[300:540], 15 + 0.02 * NOISE[600:840]
    assert together("septic", gas, level, warmth) == []
    (much,) = together("septic", gas + 5 * (still + np.arange(240) >= 100), level, warmth)
    assert (much.onset, much.grade, much.reason) == (100, 1, Reason.RISE)
    for sensors in ((gas, level + 0.3 * ramp, warmth), (gas, level, warmth + 3 * ramp)):
        onset = together("septic", *sensors)[0]
        assert 60 <= onset.onset <= 120
        assert (onset.slot, onset.grade, onset.reason) == (0, 1, Reason.RELATION)


def test_a_fan_is_not_switched_on_and_off_all_the_time() -> None:
    """Gas of one minute asks for a quarter of an hour; gas about the threshold asks once."""
    gas = np.full(120, 1.0)
    gas[30] = 15
    onset, end = together("septic", gas)
    assert (onset.onset, end.ts) == (30, 45)
    assert len(together("septic", np.where(np.arange(120) % 2, 10.5, 9.5))) == 1
