"""Whatever is written, and however often, is stored once and read back as it was."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.actions import Action, Verb
from domain.clock import NEVER, SECOND
from domain.commands import CommandEvent, Step
from domain.errors import SinkError, SinkRefused
from domain.findings import Alert, AlertEvent, AlertEventType, Finding, Phase, Samples, Verdict, VideoEvent
from domain.identity import identify
from domain.notices import Notice, Why
from domain.records import DeadLetter, LateRows
from domain.reports import Channel, Report
from sinks.clickhouse.blocks import Block, Blocks
from sinks.clickhouse.read import alerts_of, findings_of, orders_of, standing_alerts
from sinks.clickhouse.schema import AGGREGATES, settle
from sinks.clickhouse.sink import Writer
from tests.sinks.clickhouse.streams import PANES, SENSORS, START, Pane, aggregates_of, panes_of, rows_of, statistics

STREAM: list[Pane] = [{0: {1: 1.0, 500: -1 / 3}, n % 4: {7: n / 3}} for n in range(12)]


def blocks_of(stream: Sequence[Pane]) -> list[Block]:
    blocks = Blocks(3)
    out = list(blocks.panes(panes_of(stream, 0, len(stream))))
    for period in AGGREGATES:
        out += blocks.aggregates(aggregates_of(stream, period))
    return out + list(blocks.flush())


def late_of(rows: Sequence[tuple[int, int, float]], offset: int = 0) -> LateRows:
    sensor, ts, value = zip(*rows, strict=True)
    zeros = np.zeros(len(rows), np.int64)
    return LateRows(
        "p0",
        np.array(sensor, np.int32),
        np.array(ts, np.int64),
        np.array(value),
        zeros + offset,
        zeros + START,
        zeros + NEVER,
    )


def dump(client: Client, table: str) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, client.query(f"SELECT * FROM {table}").result_rows), key=repr)


def finding(n: int) -> Finding:
    return Finding(
        identify("finding", n), Phase.CHANGE, "m", "d", "c0ffee", "gas-leak", Verdict.FAULT, "stuck", SENSORS[n % 4],
        START + n, START + n + 1, START - 1, 2, 1.5, 1.0, float("nan"), -0.0, '{"limit":1.5}',
        Samples((START + np.arange(n)).tobytes(), np.linspace(-0.0, 1.0, n).tobytes()),
    )  # fmt: skip


def alert_event(seq: int, type_: AlertEventType = AlertEventType.RAISED, level: int = 2) -> AlertEvent:
    alert = Alert(
        identify("alert"), "gas-leak", level, type_ is not AlertEventType.CLEARED, START, START + 5, START + 5 + seq, 0,
        "z", "mh-1", "Crossing 'A'\t\n\\", 115.8, 33.9, "gas company", True, 0.75, "Leak at Crossing A; 街",
        ("a", "b"), (), ("clip", ""), (identify(1), identify(2)), ("because",),
    )  # fmt: skip
    return AlertEvent(identify("alert", seq), seq, type_, START + 5 + seq, alert)


def test_repeats_leave_one_copy(client: Client) -> None:
    """Blocks that come again, from another connection and after others, change neither their table nor its rollups."""
    blocks = blocks_of(STREAM)
    Writer(client, SENSORS).write(blocks)
    tables = ["readings", "readings_per_minute", "readings_per_minute_stored", "sensor_last_seen", *AGGREGATES.values()]
    before = {table: dump(client, table) for table in tables}
    assert len(before["readings"]) == len(list(rows_of(STREAM)))
    assert sum(row[2] for row in before["readings_per_minute"]) == len(before["readings"])
    Writer(client, SENSORS).write(blocks[3:] + blocks)
    assert {table: dump(client, table) for table in tables} == before


def test_another_scope_is_another_deployment(client: Client) -> None:
    """Two deployments with the same shards and hours do not swallow each other's blocks."""
    blocks = blocks_of(STREAM)
    Writer(client, SENSORS, "one").write(blocks)
    Writer(client, [f"x-{name}" for name in SENSORS], "two").write(blocks)
    assert client.command("SELECT uniqExact(sensor) FROM readings") == 8
    assert client.command("SELECT count() FROM readings") == 2 * len(list(rows_of(STREAM)))


