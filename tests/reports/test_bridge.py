"""The health report of a bridge in a simulated hour in which its pier settled."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from domain.clock import HOUR, SECOND
from domain.errors import ConfigError
from flows.commands.report import report
from reports.bridge import BridgeDay, last_day, read_day, structures
from reports.page import bridge_page
from simulators.scenario import START
from tests.hour import Hour

DAY = date(2025, 7, 14)


class Tags(HTMLParser):
    """What a page is made of."""

    EMPTY = frozenset({"meta", "path", "use", "br", "rect", "line"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def settled(hour: Hour) -> str:
    """The bridge whose pier settled."""
    (sensors,) = [incident.sensors for incident in hour.scenario.truth if incident.kind == "settlement"]
    assets = {sensor.id: sensor.asset for sensor in hour.scenario.city.sensors}
    return assets[sensors[0]]


@pytest.fixture(scope="module")
def day(hour: Hour, settled: str) -> BridgeDay:
    return read_day(hour.client, settled, DAY)


def test_what_is_read(hour: Hour, day: BridgeDay, settled: str) -> None:
    """The day of the city's zone, its sensors, what they measured, and the alert of the pier, in local time."""
    sensors = [sensor for sensor in hour.scenario.city.sensors if sensor.asset == settled]
    assert (day.city, day.zone.key, day.begin.isoformat()) == ("bozhou", "Asia/Shanghai", "2025-07-14T00:00:00+08:00")
    assert [row["sensor"] for row in day.sensors] == sorted(
        (s.id for s in sensors), key=lambda id: next((s.kind, s.id) for s in sensors if s.id == id)
    )
    assert {row["kind"] for row in day.measured} == {sensor.kind for sensor in sensors}
    (alert,) = [alert for alert in day.alerts if alert["kind"] == "bridge-settlement"]
    assert alert["raised"].utcoffset().total_seconds() == 8 * 3600
    assert (
        datetime(2025, 7, 14, 8, 25, tzinfo=day.zone) < alert["raised"] < datetime(2025, 7, 14, 8, 35, tzinfo=day.zone)
    )
    assert day.health["score"] <= 90
    assert ("bridge-settlement", "event") in {(row["kind"], row["verdict"]) for row in day.findings}


def test_traces(hour: Hour, day: BridgeDay, settled: str) -> None:
    """Of an hour every minute: each sensor's mean lies between the least and the most, and equals the readings'."""
    for traces in day.traces:
        assert np.array_equal(traces.ts, START + np.arange(60) * 60 * SECOND)
        for mean in traces.mean.values():
            heard = ~np.isnan(mean)
            assert np.all(traces.least[heard] <= mean[heard])
            assert np.all(mean[heard] <= traces.most[heard])
            assert heard.sum() >= 48  # one sensor drops out
    traces = next(traces for traces in day.traces if traces.kind == "strain")
    sensor, mean = next(iter(traces.mean.items()))
    found = hour.client.query(
        "SELECT avg(value) FROM readings WHERE sensor = {sensor:String} AND ts < fromUnixTimestamp64Nano({upto:Int64})",
        {"sensor": sensor, "upto": START + 60 * SECOND},
    ).result_rows
    assert mean[0] == pytest.approx(found[0][0])
    assert day.heard.timestamp() == (START + HOUR) / SECOND
    assert day.shown == (datetime.fromtimestamp(START / SECOND, day.zone), day.heard)
    later = replace(traces, ts=traces.ts + 5 * HOUR)
    assert replace(day, traces=[traces, later]).shown == (day.begin, day.end)


