"""The tables, as data: created, upgraded and versioned by `ensure_schema`.

Every block of a base table lies in one partition, so that an insert is one part and its deduplication token holds. The
tables of rare records (findings, alert events, ...) are `ReplacingMergeTree`s over deterministic keys: read them with
FINAL. Times are UTC throughout.
"""

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
from domain.clock import HOUR, MILLISECOND, MINUTE, SECOND
from domain.errors import SinkError, SinkRefused
from sinks.clickhouse.client import translated
from sinks.clickhouse.codecs import pack_numbers
from sinks.clickhouse.native import Column, Dictionary, encode
from sinks.clickhouse.views import LATER, VIEWS

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

#: The table of each aggregation period in nanoseconds; `<table>_stored` is what blocks go to, `<table>` what one reads.
AGGREGATES: Final = {SECOND: "aggregates_1s", MINUTE: "aggregates_1m", HOUR: "aggregates_1h"}

#: Repeats of the last so many blocks of a table are recognised.
DEDUPLICATION_WINDOW: Final = 10_000

#: Blocks are merged by so many at least. By fives, as is the default, merging takes as long as the inserts themselves.
MERGED_AT_ONCE: Final = 10

_BLOCKS = (
    f"SETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}, "
    f"min_parts_to_merge_at_once = {MERGED_AT_ONCE}"
)
_TIME_NS = "DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1))"
# Gorilla takes twice the space on values that are rounded, as gauges do (perf/clickhouse.py); see codecs.py for ALP.
_VALUE = "Float64 CODEC(ZSTD(1))"
_NAME = "LowCardinality(String)"

_READINGS = f"""
CREATE TABLE readings_packed (
    sensor {_NAME},
    pane DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)) COMMENT 'start of the pane',
    ts Array(DateTime64(9, 'UTC')) CODEC(DoubleDelta, LZ4),
    value Array(Float64) CODEC(ZSTD(1))
) ENGINE = MergeTree PARTITION BY toYYYYMMDD(pane) ORDER BY (sensor, pane) {_BLOCKS}
"""
_READINGS_VIEW = """
CREATE VIEW readings AS
SELECT sensor, pane, t AS ts, v AS value FROM readings_packed ARRAY JOIN ts AS t, value AS v
"""


def _floor(column: str, period: int) -> str:
    # In 64-bit arithmetic: toStartOfInterval goes through 32-bit seconds, which end in 2106.
    ticks = f"intDiv(toUnixTimestamp64Nano({column}), {period}) * {period // MILLISECOND}"
    return f"fromUnixTimestamp64Milli({ticks}, 'UTC')"


def _aggregates(table: str, partition: str) -> str:
    return f"""
CREATE TABLE {table}_stored (
    sensor {_NAME},
    start DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    count UInt32 CODEC(T64, ZSTD(1)),
    min {_VALUE}, max {_VALUE}, mean {_VALUE}, last {_VALUE},
    std {_VALUE} COMMENT 'population standard deviation',
    settled Bool DEFAULT false COMMENT 'a correction by late rows; rollups have counted the period already'
) ENGINE = MergeTree PARTITION BY {partition}(start) ORDER BY (sensor, start) {_BLOCKS}
"""


def _corrected(table: str, period: int) -> str:
    """Aggregates in which late rows count: a touched period is computed anew from stored and late readings.

    A stored reading wins over a late one of the same time. Sums go in order of time: rounded otherwise, the same rows
    would have another mean after a merge. Should the raw readings have expired, the fullest row known stands (see
    `settle`).
    """
    start = _floor("ts", period)
    touched = f"(SELECT sensor, {start} FROM late_rows)"
    return f"""
CREATE VIEW {table} AS
SELECT sensor, start, count, min, max, mean, last, std FROM {table}_stored WHERE (sensor, start) NOT IN {touched}
UNION ALL
SELECT sensor, start, count, min, max, mean, last, std FROM (
    SELECT sensor, start, count, min, max, mean, last, std FROM {table}_stored WHERE (sensor, start) IN {touched}
    UNION ALL
    WITH tupleElement(arraySort(groupArray((ts, v))), 2) AS ordered
    SELECT
        sensor, begin AS start, toUInt32(count()) AS count, min(v) AS min, max(v) AS max, arrayAvg(ordered) AS mean,
        argMax(v, ts) AS last, sqrt(arrayAvg(x -> (x - mean) * (x - mean), ordered)) AS std
    FROM (
        SELECT sensor, ts, {start} AS begin, argMin(value, late) AS v FROM (
            SELECT sensor, ts, value, 0 AS late FROM readings
            WHERE sensor IN (SELECT sensor FROM late_rows) AND (sensor, {start}) IN {touched}
            UNION ALL
            SELECT sensor, ts, value, 1 AS late FROM late_rows FINAL
        ) GROUP BY sensor, ts
    ) GROUP BY sensor, begin
) ORDER BY count DESC LIMIT 1 BY sensor, start
"""


