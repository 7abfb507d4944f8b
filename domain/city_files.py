"""Read a city from a folder of files, and write one.

A folder holds `city.toml` (name, time zone, levels, how recordings are read, engine settings), tables of sensors,
assets, zones, units, cameras and pipes as CSV (or, for a small city, as entries in city.toml), `monitors.toml`, and
`policy.toml` where the city has one.
Everything is validated at once: a ConfigError lists all problems with file, place and field.
"""

from __future__ import annotations

from dataclasses import fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

from domain.cases import CasePolicy, Deadlines
from domain.city import Asset, Camera, City, Level, Pipe, Sensor, Unit, Zone
from domain.city_checks import Parts, check
from domain.correlation import CauseRule, Correlation, NetworkRule, RainRule
from domain.csv_tables import read_table, write_table
from domain.desk import DeskPolicy, LevelPolicy
from domain.errors import ConfigError, Problem
from domain.fields import Id, TimeZone
from domain.monitor_files import MONITORS, duration_text, read_monitors, write_monitors
from domain.policy import Policy
from domain.policy_files import POLICY, PolicyParts, check_policy, read_policy, write_policy
from domain.recording import RecordingFormat
from domain.settings import FROM_FILE, EngineSettings
from domain.toml_files import Array, Document, Table, read_toml, table
from domain.validation import Entry, Place, Problems, did_you_mean, join, validated
from domain.ventilation import Fan, Ventilation

__all__ = ["CITY", "find_city", "load_city", "load_settings", "shipped_cities", "write_city"]

CITY: Final = "city.toml"

#: Table by table: its name, the entry's name in city.toml, its records. In the order of their references.
TABLES: Final[tuple[tuple[str, str, type[Any]], ...]] = (
    ("units", "unit", Unit),
    ("zones", "zone", Zone),
    ("assets", "asset", Asset),
    ("sensors", "sensor", Sensor),
    ("cameras", "camera", Camera),
    ("pipes", "pipe", Pipe),
)
FILES: Final = (CITY, *(f"{name}.csv" for name, _, _ in TABLES), MONITORS, POLICY)


class _CityFile(BaseModel):
    """The fields of city.toml; what stands in its tables is checked entry by entry."""

    model_config = ConfigDict(extra="forbid")

    name: Id
    timezone: TimeZone
    level: list[Any] = []
    unit: list[Any] = []
    zone: list[Any] = []
    asset: list[Any] = []
    sensor: list[Any] = []
    camera: list[Any] = []
    pipe: list[Any] = []
    recording: Any = None
    engine: Any = None
    desk: Any = None
    correlation: Any = None
    ventilation: Any = None
    cases: Any = None


def shipped_cities() -> dict[str, Path]:
    """The cities that come with Lifeline, by name."""
    folder = Path(str(files("cities")))
    return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{CITY}"))}


def find_city(city: Path | str) -> Path:
    """The folder of a city: a path, or the name of a shipped city; raises ConfigError when there is none."""
    folder = Path(city)
    try:
        if (folder / CITY).is_file():
            return folder
        exists = folder.is_dir()
    except (OSError, ValueError):  # a name too long, or with a NUL
        exists = False
    shipped = shipped_cities()
    if str(city) in shipped:
        return shipped[str(city)]
    if exists:
        raise ConfigError([Problem(str(folder), "", "", f"expected the file {CITY} in this folder, got none")])
    hint = did_you_mean(folder.name, shipped)
    message = f"expected the folder of a city or the name of a shipped one ({join(shipped)}), got neither{hint}"
    raise ConfigError([Problem(str(city), "", "", message)])


