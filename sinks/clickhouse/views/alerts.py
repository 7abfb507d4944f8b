"""Views of the alerts: what stands open, what the desk was asked to look at, how fast it was, and how often in vain."""

from __future__ import annotations

from typing import Final

from domain.clock import MINUTE
from sinks.clickhouse.views.terms import NOW, STANDING, day, floor, known

__all__ = ["LATER", "VIEWS"]

# The first time that somebody has seen it: an alert may be told anew, and be acknowledged again.
_ACKNOWLEDGED: Final = """(
    SELECT alert, min(acknowledged) AS at, argMin(acknowledged_by, acknowledged) AS by
    FROM alert_events FINAL WHERE toUnixTimestamp64Milli(acknowledged) > 0 GROUP BY alert
)"""
# The latest word: it may come when the desk has long forgotten the alert.
_JUDGED: Final = """(
    SELECT alert, argMax(verdict, (ts, id)) AS verdict FROM operator_actions FINAL WHERE action = 'judge' GROUP BY alert
)"""

_OPEN: Final = f"""
CREATE VIEW alerts_open AS
SELECT
    toString(alerts.id) AS id, level, (SELECT any(levels) FROM city FINAL)[level] AS grade, kind, place, zone, asset,
    owner, urgent, corroboration, summary, lon, lat, raised, updated, active,
    dateDiff('second', raised, {NOW}) AS age_s, {known("alerts.acknowledged")} AS acknowledged,
    acknowledged_by, {known("alerts.shelved_until")} AS shelved_until, latched,
    multiIf(
        suppressed, 'suppressed', shelved_until IS NOT NULL, 'shelved', acknowledged IS NOT NULL, 'acknowledged', 'new'
    ) AS state
FROM alerts WHERE (active OR latched AND toUnixTimestamp64Milli(alerts.closed) = 0) AND {STANDING}
"""

_OPEN_BY_LEVEL: Final = """
CREATE VIEW alerts_open_by_level AS
SELECT level, any(grade) AS grade, kind, count() AS alerts, countIf(state = 'new') AS new,
    max(age_s) AS oldest_s
FROM alerts_open GROUP BY level, kind
"""

_RESPONSE: Final = f"""
CREATE VIEW alert_response AS
SELECT
    toString(alerts.id) AS id, kind, level, owner, zone, asset, place, summary, onset, raised,
    {known("first.at")} AS acknowledged, first.by AS acknowledged_by, {known("alerts.cleared")} AS cleared,
    dateDiff('millisecond', onset, raised) / 1000 AS to_raise_s,
    dateDiff('millisecond', raised, acknowledged) / 1000 AS to_acknowledge_s,
    dateDiff('millisecond', raised, cleared) / 1000 AS to_clear_s,
    nullIf(said.verdict, '') AS judged
FROM alerts
LEFT JOIN {_ACKNOWLEDGED} AS first ON first.alert = alerts.id
LEFT JOIN {_JUDGED} AS said ON said.alert = alerts.id
WHERE {STANDING}
"""

_RESPONSE_TIMES: Final = f"""
CREATE VIEW response_times AS
SELECT
    {day("raised")} AS day, level, kind, owner, count() AS alerts, count(acknowledged) AS acknowledged_alerts,
    count(cleared) AS cleared_alerts, median(to_raise_s) AS median_to_raise_s,
    median(to_acknowledge_s) AS median_to_acknowledge_s, quantile(0.95)(to_acknowledge_s) AS p95_to_acknowledge_s,
    median(to_clear_s) AS median_to_clear_s, quantile(0.95)(to_clear_s) AS p95_to_clear_s
FROM alert_response GROUP BY day, level, kind, owner
"""

_FALSE_RATE: Final = f"""
CREATE VIEW false_alert_rate AS
SELECT
    {day("raised")} AS day, kind, level, owner, count() AS alerts, count(judged) AS judged_alerts,
    countIf(judged = 'false') AS false_alerts, false_alerts / nullIf(judged_alerts, 0) AS false_rate
FROM alert_response GROUP BY day, kind, level, owner
"""

# A page is what asks somebody to look. More than ten in ten minutes are a flood, with which one person cannot keep up
# (ANSI/ISA-18.2, EEMUA 191).
_LOAD: Final = f"""
CREATE VIEW alarm_load AS
SELECT
    {floor("ts", 10 * MINUTE)} AS bucket, owner AS desk, count() AS pages, countIf(urgent) AS urgent_pages,
    uniqExact(alert) AS alerts, min(level) AS gravest, toBool(pages > 10) AS flood
FROM alert_events FINAL WHERE type IN ('raised', 'escalated', 'overdue', 're-alarmed') AND revision = 0
GROUP BY bucket, desk
"""

_DAYS: Final = f"""
CREATE VIEW alert_days AS
SELECT
    addDays(first_day, number) AS day, id, kind, level, zone, asset, owner, place, summary, raised, cleared, judged
FROM (
    SELECT *, {day("raised")} AS first_day,
        {day(f"assumeNotNull(greatest(raised, ifNull(cleared, {NOW})))")} AS last_day FROM alert_response
) ARRAY JOIN range(toUInt32(last_day - first_day) + 1) AS number
"""

_REPEATED: Final = f"""
CREATE VIEW repeat_places AS
SELECT zone, asset, kind, any(place) AS place, any(owner) AS owner, count() AS alerts,
    countIf(judged = 'false') AS false_alerts, min(raised) AS first_raised, max(raised) AS last_raised
FROM alert_response WHERE raised > addDays({NOW}, -30) GROUP BY zone, asset, kind HAVING alerts > 1
"""

# Whoever counts what called for the desk counts these.
_PAGES: Final = """
CREATE VIEW pages AS
SELECT ts, toString(alert) AS id, toString(type) AS why, kind, level, urgent, owner AS desk, zone, asset, place
FROM alert_events FINAL WHERE type IN ('raised', 'escalated', 'overdue', 're-alarmed') AND revision = 0
"""
_LOAD_OF_PAGES: Final = f"""
CREATE OR REPLACE VIEW alarm_load AS
SELECT
    {floor("ts", 10 * MINUTE)} AS bucket, desk, count() AS pages, countIf(urgent) AS urgent_pages,
    uniqExact(id) AS alerts, min(level) AS gravest, toBool(pages > 10) AS flood
FROM pages GROUP BY bucket, desk
"""

#: Of version 7 of the schema.
LATER: Final = (_PAGES, _LOAD_OF_PAGES)

VIEWS: Final = (_OPEN, _OPEN_BY_LEVEL, _RESPONSE, _RESPONSE_TIMES, _FALSE_RATE, _LOAD, _DAYS, _REPEATED)
