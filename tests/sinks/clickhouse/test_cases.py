"""The views of cases on what was told of them, and that they say what `domain.cases` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from clickhouse_connect.driver.client import Client

from domain.actions import SOURCES, Action, Verb
from domain.cases import OF_CASES, Case, CasePolicy, Deadlines, fold
from domain.city import City, Level, Sensor
from domain.clock import DAY, HOUR, MINUTE, SECOND
from sinks.clickhouse.schema import load_registry
from sinks.clickhouse.sink import Writer

T0 = 1_764_000_000 * SECOND
CITY = City(
    "town", "Asia/Shanghai", (Sensor("G1", "gas-lel", "%LEL", "Z1"),), levels=(Level(1, "I", True), Level(2, "II")),
    cases=CasePolicy((Deadlines(1, 2 * MINUTE, 10 * MINUTE, HOUR, DAY), Deadlines(2, close_within=3 * DAY))),
)  # fmt: skip


def told(case: str, verb: Verb, minutes: float, **more: Any) -> Action:
    """One action of a case."""
    ts = T0 + round(minutes * MINUTE)
    number = told.count = getattr(told, "count", 0) + 1  # type: ignore[attr-defined]
    return Action(UUID(int=number), verb, ts, "wang", case=case, known=ts, **more)


def rows(client: Client, query: str) -> Sequence[Any]:
    return client.query(query).result_rows


def stored(client: Client, actions: Sequence[Action]) -> None:
    load_registry(client, CITY)
    Writer(client, ["G1"]).write(actions)


def test_the_view_says_what_the_fold_says(client: Client) -> None:
    """Whatever is told of a thousand cases, in whatever order and however often."""
    rng = np.random.default_rng(5)
    verbs, actions = list(OF_CASES), []
    for n in range(1000):
        for _ in range(rng.integers(1, 9)):
            verb = verbs[rng.integers(len(verbs))]
            more: dict[str, Any] = {"verdict": ["", "true", "false"][rng.integers(3)]} if verb is Verb.CHECK else {}
            if rng.random() < 0.5:
                more |= {"unit": f"U{rng.integers(3)}", "kind": "pothole", "place": f"P{rng.integers(4)}", "level": 2}
            if rng.random() < 0.3:
                more |= {"zone": f"Z{rng.integers(3)}", "source": SOURCES[rng.integers(4)], "alert": UUID(int=n + 1)}
            if rng.random() < 0.3:
                more |= {"until": T0 + DAY}
            actions.append(told(f"c{n:04}", verb, int(rng.integers(0, 12)), **more))
    shuffled = [actions[i] for i in rng.permutation(len(actions))]
    stored(client, [*shuffled, *actions[:500]])
    by_case: dict[str, list[Action]] = {}
    for action in shuffled:
        by_case.setdefault(action.case, []).append(action)
    times = ("opened", "dispatched", "accepted", "handled", "checked", "closed")
    columns = ", ".join(f"ifNull(toUnixTimestamp64Nano({name}), 0)" for name in times)
    found = rows(
        client,
        f"SELECT id, state, {columns}, returned, reopened, unit, alert, kind, zone, place, ifNull(level, 0), source, "
        "if(deadline = opened + toIntervalDay(3), 0, ifNull(toUnixTimestamp64Nano(deadline), 0)) "
        "FROM cases ORDER BY id",
    )
    wanted = [_row(fold(by_case[id])) for id in sorted(by_case)]
    assert [tuple(row) for row in found] == wanted
    assert {row[1] for row in wanted} == {"reported", "dispatched", "accepted", "handled", "checked", "closed"}


def _row(case: Case) -> tuple[Any, ...]:
    times = case.opened, case.dispatched, case.accepted, case.handled, case.checked, case.closed
    alert = str(case.alert) if case.alert else ""
    said = case.unit, alert, case.kind, case.zone, case.place, case.level, case.source, case.deadline
    return (case.id, case.stage.value, *times, case.returned, case.reopened, *said)


def a_day(client: Client) -> None:
    """Four cases of a day, and one a fortnight before at the same place."""
    where: dict[str, Any] = {"place": "North Gate", "zone": "Z1", "kind": "pothole", "unit": "street"}
    fortnight = 14 * DAY // MINUTE
    before = [told("c0", Verb.REPORT, -fortnight, **where), told("c0", Verb.CLOSE_CASE, -fortnight)]
    at: dict[str, Any] = {"kind": "pothole", "place": "North Gate", "zone": "Z1", "level": 1, "source": "video"}
    stored(client, [
        *before,
        told("c1", Verb.REPORT, 0, **at), told("c1", Verb.DISPATCH, 1, unit="street"), told("c1", Verb.ACCEPT, 5),
        told("c1", Verb.HANDLE, 30), told("c1", Verb.CHECK, 50, verdict="true"), told("c1", Verb.CLOSE_CASE, 60),
        told("c2", Verb.REPORT, 0, kind="stall", zone="Z1", level=1, source="report"),
        told("c2", Verb.DISPATCH, 3, unit="street"),
        told("c3", Verb.REPORT, 0, kind="stall", zone="Z2", level=2, source="report", until=T0 + HOUR),
        told("c3", Verb.DISPATCH, 1, unit="water"), told("c3", Verb.CLOSE_CASE, 2 * 60), told("c3", Verb.CHECK, 180,
                                                                                             verdict="false"),
        told("c4", Verb.REPORT, 200, kind="stall", zone="Z1", source="sensor"),
    ])  # fmt: skip


def test_response_times(client: Client) -> None:
    """Median and 90th percentile by unit and level, of those that have come so far."""
    a_day(client)
    found = rows(
        client,
        "SELECT unit, level, cases, closed_cases, late_cases, median_to_dispatch_s, p90_to_dispatch_s, "
        "median_to_accept_s, median_to_close_s FROM case_response ORDER BY unit, level",
    )
    assert [tuple(round(x, 6) if isinstance(x, float) else x for x in row) for row in found] == [
        ("", None, 1, 0, 0, None, None, None, None),
        ("street", 1, 2, 1, 0, 120, 168, 300, 3600),
        ("street", None, 1, 1, 0, None, None, None, 0),
        ("water", 2, 1, 0, 1, 60, 60, None, None),
    ]


def test_overdue_cases(client: Client) -> None:
    """By the times that are set for their level, or by the case system: which step is missing, and since when."""
    a_day(client)
    assert rows(client, "SELECT id, state, overdue, age_s, late_s FROM cases_overdue ORDER BY id") == [
        ("c2", "dispatched", "handle", 200 * 60, 200 * 60 - 86400),
        ("c3", "accepted", "close", 200 * 60, 140 * 60),
    ]


def test_by_whom_cases_are_found(client: Client) -> None:
    """Shares by day and zone."""
    a_day(client)
    found = rows(
        client,
        "SELECT zone, source, cases, round(share, 3) FROM case_sources WHERE day > '2025-11-20' ORDER BY zone, source",
    )
    assert found == [
        ("Z1", "report", 1, 0.333),
        ("Z1", "sensor", 1, 0.333),
        ("Z1", "video", 1, 0.333),
        ("Z2", "report", 1, 1),
    ]


def test_places_that_come_again(client: Client) -> None:
    """The same kind at the same place, twice in thirty days."""
    a_day(client)
    found = rows(client, "SELECT place, kind, cases, closed_cases, units FROM repeat_cases")
    assert found == [("North Gate", "pothole", 2, 2, ["street"])]
