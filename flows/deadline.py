"""A stop that takes too long is cut short, and it is said what that means."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

from domain.health import HEALTH
from flows.logs import fail

__all__ = ["deadline"]

_STOPS: Final = frozenset({signal.SIGTERM, signal.SIGINT})


def _end(words: str) -> None:
    fail(words)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


@contextmanager
def deadline(seconds: float, end: Callable[[str], None] = _end) -> Iterator[None]:
    """End the process when the block has not ended so long after SIGTERM or Ctrl-C.

    Their handlers are others' business, and may not even run while the main thread waits for a database: the kernel's
    signal wakes a thread of ours. Call it from the main thread.

    Parameters
    ----------
    end
        Called with what to say; replaced in tests.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    done = Event()
    thread = Thread(target=_watch, args=(read, seconds, done, end), name="deadline", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(before)
        os.close(write)
        thread.join()
        os.close(read)


def _watch(read: int, seconds: float, done: Event, end: Callable[[str], None]) -> None:
    while number := os.read(read, 1):
        if number[0] in _STOPS:
            HEALTH.trouble("engine", "stopping")
            if not done.wait(seconds):
                end(
                    f"did not stop within {seconds:g} s and was ended. {_why()}The state is that of the last snapshot: "
                    "the next start goes on there, and nothing is lost or counted twice"
                )
            return


def _why() -> str:
    HEALTH.well("engine")
    return "".join(f"{reason}. " for reason in HEALTH.ready().reasons)
