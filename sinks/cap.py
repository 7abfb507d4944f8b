"""Alert events as messages of the Common Alerting Protocol (OASIS CAP 1.2), by POST or as files in a folder.

The first that a receiver is told of an alert is an Alert; what follows is an Update, and its end, or that nobody is to
act on it (it should not have been, it is shelved or suppressed), a Cancel; both refer to the message before. An alert
that was over before anybody was told of it is no message.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final, Protocol
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from domain import metrics
from domain.answers import Answering, Answers
from domain.city import City
from domain.clock import SECOND
from domain.errors import SinkError
from domain.findings import Alert, AlertEvent, AlertEventType
from domain.receivers import Cap
from domain.traces import Trace
from sinks.channel import Channel, Note, Told
from sinks.http import Poster
from sinks.webhook import stamped

__all__ = ["CapWriter", "Folder", "Outlet", "Posted", "folder_of", "render"]

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"

#: CAP's categories by what a kind of alert begins or ends with; what is not here is a matter of infrastructure.
_CATEGORIES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("gas", ("Safety", "Infra")),
    ("fire", ("Fire",)),
    ("rain", ("Met",)),
    ("waterlogging", ("Met", "Infra")),
    ("overflow", ("Env", "Infra")),
    ("discharge", ("Env",)),
    ("road", ("Transport",)),
    ("bridge", ("Transport", "Infra")),
)

#: Level 1 is the gravest.
_SEVERITIES: Final = {1: "Extreme", 2: "Severe", 3: "Moderate"}

#: XML 1.0 has no place for these.
_UNSPEAKABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Outlet(Protocol):
    """Where messages go."""

    def put(self, name: str, message: bytes) -> None:
        """Deliver one; raises SinkError."""

    def close(self) -> None:
        """Let go of connections."""


class CapWriter(Channel):
    """Sends CAP messages, each by itself.

    Parameters
    ----------
    outlet
        Where to.
    """

    hears: ClassVar[frozenset[AlertEventType] | None] = frozenset(AlertEventType) - {
        AlertEventType.ACKNOWLEDGED,
        AlertEventType.OVERDUE,
        AlertEventType.REALARMED,
        AlertEventType.JUDGED,
        AlertEventType.CLOSED,
    }

    def __init__(self, settings: Cap, city: City, outlet: Outlet) -> None:
        self._settings, self._city, self._outlet = settings, city, outlet
        self._answering = Answering(city)

    def send(self, notes: Sequence[Note]) -> int:
        """The first."""
        note = notes[0]
        if note.before is None and not _stands(note.event.alert):
            return 1
        self._outlet.put(str(note.event.id), render(note, self._settings, self._city, self._answering))
        metrics.SINK_ROWS.labels(self._settings.name, "alerts").inc()
        return 1

    def close(self) -> None:
        """Close the connections."""
        self._outlet.close()


class Folder:
    """Messages as files that others fetch: each is there as a whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, message: bytes) -> None:
        """Write one; raises SinkError where that fails."""
        path = self._folder / f"{name}.xml"
        unfinished = path.with_suffix(".tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(message)
            unfinished.replace(path)
        except OSError as error:
            raise SinkError(f"{path} cannot be written: {error}") from error

    def close(self) -> None:
        """Nothing is open."""


class Posted:
    """Messages by POST, stamped as a webhook's are.

    Parameters
    ----------
    key
        Signs what is sent; None: nothing is signed.
    """

    def __init__(self, poster: Poster, key: bytes | None, now: Callable[[], float] = time.time) -> None:
        self._poster, self._key, self._now = poster, key, now

    def put(self, name: str, message: bytes) -> None:
        """Post one; raises SinkError."""
        headers = stamped(name, message, self._key, self._now())
        self._poster.post(message, {"Content-Type": "application/cap+xml", **headers})

    def close(self) -> None:
        """Close the connections."""
        self._poster.close()


def folder_of(url: str) -> Path | None:
    """The folder of a file:// address; None for another."""
    parts = urlsplit(url)
    return Path(unquote(parts.netloc + parts.path)) if parts.scheme == "file" else None


def render(note: Note, settings: Cap, city: City, answering: Answering) -> bytes:
    """One message as XML in UTF-8."""
    event, zone = note.event, ZoneInfo(city.timezone)
    answers = answering.of(event.alert, event.ts)
    root = ElementTree.Element("alert", xmlns=NAMESPACE)
    _put(root, "identifier", str(event.id))
    _put(root, "sender", settings.sender)
    _put(root, "sent", _time(event.ts, zone))
    _put(root, "status", settings.status)
    _put(root, "msgType", "Cancel" if not _stands(event.alert) else "Update" if note.before else "Alert")
    _put(root, "scope", settings.scope)
    if settings.scope == "Restricted":
        _put(root, "restriction", settings.restriction)
    if settings.scope == "Private":
        _put(root, "addresses", " ".join(settings.addresses))
    _put(root, "note", event.note or ("" if event.alert.active == _stands(event.alert) else str(event.type)))
    if note.before is not None:
        _put(root, "references", _reference(note.before, settings.sender, zone))
    _put(root, "incidents", str(event.alert.id))
    _info(root, event, settings, city, zone, answers)
    written: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return written


def _info(
    root: ElementTree.Element, event: AlertEvent, settings: Cap, city: City, zone: ZoneInfo, answers: Answers
) -> None:
    alert, unit = event.alert, city.units.get(event.alert.owner)
    info = ElementTree.SubElement(root, "info")
    _put(info, "language", settings.language)
    for category in next((names for part, names in _CATEGORIES if part in alert.kind), ("Infra",)):
        _put(info, "category", category)
    _put(info, "event", alert.kind)
    if not alert.active:
        response, urgency = "AllClear", "Past"
    elif alert.quiet:
        response, urgency = "None", "Unknown"
    else:
        response = "Monitor" if settings.scope == "Public" else "Assess"
        urgency = "Immediate" if alert.urgent else "Expected"
    _put(info, "responseType", response)
    _put(info, "urgency", urgency)
    _put(info, "severity", _SEVERITIES.get(alert.level, "Minor"))
    _put(info, "certainty", _certainty(event))
    _put(info, "onset", _time(alert.onset, zone))
    if alert.cleared:
        _put(info, "expires", _time(alert.cleared, zone))
    _put(info, "senderName", city.name)
    _put(info, "headline", alert.summary)
    words = (alert.summary, *alert.support, *(f"against it: {words}" for words in alert.against))
    _put(info, "description", "; ".join(words))
    inside = settings.scope != "Public"  # first steps, people and readings are for those who answer
    if inside and _stands(alert):
        language = "zh" if settings.language.lower().startswith("zh") else "en"
        _put(info, "instruction", " ".join(answers.first[language]))
    _put(info, "contact", ", ".join(filter(None, (unit.name, unit.contact))) if unit else alert.owner)
    levels = {level.rank: level.name for level in city.levels}
    values = {
        "level": levels.get(alert.level, str(alert.level)),
        "zone": alert.zone,
        "asset": alert.asset,
        "unit": alert.owner,
        "corroboration": f"{alert.corroboration:.2f}",
        "rules": ", ".join(alert.rules),
        "exposed": ", ".join(answers.affected.exposed),
        "hanging": str(answers.affected.assets or ""),
        "clips": " ".join(alert.clips),
    }
    if inside:
        values["on duty"] = "; ".join(answers.responsible.on_duty)
        values |= {f"readings {trace.sensor} {trace.monitor}": _trace(trace, zone) for trace in alert.traces}
    for name, value in values.items():
        if value:
            parameter = ElementTree.SubElement(info, "parameter")
            _put(parameter, "valueName", name)
            _put(parameter, "value", value)
    area = ElementTree.SubElement(info, "area")
    _put(area, "areaDesc", alert.place or alert.asset or alert.zone or city.name)
    if alert.lat or alert.lon:
        _put(area, "circle", f"{alert.lat:.6f},{alert.lon:.6f} {alert.radius / 1000:.3f}")


def _trace(trace: Trace, zone: ZoneInfo) -> str:
    """What a sensor said, in numbers; the readings themselves are in the database."""
    numbers = f"{trace.value:.4g}, baseline {trace.baseline:.4g}, score {trace.score:.4g} of {trace.threshold:.4g}"
    by = f"{trace.monitor} ({trace.detector} {trace.config})"
    return f"{numbers}, by {by}, {_time(trace.since, zone)} to {_time(trace.until, zone)}"


def _stands(alert: Alert) -> bool:
    """Whether anybody is to act on it."""
    return alert.active and not alert.quiet


def _certainty(event: AlertEvent) -> str:
    """In CAP's words; a corroboration of 0.75 is that of two sensors that agree."""
    if event.type is AlertEventType.WITHDRAWN:
        return "Unlikely"
    sure = event.alert.corroboration
    return "Observed" if sure >= 0.75 else "Likely" if sure > 0.5 else "Possible"


def _reference(told: Told, sender: str, zone: ZoneInfo) -> str:
    return f"{sender},{told.id},{_time(told.ts, zone)}"


def _time(ts: int, zone: ZoneInfo) -> str:
    """A time with its offset; CAP writes UTC as -00:00.

    >>> _time(1_764_000_000_000_000_000, ZoneInfo("Asia/Shanghai"))
    '2025-11-25T00:00:00+08:00'
    >>> _time(1_764_000_000_000_000_000, ZoneInfo("UTC"))
    '2025-11-24T16:00:00-00:00'
    """
    when = datetime.fromtimestamp(ts // SECOND, zone)
    return f"{when:%Y-%m-%dT%H:%M:%S}-00:00" if when.utcoffset() == timedelta(0) else when.isoformat()


def _put(parent: ElementTree.Element, name: str, text: str) -> None:
    """Add an element, where there is something to say."""
    if text:
        ElementTree.SubElement(parent, name).text = _UNSPEAKABLE.sub(" ", text)
