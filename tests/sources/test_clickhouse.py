"""What the engine stored, judged again from the database, is judged alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from detectors.contract import Lane
from detectors.registry import get
from domain.clock import MILLISECOND, SECOND
from domain.errors import SourceError
from domain.records import Columns, RawBatch
from domain.streams import Source
from flows.engine import Engine
from operators.decode import Decoder
from sinks.clickhouse.client import connect
from sources import clickhouse
from sources.clickhouse import open_readings
from tests.flows.memory import MemorySource
from tests.flows.stored import chdb
from tests.flows.town import CITY, SETTINGS, T0, messages
from workbench.tape import judge, steps


@pytest.fixture(scope="module")
def dsn(directory: Path, engine: Client) -> str:
    """The town's minute, run and stored."""
    dsn = chdb(directory, "stored_readings")
    Engine(CITY, SETTINGS, MemorySource(messages(), 1000), dsn).run()
    return dsn


@pytest.fixture(scope="module")
def stored(dsn: str) -> Iterator[Client]:
    client = connect(dsn)
    yield client
    client.close()


def rows(source: Source, resume: int | None = None) -> list[tuple[str, int, float]]:
    """Every reading that comes."""
    partition = source.open(source.partitions()[0], resume)
    found: list[tuple[str, int, float]] = []
    while True:
        try:
            batch = partition.poll()
        except StopIteration:
            return found
        assert isinstance(batch, Columns)
        assert np.array_equal(batch.offset, np.arange(len(batch)) + batch.offset[0])
        found += [(batch.names[c], int(t), float(v)) for c, t, v in zip(batch.code, batch.ts, batch.value, strict=True)]


def test_every_stored_reading_comes_in_order(stored: Client) -> None:
    """By time, then by sensor; each once, with its nanoseconds."""
    found = rows(open_readings(stored))
    assert [(t, name) for name, t, _ in found] == sorted((t, name) for name, t, _ in found)
    ((count,),) = stored.query("SELECT count() FROM readings").result_rows
    assert len(found) == len({row[:2] for row in found}) == count > 3000


def test_what_cameras_and_people_said_comes_as_it_was_said(stored: Client) -> None:
    """Reports as their messages; of a camera whose clock is known to be ahead, the time that it showed."""
    ahead = {id: replace(camera, clock_offset=2.0) for id, camera in CITY.cameras.items()}
    source = open_readings(stored, settled=True, cameras=ahead)
    events, reports = (source.open(name, None).poll() for name in (clickhouse.VIDEO, clickhouse.REPORTS))
    assert isinstance(events, RawBatch)
    assert isinstance(reports, RawBatch)
    decoder = Decoder(replace(CITY, cameras=ahead))
    wanted = {event.ts for _, event in decoder.decode(events).video}
    ((stored_at,),) = stored.query(
        "SELECT groupUniqArray(toUnixTimestamp64Nano(ts)) FROM video_events FINAL"
    ).result_rows
    assert wanted == set(stored_at)
    told = [report for _, report in decoder.decode(reports).reports]
    ((count,),) = stored.query("SELECT count() FROM reports FINAL").result_rows
    assert len(told) == count > 5
    assert told[0].text == "smells <of> gas"


@pytest.mark.parametrize("wanted", [50, 100_000])
def test_the_size_of_queries_changes_nothing(stored: Client, wanted: int) -> None:
    """Spans of time grow and shrink with what they hold; resuming goes on at the next row."""
    found = rows(open_readings(stored))
    with patch.object(clickhouse, "_WANTED", wanted):
        assert rows(open_readings(stored, batch=7)) == found
        assert rows(open_readings(stored), resume=1234) == found[1234:]


def test_a_span_and_some_sensors(stored: Client) -> None:
    """`since` is taken in and `until` left out."""
    since, until = T0 * MILLISECOND + 10 * SECOND, T0 * MILLISECOND + 12 * SECOND
    expected = [row for row in rows(open_readings(stored)) if since <= row[1] < until and row[0] in ("G01", "G03")]
    assert rows(open_readings(stored, since=since, until=until, sensors=("G01", "G03"))) == expected
    assert len(expected) == 8
    assert rows(open_readings(stored, since=until, until=until)) == []


def test_findings_in_order_of_time_are_the_live_ones(stored: Client) -> None:
    """The pane lane saw the same rows then; nothing is late any more (the fast lane had seen late rows, too)."""
    live = judge(CITY, SETTINGS, steps(CITY, SETTINGS, MemorySource(messages(), 1000)))
    again = judge(CITY, SETTINGS, steps(CITY, SETTINGS, open_readings(stored)))
    pane = {monitor.name for monitor in CITY.monitors if get(monitor.detector).lane is Lane.PANE}
    expected = [finding for finding in live.findings if finding.monitor in pane]
    assert [finding for finding in again.findings if finding.monitor in pane] == expected != []
    assert (again.late, again.dead) == (0, 0)
    assert again.readings < live.readings - live.late  # repeats are gone, too


def test_no_database_is_an_error(dsn: str) -> None:
    """The engine's message, as ours."""
    client = connect(dsn + "_none")
    with pytest.raises(SourceError, match="ClickHouse"):
        rows(open_readings(client))
    client.close()
