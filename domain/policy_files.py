"""policy.toml: how grave alerts are, whose they are, and at which desks people hear of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

from domain.city import City
from domain.monitor_files import duration_text
from domain.operations import KIND
from domain.policy import DAYS, Desk, Exposure, Grade, Policy, Route, Shift
from domain.toml_files import Array, read_toml, table
from domain.validation import Entry, Problems, did_you_mean, join, validated

__all__ = ["POLICY", "PolicyParts", "check_policy", "read_policy", "write_policy"]

POLICY: Final = "policy.toml"

_TABLES: Final[Mapping[str, type[Any]]] = {"exposure": Exposure, "grade": Grade, "route": Route, "desk": Desk}
_SHIFT: Final = {"start": "from", "end": "to"}
_TIMES: Final = frozenset({"lasting", "digest"})


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    exposure: list[Any] = []
    grade: list[Any] = []
    route: list[Any] = []
    desk: list[Any] = []


@dataclass
class PolicyParts:
    """The valid entries of a policy with their places."""

    exposure: list[Entry[Exposure]] = field(default_factory=list)
    grade: list[Entry[Grade]] = field(default_factory=list)
    route: list[Entry[Route]] = field(default_factory=list)
    desk: list[Entry[Desk]] = field(default_factory=list)
    names: dict[str, set[str]] = field(default_factory=dict)  # of invalid entries, too

    @property
    def policy(self) -> Policy:
        """What they say."""
        parts = (self.exposure, self.grade, self.route, self.desk)
        return Policy(*(tuple(entry.item for entry in entries) for entries in parts))  # type: ignore[arg-type]


def read_policy(path: Path, problems: Problems) -> PolicyParts:
    """Read the valid entries, and note what is wrong with the others."""
    parts = PolicyParts()
    document = read_toml(path, problems)
    if (
        document is None
        or validated(_File.model_validate, document, 0, document.data, list(_File.model_fields), problems) is None
    ):
        return parts
    for name, of in _TABLES.items():
        lines = Array(document, name)
        parse = TypeAdapter(of).validate_python
        known = [field.name for field in fields(of)]
        parts.names[name] = {str(raw["name"]) for raw in lines.entries if isinstance(raw, dict) and "name" in raw}
        read = (validated(parse, lines, number, raw, known, problems) for number, raw in enumerate(lines.entries))
        setattr(parts, name, [entry for entry in read if entry is not None])
    return parts


def check_policy(parts: PolicyParts, city: City, problems: Problems) -> None:
    """Note what a policy names and the city does not have, and what no single entry can show."""
    reported = {one.kind for one in city.monitors} | {one.kind for one in city.video_rules} | {KIND}
    known: dict[str, Collection[str]] = {
        "kinds": reported,
        "levels": [level.name for level in city.levels],
        "level": [level.name for level in city.levels],
        "asset_kinds": {asset.kind for asset in city.assets.values()},
        "assets": city.assets,
        "zones": city.zones,
        "unit": city.units,
        "units": city.units,
        "exposure": parts.names.get("exposure", ()),
        "relief": parts.names.get("desk", ()),
    }
    for entries in (parts.exposure, parts.grade, parts.route, parts.desk):
        names: set[str] = set()
        for entry in entries:
            for name, value in _named(entry.item, known):
                if value not in known[name]:
                    problems.add(entry.place(name), name, _unknown(city, name, value, known[name]))
            own = getattr(entry.item, "name", "")
            if own in names:
                problems.add(entry.place("name"), "name", f"expected each name once, got {own!r} again")
            names |= {own} if own else set()
    for one in parts.exposure:
        if not (one.item.asset_kinds or one.item.assets or one.item.zones):
            problems.add(one.place(), "assets", "expected asset_kinds, assets or zones, got none")
    for rule in parts.grade:
        if bool(rule.item.level) == bool(rule.item.steps):
            problems.add(rule.place("level"), "level", "expected either a level or steps")
    for route in parts.route:
        if not (route.item.kinds or route.item.zones or route.item.assets or route.item.asset_kinds):
            problems.add(route.place(), "kinds", "expected kinds, zones, assets or asset_kinds: everything fits this")
    _check_desks(parts, problems)


def _check_desks(parts: PolicyParts, problems: Problems) -> None:
    if parts.desk and all(entry.item.units for entry in parts.desk):
        message = "expected one desk without units, which hears of what nobody else answers for, got none"
        problems.add(parts.desk[0].place(), "units", message)
    shifts: dict[str, str] = {}
    for desk in parts.desk:
        if desk.item.relief == desk.item.name:
            problems.add(desk.place("relief"), "relief", f"expected another desk than {desk.item.name!r} itself")
        if desk.item.relief and not desk.item.shift:
            problems.add(desk.place("relief"), "relief", "expected shifts: without, somebody is always on duty")
        for shift in desk.item.shift:
            other = shifts.setdefault(shift.name, desk.item.name)
            if other != desk.item.name or [one.name for one in desk.item.shift].count(shift.name) > 1:
                message = f"expected each name of a shift once, got {shift.name!r} again"
                problems.add(desk.place("shift"), "shift.name", message)
            if shift.start == shift.end or shift.start == 24 * 60:
                message = f"expected another time than {_clock(shift.start)}, or 00:00 to 24:00 for a whole day"
                problems.add(desk.place("shift"), "shift.from", message)


def _named(item: Any, known: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What an entry names of other things: field and name."""
    for one in fields(item):
        if one.name in known:
            value = getattr(item, one.name)
            for name in value if isinstance(value, tuple) else (value,) if value else ():
                yield one.name, name


def _unknown(city: City, name: str, value: str, known: Collection[str]) -> str:
    hint = did_you_mean(value, known) if len(known) <= 1000 else ""
    there_are = f"; there are {join(sorted(known)) or 'none'}"
    return f"{city.name} has no {value[:80]!r}{hint or there_are}"


def write_policy(path: Path, policy: Policy) -> None:
    """Write a file that `read_policy` reads back."""
    tables: list[str] = []
    for header, entries in zip(_TABLES, (policy.exposures, policy.grades, policy.routes, policy.desks), strict=True):
        for entry in entries:
            tables.append(table(f"[[{header}]]", _written(entry)))
            tables += [table("[[desk.shift]]", _written(shift)) for shift in getattr(entry, "shift", ())]
    path.write_text("\n".join(tables), encoding="utf-8", newline="\n")


def _written(entry: Any) -> dict[str, Any]:
    """The fields of an entry that are not empty, as a file says them."""
    said: dict[str, Any] = {}
    for one in fields(entry):
        value = getattr(entry, one.name)
        if one.name in _TIMES:
            value = duration_text(value) if value else ""
        elif one.name in _SHIFT and isinstance(entry, Shift):
            value = _clock(value)
        elif one.name == "days":
            value = [DAYS[day] for day in value]
        if (value or one.name == "days") and one.name != "shift":
            said[_SHIFT.get(one.name, one.name) if isinstance(entry, Shift) else one.name] = value
    return said


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
