"""Views of the cases that units handle, as the case system or the console tells of them.

What makes the stage of a case is said in `domain.cases`; a test holds the view to it.
"""

from __future__ import annotations

from typing import Final

from domain.cases import OF_CASES
from sinks.clickhouse.views.terms import NOW, day, known

__all__ = ["LATER", "VIEWS"]

_NOBODY: Final = f"toUUID('{'0' * 32}')"

# ---- as version 4 had them

_CASES_4: Final = f"""
CREATE VIEW cases AS
SELECT
    done.id AS id, done.unit AS unit, if(told = toUUID('{"0" * 32}'), '', toString(told)) AS alert,
    if(alerts.kind != '', alerts.kind, done.kind) AS kind, nullIf(alerts.level, 0) AS level,
    if(alerts.zone != '', alerts.zone, done.zone) AS zone, opened, {known("went")} AS dispatched,
    {known("taken")} AS accepted, {known("begun")} AS handled, {known("over")} AS closed,
    multiIf(closed IS NOT NULL, 'closed', handled IS NOT NULL, 'handled', accepted IS NOT NULL, 'accepted',
        'dispatched') AS state,
    dateDiff('millisecond', opened, accepted) / 1000 AS to_accept_s,
    dateDiff('millisecond', opened, handled) / 1000 AS to_handle_s,
    dateDiff('millisecond', opened, closed) / 1000 AS to_close_s
FROM (
    SELECT actions.`case` AS id, argMaxIf(actions.unit, (ts, actions.id), actions.unit != '') AS unit,
        max(actions.alert) AS told, max(actions.kind) AS kind, max(actions.zone) AS zone, min(ts) AS opened,
        minIf(ts, action = 'dispatch') AS went, minIf(ts, action = 'accept') AS taken,
        minIf(ts, action = 'handle') AS begun, maxIf(ts, action = 'close-case') AS over
    FROM operator_actions AS actions FINAL WHERE actions.`case` != '' GROUP BY id
) AS done
LEFT JOIN alerts ON alerts.id = done.told
"""

_CLOSURE_4: Final = f"""
CREATE VIEW case_closure AS
SELECT
    {day("opened")} AS day, unit, level, kind, count() AS cases, count(accepted) AS accepted_cases,
    count(handled) AS handled_cases, count(closed) AS closed_cases, closed_cases / cases AS closure_rate,
    median(to_accept_s) AS median_to_accept_s, median(to_handle_s) AS median_to_handle_s,
    median(to_close_s) AS median_to_close_s
FROM cases GROUP BY day, unit, level, kind
"""

VIEWS: Final = (_CASES_4, _CLOSURE_4)

# ---- since version 5

_VERBS: Final = ", ".join(f"'{verb}'" for verb in OF_CASES)

#: The clock of cases: a city may have no sensors.
_CASE_NOW: Final = f"""(
    SELECT greatest(ifNull({NOW}, toDateTime64(0, 3, 'UTC')), max(ts)) FROM operator_actions
)"""

_DEADLINES: Final = """(
    SELECT rank, dispatch_s, accept_s, handle_s, close_s
    FROM (SELECT * FROM case_policy FINAL) ARRAY JOIN rank, dispatch_s, accept_s, handle_s, close_s
)"""


def _latest(column: str, there: str) -> str:
    """The last that was said of something."""
    return f"argMaxIf(actions.{column}, (ts, actions.id), {there})"


def _within(seconds: str) -> str:
    """Whether a time from the opening has passed that is set."""
    return f"{seconds} > 0 AND opened + toIntervalSecond({seconds}) < {_CASE_NOW}"


_TOLD: Final = f"""(
    SELECT
        actions.`case` AS id, {_latest("unit", "actions.unit != ''")} AS unit,
        {_latest("alert", f"actions.alert != {_NOBODY}")} AS told, {_latest("kind", "actions.kind != ''")} AS kind,
        {_latest("zone", "actions.zone != ''")} AS zone, {_latest("place", "actions.place != ''")} AS place,
        {_latest("level", "actions.level > 0")} AS level, {_latest("source", "actions.source != ''")} AS source,
        {_latest("until", "action = 'report' AND toUnixTimestamp64Milli(until) > 0")} AS due, min(ts) AS opened,
        minIf(ts, action = 'dispatch') AS went, maxIf(ts, action = 'dispatch') AS went_last,
        minIf(ts, action = 'accept') AS taken, maxIf(ts, action = 'accept') AS taken_last,
        minIf(ts, action = 'handle') AS begun, maxIf(ts, action = 'handle') AS begun_last,
        minIf(ts, action = 'check' AND verdict != 'false') AS seen,
        maxIf(ts, action = 'check' AND verdict != 'false') AS seen_last,
        maxIf(ts, action = 'check' AND verdict = 'false') AS back,
        countIf(action = 'check' AND verdict = 'false') AS returned,
        minIf(ts, action = 'close-case') AS over_first, maxIf(ts, action = 'close-case') AS over,
        toUnixTimestamp64Nano(over) > 0 AND over >= greatest(went_last, back) AS ended
    FROM operator_actions AS actions FINAL WHERE actions.`case` != '' AND action IN ({_VERBS}) GROUP BY id
)"""

