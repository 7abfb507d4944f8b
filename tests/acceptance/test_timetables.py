"""Every timetable of `timetables/` through the whole flow: bytes to alerts to ClickHouse, people included."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.city_files import load_city, load_settings
from domain.clock import DAY, SECOND
from domain.findings import AlertEvent, AlertEventType
from domain.streams import Source
from flows.engine import Engine
from simulators.measured import MeasuredCity
from simulators.source import SimulatedCity
from sinks.clickhouse.client import connect
from sinks.clickhouse.read import alerts_of
from sources.journal import Journal, WithJournal
from tests.acceptance.acting import Town, town_of
from tests.acceptance.grammar import Timetable, read
from tests.acceptance.judging import belongs, judge, named
from tests.flows.collect import Collected
from workbench import tape

FILES = sorted((Path(__file__).parent / "timetables").glob("*.txt"))
TIMETABLES = {path.stem: read(path) for path in FILES}

#: What the desk said of a town, and the town.
Run = tuple[Town, list[AlertEvent]]


def run(stream: str, folder: Path) -> Run:
    """All timetables of a kind of stream in one town, at once."""
    town = town_of(load_city("bozhou"), [t for t in TIMETABLES.values() if t.stream == stream])
    block = 10 * SECOND if stream == "wires" else DAY  # days of columns are read quickly, and not stored
    settings = load_settings("bozhou").model_copy(update={"shards": 1, "block": block})
    scenario = town.scenario

    def source() -> Source:
        return SimulatedCity(scenario, partitions=2) if stream == "wires" else MeasuredCity(scenario, 600)

    # What people act on is known once it was raised: the ids of alerts follow from the stream.
    told = tape.judge(scenario.city, settings, tape.steps(scenario.city, settings, source())).events
    actions = [a for t in town.timetables for a in town.actions(t, named(town, t, told))]
    now = [0]
    journal = Journal(folder / f"{stream}.ndjson", lambda: now[0])
    for action in sorted(actions, key=lambda a: a.ts):
        now[0] = action.ts
        journal.append(action)
    live = source() if not actions else WithJournal(source(), journal.path, follow=False)
    collected, dsn = Collected(), f"chdb://{folder / stream}" if stream == "wires" else None
    Engine(scenario.city, settings, live, dsn, store={"collect": collected}).run()
    events = collected.of(AlertEvent)
    if dsn is None:
        return town, events
    client = connect(dsn)
    try:
        stored = {alert.id: alert for alert in alerts_of(client)}
    finally:
        client.close()
    assert stored.keys() == {event.alert.id for event in events}
    last = {event.alert.id: event for event in events}
    assert {id: a.updated for id, a in stored.items()} == {id: e.alert.updated for id, e in last.items()}
    return town, events


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("acceptance")
    return {stream: run(stream, folder) for stream in sorted({t.stream for t in TIMETABLES.values()})}


@pytest.mark.parametrize("timetable", TIMETABLES.values(), ids=TIMETABLES)
def test_the_desk_sees_what_the_timetable_says(timetable: Timetable, runs: dict[str, Run]) -> None:
    """Each event in its time, with what the row says of it, and none besides."""
    town, events = runs[timetable.stream]
    wrong = judge(town, timetable, events)
    assert not wrong, "\n" + "\n".join(wrong)


def test_nothing_happens_elsewhere(runs: dict[str, Run]) -> None:
    """Every alert is of some timetable's place."""
    for town, events in runs.values():
        stray = [e for e in events if not any(belongs(e.alert, place) for place in town.places.values())]
        assert [e.alert.summary for e in stray if e.type is AlertEventType.RAISED] == []