_REGISTRY_COLUMNS = """
    sensor String, kind LowCardinality(String), unit LowCardinality(String), zone LowCardinality(String),
    zone_name LowCardinality(String), asset LowCardinality(String), asset_kind LowCardinality(String),
    asset_name LowCardinality(String), owner LowCardinality(String), lon Float64, lat Float64, rate Float64,
    low Float64, high Float64
"""
_CITY = """
CREATE TABLE city (
    name String, timezone String, levels Array(String) COMMENT 'names by rank, the gravest first'
) ENGINE = ReplacingMergeTree ORDER BY tuple()
"""
_REGISTRY = f"CREATE TABLE registry ({_REGISTRY_COLUMNS}) ENGINE = MergeTree ORDER BY sensor"

_FINDINGS = f"""
CREATE TABLE findings (
    id UUID, phase Enum8('onset' = 0, 'change' = 1, 'end' = 2), monitor {_NAME}, detector {_NAME}, config {_NAME},
    kind {_NAME}, verdict Enum8('event' = 0, 'fault' = 1), reason {_NAME}, sensor {_NAME},
    ts {_TIME_NS}, known {_TIME_NS}, onset {_TIME_NS}, level UInt8,
    score Float64, threshold Float64, value Float64, baseline Float64
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(ts) ORDER BY (id, phase, ts)
"""
_ALERT_EVENTS = f"""
CREATE TABLE alert_events (
    id UUID, alert UUID, seq UInt32, type Enum8('raised' = 0, 'updated' = 1, 'escalated' = 2, 'cleared' = 3),
    ts {_TIME_NS},
    kind {_NAME}, level UInt8, active Bool, onset {_TIME_NS}, raised {_TIME_NS}, updated {_TIME_NS},
    cleared {_TIME_NS} COMMENT '1970 while active', zone {_NAME}, asset {_NAME}, place String, lon Float64, lat Float64,
    owner {_NAME}, urgent Bool, corroboration Float64, summary String, sensors Array({_NAME}), cameras Array({_NAME}),
    clips Array(String), evidence Array(UUID), support Array(String)
) ENGINE = ReplacingMergeTree ORDER BY (alert, seq)
"""
_ALERTS = """
CREATE VIEW alerts AS
SELECT * EXCEPT (id, alert, seq, type, ts), alert AS id, seq + 1 AS events, type AS last_event
FROM alert_events FINAL ORDER BY seq DESC LIMIT 1 BY alert
"""
_ALERTS_PER_HOUR = """
CREATE VIEW alerts_per_hour AS
SELECT toStartOfHour(raised) AS hour, level, kind, owner, count() AS alerts,
    avg(dateDiff('millisecond', onset, raised)) / 1000 AS mean_delay_s
FROM alerts GROUP BY hour, level, kind, owner
"""
_VIDEO = f"""
CREATE TABLE video_events (
    id UUID, camera {_NAME}, ts {_TIME_NS}, type {_NAME}, confidence Float64, place String, clip String,
    known {_TIME_NS}
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(ts) ORDER BY (camera, ts, id)
"""
_LATE = f"""
CREATE TABLE late_rows (
    sensor {_NAME}, ts {_TIME_NS}, value {_VALUE}, partition {_NAME}, offset UInt64, recorded {_TIME_NS},
    watermark {_TIME_NS}, priority UInt64 DEFAULT bitNot(offset) COMMENT 'the first offset wins'
) ENGINE = ReplacingMergeTree(priority) PARTITION BY toYYYYMMDD(ts) ORDER BY (sensor, ts)
"""
_DEAD = f"""
CREATE TABLE dead_letters (
    partition {_NAME}, offset UInt64, row Int32 COMMENT '-1: the whole message', recorded {_TIME_NS}, reason {_NAME},
    detail String, payload String
) ENGINE = ReplacingMergeTree ORDER BY (partition, offset, row)
"""

