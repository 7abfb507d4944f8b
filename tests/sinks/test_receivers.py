"""What a receiver is told, and when: through filters, outages, refusals, full disks and restarts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import metrics
from domain.errors import SinkError, SinkRefused
from domain.findings import AlertEvent, AlertEventType
from domain.health import HEALTH
from domain.notices import Notice, Why
from sinks import alert_outbox
from sinks.alert_outbox import AlertSpool, Notes
from sinks.channel import Channel, Note, Told
from sinks.receivers import REMEMBERED, Receiver
from tests.sinks.alerts import escalated, event

R, U, E, C = AlertEventType.RAISED, AlertEventType.UPDATED, AlertEventType.ESCALATED, AlertEventType.CLEARED


@dataclass
class Line(Channel):
    """Keeps what is sent; fails while it is told to."""

    got: list[Note] = field(default_factory=list)
    said: list[AlertEvent] = field(default_factory=list)
    trouble: Callable[[Note], None] = lambda note: None
    most: int = 1
    closed: int = 0

    def send(self, notes: Sequence[Note]) -> int:
        for note in notes[: self.most]:
            self.trouble(note)
        self.got += notes[: self.most]
        return len(notes[: self.most])

    def say(self, events: Sequence[AlertEvent]) -> None:
        self.said += events

    def close(self) -> None:
        self.closed += 1


def away(note: Note) -> None:
    raise SinkError("nobody there")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_outbox, "PAUSES", (0.01, 0.05))


@contextmanager
def opened(line: Line, folder: Path | None, *, state: Any = None, stopped: bool = False, **more: Any) -> Iterator[Any]:
    """A receiver's delivery; `stopped`: the run was told to stop before it ended."""
    receiver = Receiver("desk", lambda: line, **more)
    stop = Event()
    with receiver.opened(folder, stop):
        yield receiver.delivery(state)
        if stopped:
            stop.set()


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.005)


def ids(line: Line) -> list[Any]:
    return [note.event.id for note in line.got]


def test_in_order_and_at_once(tmp_path: Path) -> None:
    """Every step arrives, with what was told before; nothing touches the disk, and no epoch has to end."""
    line = Line()
    steps = [event(0), event(1, U), event(0, name="other"), event(2, C)]
    with opened(line, tmp_path) as delivery:
        delivery.take(steps)
        until(lambda: len(line.got) == 4)
        delivery.snapshot()
    assert ids(line) == [step.id for step in steps]
    before = [None, Told(steps[0].id, steps[0].ts), None, Told(steps[1].id, steps[1].ts)]
    assert [note.before for note in line.got] == before
    assert not list(tmp_path.rglob("*.alerts"))
    assert line.closed == 1


def test_filters_and_what_follows(tmp_path: Path) -> None:
    """Only what the filter lets through is told, and of that everything: an alert that was told of is told to its end,
    though the filter would not let that through."""
    line = Line()

    def grave(step: AlertEvent, desk: str, at: int) -> bool:
        return step.alert.level == 1 and step.alert.active

    with opened(line, tmp_path, wants=grave) as delivery:
        delivery.take([event(0), event(0, name="mild"), escalated(event(1)), event(2, U), event(3, C)])
        delivery.take([event(1, C, name="mild")])
        until(lambda: len(line.got) == 3)
    assert [(note.event.seq, note.before is None) for note in line.got] == [(1, True), (2, False), (3, False)]


def test_steps_that_a_channel_does_not_hear(tmp_path: Path) -> None:
    """Nobody wants a mail a minute: updates are left out, except as the first word of an alert."""

    class Deaf(Line):
        hears: ClassVar[frozenset[AlertEventType] | None] = frozenset({R, C})

    line = Deaf()
    with opened(line, tmp_path) as delivery:
        delivery.take([event(0), event(1, U), event(2, C), event(1, U, name="other")])
    assert [note.event.type for note in line.got] == [R, C, U]
    assert line.got[1].before == Told(event(0).id, event(0).ts)


