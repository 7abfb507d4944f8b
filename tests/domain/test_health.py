"""Alive, ready, and why not."""

from __future__ import annotations

from domain.clock import SECOND
from domain.health import Health, State


class Clock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at

    def ns(self) -> int:
        return int(self.at * SECOND)


def started(*partitions: str, live: bool = True) -> tuple[Clock, Health]:
    clock = Clock()
    health = Health(clock, clock.ns, live=live)
    for name in partitions:
        health.opened(name)
    return clock, health


def test_before_the_stream_is_open() -> None:
    """A start may take long (a topic that is waited for, kernels to compile): no reason to start anew."""
    clock, health = started()
    clock.at += 3600
    assert health.alive() == State(True, ("starting",))
    assert health.ready() == State(False, ("starting",))


def test_epochs_are_the_pulse() -> None:
    """No epoch for longer than one may take, and nothing that is waited for: it hangs."""
    clock, health = started("a/0", "a/1")
    clock.at += 59
    assert health.alive().good
    clock.at += 2
    assert health.alive() == State(False, ("no epoch has ended for 61 s",))
    health.epoch("a/1")
    assert not health.alive().good, "the first of the partitions speaks for all"
    health.epoch("a/0")
    assert health.alive() == State(True)


def test_what_is_waited_for_is_no_death() -> None:
    """A restart does not bring the database back; it would only begin to wait anew."""
    clock, health = started("a/0")
    health.trouble("database", "connection refused")
    clock.at += 600
    assert health.alive() == State(True, ("no epoch has ended for 600 s", "database: connection refused"))
    health.well("database")
    assert not health.alive().good


def test_ready_again() -> None:
    """Every part that is in trouble is named, until it is well."""
    _, health = started("a/0")
    health.heard("a/0", health.now())
    health.trouble("source", "no answer")
    health.trouble("database", "disk full")
    assert health.ready() == State(False, ("database: disk full", "source: no answer"))
    health.well("source")
    health.well("database")
    assert health.ready() == State(True)


def test_caught_up() -> None:
    """Within the setting of the end."""
    clock, health = started("a/0", "a/1")
    health.heard("a/0", clock.ns() - 61 * SECOND)
    assert health.ready() == State(False, ("a/0: 61 s behind", "a/1: not read yet"))
    health.heard("a/0", clock.ns() - 59 * SECOND)
    health.heard("a/1", clock.ns())
    assert health.ready() == State(True)


def test_a_recording_is_never_behind() -> None:
    """Its times are long past."""
    _, health = started("a/0", live=False)
    health.heard("a/0", 1)
    assert health.ready() == State(True)


def test_ended_partitions_are_forgotten() -> None:
    """What has been read to the end of the stream is not waited for, and no longer the pulse."""
    clock, health = started("a/0", "a/1")
    health.ended("a/0")
    health.heard("a/1", clock.ns())
    assert health.ready() == State(True)
    clock.at += 100
    health.epoch("a/1")
    assert health.alive() == State(True)
    health.ended("a/1")
    clock.at += 100
    assert health.alive() == State(True, ("every partition has ended",)), "others of its cluster may still read"


def test_no_password_in_a_reason(monkeypatch) -> None:
    """What a driver says may quote what it was given."""
    monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", "open-sesame")
    _, health = started()
    health.trouble("database", "login as ann with open-sesame at http://ann:other@db failed")
    assert health.ready().reasons[0] == "database: login as ann with *** at http://ann:***@db failed"