# Rollups that the blocks of aggregates feed, since a view costs time by the row; a block that comes again is kept out
# of them as well.
_PER_MINUTE = (
    f"""
CREATE TABLE readings_per_minute_stored (
    minute DateTime64(3, 'UTC'), kind {_NAME}, readings UInt64
) ENGINE = SummingMergeTree PARTITION BY toYYYYMM(minute) ORDER BY (minute, kind) {_BLOCKS}
""",
    """
CREATE MATERIALIZED VIEW readings_per_minute_feed TO readings_per_minute_stored AS
SELECT start AS minute, registry.kind AS kind, sum(count) AS readings FROM aggregates_1m_stored AS stored
LEFT ANY JOIN registry ON registry.sensor = stored.sensor WHERE NOT settled GROUP BY minute, kind
""",
    """
CREATE VIEW readings_per_minute AS
SELECT minute, kind, sum(readings) AS readings FROM readings_per_minute_stored GROUP BY minute, kind
""",
)
_LAST_SEEN = (
    f"""
CREATE TABLE sensor_last_seen (
    sensor {_NAME}, last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'to the second'
) ENGINE = AggregatingMergeTree ORDER BY sensor {_BLOCKS}
""",
    """
CREATE MATERIALIZED VIEW sensor_last_seen_feed TO sensor_last_seen AS
SELECT sensor, max(start) AS last_seen FROM aggregates_1s_stored GROUP BY sensor
""",
)
_HEALTH = """
CREATE VIEW sensor_health AS
SELECT registry.sensor AS sensor, kind, unit, zone, zone_name, asset, asset_kind, asset_name, owner, lon, lat, rate,
    seen.at AS last_seen, faults.open AS open_faults
FROM registry
LEFT JOIN (
    SELECT sensor, max(last_seen) AS at FROM sensor_last_seen GROUP BY sensor
) AS seen ON seen.sensor = registry.sensor
LEFT JOIN (
    SELECT sensor, arraySort(groupArray(reason)) AS open FROM (
        SELECT id, any(findings.sensor) AS sensor, any(findings.reason) AS reason
        FROM findings WHERE verdict = 'fault' GROUP BY id HAVING countIf(phase = 'end') = 0
    ) GROUP BY sensor
) AS faults ON faults.sensor = registry.sensor
"""

# Version 2: what readings that came late changed.
_REVISED = (
    """
ALTER TABLE alert_events
    MODIFY COLUMN type Enum8(
        'raised' = 0, 'updated' = 1, 'escalated' = 2, 'cleared' = 3, 'amended' = 4, 'withdrawn' = 5
    ),
    ADD COLUMN IF NOT EXISTS revision UInt32 COMMENT '0: the desk''s own step; counts as coming after its seq',
    ADD COLUMN IF NOT EXISTS note String COMMENT 'of a revision: why, and what changed',
    MODIFY ORDER BY (alert, seq, revision)
""",
    # What was withdrawn is not brought back by the engine's clearing it.
    """
CREATE OR REPLACE VIEW alerts AS
SELECT * EXCEPT (id, alert, seq, type, ts, before), alert AS id, seq + 1 AS events, type AS last_event
FROM (
    SELECT *, lagInFrame(toString(type)) OVER (PARTITION BY alert ORDER BY seq, revision) AS before
    FROM alert_events FINAL
)
WHERE NOT (type = 'cleared' AND before = 'withdrawn')
ORDER BY seq DESC, revision DESC LIMIT 1 BY alert
""",
    "ALTER TABLE findings ADD COLUMN IF NOT EXISTS withdrawn Bool COMMENT 'readings that came late speak against it'",
    _HEALTH.replace("CREATE VIEW", "CREATE OR REPLACE VIEW").replace(
        "FROM findings WHERE verdict = 'fault'", "FROM findings FINAL WHERE verdict = 'fault' AND NOT withdrawn"
    ),
    f"""
CREATE TABLE redrives (
    partition {_NAME}, offset UInt64, row Int32, run DateTime64(3, 'UTC') COMMENT 'when it was tried',
    reason {_NAME} COMMENT 'why it is still dead; empty: it was used', detail String
) ENGINE = ReplacingMergeTree ORDER BY (partition, offset, row, run)
""",
    """
CREATE VIEW dead_letters_open AS
SELECT
    letters.partition AS partition, letters.offset AS offset, letters.row AS row, letters.recorded AS recorded,
    if(tried.last > 0, tried.reason, letters.reason) AS reason,
    if(tried.last > 0, tried.detail, letters.detail) AS detail, letters.payload AS payload, tried.last AS tried
FROM dead_letters AS letters FINAL
LEFT JOIN (
    SELECT partition, offset, row, max(run) AS last, argMax(redrives.reason, run) AS reason,
        argMax(redrives.detail, run) AS detail
    FROM redrives GROUP BY partition, offset, row
) AS tried USING (partition, offset, row)
WHERE tried.last = 0 OR tried.reason != ''
""",
)

