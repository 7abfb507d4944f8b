"""`kill -9` of the engine at random moments, and what it costs: the one harness of the short tests and the long ones.

An engine runs over a stream, is killed, started again over its own state, killed again, until the stream is through.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Final

from tests.flows.command import Command, free_port, total, until
from tests.flows.stored import Tables, compared

__all__ = ["MOMENTS", "Engine", "Toll", "comes_to_a_snapshot", "survive"]

_ALERTS: Final = frozenset({"alert_events"})


@dataclass
class Toll:
    """What faults have cost: rows of all tables, and of alerts among them."""

    scenario: str
    faults: int = 0
    lost: int = 0
    doubled: int = 0
    alerts_lost: int = 0
    alerts_doubled: int = 0
    recoveries: list[float] = field(default_factory=list)  # seconds from a start to where the engine had been before

    def count(self, found: Tables, expected: Tables) -> None:
        """Add how a run's tables differ from what they should be."""
        for table, (missing, extra) in compared(found, expected).items():
            self.lost += len(missing)
            self.doubled += len(extra)
            if table in _ALERTS:
                self.alerts_lost += len(missing)
                self.alerts_doubled += len(extra)

    @property
    def holds(self) -> bool:
        """Whether nothing is lost and nothing is there twice."""
        return self.lost == self.doubled == 0


@dataclass
class Engine:
    """`lifeline city ...`, started again and again in one folder.

    Parameters
    ----------
    arguments
        The command line from `city` on; metrics and the recovery directory are added.
    processes
        Of a cluster on this machine; 1: none.
    """

    folder: Path
    arguments: Sequence[object]
    interval: float = 0.2
    processes: int = 1
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self.port = free_port(self.processes)

    @property
    def recovery(self) -> Path:
        """Where it keeps its state."""
        return self.folder / "recovery"

    def start(self, *more: object) -> Command:
        """Start it where its state left it."""
        arguments = [*self.arguments, "-s", self.interval, "-r", self.recovery]
        arguments += ["--metrics", f"127.0.0.1:{self.port}", "--serve-port", "0"]
        if self.processes > 1:
            arguments += ["-p", self.processes]
        return Command(self.folder, *arguments, *more, environment=self.environment)

    def readings(self) -> float:
        """How many it has read since its start."""
        return sum(total(self.port + i, "lifeline_readings_total") for i in range(self.processes))

    def reached(self) -> float:
        """How far its partitions have come in event time, together, in seconds."""
        return sum(total(self.port + i, "lifeline_watermark_timestamp_seconds") for i in range(self.processes))

    def written(self) -> int:
        """A number that changes whenever state is written."""
        return sum(path.stat().st_mtime_ns for path in self.recovery.glob("part-*"))


Moment = Callable[[Engine, Command, Random], None]


def _while_reading(engine: Engine, run: Command, chance: Random) -> None:
    more = chance.randrange(50, 900)
    _comes(lambda: engine.readings() >= more, run)
    sleep(chance.random() * 0.05)


def _while_snapshotting(engine: Engine, run: Command, chance: Random) -> None:
    _comes(lambda: engine.readings() > 0, run)
    for _ in range(chance.randrange(1, 4)):
        comes_to_a_snapshot(engine, run)
    sleep(chance.random() * 0.004)


def comes_to_a_snapshot(engine: Engine, run: Command) -> None:
    """Wait until state is written."""
    before = engine.written()
    _comes(lambda: engine.written() != before, run, pause=0.0005)


def _while_starting(engine: Engine, run: Command, chance: Random) -> None:
    sleep(chance.random() * 2.0)


#: When to kill, by name.
MOMENTS: Final[dict[str, Moment]] = {
    "reading": _while_reading,
    "snapshotting": _while_snapshotting,
    "starting": _while_starting,
}


def _comes(holds: Callable[[], bool], run: Command, pause: float = 0.01, seconds: float = 60.0) -> None:
    """Wait until something holds, or the run has ended by itself."""
    deadline = monotonic() + seconds
    while run.running and not holds():
        assert monotonic() < deadline, f"nothing in {seconds} s: {run.err[-3000:]}"
        sleep(pause)


def survive(
    engine: Engine, moments: Sequence[str], chance: Random, toll: Toll, *, pace: Sequence[object] = (), more: int = 1
) -> None:
    """Run a stream to its end, with a kill at each of these moments on the way, and count what it took.

    Parameters
    ----------
    pace
        Arguments of the lives that are to be killed, such as a speed that leaves time for it.
    more
        Workers of the lives, in turn from 1 to this: state is resumed by another number of them each time.
    """
    before = 0.0
    for life, name in enumerate(moments):
        workers = ["-w", 1 + life % more] if more > 1 else []
        with engine.start(*pace, *workers) as run:
            if before and name != "starting":
                _recovers(engine, run, before, toll)
            MOMENTS[name](engine, run, chance)
            if not run.running:
                assert run.wait() == 0, run.err[-3000:]
                return
            before = engine.reached() or before
            toll.faults += 1
            if engine.processes == 1:
                run.kill()
            else:
                _kill_one(run, chance)
    with engine.start() as run:
        run.ends(seconds=120)


def _recovers(engine: Engine, run: Command, before: float, toll: Toll) -> None:
    started = monotonic()
    _comes(lambda: engine.reached() >= before, run)
    toll.recoveries.append(monotonic() - started)


def _kill_one(run: Command, chance: Random) -> None:
    """End one process of a cluster, or the one that started it; all others have to end by themselves."""
    family = run.children()
    victim = chance.choice([*family, run.pid]) if family else run.pid
    os.kill(victim, signal.SIGKILL)
    assert run.wait(40) != 0
    until(lambda: run.processes() == [], seconds=40, said=lambda: run.err)
