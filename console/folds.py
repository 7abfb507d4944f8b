"""What stands behind one alert: reports, orders to its asset, who was told, its cause and its consequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias
from uuid import UUID

from console.database import Database, Row
from domain.clock import HOUR, MILLISECOND
from domain.findings import Alert, AlertEvent
from sinks.clickhouse.read import standing_alerts

__all__ = ["cause", "commands", "consequences", "of_cause", "reports", "told"]

#: Alerts as they stand, by id.
Known: TypeAlias = Mapping[UUID, AlertEvent]

#: Rows of one kind that a page of one alert shows at most.
MOST: Final = 100

#: Commands that began so long before an alert, or after its end, are shown with it.
AROUND: Final = HOUR

_REPORTS: Final = """
SELECT toUnixTimestamp64Milli(r.ts) AS t, type, channel, confidence, zone, asset, text, picture
FROM reports AS r FINAL WHERE id IN {ids:Array(UUID)} ORDER BY r.ts DESC, id LIMIT {most:UInt32}
"""
_STEPS: Final = """
SELECT toString(c.command) AS run, step, toUnixTimestamp64Milli(c.ts) AS t, by, reason, value
FROM commands AS c FINAL
WHERE asset = {asset:String} AND c.ts >= fromUnixTimestamp64Milli({start:Int64})
    AND c.ts <= fromUnixTimestamp64Milli({until:Int64})
ORDER BY c.ts DESC, command, seq DESC LIMIT {most:UInt32}
"""
_RUNS: Final = """
SELECT command AS run, outcome, to_confirm_s, ran_s FROM command_runs WHERE command IN {runs:Array(String)}
ORDER BY begun DESC, run
"""
# Of the steps that a desk was told together, the one that is this alert's.
_TOLD: Final = """
SELECT toUnixTimestamp64Milli(n.ts) AS t, desk, why, on_duty, e.what AS what
FROM notices AS n FINAL
LEFT JOIN (SELECT id, toString(type) AS what FROM alert_events FINAL WHERE alert = {id:UUID}) AS e
    ON e.id = n.steps[indexOf(n.alerts, {id:UUID})]
WHERE has(n.alerts, {id:UUID}) ORDER BY n.ts DESC, desk LIMIT {most:UInt32}
"""
_CONSEQUENCES: Final = "SELECT DISTINCT alert FROM alert_events WHERE cause = {id:UUID} LIMIT {most:UInt32}"


def reports(database: Database, alert: Alert) -> list[Row]:
    """What citizens and inspectors reported of it, the latest first. Text and picture are anybody's."""
    if not alert.reports:
        return []
    return database.rows(_REPORTS, {"ids": [str(id) for id in alert.reports], "most": MOST})


def commands(database: Database, alert: Alert, present: int) -> list[Row]:
    """Commands to the alert's asset about its time, the latest first, each with what became of it and its `steps`."""
    if not alert.asset:
        return []
    until = alert.cleared or present
    span = {"start": (alert.onset - AROUND) // MILLISECOND, "until": (until + AROUND) // MILLISECOND}
    steps = database.rows(_STEPS, {"asset": alert.asset, "most": MOST} | span)
    if not steps:
        return []
    runs = database.rows(_RUNS, {"runs": sorted({row["run"] for row in steps})})
    return [run | {"steps": [row for row in reversed(steps) if row["run"] == run["run"]]} for run in runs]


def told(database: Database, id: UUID) -> list[Row]:
    """Which desk was told of an alert when and why, and who was on duty there; the latest first."""
    return database.rows(_TOLD, {"id": str(id), "most": MOST})


def cause(database: Database, alert: Alert, known: Known) -> AlertEvent | None:
    """The alert that it is a consequence of, as that stands; `known` are those that need not be asked for."""
    return next(iter(_standing(database, [alert.cause], known)), None) if alert.cause else None


def consequences(database: Database, id: UUID, known: Known) -> list[AlertEvent]:
    """Its consequences, as they stand, in the order in which they were raised."""
    ids = [UUID(str(row["alert"])) for row in database.rows(_CONSEQUENCES, {"id": str(id), "most": MOST})]
    return of_cause(id, _standing(database, ids, known))


def of_cause(id: UUID, events: Iterable[AlertEvent]) -> list[AlertEvent]:
    """Those that are consequences of an alert, in the order in which they were raised."""
    found = [event for event in events if event.alert.cause == id]
    return sorted(found, key=lambda event: (event.alert.raised, str(event.alert.id)))


def _standing(database: Database, ids: Sequence[UUID], known: Known) -> list[AlertEvent]:
    asked = [id for id in ids if id not in known]
    found = database.ask(lambda client: standing_alerts(client, ids=asked)) if asked else []
    return [*(known[id] for id in ids if id in known), *found]
