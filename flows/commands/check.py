"""`lifeline check CITY`: is everything in a city's files right, and what do they describe?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from detectors.registry import build
from domain.city import City, Sensor
from domain.city_files import find_city, load_city, load_settings
from domain.errors import ConfigError, Problem
from domain.monitor_files import MONITORS, duration_text
from domain.monitors import Monitor
from domain.policy import DAYS, Desk, Grade, Route
from domain.selection import grouped, selected
from domain.settings import EngineSettings
from domain.toml_files import Array, read_toml
from domain.validation import Problems, join

__all__ = ["check", "check_city", "summarise"]


def check_city(city: Path | str) -> City:
    """Read a city and build the detector of every monitor; raises ConfigError with every problem found.

    Parameters
    ----------
    city
        A folder, or the name of a shipped city.
    """
    loaded = load_city(city)
    problems = Problems([MONITORS])
    document = read_toml(find_city(city) / MONITORS, problems) if loaded.monitors else None
    if document is not None:
        lines = Array(document, "monitor")
        for number, monitor in enumerate(loaded.monitors):
            for problem in _unbuildable(monitor, [loaded.sensors[i] for i in selected(loaded, monitor.select)]):
                name = problem.field.partition("[")[0].rpartition(".")[2]
                problems.add(lines.place(number, name), problem.field, problem.message)
    problems.raise_any()
    return loaded


def _unbuildable(monitor: Monitor, sensors: Sequence[Sensor]) -> tuple[Problem, ...]:
    low, high, rate = np.array([(s.low, s.high, s.rate) for s in sensors], np.float64).reshape(-1, 3).T.copy()
    units = {sensor.unit for sensor in sensors}
    try:
        unit = units.pop() if len(units) == 1 else ""
        build(monitor.detector, monitor.params, low, high, rate, unit, grouped(sensors))
    except ConfigError as error:
        return error.problems
    return ()


def check(city: Annotated[str, typer.Argument(help="Folder of a city, or the name of a shipped one.")]) -> None:
    """Validate a city's files and print what they describe; or the problems, one a line, and exit with 1."""
    try:
        loaded, settings = check_city(city), load_settings(city)
    except ConfigError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        count = len(error.problems)
        typer.echo(f"{city}: {count} problem{'s' if count > 1 else ''}", err=True)
        raise typer.Exit(1) from None
    summarise(loaded, settings, Console(highlight=False, markup=False))


def summarise(city: City, settings: EngineSettings, console: Console) -> None:
    """Print what a city holds: sensors, places, monitors, and the load to expect."""
    console.print(f"{city.name}, {city.timezone}")
    console.print(_sensor_table(city))
    lengths: defaultdict[str, float] = defaultdict(float)
    for pipe in city.pipes:
        lengths[pipe.network] += pipe.length / 1000
    counts = {
        "assets": _counted(asset.kind for asset in city.assets.values()),
        "zones": f"{len(city.zones):,}",
        "responsible units": f"{len(city.units):,}",
        "cameras": f"{len(city.cameras):,}",
        "pipes": ", ".join(f"{name} {km:,.1f} km" for name, km in sorted(lengths.items())) or "0",
        "levels": ", ".join(f"{level.name}{' (urgent)' if level.urgent else ''}" for level in city.levels) or "0",
        "recordings": f"{len(city.recording.columns)} columns of CSV" if city.recording else "",
        "engine": _engine(settings),
    }
    grid = Table.grid(padding=(0, 2))
    for name, text in counts.items():
        if text:
            grid.add_row(name, text)
    console.print(grid)
    if city.monitors:
        console.print(_monitor_table(city))
    if city.video_rules:
        console.print(_video_table(city))
    if city.policy.grades:
        console.print(_grade_table(city))
    for route in city.policy.routes:
        console.print(f"Route: {_conditions(route)}: {route.unit}")
    if city.policy.desks:
        console.print(_desk_table(city))
    for note in _notes(city):
        console.print(f"Note: {note}")


def _sensor_table(city: City) -> Table:
    kinds: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for sensor in city.sensors:
        kinds[sensor.kind, sensor.unit].append(sensor.rate)
    table = Table("sensors of kind", "unit", "number", "readings/s each", "readings/s", show_footer=True, box=SIMPLE)
    footers = ("all", "", f"{len(city.sensors):,}", "", _rate(sum(map(sum, kinds.values()))))
    for column, footer in zip(table.columns, footers, strict=True):
        column.footer = footer
    for column in table.columns[2:]:
        column.justify = "right"
    for (kind, unit), rates in sorted(kinds.items()):
        least, most = min(rates), max(rates)
        each = _rate(least) if least == most else f"{_rate(least)} to {_rate(most)}"
        table.add_row(kind, unit, f"{len(rates):,}", each, _rate(sum(rates)))
    return table


