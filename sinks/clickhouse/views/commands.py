"""Views of the orders to the field: what became of each command."""

from __future__ import annotations

from typing import Final

from sinks.clickhouse.views.terms import known

__all__ = ["LATER"]

_RUNS: Final = f"""
CREATE VIEW command_runs AS
SELECT
    toString(command) AS command, any(asset) AS asset, min(ts) AS begun,
    argMax(toString(finding), seq) AS finding,
    {known("minIf(ts, step = 'select')")} AS selected, {known("minIf(ts, step = 'operate')")} AS operated,
    {known("minIf(ts, step = 'confirmed')")} AS confirmed, {known("minIf(ts, step = 'stop')")} AS stopped,
    {known("minIf(ts, step = 'ended')")} AS ended, argMaxIf(reason, seq, step = 'blocked') AS blocked_by,
    argMaxIf(reason, seq, step = 'ended') AS end_reason,
    multiIf(
        confirmed IS NOT NULL, 'confirmed', operated IS NOT NULL AND ended IS NULL, 'operating',
        operated IS NOT NULL, 'unconfirmed', selected IS NOT NULL AND ended IS NULL, 'selecting',
        selected IS NOT NULL, 'not-operated', ended IS NULL, 'blocked', 'never-free'
    ) AS outcome,
    dateDiff('millisecond', operated, confirmed) / 1000 AS to_confirm_s,
    dateDiff('millisecond', operated, ended) / 1000 AS ran_s,
    argMinIf(value, seq, step = 'operate') AS gas_before, argMax(value, seq) AS gas_after
FROM commands FINAL GROUP BY command
"""

LATER: Final = (_RUNS,)
