"""What the console sees at a look at the database, and how much it asks for."""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest

from console import watch
from console.watch import KEPT, Watch
from domain.clock import SECOND
from domain.findings import AlertEventType
from sinks.clickhouse.read import standing_alerts
from tests.console.alerts import raised, then
from tests.console.conftest import Place


@pytest.fixture
def asked(place: Place, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The ids that were asked for; None for everything."""
    found: list[Any] = []

    def standing(client: Any, since: int = 0, ids: list[UUID] | None = None) -> Any:
        found.append(ids)
        return real(client, since, ids)

    real = standing_alerts
    monkeypatch.setattr(watch, "standing_alerts", standing)
    return found


def fresh(place: Place) -> Watch:
    """One that has seen nothing yet."""
    return Watch(place.site.database, place.journal)


def test_only_news_are_asked_for(place: Place, asked: list[Any]) -> None:
    """After the first look; what it then knows is what one finds that looks for the first time."""
    now = time.time_ns()
    first, second = raised(now - 60 * SECOND, 1), raised(now - 50 * SECOND, 2)
    place.write(first, second)
    seen = fresh(place)
    assert seen.look() == {first.alert.id, second.alert.id}
    assert seen.look() == set()
    step = then(second, AlertEventType.ACKNOWLEDGED, acknowledged=now, acknowledged_by="li.na")
    third = raised(now - 40 * SECOND, 3)
    place.write(step, third)
    asked.clear()
    assert seen.look() == {second.alert.id, third.alert.id}
    assert {frozenset(ids) for ids in asked if ids is not None} >= {frozenset((second.alert.id, third.alert.id))}
    anew = fresh(place)
    anew.look()
    assert seen.view.alerts == anew.view.alerts


def test_of_many_news_everything_is_asked_for(place: Place, asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of thousands of ids would be slower."""
    monkeypatch.setattr(watch, "FEW", 1)
    now = time.time_ns()
    seen = fresh(place)
    seen.look()
    place.write(raised(now, 1), raised(now, 2))
    asked.clear()
    assert len(seen.look()) == 2
    assert None in asked


def test_what_is_long_over_is_forgotten(place: Place) -> None:
    """At the next news, without another look at all of it."""
    now = time.time_ns()
    old = raised(now - KEPT - 60 * SECOND, 1)
    over = then(old, AlertEventType.CLEARED, active=False, cleared=now)
    place.write(old, replace(over, ts=now, alert=replace(over.alert, updated=now)))
    seen = fresh(place)
    seen.look()
    assert set(seen.view.alerts) == {old.alert.id}
    seen.now = lambda: now + KEPT + 60 * SECOND
    late = raised(now + KEPT, 2)
    place.write(late)
    seen.look()
    assert set(seen.view.alerts) == {late.alert.id}


def test_of_two_looks_at_once_the_slower_takes_nothing_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has asked before there was something new, and would answer after the other has seen it."""
    seen, (begun, go_on) = fresh(place), (Event(), Event())

    def slow(client: Any, since: int = 0, ids: list[UUID] | None = None) -> Any:
        found = standing_alerts(client, since, ids)
        if not begun.is_set():
            begun.set()
            go_on.wait(5)
        return found

    monkeypatch.setattr(watch, "standing_alerts", slow)
    place.write(raised(time.time_ns() - 60 * SECOND, 1))
    first, second = Thread(target=seen.look), Thread(target=seen.look)
    first.start()
    assert begun.wait(10)
    news = raised(time.time_ns() - 50 * SECOND, 2)
    place.write(news)
    second.start()
    second.join(1)
    go_on.set()
    first.join(10)
    second.join(10)
    assert news.alert.id in seen.view.alerts
