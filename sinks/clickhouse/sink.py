"""Results into ClickHouse: at once (`Writer`), or from the flow, through an outbox (`ClickHouseSink`).

Every insert is of columns. Blocks carry their token; rows of the other tables have deterministic keys: so whatever
comes twice is stored once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from threading import Event
from types import TracebackType
from typing import Any, Final, Never, TypeAlias
from uuid import UUID

import numpy as np
from clickhouse_connect.driver.client import Client

from domain import metrics
from domain.actions import Action
from domain.clock import MILLISECOND
from domain.commands import CommandEvent
from domain.errors import SinkError, SinkRefused
from domain.findings import Alert, AlertEvent, AlertEventType, Finding, Phase, Verdict, VideoEvent
from domain.notices import Notice
from domain.records import DeadLetter, LateRows
from domain.reports import Report
from sinks.clickhouse.blocks import Block
from sinks.clickhouse.insert import Insert
from sinks.clickhouse.native import Arrays, Column, Dictionary
from sinks.clickhouse.outbox import Outbox
from sinks.clickhouse.spool import Spool

__all__ = ["ClickHouseSink", "Delivery", "Encoder", "Item", "Writer"]

Item: TypeAlias = (
    Block
    | Finding
    | AlertEvent
    | Notice
    | VideoEvent
    | Action
    | Report
    | CommandEvent
    | LateRows
    | DeadLetter
    | Sequence[Finding]
)

#: So many rare records are held back at most: more are written before their epoch ends.
HELD: Final = 10_000

_NAME: Final = "LowCardinality(String)"
_TIME: Final = "DateTime64(9, 'UTC')"

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
    "monitor": _NAME,
    "detector": _NAME,
    "config": _NAME,
    "kind": _NAME,
    "verdict": "Enum8",
    "reason": _NAME,
    "sensor": _NAME,
    "ts": _TIME,
    "known": _TIME,
    "onset": _TIME,
    "level": "UInt8",
    "score": "Float64",
    "threshold": "Float64",
    "value": "Float64",
    "baseline": "Float64",
    "params": _NAME,
}
_NOTICE: Final = {"ts": _TIME, "desk": _NAME, "on_duty": f"Array({_NAME})", "id": "UUID"}
_VIDEO: Final = {
    "id": "UUID",
    "camera": _NAME,
    "ts": _TIME,
    "type": _NAME,
    "confidence": "Float64",
    "place": "String",
    "clip": "String",
    "known": _TIME,
}
_ACTION: Final = {
    "id": "UUID",
    "ts": _TIME,
    "actor": _NAME,
    "role": _NAME,
    "asset": _NAME,
    "sensor": _NAME,
    "zone": _NAME,
    "kind": _NAME,
    "until": _TIME,
    "reason": "String",
    "comment": "String",
    "verdict": _NAME,
    "case": "String",
    "unit": _NAME,
    "place": "String",
    "level": "UInt8",
    "source": _NAME,
    "state": _NAME,
    "known": _TIME,
}
_REPORT: Final = {
    "id": "UUID",
    "type": _NAME,
    "ts": _TIME,
    "channel": _NAME,
    "lon": "Float64",
    "lat": "Float64",
    "zone": _NAME,
    "asset": _NAME,
    "confidence": "Float64",
    "text": "String",
    "picture": "String",
    "reporter": "String",
    "known": _TIME,
}
_COMMAND: Final = {
    "id": "UUID",
    "command": "UUID",
    "seq": "UInt32",
    "step": _NAME,
    "ts": _TIME,
    "asset": _NAME,
    "by": _NAME,
    "reason": "String",
    "sensor": _NAME,
    "value": "Float64",
    "expires": _TIME,
    "run": "Int64",
}
_DEAD: Final = {
    "partition": _NAME,
    "offset": "UInt64",
    "row": "Int32",
    "recorded": _TIME,
    "reason": _NAME,
    "detail": "String",
    "payload": "String",
}
_EVENT: Final = {
    "id": "UUID",
    "seq": "UInt32",
    "type": "Enum8",
    "ts": _TIME,
    "revision": "UInt32",
    "note": "String",
    "notify": f"Array({_NAME})",
}
_ALERT: Final = {
    "kind": _NAME,
    "level": "UInt8",
    "active": "Bool",
    "onset": _TIME,
    "raised": _TIME,
    "updated": _TIME,
    "cleared": _TIME,
    "zone": _NAME,
    "asset": _NAME,
    "place": "String",
    "lon": "Float64",
    "lat": "Float64",
    "owner": _NAME,
    "urgent": "Bool",
    "corroboration": "Float64",
    "summary": "String",
    "sensors": f"Array({_NAME})",
    "cameras": f"Array({_NAME})",
    "clips": "Array(String)",
    "evidence": "Array(UUID)",
    "support": "Array(String)",
    "against": "Array(String)",
    "reports": "Array(UUID)",
    "pipe": _NAME,
    "offset": "Float64",
    "radius": "Float64",
    "acknowledged": _TIME,
    "acknowledged_by": _NAME,
    "shelved_until": _TIME,
    "shelved_by": _NAME,
    "suppressed": "Bool",
    "latched": "Bool",
    "closed": _TIME,
    "judged": _NAME,
    "rules": f"Array({_NAME})",
}


class Encoder:
    """Makes inserts of results.

    Parameters
    ----------
    sensor_names
        Id of each sensor, by dense index.
    scope
        Sets the blocks of one deployment apart from those of another that writes into the same tables (another city,
        another number of shards): without it the second's blocks would be taken for repeats of the first's.
    """

    def __init__(self, sensor_names: Sequence[str], scope: str = "") -> None:
        self._names = sensor_names
        self._scope = f"{scope}/" if scope else ""

    def inserts(self, items: Iterable[Item]) -> Iterator[Insert]:
        """Items of one table together, blocks each by itself."""
        rare: dict[type, list[Any]] = {}
        for item in items:
            if isinstance(item, Block):
                yield Insert.of(item.table, self._block(item), f"{self._scope}{item.token}")
            elif isinstance(
                item, (Finding, AlertEvent, Notice, VideoEvent, Action, Report, CommandEvent, LateRows, DeadLetter)
            ):
                rare.setdefault(type(item), []).append(item)
            elif isinstance(item, Sequence) and all(isinstance(part, Finding) for part in item):
                rare.setdefault(Finding, []).extend(item)
            else:
                raise TypeError(
                    "the ClickHouse sink takes blocks, findings, alert, video and command events, notices, actions, "
                    "reports, late rows, dead letters, "
                    f"not {type(item)!r}"
                )
        if found := rare.get(Finding):
            yield Insert.of("findings", _findings(found))
        if found := rare.get(AlertEvent):
            yield Insert.of("alert_events", _alert_events(found))
        if found := rare.get(Notice):
            yield Insert.of("notices", _notices(found))
        if found := rare.get(VideoEvent):
            yield Insert.of("video_events", _columns(_VIDEO, found))
        if found := rare.get(Action):
            yield Insert.of("operator_actions", _actions(found))
        if found := rare.get(Report):
            yield Insert.of("reports", _columns(_REPORT, found))
        if found := rare.get(CommandEvent):
            yield Insert.of("commands", _commands(found))
        if found := rare.get(DeadLetter):
            yield Insert.of("dead_letters", _columns(_DEAD, found))
        if found := [late for late in rare.get(LateRows, ()) if len(late)]:
            yield Insert.of("late_rows", self._late(found))

    def _block(self, block: Block) -> list[Column]:
        columns = block.columns
        sensor = Column("sensor", _NAME, Dictionary.select(self._names, columns["sensor"]))
        if "end" in columns:
            return [
                sensor,
                Column("pane", _TIME, columns["pane"]),
                Column("ts", f"Array({_TIME})", Arrays(columns["end"], columns["ts"])),
                Column("value", "Array(Float64)", Arrays(columns["end"], columns["value"])),
            ]
        return [
            sensor,
            Column("start", "DateTime64(3, 'UTC')", columns["start"] // MILLISECOND),
            Column("count", "UInt32", columns["count"]),
            *(Column(name, "Float64", columns[name]) for name in ("min", "max", "mean", "last", "std")),
        ]

    def _late(self, records: Sequence[LateRows]) -> list[Column]:
        def joined(name: str) -> Any:
            return np.concatenate([getattr(record, name) for record in records])

        sensor, ts, offset = joined("sensor"), joined("ts"), joined("offset")
        # Of rows with one sensor and time in one message the first counts, as it does in a pane.
        order = np.lexsort((np.arange(len(ts)), offset, ts, sensor))
        new = np.ones(len(order), bool)
        new[1:] = (np.diff(sensor[order]) != 0) | (np.diff(ts[order]) != 0)
        keep = order[new]
        partition = Dictionary.of([record.partition for record in records for _ in range(len(record))])
        return [
            Column("sensor", _NAME, Dictionary.select(self._names, sensor[keep])),
            Column("ts", _TIME, ts[keep]),
            Column("value", "Float64", joined("value")[keep]),
            Column("partition", _NAME, Dictionary(partition.names, partition.code[keep])),
            Column("offset", "UInt64", offset[keep]),
            Column("recorded", _TIME, joined("recorded")[keep]),
            Column("watermark", _TIME, joined("watermark")[keep]),
        ]


class Writer:
    """Writes results through one client, and waits until they are stored.

    Parameters
    ----------
    client
        An open connection to a database that `ensure_schema` has prepared.
    sensor_names, scope
        As `Encoder` takes them.
    attempts, backoff
        A request that fails for a passing reason is tried so often, with pauses of `backoff` seconds that double.
    sleep
        How to pause; replaced in tests.
    """

    def __init__(
        self,
        client: Client,
        sensor_names: Sequence[str],
        scope: str = "",
        attempts: int = 6,
        backoff: float = 0.1,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._encoder = Encoder(sensor_names, scope)
        self._attempts = attempts
        self._backoff = backoff
        self._sleep = sleep

    def write(self, items: Iterable[Item]) -> None:
        """Store items.

        Raises SinkRefused when the server refuses an item for good, SinkError when it kept failing. What was stored
        before is recognised when the items come again.
        """
        for insert in self._encoder.inserts(items):
            self._send(insert)

    def _send(self, insert: Insert) -> None:
        for attempt in range(1, self._attempts + 1):
            try:
                insert.send(self._client)
                return
            except SinkRefused:
                raise
            except SinkError as error:
                if attempt == self._attempts:
                    raise SinkError(f"insert into {insert.table} failed {attempt} times, last: {error}") from error
                metrics.SINK_RETRIES.labels("clickhouse").inc()
                self._sleep(self._backoff * 2 ** (attempt - 1))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _columns(types: Mapping[str, str], records: Sequence[Any]) -> list[Column]:
    return [_column(name, type_, [getattr(record, name) for record in records]) for name, type_ in types.items()]


def _column(name: str, type_: str, values: list[Any]) -> Column:
    if type_ == "Enum8":
        type_, members = _ENUMS[name]
        return Column(name, type_, np.array([members.index(value) for value in values], np.int8))
    if type_ in ("Float64", "UInt8", "UInt32", "UInt64", "Int32", "Int64", "Bool", _TIME):
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
        Column("sample_ts", f"Array({_TIME})", Arrays(end, ts)),
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
        Column("why", _NAME, [notice.why.value for notice in notices]),
        Column("alerts", "Array(UUID)", [tuple(event.alert.id for event in notice.events) for notice in notices]),
        Column("steps", "Array(UUID)", [tuple(event.id for event in notice.events) for notice in notices]),
        Column("gravest", "UInt8", [min(event.alert.level for event in notice.events) for notice in notices]),
    ]


def _actions(actions: Sequence[Action]) -> list[Column]:
    return [
        *_columns(_ACTION, actions),
        Column("action", _NAME, [action.verb.value for action in actions]),
        Column("alert", "UUID", [action.alert or UUID(int=0) for action in actions]),
        Column("command", "UUID", [action.command or UUID(int=0) for action in actions]),
    ]


def _commands(steps: Sequence[CommandEvent]) -> list[Column]:
    return [*_columns(_COMMAND, steps), Column("finding", "UUID", [one.finding or UUID(int=0) for one in steps])]


assert set(_FINDING) == {field.name for field in fields(Finding)} - {"samples"}
assert set(_VIDEO) == {field.name for field in fields(VideoEvent)}
assert set(_ACTION) == {field.name for field in fields(Action)} - {"verb", "alert", "command", "origin"}
assert set(_REPORT) == {field.name for field in fields(Report)} - {"origin"}
assert set(_COMMAND) == {field.name for field in fields(CommandEvent)} - {"finding"}
assert set(_NOTICE) == {field.name for field in fields(Notice)} - {"why", "events"}
assert set(_DEAD) == {field.name for field in fields(DeadLetter)}
assert set(_ALERT) == {field.name for field in fields(Alert)} - {"id", "cause", "traces"}


class ClickHouseSink:
    """Where the results of one process go: through one outbox into one database, while the `with` block runs.

    Parameters
    ----------
    connect
        Opens a connection to a database that has the schema (see `sinks.clickhouse.outbox`).
    sensor_names, scope
        As `Encoder` takes them.
    spool, stop
        As `Outbox` takes them.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        sensor_names: Sequence[str],
        scope: str = "",
        spool: Spool | None = None,
        stop: Event | None = None,
    ) -> None:
        self._encoder = Encoder(tuple(sensor_names), scope)
        self._connect, self._spool, self._stop = connect, spool, stop or Event()
        self._outbox: Outbox | None = None

    def __enter__(self) -> ClickHouseSink:
        self._outbox = Outbox(self._connect, self._letters, self._spool, self._stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._outbox is not None:
            self._outbox.close(wait=kind is None and not self._stop.is_set())

    def delivery(self) -> Delivery:
        """What one key of the flow delivers through."""
        assert self._outbox is not None
        return Delivery(self._encoder, self._outbox)

    def _letters(self, letters: Sequence[DeadLetter]) -> Insert:
        return next(self._encoder.inserts(letters))


class Delivery:
    """Results of one key of the flow, driven by a stateful step: such steps are told when an epoch ends.

    Blocks are sent as they come. Records that are few and come one by one are gathered and sent once an epoch, since an
    insert costs milliseconds whatever it holds; alert events go at once, since somebody waits for them, with what was
    gathered until then.
    """

    def __init__(self, encoder: Encoder, outbox: Outbox) -> None:
        self._encoder, self._outbox = encoder, outbox
        self._held: list[Item] = []

    def take(self, items: Sequence[Item]) -> Iterable[Never]:
        """Send items on their way."""
        self._send([item for item in items if isinstance(item, Block)])
        self._held += [item for item in items if not isinstance(item, Block)]
        if len(self._held) >= HELD or any(isinstance(item, AlertEvent) for item in items):
            self._send_held()
        return ()

    def snapshot(self) -> None:
        """Before the epoch counts as done, all that came in it is safe; nothing has to be kept."""
        self._send_held()
        self._outbox.flush()

    def _send_held(self) -> None:
        held, self._held = self._held, []
        self._send(held)

    def _send(self, items: Iterable[Item]) -> None:
        for insert in self._encoder.inserts(items):
            self._outbox.put(insert)
