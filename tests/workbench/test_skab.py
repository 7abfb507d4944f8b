"""SKAB: the counts by hand, no look-ahead, and the files that are here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domain.errors import ConfigError, SourceError
from workbench.sets import skab

DATA = Path(__file__).parents[3] / "shared/data/skab"
here = pytest.mark.skipif(not DATA.exists(), reason="the recordings are not here")


def test_counts_leave_the_training_rows_out() -> None:
    """Of 404 rows four are scored: one of each kind."""
    anomaly, alarm = np.zeros(404, np.bool_), np.zeros(404, np.bool_)
    anomaly[[3, 400, 402]] = alarm[[5, 400, 401]] = True
    assert skab.counts(anomaly, alarm) == (1, 1, 1, 1)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="found none"):
        skab.evaluate(tmp_path, None, None, None)


@here
def test_on_valve1(tmp_path: Path) -> None:
    """The bar is met, beside the trivial detector that flags all; scores are written for every row."""
    result = skab.evaluate(DATA, None, None, tmp_path)
    f1, far = result.value("F1"), result.value("FAR")
    assert f1 is not None
    assert far is not None
    assert f1 >= 0.80
    assert far <= 15
    assert result.rows[0]["trivial"]["always flag"] == pytest.approx(0.698, abs=0.001)
    written = tmp_path / "skab/recursive_pca/valve1/0.csv"
    assert len(written.read_text().splitlines()) == 1148
    assert '"shares": {"Accelerometer1RMS"' in written.with_suffix(".jsonl").read_text()


@here
def test_what_comes_later_changes_nothing_before(tmp_path: Path) -> None:
    """A file that is cut off scores its rows as the whole file does."""
    (tmp_path / "cut").mkdir()
    lines = (DATA / "valve1/3.csv").read_text().splitlines()
    (tmp_path / "cut/3.csv").write_text("\n".join(lines[:800]))
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole/3.csv").write_text("\n".join(lines))
    for name in ("cut", "whole"):
        skab.evaluate(tmp_path / name, None, None, tmp_path / "out")
    cut, whole = ((tmp_path / f"out/skab/recursive_pca/{name}/3.csv").read_text() for name in ("cut", "whole"))
    assert whole.startswith(cut)


@here
def test_any_detector_can_be_scored() -> None:
    """One of single sensors watches each column; a parameter that does not exist is a clear error."""
    result = skab.evaluate(DATA, "robust_mad", {"z": [12.0]}, None)
    assert result.detector == "robust_mad"
    assert result.value("FAR") is not None
    with pytest.raises(ConfigError, match="nonsense"):
        skab.evaluate(DATA, "robust_mad", {"nonsense": 1}, None)


def test_columns_in_any_order(tmp_path: Path) -> None:
    """Channels are all columns but the time and the labels, wherever they stand."""
    path = tmp_path / "1.csv"
    path.write_text(
        "datetime;changepoint;A;anomaly;B\n2020-03-09 10:14:33;0.0;1.5;0.0;\n2020-03-09 10:14:34;1.0;2;1.0;3\n"
    )
    recording = skab.load(path)
    assert recording.sensors == ["A", "B"]
    np.testing.assert_array_equal(recording.values, [[1.5, np.nan], [2.0, 3.0]])
    assert recording.anomaly.tolist() == [False, True]


def test_a_recording_of_training_rows_alone_has_nothing_to_score(tmp_path: Path) -> None:
    """No time was scored: no rate of false alarms."""
    rows = "".join(f"2020-03-09 10:{i // 60:02}:{i % 60:02};1.0;0.0\n" for i in range(300))
    (tmp_path / "1.csv").write_text("datetime;A;anomaly\n" + rows)
    assert skab.evaluate(tmp_path, None, None, None).value("false alarms") is None
