"""A database for each test, in the directory that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import ensure_schema
from sinks.clickhouse.serve import Account, Serving

PASSWORD = "between friends"
_numbers = count()


@pytest.fixture
def empty(directory: Path, engine: Client) -> Iterator[Client]:
    """A client whose database does not exist yet."""
    client = connect(f"chdb://{directory}?database=test_{next(_numbers)}")
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
def writer(serving: Serving, client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The same database by HTTP, for writing."""
    monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", PASSWORD)
    http = connect(f"clickhouse://writer@{serving.host}:{serving.port}/{client.database}")
    yield http
    http.close()


@pytest.fixture
def reader(serving: Serving, client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The same database by HTTP, for reading."""
    monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", PASSWORD)
    http = connect(f"clickhouse://default@{serving.host}:{serving.port}/{client.database}")
    yield http
    http.close()