def load_city(city: Path | str) -> City:
    """Read and validate a city; raises ConfigError with every problem found.

    Parameters
    ----------
    city
        A folder, or the name of a shipped city such as "bozhou".
    """
    folder = find_city(city)
    problems = Problems(FILES)
    _misspelt_files(folder, problems)
    parts = Parts()
    document = read_toml(folder / CITY, problems)
    if document is None:  # go on with the other files
        parts.unread = {"levels", *(name for name, _, _ in TABLES)}
        document, head = Document(CITY, {}, []), None
    else:
        head = _head(document, problems)
    parts.levels = _inline(document, "level", Level, problems, set())
    parts.recording = _recording(document, problems)
    parts.desk = _table(document, "desk", (DeskPolicy, LevelPolicy), problems)
    parts.correlation = _table(document, "correlation", (Correlation, CauseRule, NetworkRule, RainRule), problems)
    parts.ventilation = _table(document, "ventilation", (Ventilation, Fan), problems)
    parts.cases = _table(document, "cases", (CasePolicy, Deadlines), problems)
    _settings(document, problems)
    for name, single, of in TABLES:
        ids = parts.ids[name] = set()
        found = _inline(document, single, of, problems, ids)
        path = folder / f"{name}.csv"
        if path.exists():
            rows = read_table(path, of, problems, ids)
            found += rows or []
            parts.unread |= {name} if rows is None else set()
        setattr(parts, name, found)
    if not parts.ids["sensors"] and "sensors" not in parts.unread:
        problems.add(Place(CITY), "sensor", "expected sensors, got none: write sensors.csv, or [[sensor]] entries here")
    if (folder / MONITORS).exists():
        ranks = {entry.item.name: entry.item.rank for entry in parts.levels}
        if len(ranks) < len(Array(document, "level").entries):
            parts.unread.add("levels")
        known = None if "levels" in parts.unread else ranks
        parts.monitors, parts.rules, parts.reports = read_monitors(folder / MONITORS, known, problems)
    before = len(problems)
    policy = read_policy(folder / POLICY, problems) if (folder / POLICY).exists() else PolicyParts()
    loaded = replace(_city(head, parts), policy=policy.policy)
    check(parts, loaded, problems)
    if not before:  # else the cause may lie there
        check_policy(policy, loaded, problems)
    problems.raise_any()
    return loaded


def load_settings(city: Path | str) -> EngineSettings:
    """The engine settings of a city, defaults where its city.toml says nothing; raises ConfigError."""
    folder = find_city(city)
    problems = Problems(FILES)
    document = read_toml(folder / CITY, problems)
    settings = _settings(document, problems) if document is not None else None
    problems.raise_any()
    return settings or EngineSettings()


def write_city(city: City, folder: Path | str, settings: EngineSettings | None = None) -> None:
    """Write the files that `load_city` reads back as an equal city; tables that are there already are replaced.

    Raises ConfigError for a monitor with a level that the city does not have, OSError when the folder cannot be
    written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = [table("", {"name": city.name, "timezone": city.timezone})]
    text += [table("[[level]]", _fields(level)) for level in city.levels]
    if city.recording is not None:
        text.append(table("[recording]", _fields(city.recording)))
    if settings is not None:
        text.append(table("[engine]", _settings_fields(settings)))
    if city.desk != DeskPolicy():
        text.append(table("[desk]", _desk_fields(city.desk)))
        text += [table("[[desk.level]]", _desk_fields(level)) for level in city.desk.level]
    for name in ("cause", "network"):
        text += [table(f"[[correlation.{name}]]", _timed(rule)) for rule in getattr(city.correlation, name)]
    if city.correlation.rain is not None:
        text.append(table("[correlation.rain]", _timed(city.correlation.rain)))
    text += [table("[[cases.level]]", _desk_fields(level)) for level in city.cases.level]
    if city.ventilation is not None:
        whole = {name: value for name, value in _fields(city.ventilation).items() if name != "fan"}
        text.append(table("[ventilation]", {name: _span(value) for name, value in whole.items()}))
        text += [table("[[ventilation.fan]]", _fields(fan)) for fan in city.ventilation.fan]
    (folder / CITY).write_text("\n".join(text), encoding="utf-8", newline="\n")
    for name, _, of in TABLES:
        records = getattr(city, name)
        items = list(records.values()) if isinstance(records, dict) else list(records)
        path = folder / f"{name}.csv"
        if items:
            write_table(path, items, of)
        else:
            path.unlink(missing_ok=True)
    if city.monitors or city.video_rules or city.report_rules:
        write_monitors(folder / MONITORS, city.monitors, city.video_rules, city.levels, city.report_rules)
    else:
        (folder / MONITORS).unlink(missing_ok=True)
    if city.policy != Policy():
        write_policy(folder / POLICY, city.policy)
    else:
        (folder / POLICY).unlink(missing_ok=True)


def _fields(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _settings_fields(settings: EngineSettings) -> dict[str, Any]:
    times = {name: _time_text(ns) for name, ns in settings.time}
    spans = {
        name: _time_text(getattr(settings, name))
        for name in ("block", "second_look", "stale", "silence", "lag", "heartbeat")
    }
    return dict(settings) | spans | {"time": times}


def _desk_fields(policy: DeskPolicy | LevelPolicy | Deadlines) -> dict[str, Any]:
    known = {name: value for name, value in _fields(policy).items() if name != "level"}
    return {
        name: _time_text(value) if type(value) is int and name != "rank" else value for name, value in known.items()
    }


def _timed(rule: CauseRule | NetworkRule | RainRule) -> dict[str, Any]:
    """A rule's fields; what is a whole number is a duration."""
    return {name: duration_text(value) if type(value) is int else value for name, value in _fields(rule).items()}


