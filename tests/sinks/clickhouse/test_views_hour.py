"""The views of an hour of a simulated zone, against what was simulated and what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from domain.clock import HOUR, MINUTE, SECOND
from simulators.stage import Incident
from tests.hour import Hour

DAY = date(2025, 7, 14)
ZONE = "BZ-Z15"
PAGES = ("raised", "escalated", "overdue", "re-alarmed")


def rows(hour: Hour, query: str) -> Sequence[Any]:
    return hour.client.query(query).result_rows


def incident(hour: Hour, kind: str) -> Incident:
    return next(incident for incident in hour.scenario.truth if incident.kind == kind)


def test_every_sensor_is_there(hour: Hour) -> None:
    """Each with its latest reading; the one that is stuck is faulty, the one that was away is back."""
    city = hour.scenario.city
    found = dict(rows(hour, "SELECT sensor, value FROM sensor_latest"))
    latest = dict(rows(hour, "SELECT sensor, argMax(value, ts) FROM readings GROUP BY sensor"))
    assert found == latest
    assert set(found) == {sensor.id for sensor in city.sensors}
    states = dict(rows(hour, "SELECT sensor, state FROM sensor_latest WHERE state != 'good'"))
    assert states == {incident(hour, "fault-stuck").sensors[0]: "faulty"}


def test_availability(hour: Hour) -> None:
    """Every stored reading counts once; only the sensor that dropped out lacks some of those due."""
    assert rows(hour, "SELECT sum(readings) FROM sensor_availability") == rows(hour, "SELECT count() FROM readings")
    low = dict(rows(hour, "SELECT sensor, availability FROM sensor_availability WHERE availability < 0.95"))
    gone = incident(hour, "fault-drop-out")
    assert low == {gone.sensors[0]: pytest.approx(1 - (gone.end - gone.start) / HOUR, abs=0.02)}
    seconds = dict(rows(hour, "SELECT sensor, seconds FROM fault_days"))
    assert seconds[gone.sensors[0]] == pytest.approx((gone.end - gone.start) / SECOND, abs=120)


def test_what_stands_open(hour: Hour) -> None:
    """The alerts that are active, or grave and not closed, by level and in the zone's state."""
    active = rows(hour, "SELECT toString(id), level, kind FROM alerts WHERE active OR latched ORDER BY id")
    assert sorted(rows(hour, "SELECT id, level, kind FROM alerts_open")) == sorted(active)
    counted = rows(hour, "SELECT level, kind, alerts, new FROM alerts_open_by_level")
    assert {(level, kind): alerts for level, kind, alerts, _ in counted} == Counter((row[1], row[2]) for row in active)
    grades = rows(hour, "SELECT DISTINCT level, grade FROM alerts_open ORDER BY level")
    assert grades == [(level, "I" * level) for level, _ in grades]
    real = [row[1] for row in active if row[2] not in ("sensor-fault", "operations")]
    status = rows(hour, "SELECT zone, sensors, open_alerts, gravest FROM zone_status")
    assert status == [(ZONE, len(hour.scenario.city.sensors), len(real), min(real))]


def test_the_desks(hour: Hour) -> None:
    """Each page is in one bucket of one desk; how long things took is what the alerts say; one was judged false."""
    pages = rows(hour, "SELECT sum(pages), sum(urgent_pages), min(bucket), max(bucket) FROM alarm_load")[0]
    events = rows(hour, f"SELECT type, urgent FROM alert_events FINAL WHERE type IN {PAGES}")
    assert pages[:2] == (len(events), sum(urgent for _, urgent in events))
    assert (pages[3] - pages[2]).total_seconds() < 3600
    took = rows(
        hour, "SELECT kind, to_raise_s, to_clear_s FROM alert_response WHERE kind = 'gas-leak' ORDER BY raised"
    )[0]
    leak = incident(hour, "gas-leak")
    assert took[1] < 60
    assert took[2] == pytest.approx((leak.end - leak.start) / SECOND, abs=600)
    found = rows(
        hour, "SELECT kind, judged_alerts, false_alerts, false_rate FROM false_alert_rate WHERE judged_alerts > 0"
    )
    assert sorted(found) == [("gas-leak", 1, 0, 0.0), ("road-occupied", 1, 1, 1.0)]
    assert rows(hour, "SELECT sum(alerts) FROM response_times") == rows(hour, "SELECT count() FROM alerts")


def test_water(hour: Hour) -> None:
    """What flowed in is the mean of each meter times an hour."""
    ((inflow, lost),) = rows(hour, "SELECT inflow_m3, lost_m3 FROM water_balance")
    means = rows(
        hour,
        "SELECT avg(value) FROM readings INNER JOIN registry ON registry.sensor = readings.sensor "
        "WHERE kind = 'flow' GROUP BY readings.sensor",
    )
    assert inflow == pytest.approx(sum(row[0] for row in means))
    assert lost is None
    assert {row[0] for row in rows(hour, "SELECT night_m3h FROM night_flow")} == {None}  # eight in the morning


def test_gas(hour: Hour) -> None:
    """The leak is among what gathered, and is over."""
    leak = incident(hour, "gas-leak")
    found = rows(
        hour,
        "SELECT sensor, level, toUnixTimestamp64Nano(onset), lasted_s, highest FROM gas_accumulations "
        f"WHERE sensor = '{leak.sensors[0]}' AND kind = 'gas-leak' ORDER BY level LIMIT 1",
    )
    ((sensor, level, onset, lasted, highest),) = found
    assert (sensor, level) == (leak.sensors[0], 1)
    assert leak.start <= onset <= leak.start + 5 * MINUTE
    assert lasted > 600
    assert highest > 25


def test_structures_and_indices(hour: Hour) -> None:
    """The bridge that settled and the zone lose the points of their alerts; nearly all readings came."""
    settled = incident(hour, "settlement")
    assets = {sensor.id: sensor.asset for sensor in hour.scenario.city.sensors}
    found = {
        asset: (score, availability)
        for asset, score, availability in rows(hour, "SELECT asset, score, availability FROM bridge_health")
    }
    assert set(found) == {id for id, asset in hour.scenario.city.assets.items() if asset.kind == "bridge"}
    assert found[assets[settled.sensors[0]]][0] <= 90
    assert all(availability > 0.95 for _, availability in found.values())
    kinds = {row[0] for row in rows(hour, f"SELECT kind FROM bridge_days WHERE day = '{DAY}'")}
    assert kinds == {"crack", "strain", "temperature", "tilt"}
    points = rows(
        hour,
        "SELECT sum(40 / exp2(level)) FROM alert_response "
        "WHERE kind != 'sensor-fault' AND ifNull(judged, '') != 'false'",
    )[0][0]
    ((day, zone, construction, operation, health),) = rows(
        hour, "SELECT day, zone, construction, operation, health FROM zone_indices"
    )
    assert (day, zone, construction, health) == (DAY, ZONE, 100, max(0, 100 - points))
    assert 99 < operation < 100


def test_cases(hour: Hour) -> None:
    """The case of the leak was accepted two minutes after it was dispatched, and is closed."""
    assert rows(hour, "SELECT id, unit, kind, level, zone, state, to_accept_s, to_close_s FROM cases") == [
        ("c-1", "gas-company", "gas-leak", 1, ZONE, "closed", 120, 43 * 60)
    ]
    assert rows(hour, "SELECT day, unit, cases, closure_rate FROM case_closure") == [(DAY, "gas-company", 1, 1)]
    assert rows(hour, "SELECT * FROM bicycle_parking") == []
