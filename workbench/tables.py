"""Results as Arrow tables, for notebooks: `polars.from_arrow(table)`, `table.to_pandas()`, `duckdb.arrow(table)`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any, Final
from uuid import UUID

import pyarrow as pa

from domain.findings import Alert, Finding, Samples
from domain.traces import Trace
from workbench.differences import Difference
from workbench.result import SetResult

__all__ = [
    "alert_table",
    "difference_table",
    "finding_table",
    "number_text",
    "record_table",
    "score_table",
    "trivial_text",
]

_TIME: Final = pa.timestamp("ns", "UTC")
_SAMPLES: Final = pa.list_(pa.struct([("ts", _TIME), ("value", pa.float64())]))
_TRACES: Final = pa.list_(
    pa.struct(
        [
            ("sensor", pa.string()),
            ("monitor", pa.string()),
            ("detector", pa.string()),
            ("onset", _TIME),
            ("score", pa.float64()),
            ("threshold", pa.float64()),
            ("baseline", pa.float64()),
            ("readings", _SAMPLES),
        ]
    )
)
_TIMES: Final = frozenset({"ts", "known", "onset", "raised", "updated", "cleared", "raised_before", "raised_after"})
_TYPES: Final = {
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "tuple[str, ...]": pa.list_(pa.string()),
    "tuple[UUID, ...]": pa.list_(pa.string()),
}


def alert_table(alerts: Iterable[Alert]) -> pa.Table:
    """One row an alert, as it stands at the end; `cleared` is null while it is open.

    `traces` is a list of what its first signs saw, each with a list of times and values.
    """
    return _of_records(alerts, Alert)


def finding_table(findings: Iterable[Finding]) -> pa.Table:
    """One row a record of a finding; `samples` is a list of times and values."""
    return _of_records(findings, Finding)


def difference_table(found: Sequence[Difference]) -> pa.Table:
    """One row an alert of either configuration; `shift` in seconds, null without a counterpart."""
    columns: dict[str, pa.Array] = {
        "change": pa.array([str(one.change) for one in found], pa.string()),
        "kind": pa.array([one.alert.kind for one in found], pa.string()),
        "place": pa.array([one.alert.place for one in found], pa.string()),
        "raised_before": pa.array([one.before and one.before.raised for one in found], pa.int64()).cast(_TIME),
        "raised_after": pa.array([one.after and one.after.raised for one in found], pa.int64()).cast(_TIME),
        "shift": pa.array([one.shift if one.before and one.after else None for one in found], pa.float64()),
        "level_before": pa.array([one.before and one.before.level for one in found], pa.int64()),
        "level_after": pa.array([one.after and one.after.level for one in found], pa.int64()),
    }
    return pa.table(columns)


def score_table(results: Iterable[SetResult]) -> pa.Table:
    """One row a figure: set, detector, name, ours, unit, bar, met, published, trivial (as text) and note."""
    rows = [
        {"set": result.set, "detector": result.detector, **row, "trivial": trivial_text(row["trivial"])}
        for result in results
        for row in result.rows
    ]
    text = ("set", "detector", "name", "unit", "bar", "published", "trivial", "note")
    schema = pa.schema(
        [*((name, pa.string()) for name in text), ("ours", pa.float64()), ("met", pa.bool_())],
    )
    order = ("set", "detector", "name", "ours", "unit", "bar", "met", "published", "trivial", "note")
    return pa.Table.from_pylist(rows, schema).select(order)


def record_table(result: SetResult) -> pa.Table:
    """One row a recording: events, found, mean delay (s), false episodes and sensor days."""
    records = result.records
    return pa.table(
        {
            "recording": pa.array([record.recording for record in records], pa.string()),
            "events": pa.array([record.events for record in records], pa.int64()),
            "found": pa.array([record.found for record in records], pa.int64()),
            "delay": pa.array(
                [sum(record.delays) / record.found if record.found else None for record in records], pa.float64()
            ),
            "false": pa.array([record.false for record in records], pa.int64()),
            "sensor_days": pa.array([record.sensor_days for record in records], pa.float64()),
        }
    )


def trivial_text(trivial: dict[str, Any]) -> str:
    """Figures of trivial detectors in one line.

    >>> trivial_text({"always flag": 0.7012, "never": 0})
    'always flag 0.7012, never 0'
    """
    return ", ".join(f"{name} {number_text(value)}" for name, value in trivial.items())


def number_text(value: float | int | None) -> str:
    """A number for people: four significant digits, and thousands apart.

    >>> number_text(0.70123), number_text(278345.3), number_text(None)
    ('0.7012', '278,345', '')
    """
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"


def _of_records(records: Iterable[Any], kind: type[Any]) -> pa.Table:
    rows = list(records)
    columns = {}
    for field in fields(kind):
        values = [_plain(getattr(row, field.name)) for row in rows]
        if field.name in _TIMES:
            # 0 stands for "not yet", in `cleared` alone
            array = pa.array([value or None for value in values], pa.int64()).cast(_TIME)
        elif field.type == "Samples":
            array = pa.array([_pairs(row.samples) for row in rows], _SAMPLES)
        elif field.type == "tuple[Trace, ...]":
            array = pa.array([[_trace(trace) for trace in row.traces] for row in rows], _TRACES)
        else:
            array = pa.array(values, _TYPES.get(str(field.type), pa.string()))
        columns[field.name] = array
    return pa.table(columns)


def _pairs(samples: Samples) -> list[dict[str, Any]]:
    ts, value = samples.columns()
    return [{"ts": at, "value": x} for at, x in zip(ts.tolist(), value.tolist(), strict=True)]


def _trace(trace: Trace) -> dict[str, Any]:
    names = ("sensor", "monitor", "detector", "onset", "score", "threshold", "baseline")
    readings = [{"ts": at, "value": x} for at, x in zip(trace.ts, trace.values, strict=True)]
    return {name: getattr(trace, name) for name in names} | {"readings": readings}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID | Enum):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
