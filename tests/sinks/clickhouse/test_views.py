"""Every view on rows that were made for it; what each says is in docs/views.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from clickhouse_connect.driver.client import Client

from domain.city import Asset, City, Level, Sensor, Unit, Zone
from reports.bridge import read_day, structures
from reports.page import bridge_page
from sinks.clickhouse.schema import load_registry
from sinks.clickhouse.views import LATER, VIEWS

NAMES = list(dict.fromkeys(re.findall(r"CREATE (?:OR REPLACE )?VIEW (\w+)", "".join((*VIEWS, *LATER)))))

#: Midnight of 10 March in Shanghai, 16:00 of the day before in UTC.
MIDNIGHT = "2026-03-09 16:00:00"
DAY = date(2026, 3, 10)

CITY = City(
    "town",
    "Asia/Shanghai",
    (
        Sensor("G1", "gas-lel", "%LEL", "Z1", "M1", rate=1 / 60),
        Sensor("G2", "gas-lel", "%LEL", "Z1", "M1", rate=1 / 60),
        Sensor("F1", "flow", "m3/h", "Z2", "W1", rate=1 / 60),
        Sensor("F2", "outflow", "l/s", "Z2", "W1", rate=1 / 60),
        Sensor("F3", "consumption", "m3/h", "Z2", "W1", rate=1 / 60),
        Sensor("B1", "strain", "um/m", "Z1", "B", rate=1 / 60),
        Sensor("P1", "parked-bicycles", "bicycles", "Z1", "P", rate=1 / 60),
        Sensor("P2", "stray-bicycles", "bicycles", "Z1", "P", rate=1 / 60),
        Sensor("P3", "planned-places", "places", "Z1", "P", rate=1 / 86400),
    ),
    zones={"Z1": Zone("Z1", "Old town", "street"), "Z2": Zone("Z2", "New town", "water")},
    assets={
        "M1": Asset("M1", "manhole", "Z1", "Manhole 1", unit="gas"),
        "W1": Asset("W1", "water-main", "Z2"),
        "B": Asset("B", "bridge", "Z1", "Stone bridge"),
        "P": Asset("P", "bicycle-park", "Z1", "Station square", unit="operator"),
    },
    units={name: Unit(name) for name in ("street", "water", "gas", "operator")},
    levels=(Level(1, "I", True), Level(2, "II"), Level(3, "III")),
)


def at(minutes: float) -> str:
    """A time so many minutes after midnight, as SQL."""
    return f"addMilliseconds(toDateTime64('{MIDNIGHT}', 9, 'UTC'), {round(minutes * 60_000)})"


def uuid(number: int) -> str:
    return str(UUID(int=number))


@pytest.fixture
def town(client: Client) -> Client:
    load_registry(client, CITY)
    return client


def hours(client: Client, sensor: str, values: dict[int, float], readings: int = 60) -> None:
    """An hour's aggregates of one sensor, by the hour after midnight; the feed was there in every minute."""
    for hour, value in values.items():
        client.command(
            "INSERT INTO aggregates_1h_stored (sensor, start, count, min, max, mean, last, std) VALUES "
            f"('{sensor}', {at(60 * hour)}, {readings}, {value - 1}, {value + 1}, {value}, {value}, 0)"
        )
        client.command(
            "INSERT INTO readings_per_minute_stored SELECT "
            f"addMinutes(toDateTime64('{MIDNIGHT}', 3, 'UTC'), {60 * hour} + number), 'any', 1 FROM numbers(60)"
        )


def second(client: Client, sensor: str, minutes: float, value: float) -> None:
    """One second's aggregate of one sensor."""
    client.command(
        "INSERT INTO aggregates_1s_stored (sensor, start, count, min, max, mean, last, std) VALUES "
        f"('{sensor}', {at(minutes)}, 1, {value}, {value}, {value}, {value}, 0)"
    )


