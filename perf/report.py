"""Figures of a benchmark run: printed as a table and written as JSON, so that anyone can track them.

A figure is a ratio of two things measured side by side wherever that is possible: machines differ, and a busy neighbour
slows both. `compare` runs A and B in turn and takes the median of the pairwise ratios.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.figures import figure as figure_of

__all__ = ["Comparison", "Figure", "Report", "by_itself", "compare", "pin", "seconds"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; `bar` and `holds` only where the project states a bar."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    holds: bool | None = None

    def as_json(self) -> dict[str, object]:
        """The figure without the fields that it does not have."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(slots=True)
class Report:
    """Collects the figures and notes of a run.

    >>> report = Report()
    >>> report.figure("decode JSON / orjson alone", 0.9, "ratio", at_least=0.8).holds
    True
    >>> report.figure("p99", 2.0, "ms", at_most=1.5).holds
    False
    """

    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def figure(
        self, name: str, value: float, unit: str, *, at_least: float | None = None, at_most: float | None = None
    ) -> Figure:
        """Add a figure, with a bar it must reach or must not exceed; returns it."""
        found = Figure(**figure_of(name, value, unit, at_least=at_least, at_most=at_most))
        self.figures.append(found)
        return found

    def note(self, text: str) -> None:
        """Add a remark on how a figure was measured."""
        self.notes.append(text)

    def write(self, path: Path) -> None:
        """Write `{"figures": [...]}` to `path`, making its folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {"figures": [figure.as_json() for figure in self.figures], "notes": self.notes}
        path.write_text(json.dumps(document, indent=1) + "\n")

    def show(self, console: Console | None = None) -> None:
        """Print every figure and note."""
        console = console or Console()
        table = Table("figure", box=None, pad_edge=False)
        for column in ("value", "unit", "bar", "holds"):
            table.add_column(column, justify="left" if column == "unit" else "right")
        for figure in self.figures:
            bar = "" if figure.bar is None else f"{figure.bar:,.4g}"
            holds = {None: "", True: "yes", False: "NO"}[figure.holds]
            table.add_row(figure.name, readable(figure.value), figure.unit, bar, holds)
        console.print(table)
        for note in self.notes:
            console.print(f"- {note}", markup=False, highlight=False)


def readable(value: float) -> str:
    """A number for people: four significant digits, whole above a thousand.

    >>> readable(1234567.8), readable(0.123456)
    ('1,234,568', '0.1235')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How A compares with B: `ratio` is the speed of A over the speed of B (above 1: A is faster)."""

    ratio: float
    low: float  # smallest and largest pairwise ratio: the noise
    high: float
    a: float  # median seconds of A
    b: float

    @property
    def spread(self) -> str:
        """The noise, for a note."""
        return f"{self.low:.2f} to {self.high:.2f}"


def compare(a: Callable[[], object], b: Callable[[], object], repetitions: int = 7) -> Comparison:
    """Time A and B in turn after one warm-up of each; the median of the pairwise ratios B's time / A's time.

    Interleaving lets both see the same neighbours, and turning the order around in every second pair lets neither
    always run first.
    """
    a(), b()
    pairs = []
    for i in range(repetitions):
        if i % 2:
            of_b = seconds(b)
            pairs.append((seconds(a), of_b))
        else:
            pairs.append((seconds(a), seconds(b)))
    ratios = [of_b / of_a for of_a, of_b in pairs]
    return Comparison(
        ratio=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        a=statistics.median(of_a for of_a, _ in pairs),
        b=statistics.median(of_b for _, of_b in pairs),
    )


def seconds(run: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def pin(core: int | None = None) -> int | None:
    """Keep this process and its future children on one core, by default the last one that it may use.

    Returns the core, or None where the system cannot pin.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {core})
    return core


def by_itself(run: Callable[..., None], *arguments: object) -> None:
    """Run one benchmark by itself, pinned to a core, and print its figures."""
    report = Report()
    pin()
    run(report, *arguments)
    report.show()
