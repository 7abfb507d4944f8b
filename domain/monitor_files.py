"""monitors.toml: which detectors watch which sensors, and what camera events and people's reports mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from domain.city import Level
from domain.clock import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from domain.errors import ConfigError, Problem
from domain.fields import Id, Nanoseconds, Reference, Share
from domain.monitors import Monitor, ReportRule, Select, VideoRule
from domain.toml_files import Array, read_toml, table
from domain.validation import Entry, Place, Problems, did_you_mean, join, validated

__all__ = ["MONITORS", "duration_text", "read_monitors", "write_monitors"]

MONITORS: Final = "monitors.toml"

_DURATIONS: Final = (
    ("d", DAY),
    ("h", HOUR),
    ("min", MINUTE),
    ("s", SECOND),
    ("ms", MILLISECOND),
    ("us", 1000),
    ("ns", 1),
)


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Monitor(_Entry):
    name: Id
    detector: Id
    kind: Id
    levels: Annotated[tuple[str, ...], Field(max_length=8)] = ()
    unit: Reference = ""
    on_delay: Nanoseconds = 0
    off_delay: Nanoseconds = 0
    select: Select = Select()
    params: dict[str, JsonValue] = {}

    def build(self, ranks: Sequence[int]) -> Monitor:
        return Monitor(
            self.name,
            self.detector,
            self.kind,
            self.select,
            self.params,
            tuple(ranks),
            self.unit,
            self.on_delay,
            self.off_delay,
        )


class _Video(_Entry):
    type: Id
    kind: Id
    level: str = ""
    confidence: Share = 0.5
    unit: Reference = ""
    supports: tuple[Id, ...] = ()

    def build(self, rank: int) -> VideoRule:
        return VideoRule(self.type, self.kind, rank, self.confidence, self.unit, self.supports)


_REPORT: Final = ReportRule("", "")  # for its defaults


class _Report(_Entry):
    type: Id
    kind: Id
    level: str = ""
    citizen_level: str = ""
    weight: Share = _REPORT.weight
    citizen_weight: Share = _REPORT.citizen_weight
    confidence: Share = _REPORT.confidence
    quiet: Nanoseconds = _REPORT.quiet
    unit: Reference = ""
    supports: tuple[Id, ...] = ()

    def build(self, rank: int, citizen: int) -> ReportRule:
        return ReportRule(**dict(self) | {"level": rank, "citizen_level": citizen})


class _File(_Entry):
    monitor: list[Any] = []
    video: list[Any] = []
    report: list[Any] = []


def read_monitors(
    path: Path, levels: Mapping[str, int] | None, problems: Problems
) -> tuple[list[Entry[Monitor]], list[Entry[VideoRule]], list[Entry[ReportRule]]]:
    """Read the valid monitors, video rules and report rules, and note what is wrong with the others.

    Parameters
    ----------
    levels
        Rank of each level of the city by its name; None when that is not known, and names are not checked.
    """
    document = read_toml(path, problems)
    if (
        document is None
        or validated(_File.model_validate, document, 0, document.data, list(_File.model_fields), problems) is None
    ):
        return [], [], []

    def rank(name: str, place: Place, field: str) -> int:
        if name and levels is not None and name not in levels:
            known = f"expected a level of city.toml ({join(levels) or 'it has none'}) or ''"
            problems.add(place, field, f"{known}, got {name[:80]!r}{did_you_mean(name, levels)}")
        return (levels or {}).get(name, 0)

    monitors = []
    lines = Array(document, "monitor")
    for number, raw in enumerate(lines.entries):
        read = validated(_Monitor.model_validate, lines, number, raw, list(_Monitor.model_fields), problems)
        if read is not None:
            place = lines.place(number, "levels")
            ranks = [rank(name, place, f"levels[{grade}]") for grade, name in enumerate(read.item.levels)]
            monitors.append(Entry(read.item.build(ranks), lines, number))
    rules = []
    lines = Array(document, "video")
    for number, raw in enumerate(lines.entries):
        read = validated(_Video.model_validate, lines, number, raw, list(_Video.model_fields), problems)
        if read is not None:
            rules.append(
                Entry(read.item.build(rank(read.item.level, lines.place(number, "level"), "level")), lines, number)
            )
    reports = []
    lines = Array(document, "report")
    for number, raw in enumerate(lines.entries):
        read = validated(_Report.model_validate, lines, number, raw, list(_Report.model_fields), problems)
        if read is not None:
            names = (read.item.level, "level"), (read.item.citizen_level, "citizen_level")
            ranks = [rank(name, lines.place(number, field), field) for name, field in names]
            reports.append(Entry(read.item.build(*ranks), lines, number))
    return monitors, rules, reports


def write_monitors(
    path: Path,
    monitors: Iterable[Monitor],
    rules: Iterable[VideoRule],
    levels: Iterable[Level],
    reports: Iterable[ReportRule] = (),
) -> None:
    """Write a file that `read_monitors` reads back; raises ConfigError for a level that the city does not have."""
    names = {0: ""} | {level.rank: level.name for level in levels}

    def name(rank: int, owner: str) -> str:
        if rank not in names:
            message = f"expected the rank of a level of the city ({join(map(str, names))}), got {rank}"
            raise ConfigError([Problem(path.name, owner, "level", message)])
        return names[rank]

    tables: list[str] = []
    for monitor in monitors:
        select = {key: list(getattr(monitor.select, key)) for key in Select.__dataclass_fields__}
        fields: dict[str, Any] = {
            "name": monitor.name,
            "detector": monitor.detector,
            "kind": monitor.kind,
            "levels": [name(rank, monitor.name) for rank in monitor.levels],
            "unit": monitor.unit,
            "on_delay": duration_text(monitor.on_delay),
            "off_delay": duration_text(monitor.off_delay),
            "select": {key: value for key, value in select.items() if value},
            "params": monitor.params,
        }
        tables.append(table("[[monitor]]", fields))
    for rule in rules:
        fields = {
            "type": rule.type,
            "kind": rule.kind,
            "level": name(rule.level, rule.type),
            "confidence": rule.confidence,
            "unit": rule.unit,
            "supports": list(rule.supports),
        }
        tables.append(table("[[video]]", fields))
    for report in reports:
        fields = {name: getattr(report, name) for name in ReportRule.__dataclass_fields__}
        fields |= {"supports": list(report.supports), "quiet": duration_text(report.quiet)}
        fields |= {key: name(getattr(report, key), report.type) for key in ("level", "citizen_level")}
        tables.append(table("[[report]]", fields))
    path.write_text("\n".join(tables), encoding="utf-8", newline="\n")


def duration_text(ns: int) -> str:
    """A duration in the largest unit that leaves no fraction.

    >>> duration_text(90 * SECOND), duration_text(0)
    ('90 s', '0 s')
    """
    if not ns:
        return "0 s"
    unit, size = next((unit, size) for unit, size in _DURATIONS if ns % size == 0)
    return f"{ns // size} {unit}"
