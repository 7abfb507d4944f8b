"""The commands, on a small set and recordings of the tests' own."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner, Result

import workbench
from domain.city import City, Level, Sensor, Zone
from domain.city_files import write_city
from domain.clock import SECOND
from domain.errors import SourceError
from domain.monitors import Monitor, Select
from domain.recording import RecordingFormat
from domain.settings import EngineSettings, TimeRules
from flows.cli import app
from flows.engine import Engine
from sources.recorded import open_recording
from tests.flows.stored import chdb
from workbench import sets
from workbench.result import RecordScore, SetResult, figure
from workbench.targets import SetTarget

LOOP = City(
    "loop",
    "UTC",
    (Sensor("FLOW", "flow", "L/min", "Z"), Sensor("P", "pressure", "bar", "Z")),
    zones={"Z": Zone("Z")},
    levels=(Level(1, "I"), Level(2, "II")),
    monitors=(
        Monitor("low", "threshold", "valve-fault", Select(kinds=("flow",)), {"falling": ["20 L/min"]}, levels=(2,)),
        Monitor("silent", "drop_out", "sensor-fault", Select(), {"intervals": 100.0}, levels=(2,)),
    ),
    recording=RecordingFormat("time", {"flow": "FLOW", "pressure": "P"}, labels=("label",)),
)


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    """A city and four labelled records: a valve closes slowly; in one of them the flow dips before, without a label."""
    settings = EngineSettings(shards=1, time=TimeRules(lateness=0))
    write_city(LOOP, tmp_path / "loop", settings)
    (tmp_path / "data").mkdir()
    for number in range(4):
        lines = ["time,flow,pressure,label"]
        for i in range(200):
            dip = number == 2 and 50 <= i < 55
            flow = 17.0 if dip else 32.0 - max(0, min(i - 120, 20)) * 1.5 + 0.1 * (i * 7 % 11)
            lines.append(f"2026-01-01T0{number}:{i // 60:02}:{i % 60:02}Z,{flow:.2f},3.0,{int(120 <= i < 180)}")
        (tmp_path / "data" / f"{number}.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def lifeline(*arguments: object, code: int = 0) -> Result:
    """Run the command in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_replay_with_other_parameters_is_in_memory(loop: Path) -> None:
    """Alerts beside labels for each record, and nothing written anywhere."""
    (loop / "p.toml").write_text('falling = ["10 L/min"]')
    before = set(loop.rglob("*"))
    out = lifeline(
        "replay", loop / "loop", loop / "data", "--detector", "threshold", "--params", loop / "p.toml"
    ).output
    assert out.count("valve-fault 4") == 1
    assert "0.csv" in out
    assert set(loop.rglob("*")) == before
    out = lifeline("replay", loop / "loop", loop / "data", "--detector", "threshold").output
    assert "valve-fault 5" in out


def test_replay_from_a_database(loop: Path, directory: Path, engine: Client) -> None:
    """Readings that an earlier run stored are judged by other monitors, whole or a part."""
    dsn = chdb(directory, "loop")
    settings = EngineSettings(shards=1)
    Engine(LOOP, settings, open_recording(loop / "data/2.csv", LOOP), dsn).run()
    out = lifeline("replay", loop / "loop", dsn).output
    assert "valve-fault 2" in out
    assert "400" in out
    out = lifeline("replay", loop / "loop", dsn, "--since", "2026-01-01T02:01:30").output
    assert "valve-fault 1" in out
    result = CliRunner().invoke(app, ["replay", str(loop / "loop"), str(loop / "data"), "--since", "2026-01-01"])
    assert "from a database only" in str(result.exception)


def test_tune_writes_monitors_that_compare_reads(loop: Path) -> None:
    """The dip is passed over by what is found, the valve is still found; compare says which alert vanished."""
    out = loop / "tuned"
    said = lifeline(
        "tune", loop / "data", "--city", loop / "loop", "--detector", "threshold", "--trials", 25, "--out", out,
        "--search", "falling",
    ).output  # fmt: skip
    assert "held out" in said
    (monitor,) = tomllib.loads((out / "monitors.toml").read_text())["monitor"]
    assert (monitor["name"], monitor["levels"], monitor["select"]) == ("low", ["II"], {"kinds": ["flow"]})
    assert float(monitor["params"]["falling"][0].split()[0]) < 17
    assert (out / "front.png").stat().st_size
    assert "<svg" in (out / "front.html").read_text()
    said = lifeline(
        "compare", loop / "loop/monitors.toml", out / "monitors.toml", loop / "data", "--city", loop / "loop"
    ).output
    assert "4 moved, 1 vanished, 0 appeared" in said


def test_what_cannot_be_tuned_is_said(loop: Path) -> None:
    """A recording without labels gives nothing to tune against."""
    write_city(City("bare", "UTC", LOOP.sensors, zones=LOOP.zones), loop / "bare")
    (loop / "one.ndjson").write_text('{"sensor":"P","ts":1764000000123,"value":0.42}\n')
    result = CliRunner().invoke(
        app, ["tune", str(loop / "one.ndjson"), "--city", str(loop / "bare"), "--detector", "ewma"]
    )
    assert "no labels to tune against" in str(result.exception)


