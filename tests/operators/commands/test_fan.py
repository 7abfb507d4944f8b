"""One command after the other, as a timetable in event time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.actions import Action, Verb
from domain.clock import SECOND
from domain.commands import Gauge, Step
from domain.errors import StateError
from domain.findings import Finding, Phase
from domain.records import Verdicts
from operators.commands.ventilation import VentilationControl
from tests.operators.commands.field import CITY, Field, action, answer, at, finding, gauge

ASKED = "asked for by ventilation"


def asking(field: Field, sensor: str = "G1") -> None:
    """The gas asks for ventilation from 0 s on, and counts from 65 s on."""
    field.take(gauge(0, sensor, 18.0), finding(0, sensor), upto=60)


def running(field: Field) -> None:
    """The fan of T1 runs since 80 s, and is seen to at 100 s."""
    asking(field)
    (select,) = field.take(upto=70)
    field.take(answer(80, "selected", select.command), upto=81)
    field.take(answer(82, "running", select.command), gauge(100, "F1", 1.0), upto=101)


def test_a_whole_command() -> None:
    """Selected, accepted, operated, seen to run, not asked for any more, stopped, seen to stand."""
    field = Field()
    running(field)
    field.take(finding(500, phase=Phase.END, onset=0), gauge(500, "G1", 2.0), upto=501)
    field.take(gauge(520, "F1", 0.0), upto=521)
    assert field.timetable() == [
        f"65 select T1: {ASKED}",
        f"80 operate T1: {ASKED}",
        "82 running T1: ",
        "100 confirmed T1: by F1",
        "500 stop T1: not asked for any more",
        "520 ended T1: F1 shows that it stands",
    ]
    assert [step.seq for step in field.steps] == list(range(6))
    assert len({step.id for step in field.steps}) == 6
    assert {step.command for step in field.steps} == {field.steps[0].command}
    assert all(step.finding == finding(0).id for step in field.steps[:5])
    operate = field.steps[1]
    assert (operate.expires, operate.run, operate.value) == (at(95), 1200 * SECOND, 18.0)


def test_the_gas_falls_where_the_fan_has_no_sensor() -> None:
    """Read back from the gas: it must fall by as much as the city's file says; what was read before does not count."""
    field = Field()
    asking(field, "G2")
    (select,) = field.take(upto=70)
    field.take(answer(80, "selected", select.command, "T2"), gauge(80, "G2", 20.0), upto=81)
    assert field.take(gauge(100, "G2", 17.5), upto=101) == []
    (confirmed,) = field.take(gauge(120, "G2", 17.0), upto=121)
    assert (confirmed.step, confirmed.reason, confirmed.value) == (Step.CONFIRMED, "by G2", 17.0)


def test_no_effect_is_an_alert() -> None:
    """Where no sensor shows that it runs, the desk hears so, a level graver than the request; until one does."""
    field = Field()
    asking(field)
    (select,) = field.take(upto=70)
    field.take(answer(80, "selected", select.command), answer(81, "running", select.command), upto=82)
    field.take(gauge(200, "F1", 0.0), upto=260)
    (onset,) = field.findings
    assert (onset.phase, onset.level, onset.sensor, onset.kind) == (Phase.ONSET, 2, "G1", "ventilation-unconfirmed")
    field.take(gauge(300, "F1", 1.0), upto=301)
    assert field.timetable()[-4:] == [
        "200 unconfirmed T1: 120 s after the order F1 shows no effect",
        "200 alert onset G1: 120 s after the order F1 shows no effect",
        "300 confirmed T1: by F1",
        "300 alert end G1: 120 s after the order F1 shows no effect",
    ]


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (action(10, Verb.ENTER), "people-inside"),
        (answer(10, "lockout", None), "lockout"),
        (action(10, Verb.SUPPRESS, until=at(5000), reason="works"), "maintenance"),
        (action(10, Verb.OUT_OF_SERVICE, sensor="G1", reason="broken"), "maintenance"),
        (finding(10, "G1", monitor="stuck"), "faulty-sensor"),
        (finding(10, "F1", monitor="stuck"), "faulty-sensor"),
        (gauge(10, "F1", 1.0), "runs-already"),
    ],
)
def test_interlocks(record: object, why: str) -> None:
    """Each of them keeps a fan from being selected; the audit says which; another tank is none of its business."""
    field = Field()
    asking(field)
    asking(field, "G2")
    field.take(record, upto=90)  # type: ignore[arg-type]
    assert field.timetable() == [f"65 blocked T1: {why}", f"65 select T2: {ASKED}"]


def test_a_stale_sensor() -> None:
    """A gas sensor that says nothing any more starts nothing; its next reading does, if the gas still asks for it."""
    field = Field()
    field.take(gauge(0, "G1", 18.0), finding(240), upto=300)
    field.take(upto=320)
    field.take(gauge(330, "G1", 18.0), upto=331)
    assert field.timetable() == ["305 blocked T1: stale-sensor", f"330 select T1: {ASKED}"]


def test_an_interlock_ends() -> None:
    """When the last one is out and the lockout is released, the same command goes on to its selection."""
    field = Field()
    asking(field)
    field.take(action(10, Verb.ENTER), action(11, Verb.ENTER, actor="wang"), upto=70)
    field.take(action(100, Verb.LEAVE), upto=101)
    field.take(answer(110, "lockout", None), action(120, Verb.LEAVE, actor="wang"), upto=121)
    field.take(answer(130, "released", None), upto=131)
    assert field.timetable() == [
        "65 blocked T1: people-inside",
        "110 blocked T1: lockout",
        f"130 select T1: {ASKED}",
    ]


