"""Where records enter: books balance, ticks only close panes, and no partition runs away."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import Any
from uuid import UUID

import pytest

from domain.actions import Action, Verb
from domain.city import City, Zone
from domain.clock import NEVER, SECOND
from domain.records import DeadLetter, Frame, RawBatch
from domain.reports import Channel, Report
from domain.settings import EngineSettings
from domain.streams import Partition, Source
from operators.decode import Decoder
from operators.inlet import Intake
from operators.intake import AT_ONCE, PROMPT_MARGIN, TICK_MARGIN, PartitionIntake
from operators.layout import Layout
from operators.pace import AHEAD
from tests.operators.streams import T0, city

CITY = city(4)
SETTINGS = EngineSettings(shards=2)
LAYOUT = Layout(CITY, 2)


def _json(sensor: str, seconds: float) -> bytes:
    return json.dumps({"sensor": sensor, "ts": (T0 + round(seconds * SECOND)) // 1_000_000, "value": 1.0}).encode()


class Given(Partition):
    """Polls what it is given; None stands for nothing now, and the end of the list for the end of the stream."""

    def __init__(self, *batches: RawBatch | None) -> None:
        self.left = deque(batches)

    def poll(self) -> RawBatch | None:
        if not self.left:
            raise StopIteration
        return self.left.popleft()

    @property
    def caught_up(self) -> bool:
        return True

    def snapshot(self) -> int:
        return len(self.left)


class CutOff(Given):
    """Nobody has heard of it for so many seconds."""

    seconds = 0

    @property
    def unheard(self) -> int:
        return self.seconds * SECOND


def _batch(*messages: tuple[float, bytes], at: int = 0) -> RawBatch:
    payloads = [payload for _, payload in messages]
    recorded = [T0 + round(seconds * SECOND) for seconds, _ in messages]
    return RawBatch.of("p", payloads, range(at, at + len(payloads)), recorded)


def _intake(partition: Partition, now: float | None = None, city: City = CITY) -> PartitionIntake:
    clock = None if now is None else (lambda: T0 + round(now * SECOND))
    return PartitionIntake(0, "p", partition, Decoder(city), LAYOUT, SETTINGS, clock)


def test_every_row_is_accounted_for() -> None:
    """On time, late, from the future, unknown and broken: each row is in a frame or is a dead letter with a reason."""
    batch = _batch(
        (1, _json("S0", 1)),
        (20, _json("S1", 20)),
        (20.1, _json("S2", 2)),  # 18 s behind: late
        (20.2, _json("S3", 3600)),
        (20.3, _json("S9", 20)),
        (20.4, b"{"),
    )
    items = _intake(Given(batch)).next()
    assert items is not None
    frames = [item for item in items if isinstance(item, Frame)]
    late = [frame.late for frame in frames if frame.late is not None]
    assert sum(map(len, frames)) == 3
    assert [rows.offset.tolist() for rows in late] == [[2]]
    dead = {letter.offset: letter.reason for letter in items if isinstance(letter, DeadLetter)}
    assert dead.keys() == {3, 4, 5}
    assert dead[3] == "from-the-future"


def test_all_shards_hear_of_a_pane_that_closed() -> None:
    """A shard without rows would otherwise keep its panes open."""
    items = _intake(Given(_batch((1, _json("S0", 1)), (9, _json("S0", 9))))).next()
    assert items is not None
    frames = [item for item in items if isinstance(item, Frame) and item.watermark != NEVER]
    assert sorted(frame.shard for frame in frames) == [0, 1]
    assert {frame.watermark for frame in frames} == {T0 + 7 * SECOND}


def test_a_quiet_partition_ticks_only_live() -> None:
    """The wall clock closes panes where a live partition is caught up, less idle time and margin; a recording waits."""
    batch = _batch((1, _json("S0", 1)))
    assert _intake(Given(None)).next() is None
    live = _intake(Given(batch, None, None), now=60)
    live.next()
    ticked = live.next()
    assert ticked is not None
    assert SETTINGS.time.idle is not None
    expected = T0 + 60 * SECOND - SETTINGS.time.idle - TICK_MARGIN
    assert {frame.watermark for frame in ticked if isinstance(frame, Frame)} == {expected}
    assert live.next() is None, "the same tick is told once"


def test_a_prompt_partition_holds_nobody_up() -> None:
    """What tells things as they happen waits for nothing late, follows its own clock, and may be silent for days."""

    class Journal(Given):
        prompt = True
        clock = staticmethod(lambda: T0 + 7200 * SECOND)

    action = Action(UUID(int=1), Verb.COMMENT, T0 + SECOND, "li.na", alert=UUID(int=2), comment="seen")
    late = replace(action, id=UUID(int=3), ts=T0)
    intake = _intake(Journal(_batch((1, action.to_json())), None, _batch((7300, late.to_json()), at=1)))
    first, ticked, last = intake.next(), intake.next(), intake.next()
    assert first is not None
    assert {frame.watermark for frame in first if isinstance(frame, Frame)} == {T0 + SECOND}
    assert [frame.actions for frame in first if isinstance(frame, Frame) and frame.actions] == [
        (replace(action, known=T0 + SECOND),)
    ]
    assert ticked is not None
    assert {frame.watermark for frame in ticked if isinstance(frame, Frame)} == {T0 + 7200 * SECOND - PROMPT_MARGIN}
    assert all(not frame.findings for frame in ticked if isinstance(frame, Frame))
    assert last is not None
    known = [action.known for frame in last if isinstance(frame, Frame) for action in frame.actions]
    assert known == [T0 + 7300 * SECOND]  # nothing is known before the time that others may have acted on


def test_a_report_comes_to_one_shard_and_none_from_the_future() -> None:
    """It moves the clock as a reading does; what claims to be ahead of its time is a dead letter."""
    report = Report(UUID(int=1), "smell", T0 + 5 * SECOND, Channel.CITIZEN, zone="north")
    ahead = replace(report, id=UUID(int=2), ts=T0 + 3600 * SECOND)
    city = replace(CITY, zones={"north": Zone("north")})
    intake = _intake(Given(_batch((5, report.to_json()), (5, ahead.to_json()))), city=city)
    found = intake.next()
    assert found is not None
    assert [frame.reports for frame in found if isinstance(frame, Frame) and frame.reports] == [
        (replace(report, known=report.ts),)
    ]
    (letter,) = (item for item in found if isinstance(item, DeadLetter))
    assert (letter.reason, letter.payload) == ("from-the-future", ahead.to_json())
    assert letter.detail.startswith("citizen's report at ")


def test_as_much_is_asked_for_as_is_best_worked_on() -> None:
    """In messages, by what the last ones held."""
    packet = json.dumps({"sensor": "S0", "t0": T0 // 1_000_000, "hz": 10, "v": [1.0] * 100}).encode()
    given = Given(_batch((1, _json("S0", 1)), (1, b"{")), _batch((1, packet)), _batch((1, b"{")))
    intake = _intake(given)
    asked = []
    for _ in range(3):
        intake.next()
        asked.append(given.most)
    assert asked == [2 * AT_ONCE, AT_ONCE // 100, AT_ONCE]


def test_a_stream_that_cannot_be_heard_does_not_tick_on() -> None:
    """What was recorded since it was heard last may still come."""
    cut_off = CutOff(*[None] * 3)
    intake = _intake(cut_off, now=60)
    marks = []
    for cut_off.seconds in (40, 50, 1):
        intake.next()
        marks.append((intake.watermark - T0) // SECOND)
        assert intake.heard <= time.time_ns() - cut_off.unheard
    assert marks == [20 - 12, 20 - 12, 59 - 12]


def test_the_end_closes_the_last_pane() -> None:
    """After the last poll every shard is told that the partition is over, and up to where it came."""
    intake = _intake(Given(_batch((5, _json("S0", 4.5)))))
    intake.next()
    closing = intake.next()
    assert intake.ended
    assert closing is not None
    assert [(f.shard, f.ended, f.watermark) for f in closing if isinstance(f, Frame)] == [
        (0, True, T0 + 5 * SECOND),
        (1, True, T0 + 5 * SECOND),
    ]


class Endless(Source):
    """Partitions that always have a reading, each at a pace of its own in event time."""

    def __init__(self, **step: float) -> None:
        self.step = step

    def partitions(self) -> Sequence[str]:
        return tuple(self.step)

    def open(self, partition: str, resume: Any | None) -> Partition:
        source = self

        class Running(Given):
            at = 0.0

            def poll(self) -> RawBatch:
                self.at += source.step[partition]
                return _batch((self.at, _json(f"S{int(partition)}", self.at)))

        return Running()


def _open(source: Source, settings: EngineSettings = SETTINGS, stop: Event | None = None) -> list[Any]:
    intake = Intake(source, lambda: Decoder(CITY), LAYOUT, settings, stop=stop)
    return [intake.build_part("step", name, None) for name in intake.list_parts()]


def test_a_fast_partition_waits_for_the_slow_one() -> None:
    """What runs ahead in event time only fills panes that cannot close."""
    fast, slow = _open(Endless(**{"0": 5.0, "1": 0.1}))
    for _ in range(100):
        fast.next_batch()
        slow.next_batch()
    assert fast._intake.reached - slow._intake.reached <= AHEAD + 5 * SECOND
    assert slow._intake.reached > T0 + 9 * SECOND


def test_a_partition_stops_when_its_epoch_is_full() -> None:
    """At most `in_flight` readings between two snapshots; after the next snapshot it goes on."""
    (one,) = _open(Endless(**{"0": 0.1}), EngineSettings(shards=2, in_flight=3))
    sent = [sum(len(frame) for _, frame in one.next_batch()) for _ in range(10)]
    assert sum(sent) == 3
    assert one.next_awake() is not None, "it asks to be called again, and does not spin"
    one.snapshot()
    assert sum(len(frame) for _, frame in one.next_batch()) == 1


def test_a_stop_ends_the_run_but_not_the_stream() -> None:
    """The partition ends without closing panes, so that the next start goes on."""
    stop = Event()
    (one,) = _open(Endless(**{"0": 0.1}), stop=stop)
    one.next_batch()
    stop.set()
    with pytest.raises(StopIteration):
        one.next_batch()
    assert not one.snapshot()["ended"]


def test_nothing_heard_is_no_time_at_all() -> None:
    """An empty stream ends without inventing a time."""
    intake = _intake(Given())
    closing = intake.next()
    assert closing is not None
    assert {frame.watermark for frame in closing if isinstance(frame, Frame)} == {NEVER}


def test_what_was_all_refused_ends_where_its_clock_was() -> None:
    """Others may have heard of its watermark already: the end does not fall behind it."""
    intake = _intake(Given(_batch((1, b"{"), (90, b"{"))))
    intake.next()
    closing = intake.next()
    assert closing is not None
    assert {frame.watermark for frame in closing if isinstance(frame, Frame)} == {T0 + 80 * SECOND}
