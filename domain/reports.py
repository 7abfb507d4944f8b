"""What citizens and grid inspectors report: one more stream of messages, beside readings and video events.

A report is a JSON object; `report`, `id`, `ts`, `channel` and a place (asset, zone, or coordinates) are always there:

    {"report": "waterlogging", "id": "6f1c...", "ts": 1764000000123, "channel": "citizen", "lon": 115.78, "lat": 33.85,
     "confidence": 0.8, "text": "Water up to the kerb", "picture": "s3://hotline/4711.jpg", "reporter": "a3f9"}

Nothing in it is trusted: text and picture are kept for people to look at, and nothing follows from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from domain.actions import LONGEST, Origin
from domain.clock import MILLISECOND, TS_MAX, TS_MIN
from domain.errors import ReportError
from domain.fields import Id, Latitude, Longitude, Reference, Share, Text
from domain.validation import explained

__all__ = ["Channel", "Report", "parse"]


class Channel(StrEnum):
    """Who reports."""

    CITIZEN = "citizen"  # anybody: by telephone, by an app
    INSPECTOR = "inspector"  # somebody whose work it is to look: of a grid cell, of a network's owner


@dataclass(frozen=True, slots=True)
class Report:
    """What one person saw, smelt or heard at one place."""

    id: UUID  # given by whoever sends it: the same report bears the same id however often it is sent
    type: str  # what is reported, in the words of the city's report rules
    ts: int  # ns, when it was seen
    channel: Channel
    lon: float = 0.0  # 0, 0: not named
    lat: float = 0.0
    zone: str = ""
    asset: str = ""
    confidence: float = 1.0  # 0 to 1: of whoever took the report
    text: str = ""
    picture: str = ""  # reference of a picture
    reporter: str = ""  # tells one reporter from another; best not a name
    known: int = 0  # as in Finding; set where the record enters
    origin: Origin = field(default=Origin(), compare=False)

    @property
    def order(self) -> tuple[int, int, str, bytes]:
        """The order in which reports count, whatever way they came; by all they say, should two bear one id."""
        return (self.known, self.ts, str(self.id), self.to_json())

    def to_json(self) -> bytes:
        """The message that `parse` reads back as an equal report.

        >>> seen = Report(UUID(int=7), "gas-smell", 1_764_000_000_123 * MILLISECOND, Channel.CITIZEN, zone="north")
        >>> parse(seen.to_json()) == seen
        True
        """
        message: dict[str, Any] = {"report": self.type, "id": str(self.id), "ts": self.ts // MILLISECOND}
        message |= {"channel": self.channel, "confidence": self.confidence}
        if (self.lon, self.lat) != (0.0, 0.0):
            message |= {"lon": self.lon, "lat": self.lat}
        return orjson.dumps(message | {name: text for name in _TEXTS if (text := getattr(self, name))})

    def at(self, origin: Origin) -> Report:
        """The same, and where it stood."""
        return replace(self, origin=origin)


_TEXTS: Final = ("zone", "asset", "text", "picture", "reporter")
_TIMES: Final = f"expected whole epoch milliseconds, from {TS_MIN // MILLISECOND} and before {TS_MAX // MILLISECOND}"


def _time(ms: int) -> int:
    if not TS_MIN <= ms * MILLISECOND < TS_MAX:
        raise ValueError(f"{_TIMES}, got {str(ms)[:80]}")
    return ms * MILLISECOND


def _lines(text: str) -> str:
    if any((mark < " " and mark not in "\n\t") or "\x7f" <= mark <= "\x9f" for mark in text):
        raise ValueError(f"expected text without control characters, got {text[:80]!r}")
    return text


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    report: Id
    id: UUID
    ts: Annotated[int, Field(strict=True), AfterValidator(_time)]
    channel: Channel
    lon: Longitude | None = None
    lat: Latitude | None = None
    zone: Reference = ""
    asset: Reference = ""
    confidence: Share = 1.0
    text: Annotated[str, Field(max_length=LONGEST), AfterValidator(_lines)] = ""
    picture: Annotated[Text, Field(max_length=LONGEST)] = ""
    reporter: Reference = ""


def parse(message: bytes | Mapping[str, Any]) -> Report:
    """Read a report, from the bytes of a message or from the object that it holds.

    Raises ReportError, which says what was expected.

    >>> parse({"report": "gas-smell", "id": str(UUID(int=7)), "ts": 1764000000123, "channel": "citizen"})
    Traceback (most recent call last):
        ...
    domain.errors.ReportError: expected a place: asset, zone, or lon and lat
    """
    if isinstance(message, bytes):
        try:
            message = orjson.loads(message)
        except orjson.JSONDecodeError as error:
            raise ReportError(f"expected JSON: {error}") from None
    if not isinstance(message, Mapping):
        raise ReportError(f"expected an object, got {type(message).__name__}")
    try:
        read = _Message.model_validate({name: value for name, value in message.items() if value is not None})
    except ValidationError as error:
        raise ReportError("; ".join(explained(error, list(_Message.model_fields))[:5])) from None
    if (read.lon is None) is not (read.lat is None):
        raise ReportError("expected lon and lat, got one of them alone")
    lon, lat = read.lon or 0.0, read.lat or 0.0
    if not (read.asset or read.zone) and (lon, lat) == (0.0, 0.0):
        raise ReportError("expected a place: asset, zone, or lon and lat")
    texts = {name: getattr(read, name) for name in _TEXTS}
    return Report(read.id, read.report, read.ts, read.channel, lon, lat, confidence=read.confidence, **texts)
