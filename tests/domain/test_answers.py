"""What people ask first about an alert."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.answers import LISTED, NEAR, Answering
from domain.city import City
from domain.city_files import load_city
from domain.clock import HOUR, SECOND
from domain.findings import Alert
from domain.identity import identify
from domain.policy import Desk, Exposure, Policy, Shift
from domain.runbooks import LANGUAGES, runbook
from tests.operators.alerts.town import LAT, LON, METRE, TOWN

POLICY = Policy(
    (Exposure("enclosed", asset_kinds=("manhole",), words="an enclosed space"), Exposure("market", zones=("south",))),
    desks=(
        Desk("centre"),
        Desk("gas", ("gas-company",), shift=(Shift("night", start=1200, end=480, who="Crew B", contact="0558-2"),)),
    ),
)
CITY = replace(
    TOWN,
    policy=POLICY,
    sensors=tuple(replace(one, lon=LON + 100 * i * METRE, lat=LAT) for i, one in enumerate(TOWN.sensors)),
)
ALERT = Alert(
    identify("a"), "gas-leak", 1, True, 5 * SECOND, 6, 6, 0, "north", "M1", "Manhole 1, North Gate", LON, LAT,
    "gas-company", True, 0.75, "gas", ("G1", "G1b"), ("C1",), rules=("beside-a-crowd",),
)  # fmt: skip


def test_what_where_since_how_sure() -> None:
    """In one line each; the place also as a map takes it."""
    answers = Answering(CITY).of(ALERT, 0)
    assert answers.what == "Gas leak, level I, urgent, by the rule beside-a-crowd"
    assert answers.where == "Manhole 1, North Gate, M1, north"
    assert answers.map == f"geo:{LAT:.6f},{LON:.6f}"
    assert (answers.since, answers.sure) == (5 * SECOND, "0.75 by 2 sensors and 1 camera")
    placed = Answering(CITY).of(replace(ALERT, pipe="p1", offset=31.4, radius=12.0, active=False), 0)
    assert placed.what.endswith("urgent, over, by the rule beside-a-crowd")
    assert placed.where.endswith(", pipe p1, 31 m from its start, within 12 m")
    assert placed.map.endswith(";u=12")


def test_who_is_affected() -> None:
    """What is exposed there, in the policy's words, and what hangs on the asset along the pipes."""
    answering = Answering(CITY)
    assert answering.of(ALERT, 0).affected.exposed == ("an enclosed space",)
    assert answering.of(replace(ALERT, zone="south", asset="M4"), 0).affected.exposed == ("an enclosed space", "market")
    elsewhere = answering.of(replace(ALERT, zone="", asset="", lon=0.0, lat=0.0, sensors=("G4",), cameras=()), 0)
    assert elsewhere.affected.exposed == ("an enclosed space", "market")  # where its sensors are
    below = answering.of(replace(ALERT, zone="south", asset="W2"), 0).affected
    assert (below.zone, below.hanging, below.assets) == ("South Gate", ("W3",), 1)


def test_who_answers_and_who_is_on_duty() -> None:
    """By the clocks of the city: 04:00 in Shanghai is night, noon is not."""
    answering = Answering(CITY)
    assert answering.of(ALERT, 20 * HOUR).responsible.on_duty == ("Crew B, 0558-2",)
    assert answering.of(ALERT, 4 * HOUR).responsible.on_duty == ()
    assert answering.of(replace(ALERT, owner="nobody"), 0).responsible.unit == "nobody"


def test_neighbours_are_near_measure_the_same_and_are_not_the_alerts_own() -> None:
    """The nearest first."""
    near = Answering(CITY).of(ALERT, 0).neighbours
    assert [one.sensor for one in near] == ["G2", "G3", "G4"]
    assert [round(one.distance, -1) for one in near] == [200.0, 300.0, 400.0]
    assert Answering(CITY).of(replace(ALERT, lon=0.0, lat=0.0), 0).neighbours == ()
    of_a_camera = Answering(CITY).of(replace(ALERT, sensors=()), 0).neighbours
    assert [one.sensor for one in of_a_camera][:4] == ["G1", "G1b", "G2", "G3"]
    assert Answering(City("bare", "UTC", ())).of(ALERT, 0).neighbours == ()


@pytest.fixture(scope="module")
def bozhou() -> City:
    return load_city("bozhou")


def test_every_kind_of_alert_has_first_steps_in_both_languages(bozhou: City) -> None:
    """None of Bozhou's kinds has to do with the general ones."""
    kinds = {one.kind for one in bozhou.monitors if any(one.levels)} | {one.kind for one in bozhou.video_rules}
    assert {kind for kind in kinds if runbook(kind) == runbook("other")} == set()
    for kind in kinds:
        assert len({len(runbook(kind, language)) for language in LANGUAGES}) == 1


def test_in_a_city_of_thousands_of_sensors(bozhou: City) -> None:
    """A gas alert in Bozhou: its neighbours are within reach, and its crew is named."""
    sensor = bozhou.sensors[0]
    alert = replace(
        ALERT, zone=sensor.zone, asset=sensor.asset, lon=sensor.lon, lat=sensor.lat, sensors=(sensor.id,), rules=()
    )
    answers = Answering(bozhou).of(alert, 0)
    assert 0 < len(answers.neighbours) <= LISTED
    assert all(one.distance <= NEAR for one in answers.neighbours)
    assert answers.responsible.on_duty == ("Emergency crew A, +86 558 555 0311",)
    assert answers.affected.exposed == ("an enclosed space",)
