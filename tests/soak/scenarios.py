"""What is done to the engine, one scenario after the other; each ends by comparing all its tables."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from socket import socket
from threading import Event, Thread
from time import monotonic, sleep
from typing import Final

from domain.city_files import write_city
from flows.commands.record import copy
from sources.kafka import KafkaSource
from tests.flows.command import Command, free_port, until
from tests.flows.stored import Tables, chdb, tables
from tests.flows.town import CITY, messages, write_recording, write_town
from tests.kafka.broker import Running, running
from tests.kafka.feed import SETTINGS, Feed, make_topic
from tests.soak.crashes import Engine, Toll, comes_to_a_snapshot, survive

__all__ = ["SCENARIOS", "World"]

_USER: Final = {"LIFELINE_CLICKHOUSE_PASSWORD": "soak"}


@dataclass
class World:
    """What all scenarios share.

    Attributes
    ----------
    kills
        How many kills of the engine a scenario is to have.
    """

    folder: Path
    chance: Random
    kills: int
    city: Path
    recording: Path
    straight: Tables

    @classmethod
    def of(cls, folder: Path, seed: int, kills: int, seconds: int = 240) -> World:
        """A town, some minutes of what it sends, and what a run that nobody disturbs stores of it."""
        city = write_town(folder / "town")
        recording = write_recording(folder / "recording", messages(seconds))
        dsn = chdb(folder / "straight")
        arguments = ["city", city, recording, "--dsn", dsn, "--no-recovery", "--metrics", "", "--serve-port", 0]
        with Command(folder, *arguments) as run:
            run.ends()
        return cls(folder, Random(seed), kills, city, recording, tables(dsn))

    def place(self, name: str) -> Path:
        """A new folder of a scenario."""
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        return place

    def moments(self, count: int) -> list[str]:
        """When to kill: mostly while it works."""
        return self.chance.choices(("reading", "snapshotting", "starting"), (6, 3, 1), k=count)


def one_process(world: World) -> Toll:
    """Killed again and again; resumed by one worker, two, three, and one again."""
    return _crashes(world, "engine killed, 1 to 3 workers", processes=1, kills=world.kills, speed=40, more=3)


def a_cluster(world: World) -> Toll:
    """One of two processes is killed, or the one that started them."""
    return _crashes(world, "a process of a cluster killed", processes=2, kills=max(2, world.kills // 4), speed=20)


def _crashes(world: World, name: str, *, processes: int, kills: int, speed: int, more: int = 1) -> Toll:
    toll = Toll(name)
    while toll.faults < kills:
        folder = world.place(f"{processes}-{toll.faults}")
        dsn = chdb(folder / "clickhouse")
        engine = Engine(folder, ["city", world.city, world.recording, "--dsn", dsn], processes=processes)
        pace = ["--speed", speed]
        survive(engine, world.moments(min(kills - toll.faults, 15)), world.chance, toll, pace=pace, more=more)
        toll.count(tables(dsn), world.straight)
    return toll


def the_database(world: World) -> Toll:
    """The database is killed, frozen and started again while the engine writes to it, and the engine is killed, too."""
    toll = Toll("database killed or frozen, engine killed meanwhile")
    folder = world.place("database")
    dsn, port = chdb(folder / "clickhouse"), free_port()
    database = f"clickhouse://default@127.0.0.1:{port}/lifeline"
    engine = Engine(folder, ["city", world.city, world.recording, "--dsn", database], environment=_USER)
    stop = Event()
    tormentor = Thread(target=_torment, args=(folder, dsn, port, Random(world.chance.random()), stop, toll))
    tormentor.start()
    try:
        _answers(port)
        survive(engine, world.moments(max(2, world.kills // 5)), world.chance, toll, pace=["--speed", 20])
    finally:
        stop.set()
        tormentor.join(60)
    with _database(folder, dsn, port), engine.start() as run:  # what waited on disk
        run.ends(seconds=120)
    toll.count(tables(dsn), world.straight)
    return toll


@contextmanager
def _database(folder: Path, dsn: str, port: int) -> Iterator[Command]:
    arguments = ["clickhouse", "serve", "--dsn", dsn, "--port", port, "--write"]
    with Command(folder, *arguments, environment=_USER) as server:
        _answers(port)
        yield server
        if server.running:
            server.send(signal.SIGTERM)
            server.ends(seconds=30)


def _answers(port: int) -> None:
    def listens() -> bool:
        with socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    until(listens, seconds=60)


def _torment(folder: Path, dsn: str, port: int, chance: Random, stop: Event, toll: Toll) -> None:
    while not stop.is_set():
        with _database(folder, dsn, port) as server:
            if stop.wait(1 + 3 * chance.random()):
                return
            toll.faults += 1
            if chance.random() < 0.5:
                server.kill()
                stop.wait(2 * chance.random())
            else:
                os.kill(server.pid, signal.SIGSTOP)
                stop.wait(1 + 2 * chance.random())
                os.kill(server.pid, signal.SIGCONT)


def kafka(world: World) -> Toll:
    """Live from a broker that is killed and frozen, by an engine that is killed; then the topic is replayed."""
    folder = world.place("kafka")
    with running(folder / "broker") as broker:
        toll = Toll(f"live from {broker.name}, both killed")
        _live(world, broker, folder, toll)
    return toll


def _live(world: World, broker: Running, folder: Path, toll: Toll) -> None:
    chance = world.chance
    city, topic = folder / "town", make_topic(broker.address, "soak")
    write_city(CITY, city, SETTINGS)
    dsn = chdb(folder / "clickhouse")
    stream = f"kafka://{broker.address}/{topic}"
    engine = Engine(folder, ["city", city, stream, "--dsn", dsn], interval=0.3)
    with Feed(broker.address, topic) as feed:
        for moment in world.moments(max(3, world.kills // 3)):
            with engine.start() as run:
                began = monotonic()
                until(lambda: engine.readings() > 0, lambda: run.running, 60, lambda: run.err)
                toll.recoveries.append(monotonic() - began)
                if broker.server is not None and chance.random() < 0.4:
                    toll.faults += 1
                    _shake(broker, chance)
                sleep(1.5 * chance.random())
                if moment == "snapshotting":
                    comes_to_a_snapshot(engine, run)
                toll.faults += 1
                run.kill()
    with engine.start("--until-end") as run:
        run.ends(seconds=120)
    read = copy(KafkaSource(broker.address, [topic], until_end=True), folder / "recording")
    if broker.exact:
        toll.lost += feed.delivered - read
    again = chdb(folder / "replayed")
    replay = ["city", city, folder / "recording", "--metrics", "", "--no-recovery", "--serve-port", 0]
    with Command(folder, *replay, "--dsn", again) as run:
        run.ends(seconds=120)
    toll.count(tables(dsn), tables(again))


def _shake(broker: Running, chance: Random) -> None:
    assert broker.server is not None
    if chance.random() < 0.5:
        broker.server.kill()
        sleep(chance.random())
        broker.server.start()
    else:
        broker.server.freeze()
        sleep(1 + chance.random())
        broker.server.thaw()


#: By name, in the order in which they are run.
SCENARIOS: Final[dict[str, Callable[[World], Toll]]] = {
    "one": one_process,
    "cluster": a_cluster,
    "database": the_database,
    "kafka": kafka,
}
