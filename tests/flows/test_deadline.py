"""A stop that takes too long."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from threading import Event

import pytest

from domain.city_files import write_city
from domain.health import HEALTH
from flows.deadline import deadline
from flows.run import stopping
from tests.flows.command import Command, free_port, total, until
from tests.flows.conftest import Town
from tests.flows.stored import chdb, differences, tables
from tests.flows.town import CITY, SETTINGS


def ask(port: int, page: str) -> tuple[int, list[str]]:
    """Status and reasons of a page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=5) as answer:
            return answer.status, json.load(answer)["reasons"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["reasons"]


def test_in_time() -> None:
    """A block that ends soon after the signal ends as it would have."""
    said: list[str] = []
    with deadline(5.0, said.append), stopping() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
    HEALTH.well("engine")
    assert said == []


def test_too_late() -> None:
    """Even while the main thread cannot run a handler: what happens is said, with what was waited for."""
    ended, said = Event(), []

    def end(words: str) -> None:
        said.append(words)
        ended.set()

    HEALTH.trouble("database", "no answer")
    try:
        with deadline(0.05, end), stopping():
            os.kill(os.getpid(), signal.SIGTERM)
            assert ended.wait(5)
    finally:
        HEALTH.well("database")
    assert "did not stop within 0.05 s" in said[0]
    assert "database: no answer" in said[0]
    assert "nothing is lost" in said[0]


def test_without_a_signal() -> None:
    """A block may take as long as it likes; the wakeup descriptor is as it was afterwards."""
    with deadline(0.0, pytest.fail):
        time.sleep(0.05)
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    assert before == -1


def test_a_receiver_that_does_not_answer(town: Town, tmp_path: Path) -> None:
    """Alertmanager takes connections and says nothing. The run goes on, SIGTERM ends it as ever, and what is on its way
    to Alertmanager waits on disk for the next start.
    """
    dsn, port = chdb(tmp_path / "clickhouse"), free_port()
    arguments = ["city", town.city, town.recording, "--dsn", dsn, "-s", 0.3, "-r", tmp_path / "recovery"]
    arguments += ["--metrics", f"127.0.0.1:{port}", "--serve-port", 0]
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with Command(tmp_path, *arguments, "--speed", 15, "--alertmanager", url, "--stop-within", 5) as run:
            waiting = tmp_path / "recovery/receivers/alertmanager"
            until(lambda: bool(list(waiting.rglob("*.alerts"))), lambda: run.running, said=lambda: run.err)
            assert ask(port, "healthz") == (200, [])
            asked = time.monotonic()
            run.send(signal.SIGTERM)
            run.ends(0, seconds=10)
            assert time.monotonic() - asked < 4
            assert f"wait for alertmanager in {waiting}" in run.err
    with Command(tmp_path, *arguments) as run:
        run.ends()
    assert differences(tables(dsn), town.straight) == {}


def test_a_database_that_does_not_answer(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs, and results may not wait on disk. SIGTERM: at once the engine is not ready any more, and gone at its
    deadline, with exit code 1 and a reason. The next start goes on from the last snapshot, and what is stored is what a
    straight run stores.
    """
    write_city(CITY, tmp_path / "town", SETTINGS.model_copy(update={"spool": 0}))
    port, metrics = free_port(), free_port()
    owner = ["clickhouse", "serve", "--write", "--dsn", chdb(tmp_path / "clickhouse"), "--port", port]
    dsn = f"clickhouse://default@127.0.0.1:{port}/lifeline"
    arguments = ["city", tmp_path / "town", town.recording, "--dsn", dsn, "-s", 0.3, "-r", tmp_path / "recovery"]
    arguments += ["--metrics", f"127.0.0.1:{metrics}"]
    password = {"LIFELINE_CLICKHOUSE_PASSWORD": "between friends"}
    with Command(tmp_path, *owner, environment=password) as database:
        until(lambda: "serving" in database.out, lambda: database.running, said=lambda: database.err)
        with Command(tmp_path, *arguments, "--speed", 15, "--stop-within", 1, environment=password) as run:
            run.comes_to(metrics, 600)
            until(lambda: total(metrics, "lifeline_snapshot_timestamp_seconds") > 1e9, lambda: run.running)
            database.send(signal.SIGSTOP)
            time.sleep(0.5)
            asked = time.monotonic()
            run.send(signal.SIGTERM)
            until(lambda: ask(metrics, "readyz")[0] == 503, lambda: run.running)
            run.ends(1, seconds=10)
            assert 0.9 < time.monotonic() - asked < 4
            assert "lifeline: did not stop within 1 s and was ended" in run.err
        database.send(signal.SIGCONT)
        with Command(tmp_path, *arguments, environment=password) as run:
            run.ends()
        monkeypatch.setenv(*next(iter(password.items())))
        assert differences(tables(dsn), town.straight) == {}
