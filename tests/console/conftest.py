"""A console over a database of a few alerts, in this process."""

from __future__ import annotations

import http.client
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import pytest
import uvicorn
from argon2 import PasswordHasher
from clickhouse_connect.driver.client import Client

from console.accounts import Accounts, Role
from console.database import Database
from console.pages import Site
from console.watch import Watch
from console.web import make_app
from console.world import World
from domain.actions import Action, parse
from sinks.clickhouse.client import connect
from sinks.clickhouse.encoder import Item
from sinks.clickhouse.schema import ensure_schema, load_registry
from sinks.clickhouse.serve import Serving
from sinks.clickhouse.sink import Writer
from tests.console.village import CITY

PASSWORD = "correct horse battery"
_numbers = count()


def cheap() -> PasswordHasher:
    """Hashes that take no time."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class Answer:
    """What a server said."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass
class Reader:
    """A browser without a screen: keeps cookies, and knows the word that forms must bear."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        """One request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), "accept": "text/html"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        for name, value in answer.getheaders():
            if name == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0].strip('"')
        text = answer.read().decode()
        connection.close()
        if found := re.search(r'name="csrf" value="(\w+)"', text):
            self.csrf = found[1]
        return Answer(answer.status, dict(answer.getheaders()), text)

    def get(self, path: str, **headers: str) -> Answer:
        """A page."""
        return self.ask("GET", path, **headers)

    def post(self, path: str, **form: str) -> Answer:
        """A form of a page of ours."""
        body = urlencode({"csrf": self.csrf} | form)
        return self.ask("POST", path, body, content_type="application/x-www-form-urlencoded")

    def sign_in(self, name: str, password: str = PASSWORD) -> Answer:
        """Sign in and load the desk."""
        answer = self.post("/login", name=name, password=password)
        self.get("/")
        return answer


@dataclass
class Place:
    """A running console and what stands behind it."""

    port: int
    site: Site
    client: Client
    journal: Path
    skip: int = 0  # actions of other tests

    def reader(self, name: str = "") -> Reader:
        """A browser, signed in as `name`."""
        reader = Reader(self.port)
        if name:
            assert reader.sign_in(name).status == 303
        return reader

    def written(self) -> list[Action]:
        """The actions in the journal."""
        lines = self.journal.read_bytes().splitlines() if self.journal.exists() else []
        return [parse(line) for line in lines[self.skip :]]

    def write(self, *items: Item) -> None:
        """Store what an engine would."""
        Writer(self.client, [sensor.id for sensor in CITY.sensors]).write(items)

    def store(self, *events: Item) -> None:
        """Store alert events, and what else there is, and wait until the console has seen them."""
        before = self.site.watch.view.version
        self.write(*events)
        deadline = time.monotonic() + 10
        while self.site.watch.view.version == before:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture(scope="session")
def served(directory: Path, engine: Client) -> Iterator[Serving]:
    """The tests' embedded directory, to be read by HTTP."""
    with Serving(f"chdb://{directory}?database=default", port=0, password="") as serving:
        yield serving


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, directory: Path, served: Serving) -> Iterator[Place]:
    """A console with a viewer, two operators and an engineer."""
    name, folder = f"console_{os.getpid()}_{next(_numbers)}", tmp_path_factory.mktemp("console")
    client = connect(f"chdb://{directory}?database={name}")
    ensure_schema(client)
    load_registry(client, CITY)
    accounts = Accounts(folder / "console.sqlite", cheap())
    for user, role in (
        ("wei.zhang", Role.VIEWER),
        ("li.na", Role.OPERATOR),
        ("wang.jun", Role.OPERATOR),
        ("chen.yu", Role.ENGINEER),
    ):
        accounts.add(user, role, PASSWORD)
    database = Database(f"clickhouse://default@{served.host}:{served.port}/{name}")
    site = Site(World(CITY), database, Watch(database, folder / "actions.ndjson"), accounts)
    server = uvicorn.Server(uvicorn.Config(make_app(site), port=0, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Place(port, site, client, folder / "actions.ndjson")
    server.should_exit = True
    thread.join()
    client.command(f"DROP DATABASE {name}", use_database=False)
    client.close()


@pytest.fixture
def place(console: Place) -> Iterator[Place]:
    """The same, with nothing in its database and no actions of before."""
    console.skip += len(console.written())
    yield console
    for table in ("alert_events", "operator_actions", "reports", "notices", "commands"):
        console.client.command(f"TRUNCATE TABLE {table}")
    console.site.watch.look()
