"""The monitors of the recorded cities against the labels of their recordings, detector by detector."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from detectors.contract import MARK, ONSET
from detectors.registry import build
from domain.city import City
from domain.city_files import load_city
from domain.selection import selected

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not at hand (../shared/data)")

Rows = list[Mapping[str, str]]


def read(path: Path, city: City) -> tuple[Rows, npt.NDArray[np.int64]]:
    """The rows of a recording and their times in ns."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(archive.namelist()[0])
    form = city.recording
    assert form is not None
    rows: Rows = list(csv.DictReader(io.StringIO(data.decode()), delimiter=form.delimiter))
    times = [datetime.strptime(row[form.time] + "+0000", form.format + "%z") for row in rows]
    return rows, np.array([round(time.timestamp() * 1000) for time in times], np.int64) * 1_000_000


def onsets(city: City, rows: Rows, ts: npt.NDArray[np.int64]) -> dict[str, list[int]]:
    """Rows at which each monitor says that something begins."""
    form = city.recording
    assert form is not None
    column = {sensor: name for name, sensor in form.columns.items()}
    found: dict[str, list[int]] = {}
    for monitor in city.monitors:
        found[monitor.name] = []
        for sensor in (city.sensors[i] for i in selected(city, monitor.select)):
            if column[sensor.id] not in rows[0]:
                continue
            value = np.array([float(row[column[sensor.id]]) for row in rows])
            low, high, rate = (np.array([x]) for x in (sensor.low, sensor.high, sensor.rate))
            detector = build(monitor.detector, monitor.params, low, high, rate, sensor.unit)
            out = np.zeros(2 * len(ts), MARK)
            marks = out[: detector.rows(np.zeros(1, np.int32), np.zeros(len(ts), np.int32), ts, value, out)]
            found[monitor.name] += np.searchsorted(ts, marks["ts"][marks["phase"] == ONSET]).tolist()
    return found


def test_skab():
    """The closing valve is found in every file, with one false onset in all, and no sensor is called faulty."""
    city = load_city("skab")
    false = 0
    for path in sorted((DATA / "skab/valve1").glob("*.csv")):
        rows, ts = read(path, city)
        found = onsets(city, rows, ts)
        labelled = [i for i, row in enumerate(rows) if float(row["anomaly"])]
        inside = [labelled[0] <= at <= labelled[-1] for at in found.pop("flow-shift") + found.pop("flow-jump")]
        assert any(inside), path.name
        false += len(inside) - sum(inside)
        assert not any(found.values()), (path.name, found)
    assert false <= 1


@pytest.mark.parametrize(
    ("record", "settled"), [("ref_support_load_01DMS_CN", False), ("support_01_lowering_01DMS_CN", True)]
)
def test_munich(record: str, settled: bool):
    """A lowered support is found; vehicles that cross and park are not taken for one. The sensors are sound."""
    city = load_city("munich")
    (path,) = (DATA / "munich_bridge").glob(f"*{record}*.zip")
    rows, ts = read(path, city)
    assert np.datetime64(int(ts[0]), "ns").astype("datetime64[D]") == np.datetime64("2022-04-11")
    found = onsets(city, rows, ts)
    assert bool(found.pop("support-settled")) == settled
    found.pop("strain-rising")
    assert not any(found.values()), found


@pytest.mark.parametrize(("scenario", "leaks"), [(1, False), (12, False), (9, True), (19, True)])
def test_hanoi(scenario: int, leaks: bool):
    """Large leaks are found while they run, a year without leaks is quiet."""
    city = load_city("hanoi")
    rows, ts = read(DATA / f"leakdb_hanoi_regen/Hanoi_Scenario-{scenario}.csv.gz", city)
    found = onsets(city, rows, ts)
    signs = [at for name in ("pressure-shift", "inflow-shift", "inflow-high") for at in found.pop(name)]
    assert all(rows[at]["Label"] == "1" for at in signs)
    assert bool(signs) == leaks
    assert not any(found.values()), found
