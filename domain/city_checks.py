"""What no single entry of a city's files can show: ids used twice, references to nothing, ranges turned round."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.cases import CasePolicy
from domain.city import Asset, Camera, City, Level, Pipe, Sensor, Unit, Zone
from domain.correlation import Correlation
from domain.desk import DeskPolicy
from domain.monitors import Monitor, ReportRule, VideoRule
from domain.recording import RecordingFormat
from domain.selection import selected
from domain.units import TIME_UNITS, Quantity
from domain.validation import Entry, Problems, did_you_mean, join
from domain.ventilation import Ventilation

__all__ = ["Parts", "check"]


@dataclass
class Parts:
    """A city's valid entries with their places, and all ids that were read, of invalid entries too."""

    levels: list[Entry[Level]] = field(default_factory=list)
    units: list[Entry[Unit]] = field(default_factory=list)
    zones: list[Entry[Zone]] = field(default_factory=list)
    assets: list[Entry[Asset]] = field(default_factory=list)
    sensors: list[Entry[Sensor]] = field(default_factory=list)
    cameras: list[Entry[Camera]] = field(default_factory=list)
    pipes: list[Entry[Pipe]] = field(default_factory=list)
    monitors: list[Entry[Monitor]] = field(default_factory=list)
    rules: list[Entry[VideoRule]] = field(default_factory=list)
    recording: Entry[RecordingFormat] | None = None
    desk: Entry[DeskPolicy] | None = None
    reports: list[Entry[ReportRule]] = field(default_factory=list)
    correlation: Entry[Correlation] | None = None
    ventilation: Entry[Ventilation] | None = None
    cases: Entry[CasePolicy] | None = None
    ids: dict[str, set[str]] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)  # tables that could not be read: references to them are not checked


def check(parts: Parts, city: City, problems: Problems) -> None:
    """Note everything that does not fit together; `city` is made of the `parts`."""
    _levels(parts.levels, problems)
    for name in ("units", "zones", "assets", "sensors", "cameras", "pipes"):
        _unique(getattr(parts, name), lambda item: item.id, "id", problems)
    _references(parts, problems)
    for entry in parts.sensors:
        sensor = entry.item
        if not sensor.low < sensor.high:
            problems.add(entry.place("low"), "low", f"expected less than high ({sensor.high:g}), got {sensor.low:g}")
    for pipe in parts.pipes:
        if pipe.item.start == pipe.item.end:
            problems.add(pipe.place("end"), "end", f"expected another asset than start, got {pipe.item.end!r} for both")
    _unique(parts.monitors, lambda item: item.name, "name", problems)
    _unique(parts.rules, lambda item: item.type, "type", problems)
    _unique(parts.reports, lambda item: item.type, "type", problems)
    whole = all(len(getattr(parts, name)) == len(parts.ids[name]) for name in ("sensors", "assets", "zones"))
    if whole and not parts.unread & {"sensors", "assets", "zones"}:  # else the cause lies there
        for monitor in parts.monitors:
            _selection(monitor, city, problems)
    if parts.desk is not None:
        _desk(parts.desk, parts, problems)
    if parts.correlation is not None:
        _correlation(parts.correlation, parts, problems)
    if parts.cases is not None:
        _ranks(parts.cases, parts, problems)
    if parts.ventilation is not None and whole:
        _ventilation(parts.ventilation, city, problems)
    if parts.recording is not None:
        _recording(parts.recording, None if "sensors" in parts.unread else parts.ids["sensors"], problems)


def _unique(entries: Iterable[Entry[Any]], key: Callable[[Any], Hashable], name: str, problems: Problems) -> None:
    first: dict[Hashable, Entry[Any]] = {}
    for entry in entries:
        value = key(entry.item)
        other = first.setdefault(value, entry)
        if other is not entry:
            place = other.place(name)
            problems.add(
                entry.place(name),
                name,
                f"expected each {name} once, {value!r} stands in {place.file}, {place.where} too",
            )


def _levels(levels: Sequence[Entry[Level]], problems: Problems) -> None:
    _unique(levels, lambda item: item.name, "name", problems)
    _unique(levels, lambda item: item.rank, "rank", problems)
    ranks = sorted({entry.item.rank for entry in levels})
    if ranks != list(range(1, len(ranks) + 1)):
        problems.add(
            levels[0].place("rank"),
            "rank",
            f"expected the ranks 1, 2, 3, ... (1 the gravest), got {join(map(str, ranks))}",
        )


