"""Replaying without the dataflow is replaying."""

from __future__ import annotations

from domain.clock import MILLISECOND
from domain.findings import AlertEvent, Finding
from domain.operations import KIND
from domain.records import DeadLetter
from flows.engine import Engine
from flows.run import Cluster
from tests.flows.collect import Collected
from tests.flows.memory import MemorySource
from tests.flows.town import CITY, SETTINGS, T0, messages, reading
from workbench.tape import Tape, judge, steps


def test_it_finds_what_the_engine_finds() -> None:
    """The town's minute has late rows, repeats, dead letters, video, findings and alerts: all are the engine's own."""
    stream = messages()
    collected = Collected()
    Engine(CITY, SETTINGS, MemorySource(stream, 500), None, store={"collect": collected}).run()
    judged = judge(CITY, SETTINGS, steps(CITY, SETTINGS, MemorySource(stream, 100)))
    assert judged.findings == tuple(sorted(collected.of(Finding), key=lambda finding: finding.order))
    assert judged.events == tuple(collected.of(AlertEvent))
    assert judged.dead == len(collected.of(DeadLetter))
    assert judged.events
    assert judged.late


def test_it_finds_silence_as_the_engine_does() -> None:
    """Two partitions, one after the other, and then both fall silent; they speak again."""
    pauses = {"gas/0": (0, 30, 200, 300), "gas/1": (0, 50, 210, 300)}
    stream = {
        name: [
            ((T0 + second * 1000) * MILLISECOND, reading(f"G0{number}", second * 1000, 1.0))
            for second in (*range(begin, quiet), *range(again, end))
        ]
        for number, (name, (begin, quiet, again, end)) in enumerate(pauses.items())
    }
    collected = Collected()
    Engine(CITY, SETTINGS, MemorySource(stream, 7), None, cluster=Cluster(2), store={"collect": collected}).run()
    judged = judge(CITY, SETTINGS, steps(CITY, SETTINGS, MemorySource(stream, 100)))
    assert judged.findings == tuple(sorted(collected.of(Finding), key=lambda finding: finding.order))
    assert judged.events == tuple(collected.of(AlertEvent))
    silent = [(f.sensor, str(f.phase)) for f in judged.findings if f.kind == KIND]
    assert sorted(silent) == sorted((name, phase) for name in ("gas/0", "gas/1", "feed") for phase in ("onset", "end"))


def test_a_tape_is_judged_again_and_again() -> None:
    """Nothing of one judgement stays behind for the next, and other monitors see the same readings."""
    tape = Tape(CITY, SETTINGS, MemorySource(messages(), 1000))
    first = tape.judge()
    gas = tape.judge(monitor for monitor in CITY.monitors if monitor.name == "gas")
    assert tape.judge() == first
    assert {finding.monitor for finding in gas.findings} == {"gas"}
    assert [f for f in first.findings if f.monitor == "gas"] == list(gas.findings)
    assert gas.readings == first.readings


def test_alerts_are_their_last_state() -> None:
    """One entry an alert, however many steps its life had; pages are what reached a person."""
    judged = Tape(CITY, SETTINGS, MemorySource(messages(), 1000)).judge()
    assert len({alert.id for alert in judged.alerts}) == len(judged.alerts) < len(judged.events)
    assert {event.alert.id for event in judged.pages} == {alert.id for alert in judged.alerts}
    assert 0 < judged.days < 1 / 24 / 60 * 1.1
