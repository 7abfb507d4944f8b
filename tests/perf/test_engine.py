"""What the benchmarks of the engine time must be the whole job, and their ratios must be what they say."""

from __future__ import annotations

import pytest

from domain.settings import EngineSettings
from perf.decode import ARROW, arrow, readings
from perf.engine import IDS, batches, engine_seconds, in_turn, ratio_of
from perf.peers.job import generate
from perf.stock import windows

COUNT = 2 * ARROW


def test_the_engine_is_timed_only_where_it_counted_every_reading() -> None:
    """A run that loses readings, or is given fewer, is no measurement."""
    raws = batches(readings(IDS, *generate(COUNT)), 1, 1000)
    assert [len(raw) for raw in raws] == [1000] * (COUNT // 1000)
    assert engine_seconds(raws, COUNT, EngineSettings(shards=2)) > 0
    with pytest.raises(AssertionError, match=f"{COUNT - 1000} of {COUNT} readings"):
        engine_seconds(raws[:-1], COUNT, EngineSettings(shards=2))


def test_arrow_and_its_stock_baseline_take_the_same_messages() -> None:
    """Both begin with the bytes that a gateway sends."""
    messages = arrow(IDS, *generate(COUNT))
    assert engine_seconds(batches(messages, ARROW, COUNT), COUNT, EngineSettings(shards=1)) > 0
    assert windows(messages[:1]) > 0


def test_jobs_run_in_turn_and_ratios_are_of_one_turn() -> None:
    """Every second turn goes backwards; a ratio above 1 says that ours took less time."""
    order: list[str] = []
    seconds = {"ours": iter((9.0, 1.0, 2.0, 4.0)), "theirs": iter((9.0, 3.0, 3.0, 4.0))}

    def job(name: str) -> float:
        order.append(name)
        return next(seconds[name])

    times = in_turn({"ours": lambda: job("ours"), "theirs": lambda: job("theirs")}, 3)
    assert order == ["ours", "theirs", "ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert times == {"ours": [1.0, 2.0, 4.0], "theirs": [3.0, 3.0, 4.0]}
    assert ratio_of(times, "ours", "theirs") == (1.5, "1 to 3")