# Version 4: what people do.
_DESK = (
    f"""
CREATE TABLE operator_actions (
    id UUID, action {_NAME}, ts {_TIME_NS}, actor {_NAME}, role {_NAME},
    alert UUID COMMENT 'zeros where it is about none', asset {_NAME}, sensor {_NAME}, zone {_NAME}, kind {_NAME},
    until {_TIME_NS} COMMENT '1970 where no end is named', reason String, comment String,
    verdict {_NAME} COMMENT 'true or false alarm', `case` String, unit {_NAME}, known {_TIME_NS}
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(ts) ORDER BY (ts, id)
""",
    f"""
ALTER TABLE alert_events
    MODIFY COLUMN type Enum8(
        'raised' = 0, 'updated' = 1, 'escalated' = 2, 'cleared' = 3, 'amended' = 4, 'withdrawn' = 5,
        'acknowledged' = 6, 'shelved' = 7, 'unshelved' = 8, 'suppressed' = 9, 'resumed' = 10, 'overdue' = 11,
        're-alarmed' = 12, 'judged' = 13, 'closed' = 14
    ),
    ADD COLUMN IF NOT EXISTS acknowledged {_TIME_NS} COMMENT '1970: by nobody',
    ADD COLUMN IF NOT EXISTS acknowledged_by {_NAME},
    ADD COLUMN IF NOT EXISTS shelved_until {_TIME_NS} COMMENT '1970: it is not',
    ADD COLUMN IF NOT EXISTS shelved_by {_NAME},
    ADD COLUMN IF NOT EXISTS suppressed Bool COMMENT 'all that speaks for it is in maintenance or out of service',
    ADD COLUMN IF NOT EXISTS latched Bool COMMENT 'it stays at the desk after it has cleared, until it is closed',
    ADD COLUMN IF NOT EXISTS closed {_TIME_NS} COMMENT '1970: it is not',
    ADD COLUMN IF NOT EXISTS judged {_NAME} COMMENT 'true or false alarm; empty: by nobody'
""",
    # What was withdrawn is brought back by the engine's finding it again, and by nothing that is done about it.
    """
CREATE OR REPLACE VIEW alerts AS
SELECT * EXCEPT (id, alert, seq, type, ts, found), alert AS id, seq + 1 AS events, type AS last_event
FROM (
    SELECT *, anyLast(
        if(type IN ('raised', 'updated', 'escalated', 'amended', 'withdrawn'), toString(type), NULL)
    ) OVER (
        PARTITION BY alert ORDER BY seq, revision ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS found
    FROM alert_events FINAL
)
WHERE type = 'withdrawn' OR ifNull(found, '') != 'withdrawn'
ORDER BY seq DESC, revision DESC LIMIT 1 BY alert
""",
)

# Version 5: what citizens and inspectors report, what speaks against an alert, and what is its cause.
_REPORTS = (
    f"""
CREATE TABLE reports (
    id UUID, type {_NAME}, ts {_TIME_NS}, channel {_NAME} COMMENT 'citizen or inspector',
    lon Float64 COMMENT '0, 0: not named', lat Float64, zone {_NAME}, asset {_NAME}, confidence Float64,
    text String COMMENT 'of anybody: to be escaped where it is shown', picture String COMMENT 'a reference; the same',
    reporter String, known {_TIME_NS}
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(ts) ORDER BY (ts, id)
""",
    """
ALTER TABLE alert_events
    ADD COLUMN IF NOT EXISTS against Array(String) COMMENT 'what speaks against it',
    ADD COLUMN IF NOT EXISTS reports Array(UUID) COMMENT 'of citizens and inspectors',
    ADD COLUMN IF NOT EXISTS cause UUID COMMENT 'the alert that it is a consequence of; zeros: of none'
""",
    _DESK[-1],  # the view takes up the new columns
)

