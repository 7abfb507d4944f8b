"""The benchmark of the detectors looks at all of them, and its floors do what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from detectors import registry
from perf import bank, detectors
from perf.report import Report


def test_every_detector_has_a_case_and_a_floor() -> None:
    """A detector without a case would not be measured, and nobody would see that it is slow."""
    assert {case.detector for case in detectors.CASES} == set(registry.names())
    assert all(len(case.about) > 20 and case.about.endswith(".") for case in detectors.CASES)
    names = [case.name for case in detectors.CASES]
    assert len(set(names)) == len(names)


def test_a_detector_without_a_case_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails loudly, and names the detector."""
    monkeypatch.setattr(detectors, "CASES", tuple(case for case in detectors.CASES if case.detector != "ewma"))
    with pytest.raises(AssertionError, match="no case for ewma"):
        detectors.run(Report(), ())


def test_cost_floor_and_ratio_go_into_the_page(tmp_path: Path) -> None:
    """Three figures a case, the ratio with its bar; the page holds the latest, however often it is written."""
    case = next(replace(case, sensors=20, readings=30) for case in detectors.CASES if case.detector == "threshold")
    report = Report()
    detectors.run(report, (case,))
    figures = {figure.name: figure for figure in report.figures}
    assert figures["threshold / floor"].bar == detectors.BAR
    assert {"threshold: cost", "threshold: floor", "threshold: state"} < set(figures)

    page, out = tmp_path / "threshold.md", tmp_path / "bench.json"
    page.write_text("# threshold\n\n## Method\n\nNone.\n")
    report.write(out)
    detectors.write_pages(out, tmp_path)
    once = page.read_text()
    detectors.write_pages(out, tmp_path)
    assert page.read_text() == once
    assert f"{figures['threshold / floor'].value:.1f} times its floor" in once
    assert once.index("## Cost") < once.index("## Method")
    assert json.loads(out.read_text())["figures"]


def test_the_bank_is_of_five_and_measured() -> None:
    """On few readings, for that it runs; what it must reach is `make bench`'s to say."""
    assert len({monitor.detector for monitor in bank.BANK}) == 5
    report = Report()
    bank.run(report, count=2000, rounds=1)
    assert {"bank: rate with five detectors / with one"} < {figure.name for figure in report.figures}