def test_repeats_are_known_after_a_restart(tmp_path: Path) -> None:
    """A process that was restarted, as after a crash, repeats its last blocks: still one copy."""
    script = """
import sys
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import ensure_schema
from sinks.clickhouse.sink import Writer
from tests.sinks.clickhouse.test_sink import STREAM, SENSORS, blocks_of
client = connect(sys.argv[1])
ensure_schema(client)
Writer(client, SENSORS).write(blocks_of(STREAM))
print(client.command("SELECT count() FROM readings"), client.command("SELECT sum(readings) FROM readings_per_minute"))
"""
    root = Path(__file__).parents[3]
    counts = [
        subprocess.run(
            [sys.executable, "-c", script, f"chdb://{tmp_path}/db"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    rows = len(list(rows_of(STREAM)))
    assert counts == [f"{rows} {rows}\n"] * 2


def test_readings_are_stored_exactly(client: Client) -> None:
    """Nanoseconds and bits survive."""
    Writer(client, SENSORS).write(blocks_of(STREAM))
    stored = client.query("SELECT sensor, toUnixTimestamp64Nano(ts), value FROM readings").result_rows
    expected = [(SENSORS[sensor], ts, value) for sensor, ts, value in rows_of(STREAM)]
    assert sorted(map(tuple, stored)) == sorted(expected)


def check_corrected(client: Client, rows: Sequence[tuple[int, int, float]]) -> None:
    for period, table in AGGREGATES.items():
        found = client.query(
            f"SELECT sensor, toUnixTimestamp64Milli(start), count, min, max, mean, last, std FROM {table}"
        ).result_rows
        expected = statistics(rows, period)
        assert sorted((row[0], row[1] * 1_000_000) for row in found) == sorted((SENSORS[s], t) for s, t in expected)
        for sensor, start, *values in found:
            wanted = expected[SENSORS.index(sensor), start * 1_000_000]
            np.testing.assert_allclose(values, wanted, rtol=1e-9, atol=1e-6)


LATE = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(-5_000, 40_000).map(lambda ms: START + ms * 1_000_000), st.floats(-1e6, 1e6)
    ),
    min_size=1,
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)
@given(data=st.data(), stream=PANES, late=LATE)
def test_late_rows_correct_the_aggregates(
    client: Client, data: st.DataObject, stream: list[Pane], late: list[tuple[int, int, float]]
) -> None:
    """What one reads as aggregates equals the statistics of all distinct readings; a stored one wins over a late one.

    It holds whichever is written first, when all is written twice, and after the corrections were settled.
    """
    for table in ("readings_packed", "late_rows", *(f"{name}_stored" for name in AGGREGATES.values())):
        client.command(f"TRUNCATE TABLE {table}")
    stored = list(rows_of(stream))
    if stored:  # some late rows are repeats of readings
        late = late + data.draw(st.lists(st.sampled_from(stored).map(lambda row: (row[0], row[1], 1e9)), max_size=3))
    half = len(late) // 2
    records = [late_of(part, offset) for offset, part in enumerate((late[:half], late[half:])) if part]
    writer = Writer(client, SENSORS, scope=data.draw(st.uuids()).hex)
    writer.write(data.draw(st.permutations([*records, *blocks_of(stream)])))
    writer.write(records[::-1])
    check_corrected(client, stored + late)
    settle(client)
    settle(client)
    check_corrected(client, stored + late)
    client.command("TRUNCATE TABLE readings_packed")  # expired
    check_corrected(client, stored + late)


def test_corrections_are_not_counted_again(client: Client) -> None:
    """Rollups stay as they were when corrected aggregates are stored beside the first ones."""
    writer = Writer(client, SENSORS)
    writer.write([*blocks_of(STREAM), late_of([(0, START + 3, 9.0), (2, START - SECOND, 1.0)])])
    before = dump(client, "readings_per_minute")
    settle(client)
    assert client.command("SELECT countIf(settled) > 0 FROM aggregates_1m_stored") == 1
    assert dump(client, "readings_per_minute") == before
    assert sum(row[2] for row in before) == len(list(rows_of(STREAM)))


def test_findings_and_events_are_read_back(client: Client) -> None:
    """Every field of every rare record, and one row however often it was written."""
    findings = tuple(map(finding, range(5)))
    video = VideoEvent(identify("video"), "cam-1", START, "fire", 0.93, "街", "", START + 1)
    dead = DeadLetter("p0", 7, -1, START, "not-json", "expected {", b"\x00\xff{'")
    writer = Writer(client, SENSORS)
    for _ in range(2):
        writer.write([findings, list(findings[:2]), findings[0], video, dead, alert_event(0)])
    assert repr(findings_of(client)) == repr(list(findings))
    assert repr(findings_of(client, findings[2].id)) == repr([findings[2]])
    assert findings_of(client, identify("another")) == []
    assert client.query("SELECT * EXCEPT (ts, known) FROM video_events FINAL").result_rows == [
        (video.id, "cam-1", "fire", 0.93, "街", "")
    ]
    assert client.query("SELECT * EXCEPT (recorded, payload), hex(payload) FROM dead_letters FINAL").result_rows == [
        ("p0", 7, -1, "not-json", "expected {", "00FF7B27")
    ]


def test_alerts_are_the_last_event(client: Client) -> None:
    """The view holds each alert once, as its latest event left it, in whatever order events were written."""
    events = [alert_event(0), alert_event(1, AlertEventType.ESCALATED, 1), alert_event(2, AlertEventType.CLEARED, 1)]
    writer = Writer(client, SENSORS)
    writer.write([events[2], events[0]])
    writer.write(events)
    assert client.command("SELECT count() FROM alert_events FINAL") == 3
    row = client.query(
        "SELECT id, level, active, events, last_event, place, summary, sensors, cameras, clips, evidence, "
        "urgent, corroboration FROM alerts"
    ).result_rows
    alert = events[2].alert
    assert row == [
        (
            alert.id,
            1,
            False,
            3,
            "cleared",
            alert.place,
            alert.summary,
            ["a", "b"],
            [],
            ["clip", ""],
            list(alert.evidence),
            True,
            0.75,
        )
    ]
    assert client.query("SELECT level, kind, alerts FROM alerts_per_hour").result_rows == [(1, "gas-leak", 1)]


def test_what_people_do_is_read_back(client: Client) -> None:
    """An action as it was done, once however often it came; and what it made of an alert."""
    action = Action(
        identify("action"), Verb.SHELVE, START, "li.na", "operator", identify("alert"), until=START + SECOND,
        reason="阀门检修", case="2025-17", known=START + 1,
    )  # fmt: skip
    window = Action(identify("window"), Verb.RESUME, START, "li.na", asset="A")
    event = alert_event(0, AlertEventType.SHELVED, 1)
    alert = replace(
        event.alert, acknowledged=START + 3, acknowledged_by="li.na", shelved_until=START + SECOND,
        shelved_by="wang.wei", suppressed=True, latched=True, judged="false",
    )  # fmt: skip
    writer = Writer(client, SENSORS)
    for _ in range(2):
        writer.write([action, window, replace(event, alert=alert)])
    columns = "id, action, actor, role, alert, toUnixTimestamp64Nano(until), reason, `case`, asset"
    assert client.query(f"SELECT {columns} FROM operator_actions FINAL ORDER BY action").result_rows == [
        (window.id, "resume", "li.na", "", UUID(int=0), 0, "", "", "A"),
        (action.id, "shelve", "li.na", "operator", action.alert, START + SECOND, "阀门检修", "2025-17", ""),
    ]
    (standing,) = standing_alerts(client)
    assert standing.alert == alert
    assert standing.type is AlertEventType.SHELVED


def test_reports_and_what_speaks_against_are_read_back(client: Client) -> None:
    """A report as it was told, once however often it came; and the alert that is a consequence."""
    report = Report(
        identify("report"), "gas-smell", START, Channel.CITIZEN, 115.5, 33.5, confidence=0.8, text="<b>\n", known=START
    )
    event = alert_event(0, AlertEventType.RAISED, 1)
    alert = replace(event.alert, against=("no rain", "x"), reports=(report.id,), cause=identify("cause"))
    writer = Writer(client, SENSORS)
    for _ in range(2):
        writer.write([report, replace(event, alert=alert)])
    columns = "id, type, toUnixTimestamp64Nano(ts), channel, lon, lat, zone, asset, confidence, text, picture, reporter"
    assert client.query(f"SELECT {columns} FROM reports FINAL").result_rows == [
        (report.id, "gas-smell", START, "citizen", 115.5, 33.5, "", "", 0.8, "<b>\n", "", "")
    ]
    (standing,) = standing_alerts(client)
    assert standing.alert == alert
    writer.write([replace(event, seq=1, alert=event.alert)])
    (standing,) = standing_alerts(client)
    assert standing.alert.cause is None


def test_a_command_is_read_back(client: Client) -> None:
    """Every step once, and what became of it all in one row."""
    command, asked = identify("command"), identify("finding")

    def step(seq: int, step: Step, seconds: int, why: str = "asked for", expires: int = 0) -> CommandEvent:
        ts = START + seconds * SECOND
        by = "lifeline" if expires else "T1"
        return CommandEvent(
            identify(command, seq), command, seq, step, ts, "T1", by, why, asked, "F1", 20.0 - seq, expires, 5 * SECOND
        )

    steps = [
        step(0, Step.BLOCKED, 0, "people-inside"),
        step(1, Step.SELECT, 10, expires=START + 40 * SECOND),
        step(2, Step.OPERATE, 15, expires=START + 40 * SECOND),
        step(3, Step.CONFIRMED, 75, "by F1"),
        step(4, Step.STOP, 300, "not asked for any more", expires=START + 400 * SECOND),
        step(5, Step.ENDED, 315, "stopped"),
    ]
    writer = Writer(client, SENSORS)
    for some in (steps, steps[3:]):
        writer.write(some)
    stored = client.query(
        "SELECT id, command, seq, step, by, finding, run FROM commands FINAL ORDER BY seq"
    ).result_rows
    assert stored[2] == (steps[2].id, command, 2, "operate", "lifeline", asked, 5 * SECOND)
    assert len(stored) == 6
    assert orders_of(client) == {"operate": 1, "select": 1, "stop": 1}
    assert client.query(
        "SELECT command, asset, finding, blocked_by, end_reason, outcome, to_confirm_s, ran_s, gas_before, gas_after "
        "FROM command_runs"
    ).result_rows == [
        (str(command), "T1", str(asked), "people-inside", "stopped", "confirmed", 60, 300, 18, 15)
    ]  # fmt: skip


class Flaky:
    """A client whose inserts fail in a given way."""

    def __init__(self, failures: list[Exception]) -> None:
        self.failures = failures
        self.inserts = 0

    def raw_insert(self, *args: object, **kwargs: object) -> None:
        self.inserts += 1
        if self.failures:
            raise self.failures.pop(0)


def test_passing_failures_are_tried_again() -> None:
    """With pauses that double, and a SinkError in the end."""
    pauses: list[float] = []
    client: Any = Flaky([ConnectionError("gone")] * 2)
    Writer(client, SENSORS, attempts=3, sleep=pauses.append).write([finding(0)])
    assert pauses == [0.1, 0.2]
    client.failures = [ConnectionError("gone")] * 9
    with pytest.raises(SinkError, match="insert into findings failed 3 times, last: ClickHouse: gone"):
        Writer(client, SENSORS, attempts=3, sleep=pauses.append).write([finding(0)])


def test_a_refusal_is_final(empty: Client) -> None:
    """Without a schema the server's words come through, at once."""
    empty.command(f"CREATE DATABASE {empty.database}", use_database=False)
    with pytest.raises(SinkRefused, match="UNKNOWN_TABLE"):
        Writer(empty, SENSORS, sleep=lambda _: pytest.fail("tried again")).write([finding(0)])


def test_foreign_items_are_refused(client: Client) -> None:
    """A mistake in the wiring is told by type."""
    stray: Any = [replace(finding(0), level=1), "text"]
    with pytest.raises(TypeError, match="takes Block, LateRows, Finding"):
        Writer(client, SENSORS).write([stray])


def test_through_a_server(writer: Client) -> None:
    """All of it by HTTP as well, as the processes of a cluster do."""
    blocks = blocks_of(STREAM)
    sink = Writer(writer, SENSORS)
    for _ in range(2):
        sink.write([*blocks, finding(1), alert_event(0), late_of([(1, START, 5.0)])])
    assert writer.command("SELECT count() FROM readings") == len(list(rows_of(STREAM)))
    assert writer.command("SELECT count() FROM late_rows FINAL") == 1
    assert writer.command("SELECT count() FROM alerts") == 1


def test_what_desks_were_told(client: Client) -> None:
    """A row a notice, with its alerts and their steps; one that comes again is the same row. Alerts say which rules
    made them so grave, their steps whom else they went to."""
    events = tuple(
        replace(event, alert=replace(event.alert, level=level, rules=("by a crowd",)), notify=("office",))
        for event, level in (
            (alert_event(0, AlertEventType.RAISED, 1), 2),
            (alert_event(1, AlertEventType.UPDATED, 2), 1),
        )
    )
    notice = Notice(identify("notice"), START + 5, "gas", Why.DIGEST, events, ("gas-night",))
    writer = Writer(client, SENSORS)
    for _ in range(2):
        writer.write([notice, *events])
    rows = client.query(
        "SELECT toUnixTimestamp64Nano(ts), desk, why, on_duty, alerts, steps, gravest FROM notices FINAL"
    )
    alerts, steps = [event.alert.id for event in events], [event.id for event in events]
    assert rows.result_rows == [(START + 5, "gas", "digest", ["gas-night"], alerts, steps, 1)]
    (told,) = client.query("SELECT DISTINCT notify FROM alert_events FINAL").result_rows
    assert told == (["office"],)
    assert [alert.rules for alert in alerts_of(client)] == [("by a crowd",)]
