"""NAB's scorer by hand, at its ends, and over the files that are here."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from domain.errors import SourceError
from workbench.sets import nab
from workbench.sets.nab import Series

DATA = Path(__file__).parents[3] / "shared/data/nab"


def series(rows: int, *windows: tuple[int, int]) -> Series:
    ts = np.arange(1, rows + 1) * 300_000_000_000
    return Series("made/up.csv", [str(t) for t in ts], ts, np.zeros(rows), list(windows))


def flags(rows: int, *at: int) -> np.ndarray:
    out = np.zeros(rows)
    out[list(at)] = 1.0
    return out


def sigmoid(y: float) -> float:
    return 2 / (1 + math.exp(5 * y)) - 1


def test_probation_is_fifteen_percent_up_to_750_rows() -> None:
    assert [nab.probation(rows) for rows in (100, 4032, 5000, 5001, 22695)] == [15, 604, 750, 750, 750]


@pytest.mark.parametrize("profile", nab.PROFILES)
def test_a_perfect_detector_has_100_and_none_has_0(profile: str) -> None:
    """A detection on the first row of each window and nowhere else is perfect; no detection is null."""
    one = [series(200, (100, 119), (150, 169))]
    assert nab.score(one, [flags(200, 100, 150)], profile, 0.5).score == pytest.approx(100)
    assert nab.score(one, [np.zeros(200)], profile, 0.5).score == 0


@pytest.mark.parametrize(
    ("profile", "wrong", "miss"), [("standard", 0.11, 1), ("low FP", 0.22, 1), ("low FN", 0.11, 2)]
)
def test_every_kind_of_row_counts_as_the_rules_say(profile: str, wrong: float, miss: float) -> None:
    """A late hit, a repeat in the window, one just past it, one far past it, one before any window, a missed window."""
    one = [series(300, (100, 119), (200, 219))]
    got = nab.score(one, [flags(300, 3, 60, 110, 112, 125, 190)], profile, 0.5)
    hit = sigmoid(-(119 - 110 + 1) / 20) / sigmoid(-1)
    total = hit - miss - wrong  # row 60 comes before any window; row 3 is in probation
    total += wrong * sigmoid((125 - 119) / 19) - wrong  # row 190 is more than three windows past
    assert got.score == pytest.approx(100 * (total + 2 * miss) / (2 + 2 * miss))
    assert (got.found, got.false) == (1, 3)


def test_the_best_threshold_is_found() -> None:
    """Not below any other threshold's score, and it takes all rows of one score or none."""
    random = np.random.default_rng(1)
    many = [series(400, (150, 180), (300, 330)), series(300, (100, 120))]
    scores = [np.round(random.random(len(one.value)), 2) for one in many]
    for profile in nab.PROFILES:
        best = nab.score(many, scores, profile)
        every = [nab.score(many, scores, profile, bound).score for bound in np.arange(0, 1.02, 0.01)]
        assert best.score == pytest.approx(max(every))
        assert nab.score(many, scores, profile, best.threshold).score == pytest.approx(best.score)


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="windows"):
        nab.evaluate(tmp_path, None, None, None)


@pytest.mark.skipif(not DATA.exists(), reason="the recordings are not here")
def test_on_the_development_half(tmp_path: Path) -> None:
    """The bars are met; Windowed Gaussian is what NAB's own runner makes of it; scores lie in 0..1, row for row."""
    result = nab.evaluate(DATA, None, None, tmp_path)
    standard, low = result.value("NAB standard"), result.value("NAB low FP")
    assert standard is not None
    assert low is not None
    assert standard >= 60
    assert low >= 50
    row = next(row for row in result.rows if row["name"] == "NAB standard")
    assert row["trivial"]["never"] == 0
    assert row["trivial"]["random"] < 15
    assert row["trivial"]["windowed Gaussian"] == pytest.approx(45.4, abs=0.1)
    assert sum(record.events for record in result.records) == 64
    for name in json.loads((DATA / "combined_windows.json").read_text()):
        source = DATA / "data" / name
        if not source.exists():
            continue
        category, file = name.split("/")
        with (tmp_path / "novelty" / category / f"novelty_{file}").open() as stream:
            rows = list(csv.DictReader(stream))
        assert list(rows[0]) == ["timestamp", "value", "anomaly_score", "label"]
        assert len(rows) == len(source.read_text().splitlines()) - 1
        assert all(0 <= float(row["anomaly_score"]) <= 1 for row in rows)
