"""`lifeline tune`: parameters of a detector that page early and rarely for nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from domain.monitor_files import write_monitors
from workbench import sets
from workbench.plots import FRONT_COLUMNS, front_rows, summary, write_front
from workbench.recordings import city_of
from workbench.space import space
from workbench.targets import RecordingTarget, SetTarget
from workbench.tuning import Objective, Trial, Tuned
from workbench.tuning import tune as search_parameters

__all__ = ["tune"]


def tune(
    target: Annotated[str, typer.Argument(help=f"A set ({', '.join(sets.names())}), or recordings with labels.")],
    detector: Annotated[str, typer.Option(help="Whose parameters are searched.")],
    params: Annotated[Path | None, typer.Option(help="Parameters to begin with, or a file of monitors.")] = None,
    objective: Annotated[Objective, typer.Option(help="What is best under the ceiling.")] = Objective.DELAY,
    ceiling: Annotated[float, typer.Option(min=0, help="Bearable false pages per sensor and year.")] = 0.1,
    search: Annotated[
        list[str] | None, typer.Option(help="A parameter to search; again for more. By default all.")
    ] = None,
    spread: Annotated[float, typer.Option(min=1.1, help="Numbers are searched up to so many times their value.")] = 8.0,
    trials: Annotated[int, typer.Option(min=2, help="Sets of parameters to try.")] = 50,
    folds: Annotated[int, typer.Option(min=1, help="Parts of the recordings, each held out once.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the search.")] = 1,
    data: Annotated[Path, typer.Option(help="Folder of the sets' folders.")] = Path("../shared/data"),
    city: Annotated[str | None, typer.Option(help="Of a recording; by default the shipped one that it fits.")] = None,
    monitor: Annotated[str | None, typer.Option(help="Of a recording: which monitor of the city.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where results go: by default build/tune/TARGET-DETECTOR.")] = None,
) -> None:
    """Search a detector's parameters, and write the chosen ones as a monitor file.

    The front of delay against false pages is printed, drawn (front.png) and written as a page (front.html).
    """
    console = Console()
    chosen: SetTarget | RecordingTarget
    if target in sets.names():
        chosen = SetTarget(target, data / sets.get(target).FOLDER, detector, params)
    else:
        chosen = RecordingTarget(target, city or city_of(target), detector, params, monitor)
    axes = space(detector, chosen.monitor.params, search or (), spread)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(f"{detector} on {target}", total=trials)

        def progress(trial: Trial) -> None:
            bar.update(task, completed=trial.number + 1)

        tuned = search_parameters(
            chosen.evaluate,
            axes,
            objective=objective,
            ceiling=ceiling,
            trials=trials,
            folds=folds,
            seed=seed,
            progress=progress,
        )
        bar.update(task, completed=trials)
    name = target if target in sets.names() else Path(target).name
    folder = out or Path("build/tune") / f"{name}-{detector}"
    _show(console, tuned)
    for path in _write(tuned, chosen, f"{detector} on {name}", folder):
        console.print(f"[dim]{path}", highlight=False)


def _show(console: Console, tuned: Tuned) -> None:
    table = Table(title="Front of false pages against delay", title_justify="left")
    for column in FRONT_COLUMNS:
        table.add_column(column, justify="left" if column in ("", "parameters") else "right")
    for row in front_rows(tuned):
        table.add_row(*row)
    console.print(table)
    console.print(summary(tuned), highlight=False)


def _write(tuned: Tuned, chosen: SetTarget | RecordingTarget, title: str, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    monitors = folder / "monitors.toml"
    params = {**chosen.monitor.params, **tuned.best.params}
    levels = chosen.city.levels if chosen.city is not None else ()
    write_monitors(monitors, [replace(chosen.monitor, params=params)], [], levels)
    return [monitors, *write_front(tuned, title, monitors.read_text(encoding="utf-8"), folder)]
