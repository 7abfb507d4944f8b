"""Views of the cases that units handle, as the case system or the console tells of them."""

from __future__ import annotations

from typing import Final

from sinks.clickhouse.views.terms import day, known

__all__ = ["VIEWS"]

_CASES: Final = f"""
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

_CLOSURE: Final = f"""
CREATE VIEW case_closure AS
SELECT
    {day("opened")} AS day, unit, level, kind, count() AS cases, count(accepted) AS accepted_cases,
    count(handled) AS handled_cases, count(closed) AS closed_cases, closed_cases / cases AS closure_rate,
    median(to_accept_s) AS median_to_accept_s, median(to_handle_s) AS median_to_handle_s,
    median(to_close_s) AS median_to_close_s
FROM cases GROUP BY day, unit, level, kind
"""

VIEWS: Final = (_CASES, _CLOSURE)
