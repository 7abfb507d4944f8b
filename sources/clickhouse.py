"""Stored readings as a stream again, in order of time: what the engine kept can be judged anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from domain.clock import DAY, HOUR, MINUTE, SECOND, TS_MAX, TS_MIN
from domain.errors import SourceError
from domain.records import Columns
from sources.batches import Batch, drop
from sources.pacing import Pacer
from sources.recorded import Recording

__all__ = ["open_readings"]

#: Name of the stream's one partition.
PARTITION: Final = "clickhouse"
#: Readings that one query should bring.
_WANTED: Final = 1_000_000
_SPANS: Final = (SECOND, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 10 * DAY, 100 * DAY)


def open_readings(
    client: Client,
    *,
    since: int = TS_MIN,
    until: int = TS_MAX,
    sensors: Sequence[str] = (),
    batch: int = 65_536,
    speed: float | None = None,
) -> Recording:
    """Open the `readings` of a database as one partition in order of event time and sensor, each row a message.

    Late rows are in a table of their own and are not read: detectors of the pane lane never saw them either, those of
    the fast lane did. Recorded time is the running maximum of event time. Nothing may be written to the span meanwhile.

    Parameters
    ----------
    client
        Connected to the database; used until the stream ends.
    since, until
        Event times to read, ns; `until` is left out.
    sensors
        Ids to read; empty: all.
    batch, speed
        As in `open_recording`.
    """
    return Recording(
        {PARTITION: partial(_read, client, since, until, tuple(sensors))}, batch, Pacer(speed) if speed else None
    )


def _read(client: Client, since: int, until: int, sensors: Sequence[str], first: int) -> Iterator[Batch]:
    return drop(_chunks(client, since, until, sensors), first, PARTITION)


def _chunks(client: Client, since: int, until: int, sensors: Sequence[str]) -> Iterator[Columns]:
    try:
        bounds = _bounds(client, since, until, sensors)
        if bounds is None:
            return
        at, last = bounds
        number, step = 0, 2
        while at <= last:
            upto = min(at - at % _SPANS[step] + _SPANS[step], until)
            table = _query(client, at, upto, sensors)
            if len(table):
                yield _columns(table, number)
                number += len(table)
            if len(table) > _WANTED:
                step = max(step - 1, 0)
            elif len(table) < _WANTED // 16:
                step = min(step + 1, len(_SPANS) - 1)
            at = upto
    except ClickHouseError as error:
        raise SourceError(f"ClickHouse: {error}") from error


def _where(since: int, until: int, sensors: Sequence[str]) -> tuple[str, dict[str, object]]:
    # On the pane first: it is what the table is partitioned and ordered by. A pane lasts a second at most.
    terms = [
        f"pane > fromUnixTimestamp64Nano({since - SECOND}, 'UTC')",
        f"pane < fromUnixTimestamp64Nano({until}, 'UTC')",
    ]
    if sensors:
        terms.append("sensor IN {sensors:Array(String)}")
    return " AND ".join(terms), {"sensors": list(sensors)} if sensors else {}


def _bounds(client: Client, since: int, until: int, sensors: Sequence[str]) -> tuple[int, int] | None:
    where, parameters = _where(since, until, sensors)
    text = (
        "SELECT count() AS panes, toUnixTimestamp64Nano(min(pane)) AS first, "
        f"toUnixTimestamp64Nano(max(pane)) + {SECOND} AS last FROM readings_packed WHERE {where}"
    )
    ((panes, first, last),) = client.query(text, parameters=parameters).result_rows
    return (max(int(first), since), min(int(last), until - 1)) if panes else None


def _query(client: Client, since: int, until: int, sensors: Sequence[str]) -> pa.Table:
    where, parameters = _where(since, until, sensors)
    text = (
        "SELECT toString(sensor) AS sensor, toUnixTimestamp64Nano(ts) AS ns, value FROM readings "
        f"WHERE {where} AND ns >= {since} AND ns < {until} ORDER BY ns, sensor"
    )
    return client.query_arrow(text, parameters=parameters, use_strings=True)


def _columns(table: pa.Table, number: int) -> Columns:
    n = len(table)
    names = table.column("sensor").combine_chunks().dictionary_encode()
    if isinstance(names, pa.ChunkedArray):
        names = names.combine_chunks()
    rows = np.arange(n)
    return Columns(
        PARTITION,
        tuple(names.dictionary.to_pylist()),
        names.indices.to_numpy(zero_copy_only=False).astype(np.int32),
        table.column("ns").to_numpy().astype(np.int64),
        table.column("value").to_numpy().astype(np.float64),
        rows.astype(np.int32),
        rows + number,
        np.zeros(n, np.int64),
    )
