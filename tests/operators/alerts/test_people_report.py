"""Reports of citizens and inspectors as signs: what they open, what they support, what they weigh."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.clock import MINUTE, SECOND
from domain.findings import AlertEvent
from domain.identity import identify
from domain.monitors import ReportRule
from domain.records import Verdicts
from domain.reports import Channel, Report
from operators.alerts.desk import Desk
from operators.alerts.maintenance import Maintenance
from tests.operators.alerts.town import END, LAT, LON, METRE, START, TOWN, finding

CITY = replace(
    TOWN,
    report_rules=(
        ReportRule("gas-smell", "gas-leak", 2, 3, unit="gas-company", quiet=10 * MINUTE),
        ReportRule("water", "waterlogging", 3, 0, supports=("water-burst",), quiet=10 * MINUTE),
    ),
)


def report(at: float, type: str = "gas-smell", by: str = "citizen", **more: Any) -> Report:
    """A report at so many seconds, at M1 where nothing else is said."""
    ts = START + round(at * SECOND)
    place: dict[str, Any] = {} if {"zone", "lon", "asset"} & more.keys() else {"asset": "M1"}
    id = identify("report", ts, type, by, more.get("reporter", ""))
    return Report(id, type, ts, Channel(by), known=ts, **(place | more))


def told(*records, until: float = 5000) -> list[AlertEvent]:
    """What the desk says."""
    found = tuple(record for record in records if not isinstance(record, Report))
    reports = tuple(record for record in records if isinstance(record, Report))
    return Desk(CITY, 1).take(Verdicts(0, START + round(until * SECOND), found, reports=reports))


def lines(events: list[AlertEvent]) -> list[str]:
    """Seconds, what happened, kind, level, sensors, and how many reports."""
    return [
        f"{(event.ts - START) / SECOND:g} {event.type} {event.alert.kind} {event.alert.level} "
        f"{' '.join(event.alert.sensors)} {len(event.alert.reports)}"
        for event in events
    ]


def test_a_report_with_a_level_opens_an_alert_that_clears_when_nobody_reports_any_more():
    """Ten minutes after the last; an inspector's word is graver."""
    assert lines(told(report(10), report(300), report(400, by="inspector"))) == [
        "10 raised gas-leak 3  1",
        "300 updated gas-leak 3  2",
        "400 escalated gas-leak 2  3",
        "1000 cleared gas-leak 2  3",
    ]


def test_the_alert_says_who_reported_and_not_what_they_wrote():
    """Text is data of anybody: it stays where it is kept."""
    (event, *_) = told(report(10, text="<b>smell</b>", picture="http://evil/x.png", confidence=0.8), until=20)
    alert = event.alert
    assert alert.reports == alert.evidence == (report(10).id,)
    assert alert.support == (f"citizen's report {report(10).id}: gas-smell, confidence 0.80",)
    assert "smell</b>" not in repr(alert)
    assert "evil" not in repr(alert)
    assert (alert.corroboration, alert.owner, alert.asset, alert.zone) == (0.24, "gas-company", "M1", "north")
    assert alert.summary.endswith("corroboration 0.24 by 1 report")


def test_reports_corroborate_a_sensor_and_a_sensor_joins_reports():
    """0.5 and 0.3 times the confidence, joined as independent sources."""
    for records in ((report(10), finding(20, "G1")), (finding(10, "G1"), report(200))):
        events = told(*records, until=300)
        assert len({event.alert.id for event in events}) == 1
        assert events[-1].alert.corroboration == 0.65


def test_one_reporter_is_one_source():
    """However often; of those who give no name each is another."""
    assert told(report(10, reporter="a"), report(20, reporter="a"), until=100)[-1].alert.corroboration == 0.3
    assert told(report(10, reporter="a"), report(20, reporter="b"), until=100)[-1].alert.corroboration == 0.51
    assert told(report(10), report(20), until=100)[-1].alert.corroboration == 0.51


def test_evidence_waits_for_what_it_supports():
    """A citizen's word on water opens nothing; an alert near by within ten minutes takes it in."""
    water = report(10, "water", asset="W1")
    assert told(water) == []
    assert lines(told(water, finding(100, "P1", monitor="burst"), until=101)) == ["100 raised water-burst 3 P1 1"]
    assert lines(told(water, finding(700, "P1", monitor="burst"), until=701)) == ["700 raised water-burst 3 P1 0"]


def test_who_is_not_sure_or_says_what_no_rule_knows_counts_for_nothing():
    """It is stored all the same."""
    assert told(report(10, confidence=0.4), report(20, "noise")) == []


@pytest.mark.parametrize(
    ("where", "alerts"),
    [
        ({"lon": LON + 100 * METRE, "lat": LAT}, 1),
        ({"lon": LON + 700 * METRE, "lat": LAT}, 2),
        ({"zone": "north"}, 1),
        ({"zone": "south"}, 2),
        ({"asset": "M2"}, 1),
        ({"asset": "M3"}, 2),
    ],
)
def test_a_place_is_an_asset_coordinates_or_a_zone(where, alerts):
    """Near is as near as for everything else; in a zone is near to all of it."""
    for order in ((finding(10, "G1"), report(20, **where)), (report(10, **where), finding(20, "G1"))):
        assert len({event.alert.id for event in told(*order, until=100)}) == alerts


def test_what_is_out_of_reach_of_everything_stands_alone():
    """Coordinates far from the city."""
    (event,) = told(report(10, lon=1.0, lat=1.0), until=20)
    assert (event.alert.lon, event.alert.lat, event.alert.zone) == (1.0, 1.0, "")


def test_maintenance_of_the_sensors_hides_no_report():
    """Whoever works on a sensor does not make the smell of gas."""
    maintenance = Maintenance(CITY, 10**18)
    maintenance.state.until[(True, "M1")] = 10**19
    both = told(report(10), finding(20, "G1"), until=200)[-1].alert
    assert not maintenance.covers(both)
    assert maintenance.covers(told(finding(20, "G1"), until=200)[-1].alert)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.sampled_from(["citizen", "inspector"]), st.sampled_from("ab"))),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 500)), max_size=3),
    st.integers(1, 4),
)
def test_shards_and_steps_do_not_matter(reports, findings, steps):
    """The same events, through snapshots, however far each step comes."""
    seen = sorted({report(at, by=by, reporter=who) for at, by, who in reports}, key=lambda one: one.order)
    found, busy = [], -1
    for at, lasts in sorted(findings):
        if at > busy:
            found += [finding(at, "G1"), finding(at + lasts, "G1", END, onset=at)]
            busy = at + lasts
    at_once = told(*seen, *found, until=20_000)
    desk = Desk(CITY, 2)
    events: list[AlertEvent] = []
    edges = [k * 20_000 // steps for k in range(steps)] + [20_000]
    for low, high in pairwise(edges):
        span = range(START + low * SECOND, START + high * SECOND)
        here = tuple(one for one in seen if one.ts in span)
        some = tuple(one for one in found if one.ts in span)
        for verdicts in (Verdicts(1, span.stop, some), Verdicts(0, span.stop, reports=here)):
            events += desk.take(verdicts)
            again = Desk(CITY, 2)
            again.restore(desk.snapshot())
            desk = again
    assert events == at_once
