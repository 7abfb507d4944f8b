"""`lifeline rehearse`: hours or weeks of a simulated city, measured, judged and checked against what happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from domain.city import City
from domain.city_files import load_settings
from domain.clock import HOUR
from domain.errors import ConfigError, Problem
from flows.commands.check import check_city
from flows.figures import figure, write_figures
from flows.matching import match
from flows.options import CityName
from flows.outcome import show_outcome
from simulators.measured import MeasuredCity
from simulators.scenario import Scenario, demo, faults, quiet
from simulators.scenes import SCENES, part, scene
from workbench.tape import judge, steps

__all__ = ["rehearse"]

DAYS_A_YEAR: Final = 365.25

#: What can be rehearsed in the whole city, besides the scenes in parts of it; of a city, hours and a seed.
WHOLE: Final[dict[str, Callable[[City, float, int], Scenario]]] = {
    "quiet": lambda city, hours, seed: quiet(city, round(hours * HOUR), seed),
    "demo": lambda city, hours, seed: demo(city, seed),
    "faults": lambda city, hours, seed: faults(city, seed),
}

#: Event time of a poll, s: a scene has few sensors, and lasts for weeks.
CHUNK_WHOLE: Final = 20
CHUNK_SCENE: Final = 600


def rehearse(
    name: Annotated[str, typer.Argument(help=f"{', '.join((*WHOLE, *SCENES))}.", metavar="SCENE")],
    city: CityName = "bozhou",
    hours: Annotated[float, typer.Option(min=0.1, help="How long `quiet` lasts.")] = 24.0,
    every: Annotated[int, typer.Option(min=1, help="Only one in so many assets of each kind.")] = 1,
    seed: Annotated[int, typer.Option(help="Chooses where things happen.")] = 1,
    figures: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("build/rehearsal.json"),
) -> None:
    """Let a simulated city measure, without wires, and set the alerts beside what happened."""
    registry = check_city(city)
    try:
        if name in WHOLE:
            scenario = WHOLE[name](part(registry, every=every), hours, seed)
        else:
            scenario = scene(registry, name, every, seed)
    except KeyError:
        raise ConfigError([Problem("", "", name, f"expected one of {', '.join((*WHOLE, *SCENES))}")]) from None
    console, started = Console(), time.monotonic()
    source = MeasuredCity(scenario, CHUNK_WHOLE if name in WHOLE else CHUNK_SCENE)
    settings = load_settings(city)
    with console.status(f"{name}: {len(scenario.city.sensors):,} sensors, {scenario.span / HOUR:g} h"):
        judged = judge(scenario.city, settings, steps(scenario.city, settings, source))
    matching = match(scenario.truth, judged.alerts)
    show_outcome(console, registry, matching, scenario.start)
    years = len(scenario.city.sensors) * judged.days / DAYS_A_YEAR
    rate = len(matching.false) / years
    console.print(
        f"{judged.readings:,} readings of {len(scenario.city.sensors):,} sensors in {judged.days:.2f} days = "
        f"{years:.2f} sensor-years: {rate:.2f} false alerts each, in {time.monotonic() - started:.0f} s"
    )
    write_figures(
        figures,
        [
            figure("incidents found", matching.found, "incidents", at_least=matching.wanted),
            figure("false alerts", len(matching.false), "alerts"),
            figure("sensor-years", round(years, 2), "years"),
            figure("false alerts per sensor-year", round(rate, 3), "1/year", at_most=0.1),
        ],
    )