def test_what_desks_are_told(tmp_path: Path) -> None:
    """A digest is a bundle of its own; a step that two desks tell comes once; a filter knows desk and time."""
    line, heard = Line(most=10), []

    def wants(step: AlertEvent, desk: str, at: int) -> bool:
        heard.append((desk, at))
        return True

    a, b = event(0, name="a"), event(0, name="b")
    one = Notice(UUID(int=1), 5, "gas", Why.AT_ONCE, (a,))
    digest = Notice(UUID(int=2), 9, "centre", Why.DIGEST, (a, b, event(0, name="c")))
    with opened(line, tmp_path, wants=wants, desks=True) as delivery:
        delivery.take([one, digest, Notice(UUID(int=3), 9, "gas", Why.FLOOD, (b,))])
    assert ids(line) == [a.id, b.id, event(0, name="c").id]
    bundles = [note.bundle for note in line.got]
    assert bundles[0] is None
    assert bundles[1] == bundles[2]
    assert bundles[1] is not None
    assert (bundles[1].desk, bundles[1].why, bundles[1].count, bundles[1].ts) == ("centre", "digest", 2, 9)
    assert heard == [("gas", 5), ("centre", 9), ("centre", 9)]


def test_a_bundle_that_is_refused_is_told_one_by_one(tmp_path: Path) -> None:
    """One alert that a receiver cannot take takes no other with it."""
    bad = event(0, name="bad")

    def trouble(note: Note) -> None:
        if note.event.id == bad.id:
            raise SinkRefused("not that one")

    line = Line(most=10, trouble=trouble)
    with opened(line, tmp_path, desks=True) as delivery:
        steps = (event(0, name="a"), bad, event(0, name="b"))
        delivery.take([Notice(UUID(int=2), 9, "centre", Why.DIGEST, steps)])
    assert ids(line) == [steps[0].id, steps[2].id]
    assert [note.bundle for note in line.got] == [None, None]


def test_a_restart_remembers_who_was_told(tmp_path: Path) -> None:
    """What a snapshot holds is enough to go on: the end of an alert follows its beginning."""
    line = Line()
    with opened(line, tmp_path, wants=lambda step, desk, at: step.alert.active) as delivery:
        delivery.take([event(0)])
        state = delivery.snapshot()
    with opened(line, tmp_path, state=state, wants=lambda step, desk, at: step.alert.active) as delivery:
        delivery.take([event(1, C)])
        state = delivery.snapshot()
    assert line.got[1].before == Told(event(0).id, event(0).ts)
    assert (state["told"], list(state["over"])) == ({}, [event(0).alert.id])


def test_memory_of_what_is_over_is_bounded(tmp_path: Path) -> None:
    """A year of alerts does not stay in the state."""
    with opened(Line(), tmp_path) as delivery:
        delivery.take([event(0, C, name=f"leak {n}") for n in range(REMEMBERED + 50)])
        assert len(delivery.snapshot()["over"]) == REMEMBERED


def test_away_and_back(tmp_path: Path) -> None:
    """While nobody answers an epoch ends soon, with all of it on disk; back again, all of it arrives, in order."""
    line = Line(trouble=away)
    with opened(line, tmp_path) as delivery:
        for seq in range(5):
            began = time.monotonic()
            delivery.take([event(seq, U), event(seq, U, name="other")])
            delivery.snapshot()
            assert time.monotonic() - began < 1.0
        assert len(list(tmp_path.rglob("*.alerts"))) == 5
        assert metrics.SINK_UP.labels("desk")._value.get() == 0
        assert any("desk: nobody there" in words for words in HEALTH.ready().reasons)
        line.trouble = lambda note: None
        until(lambda: len(line.got) == 10)
        until(lambda: not list(tmp_path.rglob("*.alerts")))
    assert [note.event.seq for note in line.got] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert not any("desk" in words for words in HEALTH.ready().reasons)


def test_away_and_back_after_a_restart(tmp_path: Path) -> None:
    """What was on disk when a run was stopped is sent by the next, before what is new."""
    line = Line(trouble=away)
    with opened(line, tmp_path, stopped=True) as delivery:
        delivery.take([event(0)])
        delivery.snapshot()
    line.trouble = lambda note: None
    with opened(line, tmp_path) as delivery:
        delivery.take([event(1, U)])
    assert [note.event for note in line.got] == [event(0), event(1, U)]


