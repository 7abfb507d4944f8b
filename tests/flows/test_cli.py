"""The command line: what goes wrong is said in one clear message; what is right runs to the end."""

from __future__ import annotations

import gzip
import json
import re
import socket
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pytest

from domain.city_files import shipped_cities
from flows.engine import Engine
from tests.conftest import ROOT
from tests.flows.command import Command
from tests.flows.conftest import Run
from tests.flows.memory import MemorySource
from tests.flows.stored import chdb
from tests.flows.town import CITY, SETTINGS, messages, write_recording, write_town

DATA = ROOT.parent / "shared/data"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the town, a recording of two seconds of it, and things that are wrong."""
    folder = tmp_path_factory.mktemp("cli")
    write_town(folder / "town")
    write_recording(folder / "recording", {name: rows[:20] for name, rows in messages(2).items()})
    (folder / "wrong.csv").write_text("time;pressure\n2020-01-01 00:00:00;1\n")
    (folder / "empty").mkdir()
    (folder / "full").mkdir()
    (folder / "full/notes.txt").write_text("mine")
    return folder


@pytest.fixture(scope="module")
def busy() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield int(sock.getsockname()[1])


@pytest.mark.parametrize(
    "command",
    [
        "",
        "city",
        "replay",
        "review",
        "demo",
        "check",
        "doctor",
        "sql",
        "record",
        "simulate",
        "rehearse",
        "clickhouse",
        "clickhouse serve",
        "dlq",
        "dlq list",
        "dlq show",
        "dlq redrive",
    ],
)
def test_every_command_explains_itself(lifeline: Run, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert lifeline(*command.split(), "--help") == 0
    assert "Usage" in capsys.readouterr().out


CITY_RUN = "city {place}/town {place}/recording --no-recovery --metrics= --serve-port 0"

WRONG = {
    "check nowhere": "nowhere",
    "city nowhere x": "nowhere",
    "replay nowhere x": "nowhere",
    "simulate nowhere out": "nowhere",
    "rehearse holiday": "expected one of quiet",
    "rehearse cabinets {place}/town": "no place left",
    "simulate {place}/town nowhere": "city town: it has no place left",
    "replay {place}/town missing": "missing",
    "replay {place}/town {place}/empty": "nothing to read",
    "replay skab {place}/wrong.csv": "wrong.csv",
    "replay {place}/town {place}/wrong.csv": "wrong.csv",
    "city {place}/town kafka:// --metrics=": "kafka://BROKER:PORT/TOPIC",
    "city {place}/town simulator:?weather=fine --metrics=": "weather",
    "city {place}/town simulator:?minutes=some --metrics=": "whole number",
    "city {place}/town missing --metrics=": "missing",
    "city {place}/town {place}/recording --metrics nonsense": "--metrics",
    "city {place}/town {place}/recording --metrics 127.0.0.1:{busy}": "{busy}",
    "city {place}/town {place}/recording --metrics 127.0.0.1:99999": "99999",
    "city {place}/town {place}/recording --no-recovery --metrics= --serve-port {busy}": "{busy}",
    "city {place}/town {place}/recording --metrics= --serve-port 0 -r {place}/full": "recovery store",
    f"{CITY_RUN} --dsn ftp://somewhere": "chdb://",
    f"{CITY_RUN} --dsn clickhouse://me:secret@somewhere/x": "environment",
    f"{CITY_RUN} --dsn clickhouse://127.0.0.1:1/x": "ClickHouse",
    f"{CITY_RUN} --kafka-alerts nonsense": "kafka://BROKERS/TOPIC",
    f"{CITY_RUN} --speed 0": "speed",
    "city {place}/town simulator: --metrics=": "no place left",
    "city {place}/town simulator: --no-recovery --metrics= --serve-port 0 --speed 0": "speed",
    f"{CITY_RUN} -a 127.0.0.1:1;127.0.0.1:2 -i 2 --dsn clickhouse://127.0.0.1:1/x": "process",
    "record out --topic t --start someday": "someday",
    "simulate {place}/town {place}/full --minutes 1": "neither empty nor a recording",
    "sql SELECT --dsn {place}": "chdb://",
    "sql SELECT --dsn chdb://{place}/none": "no database",
    "clickhouse serve --dsn clickhouse://somewhere": "chdb://",
    "dlq list --dsn chdb://{place}/none": "no database",
    "dlq redrive nowhere": "nowhere",
    "review nowhere": "nowhere",
    "review {place}/town --kafka-alerts nonsense": "kafka://BROKERS/TOPIC",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_said(
    lifeline: Run, capsys: pytest.CaptureFixture[str], place: Path, busy: int, line: str
) -> None:
    """Exit code 1 and a message that names it, never a traceback."""
    assert lifeline(*(word.format(place=place, busy=busy) for word in line.split())) == 1
    said = capsys.readouterr().err
    assert WRONG[line].format(busy=busy) in said
    assert "Traceback" not in said
    assert len(said) < 1000


@pytest.mark.parametrize(
    "line", ["city town recording -w 0", "sql x --format xml", "replay town rec --batch none", "fly"]
)
def test_what_is_no_command_line_is_refused(lifeline: Run, capsys: pytest.CaptureFixture[str], line: str) -> None:
    """Exit code 2, as of every command that is called the wrong way."""
    assert lifeline(*line.split()) == 2
    assert "Usage" in capsys.readouterr().err


def test_an_error_inside_a_run_is_one_message(place: Path, tmp_path: Path) -> None:
    """As a process: a recording that breaks off in the middle ends the run with 1 and the name of the file."""
    (tmp_path / "cut.ndjson.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    line = ("city", place / "town", tmp_path / "cut.ndjson.gz", "--no-recovery", "--metrics=", "--serve-port", 0)
    with Command(tmp_path, *line, "--dsn", chdb(tmp_path / "clickhouse")) as run:
        assert run.wait() == 1
        assert "cut.ndjson.gz" in run.err
        assert "Traceback" not in run.err


@pytest.mark.parametrize("name", sorted(shipped_cities()))
def test_shipped_cities_are_right(lifeline: Run, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert lifeline("check", name) == 0
    assert name in capsys.readouterr().out


def test_the_simulated_town_replays(lifeline: Run, capsys: pytest.CaptureFixture[str], place: Path) -> None:
    """What `simulate` writes `replay` reads."""
    assert lifeline("simulate", place / "town", "simulated", "--minutes", 1) == 0
    assert lifeline("replay", place / "town", "simulated", "--dsn", "chdb://./clickhouse") == 0
    said = capsys.readouterr().out
    assert "incidents in" in said
    assert "readings" in said


#: City, record, and how many of its lines are read.
RECORDS = [
    ("skab", "skab/valve1/0.csv", 2_000),
    ("munich", "munich_bridge/UniBw_2022-04-11_support_01_lowering_01DMS_CNAt100Hz.csv.zip", 4_000),
    ("hanoi", "leakdb_hanoi_regen/Hanoi_Scenario-3.csv.gz", 1_000),
]


def _head(path: Path, lines: int) -> bytes:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
            return b"".join(islice(file, lines))
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return b"".join(islice(file, lines))


@pytest.mark.parametrize(("city", "record", "lines"), RECORDS, ids=[name for name, _, _ in RECORDS])
def test_real_records_replay(
    lifeline: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, city: str, record: str, lines: int
) -> None:
    """The beginning of each, end to end: read by the city's mapping and stored, every reading of it."""
    if not (DATA / record).is_file():
        pytest.skip(f"no {record} beside the checkout")
    file = tmp_path / re.sub(r"\.(gz|zip)$", "", Path(record).name)
    file.write_bytes(_head(DATA / record, lines))
    assert lifeline("replay", city, file, "--dsn", "chdb://./clickhouse") == 0
    assert "alert" in capsys.readouterr().out
    stored = f"chdb://./clickhouse?database=replay_{re.sub(r'[^a-z0-9]+', '_', file.stem.lower())}"
    query = "SELECT count() AS n, uniqExact(sensor) AS sensors, uniqExact(ts) AS times FROM readings"
    assert lifeline("sql", query, "--format", "json", "--dsn", stored) == 0
    found = {name: int(count) for name, count in json.loads(capsys.readouterr().out).items()}
    rows = len(file.read_bytes().splitlines()) - 1
    assert rows - 3 <= found["times"] <= rows, "a line each, but for what stands above the columns"
    assert found["n"] >= found["times"] * found["sensors"] * 0.99


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with a dead letter that is no text."""
    dsn = chdb(tmp_path_factory.mktemp("sql") / "clickhouse")
    stream = {"p": [(1_764_000_000_000_000_000, b"\xff")]}
    Engine(CITY, SETTINGS, MemorySource(stream, 10), dsn).run()
    return dsn


@pytest.mark.parametrize("format", ["table", "json", "csv", "arrow"])
def test_sql_answers_in_every_format(
    lifeline: Run, capsysbinary: pytest.CaptureFixture[bytes], answered: str, format: str
) -> None:
    """Also where a payload is no UTF-8."""
    query = "SELECT reason, payload, offset FROM dead_letters"
    assert lifeline("sql", query, "--dsn", answered, "--format", format) == 0
    out = capsysbinary.readouterr().out
    if format == "json":
        assert json.loads(out)["reason"] == "not-utf8"
    elif format == "csv":
        assert out.splitlines()[0] == b'"reason","payload","offset"'
        assert b"not-utf8" in out
    elif format == "arrow":
        assert pa.ipc.open_stream(out).read_all().num_rows == 1
    else:
        assert "not-utf8" in out.decode()


def test_sql_says_what_is_wrong_with_a_query(lifeline: Run, capsys: pytest.CaptureFixture[str], answered: str) -> None:
    assert lifeline("sql", "SELECT nonsense", "--dsn", answered) == 1
    assert "nonsense" in capsys.readouterr().err


def test_a_rehearsal_says_what_was_found(lifeline: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Two days of a few regulator cabinets: the seats that creep are found, and nothing else."""
    assert lifeline("rehearse", "cabinets", "--every", 12) == 0
    said = capsys.readouterr().out
    assert "3 of 3 incidents found" in said
    assert "no false alert" in said
    figures = {row["name"]: row for row in json.loads(Path("build/rehearsal.json").read_text())["figures"]}
    assert figures["false alerts per sensor-year"]["holds"]
