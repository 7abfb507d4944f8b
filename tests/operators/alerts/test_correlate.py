"""Timetables: at so many seconds these records, wanted are those events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.clock import SECOND
from domain.records import Verdicts
from operators.alerts.desk import Desk
from operators.alerts.rules import DEFAULT
from tests.operators.alerts.town import CHANGE, END, START, TOWN, finding, run, timetable, video


def test_a_finding_with_a_level_raises_and_its_end_clears_after_the_off_delay():
    """The monitor asks for a minute of quiet."""
    assert timetable([finding(1, "G1"), finding(9, "G1", END, onset=1)], until=100) == [
        "1 raised gas-leak 3 G1",
        "69 cleared gas-leak 3 G1",
    ]


def test_nothing_is_invented_beyond_the_end_of_the_stream():
    """The off-delay has not passed when the stream ends: nobody can know that the alert would clear."""
    assert timetable([finding(1, "G1"), finding(9, "G1", END, onset=1)], until=69) == ["1 raised gas-leak 3 G1"]


def test_an_alert_says_what_where_whose_and_how_sure():
    """Every field that the desk reads."""
    (event,) = run([finding(1, "G1", grade=3)])
    alert = event.alert
    assert (alert.kind, alert.level, alert.urgent, alert.active) == ("gas-leak", 1, True, True)
    assert (alert.zone, alert.asset, alert.place, alert.owner) == (
        "north",
        "M1",
        "Manhole 1, North Gate",
        "gas-company",
    )
    assert (alert.onset, alert.raised, alert.corroboration) == (START + 10**9, START + 10**9, 0.5)
    assert (alert.lon, alert.lat) == (TOWN.assets["M1"].lon, TOWN.assets["M1"].lat)
    assert alert.summary == (
        "Gas leak at Manhole 1, North Gate since 2025-11-25 00:00:01: level I, corroboration 0.50 by 1 sensor"
    )
    assert alert.support == ("threshold on G1: 12 %LEL, score 12, threshold 10",)


@pytest.mark.parametrize(
    ("record", "owner"),
    [
        (finding(1, "P1", monitor="burst"), "water-company"),
        (finding(1, "G1"), "gas-company"),
        (finding(1, "G2"), "street-office"),
        (finding(1, "G4"), ""),
        (video(1, "C1", "street-vending"), "street-office"),
    ],
)
def test_the_owner_is_the_monitors_then_the_assets_then_the_zones(record, owner):
    """The nearest one that is named; nobody when none is."""
    assert run([record])[0].alert.owner == owner


def test_what_is_known_at_one_instant_is_told_as_one():
    """Three sensors at once: one alert with all of them, not one and two updates."""
    assert timetable([finding(1, s) for s in ("G1", "G1b", "G2")]) == ["1 raised gas-leak 3 G1 G1b G2"]


def test_neighbours_join_and_strangers_do_not():
    """G2 is 200 m away in the same zone; G3 is too far, G4 is near but in another zone."""
    assert timetable([finding(t, s) for t, s in enumerate(["G1", "G2", "G3", "G4"])]) == [
        "0 raised gas-leak 3 G1",
        "1 updated gas-leak 3 G1 G2",
        "2 raised gas-leak 3 G3",
        "3 raised gas-leak 3 G4",
    ]


def test_pipes_join_across_zones():
    """W1 and W2 are 550 m of pipe apart, W3 is 900 m further."""
    assert timetable([finding(t, s, monitor="burst") for t, s in enumerate(["P1", "P2", "P3"])]) == [
        "0 raised water-burst 3 P1",
        "1 updated water-burst 3 P1 P2",
        "2 raised water-burst 3 P3",
    ]


def test_without_coordinates_the_zone_decides():
    """L1, L2 and camera C3 are somewhere in the west."""
    assert timetable([finding(1, "L1", monitor="flood"), finding(2, "L2", monitor="flood"), video(3, "C3")]) == [
        "1 raised waterlogging 3 L1",
        "2 updated waterlogging 3 L1 L2",
        "3 escalated waterlogging 1 L1 L2 C3",
    ]


def test_a_graver_grade_escalates_and_a_milder_one_does_not_deescalate():
    """The level is latched until the alert clears."""
    records = [
        finding(1, "G1"),
        finding(2, "G1", CHANGE, 3, onset=1),
        finding(3, "G1", CHANGE, 1, onset=1),
        finding(4, "G1", END, onset=1),
    ]
    assert timetable(records, until=100) == [
        "1 raised gas-leak 3 G1",
        "2 escalated gas-leak 1 G1",
        "64 cleared gas-leak 1 G1",
    ]


def test_an_on_delay_holds_a_finding_back_until_it_has_lasted():
    """Ten seconds: what ends before is never heard of."""
    assert timetable([finding(1, "G1", monitor="gas-slow")], until=20) == ["11 raised gas-leak 3 G1"]
    short = [finding(1, "G1", monitor="gas-slow"), finding(10, "G1", END, monitor="gas-slow", onset=1)]
    assert timetable(short, until=100) == []


def test_an_on_delay_is_event_time_also_for_what_is_known_late():
    """Known at 50 s all at once, but lasted from 1 s to 20 s, or only to 5 s."""
    onset = finding(1, "G1", monitor="gas-slow", known=50)
    long = finding(20, "G1", END, monitor="gas-slow", onset=1, known=50)
    short = finding(5, "G1", END, monitor="gas-slow", onset=1, known=50)
    assert timetable([onset, long], until=100) == ["50 raised gas-leak 3 G1", "80 cleared gas-leak 3 G1"]
    assert timetable([onset, short], until=100) == []


def test_a_finding_that_begins_and_ends_at_once_is_not_lost():
    """Without an on-delay nothing has to last."""
    events = timetable([finding(1, "G1", END, onset=1), finding(1, "G1")], until=100)
    assert events == ["1 raised gas-leak 3 G1", "61 cleared gas-leak 3 G1"]


def test_evidence_alone_raises_nothing_but_joins_what_opens_later():
    """gas-hint asks for no level."""
    hint = finding(1, "G2", monitor="gas-hint")
    assert timetable([hint]) == []
    assert timetable([hint, finding(5, "G1")]) == ["5 raised gas-leak 3 G1 G2"]
    over = [hint, finding(3, "G2", END, monitor="gas-hint", onset=1), finding(5, "G1")]
    assert timetable(over) == ["5 raised gas-leak 3 G1"]


def test_evidence_alone_keeps_no_alert_open():
    """The hint lasts, yet what asked for a level has ended; it then serves the next alert."""
    records = [
        finding(1, "G1"),
        finding(2, "G2", monitor="gas-hint"),
        finding(3, "G1", END, onset=1),
        finding(900, "G1"),
    ]
    assert timetable(records, until=901) == [
        "1 raised gas-leak 3 G1",
        "2 updated gas-leak 3 G1 G2",
        "63 cleared gas-leak 3 G1 G2",
        "900 raised gas-leak 3 G1 G2",
    ]


def test_a_second_detector_on_one_sensor_adds_less_than_a_second_sensor():
    """0.5, with a second detector 0.6, with a second sensor 0.75."""
    one, same = finding(1, "G1"), finding(1, "G1", monitor="gas-hint")
    score = [run(records)[0].alert.corroboration for records in ([one], [one, same], [one, finding(1, "G2")])]
    assert score == [0.5, 0.6, 0.75]


# Video


def test_a_camera_that_agrees_with_a_sensor_escalates():
    """Smoke asks for no level itself, but the camera is near and speaks for gas leaks."""
    events = run([finding(1, "G1"), video(5, "C1", "smoke")])
    assert [(event.type, event.alert.level) for event in events] == [("raised", 3), ("escalated", 2)]
    assert events[1].alert.corroboration == 0.77
    assert events[1].alert.clips == ("clip-5",)
    assert "sensor and camera agree" in events[1].alert.summary


def test_how_much_agreement_escalates_is_data():
    """No steps: the camera is news, nothing more."""
    rules = replace(DEFAULT, agreement_steps=0)
    assert timetable([finding(1, "G1"), video(5, "C1", "smoke")], rules=rules)[1] == "5 updated gas-leak 3 G1 C1"


def test_a_camera_that_is_unsure_counts_for_nothing():
    """The rule asks for 0.6."""
    assert timetable([video(1, "C1", confidence=0.59), video(2, "C1", confidence=float("nan"))]) == []


def test_a_camera_too_far_away_has_its_own_alert():
    """C2 is 2 km away in the same zone."""
    assert timetable([finding(1, "G1", monitor="flood"), video(2, "C2")]) == [
        "1 raised waterlogging 3 G1",
        "2 raised waterlogging 2 C2",
    ]


def test_a_sensor_joins_what_a_camera_has_raised():
    """The camera's waterlogging also speaks for a burst; both agree, so it gets graver."""
    burst = finding(9, "G1", monitor="burst")
    assert timetable([video(1, "C1"), burst]) == ["1 raised waterlogging 2 C1", "9 escalated waterlogging 1 G1 C1"]


