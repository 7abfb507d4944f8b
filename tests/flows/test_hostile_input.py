"""What comes from outside stays data: it is no SQL, no path, no pickle and no line of a log or a metrics page."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from domain.city import Camera, Sensor, Zone
from domain.clock import MILLISECOND
from domain.streams import batches
from flows.commands.replay import _database
from flows.dlq import Filter, counts, letters
from flows.engine import Engine
from sinks.clickhouse.client import Dsn, connect
from sinks.clickhouse.read import STORED, alerts_of
from sources.clickhouse import open_readings
from sources.recorded import open_recording
from sources.recorder import Recorder, partitions
from tests.flows.memory import MemorySource
from tests.flows.stored import chdb
from tests.flows.town import CITY, SETTINGS, T0, Messages, action, event, reading, report, write_recording

NAMES = (
    "x'); DROP TABLE readings; --",
    '"; DROP TABLE readings; /*',
    "\\'; SELECT sleep(3) --",
    "{sensor:String} %s %(x)s {{7*7}} ${HOME} `id` $(touch pwned)",
    "../../../../tmp/pwned",
    "C:\\..\\pwned",
    "new\nline\tand\x00nul",
    "\u202egnirts\u2028 ☠",
    " ",
    "NULL",
)

#: What people may say: no control characters.
SAID = tuple(name for name in NAMES if "\n" not in name)


class _Pwn:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._path),)


def stream(pwned: Path) -> Messages:
    """A leak at every sensor, smoke before every camera, and dead letters; partitions with names as bad as theirs."""
    found: dict[str, list[tuple[int, bytes]]] = {f"{name}/0": [] for name in NAMES}
    for name, rows in zip(NAMES, found.values(), strict=True):
        for ms in range(0, 20_000, 1000):
            rows.append(((T0 + ms) * MILLISECOND, reading(name, ms, 50.0 if 5_000 <= ms < 15_000 else 1.0)))
        rows.append(((T0 + 20_000) * MILLISECOND, event(name, 10_000)))
        if name in SAID:
            ms = 10_000 + NAMES.index(name)  # another id for each
            rows.append(((T0 + 20_000) * MILLISECOND, report(ms, zone="", lon=115.8, lat=33.8, text=name)))
            rows.append(((T0 + 20_000) * MILLISECOND, action("dispatch", ms, case=name, unit=name, comment=name)))
        rows.append(((T0 + 20_000) * MILLISECOND, reading(name, 500, 1.0)))  # late
        rows.append(((T0 + 20_000) * MILLISECOND, reading(f"unknown {name}", 10_000, 1.0)))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            rows.append(((T0 + 20_000) * MILLISECOND, pickle.dumps(_Pwn(pwned), protocol)))
        rows.append(((T0 + 20_000) * MILLISECOND, f'{{"sensor": "{name}'.encode()))
    return found


HOSTILE = replace(
    CITY,
    name=NAMES[0],
    sensors=tuple(Sensor(name, "gas-lel", "%LEL", name, rate=1.0, low=0.0, high=100.0) for name in NAMES),
    zones={name: Zone(name, name, "U-GAS") for name in NAMES},
    cameras={name: Camera(name, name) for name in NAMES},
    ventilation=None,
)


@pytest.fixture(scope="module")
def pwned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What must never come into being."""
    return tmp_path_factory.mktemp("hostile") / "pwned"


@pytest.fixture(scope="module")
def stored(directory: Path, engine: Client, pwned: Path) -> Iterator[Client]:
    """The database after a run over that stream."""
    dsn = chdb(directory, "hostile")
    Engine(HOSTILE, SETTINGS, MemorySource(stream(pwned), 7), dsn).run()
    client = connect(dsn)
    yield client
    client.command("DROP DATABASE hostile", use_database=False)
    client.close()


