"""What people have done and the engine has not answered yet.

An action is on disk as soon as the journal has it, and counts once the engine has read it: usually within a second, and
after a restart of the engine a little later. Meanwhile every page says that it waits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from console.database import Database
from domain.actions import Action, parse
from domain.clock import HOUR, MINUTE
from domain.errors import ActionError, SinkError
from sources.journal import ACTIONS, Journal

__all__ = ["Pending", "Waiting"]

log = logging.getLogger(__name__)

#: After so long an action that nobody took up is history: its line stays in the journal.
KEPT: Final = HOUR

#: How long the engine's refusal is shown.
SHOWN: Final = 10 * MINUTE

#: Bytes at the end of a journal in which actions of before this process may still wait.
_TAIL: Final = 1 << 16

_STORED: Final = "SELECT DISTINCT id FROM operator_actions WHERE id IN {ids:Array(UUID)}"
_REFUSED: Final = """
SELECT detail, payload FROM dead_letters FINAL
WHERE partition = {partition:String} AND arrayExists(id -> position(payload, id) > 0, {ids:Array(String)})
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An action without an answer; `refused` is the engine's reason, where it gave one."""

    action: Action
    refused: str = ""


class Pending:
    """Follows a journal. May be used by several threads.

    Parameters
    ----------
    journal
        Where this console, and others, write.
    now
        The time at which the desk stands, ns.
    """

    def __init__(self, journal: Journal, now: Callable[[], int]) -> None:
        self._journal, self._now = journal, now
        self._lock = threading.Lock()
        self._waiting: dict[UUID, Waiting] = {}
        self._position = max(0, _size(journal.path) - _TAIL)

    def write(self, action: Action) -> None:
        """Write an action into the journal; it waits from now on. Raises SinkError where it cannot be written."""
        self._journal.append(action)
        with self._lock:
            self._waiting[action.id] = Waiting(action)

    def of(self, *, alert: UUID | None = None, sensor: str = "", asset: str = "") -> list[Waiting]:
        """What waits for an alert, or else for a sensor or an asset, oldest first."""
        with self._lock:
            found = [
                one
                for one in self._waiting.values()
                if (one.action.alert == alert if alert else False)
                or (sensor and one.action.sensor == sensor)
                or (asset and one.action.asset == asset)
            ]
        return sorted(found, key=lambda one: one.action.said)

    def look(self, database: Database) -> set[UUID]:
        """Read what others have written, and ask what has been answered; return the alerts of which there is news."""
        news = set()
        with self._lock:
            for action in self._read():
                if action.id not in self._waiting and action.ts > self._now() - KEPT:
                    self._waiting[action.id] = Waiting(action)
                    news.add(action.alert)
            waiting = dict(self._waiting)
        if waiting:
            answered, refused = self._answers(database, list(waiting))
            with self._lock:
                for id, one in waiting.items():
                    why = refused.get(id, one.refused)
                    kept = SHOWN if why else KEPT
                    if (id in answered and not why) or one.action.ts <= self._now() - kept:
                        del self._waiting[id]
                        news.add(one.action.alert)
                    elif why != one.refused:
                        self._waiting[id] = Waiting(one.action, why)
                        news.add(one.action.alert)
        return {alert for alert in news if alert is not None}

    def _answers(self, database: Database, ids: list[UUID]) -> tuple[set[UUID], dict[UUID, str]]:
        names = [str(id) for id in ids]
        try:
            stored = database.rows(_STORED, {"ids": names})
            dead = database.rows(_REFUSED, {"partition": ACTIONS, "ids": names})
        except SinkError:
            return set(), {}  # the watch says that the database is away
        refused = {id: row["detail"] for row in dead for id in ids if str(id) in str(row["payload"])}
        return {row["id"] for row in stored}, refused

    def _read(self) -> Iterator[Action]:
        path = self._journal.path
        if _size(path) <= self._position:
            return
        with path.open("rb") as file:
            file.seek(self._position)
            piece = file.read()
        whole = piece[: piece.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.splitlines():
            try:
                yield parse(line)
            except ActionError as error:  # the first line may be half a line
                log.debug("%s: %s", path, error)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
