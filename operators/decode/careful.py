"""The careful way: JSON messages of any shape, one at a time, each refusal with its reason.

Rows are counted through a message, used and refused alike; an element that is refused as a whole counts as one row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from domain import actions, reports
from domain.actions import Action, Verb
from domain.city import City
from domain.clock import MILLISECOND, SECOND, TS_MAX, TS_MIN, iso
from domain.commands import is_answer, parse_answer
from domain.errors import ActionError, ReportError
from domain.findings import VideoEvent
from domain.identity import identify
from domain.records import Floats, Int32s, Int64s
from domain.reports import Report
from operators.decode.reject import Refusals, Refused, Reject, row_record, shown
from operators.decode.times import MAX_HZ, packet_times, rfc3339

__all__ = ["Gathered", "load_json", "read_json"]

_OF_ASSETS = frozenset({Verb.SUPPRESS, Verb.RESUME, Verb.ENTER, Verb.LEAVE, Verb.ANSWER})


@dataclass
class Gathered:
    """What one message holds: columns in pieces, video events, actions, and reports."""

    sensor: list[Int32s] = field(default_factory=list)
    ts: list[Int64s] = field(default_factory=list)
    value: list[Floats] = field(default_factory=list)
    video: list[VideoEvent] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    row: int = 0  # rows so far, used and refused

    def add(self, sensor: Int32s, ts: Int64s, value: Floats) -> None:
        """Take up a piece."""
        self.sensor.append(sensor)
        self.ts.append(ts)
        self.value.append(value)


def load_json(payload: bytes | memoryview) -> Any:
    """Parse a message; raises Refused."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        problem = error
    try:
        text = bytes(payload).decode()
    except UnicodeDecodeError as error:
        found = bytes(payload[error.start : error.start + 1]).hex()
        raise Refused(Reject.NOT_UTF8, f"expected UTF-8, got byte 0x{found} at byte {error.start}") from None
    if "infinity" in problem.msg or "NaN" in text or "Infinity" in text:
        # Strictly it is no JSON, but the good rows beside a number that is none are kept.
        try:
            document = json.loads(text, parse_int=_integer)
            orjson.dumps(document)  # no half surrogate pairs
        except (ValueError, TypeError, RecursionError):
            pass
        else:
            return document
    raise Refused(Reject.NOT_JSON, f"expected JSON, got {problem.msg} at character {problem.pos}")


def _integer(text: str) -> int | float:
    """Integers as orjson has them: beyond 64 bits they are floats."""
    if len(text) <= 20 and -(2**63) <= int(text) < 2**64:
        return int(text)
    return float(text)


def read_json(payload: bytes | memoryview, city: City, refusals: Refusals) -> Gathered:
    """Read a JSON message: a reading, a packet, a video event, an action, a report, or a list of these."""
    gathered = Gathered()
    try:
        document = load_json(payload)
        if not isinstance(document, list):
            _element(document, city, gathered, refusals)
        elif not document:
            raise Refused(Reject.EMPTY, "expected at least one reading, packet or event in the list, got none")
    except Refused as refused:
        refusals.message(refused, payload)
        return gathered
    if isinstance(document, list):
        for i, element in enumerate(document):
            try:
                _element(element, city, gathered, refusals)
            except Refused as refused:
                refusals.row(gathered.row, refused.reason, f"element {i}: {refused.detail}", element)
                gathered.row += 1
    return gathered


def _element(element: object, city: City, gathered: Gathered, refusals: Refusals) -> None:
    """Read a reading, packet, video event, action or report; raises Refused when nothing of it can be used."""
    if not isinstance(element, dict):
        raise Refused(Reject.WRONG_SHAPE, f"expected an object: a reading, packet or event, got {shown(element)}")
    if "action" in element or is_answer(element):
        gathered.actions.append(_action(element, city).at(refusals.origin(gathered.row)))
        gathered.row += 1
        return
    if "report" in element:
        gathered.reports.append(_report(element, city).at(refusals.origin(gathered.row)))
        gathered.row += 1
        return
    if "camera" in element and "sensor" not in element:
        gathered.video.append(_video(element, city))
        gathered.row += 1
        return
    if "value" in element and "v" in element:
        raise Refused(Reject.WRONG_SHAPE, "expected a reading (value) or a packet (v), got both in one object")
    name = _text(element, "sensor")
    sensor = city.sensor_index.get(name)
    if sensor is None:
        raise Refused(Reject.UNKNOWN_SENSOR, f"sensor: expected one of city {city.name!r}, got {shown(name)}")
    if "value" not in element and ("v" in element or "t0" in element or "hz" in element):
        _packet(element, name, sensor, gathered, refusals)
        return
    ts, value = _time(element, "ts"), _number(element, "value")
    gathered.add(np.array([sensor], np.int32), np.array([ts], np.int64), np.array([value]))
    gathered.row += 1


