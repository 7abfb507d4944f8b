"""`lifeline record`: keep Kafka topics as a recording that replays as the live run."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from domain.clock import iso
from domain.errors import LifelineError, SourceError
from sources.kafka import KafkaPartition, KafkaSource, parse_start
from sources.recorder import Recorder

__all__ = ["copy", "record"]

log = logging.getLogger(__name__)


def copy(
    source: KafkaSource,
    folder: Path,
    *,
    every: float = 10.0,
    stopped: Callable[[], bool] = lambda: False,
    report: Callable[[int, int], None] = lambda messages, recorded: None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Copy a stream to a recording folder until it ends or `stopped`; return the number of messages.

    Goes on where an existing recording of the same topics ends, so it may be stopped and started at will. Partitions
    that are added meanwhile are recorded from their beginning.

    Parameters
    ----------
    source
        Its snapshots must be Kafka offsets.
    folder
        The recording.
    every
        Seconds after which what was read is made safe.
    stopped
        Asked between polls.
    report
        Called after each flush with the messages so far and the newest recorded time (ns).
    clock
        Seconds that only grow.
    """
    recorder = Recorder(folder, source.partitions())
    running: dict[str, KafkaPartition] = {}
    messages = newest = 0
    flushed = clock()
    try:
        for name in recorder.names:
            running[name] = source.open(name, recorder.position(name))
        while running and not stopped():
            idle = True
            for name, partition in tuple(running.items()):
                try:
                    batch = partition.poll()
                except StopIteration:
                    running.pop(name).close()
                    continue
                if batch is not None:
                    recorder.write(batch)
                    messages += len(batch)
                    newest = max(newest, int(batch.recorded[-1]))
                    idle = False
            if clock() - flushed >= every:
                recorder.flush()
                report(messages, newest)
                flushed = clock()
                for name in () if source.until_end else recorder.add(_present(source)):
                    running[name] = source.open(name, None)
            if idle and running:
                time.sleep(0.005)
    finally:
        # what was read before an error is good, and kept
        recorder.flush()
        report(messages, newest)
        for partition in running.values():
            partition.close()
    return messages


def _present(source: KafkaSource) -> Sequence[str]:
    try:
        return source.refresh()
    except SourceError as error:  # what is being read waits for its broker, too
        log.warning("cannot look for new partitions: %s", error)
        return ()


def record(
    out: Annotated[Path, typer.Argument(help="Folder of the recording; an existing one is continued.")],
    topic: Annotated[list[str], typer.Option(help="Topic to record; may be given several times.")],
    brokers: Annotated[str, typer.Option(help="host:port, several with commas.")] = "127.0.0.1:9092",
    start: Annotated[
        str, typer.Option(help="earliest, latest, an offset, or a time such as 2025-11-24T16:00:00Z.")
    ] = "earliest",
    until_end: Annotated[bool, typer.Option(help="Stop at what is there now; otherwise record until Ctrl-C.")] = False,
) -> None:
    """Record Kafka topics as Parquet, with the partition, offset, recorded time and bytes of every message."""
    console = Console(stderr=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    def report(messages: int, newest: int) -> None:
        console.print(f"{messages:,} messages recorded, the newest of {iso(newest)}")

    try:
        source = KafkaSource(brokers, topic, start=parse_start(start), until_end=until_end)
        copy(source, out, stopped=stop.is_set, report=report)
    except LifelineError as error:
        console.print(f"[red]{error}", highlight=False)
        raise typer.Exit(1) from None