# Version 6: what the city's policy made of alerts.
_GRADED = (
    f"""
ALTER TABLE alert_events
    ADD COLUMN IF NOT EXISTS rules Array({_NAME}) COMMENT 'of the city''s policy, that made it so grave',
    ADD COLUMN IF NOT EXISTS notify Array({_NAME}) COMMENT 'units that the step goes to besides the owner'
""",
    f"""
CREATE TABLE notices (
    ts {_TIME_NS}, desk {_NAME}, why {_NAME} COMMENT 'at-once, digest or flood', on_duty Array({_NAME}),
    alerts Array(UUID), steps Array(UUID) COMMENT 'ids of alert_events, one an alert',
    gravest UInt8 COMMENT 'level', id UUID
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(ts) ORDER BY (desk, ts, id)
""",
    _DESK[-1],  # a view knows the columns that were there when it was made
)

# Version 7: orders to the field, what controllers answer, and more of what is told of cases.
_COMMANDS = (
    f"""
ALTER TABLE operator_actions
    ADD COLUMN IF NOT EXISTS place String COMMENT 'of a case',
    ADD COLUMN IF NOT EXISTS level UInt8 COMMENT 'of a case; 0: none is named',
    ADD COLUMN IF NOT EXISTS source {_NAME} COMMENT 'who or what found a case: video, report, inspector, sensor',
    ADD COLUMN IF NOT EXISTS command UUID COMMENT 'that a controller answers; zeros: none',
    ADD COLUMN IF NOT EXISTS state {_NAME} COMMENT 'of a controller'
""",
    f"""
CREATE TABLE commands (
    id UUID, command UUID, seq UInt32 COMMENT 'within the command', step {_NAME}, ts {_TIME_NS}, asset {_NAME},
    by {_NAME} COMMENT 'lifeline, a controller, or a person', reason String,
    finding UUID COMMENT 'that asked for it', sensor {_NAME} COMMENT 'by which it is read back',
    value Float64 COMMENT 'that the gas sensor read last', expires {_TIME_NS} COMMENT 'of an order; 1970: it is none',
    run Int64 COMMENT 'ns that the device may run'
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(ts) ORDER BY (asset, ts, command, seq)
""",
)

_CASE_POLICY = """
CREATE TABLE case_policy (
    rank Array(UInt8), dispatch_s Array(Float64) COMMENT 'from the opening of a case; 0: no time is set',
    accept_s Array(Float64), handle_s Array(Float64), close_s Array(Float64)
) ENGINE = ReplacingMergeTree ORDER BY tuple()
"""

#: What each version adds to the one before. Entries that were released are never changed, only followed.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        _REGISTRY,
        _READINGS,
        _READINGS_VIEW,
        _FINDINGS,
        _ALERT_EVENTS,
        _ALERTS,
        _ALERTS_PER_HOUR,
        _VIDEO,
        _LATE,
        _DEAD,
        *(_aggregates(AGGREGATES[period], "toYYYYMM" if period == HOUR else "toYYYYMMDD") for period in AGGREGATES),
        *(_corrected(AGGREGATES[period], period) for period in AGGREGATES),
        *_PER_MINUTE,
        *_LAST_SEEN,
        _HEALTH,
    ),
    (
        f"""
ALTER TABLE findings
    ADD COLUMN IF NOT EXISTS params {_NAME} COMMENT 'of the detector, as JSON',
    ADD COLUMN IF NOT EXISTS sample_ts Array(DateTime64(9, 'UTC')) CODEC(ZSTD(1)) COMMENT 'readings before ts',
    ADD COLUMN IF NOT EXISTS sample_value Array(Float64) CODEC(ZSTD(1))
""",
        f"""
ALTER TABLE alert_events
    ADD COLUMN IF NOT EXISTS pipe {_NAME} COMMENT 'where the signs place the cause; empty: nowhere',
    ADD COLUMN IF NOT EXISTS offset Float64 COMMENT 'm from the start of the pipe',
    ADD COLUMN IF NOT EXISTS radius Float64 COMMENT 'm, 90 %'
""",
        _ALERTS.replace("CREATE VIEW", "CREATE OR REPLACE VIEW"),
    ),
    _REVISED,
    (*_DESK, _CITY, *VIEWS),
    (*_REPORTS,),
    _GRADED,
    (*_COMMANDS, _CASE_POLICY, *LATER),
)

VERSION: Final = len(MIGRATIONS)

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
        pack_numbers(client, ("readings_packed", *(f"{table}_stored" for table in AGGREGATES.values())))
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
