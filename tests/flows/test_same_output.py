"""The output is a pure function of the recorded stream.

Whatever the batches, the workers, and however often the run was killed and resumed: aggregates, findings, alert
events, late rows and dead letters are the same, byte for byte.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
from bytewax.errors import BytewaxRuntimeError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.actions import Action, Verb
from domain.city import Camera, City, Level, Sensor, Zone
from domain.clock import MILLISECOND, SECOND
from domain.correlation import CauseRule, Correlation, RainRule
from domain.findings import AlertEvent, AlertEventType
from domain.monitors import Monitor, ReportRule, Select, VideoRule
from domain.policy import Desk, Grade, Policy
from domain.records import DeadLetter
from domain.reports import Channel, Report
from domain.settings import EngineSettings
from domain.streams import Source
from flows.engine import Engine
from flows.run import Cluster, Recovery
from sources.journal import Journal, WithJournal
from tests.flows.collect import Collected
from tests.flows.memory import MemorySource

T0 = 1_764_000_000_000  # ms

CITY = City(
    "test",
    "UTC",
    tuple(Sensor(f"G{i}", "gas-lel", "%LEL", f"Z{i % 2}", low=0.0, high=100.0) for i in range(6)),
    zones={"Z0": Zone("Z0"), "Z1": Zone("Z1")},
    cameras={"C0": Camera("C0", "Z0"), "C1": Camera("C1", "Z1")},
    levels=(Level(1, "I", urgent=True), Level(2, "II")),
    monitors=(
        Monitor(
            "gas",
            "threshold",
            "gas-leak",
            Select(kinds=("gas-lel",)),
            {"rising": ["20 %LEL", "40 %LEL"], "hysteresis": "2 %LEL"},
            levels=(2, 1),
            off_delay=SECOND,
        ),
        Monitor("mean", "ewma", "gas-drift", Select(kinds=("gas-lel",)), {}, levels=(2,)),
        Monitor("silent", "drop_out", "sensor-fault", Select(kinds=("gas-lel",)), {}, levels=(2,)),
        Monitor("range", "out_of_range", "sensor-fault", Select(kinds=("gas-lel",)), {}, levels=(2,)),
    ),
    video_rules=(VideoRule("smoke", "gas-leak", 2, supports=("gas-leak",)),),
    report_rules=(ReportRule("smell", "gas-leak", 1, 2, quiet=5 * SECOND),),
    correlation=Correlation(
        (CauseRule("gas-leak", "gas-drift", to=20 * SECOND),), rain=RainRule("gas-drift", ("gas-leak",), lasts=SECOND)
    ),
    policy=Policy(
        grades=(Grade("lasting", steps=1, lasting=5 * SECOND), Grade("two", level="I", corroboration=0.7)),
        desks=(Desk("centre", digest=10 * SECOND, flood=1),),
    ),
)
SETTINGS = EngineSettings(shards=3)
PARTITIONS = {"p0": ("G0", "G1", "G2", "C0"), "p1": ("G3", "G4", "G5", "C1")}


def _reading(sensor: str, ms: int, value: float) -> bytes:
    return json.dumps({"sensor": sensor, "ts": T0 + ms, "value": value}).encode()


def _packet(sensor: str, ms: int, value: float) -> bytes:
    values = [value, 1.0, 2.0]
    return json.dumps({"sensor": sensor, "t0": T0 + ms, "hz": 10, "v": values}).encode()


def _out_of_service(sensor: str, ms: int, value: float) -> bytes:
    verb = Verb.OUT_OF_SERVICE if value > 20 else Verb.IN_SERVICE
    action = Action(UUID(int=ms), verb, (T0 + ms) * MILLISECOND, "li.na", sensor=sensor, reason="works")
    return action.to_json()


def _report(sensor: str, ms: int, value: float) -> bytes:
    zone, channel = f"Z{int(sensor[1:]) % 2}", Channel.INSPECTOR if value > 20 else Channel.CITIZEN
    return Report(UUID(int=ms), "smell", (T0 + ms) * MILLISECOND, channel, zone=zone, reporter=sensor).to_json()


def _event(camera: str, ms: int, confidence: float) -> bytes:
    return json.dumps({"camera": camera, "ts": T0 + ms, "type": "smoke", "confidence": confidence}).encode()


def _partition(names: tuple[str, ...]) -> st.SearchStrategy[list[tuple[int, bytes]]]:
    """Messages in order of a clock that moves on, event times behind it; some late, from the future, or broken."""
    sensors, camera = st.sampled_from(names[:-1]), st.just(names[-1])
    values = st.sampled_from([1.0, 1.5, 25.0, 45.0, 150.0])
    delay = st.integers(0, 3000) | st.integers(0, 30_000) | st.just(-3_600_000)

    def message(ms: int, sensor: str, value: float, camera: str, form: int) -> bytes:
        ms = max(ms, 0) if form != 4 else ms
        if form == 0:
            return _packet(sensor, ms, value)
        if form == 1:
            return _event(camera, ms, 0.9)
        if form == 2:
            return b'{"sensor": "unknown", "ts": 1764000000000, "value": 1}'
        if form == 3:
            return b"{broken"
        if form == 5:
            return _out_of_service(sensor, ms, value)
        if form == 6:
            return _report(sensor, ms, value)
        return _reading(sensor, ms, value)

    def build(rows: list[tuple[int, int, str, float, str, int]]) -> list[tuple[int, bytes]]:
        clock, out = 0, []
        for step, late, sensor, value, camera, form in rows:
            clock += step
            out.append(((T0 + clock) * 1_000_000, message(clock - late, sensor, value, camera, form)))
        return out

    step = st.integers(0, 2500) | st.sampled_from([0, 90_000])  # in which a partition is silent
    row = st.tuples(step, delay, sensors, values, camera, st.integers(0, 12))
    return st.lists(row, max_size=40).map(build)


streams = st.fixed_dictionaries({name: _partition(names) for name, names in PARTITIONS.items()})
Stream = dict[str, list[tuple[int, bytes]]]


def _run(stream: Stream, batch: int, workers: int = 1, collected: Collected | None = None, **how: object) -> Collected:
    collected = collected or Collected()
    crash_after, journal = how.pop("crash_after", None), how.pop("journal", None)
    source: Source = MemorySource(stream, batch, crash_after)  # type: ignore[arg-type]
    if isinstance(journal, Path):
        source = WithJournal(source, journal, follow=False)
    Engine(
        CITY,
        SETTINGS,
        source,
        None,
        cluster=Cluster(workers),
        store={"collect": collected},
        **how,  # type: ignore[arg-type]
    ).run()
    return collected


#: Two reports of two places at one time that bear one id, in two partitions.
ONE_ID: Stream = {
    "p0": [
        ((T0 + 9000) * MILLISECOND, _report("G1", 7000, 1.0)),
        ((T0 + 99_000) * MILLISECOND, _reading("G1", 98_000, 1.0)),
    ],
    "p1": [
        ((T0 + 9000) * MILLISECOND, _report("G4", 7000, 1.0)),
        ((T0 + 99_000) * MILLISECOND, _reading("G4", 98_000, 1.0)),
    ],
}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams)
@example(ONE_ID)
def test_batches_and_workers_change_nothing(stream: Stream) -> None:
    """One message at a time on one worker, and large batches on four, give the same tables."""
    straight = _run(stream, batch=10_000).tables()
    assert _run(stream, batch=1).tables() == straight
    assert _run(stream, batch=7, workers=4).tables() == straight


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams, st.lists(st.integers(1, 30), min_size=1, max_size=3), st.integers(1, 4))
def test_crashes_change_nothing(stream: Stream, crashes: list[int], batch: int) -> None:
    """Ended anywhere without warning and resumed from the last snapshot, up to three times: the same tables."""
    straight = _run(stream, batch=10_000).tables()
    collected = Collected()
    with TemporaryDirectory() as folder:
        recovery = Recovery(Path(folder) / "recovery", timedelta(0))
        for crash_after in crashes:
            try:
                _run(stream, batch, collected=collected, recovery=recovery, crash_after=crash_after)
                break
            except BytewaxRuntimeError:
                continue
        else:
            _run(stream, batch, collected=collected, recovery=recovery)
    assert collected.tables() == straight


def _everything() -> Stream:
    rows = [(ms, _reading("G0", ms, 1.0 if ms < 10_000 else 45.0)) for ms in range(0, 30_000, 500)]
    rows += [(12_000, _event("C0", 11_500, 0.9)), (20_000, _reading("G1", 2_000, 1.0)), (20_001, b"{broken")]
    rows += [(13_000, _report("G0", 12_900, 1.0))]
    return {
        "p0": [((T0 + ms) * 1_000_000, payload) for ms, payload in sorted(rows, key=lambda row: row[0])],
        "p1": [],
    }


def test_a_stream_with_everything_in_it() -> None:
    """The property above is about something: this stream has findings, alerts, video, late rows and dead letters."""
    tables = _run(_everything(), batch=3).tables()
    assert {"findings", "alert_events", "notices", "video_events", "late_rows", "dead_letters"} <= tables.keys()
    assert {"readings_packed", "reports"} <= tables.keys()
    assert {"aggregates_1s_stored", "aggregates_1m_stored", "aggregates_1h_stored"} <= tables.keys()


def test_a_journal_beside_a_recording(tmp_path: Path) -> None:
    """What people did, read beside the stream: one result for all batches, workers and crashes."""
    stream, path = _everything(), tmp_path / "actions.ndjson"
    raised = [event.alert for event in _run(stream, batch=100).of(AlertEvent) if event.type is AlertEventType.RAISED]
    alert = next(alert for alert in raised if alert.kind == "gas-leak")
    at = alert.raised
    clock = iter(range(at, at + 60 * SECOND, 10 * MILLISECOND))
    journal = Journal(path, now=lambda: next(clock))
    for number, (verb, seconds) in enumerate(
        [(Verb.SHELVE, 1.0), (Verb.COMMENT, 1.0), (Verb.ACKNOWLEDGE, 2.5), (Verb.CLOSE, 3), (Verb.JUDGE, 4)]
    ):
        ts = (at + round(seconds * SECOND)) // MILLISECOND * MILLISECOND
        for id in (alert.id, UUID(int=5)):
            action = Action(UUID(int=number), verb, ts, "li.na", alert=id, until=ts + 5 * SECOND)
            journal.append(replace(action, reason="seen", comment="Seen.", verdict="true"))
    straight = _run(stream, batch=10_000, journal=path)
    types = [event.type.value for event in straight.of(AlertEvent) if event.alert.id == alert.id]
    assert [type for type in types if type not in ("updated", "escalated", "cleared")] == [
        "raised",
        "shelved",
        "acknowledged",
        "judged",
        "unshelved",
    ]
    reasons = sorted(letter.reason for letter in straight.of(DeadLetter) if letter.partition == "actions")
    assert reasons == ["unknown-alert"] * 5 + ["wrong-state"]
    tables = straight.tables()
    assert "operator_actions" in tables
    assert _run(stream, batch=1, journal=path).tables() == tables
    assert _run(stream, batch=7, workers=4, journal=path).tables() == tables
    collected, recovery = Collected(), Recovery(tmp_path / "recovery", timedelta(0))
    for crash_after in (20, 15, 9):
        with pytest.raises(BytewaxRuntimeError):
            _run(stream, 1, collected=collected, recovery=recovery, crash_after=crash_after, journal=path)
    _run(stream, 1, collected=collected, recovery=recovery, journal=path)
    assert collected.tables() == tables


@pytest.mark.parametrize("crash_after", [1, 5])
def test_a_crash_is_an_error(crash_after: int) -> None:
    """The stand-in for a kill really ends the run."""
    stream = {"p0": [(T0 * 1_000_000, _reading("G0", 0, 1.0))] * 10, "p1": []}
    with pytest.raises(BytewaxRuntimeError):
        _run(stream, batch=1, crash_after=crash_after)
