"""Threads and processes: the same tables, a clean end, and nobody left behind."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.flows.command import Command, free_port
from tests.flows.conftest import Town
from tests.flows.stored import chdb, differences, tables


def test_four_workers(town: Town, tmp_path: Path) -> None:
    """Four threads store what one stores."""
    dsn = chdb(tmp_path / "clickhouse")
    with Command(
        tmp_path, "city", town.city, town.recording, "--dsn", dsn, "-w", 4, "--metrics", "", "--serve-port", 0
    ) as run:
        run.ends()
    assert differences(tables(dsn), town.straight) == {}


def test_two_processes_stop_together_and_go_on(town: Town, tmp_path: Path) -> None:
    """SIGTERM to the parent ends all of them well; started again, one owner of the database serves both to the end."""
    dsn, port = chdb(tmp_path / "clickhouse"), free_port(2)
    arguments = ["city", town.city, town.recording, "--dsn", dsn, "-p", 2, "-s", 60, "-r", tmp_path / "recovery"]
    arguments += ["--metrics", f"127.0.0.1:{port}", "--serve-port", 0]
    with Command(tmp_path, *arguments, "--speed", 10) as run:
        for process in range(2):
            run.comes_to(port + process, 300)
        assert len(run.children()) == 2
        run.send(signal.SIGTERM)
        run.ends(seconds=15)
        assert run.processes() == []
    with Command(tmp_path, *arguments) as run:
        run.ends()
        assert run.processes() == []
    assert differences(tables(dsn), town.straight) == {}
