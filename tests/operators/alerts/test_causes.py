"""Cause and consequence: one alert, one page, whichever is known first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.city import Asset, City
from domain.clock import MINUTE, SECOND
from domain.correlation import CauseRule, Correlation
from domain.desk import DeskPolicy, LevelPolicy
from domain.findings import AlertEvent, AlertEventType, Finding, VideoEvent
from domain.records import Verdicts
from operators.alerts.desk import Desk
from operators.alerts.pager import Page, PagedDesk
from tests.operators.alerts.town import CHANGE, END, METRE, START, TOWN, finding, video

#: L1 measures the road at W1, and P1 the main; L2 the road 200 m on, in another zone.
STREET = replace(
    TOWN,
    sensors=tuple(
        replace(sensor, zone={"L1": "north", "L2": "south"}[sensor.id], asset={"L1": "W1", "L2": "R2"}[sensor.id])
        if sensor.id in ("L1", "L2")
        else sensor
        for sensor in TOWN.sensors
    ),
    assets={**TOWN.assets, "R2": Asset("R2", "road", "south", lon=TOWN.assets["W1"].lon + 200 * METRE, lat=33.85)},
    correlation=Correlation((CauseRule("water-burst", "waterlogging", 250.0, to=30 * MINUTE, tolerance=MINUTE),)),
)

BURST = finding(100, "P1", monitor="burst")
BURST_OVER = finding(400, "P1", END, monitor="burst", onset=100)


def flood(at: float, sensor: str = "L1", grade: int = 2) -> Finding:
    """Water on the road."""
    return finding(at, sensor, monitor="flood", grade=grade)


def dry(at: float, since: float, sensor: str = "L1") -> Finding:
    """No more water on the road."""
    return finding(at, sensor, END, monitor="flood", onset=since)


def told(*records: Finding | VideoEvent, until: float = 3000, city: City = STREET) -> list[AlertEvent]:
    """What the desk says."""
    desk = Desk(city, 1)
    seen = tuple(one for one in records if isinstance(one, VideoEvent))
    found = tuple(one for one in records if isinstance(one, Finding))
    return desk.take(Verdicts(0, START + round(until * SECOND), found, seen)) + desk.finish()


def lines(events: list[AlertEvent]) -> list[str]:
    """Seconds, what happened, kind, level, sources."""
    return [
        f"{(event.ts - START) / SECOND:g} {event.type} {event.alert.kind} {event.alert.level} "
        f"{' '.join((*event.alert.sensors, *event.alert.cameras))}"
        for event in events
    ]


def raised(events: list[AlertEvent]) -> list[AlertEvent]:
    """The first that is heard of each alert."""
    return [event for event in events if event.type is AlertEventType.RAISED]


def test_a_consequence_joins_the_open_alert_of_its_cause():
    """A burst, then water on the road: one alert, whose level is that of the water and whose cause is the burst."""
    events = told(BURST, flood(400), dry(1000, 400), BURST_OVER)
    assert lines(events) == [
        "100 raised water-burst 3 P1",
        "400 escalated water-burst 2 P1 L1",
        "1060 cleared water-burst 2 P1 L1",
    ]
    assert events[1].alert.summary.endswith("by 2 sensors, then waterlogging")


def test_it_joins_in_another_zone_but_neither_farther_nor_later_nor_sooner():
    """L2 is 200 m away, the rule reaches 250 m and from a minute before to 31 minutes after."""
    assert len(raised(told(BURST, flood(400, "L2")))) == 1
    near = replace(STREET, correlation=Correlation((replace(STREET.correlation.cause[0], within=150.0),)))
    assert [event.alert.kind for event in raised(told(BURST, flood(400, "L2"), city=near))] == [
        "water-burst",
        "waterlogging",
    ]
    assert len(raised(told(BURST, flood(100 + 31 * 60, grade=1)))) == 1
    assert len(raised(told(BURST, flood(101 + 31 * 60, grade=1)))) == 2


def test_what_was_open_before_its_cause_is_told_to_be_its_consequence_at_once():
    """And the cause, which is paged, takes over its level and stays for as long as it does."""
    events = told(flood(50), finding(60, "P1", monitor="burst"), finding(70, "P1", END, monitor="burst", onset=60),
                  dry(1000, 50))  # fmt: skip
    assert lines(events) == [
        "50 raised waterlogging 2 L1",
        "60 updated waterlogging 2 L1",
        "60 raised water-burst 2 P1 L1",
        "1060 cleared waterlogging 2 L1",
        "1060 cleared water-burst 2 P1 L1",
    ]
    cause = events[2].alert
    assert [event.alert.cause for event in events] == [None, cause.id, None, cause.id, None]
    assert events[1].alert.quiet
    assert events[1].alert.summary.endswith(", consequence of the water burst at W1")
    assert cause.corroboration == 0.75
    assert set(events[0].alert.evidence) < set(cause.evidence)


def test_what_gets_graver_in_a_consequence_gets_graver_in_its_cause():
    """People have been told to look at the cause, so there they hear of it."""
    records = [flood(50), finding(60, "P1", monitor="burst"), finding(200, "L1", monitor="flood", grade=3, onset=50)]
    events = told(*(replace(one, phase=CHANGE) if one is records[2] else one for one in records))
    assert lines(events)[3:] == ["200 escalated waterlogging 1 L1", "200 escalated water-burst 1 P1 L1"]


def test_people_hear_nothing_more_of_a_consequence():
    """One page each for the flood and the burst; then only of the burst, and that the flood's alert is part of it."""
    desk = PagedDesk(Desk(STREET, 1), None)
    records = (flood(50), finding(60, "P1", monitor="burst"), flood(300, "L2", 3), dry(900, 50), dry(901, 300, "L2"))
    out = [item.event for item in desk.take(Verdicts(0, START + 3000 * SECOND, records), 0) if isinstance(item, Page)]
    assert [(event.type, event.alert.kind) for event in out] == [
        ("raised", "waterlogging"),
        ("updated", "waterlogging"),
        ("raised", "water-burst"),
        ("escalated", "water-burst"),
    ]


