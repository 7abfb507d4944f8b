"""Results read back, for reports and to be judged anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

import numpy as np
from clickhouse_connect.driver.client import Client

from domain.findings import Alert, AlertEvent, AlertEventType, Finding, Phase, Samples, Verdict
from sinks.clickhouse.client import translated

__all__ = ["STORED", "alerts_of", "findings_of", "orders_of", "rows_per_table", "standing_alerts"]

#: The tables that hold what the engine found, in the order of a reading's way through it.
STORED = (
    "readings",
    "aggregates_1s",
    "aggregates_1m",
    "aggregates_1h",
    "findings",
    "alert_events",
    "video_events",
    "operator_actions",
    "reports",
    "commands",
    "late_rows",
    "dead_letters",
)

_TIMES = frozenset({"ts", "known", "onset", "raised", "updated", "cleared", "acknowledged", "shelved_until", "closed"})


def orders_of(client: Client) -> dict[str, int]:
    """How many orders to the field were given, by what they say."""
    with translated():
        found = client.query(
            "SELECT step, count() FROM commands FINAL WHERE toUnixTimestamp64Milli(expires) > 0 "
            "GROUP BY step ORDER BY step"
        ).result_rows
    return {str(step): int(count) for step, count in found}


def alerts_of(client: Client) -> list[Alert]:
    """All alerts as they stand, by the time they were raised; those that were withdrawn are none."""
    return [event.alert for event in standing_alerts(client) if event.type is not AlertEventType.WITHDRAWN]


def standing_alerts(client: Client, since: int = 0, ids: Sequence[UUID] | None = None) -> list[AlertEvent]:
    """The event that each alert stands at, by the time at which it was raised.

    With `ids` of those alerts alone, which is quicker. Alerts that are over and were last heard of before `since` (ns)
    are left out.
    An event's time is that of the engine's or the review's last word on the alert, and its id is not read.
    """
    names = [field.name for field in fields(Alert) if field.name != "traces"]  # the readings are there themselves
    columns = ", ".join(f"toUnixTimestamp64Nano({name}) AS {name}_ns" if name in _TIMES else name for name in names)
    where = "" if ids is None else "AND id IN {ids:Array(UUID)} "
    with translated():
        rows = client.query(
            f"SELECT {columns}, events, last_event, revision, note FROM alerts "
            f"WHERE (active OR latched OR alerts.updated >= fromUnixTimestamp64Nano({{since:Int64}})) {where}"
            "ORDER BY alerts.raised, id",
            parameters={"since": since, "ids": [str(id) for id in ids or ()]},
        ).result_rows
    found = []
    for *values, events, type, revision, note in rows:
        alert = Alert(**{name: _plain(value) for name, value in zip(names, values, strict=True)})
        found.append(
            AlertEvent(alert.id, events - 1, AlertEventType(type), alert.updated, alert, int(revision), str(note))
        )
    return found


def findings_of(client: Client, id: UUID | str | None = None) -> list[Finding]:
    """The records of one finding, or of all, in the order in which they count."""
    names = [field.name for field in fields(Finding) if field.name != "samples"]
    columns = [f"toUnixTimestamp64Nano(f.{name})" if name in _TIMES else name for name in names]
    columns.append("arrayMap(at -> toUnixTimestamp64Nano(at), sample_ts)")
    where = "WHERE id = {id:UUID}" if id is not None else ""
    text = f"SELECT {', '.join(columns)}, sample_value FROM findings AS f FINAL {where}"
    with translated():
        rows = client.query(text, parameters={"id": str(id)} if id is not None else None).result_rows
    return sorted((_finding(names, row) for row in rows), key=lambda finding: finding.order)


def _finding(names: list[str], row: Any) -> Finding:
    *values, ts, value = row
    known = dict(zip(names, values, strict=True))
    known |= {"phase": Phase(known["phase"]), "verdict": Verdict(known["verdict"])}
    known["samples"] = Samples(np.array(ts, np.int64).tobytes(), np.array(value, np.float64).tobytes())
    return Finding(**known)


def rows_per_table(client: Client) -> dict[str, int]:
    """How many rows each table holds; repeats that are not merged yet count once."""
    replacing = set(STORED[STORED.index("findings") :])
    with translated():
        return {
            table: int(str(client.command(f"SELECT count() FROM {table}{' FINAL' if table in replacing else ''}")))
            for table in STORED
        }


def _plain(value: Any) -> Any:
    if isinstance(value, (list, np.ndarray)):
        return tuple(value)
    if isinstance(value, UUID) and not value.int:
        return None
    return value
