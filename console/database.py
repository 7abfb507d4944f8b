"""The database as the console reads it: by HTTP, over and over, whoever answers at the moment.

An embedded directory belongs to one process. Where that is the engine, the console asks the engine, and waits while it
restarts: it never takes the directory, or the engine could not come back. Where nobody owns it when the console starts,
as after a demo, the console serves it itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from clickhouse_connect.driver.client import Client

from domain.errors import SinkError
from sinks.clickhouse.client import Dsn, connect, owner_of, served, translated
from sinks.clickhouse.serve import Serving

__all__ = ["Database", "Row", "serve_unowned"]

Row = dict[str, Any]
_T = TypeVar("_T")

#: Seconds that an answer may take: somebody waits for it before a screen.
PATIENCE = 20


class Database:
    """Reads what the engine has stored. May be used by several threads.

    Parameters
    ----------
    dsn
        Of a server, or of an embedded directory that another process serves.
    """

    def __init__(self, dsn: str) -> None:
        self._target = Dsn.parse(dsn)
        self._lock = threading.Lock()
        self._client: Client | None = None

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """The rows of a query, by the names of its columns. Raises SinkError or SinkRefused."""
        return self.ask(lambda client: list(client.query(query, parameters=dict(parameters or {})).named_results()))

    def ask(self, question: Callable[[Client], _T]) -> _T:
        """Ask with a client of one's own wording. Raises SinkError or SinkRefused."""
        client = self._connected()
        try:
            with translated():
                return question(client)
        except SinkError:
            # The engine may come back at another address.
            with self._lock:
                if self._client is client:
                    self._client = None
            raise

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = connect(self._address(), timeout=PATIENCE)
            return self._client

    def _address(self) -> Dsn:
        if self._target.scheme != "chdb":
            return self._target
        owner = owner_of(self._target.path)
        if owner is None:
            raise SinkError(f"nobody serves {self._target.path}: the engine does not run")
        return replace(Dsn.parse(owner), database=self._target.database)


@contextmanager
def serve_unowned(dsn: str) -> Iterator[bool]:
    """Serve an embedded directory, read only, that nobody else serves; yields whether that was so.

    Raises SinkError when there is no database, or another process holds the directory without serving it.
    """
    target = Dsn.parse(dsn)
    if target.scheme != "chdb" or served(target):
        yield False
        return
    if not Path(target.path).is_dir():
        raise SinkError(f"there is no database at {target.path} yet; run `lifeline demo` first, or start the engine")
    with Serving(dsn, port=0):
        yield True
