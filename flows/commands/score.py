"""`lifeline score`: a detector on sets of recordings that nobody here made, by the sets' own published rules."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.errors import ConfigError, LifelineError, Problem
from workbench import sets
from workbench.monitors import read_params
from workbench.result import SetResult, false_per_sensor_year
from workbench.scoring import Job, Scored, score_sets
from workbench.sensitivity import Change
from workbench.sensitivity import sensitivity as try_changes
from workbench.tables import number_text, trivial_text

__all__ = ["score"]

_COLOUR: Final = {True: "green", False: "red", None: "default"}


def score(
    set: Annotated[str, typer.Argument(help=f"One of {', '.join(sets.names())}, or all.")],
    folder: Annotated[Path, typer.Argument(help="Where the set lies; for all: the folder of the sets' folders.")],
    detector: Annotated[str | None, typer.Option(help="By default the one that suits the set.")] = None,
    params: Annotated[
        Path | None, typer.Option(help="Parameters of the detector: a file of them, or of monitors.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for scores of every row and the alarms.")] = None,
    figures: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("build/score.json"),
    processes: Annotated[
        int | None, typer.Option("--processes", "-p", min=1, help="Sets scored side by side; by default one a core.")
    ] = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Score each parameter at half its value to twice, one at a time.")
    ] = False,
    search: Annotated[
        list[str] | None, typer.Option(help="With --sensitivity: a parameter; again for more. By default all.")
    ] = None,
) -> None:
    """Run detectors over sets of recordings; show the figures beside published ones and those of trivial detectors."""
    console = Console()
    if params is not None and detector is None:
        raise ConfigError([Problem("", "", "params", "parameters need --detector")])
    given = read_params(params, detector) if params is not None and detector is not None else None
    if sensitivity:
        with console.status("scoring") as status:
            tried = try_changes(
                set,
                folder,
                detector,
                given,
                processes or os.cpu_count() or 1,
                search or (),
                lambda done, total: status.update(f"scoring: {done} of {total}"),
            )
        _show_changes(console, set, tried)
        return
    if set == "all":
        jobs = [Job(name, folder / sets.get(name).FOLDER, detector, given, out) for name in sets.names()]
    else:
        sets.get(set)
        jobs = [Job(set, folder, detector, given, out)]
    done: dict[str, Scored] = {}
    with console.status("scoring"):
        for scored in score_sets(jobs, min(processes or os.cpu_count() or 1, len(jobs))):
            done[scored.job.set] = scored
            console.print(f"[dim]{scored.job.set}: {scored.seconds:.1f} s", highlight=False)
    for job in jobs:
        result = done[job.set].result
        if result is not None:
            _show(console, result)
        else:
            console.print(f"[red]{job.set}: not scored:[/] {done[job.set].error}", highlight=False)
    _write(figures, [done[job.set] for job in jobs])
    if any(scored.error for scored in done.values()):
        raise typer.Exit(1)


def _show_changes(console: Console, set: str, found: Sequence[Change]) -> None:
    """A row a change, a column a figure that has a bar; the unchanged first."""
    base = found[0]
    if base.result is None:
        raise LifelineError(f"{set}: not scored: {base.error}")
    names = [row["name"] for row in base.result.rows if row["bar"]]
    table = Table(title=f"{set}: {base.result.detector}", title_justify="left", box=SIMPLE_HEAD)
    for name in ("parameter", "value", *names):
        table.add_column(name, justify="left" if name in ("parameter", "value") else "right")
    for change in found:
        value = ", ".join(map(str, change.value)) if isinstance(change.value, list) else str(change.value)
        if change.result is None:
            table.add_row(change.name, value, f"[dim]{escape(change.error)}[/]")
            continue
        of = {row["name"]: row for row in change.result.rows}
        cells = [f"[{_COLOUR[of[name]['met']]}]{number_text(of[name]['ours'])}[/]" for name in names]
        table.add_row(change.name or "as it is", "" if change.value is None else value, *cells)
    console.print(table)


def _show(console: Console, result: SetResult) -> None:
    table = Table(title=f"{result.set}: {result.detector}", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("figure")
    table.add_column("ours", justify="right")
    table.add_column("")
    table.add_column("bar")
    table.add_column("others")
    for row in result.rows:
        ours = f"[{_COLOUR[row['met']]}]{number_text(row['ours'])}[/]"
        others = "; ".join(filter(None, (row["published"], trivial_text(row["trivial"]))))
        if row["note"]:
            others += ("\n" if others else "") + f"[dim]{escape(row['note'])}[/]"
        table.add_row(row["name"], ours, row["unit"], row["bar"], others)
    console.print(table)


def _write(path: Path, done: Sequence[Scored]) -> None:
    written: list[dict[str, Any]] = []
    for scored in done:
        entry: dict[str, Any] = {"set": scored.job.set, "seconds": round(scored.seconds, 1)}
        if scored.result is None:
            entry["error"] = scored.error
        else:
            result = scored.result
            entry |= {
                "detector": result.detector,
                "passed": result.passed,
                "figures": result.rows,
                "false_per_sensor_year": false_per_sensor_year(result.records) if result.records else None,
                "records": [asdict(record) for record in result.records],
            }
        written.append(entry)
    figures = [_figure(scored.job.set, row) for scored in done if scored.result for row in scored.result.rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"figures": figures, "sets": written}, indent=1, allow_nan=False, default=float) + "\n")


def _figure(set: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the other targets write their figures; a bar is said in the set's own words."""
    found = {"name": f"{set}: {row['name']}", "value": row["ours"], "unit": row["unit"]}
    return found | {"bar": row["bar"], "holds": row["met"]} if row["bar"] else found
