"""The week in numbers."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

from rich.console import Console

from domain.clock import DAY, MINUTE, SECOND
from domain.findings import Alert
from flows.matching import match
from perf.week import Lived, Page, figures_of, show, write
from simulators.stage import Incident


def alert(number: int, kind: str, at: int, sensor: str) -> Alert:
    return Alert(
        UUID(int=number), kind, 2, True, at, at, at, 0, "Z", "", "", 0.0, 0.0, "unit", False, 0.5, f"{kind} there",
        (sensor,),
    )  # fmt: skip


LEAK = Incident("gas-leak-001", "gas-leak", 0, 10 * MINUTE, ("G1",), (), "", "Z", "", "gas-leak")
DEAD = Incident("fault-stuck-002", "fault-stuck", 0, DAY, ("G2",), (), "", "Z", "", "sensor-fault", reason="stuck")
NOISE = Incident("fault-noise-003", "fault-noise", 0, DAY, ("G3",), (), "", "Z", "", "sensor-fault", reason="noise")
ALERTS = [alert(1, "gas-leak", 30 * SECOND, "G1"), alert(2, "sensor-fault", MINUTE, "G2"), alert(3, "fire", DAY, "G9")]
PAGES = tuple(Page(a.raised, a.kind, a.level, a.owner) for a in ALERTS)
PART = Lived("all", 3650, 1.0, 1000, 0, match([LEAK, DEAD, NOISE], ALERTS), PAGES, 1.0)


def test_the_week_in_numbers() -> None:
    """Ten sensor-years, a false page, a missed fault, two pages in the first ten minutes."""
    found = {figure["name"]: figure for figure in figures_of([PART])}
    values = {name: figure["value"] for name, figure in found.items()}
    assert values["sensor-years"] == 9.99
    assert (values["false pages"], values["false pages per sensor-year"]) == (1, 0.1001)
    assert found["false pages per sensor-year"]["holds"] is False
    assert (values["incidents"], values["incidents found"]) == (1, 1)
    assert (values["faults"], values["faults called faults"]) == (2, 1)
    assert values["pages per 10 min, one desk for all, max"] == 2
    assert values["pages per 10 min, one desk for all, mean"] == round(3 / 144, 3)
    assert (values["delay, gas-leak, median"], values["delay, fault-stuck, longest"]) == (30.0, 60.0)


def test_what_was_false_and_missed_is_written_and_shown(tmp_path: Path) -> None:
    """By name, so that somebody can look for the cause."""
    write(tmp_path / "build/week.json", [PART], seed=3, took=1.0)
    told = json.loads((tmp_path / "build/week.json").read_text())
    assert [one["kind"] for one in told["false"]] == ["fire"]
    assert [one["id"] for one in told["missed"]] == ["fault-noise-003"]
    assert told["simulated"][0]["sensors"] == 3650
    assert told["seed"] == 3
    console = Console(record=True, width=120)
    show(console, [PART])
    text = console.export_text()
    assert "fire there" in text
    assert "MISSED" in text
