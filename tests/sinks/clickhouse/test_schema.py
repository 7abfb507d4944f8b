"""The schema: created once, upgraded, refused when newer."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from domain.city import City, Sensor, Unit, Zone
from domain.errors import ConfigError, SinkRefused
from domain.findings import Samples
from sinks.clickhouse import schema
from sinks.clickhouse.client import Dsn
from sinks.clickhouse.read import alerts_of, findings_of
from sinks.clickhouse.schema import Retention, ensure_schema, load_registry, retain

CITY = City(
    "c",
    "UTC",
    (Sensor("s1", "gas-lel", "%LEL", "z1", rate=0.2), Sensor("s2", "level", "m", "nowhere")),
    zones={"z1": Zone("z1", "Old town", "u1")},
    units={"u1": Unit("u1")},
)


def test_created_once(empty: Client) -> None:
    """The first call makes everything, the second finds it."""
    assert ensure_schema(empty) == 0
    assert ensure_schema(empty) == schema.VERSION
    for table in (
        "readings",
        "aggregates_1s",
        "aggregates_1m",
        "aggregates_1h",
        "alerts",
        "alerts_per_hour",
        "sensor_health",
    ):
        assert empty.command(f"SELECT count() FROM {table}") == 0


def test_an_interrupted_creation_is_taken_up(empty: Client) -> None:
    """A crash between two statements leaves no version; the next start completes the rest."""
    empty.command(f"CREATE DATABASE {empty.database}", use_database=False)
    for statement in schema.MIGRATIONS[0][:5]:
        empty.command(statement)
    ensure_schema(empty)
    assert empty.command("SELECT count() FROM sensor_health") == 0


def test_upgraded_step_by_step(empty: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is new is run."""
    ensure_schema(empty)
    later = (*schema.MIGRATIONS, ("ALTER TABLE findings ADD COLUMN note String",))
    monkeypatch.setattr(schema, "MIGRATIONS", later)
    monkeypatch.setattr(schema, "VERSION", len(later))
    assert ensure_schema(empty) == len(later) - 1
    assert ensure_schema(empty) == len(later)
    assert empty.command("SELECT count() FROM system.columns WHERE table = 'findings' AND name = 'note'") == 1