_CASES: Final = f"""
CREATE OR REPLACE VIEW cases AS
SELECT
    done.id AS id, done.unit AS unit, if(told = {_NOBODY}, '', toString(told)) AS alert,
    if(alerts.kind != '', alerts.kind, done.kind) AS kind,
    nullIf(if(alerts.level > 0, alerts.level, done.level), 0) AS level,
    if(alerts.zone != '', alerts.zone, done.zone) AS zone, if(done.place != '', done.place, alerts.place) AS place,
    multiIf(
        done.source != '', done.source, alerts.kind = '', '',
        notEmpty(alerts.cameras) AND empty(alerts.sensors), 'video', 'sensor'
    ) AS source,
    opened, {known("went")} AS dispatched, {known("taken")} AS accepted, {known("begun")} AS handled,
    {known("seen")} AS checked, if(ended, over, NULL) AS closed,
    multiIf(
        ended, 'closed', seen_last > greatest(over, back), 'checked', begun_last > greatest(over, back), 'handled',
        taken_last > over OR back > over, 'accepted', went_last > over, 'dispatched', 'reported'
    ) AS state,
    returned, toUnixTimestamp64Nano(over_first) > 0 AND over_first < greatest(went_last, back) AS reopened,
    multiIf(
        toUnixTimestamp64Milli(due) > 0, due, deadlines.close_s > 0, opened + toIntervalSecond(deadlines.close_s), NULL
    ) AS deadline,
    multiIf(
        deadline IS NOT NULL AND deadline < if(ended, over, {_CASE_NOW}), 'close', ended, '',
        handled IS NULL AND {_within("deadlines.handle_s")}, 'handle',
        accepted IS NULL AND {_within("deadlines.accept_s")}, 'accept',
        dispatched IS NULL AND {_within("deadlines.dispatch_s")}, 'dispatch', ''
    ) AS overdue,
    dateDiff('millisecond', opened, dispatched) / 1000 AS to_dispatch_s,
    dateDiff('millisecond', opened, accepted) / 1000 AS to_accept_s,
    dateDiff('millisecond', opened, handled) / 1000 AS to_handle_s,
    dateDiff('millisecond', opened, closed) / 1000 AS to_close_s
FROM {_TOLD} AS done
LEFT JOIN alerts ON alerts.id = done.told
LEFT JOIN {_DEADLINES} AS deadlines ON deadlines.rank = if(alerts.level > 0, alerts.level, done.level)
"""


def _times(stage: str) -> str:
    column = f"to_{stage}_s"
    return f"median({column}) AS median_{column}, quantile(0.9)({column}) AS p90_{column}"


_CLOSURE: Final = f"""
CREATE OR REPLACE VIEW case_closure AS
SELECT
    {day("opened")} AS day, unit, level, kind, zone, count() AS cases, count(dispatched) AS dispatched_cases,
    count(accepted) AS accepted_cases, count(handled) AS handled_cases, count(closed) AS closed_cases,
    closed_cases / cases AS closure_rate, countIf(returned > 0) AS returned_cases,
    countIf(overdue != '') AS overdue_cases, {", ".join(map(_times, ("dispatch", "accept", "handle", "close")))}
FROM cases GROUP BY day, unit, level, kind, zone
"""

_RESPONSE: Final = f"""
CREATE VIEW case_response AS
SELECT
    unit, level, count() AS cases, count(closed) AS closed_cases, closed_cases / cases AS closure_rate,
    countIf(overdue = 'close') AS late_cases, {", ".join(map(_times, ("dispatch", "accept", "handle", "close")))}
FROM cases WHERE opened > addDays({_CASE_NOW}, -30) GROUP BY unit, level
"""

_OVERDUE: Final = f"""
CREATE VIEW cases_overdue AS
SELECT id, unit, level, kind, zone, place, state, overdue, opened, deadline,
    dateDiff('second', opened, {_CASE_NOW}) AS age_s, dateDiff('second', deadline, {_CASE_NOW}) AS late_s
FROM cases WHERE overdue != '' AND closed IS NULL
"""

# Jiangbei: video found 0.5 % of the cases before its platform, and 40 % with it.
_SOURCES: Final = f"""
CREATE VIEW case_sources AS
SELECT {day("opened")} AS day, zone, source, count() AS cases,
    cases / sum(cases) OVER (PARTITION BY day, zone) AS share
FROM cases GROUP BY day, zone, source
"""

_REPEATED: Final = f"""
CREATE VIEW repeat_cases AS
SELECT zone, place, kind, count() AS cases, count(closed) AS closed_cases, arraySort(groupUniqArray(unit)) AS units,
    min(opened) AS first_opened, max(opened) AS last_opened
FROM cases WHERE place != '' AND opened > addDays({_CASE_NOW}, -30) GROUP BY zone, place, kind HAVING cases > 1
"""

LATER: Final = (_CASES, _CLOSURE, _RESPONSE, _OVERDUE, _SOURCES, _REPEATED)
