"""Metamorphic properties: the desk's words depend on what was found and on nothing else."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import SECOND
from domain.errors import StateError
from domain.findings import AlertEvent, AlertEventType, Finding, VideoEvent
from domain.policy import Grade, Policy
from domain.records import Verdicts
from operators.alerts.desk import Desk
from tests.operators.alerts.town import CHANGE, END, START, TOWN, finding, run, video

SHARDS = 3
SPAN = 900  # seconds
SENSORS = ["G1", "G1b", "G2", "G3", "G4", "P1", "P2", "L1", "L2"]
MONITORS = [monitor.name for monitor in TOWN.monitors]

# Times on a coarse grid, so that many things happen at one instant.
times = st.integers(0, SPAN // 5).map(lambda k: 5 * k)


@st.composite
def abnormalities(draw: st.DrawFn) -> list[Finding]:
    """Onset, changes and end of one abnormality; now and then known late."""
    sensor, monitor = draw(st.sampled_from(SENSORS)), draw(st.sampled_from(MONITORS))
    grades = max(1, len(next(m.levels for m in TOWN.monitors if m.name == monitor)))
    moments = sorted(draw(st.lists(times, min_size=1, max_size=4)))
    lag = draw(st.sampled_from([0, 0, 0, 30, 400]))
    out = []
    for i, t in enumerate(moments):
        phase = CHANGE if i else finding(0, sensor).phase
        if i and i == len(moments) - 1:
            phase = END
        grade = draw(st.integers(1, grades))
        known = max(t, moments[0] + lag)
        out.append(finding(t, sensor, phase, grade, monitor, onset=moments[0], known=known))
    return out


videos = st.builds(
    video,
    times,
    st.sampled_from(sorted(TOWN.cameras)),
    st.sampled_from(["waterlogging", "street-vending", "smoke", "unknown"]),
    st.sampled_from([0.3, 0.7, 0.95]),
)
days = st.tuples(
    st.lists(abnormalities(), max_size=12, unique_by=lambda records: records[0].id), st.lists(videos, max_size=6)
).map(lambda day: [*(record for abnormality in day[0] for record in abnormality), *day[1]])


def shard_of(record: Finding | VideoEvent) -> int:
    key = record.sensor if isinstance(record, Finding) else record.camera
    return sum(key.encode()) % SHARDS


def chopped(records: list[Finding | VideoEvent], draw: st.DataObject) -> list[Verdicts]:
    """The records as three shards might send them: each in steps of its own, the shards in any interleaving."""
    queues: list[list[Verdicts]] = []
    for shard in range(SHARDS):
        own = [record for record in records if shard_of(record) == shard]
        steps = [*sorted(draw.draw(st.sets(times, max_size=6))), SPAN + 600]
        queue, before = [], -1
        for step in steps:
            part = [r for r in own if before <= (r.known - START) / SECOND < step]
            fast = tuple(r for r in part if isinstance(r, Finding) and r.detector == "threshold")
            slow = tuple(r for r in part if isinstance(r, Finding) and r.detector != "threshold")
            seen = tuple(r for r in part if isinstance(r, VideoEvent))
            if fast:
                queue.append(Verdicts(shard, None, fast))
            queue.append(Verdicts(shard, START + step * SECOND, slow, seen))
            before = step
        queues.append(queue)
    out = []
    while any(queues):
        shard = draw.draw(st.sampled_from([i for i, queue in enumerate(queues) if queue]))
        out.append(queues[shard].pop(0))
    return out


def straight(items: list[Verdicts]) -> list[AlertEvent]:
    desk = Desk(TOWN, SHARDS)
    return [event for item in items for event in desk.take(item)] + desk.finish()


@given(days, st.data())
def test_any_interleaving_and_any_steps_give_the_same_events(records, data):
    """The output is a pure function of the records."""
    assert straight(chopped(records, data)) == run(records, until=SPAN + 600)


@given(days, st.data())
def test_a_desk_resumed_at_any_point_goes_on_as_if_nothing_had_happened(records, data):
    """A snapshot holds everything, pickles, and is not changed by what the desk does next."""
    items = chopped(records, data)
    at = data.draw(st.integers(0, len(items)))
    first = Desk(TOWN, SHARDS)
    events = [event for item in items[:at] for event in first.take(item)]
    snapshot = first.snapshot()
    for item in items[at:]:
        first.take(item)
    second = Desk(TOWN, SHARDS)
    second.restore(pickle.loads(pickle.dumps(snapshot)))
    events += [event for item in items[at:] for event in second.take(item)] + second.finish()
    assert events == straight(items)


@given(days)
def test_every_alert_lives_properly(records):
    """Raised first, cleared last if at all, numbered without gaps, never milder, in order of time."""
    events = run(records, until=SPAN + 600)
    assert [event.ts for event in events] == sorted(event.ts for event in events)
    assert len({event.id for event in events}) == len(events)
    lives: dict[object, list[AlertEvent]] = {}
    for event in events:
        lives.setdefault(event.alert.id, []).append(event)
    for life in lives.values():
        types = [event.type for event in life]
        assert [event.seq for event in life] == list(range(len(life)))
        assert types[0] is AlertEventType.RAISED
        assert AlertEventType.RAISED not in types[1:]
        assert AlertEventType.CLEARED not in types[:-1]
        updates = [event.ts for event in life if event.type is AlertEventType.UPDATED]
        assert all(b - a >= 60 * SECOND for a, b in pairwise(updates))
        for event in life:
            alert = event.alert
            assert alert.level in (1, 2, 3)
            assert 0 < alert.corroboration < 1
            assert alert.onset <= alert.raised <= event.ts == alert.updated
            assert alert.active == (event.type is not AlertEventType.CLEARED) == (alert.cleared == 0)
        for a, b in pairwise(life):
            assert (
                b.alert.level < a.alert.level if b.type is AlertEventType.ESCALATED else b.alert.level == a.alert.level
            )
            assert set(a.alert.sensors) <= set(b.alert.sensors)


@given(days)
def test_one_open_alert_per_kind_and_place(records):
    """No two alerts of one kind are open on one asset at one time (faults: of one sensor)."""
    held: dict[tuple[str, str], object] = {}
    for event in run(records, until=SPAN + 600):
        alert = event.alert
        place = alert.kind, alert.sensors[0] if alert.kind == "sensor-fault" else alert.asset
        if not place[1]:
            continue  # a camera or sensor that stands by itself
        if alert.active:
            assert held.setdefault(place, alert.id) == alert.id
        else:
            held.pop(place)


@given(days)
def test_every_trusted_finding_with_a_level_is_told(records):
    """Nothing is lost: without faults and on-delays each finding that asks for a level is in some alert."""
    kept = [r for r in records if isinstance(r, VideoEvent) or r.monitor in ("gas", "burst", "flood")]
    told = {sensor for event in run(kept, until=SPAN + 600) for sensor in event.alert.sensors}
    # An alert names a sensor that joined late when it clears, or not at all if the stream ends within its minute.
    late = {sensor for event in run(kept, until=10**6) for sensor in event.alert.sensors}
    assert told <= late
    assert late == {r.sensor for r in kept if isinstance(r, Finding)}


def test_a_record_that_breaks_its_shards_promise_still_counts():
    """It should not happen; if it does, the finding counts late instead of being lost."""
    desk = Desk(TOWN, 1)
    assert desk.take(Verdicts(0, START + 10 * SECOND, (finding(5, "G3"),)))[0].ts == START + 5 * SECOND
    assert [event.ts for event in desk.take(Verdicts(0, START + 11 * SECOND, (finding(2, "G1"),)))] == [
        START + 5 * SECOND
    ]


def test_a_snapshot_of_another_city_is_refused():
    """With words on what to do."""
    snapshot = Desk(TOWN, 2).snapshot()
    with pytest.raises(StateError, match="2 shards; version 4, city 'town' and 3 shards"):
        Desk(TOWN, 3).restore(snapshot)
    with pytest.raises(StateError, match="city 'village'"):
        Desk(replace(TOWN, name="village"), 2).restore(snapshot)


@pytest.mark.parametrize("policy", [Policy(), Policy(grades=(Grade("sure", level="I", corroboration=2.0),))])
def test_a_burst_is_not_quadratic(policy):
    """Ten times the findings, in one zone without coordinates, take about ten times as long; also where rules look."""

    def seconds(count: int) -> float:
        findings = tuple(replace(finding(k / 1000, "L1"), sensor=f"X{k}") for k in range(count))
        sensors = tuple(replace(TOWN.sensors[-1], id=f"X{k}") for k in range(count))
        desk = Desk(replace(TOWN, sensors=sensors, policy=policy), 1)
        began = time.process_time()
        assert desk.take(Verdicts(0, START + 10**6 * SECOND, findings))
        return time.process_time() - began

    seconds(100)
    assert seconds(10_000) < 40 * max(seconds(1_000), 0.01)
