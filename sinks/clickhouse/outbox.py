"""The outbox of a database: inserts, and what becomes of rows that it refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from clickhouse_connect.driver.client import Client

from domain import metrics
from domain.errors import SinkError, SinkRefused
from domain.records import DeadLetter
from sinks import outbox
from sinks.clickhouse.client import code_of
from sinks.clickhouse.insert import Insert
from sinks.clickhouse.refused import salvage
from sinks.clickhouse.spool import Spool

__all__ = ["Outbox"]

# The schema is gone: nothing that could be done without it would be right.
_NO_SCHEMA: Final = frozenset({60, 81})


class Outbox(outbox.Outbox[Insert]):
    """Sends inserts to one database.

    Parameters
    ----------
    connect
        Opens a connection to a database that has the schema; tried again like everything else.
    letters
        Encodes dead letters: the rows that the database refuses.
    spool, stop, memory, grace, pauses
        As for every outbox.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        letters: Callable[[Sequence[DeadLetter]], Insert],
        spool: Spool | None = None,
        stop: threading.Event | None = None,
        *,
        memory: int = outbox.MEMORY,
        grace: float = outbox.GRACE,
        pauses: tuple[float, float] = outbox.PAUSES,
    ) -> None:
        self._connect, self._letters = connect, letters
        self._client: Client | None = None
        super().__init__("ClickHouse", "clickhouse", spool, stop, memory=memory, grace=grace, pauses=pauses)

    def deliver(self, parcel: Insert) -> None:
        """Store an insert, or what can be stored of it; the rest goes where dead letters are."""
        if self._client is None:
            self._client = self._connect()
        try:
            parcel.send(self._client)
        except SinkRefused as refusal:
            if code_of(refusal) in _NO_SCHEMA:
                raise
            self._bury(parcel, refusal, self._client)

    def disconnect(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

    def _bury(self, insert: Insert, refusal: SinkRefused, client: Client) -> None:
        """Store what can be stored of a refused insert, and the rest as dead letters."""
        dead = salvage(insert, refusal, lambda part: part.send(client))
        if not dead:
            return
        try:
            self._letters(dead).send(client)
        except SinkRefused as error:
            # Nothing is taken at all, so the rows are not to blame.
            raise SinkError(f"{error}; before that: {refusal}") from error
        for letter in dead:
            metrics.DEAD_LETTERS.labels(letter.partition, letter.reason).inc()
        self._say(insert.table, "ClickHouse refuses %d of %d rows: %s", len(dead), insert.rows, refusal)
