"""Why a record, or one row of it, could not be used."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Final

import orjson

from domain.actions import Origin
from domain.records import DeadLetter

__all__ = ["MAX_ROWS", "Refusals", "Refused", "Reject", "row_record", "shown"]

#: So many refused rows of one message get a dead letter each; the others are counted in one last dead letter.
MAX_ROWS: Final = 1000


class Reject(StrEnum):
    """The reason of a dead letter, as metrics count it."""

    EMPTY = "empty"  # a message, a list or a packet that holds nothing
    TOO_LARGE = "too-large"
    NOT_UTF8 = "not-utf8"
    NOT_JSON = "not-json"
    WRONG_SHAPE = "wrong-shape"  # JSON, but not one of the formats
    MISSING_FIELD = "missing-field"
    WRONG_TYPE = "wrong-type"
    UNKNOWN_SENSOR = "unknown-sensor"
    UNKNOWN_CAMERA = "unknown-camera"
    NOT_FINITE = "not-finite"
    BAD_TIME = "bad-time"  # no time, or outside the range of times
    BAD_RATE = "bad-rate"
    BAD_CONFIDENCE = "bad-confidence"
    BAD_ARROW = "bad-arrow"
    BAD_ACTION = "bad-action"
    UNKNOWN_ASSET = "unknown-asset"
    BAD_REPORT = "bad-report"
    UNKNOWN_ZONE = "unknown-zone"
    TOO_MANY = "too-many"  # further refused rows of a message that has more than MAX_ROWS of them


class Refused(Exception):
    """A record, or one row of it, is refused."""

    def __init__(self, reason: Reject, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def shown(value: object, limit: int = 80) -> str:
    """A value as it stands in a detail: as JSON where possible, cut short."""
    if isinstance(value, (list, dict)):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    try:
        text = str(value) if isinstance(value, float) else orjson.dumps(value).decode()
    except TypeError:
        text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


def row_record(sensor: str | None, ts: int | None, value: object) -> dict[str, object]:
    """What a dead letter keeps of one row of many; `ts` in ns."""
    return {"sensor": sensor, "ts_ns": ts, "value": str(value) if isinstance(value, float) else value}


class Refusals:
    """The dead letters of one message, in the order of its rows.

    Parameters
    ----------
    partition, offset, recorded
        Of the message.
    keep
        Bytes of payload to keep in a dead letter.
    """

    def __init__(self, partition: str, offset: int, recorded: int, keep: int) -> None:
        self.partition, self.offset, self.recorded, self.keep = partition, offset, recorded, keep
        self.letters: list[DeadLetter] = []
        self._first = -1
        self._more: Counter[str] = Counter()

    def origin(self, row: int) -> Origin:
        """Where the element of the message stands that begins with `row`."""
        return Origin(self.partition, self.offset, row, self.recorded)

    def message(self, refused: Refused, payload: bytes | memoryview) -> None:
        """Refuse the message as a whole."""
        self._add(-1, refused.reason, refused.detail, bytes(payload[: self.keep]))

    def row(self, row: int, reason: Reject, detail: str, record: object) -> None:
        """Refuse one row; `record` is what its dead letter keeps, as JSON."""
        if len(self.letters) >= MAX_ROWS:
            self._first = row if self._first < 0 else self._first
            self._more[reason] += 1
            return
        try:
            payload = orjson.dumps(record, default=str)
        except TypeError:  # an integer beyond 64 bits, or half a surrogate pair
            payload = repr(record).encode(errors="replace")
        self._add(row, reason, detail, payload[: self.keep])

    def close(self) -> list[DeadLetter]:
        """All dead letters of the message."""
        if self._more:
            counts = ", ".join(f"{reason}: {n}" for reason, n in sorted(self._more.items()))
            self._add(self._first, Reject.TOO_MANY, f"{self._more.total()} further rows were refused ({counts})", b"")
            self._more.clear()
        return self.letters

    def _add(self, row: int, reason: Reject, detail: str, payload: bytes) -> None:
        self.letters.append(DeadLetter(self.partition, self.offset, row, self.recorded, reason.value, detail, payload))
