"""State that cannot be gone on with is refused before anything runs, with what to do."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import StateError
from domain.settings import EngineSettings
from flows.engine import Engine
from flows.run import Recovery
from tests.flows.collect import Collected
from tests.flows.memory import MemorySource
from tests.flows.town import CITY, SETTINGS, messages

STREAM = messages(10)


def _run(recovery: Recovery, settings: EngineSettings = SETTINGS) -> Collected:
    found = Collected()
    Engine(CITY, settings, MemorySource(STREAM, 50), None, recovery=recovery, store={"c": found}).run()
    return found


@pytest.fixture
def kept(tmp_path: Path) -> Recovery:
    """State of a run."""
    recovery = Recovery(tmp_path / "recovery", timedelta(0))
    _run(recovery)
    return recovery


@pytest.mark.parametrize("how", ["overwritten", "cut", "emptied"])
def test_damaged(kept: Recovery, how: str) -> None:
    """A part of the store whose bytes are not what was written; a new directory then gives all of it again."""
    part = max(kept.directory.glob("part-*.sqlite3"), key=lambda path: path.stat().st_size)
    data = part.read_bytes()
    middle = len(data) // 2
    damaged = {"overwritten": data[:100] + b"\xff" * 9000 + data[9100:], "cut": data[:middle], "emptied": b""}[how]
    part.write_bytes(damaged)
    with pytest.raises(StateError, match=rf"{part.name} is damaged .*backup of the whole directory, or move it away"):
        _run(kept)
    kept.directory.rename(kept.directory.with_name("damaged"))
    again = _run(kept)
    assert again.tables() == _run(Recovery(kept.directory.with_name("straight"), timedelta(0))).tables()


def test_of_another_format(kept: Recovery) -> None:
    """State of an older or newer version of Lifeline is never guessed at."""
    path = kept.directory / "format.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(StateError, match="state of format 99, and this version keeps format"):
        _run(kept)
    path.unlink()
    with pytest.raises(StateError, match="state of format 0"):
        _run(kept)
    path.write_text("{")
    with pytest.raises(StateError, match=r"format\.json is damaged"):
        _run(kept)


def test_cut_in_another_way(kept: Recovery) -> None:
    """The number of shards and the length of a block decide keys and tokens, so they stay with the state."""
    with pytest.raises(StateError, match="written with shards = 3, and it is 4 now: go back to that"):
        _run(kept, SETTINGS.model_copy(update={"shards": 4}))
    with pytest.raises(StateError, match="written with block = 5 s, and it is 10 s now"):
        _run(kept, SETTINGS.model_copy(update={"block": 10_000_000_000}))