def test_video_evidence_waits_ten_minutes_for_a_sensor():
    """Smoke at 1 s serves a finding at 600 s; not one after 601 s."""
    smoke = video(1, "C1", "smoke")
    assert timetable([smoke, finding(600, "G1")]) == ["600 raised gas-leak 2 G1 C1"]
    assert timetable([smoke, finding(602, "G1")]) == ["602 raised gas-leak 3 G1"]


def test_the_same_camera_and_type_within_ten_minutes_is_one_case():
    """Each event renews the ten minutes; another type is another case."""
    records = [
        *(video(t, "C1", "street-vending") for t in (1, 500, 1100)),
        video(2, "C1"),
        video(1701, "C1", "street-vending"),
    ]
    assert timetable(records, until=1702) == [
        "1 raised street-vending 3 C1",
        "2 raised waterlogging 2 C1",
        "602 cleared waterlogging 2 C1",
        "1700 cleared street-vending 3 C1",
        "1701 raised street-vending 3 C1",
    ]


# Faulty sensors


def test_a_sensor_fault_is_an_alert_of_that_sensor_alone():
    """Two neighbours stuck at once are two matters of maintenance."""
    records = [finding(1, "G1", monitor="stuck"), finding(2, "G1b", monitor="stuck")]
    assert timetable(records) == ["1 raised sensor-fault 3 G1", "2 raised sensor-fault 3 G1b"]


