"""LeakDB's rules by hand, its baseline as a check of the scorer, and our figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domain.errors import SourceError
from workbench.sets import leakdb
from workbench.spans import runs

DATA = Path(__file__).parents[3] / "shared/data" / leakdb.FOLDER
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not there")


def flags(text: str) -> np.ndarray:
    return np.array([c == "1" for c in text])


def test_early_detection_by_hand() -> None:
    """A leak of 5 rows near the end: the window is 4 + 5 rows long; first flagged 2 after its start."""
    label = flags("0000111110000000"[:14])
    assert leakdb.early(label, label) == [0.0]  # flags that end with the leak hold for 5 of 10 rows of its window
    held = flags("00000011111111")
    assert leakdb.early(label, held) == [pytest.approx(2 / (1 + np.exp(5 * 2 / 9)))]


def test_early_detection_wants_flags_that_hold() -> None:
    """More than 75 % of the rows from the first flag on: one row alone earns nothing, nor does never."""
    label = flags("0" * 10 + "1" * 40 + "0" * 20)
    assert leakdb.early(label, flags("0" * 12 + "1" + "0" * 57)) == [0.0]
    assert leakdb.early(label, flags("0" * 70)) == [0.0]
    assert leakdb.early(label, flags("0" * 10 + "1" * 60)) == [1.0]


def test_confusion_by_hand() -> None:
    """TP 2, FP 1, FN 1, TN 4."""
    scored = leakdb.score([flags("01110000")], [flags("00110001")])
    assert (scored.tpr, scored.tnr, scored.f1) == pytest.approx((200 / 3, 80.0, 400 / 6))
    assert scored.false_a_year == pytest.approx(365 / (8 / 48))


def test_the_baseline_flags_days_above_the_last_ten() -> None:
    """A day 25 % above is flagged at 20 %, and not remembered; acting from 06:00 moves the flags by twelve rows."""
    flow = np.repeat([100.0] * 11 + [125.0] * 2 + [100.0], 48)
    assert runs(leakdb.minimum_night_flow(flow, 0.2)) == [(11 * 48, 13 * 48 - 1)]
    assert runs(leakdb.minimum_night_flow(flow, 0.2, acts=12)) == [(11 * 48 + 12, 13 * 48 + 11)]
    assert not leakdb.minimum_night_flow(flow, 0.3).any()


def test_nothing_to_read(tmp_path: Path) -> None:
    """An empty folder is an error that says what was expected."""
    with pytest.raises(SourceError, match="Hanoi_Scenario"):
        leakdb.evaluate(tmp_path, None, None, None)


@needs_data
def test_the_bars_are_reached(tmp_path: Path) -> None:
    """Both detectors reach the bars; the published baseline scores as published, within what 20 of 1000 allow."""
    result = leakdb.evaluate(DATA, None, None, tmp_path)
    assert result.passed
    assert (result.value("F1") or 0) > 90
    trivial = next(row["trivial"] for row in result.rows if row["name"] == "F1")
    assert abs(trivial["MNF 20 % here"] - 56.5) < 10
    assert len(list((tmp_path / "leakdb/pressure_residual").glob("*.csv"))) == len(result.records)
    assert (leakdb.evaluate(DATA, "night_flow", None, None).value("F1") or 0) > 70
