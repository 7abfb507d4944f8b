"""The database is killed, hangs, refuses us: alerts leave in time, and in the end every row is stored once."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.flows.command import Command, free_port, scrape, until
from tests.flows.conftest import Town
from tests.flows.stored import differences, tables

PASSWORD = "between friends"
RIGHT = {"LIFELINE_CLICKHOUSE_PASSWORD": PASSWORD}

#: Seconds from when an alert could be known to when it arrives: the flow has waited for the database once.
IN_TIME = 3.0


class Desk(ThreadingHTTPServer):
    """Takes alerts as Alertmanager does, and notes when each alert came first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.came: dict[str, float] = {}

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Desk

    def do_POST(self) -> None:
        for alert in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            self.server.came.setdefault(f"{alert['labels']['alertname']} {alert['labels']['alert']}", time.monotonic())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def desk() -> Iterator[Desk]:
    """An on-call desk."""
    with Desk() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Place:
    """Where one test's database and engine live."""

    def __init__(self, folder: Path, town: Town, desk: Desk) -> None:
        self.folder = folder
        self.port, self.metrics = free_port(), free_port()
        self.dsn = f"clickhouse://default@127.0.0.1:{self.port}/lifeline"
        self._engine = ["city", town.city, town.recording, "--dsn", self.dsn, "--alertmanager", desk.url]
        self._engine += ["-s", 0.2, "-r", folder / "recovery", "--metrics", f"127.0.0.1:{self.metrics}"]

    @contextmanager
    def database(self, password: str = PASSWORD) -> Iterator[Command]:
        """The database as a process of its own."""
        arguments = ["clickhouse", "serve", "--write", "--dsn", f"chdb://{self.folder}/clickhouse", "--port", self.port]
        with Command(self.folder, *arguments, environment={"LIFELINE_CLICKHOUSE_PASSWORD": password}) as run:
            until(lambda: "serving" in run.out, lambda: run.running, said=lambda: run.err)
            yield run

    @contextmanager
    def engine(self, speed: float | None) -> Iterator[Command]:
        """The engine."""
        pace = ["--speed", speed] if speed else []
        with Command(self.folder, *self._engine, *pace, environment=RIGHT) as run:
            yield run

    def ends(self, run: Command) -> None:
        """The engine comes to the end; what it could not send by then, its next start sends."""
        run.ends()
        while list(self.folder.glob("recovery/outbox/*/*.insert")):
            with self.engine(None) as again:
                again.ends()

    def waits(self, run: Command, inserts: int = 1) -> None:
        """Wait until so many inserts lie on disk."""
        spool = self.folder / "recovery/outbox"
        until(lambda: len(list(spool.glob("*/*.insert"))) >= inserts, lambda: run.running, said=lambda: run.err)


@pytest.fixture
def place(tmp_path: Path, town: Town, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)
    return Place(tmp_path, town, desk)


def test_killed_then_a_stranger(town: Town, place: Place, desk: Desk) -> None:
    """`kill -9` of the database; what comes back refuses our password, and only then is all well again."""
    with place.database() as database, place.engine(speed=6) as engine:
        engine.comes_to(place.metrics, 600)
        begun = time.monotonic()
        database.kill()
        until(lambda: any(name.startswith("gas-leak") for name in desk.came), lambda: engine.running)
        # The gas rises 8 s after the 600th reading and is an alert when its pane has closed, 3 s later at the most.
        assert min(at for name, at in desk.came.items() if name.startswith("gas-leak")) - begun < 11 / 6 + IN_TIME
        until(lambda: 'lifeline_sink_up{sink="clickhouse"} 0.0' in scrape(place.metrics), lambda: engine.running)
        assert 'lifeline_outbox_age_seconds{sink="clickhouse"}' in scrape(place.metrics)
        place.waits(engine)
        with place.database("another") as stranger:
            until(lambda: "AUTHENTICATION_FAILED" in engine.err, lambda: engine.running, said=lambda: engine.err)
            stranger.kill()
        with place.database():
            place.ends(engine)
            assert differences(tables(place.dsn), town.straight) == {}


def test_hanging_then_both_killed(town: Town, place: Place, desk: Desk) -> None:
    """The database hangs; the engine is killed with results on disk, and starts again before the database does."""
    with place.database() as database, place.engine(speed=10) as engine:
        engine.comes_to(place.metrics, 600)
        begun = time.monotonic()
        database.send(signal.SIGSTOP)
        until(lambda: any(name.startswith("gas-leak") for name in desk.came), lambda: engine.running)
        assert min(at for name, at in desk.came.items() if name.startswith("gas-leak")) - begun < 11 / 10 + IN_TIME
        place.waits(engine, 5)
        engine.kill()
        database.kill()
    with place.engine(speed=10) as engine:
        engine.comes_to(place.metrics, 300)
        assert "Results wait in" in engine.err
        with place.database():
            place.ends(engine)
            assert differences(tables(place.dsn), town.straight) == {}


def test_hanging_for_a_while(town: Town, place: Place) -> None:
    """Some seconds without an answer, and it goes on: nothing is stored twice."""
    with place.database() as database, place.engine(speed=20) as engine:
        engine.comes_to(place.metrics, 600)
        database.send(signal.SIGSTOP)
        place.waits(engine, 5)
        database.send(signal.SIGCONT)
        place.ends(engine)
        assert differences(tables(place.dsn), town.straight) == {}