def _packet(element: Mapping[str, Any], name: str, sensor: int, gathered: Gathered, refusals: Refusals) -> None:
    t0, hz, samples = _time(element, "t0"), _number(element, "hz", Reject.BAD_RATE), _get(element, "v")
    if not isinstance(samples, list):
        raise Refused(Reject.WRONG_TYPE, f"v: expected a list of numbers, got {shown(samples)}")
    if not samples:
        raise Refused(Reject.EMPTY, "v: expected at least one number, got none")
    ts = np.empty(len(samples), np.int64)
    if not packet_times(ts, 0, len(ts), t0, hz):
        raise Refused(
            Reject.BAD_RATE,
            f"hz: expected a rate above 0 and at most {MAX_HZ:g} with all {len(ts)} rows before {iso(TS_MAX - 1)}, "
            f"got {shown(hz)}",
        )
    value = np.empty(len(samples))
    good = np.ones(len(samples), np.bool_)
    for i, sample in enumerate(samples):
        if (type(sample) is float or type(sample) is int) and math.isfinite(sample):
            value[i] = sample
            continue
        good[i] = False
        reason = Reject.NOT_FINITE if type(sample) is float else Reject.WRONG_TYPE
        detail = f"v[{i}]: expected a finite number, got {shown(sample)}"
        refusals.row(gathered.row + i, reason, detail, row_record(name, int(ts[i]), sample))
    gathered.add(np.full(int(good.sum()), sensor, np.int32), ts[good], value[good])
    gathered.row += len(samples)


def _video(element: Mapping[str, Any], city: City) -> VideoEvent:
    camera = _text(element, "camera")
    if camera not in city.cameras:
        raise Refused(Reject.UNKNOWN_CAMERA, f"camera: expected one of city {city.name!r}, got {shown(camera)}")
    ts = _time(element, "ts") - round(city.cameras[camera].clock_offset * SECOND)
    kind, confidence = _text(element, "type"), _number(element, "confidence")
    if not 0.0 <= confidence <= 1.0:
        raise Refused(Reject.BAD_CONFIDENCE, f"confidence: expected 0 to 1, got {shown(confidence)}")
    place, clip = ("" if element.get(key) in (None, "") else _text(element, key) for key in ("place", "clip"))
    return VideoEvent(identify("video", camera, ts, kind), camera, ts, kind, confidence, place, clip)


def _action(element: Mapping[str, Any], city: City) -> Action:
    try:
        action = parse_answer(element) if is_answer(element) else actions.parse(element)
    except ActionError as error:
        raise Refused(Reject.BAD_ACTION, str(error)) from None
    if action.verb in _OF_ASSETS and action.asset not in city.assets:
        raise Refused(Reject.UNKNOWN_ASSET, f"asset: expected one of city {city.name!r}, got {shown(action.asset)}")
    known = action.sensor in city.sensor_index or action.sensor in city.cameras
    if action.verb in (Verb.OUT_OF_SERVICE, Verb.IN_SERVICE) and not known:
        wanted = f"a sensor or camera of city {city.name!r}"
        raise Refused(Reject.UNKNOWN_SENSOR, f"sensor: expected {wanted}, got {shown(action.sensor)}")
    return action


def _report(element: Mapping[str, Any], city: City) -> Report:
    try:
        report = reports.parse(element)
    except ReportError as error:
        raise Refused(Reject.BAD_REPORT, str(error)) from None
    if report.asset and report.asset not in city.assets:
        raise Refused(Reject.UNKNOWN_ASSET, f"asset: expected one of city {city.name!r}, got {shown(report.asset)}")
    if report.zone and report.zone not in city.zones:
        raise Refused(Reject.UNKNOWN_ZONE, f"zone: expected one of city {city.name!r}, got {shown(report.zone)}")
    return report


def _get(element: Mapping[str, Any], key: str) -> Any:
    try:
        return element[key]
    except KeyError:
        raise Refused(Reject.MISSING_FIELD, f"expected the field {key!r}, got {_keys(element)}") from None


def _keys(element: Mapping[str, Any]) -> str:
    return shown(", ".join(element)) if element else "no field"


def _text(element: Mapping[str, Any], key: str) -> str:
    text = _get(element, key)
    if not isinstance(text, str) or not text:
        raise Refused(Reject.WRONG_TYPE, f"{key}: expected text, got {shown(text)}")
    return text


def _number(element: Mapping[str, Any], key: str, not_finite: Reject = Reject.NOT_FINITE) -> float:
    number = _get(element, key)
    if type(number) is not float and type(number) is not int:  # True is an int, but no number
        raise Refused(Reject.WRONG_TYPE, f"{key}: expected a number, got {shown(number)}")
    if not math.isfinite(number):
        raise Refused(not_finite, f"{key}: expected a finite number, got {shown(number)}")
    return float(number)


def _time(element: Mapping[str, Any], key: str) -> int:
    time = _get(element, key)
    if type(time) is int:
        ts = time * MILLISECOND
        if TS_MIN <= ts < TS_MAX:
            return ts
    elif isinstance(time, str):
        parsed = rfc3339(time)
        if parsed is not None:
            return parsed
    else:
        raise Refused(
            Reject.WRONG_TYPE, f"{key}: expected whole epoch milliseconds or RFC 3339 text, got {shown(time)}"
        )
    raise Refused(
        Reject.BAD_TIME,
        f"{key}: expected epoch milliseconds or RFC 3339 text with its offset, from {iso(TS_MIN)} and before 2200, "
        f"got {shown(time)}",
    )