def _references(parts: Parts, problems: Problems) -> None:
    ids = parts.ids
    wanted: list[tuple[Iterable[Entry[Any]], str, str]] = [
        (parts.zones, "unit", "units"),
        (parts.assets, "zone", "zones"),
        (parts.assets, "unit", "units"),
        (parts.sensors, "zone", "zones"),
        (parts.sensors, "asset", "assets"),
        (parts.cameras, "zone", "zones"),
        (parts.cameras, "asset", "assets"),
        (parts.pipes, "start", "assets"),
        (parts.pipes, "end", "assets"),
        (parts.monitors, "unit", "units"),
        (parts.rules, "unit", "units"),
        (parts.reports, "unit", "units"),
    ]
    for entries, name, target in wanted:
        if target in parts.unread:
            continue
        known = ids[target]
        for entry in entries:
            value = getattr(entry.item, name)
            if value and value not in known:
                problems.add(entry.place(name), name, _unknown(value, target, known))


def _unknown(value: str, target: str, known: Collection[str]) -> str:
    # A close name is searched for among few: it takes a second among 85,000.
    hint = did_you_mean(value, known) if len(known) <= 1000 else ""
    return f"expected the id of one of the {len(known)} {target}, got {value!r}{hint}"


def _selection(entry: Entry[Monitor], city: City, problems: Problems) -> None:
    select = entry.item.select
    exact = [name for name in select.sensors if not name.endswith("*")]
    named: list[tuple[str, Sequence[str], Collection[str], str]] = [
        ("kinds", select.kinds, {sensor.kind for sensor in city.sensors}, "kind of a sensor"),
        ("sensors", exact, city.sensor_index, "id of a sensor"),
        ("assets", select.assets, city.assets, "id of an asset"),
        ("asset_kinds", select.asset_kinds, {asset.kind for asset in city.assets.values()}, "kind of an asset"),
        ("zones", select.zones, city.zones, "id of a zone"),
    ]
    before = len(problems)
    for name, values, known, what in named:
        for value in values:
            if value not in known:
                hint = did_you_mean(value, sorted(known)) if len(known) <= 1000 else ""
                problems.add(
                    entry.place(name), f"select.{name}", f"expected the {what} of this city, got {value[:80]!r}{hint}"
                )
    for value in select.sensors:
        if value.endswith("*") and not any(sensor.id.startswith(value[:-1]) for sensor in city.sensors):
            problems.add(
                entry.place("sensors"), "select.sensors", f"expected ids that some sensor fits, got {value[:80]!r}"
            )
    if len(problems) > before:
        return
    watched = selected(city, select)
    if not watched:
        problems.add(
            entry.place("select"),
            "select",
            "expected a selection that at least one sensor fits, got one that none fits",
        )
    units = sorted({city.sensors[i].unit for i in watched})
    if len(units) > 1:
        for name, text in _quantities(entry.item.params):
            message = (
                f"expected sensors of one unit to compare with {text!r}, got {join(units)}: make a monitor for each"
            )
            problems.add(entry.place(name), f"params.{name}", message)


