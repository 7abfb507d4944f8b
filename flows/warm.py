"""Compile the kernels once, before the first reading, and say so while it takes time."""

from __future__ import annotations

import time

from rich.console import Console

from domain.city import City
from domain.clock import SECOND
from domain.settings import EngineSettings
from flows.engine import Engine
from simulators.scenario import quiet
from simulators.source import SimulatedCity

__all__ = ["warm_up"]


def warm_up(console: Console, city: City, settings: EngineSettings) -> float:
    """Run a few seconds of the city through everything but the sinks; numba keeps the machine code for later runs.

    Returns the seconds it took.
    """
    started = time.monotonic()
    with console.status("compiling kernels (only the first run has to)"):
        Engine(city, settings, SimulatedCity(quiet(city, 5 * SECOND)), None).run()
    return time.monotonic() - started
