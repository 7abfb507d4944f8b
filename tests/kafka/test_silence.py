"""Gateways that fall silent, partition by partition, and the engine that notices: live as in the replay."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from domain.clock import SECOND
from domain.findings import AlertEvent, AlertEventType, Finding, Phase
from domain.operations import FEED_SILENCE, SILENCE
from operators.intake import TICK_MARGIN
from tests.kafka.broker import Running
from tests.kafka.feed import SETTINGS, Feed, Live, make_topic
from tests.kafka_broker import Broker

QUIET = SETTINGS.model_copy(
    update={"silence": SECOND, "time": SETTINGS.time.model_copy(update={"max_ahead": SECOND})}, deep=True
)

#: Seconds after the last message in which the alert is there, and a bit for a slow machine.
WITHIN = (SECOND + TICK_MARGIN + (SETTINGS.time.idle or 0) + SETTINGS.time.pane) / SECOND + 1.5


def _steps(live: Live, monitor: str) -> list[tuple[Phase, str]]:
    return [(f.phase, f.sensor) for f in live.found.of(Finding) if f.monitor == monitor]


def _told(live: Live, place: str, step: AlertEventType) -> bool:
    return any(e.type is step and place in e.alert.place for e in live.found.of(AlertEvent))


def test_a_partition_then_the_feed(
    kafka: Broker, started: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is found and alerted within the time that is promised, cleared when it speaks, and found by the replay."""
    monkeypatch.setattr("operators.silence.INTERVALS", 1.0)
    topic = make_topic(kafka.address, kafka.topic())
    with Feed(kafka.address, topic) as feed, Live(kafka.address, topic, tmp_path, settings=QUIET) as live:
        live.comes_to(20)
        feed.partitions = 3
        since = time.monotonic()
        live.waits_for(lambda: _told(live, f"{topic}/3", AlertEventType.RAISED))
        assert time.monotonic() - since < WITHIN
        assert _steps(live, SILENCE.name) == [(Phase.ONSET, f"{topic}/3")]
        assert _steps(live, FEED_SILENCE.name) == []
        feed.partitions = 0
        since = time.monotonic()
        live.waits_for(lambda: _told(live, "feed", AlertEventType.RAISED))
        assert time.monotonic() - since < WITHIN
        feed.partitions = 4
        live.waits_for(lambda: len(_steps(live, SILENCE.name)) == 8)
        live.waits_for(lambda: len(_steps(live, FEED_SILENCE.name)) == 2)
        live.comes_to(20)
    stored = live.finish()
    assert live.replay()[1] == stored
    ((_, level),) = {(e.alert.place, e.alert.level) for e in live.found.of(AlertEvent) if e.alert.place == "feed"}
    assert level == 1, "nobody watches the city: the gravest"
