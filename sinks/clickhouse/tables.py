"""The first tables and views, as data.

Every block of a base table lies in one partition, so that an insert is one part and its deduplication token holds. The
tables of rare records (findings, alert events, ...) are `ReplacingMergeTree`s over deterministic keys: read them with
FINAL. Times are UTC throughout.
"""

from __future__ import annotations

from typing import Final

from domain.clock import HOUR, MILLISECOND, MINUTE, SECOND

__all__ = ["AGGREGATES", "ALERTS", "BLOCK_TABLES", "CITY", "HEALTH", "NAME", "TABLES", "TIME_NS"]

#: The table of each aggregation period in nanoseconds; `<table>_stored` is what blocks go to, `<table>` what one reads.
AGGREGATES: Final = {SECOND: "aggregates_1s", MINUTE: "aggregates_1m", HOUR: "aggregates_1h"}

#: The tables that blocks go to.
BLOCK_TABLES: Final = ("readings_packed", *(f"{table}_stored" for table in AGGREGATES.values()))

#: Repeats of the last so many blocks of a table are recognised.
DEDUPLICATION_WINDOW: Final = 10_000

#: Blocks are merged by so many at least. By fives, as is the default, merging takes as long as the inserts themselves.
MERGED_AT_ONCE: Final = 10

_BLOCKS = (
    f"SETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}, "
    f"min_parts_to_merge_at_once = {MERGED_AT_ONCE}"
)
TIME_NS = "DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1))"
# Gorilla takes twice the space on values that are rounded, as gauges do (perf/clickhouse.py); see embedded.py for ALP.
_VALUE = "Float64 CODEC(ZSTD(1))"
NAME = "LowCardinality(String)"

_READINGS = f"""
CREATE TABLE readings_packed (
    sensor {NAME},
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
    sensor {NAME},
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
CITY = """
CREATE TABLE city (
    name String, timezone String, levels Array(String) COMMENT 'names by rank, the gravest first'
) ENGINE = ReplacingMergeTree ORDER BY tuple()
"""
_REGISTRY = f"CREATE TABLE registry ({_REGISTRY_COLUMNS}) ENGINE = MergeTree ORDER BY sensor"

_FINDINGS = f"""
CREATE TABLE findings (
    id UUID, phase Enum8('onset' = 0, 'change' = 1, 'end' = 2), monitor {NAME}, detector {NAME}, config {NAME},
    kind {NAME}, verdict Enum8('event' = 0, 'fault' = 1), reason {NAME}, sensor {NAME},
    ts {TIME_NS}, known {TIME_NS}, onset {TIME_NS}, level UInt8,
    score Float64, threshold Float64, value Float64, baseline Float64
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(ts) ORDER BY (id, phase, ts)
"""
_ALERT_EVENTS = f"""
CREATE TABLE alert_events (
    id UUID, alert UUID, seq UInt32, type Enum8('raised' = 0, 'updated' = 1, 'escalated' = 2, 'cleared' = 3),
    ts {TIME_NS},
    kind {NAME}, level UInt8, active Bool, onset {TIME_NS}, raised {TIME_NS}, updated {TIME_NS},
    cleared {TIME_NS} COMMENT '1970 while active', zone {NAME}, asset {NAME}, place String, lon Float64, lat Float64,
    owner {NAME}, urgent Bool, corroboration Float64, summary String, sensors Array({NAME}), cameras Array({NAME}),
    clips Array(String), evidence Array(UUID), support Array(String)
) ENGINE = ReplacingMergeTree ORDER BY (alert, seq)
"""
ALERTS = """
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
    id UUID, camera {NAME}, ts {TIME_NS}, type {NAME}, confidence Float64, place String, clip String,
    known {TIME_NS}
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(ts) ORDER BY (camera, ts, id)
"""
_LATE = f"""
CREATE TABLE late_rows (
    sensor {NAME}, ts {TIME_NS}, value {_VALUE}, partition {NAME}, offset UInt64, recorded {TIME_NS},
    watermark {TIME_NS}, priority UInt64 DEFAULT bitNot(offset) COMMENT 'the first offset wins'
) ENGINE = ReplacingMergeTree(priority) PARTITION BY toYYYYMMDD(ts) ORDER BY (sensor, ts)
"""
_DEAD = f"""
CREATE TABLE dead_letters (
    partition {NAME}, offset UInt64, row Int32 COMMENT '-1: the whole message', recorded {TIME_NS}, reason {NAME},
    detail String, payload String
) ENGINE = ReplacingMergeTree ORDER BY (partition, offset, row)
"""

# Rollups that the blocks of aggregates feed, since a view costs time by the row; a block that comes again is kept out
# of them as well.
_PER_MINUTE = (
    f"""
CREATE TABLE readings_per_minute_stored (
    minute DateTime64(3, 'UTC'), kind {NAME}, readings UInt64
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
    sensor {NAME}, last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'to the second'
) ENGINE = AggregatingMergeTree ORDER BY sensor {_BLOCKS}
""",
    """
CREATE MATERIALIZED VIEW sensor_last_seen_feed TO sensor_last_seen AS
SELECT sensor, max(start) AS last_seen FROM aggregates_1s_stored GROUP BY sensor
""",
)
HEALTH = """
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

#: Version 1 of the schema.
TABLES: Final = (
    _REGISTRY,
    _READINGS,
    _READINGS_VIEW,
    _FINDINGS,
    _ALERT_EVENTS,
    ALERTS,
    _ALERTS_PER_HOUR,
    _VIDEO,
    _LATE,
    _DEAD,
    *(_aggregates(AGGREGATES[period], "toYYYYMM" if period == HOUR else "toYYYYMMDD") for period in AGGREGATES),
    *(_corrected(AGGREGATES[period], period) for period in AGGREGATES),
    *_PER_MINUTE,
    *_LAST_SEEN,
    HEALTH,
)
