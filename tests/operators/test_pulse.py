"""What a process says of itself, on clocks that are set by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.city import Level
from domain.clock import SECOND
from domain.findings import AlertEvent, AlertEventType
from domain.operations import HEARTBEAT, LAG
from operators.pulse import PATIENCE, Pulse

T0 = 1_764_000_000 * SECOND
LEVELS = (Level(1, "I", urgent=True), Level(2, "II"))


@dataclass
class Part:
    """A partition."""

    name: str = "t/0"
    heard: int = T0
    backlog: int | None = None


@dataclass
class Process:
    """A pulse whose epochs end once a second, as long as `works`, and whose partition is read as it is written."""

    works: bool = True
    caught_up: bool = True
    seconds: int = 1000
    part: Part = field(default_factory=Part)

    def __post_init__(self) -> None:
        self.pulse = Pulse("town", LEVELS, 0, 15 * SECOND, 60 * SECOND, lambda: self.seconds * SECOND, lambda: self.now)

    @property
    def now(self) -> int:
        return T0 + (self.seconds - 1000) * SECOND

    def run(self, seconds: int) -> list[AlertEvent]:
        said = []
        for _ in range(seconds):
            self.seconds += 1
            if self.works:
                self.pulse.epoch()
            if self.caught_up:
                self.part.heard = self.now
            for _ in range(3):  # it is asked more often than it has something to say
                said += self.pulse.look(self.part)
        return said


def _kinds(said: list[AlertEvent]) -> list[tuple[str, AlertEventType]]:
    return [(event.alert.kind, event.type) for event in said]


def test_a_heartbeat_as_long_as_epochs_end() -> None:
    """Every 15 s one that counts for 45; none while nothing comes through; and again when it does."""
    process = Process()
    said = process.run(60)
    assert _kinds(said) == [(HEARTBEAT, AlertEventType.RAISED)] + 3 * [(HEARTBEAT, AlertEventType.UPDATED)]
    assert len({event.alert.id for event in said}) == 1
    assert len({event.id for event in said}) == 4
    assert {event.alert.cleared - event.ts for event in said} == {PATIENCE * 15 * SECOND}
    assert all(event.alert.active for event in said)
    process.works = False
    assert len(process.run(300)) == 1, "for the epochs that had ended until then"
    process.works = True
    assert _kinds(process.run(1)) == [(HEARTBEAT, AlertEventType.UPDATED)]


def test_behind_by_more_than_the_limit() -> None:
    """Raised above 60 s, said again with every heartbeat, cleared at 30 s: not raised and cleared again and again."""
    process = Process()
    process.caught_up, process.part.backlog = False, 1234
    said = [event for event in process.run(100) if event.alert.kind == LAG]
    assert [event.type for event in said] == [AlertEventType.RAISED] + 2 * [AlertEventType.UPDATED]
    assert said[0].ts == T0 + 61 * SECOND
    assert said[0].alert.summary == "engine 0 is 61 s behind at t/0, 1,234 messages wait"
    process.part.heard = process.now - 40 * SECOND
    assert {event.type for event in process.run(1) if event.alert.kind == LAG} <= {AlertEventType.UPDATED}
    process.part.heard = process.now - 20 * SECOND
    (cleared,) = [event for event in process.run(1) if event.alert.kind == LAG]
    assert cleared.type is AlertEventType.CLEARED
    assert not cleared.alert.active
    process.part.heard = process.now - 55 * SECOND
    assert [event for event in process.run(3) if event.alert.kind == LAG] == []


def test_at_the_end_of_the_stream_nobody_is_behind() -> None:
    """A partition that cannot be read at all is behind since it was opened."""
    process = Process()
    assert {event.alert.kind for event in process.run(100)} == {HEARTBEAT}
    unread = Process(caught_up=False, part=Part(heard=0))
    assert (LAG, AlertEventType.RAISED) in _kinds(unread.run(70))


def test_a_partition_that_is_gone_holds_nobody() -> None:
    """What ended is not behind any more."""
    process = Process()
    process.caught_up = False
    process.run(100)
    process.pulse.ended("t/0")
    process.caught_up, process.part = True, Part("t/1")
    assert (LAG, AlertEventType.CLEARED) in _kinds(process.run(1))
