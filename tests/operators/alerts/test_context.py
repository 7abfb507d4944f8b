"""What speaks for an alert and against it besides its signs: rain, neighbours, cameras."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.city import City, Sensor
from domain.clock import HOUR, MINUTE, SECOND
from domain.correlation import Correlation, NetworkRule, RainRule
from domain.findings import Alert
from domain.monitors import Monitor, Select
from domain.records import Verdicts
from operators.alerts.desk import Desk
from tests.operators.alerts import town
from tests.operators.alerts.town import CHANGE, END, START, TOWN, finding, video

RAIN = Monitor("rain", "threshold", "rain", Select(kinds=("rain",)), levels=(0,))
CITY = replace(
    TOWN,
    sensors=(*TOWN.sensors, Sensor("R1", "rain", "mm/h", "west"), Sensor("R2", "rain", "mm/h", "north")),
    monitors=(
        RAIN,
        *(replace(one, select=Select(kinds=("pressure",))) if one.name == "burst" else one for one in TOWN.monitors),
    ),
    correlation=Correlation(
        network=(NetworkRule("water", 10.0, tolerance=MINUTE, felt=600.0),),
        rain=RainRule("rain", ("waterlogging",), ("water-burst",), HOUR),
    ),
)


@pytest.fixture(autouse=True)
def _rain(monkeypatch):
    monkeypatch.setitem(town._MONITORS, "rain", RAIN)


def rain(at: float, gauge: str = "R1", phase=town.ONSET, onset: float | None = None):
    """It rains on a gauge."""
    return finding(at, gauge, phase, monitor="rain", onset=onset)


def last(*records, until: float = 100_000, city: City = CITY) -> Alert:
    """The last alert that the desk spoke of."""
    desk = Desk(city, 1)
    seen = tuple(record for record in records if record in VIDEO)
    found = tuple(record for record in records if record not in VIDEO)
    return desk.take(Verdicts(0, START + round(until * SECOND), found, seen))[-1].alert


VIDEO = [video(200, "C1", "street-vending"), video(40, "C1", "street-vending"), video(100, "C1")]


def test_rain_speaks_for_water_on_the_road():
    """It rains in the zone, or has rained within an hour; it raises nothing itself."""
    wet = last(rain(10), finding(50, "L1", monitor="flood"))
    assert wet.support[-1] == "rain in zone west on R1"
    assert (wet.against, wet.corroboration) == ((), 0.6)
    over = last(rain(10), rain(20, phase=END, onset=10), finding(3600, "L1", monitor="flood"))
    assert over.support[-1] == "rain in zone west on R1"


def test_no_rain_speaks_against_water_on_the_road():
    """None so far, none for more than an hour; rain elsewhere is not rain here."""
    assert last(finding(50, "L1", monitor="flood")).against == ("no rain in zone west so far by 1 gauge",)
    assert last(rain(10, "R2"), finding(50, "L1", monitor="flood")).against[0].startswith("no rain in zone west")
    records = rain(10), rain(20, phase=END, onset=10), finding(7220, "L1", monitor="flood")
    assert last(*records).against == ("no rain in zone west for 120 min by 1 gauge",)


def test_a_gauge_that_is_faulty_says_nothing():
    """Neither that it rains nor that it does not."""
    for records in ((rain(10),), ()):
        alert = last(*records, finding(20, "R1", monitor="stuck"), finding(50, "L1", monitor="flood"))
        assert not any("rain" in words for words in (*alert.support[1:], *alert.against))


def test_rain_speaks_against_a_burst_and_takes_its_water_away():
    """The pressure stays as sure as it was; what a camera sees of water, rain explains as well."""
    burst = finding(50, "P1", monitor="burst")
    assert last(burst).support[-1] == "no rain in zone north so far by 1 gauge"
    assert last(burst).corroboration == 0.5
    alert = last(rain(10, "R2"), burst)
    assert (alert.against, alert.corroboration) == (("rain in zone north on R2",), 0.5)
    near = replace(CITY, cameras={**CITY.cameras, "C1": replace(CITY.cameras["C1"], asset="W1", lon=0.0, lat=0.0)})
    filmed = last(rain(10, "R2"), burst, VIDEO[2], city=near, until=101)
    assert filmed.against == ("rain in zone north on R2, which explains waterlogging as well",)
    assert filmed.corroboration == round(1 - 0.5 * (1 - 0.6 * 0.9 * 0.2), 4)


def test_who_should_feel_it_and_does_not_speaks_against_it():
    """P2, 550 m along the main, must feel a burst of P1 within 115 s; P3, 900 m farther, need not."""
    first = finding(50, "P1", monitor="burst")
    graver = replace(first, phase=CHANGE, ts=START + 100 * SECOND, known=START + 100 * SECOND, level=2)
    assert last(first, graver, until=101).against == ()
    later = replace(graver, ts=START + 200 * SECOND, known=START + 200 * SECOND)
    alert = last(first, later, until=201)
    assert alert.against == ("P2, 550 m away, feels nothing",)
    assert alert.corroboration == 0.45
    for other in (finding(60, "P2", monitor="stuck"), finding(60, "P2", monitor="silent")):
        assert last(first, other, later, until=201).against == ()  # it could not know
    assert last(first, finding(60, "P2", monitor="burst"), later, until=201).against == ()


def test_a_camera_that_sees_other_things_speaks_against_what_it_does_not_see():
    """C1 looks at M1's street: it is there, as it has spoken since, and saw no water."""
    flood = replace(finding(50, "G1", monitor="flood"))
    again = replace(flood, phase=CHANGE, ts=START + 300 * SECOND, known=START + 300 * SECOND, level=2)
    assert last(flood, VIDEO[1], again, until=301).against[1:] == ()
    alert = last(flood, VIDEO[0], again, until=301)
    assert alert.against[1:] == ("camera C1, 100 m away, sees nothing of it",)
    assert last(flood, VIDEO[2], again, until=301).against[1:] == ()


def test_a_sensor_in_doubt_speaks_against():
    """It is found stuck while its alert is open."""
    desk = Desk(CITY, 1)
    events = desk.take(Verdicts(0, START + 300 * SECOND, (finding(50, "P1", monitor="burst"),
                                                          finding(120, "P1", monitor="stuck"))))  # fmt: skip
    updated = [event.alert for event in events if event.alert.kind == "water-burst"][-1]
    assert updated.against[0] == "P1 is in doubt: stuck"