def test_a_faulty_sensor_raises_nothing_until_it_is_trusted_again():
    """Spiking from 1 s to 2 s, and mistrusted for 30 s more; what lasts by then counts."""
    fault = [finding(1, "G1", monitor="spike"), finding(2, "G1", END, monitor="spike", onset=1)]
    assert timetable([*fault, finding(2, "G1")], until=40) == ["32 raised gas-leak 3 G1"]
    assert timetable([*fault, finding(2, "G1"), finding(20, "G1", END, onset=2)], until=200) == []


def test_a_sensor_that_has_spiked_is_believed_after_a_second_reading():
    """Its next spike is no news; a leak is, one and a half readings (of a second each) after its first."""
    spiked = [finding(5, "G1", monitor="spike"), finding(6, "G1", END, monitor="spike", onset=5)]
    again = [finding(100, "G1"), finding(101, "G1", END, onset=100)]
    assert timetable([*spiked, *again, finding(200, "G1")], until=300) == ["201.5 raised gas-leak 3 G1"]
    later = 86_400 + 10
    assert timetable([*spiked, finding(later, "G1")], until=later + 9) == [f"{later} raised gas-leak 3 G1"], "a day on"


def test_a_neighbour_of_a_faulty_sensor_still_raises_and_is_not_supported_by_it():
    """Only the faulty sensor is held back."""
    records = [finding(1, "G1", monitor="spike"), finding(2, "G1"), finding(3, "G2")]
    assert timetable(records) == ["3 raised gas-leak 3 G2"]


def test_a_fault_found_later_marks_what_was_raised_and_does_not_clear_it():
    """A real leak can saturate its sensor: the desk is told of the doubt, and decides."""
    raised, updated = run([finding(1, "G1", grade=2), finding(3, "G1", monitor="spike")])
    assert (updated.type, updated.alert.level, updated.alert.active) == ("updated", 2, True)
    assert (raised.alert.corroboration, updated.alert.corroboration) == (0.5, 0.1)
    assert updated.alert.support[0].endswith("(the sensor is in doubt: spike)")


def test_the_alert_says_which_wins_an_event_that_nobody_else_has_seen_or_the_fault():
    """The fault: it explains all there is. The desk is told so, and why; the level stays."""
    raised, updated = run([finding(1, "G1", grade=2), finding(3, "G1", monitor="spike")])
    assert "fault" not in raised.alert.summary
    assert updated.alert.summary.endswith("probably a sensor fault: nothing else has seen it (G1 spike)")


def test_the_alert_says_which_wins_an_event_that_others_have_seen_or_the_fault():
    """The event: a fault of one sensor does not move its neighbour."""
    records = [finding(1, "G1", grade=2), finding(2, "G2"), finding(70, "G1", monitor="spike")]
    assert run(records)[-1].alert.summary.endswith("taken for an event: 1 without fault agrees (G1 spike)")


@pytest.mark.parametrize("late", [0, 10])
def test_the_alert_of_a_fault_says_what_its_sensor_may_not_raise(late):
    """The fault came first and wins; nothing that was found is lost. Nor where the fault itself has yet to last."""
    monitors = [replace(m, on_delay=late * SECOND) if m.name == "stuck" else m for m in TOWN.monitors]
    desk = Desk(replace(TOWN, monitors=tuple(monitors)), 1)
    records = (finding(1, "G1", monitor="stuck"), finding(3, "G1"))
    events = desk.take(Verdicts(0, START + 100 * SECOND, records))
    assert {event.alert.kind for event in events} == {"sensor-fault"}
    last = events[-1]
    assert last.alert.summary.endswith("taken for a fault: it came before the gas leak that the sensor then found")
    assert last.alert.support[-1] == "threshold on G1: gas-leak held back, for the fault came first"


def test_silence_says_nothing_against_a_sensor():
    """A sensor that burns falls silent: what it said before stands."""
    assert timetable([finding(1, "G1"), finding(3, "G1", monitor="silent")]) == ["1 raised gas-leak 3 G1"]


def test_a_finding_of_an_unknown_sensor_or_monitor_is_not_lost():
    """The registry may have changed since: no name, no place, but an alert."""
    (event,) = run([replace(finding(1, "G1"), sensor="X9", monitor="gone")])
    assert event.alert.sensors == ("X9",)
    assert event.alert.place == "X9"
