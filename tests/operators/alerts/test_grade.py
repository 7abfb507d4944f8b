"""Levels by a city's policy: what makes an alert graver, when, and that nothing makes it milder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.city import City, Level
from domain.clock import MINUTE, SECOND
from domain.findings import AlertEvent, AlertEventType, Finding, VideoEvent
from domain.policy import Exposure, Grade, Policy, Route
from domain.records import Verdicts
from operators.alerts.desk import Desk
from tests.operators.alerts.town import CHANGE, END, METRE, START, TOWN, finding, video

ENCLOSED = Exposure("enclosed", asset_kinds=("manhole",))
CROWD = Exposure("crowd", zones=("south",))
SCHOOL = Exposure("school", assets=("M2",), radius=250.0)


def town(*grades: Grade, routes: tuple[Route, ...] = (), levels: Sequence[str] = ("I", "II", "III")) -> City:
    policy = Policy((ENCLOSED, CROWD, SCHOOL), grades, routes)
    scale = tuple(Level(rank, name, rank == 1) for rank, name in enumerate(levels, 1))
    return replace(TOWN, policy=policy, levels=scale)


def run(city: City, records: Sequence[Finding | VideoEvent], until: float) -> list[AlertEvent]:
    desk = Desk(city, 1)
    findings = tuple(record for record in records if isinstance(record, Finding))
    seen = tuple(record for record in records if isinstance(record, VideoEvent))
    return desk.take(Verdicts(0, START + round(until * SECOND), findings, seen))


def told(city: City, records: Sequence[Finding | VideoEvent], until: float = 100) -> list[str]:
    """A line an event: seconds, what happened, level and the rules that made it so."""
    return [
        f"{(event.ts - START) / SECOND:g} {event.type} {event.alert.level} {' '.join(event.alert.rules)}".rstrip()
        for event in run(city, records, until)
    ]


def test_without_a_rule_the_signs_ask():
    """A policy of another kind of alert leaves the level as its signs ask for it."""
    assert told(town(Grade("flood", level="I", kinds=("waterlogging",))), [finding(1, "G1")]) == ["1 raised 3"]


def test_what_is_exposed_makes_it_graver_and_the_alert_says_by_which_rule():
    """All of a rule's exposures are needed: a manhole without a crowd is not enough."""
    city = town(Grade("beside-a-crowd", level="I", kinds=("gas-leak",), exposure=("enclosed", "crowd")))
    assert told(city, [finding(1, "G1")]) == ["1 raised 3"]
    assert told(city, [finding(1, "G4")]) == ["1 raised 1 beside-a-crowd"]
    assert [event.alert.urgent for event in run(city, [finding(1, "G4")], 100)] == [True]


def test_an_exposure_reaches_as_far_as_its_radius():
    """M1 is 200 m from the school at M2, M3 800 m."""
    city = town(Grade("school", level="II", exposure=("school",)))
    assert METRE
    assert told(city, [finding(1, "G1")]) == ["1 raised 2 school"]
    assert told(city, [finding(1, "G3")]) == ["1 raised 3"]


def test_steps_count_from_what_the_signs_ask():
    """One step, from each level that is named; above the gravest there is none."""
    city = town(Grade("step", steps=1, levels=("III", "II")))
    assert told(city, [finding(1, "G1")]) == ["1 raised 2 step"]
    assert told(city, [finding(1, "G1", grade=2)]) == ["1 raised 1 step"]
    assert told(town(Grade("far", steps=8)), [finding(1, "G1")]) == ["1 raised 1 far"]


def test_four_levels():
    """Emergency plans have four: red, orange, yellow, blue."""
    city = town(Grade("lasting", steps=1, lasting=10 * MINUTE), levels=("red", "orange", "yellow", "blue"))
    city = replace(city, monitors=tuple(replace(one, levels=(4, 3, 2)) for one in city.monitors))
    asked = replace(finding(1, "G1"), level=4)
    assert told(city, [asked], 700) == ["1 raised 4", "601 escalated 3 lasting"]


def test_corroboration_makes_it_graver_when_it_comes():
    """Two sensors of 0.75 together: at once, when the second joins."""
    city = town(Grade("agreed", level="II", corroboration=0.75))
    assert told(city, [finding(1, "G1"), finding(9, "G1b")]) == ["1 raised 3", "9 escalated 2 agreed"]


def test_a_score_counts_in_multiples_of_its_threshold():
    """The town's findings score 12 at a threshold of 10."""
    assert told(town(Grade("far", level="I", score=1.3)), [finding(1, "G1")]) == ["1 raised 3"]
    assert told(town(Grade("far", level="I", score=1.2)), [finding(1, "G1")]) == ["1 raised 1 far"]
    odd = replace(finding(1, "G1"), score=float("nan"), threshold=0.0)
    assert told(town(Grade("far", level="I", score=1.2)), [odd]) == ["1 raised 3"]


