"""Partitions that join while the engine runs: nothing is lost or doubled, killed or not, and late rows are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from domain.clock import MILLISECOND
from domain.errors import StateError
from domain.records import LateRows, RawBatch
from domain.streams import Partition
from flows.engine import Engine
from flows.membership import Membership
from flows.run import Cluster, Recovery
from sinks.clickhouse.blocks import Block
from tests.flows.collect import Collected
from tests.flows.memory import Crash, MemorySource
from tests.flows.town import CITY, SETTINGS, T0, Messages, reading

OLD, NEW = ("p0", "p1"), ("p2", "p3")


def _stream(new_from: int) -> Messages:
    """Twelve seconds of two partitions; two others are added then, whose readings begin at `new_from` ms."""
    spans = dict.fromkeys(OLD, (0, 12_000)) | dict.fromkeys(NEW, (new_from, 24_000))
    return {
        name: [
            ((T0 + ms + 20) * MILLISECOND, reading(f"G{6 * k + ms // 100 % 6:02}", ms, 50.0 if ms // 4000 % 2 else 1.0))
            for ms in range(first, last, 100)
        ]
        for k, (name, (first, last)) in enumerate(spans.items())
    }


class World:
    """What outlasts the engine: how far each partition was read, and which are there."""

    def __init__(self, stream: Messages) -> None:
        self.stream = stream
        self.at = dict.fromkeys(stream, 0)
        self.there: tuple[str, ...] = OLD

    def read(self, names: Sequence[str]) -> bool:
        """Whether partitions were read to their present end."""
        return all(self.at[name] == len(self.stream[name]) for name in names)


class GrowingSource(MemorySource):
    """Its new partitions come when the old ones have been read; when all are read it stops the engine."""

    def __init__(self, world: World, stop: Event, crash_after: int | None = None) -> None:
        super().__init__(world.stream, 7, crash_after)
        self.world, self.stop = world, stop
        self.first = world.there

    def partitions(self) -> Sequence[str]:
        return self.first

    def refresh(self) -> Sequence[str]:
        if self.world.read(OLD):
            self.world.there = OLD + NEW
        return self.world.there

    @property
    def identity(self) -> str:
        return "growing"

    def open(self, partition: str, resume: Any | None) -> Partition:
        return _Endless(self, partition, super().open(partition, resume))


class _Endless(Partition):
    def __init__(self, source: GrowingSource, name: str, inner: Partition) -> None:
        self._source, self._name, self._inner = source, name, inner

    def poll(self) -> RawBatch | None:
        world = self._source.world
        try:
            batch = self._inner.poll()
        except StopIteration:
            world.at[self._name] = len(world.stream[self._name])
            if world.read(OLD + NEW):
                self._source.stop.set()
            return None
        assert isinstance(batch, RawBatch)
        return batch

    @property
    def caught_up(self) -> bool:
        return False

    def snapshot(self) -> Any:
        return self._inner.snapshot()


def _live(stream: Messages, folder: Path, crashes: Sequence[int], workers: int) -> Collected:
    """Run until everything was read, killed after so many polls each time, and then to the end."""
    found, world = Collected(), World(stream)
    recovery = Recovery(folder / "recovery", timedelta(0))  # a snapshot a poll: a crash never comes before the first

    def run(source: MemorySource, stop: Event | None = None) -> None:
        live = stop is not None
        cluster = Cluster(workers)
        scope = {"store": {"collect": found}, "scope": "test", "look": 0.01}
        Engine(CITY, SETTINGS, source, None, live=live, cluster=cluster, recovery=recovery, **scope).run(stop)  # type: ignore[arg-type]

    for polls in (*crashes, None):
        stop = Event()
        world.at = dict.fromkeys(stream, 0)
        try:
            run(GrowingSource(world, stop, polls), stop)
        except BaseException as error:
            if "Crash" not in repr(error) and not isinstance(error.__cause__, Crash):
                raise
    run(MemorySource(stream, 5))
    return found


def _contents(found: Collected) -> dict[str, set[str]]:
    """What blocks hold, by token: there must be one version of each."""
    blocks: dict[str, set[str]] = {}
    for block in found.of(Block):
        blocks.setdefault(block.token, set()).add(str({name: c.tolist() for name, c in block.columns.items()}))
    return blocks


def _straight(stream: Messages) -> Mapping[str, str]:
    found = Collected()
    Engine(CITY, SETTINGS, MemorySource(stream, 1000), None, store={"collect": found}).run()
    return found.tables()


@pytest.mark.parametrize(("crashes", "workers"), [((), 2), ((20,), 1), ((37, 60, 40), 1), ((70, 45), 2)])
def test_joined_and_killed(tmp_path: Path, crashes: Sequence[int], workers: int) -> None:
    """Readings that are newer than what was closed come out as if the partitions had been there from the start."""
    stream = _stream(new_from=12_000)
    assert _live(stream, tmp_path, crashes, workers).tables() == _straight(stream)


@pytest.mark.parametrize("crashes", [(), (40, 50, 60)])
def test_what_was_closed_stays_closed(tmp_path: Path, crashes: Sequence[int]) -> None:
    """Older readings are late rows: no block that was written before is ever written otherwise."""
    found = _live(_stream(new_from=8_000), tmp_path, crashes, 1)
    assert all(len(variants) == 1 for variants in _contents(found).values())
    late = {(rows.partition, offset) for rows in found.of(LateRows) for offset in rows.offset.tolist()}
    assert {partition for partition, _ in late} == set(NEW)
    # Closed is what the first partitions had passed: their newest reading less the lateness, to whole panes.
    assert len(late) == 2 * (9_000 - 8_000) // 100


@pytest.mark.parametrize("interval", [0.0, 60.0])
@pytest.mark.parametrize("crash", [22, 34])
def test_joined_after_a_crash(tmp_path: Path, crash: int, interval: float) -> None:
    """What the run that was killed had written stays as it was; every reading is in a block, or late, and only once."""
    stream, found = _stream(new_from=0), Collected()
    world, stop = World(stream), Event()
    common = {"live": True, "recovery": Recovery(tmp_path / "recovery", timedelta(seconds=interval)), "look": 0.01}
    common |= {"store": {"collect": found}, "scope": "test"}
    with pytest.raises(BaseException, match="next_batch"):
        Engine(CITY, SETTINGS, GrowingSource(world, stop, crash), None, **common).run(stop)  # type: ignore[arg-type]
    assert _contents(found)
    world.at, world.there = dict.fromkeys(stream, 0), OLD + NEW
    Engine(CITY, SETTINGS, GrowingSource(world, stop), None, **common).run(stop)  # type: ignore[arg-type]
    Engine(CITY, SETTINGS, MemorySource(stream, 5), None, **common).run()  # type: ignore[arg-type]
    contents = _contents(found)
    assert all(len(variants) == 1 for variants in contents.values())
    stored = {b.token: len(b.columns["ts"]) for b in found.of(Block) if b.table == "readings_packed"}
    late = {(rows.partition, offset) for rows in found.of(LateRows) for offset in rows.offset.tolist()}
    assert {partition for partition, _ in late} == set(NEW)
    assert sum(stored.values()) + len(late) == sum(map(len, stream.values()))


def test_state_of_another_stream(tmp_path: Path) -> None:
    """A recovery directory that knows partitions which are not there is refused, with what to do."""
    recovery = Recovery(tmp_path / "recovery")
    Membership(MemorySource({"p0": [], "p1": []}, 1), recovery, Cluster()).begin()
    with pytest.raises(StateError, match=r"had p1; it has p0 now\. Start with a new recovery directory"):
        Membership(MemorySource({"p0": []}, 1), recovery, Cluster()).begin()


def test_damaged_list(tmp_path: Path) -> None:
    """So is a list that cannot be read."""
    recovery = Recovery(tmp_path / "recovery")
    membership = Membership(MemorySource({"p0": []}, 1), recovery, Cluster())
    membership.begin()
    (recovery.directory / "partitions.json").write_text("[{}]")
    with pytest.raises(StateError, match=r"partitions\.json is damaged"):
        membership.begin()


def test_joined_at_the_start(tmp_path: Path) -> None:
    """What was added while the engine was down joins, too, also in a run to the end; it begins at its beginning."""
    stream = _stream(new_from=12_000)
    world, stop, found = World(stream), Event(), Collected()
    recovery = Recovery(tmp_path / "recovery", timedelta(seconds=0.1))
    world.stream = {name: rows if name in OLD else [] for name, rows in stream.items()}
    common = {"recovery": recovery, "store": {"collect": found}, "scope": "test", "look": 60.0}
    Engine(CITY, SETTINGS, GrowingSource(world, stop), None, live=True, **common).run(stop)  # type: ignore[arg-type]
    Engine(CITY, SETTINGS, MemorySource(stream, 9), None, **common).run()  # type: ignore[arg-type]
    assert found.tables() == _straight(stream)
