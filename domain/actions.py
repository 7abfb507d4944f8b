"""What people do about alerts, sensors and cases: one more stream of messages, so that a replay does it again.

An action is a JSON object; only `action`, `id`, `ts` and `actor` are always there:

    {"action": "shelve", "id": "6f1c...", "ts": 1764000000123, "actor": "li.na", "role": "operator",
     "alert": "9b2e...", "until": 1764003600000, "reason": "valve works until noon"}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import orjson

from domain.clock import MILLISECOND, TS_MAX, TS_MIN
from domain.errors import ActionError

__all__ = ["Action", "Origin", "Verb", "parse"]

#: Characters of a text at most: an action travels with the state of the desk.
LONGEST: Final = 2000


class Verb(StrEnum):
    """What somebody does; in brackets what it needs besides id, ts and actor."""

    ACKNOWLEDGE = "acknowledge"  # has seen an alert (alert)
    SHELVE = "shelve"  # wants to hear no more of an alert for a while (alert, until, reason)
    UNSHELVE = "unshelve"  # wants to hear of it again (alert)
    SUPPRESS = "suppress"  # a maintenance window on an asset and what hangs on it (asset, until, reason)
    RESUME = "resume"  # the window is over before its time (asset)
    OUT_OF_SERVICE = "out-of-service"  # a sensor or a camera measures nothing that counts (sensor, reason)
    IN_SERVICE = "in-service"  # it counts again (sensor)
    COMMENT = "comment"  # a word for the record (alert, comment)
    JUDGE = "judge"  # whether it was a true alarm (alert, verdict)
    CLOSE = "close"  # there is no more to do about an alert that has cleared (alert)
    DISPATCH = "dispatch"  # a case goes to a unit (case, unit)
    ACCEPT = "accept"  # the unit has taken it (case)
    HANDLE = "handle"  # somebody works on it (case)
    CLOSE_CASE = "close-case"  # it is done (case)
    REPORT = "report"  # somebody tells of a case (case, kind); with zone, place, level, source, alert where known
    CHECK = "check"  # whether the work was done (case); verdict "false" sends it back
    ENTER = "enter"  # goes into a tank or a well, under a permit (asset): nothing is started there meanwhile
    LEAVE = "leave"  # is out again (asset)
    ANSWER = "answer"  # a controller in the field says what it does (asset, state); see `domain.commands`


_NEEDS: Final[Mapping[Verb, tuple[str, ...]]] = {
    Verb.ACKNOWLEDGE: ("alert",),
    Verb.SHELVE: ("alert", "until", "reason"),
    Verb.UNSHELVE: ("alert",),
    Verb.SUPPRESS: ("asset", "until", "reason"),
    Verb.RESUME: ("asset",),
    Verb.OUT_OF_SERVICE: ("sensor", "reason"),
    Verb.IN_SERVICE: ("sensor",),
    Verb.COMMENT: ("alert", "comment"),
    Verb.JUDGE: ("alert", "verdict"),
    Verb.CLOSE: ("alert",),
    Verb.DISPATCH: ("case", "unit"),
    Verb.ACCEPT: ("case",),
    Verb.HANDLE: ("case",),
    Verb.CLOSE_CASE: ("case",),
    Verb.REPORT: ("case", "kind"),
    Verb.CHECK: ("case",),
    Verb.ENTER: ("asset",),
    Verb.LEAVE: ("asset",),
    Verb.ANSWER: ("asset", "state"),
}
_TEXTS: Final = (
    "actor", "role", "asset", "sensor", "zone", "kind", "reason", "comment", "verdict", "case", "unit", "place",
    "source", "state",
)  # fmt: skip
_LINES: Final = frozenset({"comment", "reason"})  # may be of several lines
#: `recorded` is when a journal took it, in ms: of use to whoever reads the journal.
_FIELDS: Final = frozenset({"action", "id", "ts", "alert", "until", "recorded", "command", "level", *_TEXTS})
VERDICTS: Final = ("true", "false")
#: Who or what found a case: a camera, a citizen, a grid inspector, a sensor.
SOURCES: Final = ("video", "report", "inspector", "sensor")
#: A level is one of the city's own scale.
MILDEST: Final = 255


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in the stream an action stood."""

    partition: str = ""
    offset: int = 0
    row: int = 0  # inside the message
    recorded: int = 0


