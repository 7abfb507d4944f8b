"""Late truth: with a second look, alerts end as those of the same readings in order, and each correction says why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pytest
from bytewax.errors import BytewaxRuntimeError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.city import City
from domain.clock import MILLISECOND, SECOND
from domain.errors import StateError
from domain.findings import AlertEvent, AlertEventType
from domain.settings import EngineSettings, TimeRules
from flows.engine import Engine
from flows.run import Cluster, Recovery
from tests.flows.collect import Collected
from tests.flows.memory import MemorySource
from tests.flows.test_same_output import CITY, PARTITIONS, T0

BEHIND = 40 * SECOND
SETTINGS = EngineSettings(shards=3, second_look=BEHIND, time=TimeRules(idle=None))

NOBODY = UUID(int=0)

#: One message: arrival and event time (ms after T0), sensor or camera, value or confidence.
Message = tuple[int, int, str, float]
Stream = Mapping[str, Sequence[Message]]


def _partition(names: tuple[str, ...]) -> st.SearchStrategy[list[Message]]:
    """Messages in order of a clock that moves on, event times up to half a minute behind it."""
    delay = st.integers(0, 1500) | st.integers(0, 30_000)
    row = st.tuples(st.integers(0, 2500), delay, st.sampled_from(names), st.sampled_from([1.0, 1.5, 25.0, 45.0, 150.0]))

    def build(rows: list[tuple[int, int, str, float]]) -> list[Message]:
        clock, out = 0, []
        for step, late, name, value in rows:
            clock += step
            out.append((clock, max(0, clock - late), name, value))
        return out

    return st.lists(row, max_size=40).map(build)


streams = st.fixed_dictionaries({name: _partition(names) for name, names in PARTITIONS.items()})


def _payload(message: Message) -> bytes:
    _, ms, name, value = message
    if name.startswith("C"):
        return json.dumps({"camera": name, "ts": T0 + ms, "type": "smoke", "confidence": 0.9}).encode()
    return json.dumps({"sensor": name, "ts": T0 + ms, "value": value}).encode()


def _run(
    stream: Stream, *, batch: int = 1000, workers: int = 1, second_look: int = BEHIND, city: City = CITY, **how: Any
) -> list[AlertEvent]:
    collected = how.pop("collected", None) or Collected()
    messages = {name: [((T0 + row[0]) * MILLISECOND, _payload(row)) for row in rows] for name, rows in stream.items()}
    source = MemorySource(messages, batch, how.pop("crash_after", None))
    chosen = SETTINGS.model_copy(update={"second_look": second_look})
    Engine(city, chosen, source, None, cluster=Cluster(workers), store={"collect": collected}, **how).run()
    return list(collected.of(AlertEvent))


def _in_order(stream: Stream) -> Stream:
    """The same readings as if each had come at its time."""
    return {
        name: [(ms, ms, who, value) for _, ms, who, value in sorted(rows, key=lambda row: row[1])]
        for name, rows in stream.items()
    }


def _final(events: Sequence[AlertEvent]) -> dict[Any, AlertEvent]:
    """The event that each alert stands at."""
    final: dict[Any, AlertEvent] = {}
    for event in sorted(set(events), key=lambda event: (event.seq, event.revision)):
        before = final.get(event.alert.id)
        gone = before is not None and before.type is AlertEventType.WITHDRAWN
        if not (gone and event.type is AlertEventType.CLEARED):
            final[event.alert.id] = event
    return final


def _alerts(events: Sequence[AlertEvent]) -> list[str]:
    """Alerts as they stand.

    But for their ids (an amended alert keeps the one that it was told by), for latches (what is raised late is for the
    record), and for the readings that they carry: those that were there when somebody looked.
    """
    kept = [event.alert for event in _final(events).values() if event.type is not AlertEventType.WITHDRAWN]
    return sorted(repr(replace(alert, id=NOBODY, latched=False, traces=())) for alert in kept)


_LEAK = [(s * 1000, s * 1000, "G0", 45.0 if 10 <= s < 20 else 1.0) for s in range(60)]
#: Ten seconds of a leak come when it is long over.
LATE_LEAK = [*_LEAK[:10], *_LEAK[20:50], *((50_000, *row[1:]) for row in _LEAK[10:20]), *_LEAK[50:]]

#: Readings that come late may well break what had lasted long enough.
DELAYED = replace(CITY, monitors=tuple(replace(monitor, on_delay=3 * SECOND) for monitor in CITY.monitors))


def test_the_streams_are_about_something() -> None:
    """The leak is missed at first; later the desk is told of it, and that the sensor had not been silent."""
    events = [event for event in _run({"p0": LATE_LEAK, "p1": []}) if event.revision]
    assert [str(event.type) for event in events if event.alert.kind == "gas-leak"] == ["raised", "amended"]
    assert [str(event.type) for event in events if event.alert.kind == "sensor-fault"] == ["withdrawn"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams, st.booleans())
@example({"p0": LATE_LEAK, "p1": []}, False)
@example({"p0": [], "p1": [(0, 0, "G3", 150.0), (0, 0, "G3", 25.0)]}, False)  # a repeat of what cannot be
def test_alerts_end_as_in_order(stream: Stream, delays: bool) -> None:
    """Whatever came late within the second look's time: in the end alerts are those of the readings in order."""
    city = DELAYED if delays else CITY
    found = _run(stream, city=city)
    at_once = [event for event in found if not event.revision]
    assert at_once == _run(stream, city=city, second_look=0), "what is told at once does not change"
    assert len({(event.alert.id, event.seq, event.revision) for event in found}) == len(found)
    assert _alerts(found) == _alerts(_run(_in_order(stream), city=city, second_look=0))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams, st.lists(st.integers(1, 30), min_size=1, max_size=3), st.integers(1, 4))