def test_a_consequence_without_a_level_speaks_for_its_cause():
    """It waits for it, and raises nothing by itself."""
    quiet = replace(
        STREET, monitors=tuple(replace(one, levels=()) if one.name == "flood" else one for one in STREET.monitors)
    )
    hint = replace(flood(50), level=0)
    assert lines(told(hint, city=quiet)) == []
    assert lines(told(hint, finding(60, "P1", monitor="burst"), city=quiet)) == ["60 raised water-burst 3 P1 L1"]


STEPS = st.lists(
    st.tuples(st.integers(0, 3600), st.sampled_from(["P1", "P2", "L1", "L2", "C1"]), st.integers(1, 900)),
    max_size=12,
)


def records_of(steps: list[tuple[int, str, int]]) -> list[Finding | VideoEvent]:
    """Findings that begin and end, none twice at a time, and video events."""
    out: list[Finding | VideoEvent] = []
    busy: dict[str, int] = {}
    for at, source, lasts in sorted(steps):
        if source == "C1":
            out.append(video(at, "C1"))
        elif at > busy.get(source, -1):
            monitor = "burst" if source.startswith("P") else "flood"
            out += [finding(at, source, monitor=monitor), finding(at + lasts, source, END, monitor=monitor, onset=at)]
            busy[source] = at + lasts
    return out


@settings(max_examples=80, deadline=None)
@given(STEPS)
def test_while_the_cause_is_open_no_consequence_opens_a_page(steps):
    """Whatever happened before: what may follow from an open burst raises no alert of its own."""
    rule = STREET.correlation.cause[0]
    bursts: dict[UUID, int] = {}
    for event in told(*_findings(records_of(steps)), until=20_000):
        alert = event.alert
        if alert.kind == "water-burst" and alert.asset == "W1":
            if event.type is AlertEventType.RAISED:
                bursts[alert.id] = alert.onset
            elif event.type is AlertEventType.CLEARED:
                del bursts[alert.id]
        if event.type is AlertEventType.RAISED and alert.kind == "waterlogging":
            lags = [alert.onset - onset for onset in bursts.values()]
            assert not any(-rule.tolerance <= lag <= rule.to + rule.tolerance for lag in lags)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(2, 3), st.randoms(use_true_random=False), st.booleans())
def test_shards_and_interleaving_do_not_matter(steps, shards, random, crash):
    """The same records over other shards, in other steps, through a snapshot: the same events."""
    records = records_of(steps)
    wanted = _run(records, 1, None, False)
    assert _run(records, shards, random, crash) == wanted


def _findings(records: Sequence[Finding | VideoEvent]) -> list[Finding]:
    return [record for record in records if isinstance(record, Finding)]


def _run(records: Sequence[Finding | VideoEvent], shards: int, random, crash: bool) -> list[AlertEvent]:
    desk = Desk(STREET, shards)
    events: list[AlertEvent] = []
    ends = sorted({record.ts for record in records})
    edges = [START, *(end + 1 for end in ends), START + 20_000 * SECOND]
    home = {source: (random.randrange(shards) if random else 0) for source in ("P1", "P2", "L1", "L2", "C1")}
    items = []
    for shard in range(shards):
        mine = []
        for low, high in pairwise(edges):
            here = [r for r in records if low <= r.ts < high]
            found = tuple(r for r in here if isinstance(r, Finding) and home[r.sensor] == shard)
            seen = tuple(r for r in here if not isinstance(r, Finding) and home[r.camera] == shard)
            mine.append(Verdicts(shard, high, found, seen))
        items.append(mine)
    while any(items):
        shard = random.choice([n for n, mine in enumerate(items) if mine]) if random else 0
        events += desk.take(items[shard].pop(0))
        if crash and random.random() < 0.3:
            again = Desk(STREET, shards)
            again.restore(desk.snapshot())
            desk = again
    return events + desk.finish()


def test_only_the_cause_asks_for_acknowledgement():
    """A consequence is not overdue: whoever acknowledges its cause has both."""
    policy = DeskPolicy(level=(LevelPolicy(2, acknowledge_within=2 * MINUTE), LevelPolicy(3, 2 * MINUTE)))
    events = told(flood(50), finding(60, "P1", monitor="burst"), city=replace(STREET, desk=policy))
    assert [(event.type, event.alert.kind) for event in events if event.type is AlertEventType.OVERDUE] == [
        ("overdue", "water-burst")
    ]


def test_people_hear_of_new_evidence_by_the_cause():
    """L2 joins the flood that was there first, which is quiet: the burst's alert has it, too."""
    events = told(flood(50), finding(60, "P1", monitor="burst"), video(150, "C3"), flood(200, "L2"))
    assert any("L2" in event.alert.sensors for event in events if event.alert.kind == "water-burst")