@dataclass(frozen=True, slots=True)
class Action:
    """What one person did at one time."""

    id: UUID  # given by whoever writes it: the same action bears the same id however often it is sent
    verb: Verb
    ts: int  # ns, when it was done
    actor: str  # who did it
    role: str = ""  # as whom: "viewer", "operator", "engineer", the name of a case system
    alert: UUID | None = None
    asset: str = ""
    sensor: str = ""  # id of a sensor or a camera
    zone: str = ""
    kind: str = ""
    until: int = 0  # ns; 0: no end is named
    reason: str = ""
    comment: str = ""
    verdict: str = ""  # "true" or "false" alarm
    case: str = ""  # id in the case system
    unit: str = ""
    place: str = ""  # of a case, as people name it
    level: int = 0  # of a case; 0: none is named
    source: str = ""  # who or what found a case, one of `SOURCES`
    command: UUID | None = None  # that a controller answers
    state: str = ""  # of a controller, one of `domain.commands.Answer`
    known: int = 0  # as in Finding; set where the record enters
    origin: Origin = field(default=Origin(), compare=False)

    @property
    def order(self) -> tuple[int, int, str, bytes]:
        """The order in which actions count, whatever way they came; by all they say, should two bear one id."""
        return (self.known, self.ts, str(self.id), self.to_json())

    @property
    def said(self) -> tuple[int, str]:
        """By it the later of two actions on one thing is told, also where it came first."""
        return (self.ts, str(self.id))

    def to_json(self) -> bytes:
        """The message that `parse` reads back as an equal action.

        >>> done = Action(UUID(int=7), Verb.COMMENT, 1_764_000_000_123 * MILLISECOND, "li.na", comment="Seen.",
        ...               alert=UUID(int=9))
        >>> parse(done.to_json()) == done
        True
        """
        message: dict[str, Any] = {"action": self.verb, "id": str(self.id), "ts": self.ts // MILLISECOND}
        if self.alert is not None:
            message["alert"] = str(self.alert)
        if self.until:
            message["until"] = self.until // MILLISECOND
        if self.command is not None:
            message["command"] = str(self.command)
        if self.level:
            message["level"] = self.level
        return orjson.dumps(message | {name: text for name in _TEXTS if (text := getattr(self, name))})

    def at(self, origin: Origin) -> Action:
        """The same, and where it stood."""
        return replace(self, origin=origin)


def parse(message: bytes | Mapping[str, Any]) -> Action:
    """Read an action, from the bytes of a message or from the object that it holds.

    Times are whole epoch milliseconds. Raises ActionError, which says what was expected.

    >>> parse({"action": "acknowledge", "id": str(UUID(int=7)), "ts": 1764000000123, "actor": "li.na", "alert": "x"})
    Traceback (most recent call last):
        ...
    domain.errors.ActionError: alert: expected a UUID, got 'x'
    """
    if isinstance(message, bytes):
        try:
            message = orjson.loads(message)
        except orjson.JSONDecodeError as error:
            raise ActionError(f"expected JSON: {error}") from None
    if not isinstance(message, Mapping):
        raise ActionError(f"expected an object, got {_shown(message)}")
    if unknown := sorted(set(map(str, message)) - _FIELDS):
        raise ActionError(f"expected only {', '.join(sorted(_FIELDS))}, got {_shown(', '.join(unknown))}")
    verb = _verb(message.get("action"))
    missing = [name for name in ("id", "ts", "actor", *_NEEDS[verb]) if message.get(name) in (None, "", 0)]
    if missing:
        raise ActionError(f"{verb}: expected {' and '.join(missing)} as well")
    ts, until = _time(message, "ts"), _time(message, "until")
    texts: dict[str, Any] = {name: _text(message, name) for name in _TEXTS}
    if texts["verdict"] not in ("", *VERDICTS):
        raise ActionError(f"verdict: expected 'true' or 'false', got {_shown(texts['verdict'])}")
    if texts["source"] not in ("", *SOURCES):
        raise ActionError(f"source: expected one of {', '.join(SOURCES)}, got {_shown(texts['source'])}")
    if until and until <= ts:
        raise ActionError("until: expected a time after ts")
    level = message.get("level") or 0
    if type(level) is not int or not 0 <= level <= MILDEST:
        raise ActionError(f"level: expected a whole number from 1 to {MILDEST}, got {_shown(level)}")
    alert, command = (_uuid(message, name) if message.get(name) else None for name in ("alert", "command"))
    return Action(_uuid(message, "id"), verb, ts, alert=alert, until=until, level=level, command=command, **texts)


def _verb(name: object) -> Verb:
    try:
        return Verb(str(name))
    except ValueError:
        raise ActionError(f"action: expected one of {', '.join(Verb)}, got {_shown(name)}") from None


def _uuid(message: Mapping[str, Any], name: str) -> UUID:
    value = message[name]
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise ActionError(f"{name}: expected a UUID, got {_shown(value)}") from None


def _time(message: Mapping[str, Any], name: str) -> int:
    value = message.get(name) or 0
    if name != "ts" and value == 0:
        return 0
    if type(value) is not int or not TS_MIN <= value * MILLISECOND < TS_MAX:
        raise ActionError(f"{name}: expected whole epoch milliseconds, from 1990 and before 2200, got {_shown(value)}")
    return value * MILLISECOND


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ActionError(f"{name}: expected text, got {_shown(value)}")
    if len(value) > LONGEST:
        raise ActionError(f"{name}: expected at most {LONGEST} characters, got {len(value)}")
    allowed = "\n\t" if name in _LINES else ""
    if any((mark < " " and mark not in allowed) or "\x7f" <= mark <= "\x9f" for mark in value):
        raise ActionError(f"{name}: expected text without control characters, got {_shown(value)}")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "..."
