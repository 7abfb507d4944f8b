"""`lifeline simulate`: a simulated city as a recording, with the truth of what happened beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from domain.clock import MINUTE
from domain.records import RawBatch
from domain.streams import batches
from flows.commands.check import check_city
from flows.options import CityName
from simulators.scenario import demo, random, write_truth
from simulators.source import SimulatedCity
from sources.recorder import Recorder

__all__ = ["simulate"]


def simulate(
    city: CityName,
    out: Annotated[Path, typer.Argument(help="Folder of the recording.")],
    seed: Annotated[int, typer.Option(help="Chooses what happens where.")] = 1,
    minutes: Annotated[
        int | None, typer.Option(min=1, help="Incidents at random for so long; by default the demo's.")
    ] = None,
) -> None:
    """Write what a simulated city's gateways send as a recording, and truth.json beside it."""
    registry = check_city(city)
    scenario = demo(registry, seed) if minutes is None else random(registry, minutes * MINUTE, seed=seed)
    source = SimulatedCity(scenario)
    recorder = Recorder(out, source.partitions())
    messages = 0
    for name in source.partitions():
        for batch in batches(source.open(name, None)):
            assert isinstance(batch, RawBatch)
            recorder.write(batch)
            messages += len(batch)
    recorder.flush()
    write_truth(scenario.truth, out / "truth.json")
    Console().print(f"{messages:,} messages in {out}, {len(scenario.truth)} incidents in {out / 'truth.json'}")
