"""Figures: their form in JSON, their bars, and comparisons."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from perf import report as report_module
from perf.report import Report, compare


def test_figures_are_written_in_the_agreed_form(tmp_path: Path) -> None:
    """Others track build/bench.json: `bar` and `holds` stand only where the project states a bar."""
    report = Report()
    report.figure("plain", 1.5, "s")
    report.figure("reached", 0.9, "ratio", at_least=0.8)
    report.figure("exceeded", 2.0, "ms", at_most=1.5)
    report.write(tmp_path / "build/bench.json")
    assert json.loads((tmp_path / "build/bench.json").read_text())["figures"] == [
        {"name": "plain", "value": 1.5, "unit": "s"},
        {"name": "reached", "value": 0.9, "unit": "ratio", "bar": 0.8, "holds": True},
        {"name": "exceeded", "value": 2.0, "unit": "ms", "bar": 1.5, "holds": False},
    ]


def test_a_figure_has_one_bar_at_most() -> None:
    """Two bars could not be told apart in the JSON."""
    with pytest.raises(ValueError, match="not both"):
        Report().figure("x", 1.0, "s", at_least=0.5, at_most=2.0)


def test_the_table_shows_missed_bars() -> None:
    """A missed bar must not be overlooked."""
    report = Report()
    report.figure("p99", 2.0, "ms", at_most=1.5)
    report.note("on a [busy] machine")
    text = io.StringIO()
    report.show(Console(file=text, width=100))
    assert "NO" in text.getvalue()
    assert "on a [busy] machine" in text.getvalue()


def test_the_ratio_is_the_speed_of_a_over_that_of_b(monkeypatch: pytest.MonkeyPatch) -> None:
    """A takes 2 s and B 3 s, on a clock of our own; after the warm-up both run equally often, in turning order."""
    log: list[str] = []

    def take(name: str, seconds: float) -> float:
        log.append(name)
        return seconds

    monkeypatch.setattr(report_module, "seconds", lambda run: run())
    found = compare(partial(take, "a", 2.0), partial(take, "b", 3.0), repetitions=3)
    assert found.ratio == found.low == found.high == 1.5
    assert (found.a, found.b) == (2.0, 3.0)
    assert "".join(log) == "ab" + "ab" + "ba" + "ab"
