"""Stored readings as a stream again, in order of time: what the engine kept can be judged anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from domain.city import Camera
from domain.clock import DAY, HOUR, MINUTE, SECOND, TS_MAX, TS_MIN
from domain.errors import SourceError
from domain.records import Columns, RawBatch
from domain.reports import Channel, Report
from sources.batches import Batch, Chunks, drop
from sources.pacing import Pacer
from sources.recorded import Recording

__all__ = ["open_readings"]

#: Name of the stream's one partition.
PARTITION: Final = "clickhouse"
#: ... and of that with video events.
VIDEO: Final = "clickhouse/video"
#: ... and of that with reports.
REPORTS: Final = "clickhouse/reports"
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
    settled: bool = False,
    cameras: Mapping[str, Camera] | None = None,
) -> Recording:
    """Open the `readings` of a database as one partition in order of event time and sensor, each row a message.

    Late rows are in a table of their own and are not read unless `settled`: detectors of the pane lane never saw them
    either, those of the fast lane did. Recorded time is the running maximum of event time. Nothing may be written to
    the span meanwhile.

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
    settled
        Everything that is known by now, as if all of it had come in time: late rows in their places (of two readings
        of one time the stored one stands, and of late ones the first offset), and video events and reports, a
        partition each.
    cameras
        Of the city that will read them: their clocks are set back to what they showed.
    """
    parts: dict[str, Chunks] = {PARTITION: partial(_read, client, since, until, tuple(sensors), settled)}
    if settled:
        parts[VIDEO] = partial(_video, client, since, until, cameras or {})
        parts[REPORTS] = partial(_reports, client, since, until)
    return Recording(parts, batch, Pacer(speed) if speed else None)


def _read(client: Client, since: int, until: int, sensors: Sequence[str], settled: bool, first: int) -> Iterator[Batch]:
    return drop(_chunks(client, since, until, sensors, settled), first, PARTITION)


def _video(client: Client, since: int, until: int, cameras: Mapping[str, Camera], first: int) -> Iterator[Batch]:
    return drop(_events(client, since, until, cameras), first, VIDEO)


def _reports(client: Client, since: int, until: int, first: int) -> Iterator[Batch]:
    return drop(_told(client, since, until), first, REPORTS)


def _told(client: Client, since: int, until: int) -> Iterator[RawBatch]:
    """Reports as the messages that they were."""
    text = (
        "SELECT id, type, toUnixTimestamp64Nano(ts) AS ns, channel, lon, lat, zone, asset, confidence, text, picture, "
        f"reporter FROM reports FINAL WHERE ns >= {since} AND ns < {until} ORDER BY ns, id"
    )
    payloads = [
        Report(id, type, ts, Channel(channel), lon, lat, zone, asset, sure, text, picture, reporter).to_json()
        for id, type, ts, channel, lon, lat, zone, asset, sure, text, picture, reporter in _rows(client, text)
    ]
    yield from _messages(REPORTS, payloads)


def _events(client: Client, since: int, until: int, cameras: Mapping[str, Camera]) -> Iterator[RawBatch]:
    """Video events as the messages that they were."""
    text = (
        "SELECT camera, toUnixTimestamp64Nano(ts) AS ns, type, confidence, place, clip FROM video_events FINAL "
        f"WHERE ns >= {since} AND ns < {until} ORDER BY ns, id"
    )
    payloads = [
        orjson.dumps(
            {
                "camera": camera,
                "ts": _rfc3339(ns + _ahead(cameras.get(camera))),
                "type": kind,
                "confidence": sure,
                "place": place,
                "clip": clip,
            }
        )
        for camera, ns, kind, sure, place, clip in _rows(client, text)
    ]
    yield from _messages(VIDEO, payloads)


def _rows(client: Client, text: str) -> Sequence[Sequence[Any]]:
    try:
        return client.query(text).result_rows
    except ClickHouseError as error:
        raise SourceError(f"ClickHouse: {error}") from error


def _messages(partition: str, payloads: Sequence[bytes]) -> Iterator[RawBatch]:
    if payloads:
        yield RawBatch.of(partition, payloads, range(len(payloads)), [0] * len(payloads))


def _ahead(camera: Camera | None) -> int:
    return round(camera.clock_offset * SECOND) if camera is not None else 0


def _rfc3339(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{ns % SECOND:09d}Z"


def _chunks(client: Client, since: int, until: int, sensors: Sequence[str], settled: bool) -> Iterator[Columns]:
    try:
        bounds = _bounds(client, since, until, sensors, settled)
        if bounds is None:
            return
        at, last = bounds
        number, step = 0, 2
        while at <= last:
            upto = min(at - at % _SPANS[step] + _SPANS[step], until)
            table = _query(client, at, upto, sensors, settled)
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


def _bounds(client: Client, since: int, until: int, sensors: Sequence[str], settled: bool) -> tuple[int, int] | None:
    where, parameters = _where(since, until, sensors)
    text = f"SELECT pane FROM readings_packed WHERE {where}"
    if settled:
        text += f" UNION ALL SELECT ts AS pane FROM late_rows WHERE {where.replace('pane', 'ts')}"
    text = (
        "SELECT count() AS panes, toUnixTimestamp64Nano(min(pane)) AS first, "
        f"toUnixTimestamp64Nano(max(pane)) + {SECOND} AS last FROM ({text})"
    )
    ((panes, first, last),) = client.query(text, parameters=parameters).result_rows
    return (max(int(first), since), min(int(last), until - 1)) if panes else None


def _query(client: Client, since: int, until: int, sensors: Sequence[str], settled: bool) -> pa.Table:
    where, parameters = _where(since, until, sensors)
    columns = "toString(sensor) AS sensor, toUnixTimestamp64Nano(ts) AS ns, value"
    span = f"ns >= {since} AND ns < {until}"
    text = f"SELECT {columns} FROM readings WHERE {where} AND {span} ORDER BY ns, sensor"
    if settled:
        late = where.replace("pane", "ts")
        text = (
            f"SELECT sensor, ns, value FROM (SELECT {columns}, 0 AS late FROM readings WHERE {where} AND {span} "
            f"UNION ALL SELECT {columns}, 1 AS late FROM late_rows FINAL WHERE {late} AND {span}) "
            "ORDER BY ns, sensor, late LIMIT 1 BY ns, sensor"
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