def alert(client: Client, number: int, raised: float, cleared: float | None = None, **columns: Any) -> None:
    """An alert, and that it cleared; times in minutes after midnight."""
    known: dict[str, Any] = {"kind": "gas-leak", "level": 2, "zone": "Z1", "asset": "M1", "owner": "gas", "urgent": 0}
    known |= columns
    names, values = ", ".join(known), ", ".join(repr(value) for value in known.values())
    steps = [(0, "raised", raised, 1)] + ([(1, "cleared", cleared, 0)] if cleared is not None else [])
    for seq, type, ts, active in steps:
        assert ts is not None
        client.command(
            f"INSERT INTO alert_events (id, alert, seq, type, ts, active, onset, raised, updated, cleared, {names}) "
            f"VALUES ('{uuid(1000 * number + seq)}', '{uuid(number)}', {seq}, '{type}', {at(ts)}, {active}, "
            f"{at(raised - 1)}, {at(raised)}, {at(ts)}, {at(ts) if not active else 0}, {values})"
        )


def step(client: Client, number: int, seq: int, type: str, minutes: float, **columns: Any) -> None:
    """One more event of an alert; what is not named stays as it was."""
    changed = ", ".join(f"{value} AS {name}" for name, value in columns.items())
    client.command(
        "INSERT INTO alert_events SELECT * REPLACE ("
        f"toUUID('{uuid(1000 * number + seq)}') AS id, {seq} AS seq, '{type}' AS type, {at(minutes)} AS ts"
        f"{', ' + changed if changed else ''}) FROM alert_events WHERE alert = '{uuid(number)}' "
        f"ORDER BY alert_events.seq DESC LIMIT 1"
    )


def action(client: Client, verb: str, minutes: float, **columns: Any) -> None:
    """What somebody does."""
    known = {"action": verb, "actor": "li.na", "role": "operator"} | columns
    names = ", ".join(f"`{name}`" for name in known)
    values = ", ".join(repr(value) for value in known.values())
    client.command(
        f"INSERT INTO operator_actions (id, ts, known, {names}) "
        f"VALUES (generateUUIDv4(), {at(minutes)}, {at(minutes)}, {values})"
    )


def finding(client: Client, number: int, sensor: str, onset: float, end: float | None = None, **columns: Any) -> None:
    known = {"kind": "gas-leak", "verdict": "event", "detector": "threshold", "monitor": "m", "level": 2}
    known |= {"value": 20.0, "baseline": 1.0} | columns
    names, values = ", ".join(known), ", ".join(repr(value) for value in known.values())
    for phase, ts in [("onset", onset)] + ([("end", end)] if end is not None else []):
        client.command(
            f"INSERT INTO findings (id, phase, sensor, ts, known, onset, {names}) VALUES "
            f"('{uuid(number)}', '{phase}', '{sensor}', {at(ts)}, {at(ts)}, {at(onset)}, {values})"
        )


def rows(client: Client, query: str) -> Sequence[Any]:
    return client.query(query).result_rows


def test_nothing_stored_is_no_error(client: Client) -> None:
    """A dashboard of a city that has just begun is empty, also before its registry is there."""
    assert not [name for name in NAMES if rows(client, f"SELECT * FROM {name}")]


def test_every_view_is_written_of(client: Client, root: Path) -> None:
    """Each has its place in the docs, with every column; and what is written of is there."""
    text = (root / "docs/views.md").read_text(encoding="utf-8")
    written = {part.partition("`")[0]: set(re.findall(r"`(\w+)`", part)) for part in text.split("\n### `")[1:]}
    found = rows(
        client, "SELECT table, groupArray(name) FROM system.columns WHERE database = currentDatabase() GROUP BY 1"
    )
    columns = {table: set(names) for table, names in found}
    assert sorted(written) == sorted(NAMES)
    assert not {name: columns[name] - written[name] for name in NAMES if columns[name] - written[name]}


def test_the_city_is_the_one_that_was_loaded_last(town: Client) -> None:
    load_registry(town, City("other", "America/Lima", CITY.sensors, levels=(Level(1, "red"),)))
    assert rows(town, "SELECT name, timezone, levels FROM city FINAL") == [("other", "America/Lima", ["red"])]


def test_sensor_latest(town: Client) -> None:
    """The latest value; silent after ten of its periods, but not before a minute."""
    second(town, "G1", 1, 5.0)
    second(town, "G1", 2, 6.0)
    second(town, "G2", 20, 7.0)
    second(town, "F1", 15, 8.0)
    finding(town, 1, "F1", 5, kind="sensor-fault", verdict="fault", reason="stuck")
    found = rows(town, "SELECT sensor, value, age_s, state, open_faults FROM sensor_latest ORDER BY sensor")
    assert {row[0]: row[1:] for row in found} | {} == {
        **{name: (None, None, "never", []) for name in ("B1", "F2", "F3", "P1", "P2", "P3")},
        "F1": (8.0, 300, "faulty", ["stuck"]),
        "G1": (6.0, 1080, "silent", []),
        "G2": (7.0, 0, "good", []),
    }