def test_nobody_waits_for_another(tmp_path: Path) -> None:
    """One receiver hangs, one is away; the third hears of everything at once, and epochs end."""
    release = threading.Event()

    def hang(note: Note) -> None:
        release.wait(20)

    lines = {"hangs": Line(trouble=hang), "away": Line(trouble=away), "well": Line()}
    receivers = {name: Receiver(name, lambda line=line: line) for name, line in lines.items()}  # type: ignore[misc]
    stop = Event()
    with receivers["hangs"].opened(tmp_path, stop), receivers["away"].opened(tmp_path, stop):
        with receivers["well"].opened(tmp_path, stop):
            deliveries = [receiver.delivery() for receiver in receivers.values()]
            began = time.monotonic()
            for seq in range(3):
                for delivery in deliveries:
                    delivery.take([event(seq, U)])
                for delivery in deliveries:
                    delivery.snapshot()
            until(lambda: len(lines["well"].got) == 3)
            assert time.monotonic() - began < 2.0
        release.set()
        until(lambda: len(lines["hangs"].got) == 3)
        stop.set()
    assert len(list((tmp_path / "away").rglob("*.alerts"))) == 3


def test_refused_steps_are_kept_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One that a receiver will never take costs no other; it lies in a folder, with a word in the log and a count."""

    def picky(note: Note) -> None:
        if note.event.seq == 1:
            raise SinkRefused("answered 400: no")

    counter = metrics.ALERTS_GIVEN_UP.labels("desk", "refused")._value
    before = counter.get()
    line = Line(trouble=picky, most=10)  # several in one message: then one by one
    with opened(line, tmp_path) as delivery:
        delivery.take([event(seq, U) for seq in range(4)])
        until(lambda: len(line.got) == 3)
    assert [note.event.seq for note in line.got] == [0, 2, 3]
    assert counter.get() == before + 1
    assert "answered 400: no" in caplog.text
    (kept,) = tmp_path.rglob("refused/*.alerts")
    spool = AlertSpool(kept.parent, 1 << 20)
    assert spool.read(kept).notes[0].event == event(1, U)


def test_a_step_of_which_no_message_can_be_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Our own mistake about one alert is no reason to be silent about all others."""

    def odd(note: Note) -> None:
        if note.event.seq == 1:
            raise ValueError("no such thing")

    line = Line(trouble=odd)
    with opened(line, tmp_path) as delivery:
        delivery.take([event(seq, U) for seq in range(3)])
        until(lambda: len(line.got) == 2)
    assert "ValueError('no such thing')" in caplog.text
    assert len(list(tmp_path.rglob("refused/*.alerts"))) == 1


def test_what_was_refused_is_sent_again_when_it_is_moved_back(tmp_path: Path) -> None:
    """Once the receiver has been taught to take it."""

    def refuse(note: Note) -> None:
        raise SinkRefused("no")

    with opened(Line(trouble=refuse), tmp_path) as delivery:
        delivery.take([event(0)])
    (kept,) = tmp_path.rglob("refused/*.alerts")
    kept.rename(kept.parent.parent / kept.name)
    line = Line()
    with opened(line, tmp_path) as delivery:
        until(lambda: len(line.got) == 1)
    assert line.got[0].event == event(0)


def test_a_parcel_is_not_sent_twice_because_its_end_failed(tmp_path: Path) -> None:
    """What has arrived of a parcel stays arrived when the rest is tried again, from memory or from disk."""
    down = [True]

    def half(note: Note) -> None:
        if note.event.seq == 2 and down[0]:
            raise SinkError("later")

    line = Line(trouble=half)
    with opened(line, tmp_path) as delivery:
        delivery.take([event(seq, U) for seq in range(4)])
        delivery.snapshot()
        assert list(tmp_path.rglob("*.alerts"))
        time.sleep(0.1)
        down[0] = False
        until(lambda: len(line.got) == 4)
    assert [note.event.seq for note in line.got] == [0, 1, 2, 3]


