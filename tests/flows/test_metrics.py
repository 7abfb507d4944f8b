"""What Prometheus sees while the engine runs."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from prometheus_client import Metric

from domain import metrics
from flows.streams import open_stream
from sources.kafka import KafkaSource
from tests.flows.command import Command, free_port, scrape, total, until
from tests.flows.conftest import Town
from tests.flows.stored import chdb, tables
from tests.flows.town import CITY


def _all() -> list[Metric]:
    return [family for name in metrics.__all__ for family in getattr(metrics, name).collect()]


def test_a_run_tells_what_it_does(town: Town, tmp_path: Path) -> None:
    """Every metric is there by its name, without the id of a sensor; and counts what was read, found and stored."""
    dsn, port = chdb(tmp_path / "clickhouse"), free_port()
    arguments = ["city", town.city, town.recording, "--dsn", dsn, "-s", 0.5, "-r", tmp_path / "recovery", "--speed", 15]
    with Command(tmp_path, *arguments, "--metrics", f"127.0.0.1:{port}", "--serve-port", 0) as run:
        until(lambda: total(port, "lifeline_alert_events_total") > 0, lambda: run.running, said=lambda: run.err)
        run.comes_to(port, 3000)
        page = scrape(port)
        run.send(signal.SIGTERM)
        run.ends()
    said = set(re.findall(r"^# TYPE (lifeline_\S+)", page, re.M))
    assert {f"{m.name}_total" if m.type == "counter" else m.name for m in _all()} <= said
    assert not re.search(r'"G\d\d"', page)
    counted = {name: rows for table, rows, name in _rows(page)}
    assert {"readings_packed", "aggregates_1s_stored", "findings", "alert_events", "video_events"} <= counted.keys()
    for name in ("messages", "readings", "late_rows", "duplicate_rows", "dead_letters", "findings"):
        assert _sum(page, f"lifeline_{name}_total") > 0, name
    assert _sum(page, "lifeline_snapshot_seconds_count") > 0
    assert _sum(page, "lifeline_event_to_alert_seconds_count") == 0, "a recording's event time is no measure of speed"
    stored = tables(dsn)
    assert counted["findings"] <= len(stored["findings"])
    assert counted["alert_events"] <= len(stored["alert_events"])


def test_a_simulated_city_has_its_own_time(town: Town, tmp_path: Path) -> None:
    """Its day is not today: recorded time must not tick on with the wall clock while the next message is not due."""
    dsn = chdb(tmp_path / "clickhouse")
    with Command(
        tmp_path,
        *("city", town.city, "simulator:?minutes=1", "--speed", 30, "--dsn", dsn, "--no-recovery"),
        *("--metrics", "", "--serve-port", 0),
    ) as run:
        run.ends()
    stored = tables(dsn)
    assert len(stored["readings"]) > 100 * len(stored["late_rows"])


def test_missing_offsets_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Offsets that retention or compaction took are counted and said, whoever reads the stream."""
    source = open_stream("kafka://127.0.0.1:1/readings", CITY)
    assert isinstance(source, KafkaSource)
    source.on_gap("readings/0", 3)
    source.on_gap("readings/0", 4)
    assert metrics.OFFSET_GAPS.labels("readings/0")._value.get() == 7
    assert "readings/0: 4 offsets are missing" in caplog.text


def _rows(page: str) -> list[tuple[str, float, str]]:
    found = re.findall(r'^lifeline_sink_rows_total{sink="(.+?)",table="(.+?)"} (\S+)$', page, re.M)
    return [(sink, float(rows), table) for sink, table, rows in found]


def _sum(page: str, name: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.M))