def test_zone_status(town: Client) -> None:
    """Sensors by state, alerts that stand open, the gravest of them; a sensor's own trouble is no alert of the zone."""
    second(town, "G1", 1, 5.0)
    alert(town, 1, 1)
    alert(town, 2, 1, level=1)
    alert(town, 3, 1, 5, level=1)
    alert(town, 4, 1, kind="sensor-fault", zone="Z2")
    found = rows(
        town, "SELECT zone, zone_name, sensors, good, never, open_alerts, gravest, state FROM zone_status ORDER BY zone"
    )
    assert found == [
        ("Z1", "Old town", 6, 1, 5, 2, 1, "grave"),
        ("Z2", "New town", 3, 0, 3, 0, None, "blind"),
    ]


def test_alerts_open(town: Client) -> None:
    """Active, or latched and not closed; with the name of its level, its age by the city's clock, and what was done."""
    second(town, "G1", 60, 5.0)
    alert(town, 1, 30)
    alert(town, 2, 30, level=1)
    step(town, 2, 1, "acknowledged", 35, acknowledged=at(35), acknowledged_by="'li.na'")
    alert(town, 3, 20, 30)
    alert(town, 4, 20, 30, latched=1, level=1)
    alert(town, 5, 20, 30, latched=1, level=1)
    step(town, 5, 2, "closed", 35, closed=at(35))
    alert(town, 6, 30, level=3)
    step(town, 6, 1, "shelved", 35, shelved_until=at(95), shelved_by="'li.na'")
    alert(town, 7, 30)
    step(town, 7, 1, "withdrawn", 35, revision=1)
    alert(town, 8, 30, suppressed=1)
    found = rows(town, "SELECT id, grade, age_s, active, latched, state, acknowledged_by FROM alerts_open ORDER BY id")
    assert found == [
        (uuid(1), "II", 1800, True, False, "new", ""),
        (uuid(2), "I", 1800, True, False, "acknowledged", "li.na"),
        (uuid(4), "I", 2400, False, True, "new", ""),
        (uuid(6), "III", 1800, True, False, "shelved", ""),
        (uuid(8), "II", 1800, True, False, "suppressed", ""),
    ]
    found = rows(town, "SELECT level, grade, kind, alerts, new, oldest_s FROM alerts_open_by_level ORDER BY level")
    assert found == [
        (1, "I", "gas-leak", 2, 1, 2400),
        (2, "II", "gas-leak", 2, 1, 1800),
        (3, "III", "gas-leak", 1, 0, 1800),
    ]


def test_alert_response(town: Client) -> None:
    """The first acknowledgement counts, and the latest judgement; what did not happen is unknown, not zero."""
    alert(town, 1, 10, 70)
    step(town, 1, 2, "acknowledged", 71, acknowledged=at(12.5), acknowledged_by="'li.na'")
    step(town, 1, 3, "acknowledged", 72, acknowledged=at(40), acknowledged_by="'wu.bo'")
    alert(town, 2, 10)
    alert(town, 3, -10, level=1)
    for minutes, verdict in [(20, "true"), (90, "false"), (30, "true")]:
        action(town, "judge", minutes, alert=uuid(1), verdict=verdict)
    action(town, "judge", 30, alert=uuid(2), verdict="true")
    found = rows(
        town,
        "SELECT id, acknowledged_by, to_raise_s, to_acknowledge_s, to_clear_s, judged FROM alert_response ORDER BY id",
    )
    assert found == [
        (uuid(1), "li.na", 60, 150, 3600, "false"),
        (uuid(2), "", 60, None, None, "true"),
        (uuid(3), "", 60, None, None, None),
    ]
    found = rows(
        town,
        "SELECT day, level, alerts, acknowledged_alerts, cleared_alerts, median_to_acknowledge_s, p95_to_clear_s "
        "FROM response_times ORDER BY day",
    )
    assert found == [(date(2026, 3, 9), 1, 1, 0, 0, None, None), (DAY, 2, 2, 1, 1, 150, 3600)]
    found = rows(town, "SELECT day, alerts, judged_alerts, false_alerts, false_rate FROM false_alert_rate ORDER BY day")
    assert found == [(date(2026, 3, 9), 1, 0, 0, None), (DAY, 2, 2, 1, 0.5)]


