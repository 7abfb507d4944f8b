"""The front of a search as a picture and as a page that needs nothing else."""

from __future__ import annotations

import io
from html import escape
from pathlib import Path
from typing import Any

from workbench.tables import number_text
from workbench.tuning import Objective, Trial, Tuned

__all__ = ["FRONT_COLUMNS", "front_rows", "summary", "write_front"]

FRONT_COLUMNS = ("", "false pages per sensor-year", "false", "found", "mean delay, s", "parameters")


def front_rows(tuned: Tuned) -> list[tuple[str, ...]]:
    """The front as text, one row a trial; the parameters as they were stand among them, on the front or not."""
    rows: list[tuple[str, ...]] = []
    start, front = tuned.trials[0], tuned.front
    rows_of = front if start in front else sorted([start, *front], key=lambda trial: trial.figures().false_per_year)
    for trial in rows_of:
        f = trial.figures()
        marks = [word for word, one in (("as it was", start), ("chosen", tuned.best)) if one is trial]
        params = ", ".join(f"{name} {_value(value)}" for name, value in trial.params.items())
        found = f"{f.found} of {f.events}"
        numbers = (number_text(f.false_per_year), str(f.false), found, number_text(f.delay))
        rows.append((", ".join(marks), *numbers, params))
    return rows


def write_front(tuned: Tuned, title: str, monitor: str, folder: Path) -> tuple[Path, Path]:
    """Write front.png and front.html; return their paths.

    Parameters
    ----------
    monitor
        The chosen monitor as TOML.
    folder
        Must exist.
    """
    import matplotlib as mpl  # here, because it takes half a second
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "lifeline", "svg.fonttype": "path"}):
        figure = _figure(Figure(figsize=(7, 4.5), layout="constrained"), tuned, title)
        png, page = folder / "front.png", folder / "front.html"
        figure.savefig(png, dpi=120)
        svg = io.StringIO()
        figure.savefig(svg, format="svg", metadata={"Date": None})
    drawing = svg.getvalue()
    page.write_text(_page(tuned, title, monitor, drawing[drawing.index("<svg") :]), encoding="utf-8")
    return png, page


def _figure(figure: Any, tuned: Tuned, title: str) -> Any:
    axes = figure.subplots()
    objective = tuned.objective
    points = {trial.number: _point(trial, objective) for trial in tuned.trials}
    front = [points[trial.number] for trial in tuned.front]
    axes.scatter(*zip(*points.values(), strict=True), s=14, color="0.7", label="tried")
    axes.step(*zip(*front, strict=True), where="post", marker="o", ms=4, color="tab:blue", label="front")
    axes.plot(*points[tuned.trials[0].number], "s", color="tab:orange", label="as it was")
    axes.plot(*points[tuned.best.number], "*", ms=13, color="tab:green", label="chosen")
    axes.axvline(tuned.ceiling, color="tab:red", lw=1, ls="--", label=f"ceiling {tuned.ceiling:g}")
    axes.set_xscale("symlog", linthresh=max(tuned.ceiling, 1e-3))
    axes.set_xlim(left=-0.05 * max(tuned.ceiling, 1e-3))
    if objective is Objective.DELAY:
        axes.set_yscale("log")
    axes.set_xlabel("false pages per sensor and year")
    axes.set_ylabel("events missed" if objective is Objective.HITS else "mean delay, s (missed: the longest recording)")
    axes.set_title(title, loc="left", fontsize=10)
    axes.legend(fontsize=8)
    return figure


def _point(trial: Trial, objective: Objective) -> tuple[float, float]:
    figures = trial.figures()
    loss = figures.loss(objective)[0]
    return figures.false_per_year, max(loss, 1e-3) if objective is Objective.DELAY else loss


def _value(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _page(tuned: Tuned, title: str, monitor: str, svg: str) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in FRONT_COLUMNS)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in front_rows(tuned))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>
body {{ font: 14px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse }} td, th {{ border-bottom: 1px solid #ddd; padding: .3rem .8rem; text-align: left }}
pre {{ background: #f5f5f5; padding: 1rem }} svg {{ max-width: 100%; height: auto }}
</style></head><body>
<h1>{escape(title)}</h1>
<p>{escape(summary(tuned))}</p>
{svg}
<h2>Front, and the parameters as they were</h2><table><tr>{head}</tr>{rows}</table>
<h2>Chosen monitor</h2><pre>{escape(monitor)}</pre>
</body></html>
"""


def summary(tuned: Tuned) -> str:
    """What was chosen and what holds on recordings that the choice did not see, in a sentence or two."""

    def words(figures: Any) -> str:
        delay = f", mean delay {number_text(figures.delay)} s" if figures.found else ""
        rate = number_text(figures.false_per_year)
        return f"{figures.found} of {figures.events} events{delay}, {figures.false} false ({rate} per sensor-year)"

    best = tuned.best.figures()
    text = f"As it was: {words(tuned.trials[0].figures())}. Chosen: {words(best)}."
    if best.false_per_year > tuned.ceiling:
        text += f" No parameters tried stay under the ceiling of {tuned.ceiling:g} false pages per sensor-year."
    if tuned.held_out is None:
        return text + " Too few recordings for folds: these figures are of the data that they were chosen on."
    return text + f" Chosen without them, on recordings held out: {words(tuned.held_out)}."
