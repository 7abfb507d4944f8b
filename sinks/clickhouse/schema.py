"""A database's schema: created, upgraded and versioned by `ensure_schema`; its registry; how long rows are kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final

import numpy as np
from clickhouse_connect.driver.binding import quote_identifier
from clickhouse_connect.driver.client import Client

from domain.city import City
from domain.clock import SECOND
from domain.errors import SinkError, SinkRefused
from sinks.clickhouse.client import translated
from sinks.clickhouse.embedded import adapt
from sinks.clickhouse.migrations import MIGRATIONS, VERSION
from sinks.clickhouse.native import Column, Dictionary, encode
from sinks.clickhouse.tables import AGGREGATES, BLOCK_TABLES

__all__ = [
    "AGGREGATES",
    "MIGRATIONS",
    "VERSION",
    "Retention",
    "check_schema",
    "ensure_schema",
    "load_registry",
    "retain",
    "settle",
]

_CREATE: Final = re.compile(r"^\s*CREATE (TABLE|VIEW|MATERIALIZED VIEW)\b")


def ensure_schema(client: Client) -> int:
    """Create the client's database or bring it up to date; return the version it had (0: none).

    Of several processes, one calls it before the others start. Raises SinkRefused when a newer Lifeline wrote it.
    """
    database = client.database or "lifeline"
    with translated():
        client.command(f"CREATE DATABASE IF NOT EXISTS {quote_identifier(database)}", use_database=False)
        client.command("CREATE TABLE IF NOT EXISTS schema_version (version UInt32) ENGINE = MergeTree ORDER BY version")
        found = int(str(client.command("SELECT max(version) FROM schema_version")))
        if found > VERSION:
            raise SinkRefused(
                f"database {database!r} has schema version {found}; this Lifeline knows versions up to {VERSION}. "
                "Use the Lifeline that wrote it or a newer one, or name another database."
            )
        for version, statements in enumerate(MIGRATIONS[found:], found + 1):
            for statement in statements:
                # A step that was interrupted is taken up again where it stopped.
                client.command(_CREATE.sub(r"\g<0> IF NOT EXISTS", statement, count=1))
            client.command(f"INSERT INTO schema_version VALUES ({version})")
        adapt(client, BLOCK_TABLES)
    return found


def check_schema(client: Client) -> None:
    """Raise SinkError while the schema is not this program's: another process may still be preparing it."""
    with translated():
        found = int(str(client.command("SELECT max(version) FROM schema_version")))
    if found != VERSION:
        raise SinkError(f"the schema has version {found}, {VERSION} is needed: waiting for the first process")


def load_registry(client: Client, city: City) -> None:
    """Replace the `registry` table by the city's sensors, in one step for whoever reads it, and say whose they are."""
    sensors = city.sensors
    zones = [city.zones.get(sensor.zone) for sensor in sensors]
    assets = [city.assets.get(sensor.asset) for sensor in sensors]
    owner = [(asset and asset.unit) or (zone and zone.unit) or "" for asset, zone in zip(assets, zones, strict=True)]
    names = {
        "kind": [sensor.kind for sensor in sensors],
        "unit": [sensor.unit for sensor in sensors],
        "zone": [sensor.zone for sensor in sensors],
        "zone_name": [zone.name if zone else "" for zone in zones],
        "asset": [sensor.asset for sensor in sensors],
        "asset_kind": [asset.kind if asset else "" for asset in assets],
        "asset_name": [asset.name if asset else "" for asset in assets],
        "owner": owner,
    }
    numbers = ("lon", "lat", "rate", "low", "high")
    columns = [
        Column("sensor", "String", [sensor.id for sensor in sensors]),
        *(Column(name, "LowCardinality(String)", Dictionary.of(values)) for name, values in names.items()),
        *(Column(name, "Float64", np.array([getattr(sensor, name) for sensor in sensors], float)) for name in numbers),
    ]
    with translated():
        client.command("DROP TABLE IF EXISTS registry_next")
        client.command("CREATE TABLE registry_next AS registry")
        if sensors:
            client.raw_insert("registry_next", [column.name for column in columns], encode(columns), fmt="Native")
        client.command("EXCHANGE TABLES registry_next AND registry")
        client.command("DROP TABLE registry_next")
        levels = [level.name for level in sorted(city.levels, key=lambda level: level.rank)]
        client.insert(
            "city", [[city.name, city.timezone, levels]], ["name", "timezone", "levels"], settings={"async_insert": 0}
        )
        client.insert(
            "case_policy",
            [[[level.rank for level in city.cases.level], *_seconds(city)]],
            ["rank", *_POLICY],
            settings={"async_insert": 0},
        )


_POLICY: Final = ("dispatch_s", "accept_s", "handle_s", "close_s")


def _seconds(city: City) -> list[list[float]]:
    """The times that are set for cases, by stage and level."""
    names = (f"{name.removesuffix('_s')}_within" for name in _POLICY)
    return [[getattr(level, name) / SECOND for level in city.cases.level] for name in names]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows are kept, in days of the database's clock; 0 keeps them for ever.

    For ever is the default, since a recording that is replayed may well be years old.
    """

    readings: int = 0
    aggregates_1s: int = 0
    aggregates_1m: int = 0
    aggregates_1h: int = 0
    findings: int = 0
    video_events: int = 0
    dead_letters: int = 0


# Table, column and the table's settings that rule it. Late rows stay as long as the aggregates that they correct.
_EXPIRY: Final = {
    "readings": (("readings_packed", "pane"),),
    "aggregates_1s": (("aggregates_1s_stored", "start"),),
    "aggregates_1m": (("aggregates_1m_stored", "start"), ("readings_per_minute_stored", "minute")),
    "aggregates_1h": (("aggregates_1h_stored", "start"), ("late_rows", "ts")),
    "findings": (("findings", "ts"),),
    "video_events": (("video_events", "ts"),),
    "dead_letters": (("dead_letters", "recorded"), ("redrives", "run")),
}


def retain(client: Client, retention: Retention) -> None:
    """Set how long rows are kept. Raises ValueError when a coarser table would go before a finer one."""
    kept = [
        getattr(retention, name) or float("inf")
        for name in ("readings", "aggregates_1s", "aggregates_1m", "aggregates_1h")
    ]
    if any(finer > coarser for finer, coarser in pairwise(kept)):
        raise ValueError("readings and aggregates must be kept the longer the coarser they are")
    with translated():
        for rule in fields(retention):
            days = int(getattr(retention, rule.name))
            for table, column in _EXPIRY[rule.name]:
                has_ttl = " TTL " in str(
                    client.command(
                        f"SELECT create_table_query FROM system.tables WHERE database = "
                        f"currentDatabase() AND name = '{table}'"
                    )
                )
                if days:
                    client.command(f"ALTER TABLE {table} MODIFY TTL toDateTime({column}) + INTERVAL {days} DAY")
                elif has_ttl:
                    client.command(f"ALTER TABLE {table} REMOVE TTL")


def settle(client: Client, tables: Sequence[str] = tuple(AGGREGATES.values())) -> None:
    """Store what late rows changed in the aggregates, so that it outlives the raw readings.

    Run it daily; repeats are harmless.
    """
    columns = "sensor, start, count, min, max, mean, last, std"
    with translated():
        for table in tables:
            client.command(
                f"INSERT INTO {table}_stored ({columns}, settled) SELECT {columns}, true FROM {table} "
                f"WHERE (sensor, start, count) NOT IN (SELECT sensor, start, count FROM {table}_stored) "
                "SETTINGS async_insert = 0"
            )
