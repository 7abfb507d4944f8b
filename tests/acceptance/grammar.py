"""How a timetable is written, and read.

A timetable is a text file. Its first line says what happens; lines that begin with `#` are remarks. `KEY: VALUE` lines
come before the first row. A row has three columns, two spaces or more apart: when, who, what.

    Gas of a main finds a valve well.

    +0 s            push    BZ-G-0003 rises by 40 %LEL in 90 s until +5 min
    +10 s..+60 s    desk    raised gas-leak at BZ-GM-0003, for gas-company, as leak
    +100 s          li.na   acknowledges leak
    never           desk    sensor-fault at BZ-GM-0003

Times count from the timetable's own zero, `calm` (5 min) after the stream begins. The sentences are those of
`PUSHES`, `DEEDS` and `CLAUSES`; sensors are ids, or `KIND, KIND of ASSET`. What the desk says is wanted row by row and
complete: an event at the timetable's places that no row wants is wrong, but for updates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["Deed", "Never", "Push", "Timetable", "TimetableError", "Wanted", "parse", "read"]

SECONDS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}

_TIME = r"[+-]?\d+(?:\.\d+)? (?:ms|s|min|h|d)"
_NUMBER = r"-?\d+(?:\.\d+)?"
_SENSORS = r"(?P<sensors>\S+|\S+(?:, \S+)* of \S+)"
_UNTIL = rf"until (?P<until>{_TIME})"

#: What the stream brings: name, and the sentence.
PUSHES: Final[Mapping[str, re.Pattern[str]]] = {
    "change": re.compile(
        rf"{_SENSORS} (?P<way>rises?|falls?) by (?P<amount>{_NUMBER}) (?P<unit>\S+)(?: in (?P<rise>{_TIME}))?"
        rf"(?: {_UNTIL}(?:, over (?P<fall>{_TIME}))?)?"
    ),
    "read": re.compile(rf"{_SENSORS} reads? (?P<amount>{_NUMBER}) (?P<unit>\S+) {_UNTIL}"),
    "stick": re.compile(rf"{_SENSORS} sticks? {_UNTIL}"),
    "silent": re.compile(rf"{_SENSORS} (?:is|are) silent {_UNTIL}"),
    "spike": re.compile(
        rf"{_SENSORS} spikes? by (?P<amount>{_NUMBER}) (?P<unit>\S+) every (?P<every>{_TIME}) {_UNTIL}"
    ),
    "scatter": re.compile(rf"{_SENSORS} scatters? by (?P<amount>{_NUMBER}) (?P<unit>\S+) {_UNTIL}"),
    "clock": re.compile(rf"{_SENSORS} (?:is|are) (?P<by>{_TIME}) ahead of time {_UNTIL}"),
    "ring": re.compile(
        rf"{_SENSORS} rings? by (?P<amount>{_NUMBER}) (?P<unit>\S+) at (?P<hertz>{_NUMBER}) Hz,"
        rf" dying in (?P<decay>{_TIME})"
    ),
    "pulse": re.compile(rf"{_SENSORS} pulses? by (?P<amount>{_NUMBER}) (?P<unit>\S+) for (?P<lasts>{_TIME})"),
    "see": re.compile(
        rf"(?P<camera>\S+) sees (?P<type>\S+) with (?P<confidence>{_NUMBER})(?: every (?P<every>{_TIME}) {_UNTIL})?"
    ),
    "rain": re.compile(rf"rain of (?P<amount>{_NUMBER}) (?P<unit>mm/h) at (?P<asset>\S+) {_UNTIL}"),
}

#: What people do: the verb of the action, and the sentence.
DEEDS: Final[Mapping[str, re.Pattern[str]]] = {
    "acknowledge": re.compile(r"acknowledges (?P<alert>\S+)"),
    "shelve": re.compile(rf"shelves (?P<alert>\S+) {_UNTIL}, because (?P<reason>.+)"),
    "unshelve": re.compile(r"unshelves (?P<alert>\S+)"),
    "suppress": re.compile(rf"suppresses (?P<asset>\S+) {_UNTIL}, because (?P<reason>.+)"),
    "resume": re.compile(r"resumes (?P<asset>\S+)"),
    "out-of-service": re.compile(r"takes (?P<sensor>\S+) out of service, because (?P<reason>.+)"),
    "in-service": re.compile(r"puts (?P<sensor>\S+) into service"),
    "comment": re.compile(r"says of (?P<alert>\S+): (?P<comment>.+)"),
    "judge": re.compile(r"judges (?P<alert>\S+) (?P<verdict>true|false)"),
    "close": re.compile(r"closes (?P<alert>\S+)"),
}

#: What a row may want of an event besides its type and its alert.
CLAUSES: Final[Mapping[str, re.Pattern[str]]] = {
    "level": re.compile(r"level (\S+)"),
    "owner": re.compile(r"for (\S+)"),
    "sensors": re.compile(r"by (\d+) sensors?"),
    "cameras": re.compile(r"seen by (\d+) cameras?"),
    "within": re.compile(r"within (\d+) m"),
    "urgent": re.compile(r"(not )?urgent"),
    "quiet": re.compile(r"(not )?quiet"),
    "latched": re.compile(r"(not )?latched"),
    "because": re.compile(r'says "([^"]+)"'),
    "name": re.compile(r"as (\S+)"),
}

_ROW = re.compile(r"(?P<when>\S(?:\S| (?! ))*) {2,}(?P<who>\S+) {2,}(?P<what>.+)")
_WHEN = re.compile(rf"(?P<begin>{_TIME})(?: ?\.\. ?(?P<end>{_TIME}))?")
_WANTED = re.compile(
    r"(?P<type>[a-z-]+) (?:(?P<kind>\S+) at (?P<place>[^\s,]+)|(?P<alert>[^\s,]+))(?:, (?P<clauses>.+))?"
)
_NEVER = re.compile(r"(?P<kind>\S+) at (?P<place>\S+)")
_HEAD = re.compile(r"(?P<key>[a-z]+): (?P<value>.+)")


class TimetableError(ValueError):
    """A timetable that cannot be read: which file and line, what was expected, and what came instead."""


@dataclass(frozen=True, slots=True)
class Push:
    """Something that the stream brings from a time on, s; `words` are what the sentence names, as they stand there."""

    line: int
    at: float
    kind: str
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody does at a time, s."""

    line: int
    at: float
    actor: str
    verb: str
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An event that the desk must see between two times, s: of an alert by its name, or by kind and place."""

    line: int
    begin: float
    end: float
    type: str
    alert: str  # a name that an earlier row has given; empty: by kind and place
    kind: str
    place: str  # id of an asset, a sensor or a camera
    clauses: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Never:
    """A kind of alert that the desk must never see at a place."""

    line: int
    kind: str
    place: str


@dataclass(frozen=True, slots=True)
class Timetable:
    """One scenario."""

    name: str
    title: str
    stream: str = "wires"  # messages of gateways, with all that goes wrong; or columns, for what takes days
    calm: float = 300.0  # s from the stream's begin to the timetable's zero
    town: tuple[str, ...] = ()  # assets that are there besides those that are named
    kinds: tuple[str, ...] = ()  # of sensors that its assets have, of those that they have in the city; all by default
    pushes: tuple[Push, ...] = ()
    deeds: tuple[Deed, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    never: tuple[Never, ...] = ()


@dataclass(slots=True)
class _Reading:
    name: str
    head: dict[str, str] = field(default_factory=dict)
    pushes: list[Push] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    never: list[Never] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def wrong(self, line: int, expected: str, got: str) -> TimetableError:
        return TimetableError(f"{self.name}, line {line}: expected {expected}, got {got!r}")


def read(path: Path) -> Timetable:
    """Read a file; raises TimetableError."""
    return parse(path.stem, path.read_text())


def seconds(text: str) -> float:
    """A time or a duration, in s.

    >>> seconds("+1.5 min")
    90.0
    """
    number, unit = text.split(" ")
    return float(number) * SECONDS[unit]


def parse(name: str, text: str) -> Timetable:
    """Read a timetable; raises TimetableError."""
    lines = text.splitlines()
    if not lines or not lines[0].strip() or _ROW.fullmatch(lines[0]):
        raise TimetableError(f"{name}, line 1: expected a sentence that says what happens")
    found = _Reading(name)
    for number, line in enumerate(lines[1:], 2):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        row = _ROW.fullmatch(line)
        if row is None:
            _take_head(found, number, line)
        else:
            _take_row(found, number, row)
    if not (found.wanted or found.never):
        raise TimetableError(f"{name}: expected a row that says what the desk must see, or must never see")
    return Timetable(
        name,
        lines[0].strip(),
        found.head.get("stream", "wires"),
        seconds(found.head.get("calm", "5 min")),
        tuple(found.head.get("town", "").split()),
        tuple(found.head.get("kinds", "").split()),
        tuple(found.pushes),
        tuple(found.deeds),
        tuple(found.wanted),
        tuple(found.never),
    )


def _take_head(found: _Reading, line: int, text: str) -> None:
    head = _HEAD.fullmatch(text)
    if head is None:
        raise found.wrong(line, "three columns, two spaces or more apart: when, who, what", text)
    key, value = head["key"], head["value"].strip()
    if found.pushes or found.deeds or found.wanted or found.never:
        raise found.wrong(line, f"{key!r} before the first row", text)
    if key not in ("stream", "calm", "town", "kinds"):
        raise found.wrong(line, "one of stream, calm, town, kinds", key)
    if key == "stream" and value not in ("wires", "columns"):
        raise found.wrong(line, "wires or columns", value)
    if key == "calm" and not re.fullmatch(_TIME, value):
        raise found.wrong(line, "a duration such as '5 min'", value)
    found.head[key] = value


def _take_row(found: _Reading, line: int, row: re.Match[str]) -> None:
    when, who, what = row["when"], row["who"], row["what"].strip()
    if when == "never":
        match = _NEVER.fullmatch(what)
        if who != "desk" or match is None:
            raise found.wrong(line, "'never  desk  KIND at PLACE'", row[0])
        found.never.append(Never(line, match["kind"], match["place"]))
        return
    span = _WHEN.fullmatch(when)
    if span is None:
        raise found.wrong(line, "a time such as '+90 s', a span such as '+10 s..+2 min', or never", when)
    begin, end = seconds(span["begin"]), seconds(span["end"] or span["begin"])
    if end < begin:
        raise found.wrong(line, "a span that ends after it begins", when)
    if who == "desk":
        found.wanted.append(_wanted(found, line, begin, end, what))
        return
    if span["end"]:
        raise found.wrong(line, f"one time, since {who} does it at one", when)
    kinds = PUSHES if who == "push" else DEEDS
    for kind, sentence in kinds.items():
        match = sentence.fullmatch(what)
        if match is not None:
            words = {key: value for key, value in match.groupdict().items() if value is not None}
            if "until" in words and seconds(words["until"]) <= begin:
                raise found.wrong(line, f"an end after {when}", words["until"])
            if words.get("alert", "") and words["alert"] not in found.names:
                raise found.wrong(line, f"an alert that an earlier row names ({_names(found)})", words["alert"])
            if who == "push":
                found.pushes.append(Push(line, begin, kind, words))
            else:
                found.deeds.append(Deed(line, begin, who, kind, words))
            return
    raise found.wrong(line, f"a sentence of {who}: {', '.join(kinds)}", what)


def _wanted(found: _Reading, line: int, begin: float, end: float, what: str) -> Wanted:
    match = _WANTED.fullmatch(what)
    if match is None:
        raise found.wrong(line, "'EVENT KIND at PLACE' or 'EVENT NAME', then clauses after commas", what)
    clauses: dict[str, str] = {}
    for text in (match["clauses"] or "").split(", ") if match["clauses"] else ():
        for key, clause in CLAUSES.items():
            if (one := clause.fullmatch(text)) is not None:
                clauses[key] = one[1] or ""
                break
        else:
            raise found.wrong(line, f"a clause of {', '.join(c.pattern for c in CLAUSES.values())}", text)
    alert = match["alert"] or ""
    if alert and alert not in found.names:
        raise found.wrong(line, f"an alert that an earlier row names ({_names(found)})", alert)
    if "name" in clauses:
        if clauses["name"] in found.names:
            raise found.wrong(line, "a name that no other alert has", clauses["name"])
        found.names.add(clauses["name"])
    kind, place = match["kind"] or "", match["place"] or ""
    return Wanted(line, begin, end, match["type"], alert, kind, place, clauses, what)


def _names(found: _Reading) -> str:
    return ", ".join(sorted(found.names)) or "there is none"