def test_alarm_load(town: Client) -> None:
    """What asks somebody to look, by desk and ten minutes; more than ten are a flood, and what else happens is none."""
    for number in range(11):
        alert(town, number, 5, 7, urgent=1)
    step(town, 0, 2, "escalated", 10, level=1)
    alert(town, 20, 5, owner="water")
    step(town, 20, 1, "overdue", 9.999)
    step(town, 20, 2, "amended", 9.999, revision=1)
    found = rows(
        town,
        "SELECT dateDiff('minute', toDateTime64('2026-03-09 16:00:00', 3, 'UTC'), bucket), * EXCEPT bucket "
        "FROM alarm_load ORDER BY desk, bucket",
    )
    assert found == [
        (0, "gas", 11, 11, 11, 2, True),
        (10, "gas", 1, 1, 1, 1, False),
        (0, "water", 2, 0, 1, 2, False),
    ]
    found = rows(town, "SELECT id, why, desk, level FROM pages WHERE why != 'raised' ORDER BY ts")
    assert found == [(uuid(20), "overdue", "water", 2), (uuid(0), "escalated", "gas", 1)]


def test_alert_days(town: Client) -> None:
    """Every day of the city on which an alert was active: from one that began before midnight to the present."""
    second(town, "G1", 2000, 5.0)
    alert(town, 1, -5, 5)
    alert(town, 2, 1500)
    alert(town, 3, 5, 6)
    found = rows(town, "SELECT id, day FROM alert_days ORDER BY id, day")
    assert found == [
        (uuid(1), date(2026, 3, 9)),
        (uuid(1), DAY),
        (uuid(2), date(2026, 3, 11)),
        (uuid(3), DAY),
    ]


def test_repeat_places(town: Client) -> None:
    """More than one alert of a kind at a place within thirty days of the city's clock."""
    second(town, "G1", 60, 5.0)
    for number, raised in enumerate([10, 20, -40 * 1440]):
        alert(town, number, raised, raised + 5)
    alert(town, 9, 10, asset="W1")
    action(town, "judge", 50, alert=uuid(1), verdict="false")
    assert rows(town, "SELECT zone, asset, kind, owner, alerts, false_alerts FROM repeat_places") == [
        ("Z1", "M1", "gas-leak", "gas", 2, 1)
    ]


def test_sensor_availability(town: Client) -> None:
    """Readings by what the rate promises while the feed was there; a sensor that says nothing is there with nothing."""
    hours(town, "G1", {0: 1.0}, readings=60)
    hours(town, "G2", {1: 1.0}, readings=15)
    hours(town, "F1", {1: 1.0}, readings=90)
    found = rows(
        town,
        "SELECT sensor, toHour(hour, 'Asia/Shanghai'), readings, round(expected, 3), availability "
        "FROM sensor_availability WHERE sensor IN ('G1', 'G2', 'F1', 'P3') ORDER BY sensor, hour",
    )
    assert found == [
        ("F1", 0, 0, 60, 0),
        ("F1", 1, 90, 60, 1),
        ("G1", 0, 60, 60, 1),
        ("G1", 1, 0, 60, 0),
        ("G2", 0, 0, 60, 0),
        ("G2", 1, 15, 60, 0.25),
        ("P3", 0, 0, 0.042, None),
        ("P3", 1, 0, 0.042, None),
    ]
    found = rows(
        town,
        "SELECT day, sensor, readings, round(expected, 3), minutes, availability "
        "FROM sensor_days WHERE sensor IN ('G1', 'G2', 'F1', 'P3') ORDER BY sensor",
    )
    assert found == [
        (DAY, "F1", 90, 120, 120, 0.75),
        (DAY, "G1", 60, 120, 120, 0.5),
        (DAY, "G2", 15, 120, 120, 0.125),
        (DAY, "P3", 0, 0.083, 120, None),
    ]


def test_fault_days(town: Client) -> None:
    """How long each day a sensor had an open fault; one that lasts counts to the city's clock."""
    second(town, "G1", 60, 5.0)
    finding(town, 1, "G1", -10, 20, kind="sensor-fault", verdict="fault", reason="stuck")
    finding(town, 2, "G2", 30, kind="sensor-fault", verdict="fault", reason="drift")
    finding(town, 3, "G2", 30)
    found = rows(town, "SELECT sensor, day, reason, seconds FROM fault_days ORDER BY sensor, day")
    assert found == [
        ("G1", date(2026, 3, 9), "stuck", 600),
        ("G1", DAY, "stuck", 1200),
        ("G2", DAY, "drift", 1800),
    ]


