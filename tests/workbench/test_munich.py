"""The Munich set by its rules, and on the records that are at hand."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from detectors.contract import MARK
from domain.clock import SECOND
from domain.errors import ConfigError, SourceError
from workbench.sets import get, munich

DATA = Path(__file__).parents[3] / "shared" / "data" / munich.FOLDER


def write_record(folder: Path, name: str, value: np.ndarray, hz: float = 10.0) -> None:
    """A record in the set's layout, with day and month swapped as there."""
    start = np.datetime64("2022-04-11T08:00:00.000", "ms")
    times = start + (np.arange(len(value)) * 1000 / hz).astype("timedelta64[ms]")
    lines = [f"2022-11-04 {str(t)[11:]},{v:.6f}" for t, v in zip(times, value, strict=True)]
    (folder / name).write_text("\n".join(["Time (-),DMS_CN (um/m)", *lines]) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bridge of one's own: a support that sinks, a vehicle that stands two minutes, a warm morning, and quiet."""
    rng = np.random.default_rng(3)
    t = np.arange(12_000) / 10
    noise = rng.normal(0, 0.25, len(t))
    shapes = {
        "x_support_02_lowering_01DMS_CN.csv": -13.0 * np.clip((t - 400) / 300, 0, 1),
        "x_support_02_lowering_02DMS_CN.csv": 0.0 * t - 13,
        "x_support_load_02DMS_CN.csv": 8.0 * ((t > 500) & (t < 630)),
        "x_ref_ambientDMS_CN.csv": t / 3600 * 18,
    }
    for name, shape in shapes.items():
        write_record(tmp_path, name, shape + noise)
    return tmp_path


def test_what_stays_is_found_and_what_passes_is_not(folder: Path, tmp_path: Path) -> None:
    """A fall of 13 um/m over five minutes, beside a standing vehicle and 18 um/m an hour of warmth; scores are
    written row by row, and the alarm stands in them from the moment it was known.
    """
    result = munich.evaluate(folder, None, None, tmp_path / "out")
    assert result.passed
    assert (result.value("permanent changes found"), result.value("false alarms")) == (1, 0)
    out = tmp_path / "out/munich/strain_shift"
    rows = (out / "x_support_02_lowering_01DMS_CN.csv").read_text().splitlines()
    assert rows[0] == '"timestamp","score","alarm"'
    assert len(rows) == 12_001
    first = next(row for row in rows[1:] if row.endswith(",1"))
    (alarm,) = map(json.loads, (out / "x_support_02_lowering_01DMS_CN.jsonl").read_text().splitlines())
    assert first[:19] == alarm["start"][:19].replace("T", " ")
    assert first.startswith("2022-04-11 08:1")
    assert (out / "x_ref_ambientDMS_CN.jsonl").read_text() == ""


def test_a_row_is_scored_without_the_rows_after_it(folder: Path, tmp_path: Path) -> None:
    """Cut a record short: what is left scores the same."""
    name = "x_support_02_lowering_01DMS_CN.csv"
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / name).write_text("\n".join((folder / name).read_text().splitlines()[:7001]))
    munich.evaluate(folder, None, None, tmp_path / "whole")
    munich.evaluate(cut, None, None, tmp_path / "short")
    whole, short = ((tmp_path / out / "munich/strain_shift" / name).read_text() for out in ("whole", "short"))
    assert whole.startswith(short)


def test_any_detector_of_single_sensors_can_be_scored(folder: Path) -> None:
    """A threshold without a hold takes every vehicle for a change: the set tells the two apart."""
    result = munich.evaluate(folder, "threshold", {"rising": ["5 um/m"], "falling": ["-5 um/m"]}, None)
    assert result.value("permanent changes found") == 1
    assert result.value("false alarms") == 3
    assert not result.passed
    with pytest.raises(ConfigError, match="single sensors"):
        munich.evaluate(folder, "recursive_pca", None, None)


def test_episodes_up_to_a_minute_apart_are_one() -> None:
    """By hand: 10 to 20 s and 80 to 90 s are one, 151 s and later is another, which never ends."""
    marks = np.zeros(5, MARK)
    marks["ts"] = np.array([10, 20, 80, 90, 151]) * SECOND
    marks["grade"] = [1, 0, 2, 0, 1]
    assert munich.episodes(marks, 300 * SECOND) == [(10 * SECOND, 90 * SECOND), (151 * SECOND, 300 * SECOND)]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """An empty folder, and a file that is no archive."""
    with pytest.raises(SourceError, match="holds no records"):
        munich.evaluate(tmp_path, None, None, None)
    (tmp_path / "a_lowering_01DMS_CN.csv.zip").write_bytes(b"no archive")
    with pytest.raises(SourceError, match="cannot be read"):
        munich.evaluate(tmp_path, None, None, None)


def test_archives_and_several_gauges_are_read(tmp_path: Path) -> None:
    """Zipped records as the set ships them; each strain column is a sensor, forces and inclinations are not."""
    text = "Time (-),ACC01_z [g],DMS_AS [um/m],DMS_BS [um/m],INC01 [deg]\n2022-11-04 08:36:24.897,1,-478.4,2,3\n"
    with zipfile.ZipFile(tmp_path / "ref_load_01AllM.csv.zip", "w") as archive:
        archive.writestr("folder/any.csv", text)
    (a, b) = munich.records(tmp_path)
    assert (a.name, a.value[0], b.name, b.value[0]) == ("ref_load_01AllM_DMS_AS", -478.4, "ref_load_01AllM_DMS_BS", 2)
    assert str(np.datetime64(int(a.ts[0]), "ns")) == "2022-04-11T08:36:24.897000000"


def test_days_beyond_the_twelfth_are_not_swapped(tmp_path: Path) -> None:
    """There is no 27th month: such a record has its date in order."""
    (tmp_path / "load_01DMS_CN.csv").write_text("Time (-),DMS_CN (um/m)\n2022-04-27 08:36:24.897,1\n")
    (record,) = munich.records(tmp_path)
    assert str(np.datetime64(int(record.ts[0]), "ns")) == "2022-04-27T08:36:24.897000000"


@pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not at hand (../shared/data)")
def test_the_records_at_hand() -> None:
    """The bar: the permanent change is found, and no record gives a false alarm."""
    result = get("munich").evaluate(DATA, None, None, None)
    assert result.passed
    assert result.value("permanent changes found") == 1
    assert len(result.records) == 5
