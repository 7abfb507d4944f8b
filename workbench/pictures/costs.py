"""What a reading costs each detector, beside its floor: a picture and a column of the overview, from a benchmark."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workbench.pictures.png import BLUE, GREY, RED, save_png

__all__ = ["Cost", "draw_costs", "overview", "read_costs"]

_MOST: Final = 3.0  # times its floor: the bar
_ROW: Final = re.compile(r"^(\| \[(\w+)\]\(\w+\.md\) \|[^|]*\|[^|]*\|[^|]*\|[^|]*\|).*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one case of a detector: ns a reading, and how many times its floor that is."""

    name: str
    cost: float
    floor: float
    ratio: float


def read_costs(bench: Path) -> list[Cost]:
    """The detectors' costs in the figures that `python -m perf` writes, by name; none where it has not run."""
    if not bench.exists():
        return []
    figures = {figure["name"]: float(figure["value"]) for figure in json.loads(bench.read_text())["figures"]}
    names = [name.removesuffix(": cost") for name in figures if name.endswith(": cost")]
    return [
        Cost(name, figures[f"{name}: cost"], figures[f"{name}: floor"], figures[f"{name} / floor"])
        for name in sorted(names)
        if f"{name}: floor" in figures and f"{name} / floor" in figures
    ]


def draw_costs(costs: list[Cost], out: Path) -> None:
    """Draw cost and floor of every case, the dearest on top."""
    from matplotlib.figure import Figure  # here, because it takes half a second

    rows = sorted(costs, key=lambda one: one.cost)
    figure = Figure(figsize=(9.0, 0.9 + 0.2 * len(rows)), dpi=100, layout="constrained")
    axes = figure.subplots()
    y = range(len(rows))
    axes.hlines(y, [one.floor for one in rows], [one.cost for one in rows], color="0.75", lw=1.5, zorder=1)
    axes.plot(
        [one.floor for one in rows], y, "o", mfc="white", mec=GREY, ms=5, label="floor: the same arithmetic, bare"
    )
    axes.plot([one.cost for one in rows], y, "o", color=BLUE, ms=5, label="detector")
    axes.plot([_MOST * one.floor for one in rows], y, "|", color=RED, ms=9, mew=1.5, label="three times the floor")
    axes.set_yticks(y, [one.name for one in rows], fontsize=8)
    for k, one in enumerate(rows):
        axes.annotate(f"{one.ratio:.1f}", (1.01, k), xycoords=("axes fraction", "data"), fontsize=8, va="center")
    axes.set_xscale("log")
    axes.set_xlabel("ns a reading, on one core (right: times its floor)")
    axes.grid(axis="x", color="0.92", zorder=0)
    axes.set_ylim(-0.8, len(rows) - 0.2)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper right", ncols=3, fontsize=8, frameon=False)
    save_png(figure, out)


def overview(readme: str, costs: list[Cost]) -> str:
    """The overview with the costs in its last column; a detector without a figure keeps what stands there.

    >>> overview("| [a](a.md) | x | sensor | fast | event | |", [Cost("a", 2.41, 2.0, 1.2)])
    '| [a](a.md) | x | sensor | fast | event | 2.4 ns, 1.2 x |'
    """
    by_name = {one.name.partition(",")[0]: one for one in reversed(costs)}

    def row(match: re.Match[str]) -> str:
        one = by_name.get(match[2])
        return f"{match[1]} {_words(one.cost)}, {one.ratio:.1f} x |" if one else match[0]

    return _ROW.sub(row, readme)


def _words(ns: float) -> str:
    return f"{ns:.2g} ns" if ns < 100 else f"{ns:.0f} ns" if ns < 1000 else f"{ns / 1000:.2g} us"
