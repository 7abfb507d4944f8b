"""`lifeline doctor`: what is well, what is not, and what to do."""

from __future__ import annotations

import inspect
import json
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from domain.city import Unit
from domain.clock import MINUTE
from domain.desk import DeskPolicy, LevelPolicy
from domain.errors import ConfigError
from domain.health import Health
from domain.policy import Desk, Policy
from domain.receivers import Webhook
from domain.toml_files import table
from flows.commands.city import city
from flows.commands.doctor import doctor
from flows.doctor import machine
from flows.doctor.broker import _clock, broker, topic
from flows.doctor.checks import Check, Grade, carried_out
from flows.doctor.database import database
from flows.doctor.receivers import receiver, unheard
from flows.run import Recovery
from flows.status import Status
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import VERSION, ensure_schema
from sinks.clickhouse.serve import Serving
from sources.kafka import KafkaSource
from tests.flows.conftest import Run
from tests.flows.stored import chdb
from tests.flows.town import CITY, reading, write_town
from tests.kafka_broker import Broker
from tests.kafka_broker import broker as mock_broker


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with mock_broker() as running:
        yield running


def one(checks: Iterator[Check], what: str) -> Check:
    (check,) = [check for check in checks if check.what == what]
    return check


def test_all_is_well(
    lifeline: Run,
    kafka: Broker,
    directory: Path,
    engine: Client,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 0; one line a check; the same as JSON; and nothing was made or changed."""
    monkeypatch.setattr("flows.doctor.broker._ANSWER", 0.5)  # librdkafka's mock does not tell of settings
    stream = kafka.topic()
    kafka.produce(stream, [reading("G00", 0, 1.0)])
    arguments: list[Any] = [
        "doctor",
        write_town(tmp_path / "town"),
        f"kafka://{kafka.address}/{stream}",
        "--metrics",
        ":0",
    ]
    arguments += ["--dsn", chdb(directory, "nobody_made_this"), "--serve-port", 0]
    before = sorted(tmp_path.iterdir())
    assert lifeline(*arguments) == 0
    said = capsys.readouterr().out
    for what in ("python", "packages", "kernel cache", "city", "broker", "database", "recovery store", "port"):
        assert f" {what}" in said
    assert "0 to mend" in said
    assert lifeline(*arguments, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["good"]
    assert {check["grade"] for check in document["checks"]} <= {"ok", "warn"}
    assert all(check["advice"] for check in document["checks"] if check["grade"] == "warn")
    assert sorted(tmp_path.iterdir()) == before
    assert not int(str(engine.command("SELECT count() FROM system.databases WHERE name = 'nobody_made_this'")))


def test_much_is_wrong(
    lifeline: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1; every failure says what to do; one failure does not hide the next; no secret is told."""
    monkeypatch.setattr("sources.kafka._ANSWER", 0.5)
    monkeypatch.setenv("LIFELINE_KAFKA_SASL_PASSWORD", "open-sesame")
    (tmp_path / "recovery").mkdir()
    (tmp_path / "recovery/part-0.sqlite3").touch()
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        arguments: list[Any] = [
            "doctor",
            "atlantis",
            "kafka://127.0.0.1:1/readings",
            "--dsn",
            "clickhouse://127.0.0.1:1/x",
        ]
        arguments += ["--metrics", f"127.0.0.1:{port}", "--recovery-directory", tmp_path / "recovery", "--json"]
        arguments += ["--alertmanager", "http://127.0.0.1:1", "--kafka-alerts", "kafka://127.0.0.1:1/open-sesame"]
        assert lifeline(*arguments) == 1
    document = json.loads(capsys.readouterr().out)
    assert not document["good"]
    failed = {check["what"]: check for check in document["checks"] if check["grade"] == "fail"}
    wanted = {"city", "broker", "database", "recovery store", "port of metrics", "alertmanager", "topic of alerts"}
    assert wanted == failed.keys()
    assert all(check["advice"] for check in failed.values())
    assert "open-sesame" not in json.dumps(document)


def test_a_check_that_breaks() -> None:
    """It has failed, with its words, and the next is carried out."""

    def breaks() -> Iterator[Check]:
        yield Check.ok("first", "fine")
        raise RuntimeError("oh")

    said = list(carried_out([("a", breaks), ("b", lambda: [Check.ok("second", "fine")])]))
    assert [(check.what, check.grade) for check in said] == [("first", "ok"), ("a", "fail"), ("second", "ok")]
    assert "oh" in said[1].found


def test_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another Python is refused before Bytewax is found to be missing."""
    assert one(machine.python(), "python").grade != Grade.FAIL
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    assert one(machine.python(), "python").grade == Grade.FAIL


def test_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, too old, or there without working here."""
    monkeypatch.setattr("flows.doctor.machine.metadata.requires", lambda name: ["numpy>=999", "no-such-thing>=1"])
    monkeypatch.setattr("flows.doctor.machine._COMPILED", ("no_such_module",))
    check = one(machine.packages(), "packages")
    assert check.grade == Grade.FAIL
    for words in ("is older than 999", "no-such-thing is missing", "no_such_module cannot be loaded"):
        assert words in check.found


def test_kernel_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Compiled, empty, or where nothing can be written."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    assert one(machine.kernels(), "kernel cache").grade == Grade.WARN
    (tmp_path / "cache/x").mkdir(parents=True)
    (tmp_path / "cache/x/kernel.nbi").touch()
    assert one(machine.kernels(), "kernel cache") == Check.ok(
        "kernel cache", f"1 compiled kernels in {tmp_path / 'cache'}"
    )
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file/cache"))
    assert one(machine.kernels(), "kernel cache").grade == Grade.FAIL


@pytest.mark.parametrize(("free", "grade"), [(10**12, "ok"), (5 * 10**9, "warn"), (10**8, "fail")])
def test_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, grade: str) -> None:
    """Room for a day, for a while, or for no start at all."""
    usage = shutil._ntuple_diskusage(10**13, 0, free)
    monkeypatch.setattr("flows.doctor.machine.shutil.disk_usage", lambda path: usage)
    (check,) = machine.disk("data", tmp_path / "not/there/yet")
    assert check.grade == grade or (grade == "ok" and check.grade == "warn" and free < usage.total // 20)


def test_recovery_store(tmp_path: Path) -> None:
    """None yet, whole, damaged, or open to others: who can write a pickle there can run code."""
    store = tmp_path / "recovery"
    assert one(machine.recovery(store), "recovery store").grade == Grade.OK
    Recovery(store, timedelta(1)).prepare()
    for path in (store, *store.iterdir()):
        path.chmod(0o700)
    assert "last written" in one(machine.recovery(store), "recovery store").found
    store.chmod(0o777)
    check = one(machine.recovery(store), "recovery store")
    assert (check.grade, "chmod" in check.advice) == (Grade.WARN, True)
    next(store.glob("part-*")).unlink()
    assert one(machine.recovery(store), "recovery store").grade == Grade.FAIL


def test_ports() -> None:
    """Free, taken by a stranger, taken by an engine, or open to the network."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        stranger.listen()
        number = stranger.getsockname()[1]
        taken = one(machine.port("metrics", "127.0.0.1", number), "port of metrics")
    assert taken.grade == Grade.FAIL
    assert one(machine.port("metrics", "127.0.0.1", number), "port of metrics").grade == Grade.OK
    assert one(machine.port("metrics", "0.0.0.0", number), "port of metrics").grade == Grade.WARN
    with Status("127.0.0.1", 0, Health()) as status:
        check = one(machine.port("metrics", "127.0.0.1", status.port), "port of metrics")
    assert (check.grade, check.found) == (Grade.WARN, f"an engine runs at 127.0.0.1:{status.port}: starting")


@pytest.fixture
def schema(directory: Path, engine: Client) -> Iterator[tuple[str, Client]]:
    """A database of this version: its name, and a client."""
    client = connect(chdb(directory, "doctor"))
    ensure_schema(client)
    yield "doctor", client
    engine.command("DROP DATABASE doctor")
    client.close()


def test_schema(directory: Path, schema: tuple[str, Client]) -> None:
    """Of this version, an older one that will be migrated, or one that only a newer Lifeline knows."""
    name, client = schema
    dsn = chdb(directory, name)
    assert one(database(dsn), "database schema") == Check.ok("database schema", f"version {VERSION}")
    client.command(f"INSERT INTO schema_version VALUES ({VERSION + 1})")
    assert one(database(dsn), "database schema").grade == Grade.FAIL
    client.command("TRUNCATE TABLE schema_version")
    client.command("INSERT INTO schema_version VALUES (1)")
    check = one(database(dsn), "database schema")
    assert (check.grade, "backup" in check.advice) == (Grade.WARN, True)


def test_a_server(directory: Path, schema: tuple[str, Client], monkeypatch: pytest.MonkeyPatch) -> None:
    """By HTTP: version, clock, room and rights; a wrong password is said; a clock that is wrong, too."""
    name, _ = schema
    with Serving(chdb(directory, name), port=0, password="open-sesame", readonly=False) as serving:
        monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", "open-sesame")
        checks = list(database(serving.dsn))
        assert {check.what for check in checks} >= {"database", "database schema", "database clock", "database disk"}
        assert one(iter(checks), "database clock").grade == Grade.OK
        monkeypatch.setattr("flows.doctor.database.time", SimpleNamespace(time_ns=lambda: 10**9))
        assert one(database(serving.dsn), "database clock").grade == Grade.WARN
        monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", "guess")
        (check,) = database(serving.dsn)
        assert check.grade == Grade.FAIL
        assert "LIFELINE_CLICKHOUSE_PASSWORD" in check.advice


def test_broker(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there, and what is not; time stamps that are the sender's own are told."""
    monkeypatch.setattr("flows.doctor.broker._ANSWER", 1.0)
    stream = kafka.topic()
    kafka.produce(stream, [b"x"])
    said = list(broker(KafkaSource(kafka.address, [stream])))
    assert one(iter(said), "broker").grade == Grade.OK
    assert one(iter(said), "broker clock").grade == Grade.OK
    assert one(topic(kafka.address, stream), "topic of alerts").grade == Grade.OK


@pytest.mark.parametrize(("ages", "grade"), [([-5.0], "fail"), ([0.3, 80.0], "ok"), ([], "ok"), ([3600.0], "ok")])
def test_broker_clock(monkeypatch: pytest.MonkeyPatch, ages: list[float], grade: str) -> None:
    """A message from the future means that the broker's clock is ahead."""
    monkeypatch.setattr("flows.doctor.broker._ages", lambda source, names: ages)
    assert _clock(KafkaSource("127.0.0.1:1", ["x"]), ["x/0"]).grade == grade


def test_alertmanager(lifeline: Run, capsys: pytest.CaptureFixture[str], directory: Path, engine: Client) -> None:
    """It answers, or wants a password."""

    class Answer(BaseHTTPRequestHandler):
        status = 200

        def do_GET(self) -> None:
            self.send_response(self.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        arguments: list[Any] = ["doctor", "--alertmanager", f"http://127.0.0.1:{server.server_port}", "--metrics", ""]
        arguments += ["--dsn", chdb(directory, "nobody_made_this"), "--serve-port", 0]
        assert lifeline(*arguments) == 0
        Answer.status = 401
        assert lifeline(*arguments) == 1
        assert "LIFELINE_ALERTMANAGER_PASSWORD" in capsys.readouterr().out
        server.shutdown()
        thread.join()


def test_receivers(
    lifeline: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each that cannot be reached has failed, with what to do; nobody is told anything; secrets must be there."""
    file = tmp_path / "receivers.toml"
    entries: list[dict[str, Any]] = [
        {"name": "papers", "type": "cap", "url": f"file://{tmp_path}/cap", "sender": "city.example"},
        {"name": "desk", "type": "webhook", "url": "http://127.0.0.1:1"},
        {"name": "people", "type": "mail", "server": "127.0.0.1:1", "security": "none", "sender": "a@b", "to": ["c@d"]},
    ]
    file.write_text("".join(table("[[receiver]]", entry) for entry in entries))
    arguments: list[Any] = ["doctor", write_town(tmp_path / "town"), "--receivers", file, "--metrics", "", "--json"]
    arguments += ["--dsn", chdb(tmp_path / "nobody-made-this"), "--serve-port", 0, "-r", tmp_path / "recovery"]
    lifeline(*arguments)
    checks = {check["what"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert "LIFELINE_DESK_SECRET" in checks["receivers"]["found"]
    monkeypatch.setenv("LIFELINE_DESK_SECRET", "0123456789abcdef")
    lifeline(*arguments)
    checks = {check["what"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["receiver papers"]["grade"] == "ok"
    assert not (tmp_path / "cap").exists()
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        there = f"http://127.0.0.1:{server.server_port}"
        assert [check.grade for check in receiver(Webhook(name="desk", url=there), CITY)] == ["ok"]
    for name in ("desk", "people"):
        assert checks[f"receiver {name}"]["grade"] == "fail"
        assert "cannot be reached" in checks[f"receiver {name}"]["found"]
    assert "LIFELINE_PEOPLE_PASSWORD" in checks["receiver people"]["advice"]


def test_desks_and_units_that_nobody_hears_for() -> None:
    """A desk without a receiver, and a unit that alerts are escalated to without one: both get a warning."""
    town = replace(
        CITY,
        units={name: Unit(name) for name in ("gas", "office")},
        desk=DeskPolicy(level=(LevelPolicy(1, MINUTE, ("office",)),)),
        policy=Policy(desks=(Desk("centre"), Desk("gas", ("gas",)))),
    )

    def found(**filters: Any) -> list[str]:
        return [check.what for check in unheard([Webhook(name="x", url="https://x", **filters)], town)]

    assert found() == ["desk centre", "desk gas"]
    assert found(desks=("gas",)) == ["desk centre", "unit office"]
    assert found(desks=("gas", "centre")) == []
    assert found(units=("gas",)) == ["desk centre", "desk gas", "unit office"]
    assert found(desks=("gas", "centre"), units=("gas",)) == ["unit office"]


def test_the_options_are_those_of_the_city_command() -> None:
    """An option of `lifeline city` that tells where something is, is one of the doctor, by the same name."""
    shared = {"city", "stream", "dsn", "serve_port", "kafka_alerts", "alertmanager", "metrics", "recovery", "receivers"}
    for command in (city, doctor):
        assert shared <= set(inspect.signature(command).parameters)


def test_a_dsn_that_is_none(lifeline: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A failed check like any other."""
    with pytest.raises(ConfigError):
        list(database("nonsense"))
    assert lifeline("doctor", "--dsn", "nonsense", "--json", "--metrics", "") == 1
    (failed,) = [c for c in json.loads(capsys.readouterr().out)["checks"] if c["grade"] == "fail"]
    assert "nonsense" in failed["found"]