def test_water_balance(town: Client) -> None:
    """What flows in less what flows on and what is drawn is lost; unknown where nothing measures what is drawn."""
    hours(town, "F1", {0: 100.0, 1: 100.0})
    hours(town, "F2", {0: 10.0})
    hours(town, "F3", {0: 48.0})
    found = rows(town, "SELECT * EXCEPT hour FROM water_balance ORDER BY hour")
    assert [tuple(round(v, 9) if isinstance(v, float) else v for v in row) for row in found] == [
        ("Z2", "New town", 100, 36, 48, None, 64, 16, 0.25),
        ("Z2", "New town", 100, 0, None, None, 100, None, None),
    ]


def test_night_flow(town: Client) -> None:
    """The mean from two to four in the city's night, against the median of the nights before."""
    for day, value in enumerate([40.5, 44.0, 42.0, 70.0]):
        hours(town, "F1", {24 * day + 2: value - 2, 24 * day + 3: value + 2, 24 * day + 12: 100.0})
    hours(town, "F1", {24 * 4 + 12: 100.0})
    found = rows(town, "SELECT night, night_m3h, day_m3h, usual_m3h, rise_m3h FROM night_flow ORDER BY night")
    assert [row[1:] for row in found] == [
        (40.5, pytest.approx(181 / 3), None, None),
        (44, pytest.approx(188 / 3), 40.5, 3.5),
        (42, pytest.approx(184 / 3), 42.25, -0.25),
        (70, 80, 42, 28),
        (None, 100, 43, None),
    ]
    assert found[0][0] == DAY


def test_gas_accumulations(town: Client) -> None:
    """Findings at gas sensors, with how high it went; not faults, not other sensors, not what was withdrawn."""
    finding(town, 1, "G1", 10, 40, detector="accumulation", value=7.0)
    finding(town, 1, "G1", 10, 40, detector="accumulation", value=7.0)
    finding(town, 2, "G2", 20, level=0)
    finding(town, 3, "G2", 20, verdict="fault", reason="stuck")
    finding(town, 4, "B1", 20)
    finding(town, 5, "G2", 20, withdrawn=1)
    found = rows(
        town,
        "SELECT finding, sensor, asset_name, detector, level, lasted_s, highest, baseline "
        "FROM gas_accumulations ORDER BY finding",
    )
    assert found == [
        (uuid(1), "G1", "Manhole 1", "accumulation", 2, 1800, 7, 1),
        (uuid(2), "G2", "Manhole 1", "threshold", 0, None, 20, 1),
    ]


def test_bridges(town: Client) -> None:
    """What a structure measured in a day; points are taken for alerts, and nothing is said of one that is silent."""
    hours(town, "B1", {0: -5.5})
    hours(town, "B1", {1: 9.0}, readings=30)
    hours(town, "G1", {0: 5.0})
    hours(town, "B1", {30: 5.0}, readings=10)
    alert(town, 1, 10, 30, asset="B", kind="bridge-overload", level=1)
    alert(town, 2, 10, 30, asset="B", kind="bridge-overload", level=3)
    alert(town, 3, 10, 30, asset="B", kind="sensor-fault", level=3)
    alert(town, 4, 10, 30, asset="B", kind="bridge-impact", level=1)
    action(town, "judge", 50, alert=uuid(4), verdict="false")
    finding(town, 1, "B1", 5, 6, kind="sensor-fault", verdict="fault", reason="stuck")
    assert rows(town, "SELECT * FROM bridge_days ORDER BY day LIMIT 1") == [
        (DAY, "B", "Stone bridge", "strain", "um/m", 1, 90, -6.5, pytest.approx(-2 / 3), 10, 16.5, "B1")
    ]
    found = rows(
        town,
        "SELECT day, asset_name, zone, owner, sensors, availability, faulty_sensors, alerts, gravest, score, grade "
        "FROM bridge_health ORDER BY day",
    )
    assert found == [
        (DAY, "Stone bridge", "Z1", "street", 1, 0.75, 1, 2, 1, 75, "C"),
        (date(2026, 3, 11), "Stone bridge", "Z1", "street", 1, pytest.approx(1 / 6), 0, 0, None, 100, "unknown"),
    ]