def test_names_are_stored_as_they_are(stored: Client) -> None:
    """Every table is there, with every name in it, letter by letter; orders have none but those of the city's files."""
    for table in (table for table in STORED if table != "commands"):
        assert int(str(stored.command(f"SELECT count() FROM {table}"))) > 0, table
    for table in ("readings", "aggregates_1s", "findings", "registry"):
        names = {row[0] for row in stored.query(f"SELECT DISTINCT toString(sensor) FROM {table}").result_rows}
        assert names == set(NAMES), table
    assert {name for alert in alerts_of(stored) for name in alert.sensors} == set(NAMES)
    said = stored.query("SELECT DISTINCT `case`, unit, comment FROM operator_actions FINAL").result_rows
    assert {tuple(row) for row in said} == {(name, name, name) for name in SAID}
    assert {row[0] for row in stored.query("SELECT text FROM reports FINAL").result_rows} == set(SAID)
    partitions_ = stored.query("SELECT DISTINCT toString(partition) FROM dead_letters").result_rows
    assert {row[0] for row in partitions_} == {f"{name}/0" for name in NAMES}


def test_nothing_was_run(stored: Client, pwned: Path) -> None:
    """A message that is a pickle is a dead letter like any other that is no JSON."""
    dead = int(str(stored.command("SELECT count() FROM dead_letters FINAL")))
    assert dead == len(NAMES) * (2 + pickle.HIGHEST_PROTOCOL + 1)
    assert not pwned.exists()
    assert not list(Path.cwd().glob("pwned*"))


@pytest.mark.parametrize("name", NAMES)
def test_questions_with_such_names(stored: Client, name: str) -> None:
    """Sensors, partitions and texts of filters reach the database as parameters."""
    partition = open_readings(stored, sensors=[name]).open("clickhouse", None)
    assert sum(len(batch) for batch in batches(partition)) == 20
    about = [Filter(sensor=f"unknown {name}"), Filter(text=f"unknown {name}"), Filter(reason=name)]
    found = [len(list(letters(stored, chosen))) for chosen in about]
    assert found[2] == 0
    assert [count.partition for count in counts(stored, Filter(partition=f"{name}/0"))].count(f"{name}/0") > 0
    if json.dumps(name) == f'"{name}"':  # in a message it may be spelled otherwise
        assert found[:2] == [1, 1]


def test_metrics_stay_readable(stored: Client) -> None:
    """A partition's name is a label: quotes and line ends in it must not make a page that says something else."""
    page = generate_latest().decode()
    read = {
        sample.labels["partition"]
        for family in text_string_to_metric_families(page)
        if family.name == "lifeline_messages"
        for sample in family.samples
    }
    assert {f"{name}/0" for name in NAMES} <= read


def test_a_recording_stays_in_its_folder(tmp_path: Path) -> None:
    """Partitions named like paths are folders with harmless names; what is read back has the names as they were."""
    inside = tmp_path / "inside"
    messages = {name.replace("\x00", ""): rows for name, rows in stream(tmp_path / "pwned").items()}
    write_recording(inside / "recording", messages)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert [path.name for path in inside.iterdir()] == ["recording"]
    assert partitions(inside / "recording") == tuple(messages)
    again = open_recording(inside / "recording", HOSTILE)
    for name, rows in messages.items():
        partition = again.open(name, None)
        batch = partition.poll()
        assert batch is not None
        assert len(batch) == len(rows)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ["..", ".", "/", "/etc/passwd", "a/../../b"])
def test_partitions_that_are_paths(tmp_path: Path, name: str) -> None:
    """... also where nothing is left of them but dots and slashes."""
    Recorder(tmp_path / "inside/recording", [name])
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert [path.name for path in (tmp_path / "inside").iterdir()] == ["recording"]
    assert len(list((tmp_path / "inside/recording").iterdir())) == 2, "the index and a folder"


@pytest.mark.parametrize("name", ["x'; DROP DATABASE y; --.csv", "../../etc/passwd", "a b`c", "数据.csv.gz"])
def test_a_file_name_becomes_a_database(directory: Path, engine: Client, name: str) -> None:
    """Of letters, digits and underscores only."""
    dsn = _database(f"chdb://{directory}", Path(name))
    assert Dsn.parse(dsn).database.isidentifier()
