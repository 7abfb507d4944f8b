"""What the tests of whole runs share: the town and a run over it that nothing disturbed, the command, a database."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from clickhouse_connect.driver.client import Client

from flows.cli import main
from sinks.clickhouse.client import connect
from tests.flows.command import Command
from tests.flows.stored import Tables, chdb, tables
from tests.flows.town import messages, write_recording, write_town

#: Runs a command line in this process; returns its exit code.
Run = Callable[..., int]


class Town(NamedTuple):
    """Where the town's files are, and what a straight run over its recording stores."""

    city: Path
    recording: Path
    straight: Tables


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    folder = tmp_path_factory.mktemp("town")
    city = write_town(folder / "town")
    recording = write_recording(folder / "recording", messages())
    dsn = chdb(folder / "clickhouse")
    with Command(
        folder, "city", city, recording, "--dsn", dsn, "--no-recovery", "--metrics", "", "--serve-port", 0
    ) as run:
        run.ends()
    straight = tables(dsn)
    assert all(straight.values()), f"something of everything: { {name: len(rows) for name, rows in straight.items()} }"
    return Town(city, recording, straight)


@pytest.fixture
def lifeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command, in a folder of the test's own."""

    def run(*arguments: object) -> int:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["lifeline", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(bool(end.code))
        return 0

    return run


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedded directory of each module, open as long as the module runs."""
    return tmp_path_factory.mktemp("clickhouse") / "clickhouse"


@pytest.fixture(scope="module")
def engine(directory: Path) -> Iterator[Client]:
    """Keeps its engine up."""
    client = connect(chdb(directory, "default"))
    yield client
    client.close()