def _quantities(params: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Parameters in the sensors' unit: numbers with a unit that is no unit of time."""
    for name, value in params.items():
        for text in value if isinstance(value, list) else [value]:
            try:
                unit = Quantity.parse(text).unit
            except ValueError:
                continue
            if unit not in TIME_UNITS:
                yield name, text


def _ranks(entry: Entry[Any], parts: Parts, problems: Problems) -> None:
    seen: set[int] = set()
    ranks = {level.item.rank for level in parts.levels}
    for i, policy in enumerate(entry.item.level):
        where = f"level[{i}]"
        if "levels" not in parts.unread and policy.rank not in ranks:
            known = join(map(str, sorted(ranks)))
            problems.add(entry.place("level"), f"{where}.rank", f"expected one of {known}, got {policy.rank}")
        if policy.rank in seen:
            problems.add(entry.place("level"), f"{where}.rank", f"expected each level once, got {policy.rank} again")
        seen.add(policy.rank)


def _desk(entry: Entry[DeskPolicy], parts: Parts, problems: Problems) -> None:
    _ranks(entry, parts, problems)
    for i, policy in enumerate(entry.item.level):
        where = f"level[{i}]"
        for unit in policy.escalate_to:
            if "units" not in parts.unread and unit not in parts.ids["units"]:
                message = _unknown(unit, "units", parts.ids["units"])
                problems.add(entry.place("level"), f"{where}.escalate_to", message)
        if policy.escalate_to and not policy.acknowledge_within:
            missing = f"{where}.acknowledge_within"
            problems.add(entry.place("level"), missing, "expected a time, since escalate_to needs one")


def _correlation(entry: Entry[Correlation], parts: Parts, problems: Problems) -> None:
    rules = entry.item

    def add(name: str, field: str, message: str) -> None:
        problems.add(entry.place(name), field, message)

    networks = {pipe.item.network for pipe in parts.pipes}
    named = [(f"cause[{i}]", rule.network) for i, rule in enumerate(rules.cause) if rule.network]
    named += [(f"network[{i}]", rule.network) for i, rule in enumerate(rules.network)]
    for where, network in named if "pipes" not in parts.unread else ():
        if network not in networks:
            hint = did_you_mean(network, networks)
            message = f"expected a network of the pipes ({join(sorted(networks)) or 'there are none'}), got {network!r}"
            add(where.partition("[")[0], f"{where}.network", message + hint)
    for i, rule in enumerate(rules.cause):
        if rule.since > rule.to:
            add("cause", f"cause[{i}].to", "expected no less than since")
    names = [rule.network for rule in rules.network]
    for i, speed in enumerate(rules.network):
        if speed.network in names[:i]:
            add("network", f"network[{i}].network", f"expected each network once, got {speed.network!r} again")
        if not speed.slowest <= speed.fastest:
            add("network", f"network[{i}].fastest", f"expected no less than slowest ({speed.slowest:g})")
    if rules.ring:
        add("cause", "cause", f"expected no kind to be its own cause, got {' -> '.join(rules.ring)}")


def _ventilation(entry: Entry[Ventilation], city: City, problems: Problems) -> None:
    policy = entry.item

    def add(name: str, message: str) -> None:
        problems.add(entry.place(name.partition("[")[0].partition(".")[0]), name, message)

    monitors = {monitor.name for monitor in city.monitors}
    for name in policy.monitors:
        if name not in monitors:
            add("monitors", f"expected the name of a monitor, got {name!r}{did_you_mean(name, sorted(monitors))}")
    for name in ("selection", "confirm", "run", "between", "stale"):
        if getattr(policy, name) <= 0:
            add(name, "expected a time above 0")
    for name in ("confirm", "least"):
        if getattr(policy, name) > policy.run:
            add(name, "expected no longer a time than `run`")
    sensors = {sensor.id: sensor for sensor in city.sensors}
    seen: set[str] = set()
    for i, fan in enumerate(policy.fan):
        if fan.asset not in city.assets:
            add(f"fan[{i}].asset", _unknown(fan.asset, "assets", city.assets))
        if fan.asset in seen:
            add(f"fan[{i}].asset", f"expected each asset once, got {fan.asset!r} again")
        seen.add(fan.asset)
        for name in ("gas", "sensor"):
            id = getattr(fan, name)
            if id and (id not in sensors or sensors[id].asset != fan.asset):
                add(f"fan[{i}].{name}", f"expected a sensor on {fan.asset!r}, got {id!r}")
    if not policy.fan:
        add("fan", "expected at least one [[ventilation.fan]], got none")


def _recording(entry: Entry[RecordingFormat], sensors: Collection[str] | None, problems: Problems) -> None:
    recording = entry.item

    def add(name: str, message: str) -> None:
        problems.add(entry.place(name), name, message)

    if not recording.columns:
        add("columns", "expected at least one column, got none")
    if not recording.time:
        add("time", "expected the name of the time column, got nothing")
    if len(recording.delimiter) != 1 or not (recording.delimiter.isprintable() or recording.delimiter == "\t"):
        add("delimiter", f"expected one character such as ',' or ';', got {recording.delimiter[:80]!r}")
    if recording.format and not _is_format(recording.format):
        add("format", f"expected a strptime format such as '%Y-%m-%d %H:%M:%S', got {recording.format[:80]!r}")
    for column, sensor in recording.columns.items():
        if sensors is not None and sensor not in sensors:
            add(f"columns.{column}"[:80], _unknown(sensor, "sensors", sensors))
        if column == recording.time or column in recording.labels:
            add(f"columns.{column}"[:80], "expected a column of values, got the column of time or labels")
    if recording.time in recording.labels:
        add("labels", f"expected columns other than the time column, got {recording.time[:80]!r}")
    _unique_sensors(recording, add)


def _unique_sensors(recording: RecordingFormat, add: Callable[[str, str], None]) -> None:
    seen: dict[str, str] = {}
    for column, sensor in recording.columns.items():
        if seen.setdefault(sensor, column) != column:
            add(f"columns.{column}"[:80], f"expected each sensor once, {sensor!r} is the column {seen[sensor]!r} too")


def _is_format(pattern: str) -> bool:
    try:
        at = datetime(2022, 4, 11, 8, 49, 34).strftime(pattern)
        datetime.strptime(at, pattern)
    except ValueError:
        return False
    return "%" in pattern