def test_every_kind_of_structure(client: Client) -> None:
    """Viaducts, tunnels and slopes are judged as bridges are, and have a report; a building is none of them."""
    kinds = ("viaduct", "tunnel", "slope", "building")
    sensors = tuple(Sensor(f"{kind}-1", "tilt", "deg", "Z1", kind, rate=1 / 60) for kind in kinds)
    assets = {kind: Asset(kind, kind, "Z1", f"The {kind}") for kind in kinds}
    load_registry(client, replace(CITY, sensors=sensors, assets=assets))
    for kind in kinds:
        hours(client, f"{kind}-1", {0: 1.5})
    found = [health["asset"] for health in structures(client, DAY)]
    assert found == ["slope", "tunnel", "viaduct"]
    for asset in found:
        page = bridge_page(read_day(client, asset, DAY))
        assert f"The {asset}" in page
        assert f"{asset}-1" in page


def test_zone_indices(town: Client) -> None:
    """Construction is what has ever delivered, operation what came of what was due, health what alerts left."""
    hours(town, "F1", {0: 5.0})
    hours(town, "F2", {0: 5.0}, readings=30)
    hours(town, "G1", {24: 5.0})
    finding(town, 1, "F1", 0, 15, kind="sensor-fault", verdict="fault", reason="stuck")
    alert(town, 1, 10, 30, zone="Z2", level=2)
    alert(town, 2, 10, 30, zone="Z2", level=3)
    alert(town, 3, 10, 30, zone="Z2", level=3, kind="operations")
    found = rows(town, "SELECT day, zone, construction, operation, health, sensors, alerts FROM zone_indices")
    assert {row[:2]: tuple(round(value, 3) for value in row[2:]) for row in found} == {
        (DAY, "Z1"): (0, 0, 100, 6, 0),
        (DAY, "Z2"): (66.667, 41.667, 85, 3, 2),
        (date(2026, 3, 11), "Z1"): (16.667, 20, 100, 6, 0),
        (date(2026, 3, 11), "Z2"): (66.667, 0, 100, 3, 0),
    }


def test_bicycle_parking(town: Client) -> None:
    """Counted against what is planned, which holds until it is told anew."""
    hours(town, "P1", {0: 10.0, 1: 30.0, 2: 30.0})
    hours(town, "P2", {1: 4.0})
    hours(town, "P3", {0: 25.0, 2: 60.0})
    found = rows(
        town,
        "SELECT asset_name, owner, parked, most_parked, stray, planned, occupancy, most_over "
        "FROM bicycle_parking ORDER BY hour",
    )
    assert found == [
        ("Station square", "operator", 10, 11, None, 25, 0.4, 0),
        ("Station square", "operator", 30, 31, 4, 25, 1.2, 6),
        ("Station square", "operator", 30, 31, None, 60, 0.5, 0),
    ]


def test_cases(town: Client) -> None:
    """How far each case has come; what is known of its alert is taken from there."""
    alert(town, 1, 5, level=1)
    action(town, "dispatch", 10, case="c1", unit="gas", alert=uuid(1))
    action(town, "accept", 12, case="c1")
    action(town, "dispatch", 13, case="c1", unit="street", alert=uuid(1))
    action(town, "handle", 40, case="c1")
    action(town, "close-case", 70, case="c1")
    action(town, "dispatch", 20, case="c2", unit="street", kind="pothole", zone="Z2")
    action(town, "accept", 50, case="c2")
    action(town, "comment", 50, alert=uuid(1), comment="no case")
    found = rows(
        town,
        "SELECT id, unit, alert, kind, level, zone, state, to_accept_s, to_handle_s, to_close_s FROM cases ORDER BY id",
    )
    assert found == [
        ("c1", "street", uuid(1), "gas-leak", 1, "Z1", "closed", 120, 1800, 3600),
        ("c2", "street", "", "pothole", None, "Z2", "accepted", 1800, None, None),
    ]
    assert rows(town, "SELECT * FROM case_closure ORDER BY kind") == [
        (DAY, "street", 1, "gas-leak", "Z1", 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 120, 120, 1800, 1800, 3600, 3600),
        (DAY, "street", None, "pothole", "Z2", 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1800, 1800, None, None, None, None),
    ]
