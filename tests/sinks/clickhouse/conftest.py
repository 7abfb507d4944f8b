"""A database for each test: in the directory that all tests share, or on the server of LIFELINE_TEST_CLICKHOUSE.

That is a DSN without a database, such as clickhouse://default@127.0.0.1:8123, of a user who may create databases; the
password is that of LIFELINE_CLICKHOUSE_PASSWORD.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from sinks.clickhouse.client import Dsn, connect
from sinks.clickhouse.schema import ensure_schema
from sinks.clickhouse.serve import Account, Serving

PASSWORD = "between friends"
SERVER = os.environ.get("LIFELINE_TEST_CLICKHOUSE")
_numbers = count()


def place_of(database: str, directory: Path) -> str:
    """The DSN of a test's database."""
    return f"{SERVER.rstrip('/')}/{database}" if SERVER else f"chdb://{directory}?database={database}"


@pytest.fixture
def empty(directory: Path, engine: Client) -> Iterator[Client]:
    """A client whose database does not exist yet."""
    client = connect(place_of(f"test_{os.getpid()}_{next(_numbers)}", directory))
    yield client
    client.command(f"DROP DATABASE IF EXISTS {client.database}", use_database=False)
    client.close()


@pytest.fixture
def client(empty: Client) -> Client:
    """A client of a database with the schema."""
    ensure_schema(empty)
    return empty


@pytest.fixture(scope="session")
def serving(directory: Path, engine: Client) -> Iterator[Serving]:
    """The directory, served; `writer` may write, `default` may read."""
    accounts = [Account("writer", PASSWORD, write=True)]
    with Serving(f"chdb://{directory}?database=default", port=0, password=PASSWORD, accounts=accounts) as serving:
        yield serving


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Dsn:
    """Who answers by HTTP for the same databases, and lets us write."""
    if SERVER:
        return Dsn.parse(SERVER)
    serving: Serving = request.getfixturevalue("serving")
    monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", PASSWORD)
    return Dsn("http", "", serving.host, serving.port, "writer")


@pytest.fixture
def writer(server: Dsn, client: Client) -> Iterator[Client]:
    """The same database by HTTP, for writing."""
    http = connect(replace(server, database=str(client.database)))
    yield http
    http.close()


@pytest.fixture
def reader(serving: Serving, client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The same database by HTTP, for reading."""
    monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", PASSWORD)
    http = connect(f"clickhouse://default@{serving.host}:{serving.port}/{client.database}")
    yield http
    http.close()