def test_people_enter_after_the_selection() -> None:
    """Between selection and operation the interlocks are looked at once more, also in the very same instant."""
    field = Field()
    asking(field)
    (select,) = field.take(upto=70)
    field.take(answer(80, "selected", select.command), action(80, Verb.ENTER), upto=81)
    assert field.timetable()[1:] == [f"80 {step} T1: people-inside" for step in ("cancel", "ended", "blocked")]


def test_people_enter_while_it_runs() -> None:
    """It is stopped at once, and the audit names who."""
    field = Field()
    running(field)
    (stop,) = field.take(action(200, Verb.ENTER), upto=201)
    assert (stop.step, stop.by, stop.reason) == (Step.STOP, "li.na", "people-inside")
    assert stop.expires == at(80 + 1200)


def test_lockout_while_it_runs() -> None:
    """The field has taken it over: nothing more is ordered, and it counts as running until it is known to stand."""
    field = Field()
    running(field)
    field.take(gauge(150, "F1", 0.0), answer(150, "lockout", None), upto=151)
    field.take(answer(160, "released", None), gauge(700, "G1", 18.0), upto=801)
    field.take(answer(900, "stopped", None), gauge(900, "G1", 18.0), upto=901)
    assert field.timetable()[4:] == [
        "150 ended T1: lockout",
        "150 blocked T1: lockout",
        "160 blocked T1: runs-already",
        f"900 select T1: {ASKED}",
    ]


def test_no_answer() -> None:
    """A selection without an answer is cancelled and told to the desk; the next comes after the minimum time."""
    field = Field()
    asking(field)
    for minute in range(1, 15):
        field.take(gauge(60 * minute, "G1", 18.0), upto=60 * minute + 1)
    assert field.timetable() == [
        f"65 select T1: {ASKED}",
        "95 cancel T1: no answer in time",
        "95 ended T1: no answer in time",
        "95 blocked T1: too-soon",
        "95 alert onset G1: the field did not answer the selection",
        f"695 select T1: {ASKED}",
        "725 cancel T1: no answer in time",
        "725 ended T1: no answer in time",
        "725 blocked T1: too-soon",
    ]
    late = answer(850, "selected", field.steps[0].command)
    assert field.take(late, upto=851) == []  # of a command that is over


def test_the_longest_run_and_the_minimum_time() -> None:
    """However much gas there is: it runs for no longer than it may, and rests before it runs again."""
    field = Field()
    running(field)
    for minute in range(2, 40):
        turns = float(minute < 23)
        field.take(gauge(60 * minute, "G1", 18.0), gauge(60 * minute, "F1", turns), upto=60 * minute + 1)
    assert field.timetable()[4:] == [
        "1280 stop T1: it has run for as long as it may",
        "1310 ended T1: no answer in time",
        "1310 blocked T1: runs-already",
        "1310 alert onset G1: the field did not confirm the stop",
        "1380 alert end G1: the field did not confirm the stop",
        "1430 blocked T1: too-soon",
        f"1910 select T1: {ASKED}",
        "1940 cancel T1: no answer in time",
        "1940 ended T1: no answer in time",
        "1940 blocked T1: too-soon",
        "1940 alert onset G1: the field did not answer the selection",
    ]


def test_a_spike_starts_nothing() -> None:
    """What asks for it must have lasted as long as its monitor says."""
    field = Field()
    field.take(gauge(0, "G1", 18.0), finding(0), finding(60, phase=Phase.END, onset=0), upto=400)
    assert field.timetable() == []


def test_a_resumed_run_goes_on() -> None:
    """A snapshot between any two records changes nothing."""
    whole, broken = Field(), Field()
    records: list[tuple[Finding | Gauge | Action | None, float]] = [
        (gauge(0, "G1", 18.0), 1), (finding(0), 2), (gauge(66, "G1", 18.0), 67), (None, 70),
        (gauge(100, "F1", 1.0), 101), (action(200, Verb.ENTER), 201), (None, 300), (action(1500, Verb.LEAVE), 1501),
        (gauge(1501, "G1", 9.0), 2400),
    ]  # fmt: skip
    for field in (whole, broken):
        for record, upto in records:
            if upto == 70:
                record = answer(69, "selected", field.steps[0].command)
            field.take(*([record] if record else []), upto=upto)
            if field is broken:
                field.resume()
    assert whole.timetable() == broken.timetable()
    assert len(whole.steps) > 6


def test_another_city_is_refused() -> None:
    """A snapshot of another number of shards is none of this run's; one of monitors that are gone asks for nothing."""
    field = Field()
    asking(field)
    state = field.control.snapshot()
    with pytest.raises(StateError, match="2 shards were expected"):
        VentilationControl(CITY, 2).restore(state)
    other = Field(replace(CITY, monitors=(replace(CITY.monitors[0], params={"moderate": 7.0}), CITY.monitors[1])))
    other.control.restore(state)
    other.take(upto=70)
    assert other.steps == []


def test_every_shard_must_have_come_past() -> None:
    """Nothing is ordered before all shards have come past the time: somebody may have gone in by what is to come."""
    control = VentilationControl(CITY, 2)
    first = Verdicts(0, at(100), (finding(0),), gauges=(gauge(0, "G1", 18.0),))
    assert [type(item) for item in control.take(first)] == [Verdicts]
    second = Verdicts(1, at(100), actions=(action(20, Verb.ENTER),))
    blocked, _ = control.take(second)
    assert (blocked.step, blocked.reason) == (Step.BLOCKED, "people-inside")  # type: ignore[union-attr]
