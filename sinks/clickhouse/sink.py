"""Results into ClickHouse: at once (`Writer`), or from the flow, through an outbox (`ClickHouseSink`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Event
from types import TracebackType
from typing import Final, Never

from clickhouse_connect.driver.client import Client

from domain import metrics
from domain.errors import SinkError, SinkRefused
from domain.findings import AlertEvent
from domain.records import DeadLetter
from sinks.clickhouse.blocks import Block
from sinks.clickhouse.encoder import Encoder, Item
from sinks.clickhouse.insert import Insert
from sinks.clickhouse.outbox import Outbox
from sinks.clickhouse.spool import Spool

__all__ = ["ClickHouseSink", "Delivery", "Writer"]

#: So many rare records are held back at most: more are written before their epoch ends.
HELD: Final = 10_000


class Writer:
    """Writes results through one client, and waits until they are stored.

    Parameters
    ----------
    client
        An open connection to a database that `ensure_schema` has prepared.
    sensor_names, scope
        As `Encoder` takes them.
    attempts, backoff
        A request that fails for a passing reason is tried so often, with pauses of `backoff` seconds that double.
    sleep
        How to pause; replaced in tests.
    """

    def __init__(
        self,
        client: Client,
        sensor_names: Sequence[str],
        scope: str = "",
        attempts: int = 6,
        backoff: float = 0.1,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._encoder = Encoder(sensor_names, scope)
        self._attempts = attempts
        self._backoff = backoff
        self._sleep = sleep

    def write(self, items: Iterable[Item]) -> None:
        """Store items.

        Raises SinkRefused when the server refuses an item for good, SinkError when it kept failing. What was stored
        before is recognised when the items come again.
        """
        for insert in self._encoder.inserts(items):
            self._send(insert)

    def _send(self, insert: Insert) -> None:
        for attempt in range(1, self._attempts + 1):
            try:
                insert.send(self._client)
                return
            except SinkRefused:
                raise
            except SinkError as error:
                if attempt == self._attempts:
                    raise SinkError(f"insert into {insert.table} failed {attempt} times, last: {error}") from error
                metrics.SINK_RETRIES.labels("clickhouse").inc()
                self._sleep(self._backoff * 2 ** (attempt - 1))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class ClickHouseSink:
    """Where the results of one process go: through one outbox into one database, while the `with` block runs.

    Parameters
    ----------
    connect
        Opens a connection to a database that has the schema (see `sinks.clickhouse.outbox`).
    sensor_names, scope
        As `Encoder` takes them.
    spool, stop
        As `Outbox` takes them.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        sensor_names: Sequence[str],
        scope: str = "",
        spool: Spool | None = None,
        stop: Event | None = None,
    ) -> None:
        self._encoder = Encoder(tuple(sensor_names), scope)
        self._connect, self._spool, self._stop = connect, spool, stop or Event()
        self._outbox: Outbox | None = None

    def __enter__(self) -> ClickHouseSink:
        self._outbox = Outbox(self._connect, self._letters, self._spool, self._stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._outbox is not None:
            self._outbox.close(wait=kind is None and not self._stop.is_set())

    def delivery(self) -> Delivery:
        """What one key of the flow delivers through."""
        assert self._outbox is not None
        return Delivery(self._encoder, self._outbox)

    def _letters(self, letters: Sequence[DeadLetter]) -> Insert:
        return next(self._encoder.inserts(letters))


class Delivery:
    """Results of one key of the flow, driven by a stateful step: such steps are told when an epoch ends.

    Blocks are sent as they come. Records that are few and come one by one are gathered and sent once an epoch, since an
    insert costs milliseconds whatever it holds; alert events go at once, since somebody waits for them, with what was
    gathered until then.
    """

    def __init__(self, encoder: Encoder, outbox: Outbox) -> None:
        self._encoder, self._outbox = encoder, outbox
        self._held: list[Item] = []

    def take(self, items: Sequence[Item]) -> Iterable[Never]:
        """Send items on their way."""
        self._send([item for item in items if isinstance(item, Block)])
        self._held += [item for item in items if not isinstance(item, Block)]
        if len(self._held) >= HELD or any(isinstance(item, AlertEvent) for item in items):
            self._send_held()
        return ()

    def snapshot(self) -> None:
        """Before the epoch counts as done, all that came in it is safe; nothing has to be kept."""
        self._send_held()
        self._outbox.flush()

    def _send_held(self) -> None:
        held, self._held = self._held, []
        self._send(held)

    def _send(self, items: Iterable[Item]) -> None:
        for insert in self._encoder.inserts(items):
            self._outbox.put(insert)
