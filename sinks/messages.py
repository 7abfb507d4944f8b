"""Alert events, findings and video events as JSON for other systems.

Field names are those of `domain.findings`; times are RFC 3339 in UTC with nanoseconds, null where they are not set;
numbers that are not finite are null. `record` tells what it is: "alert-event", "finding" or "video-event". The `params`
of a finding are an object, its `samples` a list of `ts` and `value`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from domain.answers import Answering
from domain.clock import SECOND
from domain.findings import AlertEvent, Finding, VideoEvent
from domain.traces import Trace
from sinks.channel import Bundle

__all__ = ["Message", "encode", "encode_bundle", "key", "timestamp"]

Message = AlertEvent | Finding | VideoEvent

_NAMES: Final = {AlertEvent: "alert-event", Finding: "finding", VideoEvent: "video-event"}
_TIMES: Final = frozenset({
    "ts", "known", "onset", "raised", "updated", "cleared", "acknowledged", "shelved_until", "closed", "since", "until",
})  # fmt: skip


def timestamp(ts: int) -> str | None:
    """A time (ns) as other systems read it; None for 0 and for what no calendar holds.

    >>> timestamp(1_764_000_000_123_000_000)
    '2025-11-24T16:00:00.123000000Z'
    """
    if not 0 < ts < 253_402_300_800 * SECOND:
        return None
    return f"{datetime.fromtimestamp(ts // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{ts % SECOND:09d}Z"


def encode(message: Message, answering: Answering | None = None) -> bytes:
    """One JSON object; with who knows the city, an alert's has the `answers` that people ask for first."""
    record = asdict(message)
    if isinstance(message, Finding):
        ts, value = (column.tolist() for column in message.samples.columns())
        record["params"] = orjson.Fragment(message.params or "{}")
        record["samples"] = [{"ts": timestamp(at), "value": x} for at, x in zip(ts, value, strict=True)]
    elif isinstance(message, AlertEvent):
        record["alert"]["traces"] = list(map(_trace, message.alert.traces))
        if answering is not None:
            record["answers"] = asdict(answering.of(message.alert, message.ts))
    return orjson.dumps({"record": _NAMES[type(message)]} | _readable(record))


def encode_bundle(bundle: Bundle, events: Sequence[AlertEvent], answering: Answering | None = None) -> bytes:
    """A digest or a summary as one JSON object: `record` is "notice", and `events` are as `encode` has them."""
    head = {"record": "notice"} | _readable(asdict(bundle))
    return orjson.dumps(head | {"events": [orjson.Fragment(encode(event, answering)) for event in events]})


def key(message: Message) -> bytes:
    """What the message is about: the same thing's messages stay in one partition, in order."""
    if isinstance(message, AlertEvent):
        return (message.alert.asset or message.alert.zone or str(message.alert.id)).encode()
    return (message.sensor if isinstance(message, Finding) else message.camera).encode()


def _trace(trace: Trace) -> dict[str, Any]:
    record = asdict(trace)
    samples = zip(record.pop("ts"), record.pop("values"), strict=True)
    return _readable(record) | {"samples": [{"ts": timestamp(at), "value": x} for at, x in samples]}


def _readable(record: dict[str, Any]) -> dict[str, Any]:
    return {
        name: timestamp(value) if name in _TIMES else _readable(value) if isinstance(value, dict) else value
        for name, value in record.items()
    }
