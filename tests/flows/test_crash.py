"""`kill -9`, again and again: what is stored in the end is what a straight run stores, row for row.

The same harness kills fifty times in `make soak`.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from random import Random

from tests.flows.command import Command, free_port, until
from tests.flows.conftest import Town
from tests.flows.stored import chdb, differences, tables
from tests.soak.crashes import Engine, Toll, survive
from tests.soak.halfway import Halfway

#: Of the moments of the kills; another one with LIFELINE_SEED.
SEED = int(os.environ.get("LIFELINE_SEED", "4"))


def test_killed_five_times(town: Town, tmp_path: Path) -> None:
    """While reading, while writing a snapshot, while starting; and resumed by one worker, two, three, and one again."""
    dsn, toll = chdb(tmp_path / "clickhouse"), Toll("short")
    engine = Engine(tmp_path, ["city", town.city, town.recording, "--dsn", dsn])
    moments = ["reading", "snapshotting", "reading", "starting", "snapshotting"]
    survive(engine, moments, Random(SEED), toll, pace=["--speed", 12], more=3)
    assert differences(tables(dsn), town.straight) == {}
    assert toll.faults == len(moments)


def test_killed_before_the_first_snapshot(town: Town, tmp_path: Path) -> None:
    """When nothing was kept yet, all of it comes again, and nothing is there twice."""
    dsn = chdb(tmp_path / "clickhouse")
    engine = Engine(tmp_path, ["city", town.city, town.recording, "--dsn", dsn], interval=60)
    survive(engine, ["reading"], Random(SEED), Toll("early"), pace=["--speed", 20])
    assert differences(tables(dsn), town.straight) == {}


def test_killed_in_the_middle_of_an_insert(town: Town, tmp_path: Path) -> None:
    """ClickHouse has got the head of an INSERT and half of its rows when the engine is gone."""
    dsn, port = chdb(tmp_path / "clickhouse"), free_port(2)
    user = {"LIFELINE_CLICKHOUSE_PASSWORD": "secret"}
    served = ["clickhouse", "serve", "--dsn", dsn, "--port", port, "--write"]
    with Command(tmp_path, *served, environment=user) as server:
        until(lambda: "serving" in server.out, lambda: server.running, said=lambda: server.err)
        for inserts in (3, 11):
            with Halfway(port, inserts) as proxy:
                database = f"clickhouse://default@127.0.0.1:{proxy.port}/lifeline"
                arguments = ["city", town.city, town.recording, "--dsn", database]
                engine = Engine(tmp_path, arguments, environment=user)
                with engine.start("--speed", 20) as run:
                    until(proxy.reached.is_set, lambda: run.running, said=lambda: run.err)
                    run.kill()
        database = f"clickhouse://default@127.0.0.1:{port}/lifeline"
        with Engine(tmp_path, ["city", town.city, town.recording, "--dsn", database], environment=user).start() as run:
            run.ends()
        server.send(signal.SIGTERM)
        server.ends(seconds=30)
    assert differences(tables(dsn), town.straight) == {}


def test_killed_in_a_cluster(town: Town, tmp_path: Path) -> None:
    """Whoever of a cluster is killed, the others end by themselves; one process, and then two, go on with the state."""
    dsn = chdb(tmp_path / "clickhouse")
    engine = Engine(tmp_path, ["city", town.city, town.recording, "--dsn", dsn], processes=2)
    for who in ("a process", "the parent"):
        with engine.start("--speed", 10) as run:
            until(lambda: engine.readings() > 500, lambda: run.running, said=lambda: run.err)
            os.kill(max(run.children()) if who == "a process" else run.pid, signal.SIGKILL)
            assert run.wait(30) != 0
            until(lambda: run.processes() == [], seconds=30, said=lambda: run.err)
            if who == "a process":
                assert "process 1 ended with -9" in run.err
    alone = Engine(tmp_path, engine.arguments)
    with alone.start("--speed", 10) as run:
        until(lambda: alone.readings() > 300, lambda: run.running, said=lambda: run.err)
        run.send(signal.SIGTERM)
        run.ends()
    with engine.start() as run:
        run.ends()
    assert differences(tables(dsn), town.straight) == {}