def test_a_function_of_the_stream(stream: Stream, crashes: list[int], batch: int) -> None:
    """Batches, workers and crashes change no revision."""
    straight = set(map(repr, _run(stream)))
    assert set(map(repr, _run(stream, batch=1))) == straight
    assert set(map(repr, _run(stream, batch=7, workers=4))) == straight
    collected = Collected()
    with TemporaryDirectory() as folder:
        recovery = Recovery(Path(folder) / "recovery", timedelta(0))
        for crash_after in [*crashes, None]:
            try:
                _run(stream, batch=batch, collected=collected, recovery=recovery, crash_after=crash_after)
                break
            except BytewaxRuntimeError:
                continue
    assert set(map(repr, collected.of(AlertEvent))) == straight


def _quiet(seconds: int, *leaking: tuple[int, int], sensor: str = "G0") -> list[Message]:
    """One sensor, a reading a second, above its threshold from second to second."""
    return [(s * 1000, s * 1000, sensor, 45.0 if any(a <= s < b for a, b in leaking) else 1.0) for s in range(seconds)]


def _told(events: Sequence[AlertEvent], kind: str = "gas-leak") -> list[str]:
    return [
        f"{(event.ts / SECOND - T0 / 1000):g} {event.type} {event.seq}.{event.revision}"
        for event in events
        if event.alert.kind == kind
    ]


GAS = replace(CITY, monitors=tuple(monitor for monitor in CITY.monitors if monitor.name == "gas"))
HELD = replace(GAS, monitors=tuple(replace(monitor, on_delay=10 * SECOND) for monitor in GAS.monitors))


def _late(rows: list[Message], first: int, last: int, at: int) -> list[Message]:
    """The readings of some seconds arrive late, after second `at`, in the place where they belong by arrival."""
    late = [(at * 1000, *row[1:]) for row in rows if first <= row[1] // 1000 <= last]
    rest = [row for row in rows if not first <= row[1] // 1000 <= last]
    return sorted([*rest, *late], key=lambda row: row[0])


@pytest.mark.parametrize(
    ("city", "rows", "told", "note"),
    [
        pytest.param(
            GAS,
            _late(_quiet(120, (20, 30)), 20, 29, 40),
            ["60 raised 0.1", "71 amended 0.2"],
            "late readings: 10 of G0, 2025-11-24T16:00:20.000Z to 2025-11-24T16:00:29.000Z (p0 from 31 to 40)",
            id="missed",
        ),
        pytest.param(
            HELD,
            # At first it looks like one long leak; the late readings show that it was two short ones.
            _late(_quiet(120, (20, 25), (27, 34)), 25, 26, 45),
            ["30 raised 0.0", "35 cleared 1.0", "75 withdrawn 1.1"],
            "withdrawn: late readings: 2 of G0",
            id="withdrawn",
        ),
        pytest.param(
            GAS,
            _late(_quiet(120, (20, 30)), 20, 22, 40),
            ["23 raised 0.0", "31 cleared 1.0", "71 amended 1.1"],
            "onset 2025-11-24T16:00:23.000Z -> 2025-11-24T16:00:20.000Z",
            id="earlier",
        ),
    ],
)
def test_what_the_desk_hears(city: City, rows: list[Message], told: list[str], note: str) -> None:
    """Missed, withdrawn, amended: each with its trace."""
    events = _run({"p0": rows, "p1": []}, city=city)
    assert _told(events) == told
    assert any(note in event.note for event in events if event.revision)
    expected = _run(_in_order({"p0": rows, "p1": []}), city=city, second_look=0)
    assert _alerts(events) == _alerts(expected)


def test_switched_on_later(tmp_path: Path) -> None:
    """A second look needs state from its own beginning: without it an engine says what to do."""
    stream = {"p0": _quiet(60, (20, 30)), "p1": []}
    recovery = Recovery(tmp_path / "recovery", timedelta(0))
    with pytest.raises(BytewaxRuntimeError):
        _run(stream, batch=5, second_look=0, recovery=recovery, crash_after=8)
    with pytest.raises(StateError, match="without a second look"):
        _run(stream, batch=5, recovery=recovery)
