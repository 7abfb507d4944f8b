"""One broker for all of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kafka.broker import Running, running
from tests.kafka.mock import MockCluster, mock_cluster
from tests.kafka.server import Server
from tests.kafka_broker import Broker

_USED: list[str] = []


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The broker."""
    with running(tmp_path_factory.mktemp("kafka") / "broker") as broker:
        _USED.append(broker.name)
        yield broker


@pytest.fixture(scope="session")
def kafka(started: Running) -> Broker:
    """A way to fill it."""
    return Broker(started.address)


@pytest.fixture(scope="module")
def cluster() -> Iterator[MockCluster]:
    """librdkafka's own, which can be told what to answer."""
    with mock_cluster() as mock:
        yield mock


@pytest.fixture(scope="session")
def server(started: Running) -> Server:
    """The broker itself, to be killed and asked for passwords."""
    if started.server is None:
        pytest.skip(f"needs an Apache Kafka of its own, but this is {started.name}")
    return started.server


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the tests of Kafka ran against."""
    for name in _USED:
        terminalreporter.write_line(f"Kafka tests ran against {name}")
