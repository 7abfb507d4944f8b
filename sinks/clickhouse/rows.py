"""Rare records as columns: findings, steps of alerts and of commands, and what cameras and people tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any, Final
from uuid import UUID

import numpy as np

from domain.actions import Action
from domain.commands import CommandEvent
from domain.findings import Alert, AlertEvent, AlertEventType, Finding, Phase, Verdict, VideoEvent
from domain.notices import Notice
from domain.records import DeadLetter
from domain.reports import Report
from sinks.clickhouse.native import Arrays, Column

__all__ = ["NAME", "RARE", "TIME"]

NAME: Final = "LowCardinality(String)"
TIME: Final = "DateTime64(9, 'UTC')"

# Numbers of the enumerations, in the order in which the schema counts them.
_ENUMS: Final[dict[str, tuple[str, list[Any]]]] = {
    "phase": ("Enum8('onset' = 0, 'change' = 1, 'end' = 2)", list(Phase)),
    "verdict": ("Enum8('event' = 0, 'fault' = 1)", list(Verdict)),
    "type": (
        "Enum8(" + ", ".join(f"'{type}' = {n}" for n, type in enumerate(AlertEventType)) + ")",
        list(AlertEventType),
    ),
}

_FINDING: Final = {
    "id": "UUID",
    "phase": "Enum8",
    "monitor": NAME,
    "detector": NAME,
    "config": NAME,
    "kind": NAME,
    "verdict": "Enum8",
    "reason": NAME,
    "sensor": NAME,
    "ts": TIME,
    "known": TIME,
    "onset": TIME,
    "level": "UInt8",
    "score": "Float64",
    "threshold": "Float64",
    "value": "Float64",
    "baseline": "Float64",
    "params": NAME,
}
_NOTICE: Final = {"ts": TIME, "desk": NAME, "on_duty": f"Array({NAME})", "id": "UUID"}
_VIDEO: Final = {
    "id": "UUID",
    "camera": NAME,
    "ts": TIME,
    "type": NAME,
    "confidence": "Float64",
    "place": "String",
    "clip": "String",
    "known": TIME,
}
_ACTION: Final = {
    "id": "UUID",
    "ts": TIME,
    "actor": NAME,
    "role": NAME,
    "asset": NAME,
    "sensor": NAME,
    "zone": NAME,
    "kind": NAME,
    "until": TIME,
    "reason": "String",
    "comment": "String",
    "verdict": NAME,
    "case": "String",
    "unit": NAME,
    "place": "String",
    "level": "UInt8",
    "source": NAME,
    "state": NAME,
    "known": TIME,
}
_REPORT: Final = {
    "id": "UUID",
    "type": NAME,
    "ts": TIME,
    "channel": NAME,
    "lon": "Float64",
    "lat": "Float64",
    "zone": NAME,
    "asset": NAME,
    "confidence": "Float64",
    "text": "String",
    "picture": "String",
    "reporter": "String",
    "known": TIME,
}
_COMMAND: Final = {
    "id": "UUID",
    "command": "UUID",
    "seq": "UInt32",
    "step": NAME,
    "ts": TIME,
    "asset": NAME,
    "by": NAME,
    "reason": "String",
    "sensor": NAME,
    "value": "Float64",
    "expires": TIME,
    "run": "Int64",
}
_DEAD: Final = {
    "partition": NAME,
    "offset": "UInt64",
    "row": "Int32",
    "recorded": TIME,
    "reason": NAME,
    "detail": "String",
    "payload": "String",
}
_EVENT: Final = {
    "id": "UUID",
    "seq": "UInt32",
    "type": "Enum8",
    "ts": TIME,
    "revision": "UInt32",
    "note": "String",
    "notify": f"Array({NAME})",
}
_ALERT: Final = {
    "kind": NAME,
    "level": "UInt8",
    "active": "Bool",
    "onset": TIME,
    "raised": TIME,
    "updated": TIME,
    "cleared": TIME,
    "zone": NAME,
    "asset": NAME,
    "place": "String",
    "lon": "Float64",
    "lat": "Float64",
    "owner": NAME,
    "urgent": "Bool",
    "corroboration": "Float64",
    "summary": "String",
    "sensors": f"Array({NAME})",
    "cameras": f"Array({NAME})",
    "clips": "Array(String)",
    "evidence": "Array(UUID)",
    "support": "Array(String)",
    "against": "Array(String)",
    "reports": "Array(UUID)",
    "pipe": NAME,
    "offset": "Float64",
    "radius": "Float64",
    "acknowledged": TIME,
    "acknowledged_by": NAME,
    "shelved_until": TIME,
    "shelved_by": NAME,
    "suppressed": "Bool",
    "latched": "Bool",
    "closed": TIME,
    "judged": NAME,
    "rules": f"Array({NAME})",
}


def _columns(types: Mapping[str, str], records: Sequence[Any]) -> list[Column]:
    return [_column(name, type_, [getattr(record, name) for record in records]) for name, type_ in types.items()]


def _column(name: str, type_: str, values: list[Any]) -> Column:
    if type_ == "Enum8":
        type_, members = _ENUMS[name]
        return Column(name, type_, np.array([members.index(value) for value in values], np.int8))
    if type_ in ("Float64", "UInt8", "UInt32", "UInt64", "Int32", "Int64", "Bool", TIME):
        dtype = {"Float64": np.float64, "Bool": np.uint8}.get(type_, np.int64)
        return Column(name, type_, np.array(values, dtype))
    return Column(name, type_, values)


def _findings(findings: Sequence[Finding]) -> list[Column]:
    samples = [finding.samples for finding in findings]
    end = np.cumsum([len(one.ts) // 8 for one in samples])
    ts = np.frombuffer(b"".join(one.ts for one in samples), np.int64)
    value = np.frombuffer(b"".join(one.value for one in samples), np.float64)
    return [
        *_columns(_FINDING, findings),
        Column("sample_ts", f"Array({TIME})", Arrays(end, ts)),
        Column("sample_value", "Array(Float64)", Arrays(end, value)),
    ]


def _alert_events(events: Sequence[AlertEvent]) -> list[Column]:
    alerts: list[Alert] = [event.alert for event in events]
    return [
        *_columns(_EVENT, events),
        Column("alert", "UUID", [alert.id for alert in alerts]),
        *_columns(_ALERT, alerts),
        Column("cause", "UUID", [alert.cause or UUID(int=0) for alert in alerts]),
    ]


def _notices(notices: Sequence[Notice]) -> list[Column]:
    return [
        *_columns(_NOTICE, notices),
        Column("why", NAME, [notice.why.value for notice in notices]),
        Column("alerts", "Array(UUID)", [tuple(event.alert.id for event in notice.events) for notice in notices]),
        Column("steps", "Array(UUID)", [tuple(event.id for event in notice.events) for notice in notices]),
        Column("gravest", "UInt8", [min(event.alert.level for event in notice.events) for notice in notices]),
    ]


def _actions(actions: Sequence[Action]) -> list[Column]:
    return [
        *_columns(_ACTION, actions),
        Column("action", NAME, [action.verb.value for action in actions]),
        Column("alert", "UUID", [action.alert or UUID(int=0) for action in actions]),
        Column("command", "UUID", [action.command or UUID(int=0) for action in actions]),
    ]


def _commands(steps: Sequence[CommandEvent]) -> list[Column]:
    return [*_columns(_COMMAND, steps), Column("finding", "UUID", [one.finding or UUID(int=0) for one in steps])]


#: The table of each rare record, and its columns; inserts of one time go in this order.
RARE: Final[Mapping[type, tuple[str, Callable[[Sequence[Any]], list[Column]]]]] = {
    Finding: ("findings", _findings),
    AlertEvent: ("alert_events", _alert_events),
    Notice: ("notices", _notices),
    VideoEvent: ("video_events", partial(_columns, _VIDEO)),
    Action: ("operator_actions", _actions),
    Report: ("reports", partial(_columns, _REPORT)),
    CommandEvent: ("commands", _commands),
    DeadLetter: ("dead_letters", partial(_columns, _DEAD)),
}

assert set(_FINDING) == {field.name for field in fields(Finding)} - {"samples"}
assert set(_VIDEO) == {field.name for field in fields(VideoEvent)}
assert set(_ACTION) == {field.name for field in fields(Action)} - {"verb", "alert", "command", "origin"}
assert set(_REPORT) == {field.name for field in fields(Report)} - {"origin"}
assert set(_COMMAND) == {field.name for field in fields(CommandEvent)} - {"finding"}
assert set(_NOTICE) == {field.name for field in fields(Notice)} - {"why", "events"}
assert set(_DEAD) == {field.name for field in fields(DeadLetter)}
assert set(_ALERT) == {field.name for field in fields(Alert)} - {"id", "cause", "traces"}
