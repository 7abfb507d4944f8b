"""SIGTERM and Ctrl-C: the run ends well within seconds, and the next one goes on where it stopped."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.flows.command import Command, free_port
from tests.flows.conftest import Town
from tests.flows.stored import chdb, differences, tables


def test_stopped_and_started_again(town: Town, tmp_path: Path) -> None:
    """Exit code 0, the state written though no snapshot was due, nothing lost or repeated by either kind of stop."""
    dsn, port, recovery = chdb(tmp_path / "clickhouse"), free_port(), tmp_path / "recovery"
    arguments = ["city", town.city, town.recording, "--dsn", dsn, "-s", "60", "-r", recovery]
    arguments += ["--metrics", f"127.0.0.1:{port}", "--serve-port", "0"]
    for number in (signal.SIGTERM, signal.SIGINT):
        with Command(tmp_path, *arguments, "--speed", "10") as run:
            run.comes_to(port, 1200)
            asked = time.monotonic()
            run.send(number)
            run.ends(seconds=10)
            assert time.monotonic() - asked < 5
            assert "Traceback" not in run.err
    with Command(tmp_path, *arguments) as run:
        run.ends()
    assert differences(tables(dsn), town.straight) == {}
