"""What each version of the schema adds to the one before, as data. Entries that were released are only followed."""

from __future__ import annotations

from typing import Final

from sinks.clickhouse.tables import ALERTS, CITY, HEALTH, NAME, TABLES, TIME_NS
from sinks.clickhouse.views import LATER, VIEWS

__all__ = ["MIGRATIONS", "VERSION"]

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
    HEALTH.replace("CREATE VIEW", "CREATE OR REPLACE VIEW").replace(
        "FROM findings WHERE verdict = 'fault'", "FROM findings FINAL WHERE verdict = 'fault' AND NOT withdrawn"
    ),
    f"""
CREATE TABLE redrives (
    partition {NAME}, offset UInt64, row Int32, run DateTime64(3, 'UTC') COMMENT 'when it was tried',
    reason {NAME} COMMENT 'why it is still dead; empty: it was used', detail String
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
    id UUID, action {NAME}, ts {TIME_NS}, actor {NAME}, role {NAME},
    alert UUID COMMENT 'zeros where it is about none', asset {NAME}, sensor {NAME}, zone {NAME}, kind {NAME},
    until {TIME_NS} COMMENT '1970 where no end is named', reason String, comment String,
    verdict {NAME} COMMENT 'true or false alarm', `case` String, unit {NAME}, known {TIME_NS}
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(ts) ORDER BY (ts, id)
""",
    f"""
ALTER TABLE alert_events
    MODIFY COLUMN type Enum8(
        'raised' = 0, 'updated' = 1, 'escalated' = 2, 'cleared' = 3, 'amended' = 4, 'withdrawn' = 5,
        'acknowledged' = 6, 'shelved' = 7, 'unshelved' = 8, 'suppressed' = 9, 'resumed' = 10, 'overdue' = 11,
        're-alarmed' = 12, 'judged' = 13, 'closed' = 14
    ),
    ADD COLUMN IF NOT EXISTS acknowledged {TIME_NS} COMMENT '1970: by nobody',
    ADD COLUMN IF NOT EXISTS acknowledged_by {NAME},
    ADD COLUMN IF NOT EXISTS shelved_until {TIME_NS} COMMENT '1970: it is not',
    ADD COLUMN IF NOT EXISTS shelved_by {NAME},
    ADD COLUMN IF NOT EXISTS suppressed Bool COMMENT 'all that speaks for it is in maintenance or out of service',
    ADD COLUMN IF NOT EXISTS latched Bool COMMENT 'it stays at the desk after it has cleared, until it is closed',
    ADD COLUMN IF NOT EXISTS closed {TIME_NS} COMMENT '1970: it is not',
    ADD COLUMN IF NOT EXISTS judged {NAME} COMMENT 'true or false alarm; empty: by nobody'
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
    id UUID, type {NAME}, ts {TIME_NS}, channel {NAME} COMMENT 'citizen or inspector',
    lon Float64 COMMENT '0, 0: not named', lat Float64, zone {NAME}, asset {NAME}, confidence Float64,
    text String COMMENT 'of anybody: to be escaped where it is shown', picture String COMMENT 'a reference; the same',
    reporter String, known {TIME_NS}
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
    ADD COLUMN IF NOT EXISTS rules Array({NAME}) COMMENT 'of the city''s policy, that made it so grave',
    ADD COLUMN IF NOT EXISTS notify Array({NAME}) COMMENT 'units that the step goes to besides the owner'
""",
    f"""
CREATE TABLE notices (
    ts {TIME_NS}, desk {NAME}, why {NAME} COMMENT 'at-once, digest or flood', on_duty Array({NAME}),
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
    ADD COLUMN IF NOT EXISTS source {NAME} COMMENT 'who or what found a case: video, report, inspector, sensor',
    ADD COLUMN IF NOT EXISTS command UUID COMMENT 'that a controller answers; zeros: none',
    ADD COLUMN IF NOT EXISTS state {NAME} COMMENT 'of a controller'
""",
    f"""
CREATE TABLE commands (
    id UUID, command UUID, seq UInt32 COMMENT 'within the command', step {NAME}, ts {TIME_NS}, asset {NAME},
    by {NAME} COMMENT 'lifeline, a controller, or a person', reason String,
    finding UUID COMMENT 'that asked for it', sensor {NAME} COMMENT 'by which it is read back',
    value Float64 COMMENT 'that the gas sensor read last', expires {TIME_NS} COMMENT 'of an order; 1970: it is none',
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
    TABLES,
    (
        f"""
ALTER TABLE findings
    ADD COLUMN IF NOT EXISTS params {NAME} COMMENT 'of the detector, as JSON',
    ADD COLUMN IF NOT EXISTS sample_ts Array(DateTime64(9, 'UTC')) CODEC(ZSTD(1)) COMMENT 'readings before ts',
    ADD COLUMN IF NOT EXISTS sample_value Array(Float64) CODEC(ZSTD(1))
""",
        f"""
ALTER TABLE alert_events
    ADD COLUMN IF NOT EXISTS pipe {NAME} COMMENT 'where the signs place the cause; empty: nowhere',
    ADD COLUMN IF NOT EXISTS offset Float64 COMMENT 'm from the start of the pipe',
    ADD COLUMN IF NOT EXISTS radius Float64 COMMENT 'm, 90 %'
""",
        ALERTS.replace("CREATE VIEW", "CREATE OR REPLACE VIEW"),
    ),
    _REVISED,
    (*_DESK, CITY, *VIEWS),
    (*_REPORTS,),
    _GRADED,
    (*_COMMANDS, _CASE_POLICY, *LATER),
)

VERSION: Final = len(MIGRATIONS)
