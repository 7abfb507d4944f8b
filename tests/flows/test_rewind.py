"""What a killed run leaves of an epoch that it did not complete, the runs after it must not see."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from domain.errors import StateError
from flows.rewind import rewind
from flows.run import Recovery


def _count(items: list[Any], batch: int, recovery: Recovery) -> list[tuple[str, int]]:
    """One run that counts items by key, an epoch a batch."""
    seen: list[tuple[str, int]] = []
    flow = Dataflow("count")
    keyed = op.key_on("key", op.input("read", flow, TestingSource(items, batch)), str)
    counted = op.stateful_map("count", keyed, lambda state, _: ((state or 0) + 1, (state or 0) + 1))
    op.output("seen", counted, TestingSink(seen))
    run_main(flow, epoch_interval=timedelta(0), recovery_config=recovery.begin())
    return seen


def _forget_the_last_epoch(directory: Path) -> None:
    """As if the process had been killed after the states of its first epoch, before it was noted as complete."""
    for part in directory.glob("part-*.sqlite3"):
        with closing(sqlite3.connect(part)) as database, database:
            database.execute("UPDATE fronts SET worker_frontier = 1")
            database.execute("DELETE FROM commits")


def test_states_of_an_unfinished_epoch_are_never_met_again(tmp_path: Path) -> None:
    """The second run reads in smaller batches and is killed before it comes to `b`: the third must not know `b` yet."""
    recovery = Recovery(tmp_path / "recovery")
    assert _count(["a", "b"], 2, recovery) == [("a", 1), ("b", 1)]
    _forget_the_last_epoch(recovery.directory)
    items = ["a", "c", "c", TestingSource.ABORT(), "b"]
    assert _count(items, 1, recovery)[0] == ("a", 1)
    assert _count(items, 1, recovery)[-1] == ("b", 1)


def test_a_store_that_ended_well_keeps_everything(tmp_path: Path) -> None:
    recovery = Recovery(tmp_path / "recovery")
    _count(["a", "b"], 1, recovery)
    assert rewind(sorted(recovery.directory.glob("part-*.sqlite3"))) == 0
    assert _count(["a", "b", "b"], 1, recovery) == [("b", 2)]


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    recovery = Recovery(tmp_path / "recovery")
    _count(["a"], 1, recovery)
    (recovery.directory / "part-2.sqlite3").write_bytes(b"no database")
    with pytest.raises(StateError, match=r"part-2\.sqlite3 is damaged"):
        recovery.begin()