def test_the_page_is_whole_and_needs_nothing_else(day: BridgeDay) -> None:
    """Tags are closed, ids are used once and found, nothing is fetched, and the same day gives the same bytes."""
    page = bridge_page(day)
    tags = Tags(page)
    assert tags.open == []
    ids = Counter(attrs["id"] for _, attrs in tags.seen if attrs.get("id"))
    assert max(ids.values()) == 1
    for name in re.findall(r'(?:url\(#|href="#)([^)"]+)', page):
        assert name in ids
    assert not {tag for tag, _ in tags.seen} & {"script", "link", "img", "iframe", "object"}
    assert not [attrs for _, attrs in tags.seen if (attrs.get("href") or attrs.get("xlink:href") or "#")[0] != "#"]
    assert sum(tag == "svg" for tag, _ in tags.seen) == len(day.traces)
    assert bridge_page(day) == page
    for row in day.sensors:
        assert row["sensor"] in page


def test_what_stands_in_it_is_text(day: BridgeDay) -> None:
    """A name is never taken for a tag."""
    page = bridge_page(replace(day, health={**day.health, "asset_name": "<script>alert(1)</script>"}))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("health", "alerts", "facts"),
    [
        ({"availability": 1.0, "faulty_sensors": 0}, [], ["No alert."]),
        (
            {"availability": None, "faulty_sensors": 0},
            [],
            ["No alert.", "Less than half of the readings came: no grade is given."],
        ),
        (
            {"availability": 0.9, "faulty_sensors": 2, "sensors": 5},
            [
                {"level": 1, "kind": "bridge-impact", "judged": "false", "cleared": None},
                {"level": 2, "kind": "bridge-impact", "judged": None, "cleared": None},
                {"level": 3, "kind": "bridge-crack", "judged": "true", "cleared": 1},
                {"level": 3, "kind": "sensor-fault", "judged": None, "cleared": None},
            ],
            [
                "2 alerts, the gravest of level II; 1 still open.",
                "90.0% of the readings came.",
                "2 of 5 sensors had a fault.",
            ],
        ),
    ],
)
def test_what_is_said_first(day: BridgeDay, health: Any, alerts: Any, facts: list[str]) -> None:
    """False alarms and the sensors' own trouble are not the structure's."""
    assert replace(day, health=health, alerts=alerts).facts == facts


def test_nothing_stored_is_told(hour: Hour, settled: str) -> None:
    """With what there is instead."""
    with pytest.raises(ConfigError, match="expected a day from 2025-07-14 to 2025-07-14, got 2025-07-15"):
        read_day(hour.client, settled, date(2025, 7, 15))
    with pytest.raises(ConfigError, match=f"expected a structure of which something is stored: .*{settled}"):
        read_day(hour.client, "nowhere", DAY)
    assert last_day(hour.client) == DAY


def test_the_command(hour: Hour, settled: str, day: BridgeDay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks whoever serves the directory, takes the last day by itself, and says where the page is."""
    monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", "grafana")
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(report, ["bridge", settled, "--dsn", hour.serving.dsn])
    assert answer.exit_code == 0, answer.output
    path = Path("lifeline-data/reports") / f"{settled}-2025-07-14.html"
    assert answer.output.strip() == str(path)
    assert path.read_text(encoding="utf-8") == bridge_page(day)


def test_all_structures(
    hour: Hour, settled: str, day: BridgeDay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page each, the same as alone, and one that leads to all of them, the worst first."""
    monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", "grafana")
    line = ["bridge", "--all", "--day", "2025-07-14", "--dsn", hour.serving.dsn, "--out", str(tmp_path)]
    answer = CliRunner().invoke(report, line)
    assert answer.exit_code == 0, answer.output
    assert answer.output.strip() == str(tmp_path / "index.html")
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert Tags(index).open == []
    names = re.findall(r'href="([^"]+)"', index)
    scores = [health["score"] for health in structures(hour.client, DAY)]
    assert scores == sorted(scores)
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir() if path.name != "index.html")
    assert (tmp_path / f"{settled}.html").read_text(encoding="utf-8") == bridge_page(day)
    for wrong in (["bridge"], ["bridge", settled, "--all"]):
        assert CliRunner().invoke(report, wrong).exit_code == 2
    assert CliRunner().invoke(report, [*line[:3], "2025-07-20", *line[4:]]).exit_code == 1
