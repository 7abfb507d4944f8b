"""What desks are told: at once, in digests, in summaries; and that nothing grave waits and nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.city import City, Level, Unit
from domain.clock import HOUR, MINUTE, SECOND
from domain.desk import DeskPolicy, LevelPolicy
from domain.findings import Alert, AlertEvent, AlertEventType
from domain.identity import identify
from domain.notices import Notice, Why
from domain.policy import Desk, Policy, Shift
from domain.records import Verdicts
from domain.rota import Rota
from operators.alerts.desk import Desk as AlertDesk
from operators.alerts.pager import PagedDesk
from operators.alerts.routing import BUCKET, Routing
from operators.alerts.timing import FOREVER
from tests.operators.alerts import town
from tests.operators.alerts.town import START as START_OF_TOWN

RAISED, UPDATED, ESCALATED = AlertEventType.RAISED, AlertEventType.UPDATED, AlertEventType.ESCALATED
CLEARED = AlertEventType.CLEARED
OVERDUE, SHELVED, UNSHELVED = AlertEventType.OVERDUE, AlertEventType.SHELVED, AlertEventType.UNSHELVED

ZONE = ZoneInfo("Asia/Shanghai")
#: A Monday, 12:00 in the city.
START = int(datetime(2025, 7, 14, 12, tzinfo=ZONE).timestamp()) * SECOND

CENTRE, GAS = Desk("centre", digest=30 * MINUTE, flood=3), Desk("gas", ("gas-company",), flood=2)


def city(*desks: Desk, urgent: int = 1) -> City:
    levels = tuple(Level(rank, name, rank <= urgent) for rank, name in enumerate(("I", "II", "III"), 1))
    units = {name: Unit(name) for name in ("gas-company", "water-company", "office")}
    return City("town", "Asia/Shanghai", (), units=units, levels=levels, policy=Policy((), (), (), desks))


def step(
    at: float, name: str, type: AlertEventType = RAISED, level: int = 3, owner: str = "gas-company", **more: object
) -> AlertEvent:
    """A step at so many minutes after START."""
    ts = START + round(at * MINUTE)
    over, quiet = type is CLEARED, type is SHELVED
    alert = Alert(
        identify(name), "gas-leak", level, not over, ts, ts, ts, ts if over else 0, "", "", "", 0.0, 0.0, owner,
        level == 1, 0.5, name, shelved_until=ts + HOUR if quiet else 0,
    )  # fmt: skip
    return AlertEvent(identify(name, at, type), round(at * 60), type, ts, alert, **more)  # type: ignore[arg-type]


def table(town: City, steps: Sequence[AlertEvent], until: float = 600) -> list[str]:
    """A line a notice: minutes, desk, why, and of what."""
    return [line(notice) for notice in Routing(town).take(steps, START + round(until * MINUTE))]


def line(notice: Notice) -> str:
    said = " ".join(f"{event.alert.summary}:{event.type}" for event in notice.events)
    return f"{(notice.ts - START) / MINUTE:g} {notice.desk} {notice.why} {said}"


def test_what_is_urgent_is_told_at_once_and_the_rest_in_the_digest():
    """At the full half hour of event time, each alert as it stands by then."""
    steps = [step(1, "a"), step(2, "grave", level=1), step(5, "a", UPDATED), step(6, "b", owner="water-company")]
    assert table(city(CENTRE), steps) == [
        "2 centre at-once grave:raised",
        "30 centre digest a:updated b:raised",
    ]


def test_a_desk_hears_of_its_units_and_one_without_units_of_all():
    """Without a digest everything comes at once."""
    steps = [step(1, "a"), step(2, "b", owner="water-company"), step(3, "c", owner="")]
    assert table(city(replace(CENTRE, digest=0), GAS), steps) == [
        "1 centre at-once a:raised",
        "1 gas at-once a:raised",
        "2 centre at-once b:raised",
        "3 centre at-once c:raised",
    ]


def test_who_was_called_hears_that_it_is_over():
    """What was told at once is told at once to the end; what was told in a digest ends in one."""
    steps = [step(1, "a", level=1), step(2, "b"), step(40, "a", CLEARED, 1), step(41, "b", CLEARED)]
    assert table(city(CENTRE), steps) == [
        "1 centre at-once a:raised",
        "30 centre digest b:raised",
        "40 centre at-once a:cleared",
        "60 centre digest b:cleared",
    ]


def test_an_alert_that_is_over_before_its_digest_is_told_all_the_same():
    """Nothing is lost: it stands in the digest as what it became."""
    assert table(city(CENTRE), [step(1, "a"), step(2, "a", CLEARED)]) == ["30 centre digest a:cleared"]


def test_what_gets_urgent_does_not_wait_for_the_digest_that_it_waited_for():
    """It is told at once, and once."""
    steps = [step(1, "a"), step(2, "a", ESCALATED, 1)]
    assert table(city(CENTRE), steps) == ["2 centre at-once a:escalated"]


def test_what_is_overdue_reaches_the_next_unit():
    """The desk of the unit that the step names hears of it, and of the rest of that alert."""
    office = Desk("office", ("office",))
    steps = [step(1, "a", level=1), step(6, "a", OVERDUE, 1, notify=("office",)), step(9, "a", CLEARED, 1)]
    assert table(city(replace(CENTRE, units=("water-company",)), GAS, office), steps) == [
        "1 gas at-once a:raised",
        "6 gas at-once a:overdue",
        "6 office at-once a:overdue",
        "9 gas at-once a:cleared",
        "9 office at-once a:cleared",
    ]


def test_a_flood_is_told_as_one_summary_and_ends_by_itself():
    """Two alarms in ten minutes, then the rest together; then it begins anew. The gravest never waits."""
    steps = [step(i, f"a{i}", level=2) for i in range(5)]
    steps += [step(5, "grave", level=1), step(6, "a4", CLEARED, 2), step(11, "b", level=2)]
    assert table(city(GAS), steps) == [
        "0 gas at-once a0:raised",
        "1 gas at-once a1:raised",
        "5 gas at-once grave:raised",
        "10 gas flood a2:raised a3:raised a4:cleared",
        "11 gas at-once b:raised",
    ]


def test_what_is_held_by_a_flood_and_gets_gravest_is_told_at_once():
    """And it is in no summary any more."""
    steps = [step(i, f"a{i}", level=2) for i in range(4)] + [step(5, "a3", ESCALATED, 1)]
    assert table(city(GAS), steps)[2:] == ["5 gas at-once a3:escalated", "10 gas flood a2:raised"]


def test_updates_of_what_was_told_are_no_alarms():
    """A flood counts what rings."""
    steps = [step(0, "a", level=2), *(step(i, "a", UPDATED, 2) for i in range(1, 9))]
    assert len(table(city(GAS), steps)) == 9


def test_off_duty_the_relief_hears_what_cannot_wait_and_the_digest_waits_for_the_shift():
    """At night the workshop is closed: an urgent alert goes to the centre, too; the digest comes at half past eight."""
    shift = Shift("office", start=8 * 60 + 30, end=17 * 60)
    shop = Desk("shop", ("gas-company",), digest=2 * HOUR, relief="night", shift=(shift,))
    night = Desk("night", ("office",))
    steps = [step(600, "a"), step(601, "grave", level=1)]  # 22:00
    assert table(city(shop, night), steps, until=2000) == [
        "601 shop at-once grave:raised",
        "601 night at-once grave:raised",
        "1230 shop digest a:raised",
    ]


def test_shifts_are_named_and_follow_the_clocks_of_the_city():
    """Twelve o'clock in the city is four in the morning UTC; the night's shift is on over midnight."""
    day, night = Shift("day", start=480, end=1200), Shift("night", start=1200, end=480)
    notices = list(
        Routing(city(replace(GAS, shift=(day, night)))).take([step(0, "a"), step(700, "b")], START + 9 * HOUR)
    )
    assert [notice.on_duty for notice in notices] == [("day",), ("night",)]


@pytest.mark.parametrize(("month", "hour"), [(1, 9), (7, 10)])
def test_shifts_follow_summer_time(month, hour):
    """08:00 UTC is nine in winter and ten in summer."""
    town = replace(city(Desk("d", shift=(Shift("s", start=hour * 60, end=hour * 60 + 1),))), timezone="Europe/Berlin")
    at = int(datetime(2025, month, 15, 8, tzinfo=ZoneInfo("UTC")).timestamp()) * SECOND
    assert [shift.name for shift in Rota(town).on_duty("d", at)] == ["s"]
    assert not Rota(town).attended("d", at + MINUTE)


def test_shelved_and_back():
    """A desk hears that it is quiet, and of its return as of a new alarm."""
    steps = [step(0, "a", level=1), step(1, "a", SHELVED, 1), step(20, "a", UNSHELVED, 1)]
    assert [one.split(":")[1] for one in table(city(GAS), steps)] == ["raised", "shelved", "unshelved"]


def test_a_correction_is_told_at_once_and_changes_nothing_else():
    """Of readings that came late; what waits still waits."""
    late = replace(step(2, "a", AlertEventType.AMENDED), revision=1)
    assert table(city(CENTRE), [step(1, "a"), late]) == ["2 centre at-once a:amended", "30 centre digest a:raised"]


def test_what_waits_for_a_desk_that_is_gone_is_told_to_the_others():
    """A policy may change between two runs: nothing is lost by it."""
    before = Routing(city(replace(GAS, digest=HOUR), replace(CENTRE, units=("office",))))
    assert list(before.take([step(1, "a")], START + 2 * MINUTE)) == []
    after = Routing(city(CENTRE), before.snapshot())
    assert [line(notice) for notice in after.take([], START + HOUR)] == ["10 centre flood a:raised"]


NAMES = st.sampled_from([f"a{i}" for i in range(12)])
TYPES = st.sampled_from((RAISED, UPDATED, ESCALATED, CLEARED, OVERDUE, SHELVED, UNSHELVED))
STEPS = st.lists(
    st.tuples(st.integers(0, 90), NAMES, TYPES, st.integers(1, 3), st.sampled_from(("gas-company", "water-company"))),
    max_size=40,
)
SHOP = Desk("shop", ("water-company",), HOUR, 1, "centre", (Shift("office", start=510, end=780, days=(0, 1)),))
TOWN = city(CENTRE, GAS, SHOP, urgent=2)


def drawn(steps: list[tuple[int, str, AlertEventType, int, str]]) -> list[AlertEvent]:
    """Steps in order, each alert with one owner."""
    owners: dict[str, str] = {}
    return [
        replace(one, id=identify("step", number))
        for number, (at, name, type, level, owner) in enumerate(sorted(steps, key=lambda s: s[0]))
        for one in [step(at, name, type, level, owners.setdefault(name, owner))]
    ]


@given(STEPS)
def test_nothing_grave_waits_and_nothing_is_lost(steps):
    """Each step of the gravest level at its own time; of each alert, the last step to every desk of its unit."""
    events = drawn(steps)
    notices = list(Routing(TOWN).take(events, FOREVER))
    for desk in TOWN.policy.desks:
        told = [(notice, event) for notice in notices if notice.desk == desk.name for event in notice.events]
        for event in events:
            if not desk.serves(event.alert.owner):
                continue
            if event.alert.level == 1:
                assert any(notice.ts == event.ts and one is event for notice, one in told)
        for id in {event.alert.id for event in events if desk.serves(event.alert.owner)}:
            last = [event for event in events if event.alert.id == id][-1]
            assert [one for _, one in told if one.alert.id == id][-1] is last


@given(STEPS)
def test_no_desk_has_more_alarms_in_ten_minutes_than_it_takes(steps):
    """Milder than the gravest, at once, and not heard of before: at most `flood`."""
    for desk in TOWN.policy.desks:
        rung: dict[int, int] = {}
        for notice in Routing(TOWN).take(drawn(steps), FOREVER):
            first = notice.events[0]
            rings = first.type in (RAISED, ESCALATED, OVERDUE, UNSHELVED) and first.alert.level > 1
            if rings and notice.desk == desk.name and notice.why is Why.AT_ONCE:
                rung[notice.ts // BUCKET] = rung.get(notice.ts // BUCKET, 0) + 1
        assert all(count <= desk.flood for count in rung.values())


@given(STEPS, st.lists(st.integers(0, 40), max_size=6))
def test_neither_how_steps_come_nor_a_restart_changes_what_is_told(steps, cuts):
    """In any pieces, each with how far event time has come by then, and from a snapshot after each."""
    events = drawn(steps)
    whole = list(Routing(TOWN).take(events, FOREVER))
    found: list[Notice] = []
    routing, begin = Routing(TOWN), 0
    for cut in sorted({min(cut, len(events)) for cut in cuts} | {len(events)}):
        upto = events[cut].ts if cut < len(events) else FOREVER
        found += routing.take(events[begin:cut], upto)
        routing, begin = Routing(TOWN, routing.snapshot()), cut
    assert found == whole
    assert [notice.ts for notice in whole] == sorted(notice.ts for notice in whole)


def test_from_a_finding_to_the_desk_of_the_next_unit() -> None:
    """The whole desk: a grave alert at once, unacknowledged it goes to the next unit, a mild one waits for the digest;
    and a restart in between changes nothing."""
    policy = Policy(desks=(Desk("centre", digest=10 * MINUTE), Desk("office", ("street-office",))))
    expected = DeskPolicy(level=(LevelPolicy(1, 2 * MINUTE, ("street-office",), latched=True),))
    city = replace(town.TOWN, policy=policy, desk=expected)
    found = {15: town.finding(10, "G1", grade=3), 100: town.finding(20, "P2", monitor="burst")}
    told: list[str] = []
    state = None
    for cut in (5, 15, 100, 131, 700):
        desk = PagedDesk(AlertDesk(city, 1), None, state, city)
        upto = START_OF_TOWN + cut * SECOND
        for item in desk.take(Verdicts(0, upto, (found[cut],) if cut in found else ()), 0):
            if isinstance(item, Notice):
                kinds = " ".join(f"{event.alert.kind}:{event.type}" for event in item.events)
                told.append(f"{(item.ts - START_OF_TOWN) / SECOND:g} {item.desk} {item.why} {kinds}")
        state = desk.snapshot()
    assert told == [
        "10 centre at-once gas-leak:raised",
        "130 centre at-once gas-leak:overdue",
        "130 office at-once gas-leak:overdue",
        "600 centre digest water-burst:raised",
    ]