class _Ours:
    """A set of our own: a detector's z decides how early it pages, and how often for nothing."""

    DEFAULT = "ewma"
    FOLDER = "ours"

    @staticmethod
    def evaluate(folder: Path, detector: str | None, params: Mapping[str, Any] | None, out: Path | None) -> SetResult:
        if not folder.is_dir():
            raise SourceError(f"{folder}: no such folder")
        limit = float((params or {}).get("z", [6.0])[0])
        records = [RecordScore(f"r{i}", 1, (limit,), int(limit < 3 + i / 10), 30.0) for i in range(4)]
        rows = [
            figure("F1", 1 / limit, bar="0.10", met=limit <= 10, trivial={"always flag": 0.7}, published="other .12"),
            figure("delay", None, unit="s", note="nothing found"),
        ]
        return SetResult("ours", rows, detector or "ewma", records)


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(sets, "names", lambda: ("ours",))
    monkeypatch.setattr(sets, "import_module", lambda name: SimpleNamespace(**vars(_Ours)))
    (tmp_path / "ours").mkdir()
    return tmp_path


def test_score_writes_what_it_prints(ours: Path) -> None:
    """The table has ours, the bar, the published and the trivial; the file has the same for machines."""
    file = ours / "score.json"
    out = lifeline("score", "all", ours, "--figures", file).output
    assert all(text in out for text in ("0.1667", "0.10", "other .12", "always flag 0.7", "nothing found"))
    said = json.loads(file.read_text())
    assert {"name", "value", "unit", "bar", "holds"} in [figure.keys() for figure in said["figures"]]
    (written,) = said["sets"]
    assert (written["set"], written["detector"], written["passed"]) == ("ours", "ewma", True)
    assert written["figures"][0]["ours"] == pytest.approx(1 / 6)
    assert written["false_per_sensor_year"] == 0


def test_a_set_that_is_not_there_fails_loudly(ours: Path) -> None:
    """The others are still scored; the exit code tells."""
    assert "no such folder" in lifeline("score", "ours", ours / "nothing", code=1).output
    assert "expected one of ours" in str(CliRunner().invoke(app, ["score", "thiers", str(ours)]).exception)


def test_tune_on_a_set(ours: Path) -> None:
    """The least z that never pages for nothing; the monitor has what was given, too."""
    (ours / "p.toml").write_text("z = [8.0]\nhalf_life = 60.0")
    out = ours / "tuned"
    lifeline(
        "tune", "ours", "--detector", "ewma", "--data", ours, "--search", "z", "--params", ours / "p.toml",
        "--out", out, "--trials", 30,
    )  # fmt: skip
    (monitor,) = tomllib.loads((out / "monitors.toml").read_text())["monitor"]
    assert 3.3 <= monitor["params"]["z"][0] < 4
    assert monitor["params"]["half_life"] == 60.0


def test_tune_begins_with_the_sets_own_parameters(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the set gives its default detector is the first trial and a row of the table; what is given comes on top."""
    monkeypatch.setattr(_Ours, "PARAMS", {"z": [5.4321], "half_life": 40.0}, raising=False)
    target = SetTarget("ours", ours / "ours", "ewma", None)
    assert target.monitor.params == {"z": [5.4321], "half_life": 40.0}
    (ours / "p.toml").write_text("half_life = 60.0")
    given = SetTarget("ours", ours / "ours", "ewma", ours / "p.toml")
    assert given.monitor.params == {"z": [5.4321], "half_life": 60.0}
    assert SetTarget("ours", ours / "ours", "cusum", None).monitor.params == {}
    out = ours / "tuned"
    shown = lifeline(
        "tune", "ours", "--detector", "ewma", "--data", ours, "--search", "z", "--out", out, "--trials", 20
    ).output
    assert "as it was" in shown
    assert "5.4321" in shown.replace("\n", "")
    assert "as it was" in (out / "front.html").read_text()
    (monitor,) = tomllib.loads((out / "monitors.toml").read_text())["monitor"]
    assert monitor["params"]["half_life"] == 40.0


def test_the_functions_return_tables(ours: Path, loop: Path) -> None:
    """The same from Python, as Arrow tables with times that are times."""
    scores = workbench.score("ours", ours / "ours", params={"z": [4.0]})
    assert scores.column("ours").to_pylist() == [0.25, None]
    replayed = workbench.replay(loop / "data", loop / "loop", "threshold", {"falling": ["10 L/min"]})
    assert replayed.alerts.num_rows == 4
    assert replayed.alerts.schema.field("raised").type == pa.timestamp("ns", "UTC")
    assert replayed.findings.column("detector").unique().to_pylist() == ["threshold"]
    assert replayed.readings == 4 * 400
    first = replayed.alerts.column("raised").cast(pa.int64())[0].as_py()
    assert first % SECOND == 0
    (loop / "b.toml").write_text((loop / "loop/monitors.toml").read_text().replace("20 L/min", "10 L/min"))
    table = workbench.compare(loop / "loop/monitors.toml", loop / "b.toml", loop / "data", loop / "loop")
    assert sorted(table.column("change").to_pylist()) == ["moved"] * 4 + ["vanished"]
    assert all(shift > 0 for shift in table.column("shift").to_pylist() if shift is not None)


def test_the_city_of_a_recording_is_found(root: Path) -> None:
    """By its sensors: whoever replays a shipped city's recording need not name it."""
    folder = root / "../shared/data/skab/valve1"
    if not folder.is_dir():
        pytest.skip("the recordings are not there")
    assert workbench.replay(folder / "1.csv", detector="cusum").alerts.num_rows >= 1
