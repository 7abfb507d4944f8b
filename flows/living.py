"""The demo's city goes on in real time, and its desk is open: engine, database and console in one process."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Final

from console.accounts import Accounts, Role
from domain.city import City
from domain.errors import ConfigError, SinkError
from domain.settings import EngineSettings
from flows.desk import console_server, listening, serving
from flows.engine import Engine
from flows.run import Cluster, stopping
from operators.layout import Layout
from simulators.scenario import Scenario
from simulators.source import SimulatedCity
from sinks.clickhouse.client import connect, translated
from sources.journal import WithJournal

__all__ = ["Living", "Open"]

OPERATOR: Final = "operator"

#: Of ClickHouse's HTTP interface, where it is free.
SERVE_PORT: Final = 8123


@dataclass(frozen=True)
class Open:
    """How one gets to the desk."""

    address: str
    name: str
    password: str


@dataclass
class Living:
    """A simulated city whose beginning goes by as fast as it can, and which then lives in real time.

    Parameters
    ----------
    begun
        Event time of that beginning, ns.
    folder
        Of the desk's journal and accounts, which are made anew.
    port
        Of the console on loopback; a free one where it is taken.
    speed
        Times real time, once the beginning is over.
    """

    city: City
    settings: EngineSettings
    scenario: Scenario
    begun: int
    dsn: str
    folder: Path
    port: int
    workers: int = 1
    speed: float = 1.0

    def run(self, caught_up: Callable[[], None], opened: Callable[[Open], None]) -> None:
        """Run until Ctrl-C or SIGTERM.

        Parameters
        ----------
        caught_up
            Called from another thread, once everything of the beginning is stored.
        opened
            Called after that, when the desk is open.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        journal = self.folder / "actions.ndjson"
        journal.unlink(missing_ok=True)
        # A block is stored once the next one has begun.
        city = SimulatedCity(self.scenario, speed=self.speed, head=self.begun + 2 * self.settings.block)
        stream = WithJournal(city, journal, follow=True)
        with _listener(SERVE_PORT) as free:
            serve = free.getsockname()[1]
        engine = Engine(self.city, self.settings, stream, self.dsn, serve=serve, cluster=Cluster(self.workers))
        failed: list[BaseException] = []

        def attend(stop: Event) -> None:
            try:
                self._attend(stop, stream, journal, caught_up, opened)
            except BaseException as error:
                if not stop.is_set():  # otherwise the database went away under it
                    failed.append(error)
                    stop.set()

        with stopping() as stop:
            beside = Thread(target=attend, args=(stop,), name="desk")
            beside.start()
            try:
                engine.run(stop)
            finally:
                stop.set()
                beside.join()
        if failed:
            raise failed[0]

    def _attend(
        self,
        stop: Event,
        stream: WithJournal,
        journal: Path,
        caught_up: Callable[[], None],
        opened: Callable[[Open], None],
    ) -> None:
        if not self._stored(stop):
            return
        caught_up()
        accounts, password = self._account()
        server = console_server(self.city, self.dsn, journal, accounts, now=stream.now)
        listener = _listener(self.port)
        port = listener.getsockname()[1]
        with serving(server, listener):
            while not server.started and not stop.wait(0.05):
                pass
            opened(Open(f"http://127.0.0.1:{port}/", OPERATOR, password))
            stop.wait()

    def _stored(self, stop: Event) -> bool:
        """Wait until the beginning is stored; False where the run ends before."""
        layout = Layout(self.city, self.settings.shards)
        by_rate = sorted(range(len(self.city.sensors)), key=lambda i: -self.city.sensors[i].rate)
        shards = [
            [self.city.sensors[i].id for i in by_rate if layout.shard_of[i] == s][:8] for s in range(layout.shards)
        ]
        query = (
            "SELECT toUnixTimestamp64Nano(toDateTime64(max(last_seen), 9)) AS newest FROM sensor_last_seen "
            "WHERE sensor IN {sensors:Array(String)}"
        )
        until = self.scenario.start + self.begun
        client = None
        while not stop.wait(0.3):
            with suppress(SinkError):
                if client is None:
                    client = connect(self.dsn)  # once the engine has made the database
                with translated():
                    rows = [client.query(query, parameters={"sensors": shard}).result_rows for shard in shards if shard]
                if all(found[0][0] >= until for found in rows):
                    client.close()
                    return True
        return False

    def _account(self) -> tuple[Accounts, str]:
        path = self.folder / "console.sqlite"
        path.unlink(missing_ok=True)
        accounts, password = Accounts(path), secrets.token_urlsafe(9)
        accounts.add(OPERATOR, Role.OPERATOR, password)
        return accounts, password


def _listener(port: int) -> socket.socket:
    """A socket on a port of the loopback, or on a free one where that is taken."""
    try:
        return listening("127.0.0.1", port)
    except ConfigError:
        return listening("127.0.0.1", 0)
