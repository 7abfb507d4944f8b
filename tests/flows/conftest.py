"""What the tests of whole runs share: the town, its recording, and the tables of a run that nothing disturbed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.flows.command import Command
from tests.flows.stored import Tables, chdb, tables
from tests.flows.town import messages, write_recording, write_town


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
