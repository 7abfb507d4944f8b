"""Bozhou's `[correlation]` and reports on Bozhou's own map: one alert for what has one cause."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from domain.city import City, Sensor
from domain.city_files import load_city
from domain.clock import SECOND
from domain.findings import AlertEvent, AlertEventType, Finding, Phase, Verdict
from domain.identity import identify
from domain.records import Verdicts
from domain.reports import Channel, Report
from operators.alerts.desk import Desk
from operators.alerts.places import Places

START = 1_764_000_000 * SECOND


@pytest.fixture(scope="module")
def bozhou() -> City:
    """The shipped city."""
    return load_city("bozhou")


@pytest.fixture(scope="module")
def street(bozhou: City) -> tuple[Sensor, Sensor, list[Sensor]]:
    """A pressure on a main, the road depth of a flood-prone spot near it, and the pressures beside it on the mains."""

    def found() -> Iterator[tuple[Sensor, Sensor, list[Sensor]]]:
        places = Places(bozhou)
        at = {places.of_sensor(sensor.id).key: sensor for sensor in bozhou.sensors if sensor.kind == "pressure"}
        for road in (sensor for sensor in bozhou.sensors if sensor.kind == "road-depth"):
            near = places.reach(places.of_sensor(road.id), 300.0)
            for _, key in sorted((metres, key) for key, metres in near.items() if key in at):
                along = places.reach(places.of_sensor(at[key].id), 600.0, "water")
                beside = [at[other] for other in sorted(along) if other in at and other != key]
                if beside:
                    yield at[key], road, beside

    return next(found())


def finding(at: float, sensor: Sensor, monitor: str, kind: str, level: int, end: bool = False) -> Finding:
    """A finding that begins, or one of second 0 of the sensor that ends, at so many seconds."""
    ts = START + round(at * SECOND)
    return Finding(
        identify("finding", monitor, sensor.id), Phase.END if end else Phase.ONSET, monitor, "threshold", "c0ffee",
        kind, Verdict.EVENT, "", sensor.id, ts, ts, ts, level, 9.0, 1.0, 9.0, 1.0,
    )  # fmt: skip


def told(city: City, *records: Finding | Report) -> list[AlertEvent]:
    """What the desk says within four hours."""
    found = tuple(record for record in records if isinstance(record, Finding))
    reports = tuple(record for record in records if isinstance(record, Report))
    return Desk(city, 1).take(Verdicts(0, START + 4 * 3600 * SECOND, found, reports=reports))


def raised(events: list[AlertEvent]) -> list[str]:
    """The kinds that people are paged for."""
    return [event.alert.kind for event in events if event.type is AlertEventType.RAISED]


def test_a_burst_the_water_on_the_road_and_the_pressures_beside_it_are_one_alert(bozhou, street):
    """In the order in which they come: pressure, neighbours within seconds, the road minutes later, who sees it."""
    main, road, beside = street
    burst = finding(0, main, "head-loss", "water-burst", 2)
    neighbours = [finding(1 + i, sensor, "head-loss", "water-burst", 2) for i, sensor in enumerate(beside)]
    flood = finding(600, road, "road-depth", "waterlogging", 1)
    seen = Report(UUID(int=1), "waterlogging", START + 700 * SECOND, Channel.INSPECTOR, asset=road.asset,
                  known=START + 700 * SECOND)  # fmt: skip
    events = told(bozhou, burst, *neighbours, flood, seen)
    assert raised(events) == ["water-burst"]
    last = events[-1].alert
    assert (last.asset, last.level, last.urgent) == (main.asset, 1, True)
    assert set(last.sensors) == {main.id, road.id, *(sensor.id for sensor in beside)}
    assert last.reports == (seen.id,)
    assert "then waterlogging" in last.summary


def test_the_road_first_is_one_alert_from_the_burst_on(bozhou, street):
    """The road's alert was there before the pressure had lasted; nothing more is heard of it."""
    main, road, _ = street
    flood = finding(0, road, "road-depth", "waterlogging", 2)
    events = told(bozhou, flood, finding(60, main, "head-loss", "water-burst", 2))
    assert raised(events) == ["waterlogging", "water-burst"]
    road_last = [event.alert for event in events if event.alert.kind == "waterlogging"][-1]
    burst_last = [event.alert for event in events if event.alert.kind == "water-burst"][-1]
    assert (road_last.cause, road_last.quiet) == (burst_last.id, True)


def test_what_comes_an_hour_later_is_another_alert(bozhou, street):
    """Neither water on the road nor pressure along the mains is of a burst that long ago."""
    main, road, beside = street
    burst = finding(0, main, "head-loss", "water-burst", 2)
    later = finding(3600, road, "road-depth", "waterlogging", 2)
    assert raised(told(bozhou, burst, later)) == ["water-burst", "waterlogging"]
    assert raised(told(bozhou, burst, finding(3600, beside[0], "head-loss", "water-burst", 2))) == ["water-burst"] * 2


@pytest.mark.parametrize(("channel", "level"), [(Channel.CITIZEN, 3), (Channel.INSPECTOR, 2)])
def test_whoever_smells_gas_is_heard(bozhou, street, channel, level):
    """By coordinates alone, and the gas company answers."""
    _, road, _ = street
    asset = bozhou.assets[road.asset]
    smell = Report(UUID(int=1), "gas-smell", START, channel, asset.lon, asset.lat, known=START)
    (event, *_) = told(bozhou, smell)
    assert (event.alert.kind, event.alert.level, event.alert.owner) == ("gas-leak", level, "gas-company")
    assert event.alert.zone == asset.zone
