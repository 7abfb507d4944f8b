"""What the decoder should make of JSON messages, in plain Python: one message, one field, one number at a time."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from domain.city import Camera, City, Sensor
from domain.clock import TS_MAX, TS_MIN

#: Ids of up to 8, of 16 and of more bytes, one that is the start of another, and one that is not ASCII.
CITY = City(
    "Testville",
    "UTC",
    tuple(
        Sensor(name, "gas-lel", "%LEL", "north")
        for name in ("G", "G1", "G-000001", "G-000001-0000002", "BZ-B03-S07-strain-x", "燃气-07")
    ),
    cameras={"C1": Camera("C1", "north")},
)

TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Bad(Exception):
    """Carries a reason."""


def decode(messages: list[bytes], city: City = CITY, longest: int = 1 << 24) -> tuple[list[Any], list[Any], list[Any]]:
    """Rows as (message, sensor, ts, value), video as (message, camera, ts, type), dead as (message, row, reason)."""
    rows: list[Any] = []
    video: list[Any] = []
    dead: list[Any] = []
    for i, payload in enumerate(messages):
        try:
            document = parse(payload, longest)
            if isinstance(document, list) and not document:
                raise Bad("empty")
            elements = document if isinstance(document, list) else [document]
            row = 0
            for element in elements:
                try:
                    found = record(element, city)
                except Bad as bad:
                    if not isinstance(document, list):
                        raise
                    dead.append((i, row, str(bad)))
                    row += 1
                    continue
                for what in found:
                    if isinstance(what, str):
                        dead.append((i, row, what))
                    elif len(what) == 2:
                        video.append((i, *what[0], what[1]))
                    else:
                        rows.append((i, *what))
                    row += 1
        except Bad as bad:
            dead.append((i, -1, str(bad)))
    return rows, video, dead


def parse(payload: bytes, longest: int) -> Any:
    if len(payload) > longest:
        raise Bad("too-large")
    if not payload:
        raise Bad("empty")
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise Bad("not-utf8") from None
    try:
        document = json.loads(text, parse_int=integer)
        json.dumps(document, ensure_ascii=False).encode()  # no half surrogate pairs
    except ValueError:
        raise Bad("not-json") from None
    return document


def integer(text: str) -> int | float:
    return int(text) if len(text) < 30 and -(2**63) <= int(text) < 2**64 else float(text)


def record(element: Any, city: City) -> list[Any]:
    """The rows, reasons of refused rows, or video event of one element."""
    if not isinstance(element, dict):
        raise Bad("wrong-shape")
    if "sensor" not in element and "camera" in element:
        camera = text(element, "camera")
        if camera not in city.cameras:
            raise Bad("unknown-camera")
        ts, kind, confidence = time(element, "ts"), text(element, "type"), number(element, "confidence", "not-finite")
        if not 0 <= confidence <= 1:
            raise Bad("bad-confidence")
        for key in ("place", "clip"):
            if element.get(key) not in (None, ""):
                text(element, key)
        return [((camera, ts), kind)]
    if "value" in element and "v" in element:
        raise Bad("wrong-shape")
    name = text(element, "sensor")
    ids = [sensor.id for sensor in city.sensors]
    if name not in ids:
        raise Bad("unknown-sensor")
    if "value" in element or not {"v", "t0", "hz"} & set(element):
        return [(ids.index(name), time(element, "ts"), number(element, "value", "not-finite"))]
    t0, hz = time(element, "t0"), number(element, "hz", "bad-rate")
    if "v" not in element:
        raise Bad("missing-field")
    if not isinstance(element["v"], list):
        raise Bad("wrong-type")
    if not element["v"]:
        raise Bad("empty")
    if not 0 < hz <= 1e9:
        raise Bad("bad-rate")
    found: list[Any] = []
    for i, sample in enumerate(element["v"]):
        ts = t0 + round(i * 1e9 / hz)
        if ts >= TS_MAX:
            raise Bad("bad-rate")
        if isinstance(sample, bool) or not isinstance(sample, int | float):
            found.append("wrong-type")
        elif not math.isfinite(sample):
            found.append("not-finite")
        else:
            found.append((ids.index(name), ts, float(sample)))
    return found


def field(element: Any, key: str) -> Any:
    if key not in element:
        raise Bad("missing-field")
    return element[key]


def text(element: Any, key: str) -> str:
    found = field(element, key)
    if not isinstance(found, str) or not found:
        raise Bad("wrong-type")
    return found


def number(element: Any, key: str, not_finite: str) -> float:
    found = field(element, key)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise Bad("wrong-type")
    if not math.isfinite(found):
        raise Bad(not_finite)
    return float(found)


def time(element: Any, key: str) -> int:
    found = field(element, key)
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise Bad("wrong-type")
    ts = rfc3339(found) if isinstance(found, str) else found * 10**6
    if ts is None or not TS_MIN <= ts < TS_MAX:
        raise Bad("bad-time")
    return ts


def rfc3339(found: str) -> int | None:
    match = TIME.fullmatch(found)
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    minutes = 0
    if zone not in "Zz":
        hours, of_hour = int(zone[1:3]), int(zone[4:])
        if hours > 23 or of_hour > 59:
            return None
        minutes = (hours * 60 + of_hour) * (-1 if zone[0] == "-" else 1)
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=timezone(timedelta(minutes=minutes)))
        since = whole - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return (since.days * 86400 + since.seconds) * 10**9 + int(((fraction or "") + "0" * 9)[:9])
