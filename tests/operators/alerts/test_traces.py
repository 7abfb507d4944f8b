"""What alerts show of the readings behind them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson

from domain.clock import SECOND
from domain.findings import AlertEvent, AlertEventType, Finding, Samples
from domain.records import Verdicts
from domain.traces import POINTS
from operators.alerts.desk import Desk
from operators.alerts.traces import CARRIED, LEAD
from sinks.messages import encode
from tests.operators.alerts.town import CHANGE, END, START, TOWN, finding


def seen(found: Finding, count: int = 32, every: float = 1.0) -> Finding:
    """The same with the readings before it: as many as said, so many seconds apart; they count up."""
    ts = found.ts - np.arange(count, 0, -1) * round(every * SECOND)
    return replace(found, samples=Samples(ts.tobytes(), np.arange(count, dtype=float).tobytes()))


def run(*records: Finding, until: float = 500) -> list[AlertEvent]:
    return Desk(TOWN, 1).take(Verdicts(0, START + round(until * SECOND), records))


def test_an_alert_carries_what_its_first_signs_saw() -> None:
    """Samples, score, threshold, baseline, detector, configuration, and which full readings they stand for."""
    (event,) = run(seen(finding(100, "G1")))
    (trace,) = event.alert.traces
    at = START + 100 * SECOND
    assert (trace.sensor, trace.monitor, trace.detector, trace.config) == ("G1", "gas", "threshold", "c0ffee")
    assert (trace.score, trace.threshold, trace.value, trace.baseline) == (12.0, 10.0, 12.0, 1.0)
    assert (trace.onset, trace.since, trace.until) == (at, at - LEAD, at)
    assert trace.ts == tuple(at - k * SECOND for k in range(32, 0, -1))
    assert trace.values == tuple(map(float, range(32)))


def test_what_follows_is_joined_and_thinned() -> None:
    """Every change brings its readings, overlapping ones once; however many, a screenful, with both ends."""
    records = [seen(finding(100, "G1"))]
    records += [seen(finding(100 + 20 * k, "G1", CHANGE, onset=100)) for k in range(1, 40)]
    alert = run(*records, seen(finding(950, "G1b")), until=1000)[-1].alert
    first, second = alert.traces
    assert len(first.ts) <= POINTS
    assert list(first.ts) == sorted(set(first.ts))
    assert (first.ts[0], first.ts[-1]) == (START + 68 * SECOND, START + 879 * SECOND)
    assert second.sensor == "G1b"


def test_few_signs_are_shown_the_first_of_them_always() -> None:
    """A cause has five faces at most."""
    names = ["gas", "gas-slow", "gas-hint"]
    records = [seen(finding(k, sensor, monitor=name)) for k, sensor in enumerate(("G1", "G1b", "G2")) for name in names]
    alert = run(*sorted(records, key=lambda one: one.ts))[-1].alert
    assert len(alert.traces) == CARRIED
    assert alert.traces[0].sensor == "G1"


def test_every_step_carries_them_and_what_is_over_is_let_go() -> None:
    """The clearing shows them once more; another abnormality of the sensor has its own."""
    again = [seen(finding(2000, "G1"), 3)]
    events = run(seen(finding(0, "G1")), finding(30, "G1", END, onset=0), *again, until=3000)
    assert [len(event.alert.traces[0].ts) for event in events] == [32, 32, 3]
    assert events[1].type is AlertEventType.CLEARED


def test_they_are_no_part_of_what_an_alert_is() -> None:
    """Late readings that change nothing but a plot make no revision of it."""
    with_them, without = run(seen(finding(0, "G1")))[0].alert, run(finding(0, "G1"))[0].alert
    assert with_them == without
    assert with_them.traces != without.traces


def test_as_others_read_them() -> None:
    """In JSON, times as all times are there, and what is no number is null."""
    odd = replace(seen(finding(0, "G1"), 2), baseline=float("nan"))
    (trace,) = orjson.loads(encode(run(odd)[0]))["alert"]["traces"]
    assert trace["baseline"] is None
    assert trace["until"] == "2025-11-24T16:00:00.000000000Z"
    assert trace["samples"] == [
        {"ts": "2025-11-24T15:59:58.000000000Z", "value": 0.0}, {"ts": "2025-11-24T15:59:59.000000000Z", "value": 1.0}
    ]  # fmt: skip


def test_a_restart_keeps_them() -> None:
    """What a finding brought along before a snapshot is there when its on-delay ends after it."""
    first = Desk(TOWN, 1)
    assert first.take(Verdicts(0, START + 5 * SECOND, (seen(finding(0, "G1", monitor="gas-slow")),))) == []
    second = Desk(TOWN, 1)
    second.restore(first.snapshot())
    (event,) = second.take(Verdicts(0, START + 60 * SECOND))
    assert len(event.alert.traces[0].ts) == 32
