"""`kill -9`, three times: what is stored in the end is what a straight run stores, row for row."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.command import Command, free_port
from tests.flows.conftest import Town
from tests.flows.stored import chdb, differences, tables


@pytest.mark.parametrize(
    ("interval", "kills"),
    [pytest.param("0.2", (300, 900, 1500), id="thrice"), pytest.param("60", (700,), id="before the first snapshot")],
)
def test_killed_and_resumed(town: Town, tmp_path: Path, interval: str, kills: tuple[int, ...]) -> None:
    """Nothing is lost, nothing is there twice, wherever the engine was killed; also when nothing was kept yet."""
    dsn, port = chdb(tmp_path / "clickhouse"), free_port()
    arguments = ["city", town.city, town.recording, "--dsn", dsn, "-s", interval, "-r", tmp_path / "recovery"]
    arguments += ["--metrics", f"127.0.0.1:{port}", "--serve-port", "0"]
    for readings in kills:
        with Command(tmp_path, *arguments, "--speed", "20") as run:
            run.comes_to(port, readings)
            run.kill()
    with Command(tmp_path, *arguments) as run:
        run.ends()
    assert differences(tables(dsn), town.straight) == {}
