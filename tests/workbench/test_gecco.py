"""GECCO and VUS-PR: the definition written out plainly beside the fast one, and the file that is here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domain.errors import SourceError
from workbench.sets import gecco
from workbench.vus import period, vus_pr

DATA = Path(__file__).parents[3] / "shared/data/gecco2018"


def plain_vus_pr(labels: np.ndarray, score: np.ndarray, window: int, thresholds: int) -> float:
    """Every window and threshold by itself, as the measure is defined."""
    n, p = len(score), int(labels.sum())
    edges = np.flatnonzero(np.diff(labels.astype(int), prepend=0, append=0))
    spans = [(a, b - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    bounds = [np.sort(score)[::-1][i] for i in np.linspace(0, n - 1, thresholds).astype(int)]
    areas = []
    for w in range(window + 1):
        half = w // 2
        soft = labels.astype(float)
        for a, b in spans:
            for i in range(n):
                away = i - b if i > b else a - i if i < a else 0
                if 0 < away <= half:
                    soft[i] += np.sqrt(1 - away / w)
        soft = np.minimum(soft, 1)
        groups: list[list[int]] = []
        for a, b in spans:
            if groups and a - half <= groups[-1][1] + half:
                groups[-1][1] = b
            else:
                groups.append([a, b])
        area, before = 0.0, 0.0
        for bound in bounds:
            flagged = score >= bound
            hits = float(soft @ flagged)
            wanted = (p + np.where(labels, 1.0, soft * flagged).sum()) / 2
            met = [flagged[max(a - half, 0) : b + half + 1].any() for a, b in groups]
            recall = min(hits / wanted, 1) * sum(met) / len(met)
            area += (recall - before) * hits / flagged.sum()
            before = recall
        areas.append(area)
    return float(np.mean(areas))


@pytest.mark.parametrize("seed", range(6))
def test_vus_pr_is_as_defined(seed: int) -> None:
    """Random labels (runs that touch when blurred, runs at the ends) and scores, with ties and without."""
    random = np.random.default_rng(seed)
    labels = np.zeros(120, np.bool_)
    for start in random.integers(0, 118, 5):
        labels[start : start + random.integers(1, 9)] = True
    labels[-1] = seed % 2
    score = random.random(120) + labels * random.random(120)
    if seed > 2:
        score = np.round(score, 1)
    assert vus_pr(labels, score, 14, 40) == pytest.approx(plain_vus_pr(labels, score, 14, 40), abs=1e-12)


def test_vus_pr_of_the_labels_themselves_is_one() -> None:
    """Nothing is gained or lost by blurring what is flagged exactly."""
    labels = np.zeros(500, np.bool_)
    labels[100:120] = labels[300:310] = True
    assert vus_pr(labels, labels.astype(float), 20) == pytest.approx(1.0, abs=0.2)
    noise = np.random.default_rng(0).random(500)
    assert vus_pr(labels, noise, 20) < 0.2


def test_period_without_a_rhythm() -> None:
    """A straight line has none: the default window stands in."""
    assert period(np.arange(1000.0)) == 125


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="found none"):
        gecco.evaluate(tmp_path, None, None, None)


def test_rows_with_missing_values_are_dropped(tmp_path: Path) -> None:
    """A row without a value is no row; a file that does not start with the series has nothing but scored rows."""
    path = tmp_path / "part.csv"
    path.write_text(
        ",Time,Tp,Cl,EVENT\n70001,2016-09-20 10:00:00,6.5,0.1,False\n"
        "70002,2016-09-20 10:01:00,NA,0.1,False\n70003,2016-09-20 10:02:00,6.5,0.2,True\n"
    )
    recording = gecco.load(path)
    assert recording.values.tolist() == [[6.5, 0.1], [6.5, 0.2]]
    assert recording.event.tolist() == [False, True]
    assert recording.train == 0


def test_where_a_file_begins_is_told_by_its_time(tmp_path: Path) -> None:
    """Row numbers may be the file's own: only the series' first day begins with training rows."""
    path = tmp_path / "part.csv"
    for day, train in (("2016-08-03", gecco.TRAIN), ("2016-10-01", 0)):
        path.write_text(f"row,Time,Cl,EVENT\n1,{day} 11:49:00,0.1,False\n")
        assert gecco.load(path).train == train
    path.write_text("row,Time,Cl,EVENT\n1,2016-10-01 11:49:00,NA,False\n")
    with pytest.raises(SourceError, match="found none"):
        gecco.load(path)


@pytest.mark.skipif(not DATA.exists(), reason="the recording is not here")
def test_on_the_first_half(tmp_path: Path) -> None:
    """The bars are met: F1 at no more than two false alarms a day, and VUS-PR."""
    result = gecco.evaluate(DATA, None, None, tmp_path)
    f1, false, vus = (result.value(name) for name in ("F1", "false alarms", "VUS-PR"))
    assert f1 is not None
    assert false is not None
    assert vus is not None
    assert f1 >= 0.60
    assert false <= 2
    assert vus >= 0.25
    assert result.rows[0]["trivial"]["always flag"] < 0.05
    assert sum(record.events for record in result.records) == 29