def _span(value: Any) -> Any:
    return _time_text(value) if type(value) is int else value


def _time_text(ns: int | None) -> str:
    return "never" if ns is None else duration_text(ns)


def _misspelt_files(folder: Path, problems: Problems) -> None:
    for path in sorted(folder.iterdir()):
        if path.suffix in {".csv", ".toml"} and path.name not in FILES and (hint := did_you_mean(path.name, FILES)):
            problems.add(Place(path.name), "", f"unknown file{hint}")


def _head(document: Document, problems: Problems) -> _CityFile | None:
    known = list(_CityFile.model_fields)
    entry = validated(_CityFile.model_validate, document, 0, document.data, known, problems)
    return entry.item if entry is not None else None


def _inline(document: Document, name: str, of: type[Any], problems: Problems, ids: set[str]) -> list[Entry[Any]]:
    lines = Array(document, name)
    ids.update(str(raw["id"]) for raw in lines.entries if isinstance(raw, dict) and "id" in raw)
    parse = TypeAdapter(of).validate_python
    known = [field.name for field in fields(of)]
    read = (validated(parse, lines, number, raw, known, problems) for number, raw in enumerate(lines.entries))
    return [entry for entry in read if entry is not None]


def _recording(document: Document, problems: Problems) -> Entry[RecordingFormat] | None:
    if "recording" not in document.data:
        return None
    lines = Table(document, "recording")
    known = [field.name for field in fields(RecordingFormat)]
    return validated(
        TypeAdapter(RecordingFormat).validate_python, lines, 0, document.data["recording"], known, problems
    )


def _table(document: Document, name: str, of: tuple[type[Any], ...], problems: Problems) -> Entry[Any] | None:
    """A table of the first class that has entries of its own, of the others."""
    if name not in document.data:
        return None
    known = [field.name for one in of for field in fields(one)]
    parse = TypeAdapter(of[0]).validate_python
    return validated(parse, Table(document, name), 0, document.data[name], known, problems)


def _settings(document: Document, problems: Problems) -> EngineSettings | None:
    def parse(raw: Any) -> EngineSettings:
        return EngineSettings.model_validate(raw, context=FROM_FILE)

    lines = Table(document, "engine")
    raw = document.data.get("engine", {})
    entry = validated(parse, lines, 0, raw, list(EngineSettings.model_fields), problems)
    return entry.item if entry is not None else None


def _city(head: _CityFile | None, parts: Parts) -> City:
    return City(
        name=head.name if head else "",
        timezone=head.timezone if head else "",
        sensors=tuple(entry.item for entry in parts.sensors),
        zones={entry.item.id: entry.item for entry in parts.zones},
        assets={entry.item.id: entry.item for entry in parts.assets},
        units={entry.item.id: entry.item for entry in parts.units},
        cameras={entry.item.id: entry.item for entry in parts.cameras},
        pipes=tuple(entry.item for entry in parts.pipes),
        levels=tuple(entry.item for entry in parts.levels),
        monitors=tuple(entry.item for entry in parts.monitors),
        video_rules=tuple(entry.item for entry in parts.rules),
        recording=parts.recording.item if parts.recording is not None else None,
        desk=parts.desk.item if parts.desk is not None else DeskPolicy(),
        report_rules=tuple(entry.item for entry in parts.reports),
        correlation=parts.correlation.item if parts.correlation is not None else Correlation(),
        cases=parts.cases.item if parts.cases is not None else CasePolicy(),
        ventilation=parts.ventilation.item if parts.ventilation is not None else None,
    )
