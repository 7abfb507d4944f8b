"""What falls silent together has one cause, and is one alert."""

from __future__ import annotations

from dataclasses import replace

from domain.clock import SECOND
from domain.findings import Finding, Phase
from domain.monitors import Monitor
from domain.operations import FEED_SILENCE, OFFSET_GAP, SILENCE, operational
from tests.operators.alerts.town import END, ONSET, START, finding, run, timetable


def silent(at: float, sensor: str, last: float, phase: Phase = ONSET, threshold: float = 10.0) -> Finding:
    """A drop-out that counts at `at`, after a last reading at `last`, both in seconds."""
    found = finding(at, sensor, phase, monitor="silent", onset=last)
    return replace(found, level=0 if phase is END else 3, threshold=threshold)


def partition(at: float, name: str, last: float, monitor: Monitor = SILENCE, level: int = 3) -> Finding:
    """A partition of which nothing has come since `last`."""
    onset, ts = START + round(last * SECOND), START + round(at * SECOND)
    return operational(monitor, ONSET, name, onset, ts, level=level, reason="words", value=at - last, threshold=60.0)


def test_sensors_of_one_zone_that_fall_silent_together():
    """A gateway of the north dies: one alert, however far its sensors are apart; the south has one of its own."""
    records = [silent(10, "G1", 0), silent(10.4, "G2", 0.4), silent(11, "G3", 1), silent(12, "G4", 2)]
    assert timetable(records, until=100) == [
        "10 raised sensor-fault 3 G1",
        "10.4 updated sensor-fault 3 G1 G2",
        "12 raised sensor-fault 3 G4",
        "70.4 updated sensor-fault 3 G1 G2 G3",
    ]


def test_a_sensor_that_died_before_has_a_cause_of_its_own():
    """It neither joins the others' alert, nor takes them into its own, where the desk would overlook them."""
    records = [silent(10, "G1", 0), silent(1010, "G2", 1000), silent(1010, "G3", 1000)]
    assert timetable(records, until=1020) == ["10 raised sensor-fault 3 G1", "1010 raised sensor-fault 3 G2 G3"]


def test_a_slow_sensor_has_had_its_last_reading_before():
    """One reading an hour: it counts as silent hours later, and its last reading may be an hour older."""
    records = [silent(4000, "G1", 3990), silent(37_000, "G2", 1000, threshold=36_000.0)]
    assert timetable(records, until=37_100) == ["4000 raised sensor-fault 3 G1", "37000 updated sensor-fault 3 G1 G2"]


def test_it_clears_when_all_have_spoken():
    """The last one decides; another sensor of the zone that falls silent soon after is no return of the alert."""
    records = [silent(10, "G1", 0), silent(10, "G2", 0), silent(20, "G1", 0, END), silent(50, "G2", 0, END)]
    records += [silent(150, "G3", 140), silent(155, "G3", 140, END)]
    assert timetable(records, until=300) == [
        "10 raised sensor-fault 3 G1 G2",
        "110 cleared sensor-fault 3 G1 G2",
        "150 raised sensor-fault 3 G3",
        "215 cleared sensor-fault 3 G3",
    ]


def test_other_faults_stay_the_sensors_own():
    """Two sensors of one zone that are stuck have nothing to do with each other, nor with silence."""
    records = [finding(1, "G1", monitor="stuck"), finding(1, "G2", monitor="stuck"), silent(1, "G3", 0)]
    assert len({event.alert.id for event in run(records)}) == 3


def test_partitions_and_the_feed():
    """Partitions that fall silent together are one alert; the feed has its own, the gravest; so has a gap."""
    records = [
        partition(60, "t/0", 0),
        partition(61, "t/1", 1),
        partition(61, "feed", 1, FEED_SILENCE, level=1),
        partition(61, "t/1", 61, OFFSET_GAP),
        partition(5000, "t/2", 4940),
    ]
    assert timetable(records, until=5001) == [
        "60 raised operations 3 t/0",
        "61 updated operations 3 t/0 t/1",
        "61 raised operations 1 feed",
        "61 raised operations 3 t/1",
        "5000 raised operations 3 t/2",
    ]
    assert {event.alert.place for event in run(records) if event.alert.level == 1} == {"feed"}