def test_version_1_is_brought_up_to_date(empty: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first version stored is read by the views of this one; an upgrade that was interrupted is finished."""
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
    monkeypatch.setattr(schema, "VERSION", 1)
    ensure_schema(empty)
    empty.command(
        "INSERT INTO alert_events (alert, seq, type, level) VALUES (toUUID('" + "1" * 32 + "'), 0, 'raised', 2)"
    )
    monkeypatch.undo()
    empty.command(schema.MIGRATIONS[1][0])
    assert ensure_schema(empty) == 1
    assert empty.query("SELECT events, last_event, level, revision, note FROM alerts").result_rows == [
        (1, "raised", 2, 0, "")
    ]


@pytest.mark.parametrize(
    ("events", "stands"),
    [
        (["raised 0.0", "cleared 1.0"], "cleared 1.0"),
        (["raised 0.0", "cleared 1.0", "amended 1.1"], "amended 1.1"),
        (["raised 0.0", "amended 0.1", "cleared 1.0"], "cleared 1.0"),
        (["raised 0.0", "withdrawn 0.1"], "withdrawn 0.1"),
        (["raised 0.0", "withdrawn 0.1", "cleared 1.0"], "withdrawn 0.1"),
        (["raised 0.0", "withdrawn 0.1", "escalated 1.0"], "escalated 1.0"),
        (["raised 0.0", "withdrawn 0.1", "escalated 1.0", "cleared 2.0"], "cleared 2.0"),
        (["raised 0.0", "withdrawn 0.1", "amended 0.2"], "amended 0.2"),
        (["raised 0.1"], "raised 0.1"),
        (["raised 0.0", "acknowledged 1.0", "cleared 2.0", "closed 3.0"], "closed 3.0"),
        (["raised 0.0", "withdrawn 0.1", "cleared 1.0", "judged 2.0"], "withdrawn 0.1"),
    ],
)
def test_what_an_alert_stands_at(client: Client, events: list[str], stands: str) -> None:
    """A revision comes after the event whose number it bears; only what is found brings back what was withdrawn."""
    for event in events:
        type, _, number = event.partition(" ")
        seq, _, revision = number.partition(".")
        client.command(
            "INSERT INTO alert_events (alert, seq, revision, type, level) "
            f"VALUES (toUUID('{'1' * 32}'), {seq}, {revision}, '{type}', 2)"
        )
    found = client.query("SELECT last_event, events, revision FROM alerts").result_rows
    assert [f"{type} {events - 1}.{revision}" for type, events, revision in found] == [stands]


def test_rows_of_the_first_version_stay(empty: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings and alerts of an older Lifeline are read after the upgrade: without samples, parameters and pipe."""
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        older.setattr(schema, "VERSION", 1)
        ensure_schema(empty)
    at = "fromUnixTimestamp64Nano(1764000000000000000)"
    empty.command(
        f"INSERT INTO findings (id, sensor, ts, known, onset) VALUES (generateUUIDv4(), 'G', {at}, {at}, {at})"
    )
    empty.command(
        f"INSERT INTO alert_events (id, alert, ts, kind) VALUES (generateUUIDv4(), generateUUIDv4(), {at}, 'k')"
    )
    assert ensure_schema(empty) == 1
    (finding,) = findings_of(empty)
    assert (finding.sensor, finding.params, finding.samples) == ("G", "", Samples())
    (alert,) = alerts_of(empty)
    assert (alert.kind, alert.pipe, alert.offset, alert.radius) == ("k", "", 0.0, 0.0)


def test_a_newer_schema_is_refused(client: Client) -> None:
    """With what to do about it."""
    client.command("INSERT INTO schema_version VALUES (99)")
    with pytest.raises(SinkRefused, match=r"schema version 99; this Lifeline knows versions up to \d+\. Use"):
        ensure_schema(client)


def test_the_registry_is_replaced(client: Client) -> None:
    """A second load leaves the second city only; unknown zones are empty, and units come from the zone."""
    load_registry(client, CITY)
    load_registry(client, CITY)
    rows = client.query("SELECT sensor, kind, unit, zone_name, owner, rate FROM registry ORDER BY sensor").result_rows
    assert rows == [("s1", "gas-lel", "%LEL", "Old town", "u1", 0.2), ("s2", "level", "m", "", "", 1.0)]
    health = client.query("SELECT sensor, open_faults FROM sensor_health ORDER BY sensor").result_rows
    assert health == [("s1", []), ("s2", [])]
    load_registry(client, City("empty", "UTC", ()))
    assert client.command("SELECT count() FROM registry") == 0


def test_retention(client: Client) -> None:
    """Set, changed and lifted; a coarser table never goes before a finer one."""
    query = (
        "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 'readings_packed'"
    )
    retain(client, Retention(readings=30))
    assert "toIntervalDay(30)" in str(client.command(query))
    retain(client, Retention())
    assert "TTL" not in str(client.command(query))
    with pytest.raises(ValueError, match="the longer the coarser"):
        retain(client, Retention(aggregates_1s=10))


@pytest.mark.parametrize(
    "dsn", ["", "chdb:", "mysql://x", "clickhouse://u:secret@h/db", "clickhouse://h:99999/db", "chdb:///x?user=1"]
)
def test_bad_dsns(dsn: str) -> None:
    """Told, and never with a password in the message."""
    with pytest.raises(ConfigError) as caught:
        Dsn.parse(dsn)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("dsn", "parsed"),
    [
        ("chdb:///var/x", Dsn("chdb", "/var/x")),
        ("chdb://./x?database=d", Dsn("chdb", "./x", database="d")),
        ("chdb://:memory:", Dsn("chdb", ":memory:")),
        ("clickhouse://h", Dsn("http", "", "h", 8123, "default", "lifeline")),
        ("https://a%40b@h/db", Dsn("https", "", "h", 8443, "a@b", "db")),
    ],
)
def test_good_dsns(dsn: str, parsed: Dsn) -> None:
    """Every form that the docs name."""
    assert Dsn.parse(dsn) == parsed
