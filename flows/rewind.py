"""A recovery store, taken back to the end of the last epoch that was completed.

Bytewax writes the states of an epoch first, and that the epoch is complete afterwards. A process that is killed in
between leaves states of an epoch that the next run begins anew, with other batches. Keys that this run meets in that
epoch are written over, but those it does not meet keep a state from a past that never was: killed again before it meets
them, the run after would go on from there, and take what the rewound source repeats for known already. So these states
go before a run begins.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from domain.errors import StateError

__all__ = ["ANEW", "rewind"]

#: What to do with a store that cannot be used.
ANEW: Final = (
    "move it away and start with an empty database: the stream is read again from its beginning "
    "(docs/guarantees.md, Rebuilding)"
)

#: Where a run begins that finds no other before it.
_FIRST: Final = 1


def rewind(parts: Sequence[Path]) -> int:
    """Drop the states of epochs that were not completed.

    Safe while other processes of the same cluster do so too, or read; not while an engine runs on the store.

    Parameters
    ----------
    parts
        All parts of a recovery store.

    Returns
    -------
    How many states were dropped. Raises StateError where a part cannot be read.
    """
    with ExitStack() as stack:
        databases = []
        for part in parts:
            try:
                databases.append(stack.enter_context(closing(sqlite3.connect(part, timeout=60.0))))
                databases[-1].execute("SELECT 1 FROM snaps LIMIT 1")
            except sqlite3.Error as error:
                raise StateError(
                    f"{part} is damaged ({error}): bring back a backup of the whole directory, or {ANEW}"
                ) from error
        epoch = _resume_epoch(databases)
        dropped = 0
        for database in databases:
            with database:
                dropped += database.execute("DELETE FROM snaps WHERE snap_epoch >= ?", (epoch,)).rowcount
        return dropped


def _resume_epoch(databases: Sequence[sqlite3.Connection]) -> int:
    """The first epoch that the last run has not completed on all of its workers: where Bytewax will go on."""
    runs = [
        row for database in databases for row in database.execute("SELECT ex_num, worker_count, resume_epoch FROM exs")
    ]
    if not runs:
        return _FIRST
    run, workers, began = max(runs)
    reached = dict.fromkeys(range(workers), began)
    for database in databases:
        for worker, frontier in database.execute(
            "SELECT worker_index, worker_frontier FROM fronts WHERE ex_num = ?", (run,)
        ):
            reached[worker] = max(reached[worker], frontier)
    return int(min(reached.values()))
