"""The `lifeline` command as a process of its own, that is never left behind."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.conftest import ROOT

__all__ = ["Command", "free_port", "until"]

_MARK = "LIFELINE_TEST_RUN"

#: Byte code is kept even where the environment says no: without it a start takes three seconds longer.
_ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": str(ROOT / "build/cache/pycache"),
    "COLUMNS": "200",
}


class Command:
    """`lifeline ARGUMENTS`, run in `folder`; at the end of the `with` block nothing of it runs any more.

    Attributes
    ----------
    pid
        Its process id.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: object,
        environment: Mapping[str, str] | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
    ) -> None:
        self._mark = uuid.uuid4().hex
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIFELINE_")}
        self._out = folder / f"{self._mark}.out"
        self._err = folder / f"{self._mark}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", *map(str, arguments)],
                cwd=folder,
                env=inherited | _ENVIRONMENT | {_MARK: self._mark} | dict(environment or {}),
                stdin=stdin,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Command:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self._process.wait(10)

    def processes(self) -> list[int]:
        """Ids of the command's processes that run, itself and its children."""
        wanted = f"{_MARK}={self._mark}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue  # ended meanwhile, or somebody else's
        return sorted(found)

    def children(self) -> list[int]:
        """Ids of the processes that the command has started."""
        return [pid for pid in self.processes() if pid != self.pid]

    def send(self, number: signal.Signals) -> None:
        """Send the command itself a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._process.kill()
        self._process.wait(10)

    def wait(self, seconds: float = 60.0) -> int:
        """The exit code."""
        return self._process.wait(seconds)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def out(self) -> str:
        """Standard output so far."""
        return self._out.read_text()

    @property
    def err(self) -> str:
        """Standard error so far."""
        return self._err.read_text()

    def ends(self, code: int = 0, seconds: float = 60.0) -> None:
        """Wait for the end, which must be this one."""
        assert self.wait(seconds) == code, self.err[-3000:]

    def comes_to(self, port: int, readings: int, seconds: float = 60.0) -> None:
        """Wait until its metrics tell of so many readings."""
        until(
            lambda: total(port, "lifeline_readings_total") >= readings, lambda: self.running, seconds, lambda: self.err
        )


def scrape(port: int) -> str:
    """The metrics page; empty while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError):
        return ""  # nobody there yet: a port that nobody has may even answer itself


def total(port: int, name: str) -> float:
    """Sum of a metric over its labels."""
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", scrape(port), re.M))


def until(
    holds: Callable[[], bool],
    alive: Callable[[], bool] = lambda: True,
    seconds: float = 60.0,
    said: Callable[[], str] = lambda: "",
) -> None:
    """Wait until something holds, while something lives."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert alive(), f"ended too early: {said()[-3000:]}"
        assert time.monotonic() < deadline, f"nothing in {seconds} s: {said()[-3000:]}"
        time.sleep(0.02)


def free_port(count: int = 1) -> int:
    """The first of so many neighbouring ports of the loopback that nobody listens on."""
    for _ in range(100):
        sockets = [socket.socket()]
        try:
            sockets[0].bind(("127.0.0.1", 0))
            first = int(sockets[0].getsockname()[1])
            for port in range(first + 1, first + count):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            continue
        finally:
            for sock in sockets:
                sock.close()
        return first
    raise AssertionError("no free ports")
