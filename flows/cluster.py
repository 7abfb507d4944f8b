"""A cluster of processes on one machine: the same command for each, and one owner for the embedded database."""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from flows.logs import fail
from flows.run import stopping
from sinks.clickhouse.client import PASSWORD_VARIABLE, Dsn
from sinks.clickhouse.serve import Serving

__all__ = ["end_with_parent", "run_processes", "without_option"]

#: Seconds between looks at the processes and at whether to stop.
_LOOK: Final = 0.2

#: Seconds that the others have to end when one process has failed.
_GRACE: Final = 15.0

#: Tells a process of the cluster who has started it.
_PARENT: Final = "LIFELINE_PARENT"

_PR_SET_PDEATHSIG: Final = 1


def run_processes(processes: int, dsn: str, serve: int | None) -> int:
    """Run the present command line in so many processes; return the exit code: 0 when all of them ended well.

    The embedded database can have one owner only: this process, which serves it to the others. SIGTERM and Ctrl-C are
    passed on; when one process fails the others are stopped, since a cluster cannot go on without one of its parts.
    """
    with _shared(dsn, serve) as (shared, environment), stopping() as stop:
        addresses = ";".join(f"127.0.0.1:{port}" for port in free_ports(processes))
        arguments = without_option(sys.argv[1:], "--processes", "-p")
        children = [
            subprocess.Popen(
                [sys.executable, "-m", "flows.cli", *arguments, "-i", str(i), "-a", addresses, "--dsn", shared],
                env=environment,
                start_new_session=True,  # Ctrl-C reaches them once, through us
            )
            for i in range(processes)
        ]
        told: float | None = None
        while running := [child for child in children if child.poll() is None]:
            failed = next((i for i, child in enumerate(children) if child.returncode), None)
            if told is None and (stop.is_set() or failed is not None):
                told = time.monotonic()
                if failed is not None:
                    code = children[failed].returncode
                    fail(f"process {failed} ended with {code}: stopping the others")
                for child in running:
                    child.terminate()
            elif told is not None and failed is not None and time.monotonic() - told > _GRACE:
                for child in running:
                    child.kill()  # it may wait for the one that is gone
            _wait(children)
        return next((code for child in children if (code := child.returncode)), 0)


def end_with_parent() -> None:
    """Stop, as SIGTERM would have it, when the process that started this one as part of a cluster is gone.

    It may be killed without a chance to tell anybody: the kernel tells.
    """
    parent = os.environ.get(_PARENT)
    if parent is None:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it was gone before the kernel was asked
        os.kill(os.getpid(), signal.SIGTERM)


def _wait(children: Sequence[subprocess.Popen[bytes]]) -> None:
    running = next((child for child in children if child.poll() is None), None)
    if running is not None:
        try:
            running.wait(_LOOK)
        except subprocess.TimeoutExpired:
            return


@contextmanager
def _shared(dsn: str, serve: int | None) -> Iterator[tuple[str, dict[str, str]]]:
    """A DSN that every process can use, and the environment to use it in."""
    environment = os.environ | {_PARENT: str(os.getpid())}
    target = Dsn.parse(dsn)
    if target.scheme != "chdb":
        yield dsn, environment
        return
    password = environment.setdefault(PASSWORD_VARIABLE, secrets.token_urlsafe(24))
    with ExitStack() as stack:
        server = stack.enter_context(Serving(dsn, port=serve or 0, password=password, readonly=False))
        yield server.dsn, environment


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]


def without_option(arguments: Sequence[str], *names: str) -> list[str]:
    """A command line without an option and its value.

    >>> without_option(["city", "bozhou", "-p", "2", "--dsn=x", "-p3"], "--processes", "-p")
    ['city', 'bozhou', '--dsn=x']
    """
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in names:
            skip = True
        elif not any(argument.startswith(f"{n}=" if n.startswith("--") else n) for n in names):
            kept.append(argument)
    return kept