def test_what_lasts_gets_graver_at_its_own_time():
    """Ten minutes after it was raised, in event time, with no record at that time; and again after an hour."""
    city = town(Grade("ten", level="II", lasting=10 * MINUTE), Grade("hour", level="I", lasting=60 * MINUTE))
    expected = ["5 raised 3", "605 escalated 2 ten", "3605 escalated 1 hour"]
    assert told(city, [finding(5, "G1")], 4000) == expected


def test_what_is_over_and_only_held_open_gets_no_graver():
    """The off-delay is the desk's patience, not the gas's; what comes back in it has lasted."""
    city = town(Grade("minute", level="I", lasting=MINUTE))
    gone = [finding(0, "G1"), finding(30, "G1", END, onset=0)]
    assert told(city, gone, 200) == ["0 raised 3", "90 cleared 3"]
    assert told(city, [*gone, finding(70, "G1")], 100) == ["0 raised 3", "70 escalated 1 minute"]


def test_what_a_camera_sees_lasts_until_it_was_not_seen_for_a_while():
    """A camera's event has no end: its quiet time counts."""
    city = town(Grade("minute", level="I", lasting=MINUTE))
    assert told(city, [video(0, "C3")], 100) == ["0 raised 2", "60 escalated 1 minute"]


def test_the_level_is_latched():
    """A milder state of the signs leaves the level and its reason until the alert has cleared."""
    city = town(Grade("agreed", level="II", corroboration=0.75))
    records = [finding(1, "G1"), finding(2, "G1b"), finding(3, "G1b", END, onset=2), finding(70, "G1", CHANGE, onset=1)]
    assert [line.split()[2:] for line in told(city, records, 500)[1:]] == [["2", "agreed"]]


def test_a_route_says_whose_it_is():
    """The first that fits, before monitor, asset and zone; otherwise as without."""
    routes = (Route("street-office", kinds=("gas-leak",), asset_kinds=("manhole",), zones=("north",)),)
    city = town(routes=(*routes, Route("gas-company", kinds=("gas-leak", "waterlogging"))))
    owners = [
        run(city, [record], 10)[0].alert.owner
        for record in (
            finding(1, "G1"), finding(1, "G4"), finding(1, "L1", monitor="flood"), finding(1, "P1", monitor="burst")
        )
    ]  # fmt: skip
    assert owners == ["street-office", "gas-company", "gas-company", "water-company"]


RULES = (
    Grade("a", level="II", corroboration=0.75),
    Grade("b", steps=1, exposure=("crowd",)),
    Grade("c", level="I", lasting=90 * SECOND),
    Grade("d", steps=2, score=1.1, kinds=("waterlogging",)),
)
SENSORS = st.sampled_from(("G1", "G1b", "G2", "G4"))
RECORDS = st.lists(st.tuples(st.integers(0, 300), SENSORS, st.integers(1, 3)), max_size=8, unique_by=lambda r: r[:2])


@given(RECORDS, st.sets(st.sampled_from(RULES)), st.sampled_from(RULES), st.randoms())
def test_one_more_rule_never_makes_an_alert_milder_and_their_order_says_nothing(drawn, rules, more, random):
    """At every second, each alert is at least as grave with one more rule; shuffled rules say the same."""
    records = [finding(at, sensor, grade=grade) for at, sensor, grade in drawn]
    some = sorted(rules, key=lambda rule: rule.name)
    few, many = run(town(*some), records, 600), run(town(*some, more), records, 600)
    assert final(many).keys() == final(few).keys()
    assert all(final(many)[id] <= level for id, level in final(few).items())
    random.shuffle(some)
    assert [replace(e.alert, rules=()) for e in run(town(*some), records, 600)] == [
        replace(e.alert, rules=()) for e in few
    ]


def final(events: list[AlertEvent]) -> dict[object, int]:
    return {event.alert.id: event.alert.level for event in events}


@pytest.mark.parametrize("cut", [1, 30, 59, 60, 61])
def test_a_snapshot_goes_on_counting(cut):
    """A desk that was stopped and resumed tells the same, at the same time."""
    city = town(Grade("minute", level="I", lasting=MINUTE))
    whole = run(city, [finding(0, "G1")], 100)
    first = Desk(city, 1)
    events = first.take(Verdicts(0, START + cut * SECOND, (finding(0, "G1"),)))
    second = Desk(city, 1)
    second.restore(first.snapshot())
    assert events + second.take(Verdicts(0, START + 100 * SECOND)) == whole
    assert [event.type for event in whole] == [AlertEventType.RAISED, AlertEventType.ESCALATED]