def test_a_full_spool_gives_up_the_oldest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The disk stays bounded, the flow goes on, what is given up is counted and said, and the newest is there."""
    line = Line(trouble=away)
    counter = metrics.ALERTS_GIVEN_UP.labels("desk", "no-room")._value
    before = counter.get()
    limit = 5 * (len(Notes.of([Note(event(0, U), Told(event(0).id, 0))]).data) + 300)
    with opened(line, tmp_path, limit=limit) as delivery:
        for seq in range(40):
            delivery.take([event(seq, U)])
            delivery.snapshot()
            assert sum(path.stat().st_size for path in tmp_path.rglob("*.alerts")) <= limit
        line.trouble = lambda note: None
        until(lambda: bool(line.got) and line.got[-1].event.seq == 39)
    seqs = [note.event.seq for note in line.got]
    assert seqs == sorted(seqs)
    assert counter.get() - before == 40 - len(seqs)
    assert "oldest steps of alerts that waited are given up" in caplog.text


def test_no_disk_at_all(tmp_path: Path) -> None:
    """A spool that takes nothing holds nobody up; what waits is in memory."""
    line = Line(trouble=away)
    with opened(line, tmp_path, limit=0) as delivery:
        began = time.monotonic()
        for seq in range(3):
            delivery.take([event(seq, U)])
            delivery.snapshot()
        assert time.monotonic() - began < 2.0
        line.trouble = lambda note: None
        until(lambda: len(line.got) == 3)


def test_memory_is_bounded_where_nothing_is_kept() -> None:
    """A run without a recovery directory gives up the oldest, too."""
    line = Line(trouble=away)
    size = len(Notes.of([Note(event(0, U))]).data)
    stop = Event()
    box = alert_outbox.AlertOutbox("desk", line, None, stop, list, memory=10 * size, pauses=(0.01, 0.05))
    for seq in range(50):
        box.put(Notes.of([Note(event(seq, U))]))
        box.flush()
        assert box._bytes <= 11 * size
    line.trouble = lambda note: None
    box.close()
    seqs = [note.event.seq for note in line.got]
    assert seqs == sorted(seqs)
    assert seqs[-1] == 49


def test_what_is_kept_nowhere_ends_the_run_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay that could not deliver says so, and names the reason; one that was stopped does not wait."""
    monkeypatch.setattr("sinks.outbox.PATIENCE", 0.2)
    undelivered = pytest.raises(SinkError, match="2 steps of alerts could not be delivered: nobody there")
    with undelivered, opened(Line(trouble=away), None) as delivery:
        delivery.take([event(0), event(1, U)])
    with opened(Line(trouble=away), None, stopped=True) as delivery:
        delivery.take([event(0)])


def test_what_stands_is_said_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a receiver that forgets: active alerts in their newest state, after all that waited, also after a restart."""

    class Forgetful(Line):
        stands: ClassVar[float | None] = 0.1

    line = Forgetful()
    with opened(line, tmp_path) as delivery:
        shelved = event(0, name="shelved")
        shelved = replace(shelved, alert=replace(shelved.alert, shelved_until=1))
        delivery.take([event(0), event(0, name="other"), event(1, U), event(1, C, name="other"), shelved])
        state = delivery.snapshot()
        until(lambda: len(line.said) >= 2)
    assert set(line.said) == {event(1, U)}
    line = Forgetful()
    with opened(line, tmp_path, state=state) as delivery:
        until(lambda: len(line.said) >= 1)
        assert line.said[0] == event(1, U)
        delivery.take([event(2, C)])
        until(lambda: len(line.got) == 1)
        line.said.clear()
        time.sleep(0.3)
    assert line.said == []


def test_tell_without_a_flow() -> None:
    """As a review does: at once, through the filters; a failure is the caller's."""
    line = Line()
    receiver = Receiver("desk", lambda: line, lambda step, desk, at: step.alert.level == 1)
    receiver.tell([event(0), escalated(event(1))])
    assert [note.event.seq for note in line.got] == [1]
    line.trouble = away
    with pytest.raises(SinkError):
        receiver.tell([escalated(event(1))])


numbers = st.floats(allow_nan=False)


@given(seq=st.integers(0, 9), lon=numbers, radius=st.floats(), words=st.text(), kind=st.sampled_from(AlertEventType))
@settings(max_examples=50)
def test_notes_survive_the_disk(seq: int, lon: float, radius: float, words: str, kind: AlertEventType) -> None:
    """What is read back is what was written, whatever is in it."""
    step = event(seq, kind)
    step = replace(step, note=words, alert=replace(step.alert, lon=lon, radius=radius, summary=words))
    wrote = Notes.of([Note(step, Told(event(0).id, 5))])
    (read,) = AlertSpool(Path("nowhere"), 0).parcel(wrote.head, wrote.data).notes
    assert repr(read) == repr(wrote.notes[0])  # NaN is not equal to itself