def _monitor_table(city: City) -> Table:
    names = {0: "-"} | {level.rank: level.name for level in city.levels}
    table = Table("monitor", "detector", "sign of", "levels", "owner", "sensors", "readings/s", box=SIMPLE, padding=0)
    for column in table.columns:
        column.overflow = "fold"
    for column in table.columns[5:]:
        column.justify = "right"
    for monitor in city.monitors:
        rates = [city.sensors[i].rate for i in selected(city, monitor.select)]
        levels = " ".join(names[rank] for rank in monitor.levels) or "evidence"
        load = (f"{len(rates):,}", _rate(sum(rates)))
        table.add_row(monitor.name, monitor.detector, monitor.kind, levels, monitor.unit or "place's", *load)
    return table


def _video_table(city: City) -> Table:
    names = {0: "evidence"} | {level.rank: level.name for level in city.levels}
    table = Table("camera event", "sign of", "level", "confidence from", "supports", box=SIMPLE, padding=0)
    for rule in city.video_rules:
        table.add_row(rule.type, rule.kind, names[rule.level], f"{rule.confidence:g}", ", ".join(rule.supports))
    return table


def _grade_table(city: City) -> Table:
    table = Table("rule of policy.toml", "where", "makes it", box=SIMPLE, padding=0)
    for grade in city.policy.grades:
        made = grade.level if grade.level else f"{grade.steps} step{'s' * (grade.steps > 1)} graver"
        table.add_row(grade.name, _conditions(grade), made)
    return table


def _conditions(rule: Grade | Route) -> str:
    """What an alert must be for a rule to hold."""
    lists = ("kinds", "levels", "exposure", "zones", "assets", "asset_kinds")
    said = [f"{name.replace('_', ' ')} {join(names, 4)}" for name in lists if (names := getattr(rule, name, ()))]
    if isinstance(rule, Grade):
        said += [f"score from {rule.score:g} thresholds"] * bool(rule.score)
        said += [f"corroboration from {rule.corroboration:g}"] * bool(rule.corroboration)
        said += [f"lasting {duration_text(rule.lasting)}"] * bool(rule.lasting)
    return "; ".join(said) or "any"


def _desk_table(city: City) -> Table:
    table = Table("desk", "hears of", "digest", "flood from", "shifts", box=SIMPLE, padding=0)
    for desk in city.policy.desks:
        digest = duration_text(desk.digest) if desk.digest else "-"
        shifts = ", ".join(shift.name for shift in desk.shift) + f"; else {desk.relief}" * bool(desk.relief)
        table.add_row(desk.name, join(desk.units, 3) or "all", digest, str(desk.flood or "-"), shifts or "-")
    return table


def _alone(desk: Desk) -> str:
    """The first minute of the week at which nobody is on duty; nothing where somebody always is."""
    if not desk.shift or desk.relief:
        return ""
    minutes = ((day, minute) for day in range(7) for minute in range(24 * 60))
    free = ((d, m) for d, m in minutes if not any(shift.covers(d, m) for shift in desk.shift))
    day, minute = next(free, (-1, 0))
    return "" if day < 0 else f"{DAYS[day]} {minute // 60:02d}:{minute % 60:02d}"


def _notes(city: City) -> Iterable[str]:
    """What is allowed but worth a look."""
    if not city.monitors and not city.video_rules:
        yield "there are no monitors: nothing will be found"
        return
    for desk in city.policy.desks:
        if alone := _alone(desk):
            yield f"nobody is on duty at desk {desk.name!r} from {alone}, and no other desk is its relief"
    watched = {i for monitor in city.monitors for i in selected(city, monitor.select)}
    idle = sorted({sensor.kind for i, sensor in enumerate(city.sensors) if i not in watched})
    if idle:
        yield f"no monitor for {len(city.sensors) - len(watched):,} of the sensors, of the kinds {join(idle)}"
    reported = {monitor.kind for monitor in city.monitors} | {rule.kind for rule in city.video_rules}
    for rule in city.video_rules:
        if lost := [kind for kind in rule.supports if kind not in reported]:
            yield f"camera events {rule.type!r} support {join(lost)}, which no monitor reports"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _counted(kinds: Iterable[str]) -> str:
    counts: defaultdict[str, int] = defaultdict(int)
    for kind in kinds:
        counts[kind] += 1
    listed = join((f"{kind} {count:,}" for kind, count in sorted(counts.items())), 8)
    return f"{sum(counts.values()):,}" + (f" ({listed})" if listed else "")


def _engine(settings: EngineSettings) -> str:
    time = settings.time
    idle = "never idle" if time.idle is None else f"idle after {duration_text(time.idle)}"
    return (
        f"shards: {settings.shards}, pane {duration_text(time.pane)}, lateness {duration_text(time.lateness)}, "
        f"at most {duration_text(time.max_ahead)} ahead, {idle}, block {duration_text(settings.block)}"
    )
