"""Silence of partitions and of the feed, against the same rules written message by message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from domain.clock import NEVER, SECOND
from domain.findings import Finding, Phase
from domain.operations import FEED_SILENCE
from domain.records import Frame
from domain.settings import EngineSettings, TimeRules
from operators.entrance import Entrance
from operators.layout import Layout
from operators.silence import SilenceWatch
from operators.stamp import PartitionClock
from tests.operators.streams import T0, Message, chop, city, decoded, empty

QUIET = 60 * SECOND
RATES = np.array([1.0, 0.1, 0.05])  # ten readings of the slowest take 200 s

Record = tuple[Phase, int, int]  # phase, onset, time

#: Seconds since the message before, the sensors in it, and whether anybody recorded it.
MESSAGES = st.lists(
    st.tuples(st.sampled_from([0, 1, 30, 59, 60, 61, 199, 200, 500]), st.lists(st.integers(0, 2)), st.booleans()),
    max_size=15,
)


def _messages(drawn: Sequence[tuple[int, list[int], bool]]) -> list[Message]:
    found, now = [], T0
    for later, sensors, known in drawn:
        now += later * SECOND
        found.append(Message(now if known else 0, tuple((sensor, now, 1.0) for sensor in sensors)))
    return found


def _naive(messages: Sequence[Message]) -> Iterator[Record]:
    last, fastest, seen = 0, 0.0, 0.0  # fastest: up to the last message that somebody recorded
    for message in messages:
        now = message.recorded
        if now:
            if last and fastest and now - last > max(QUIET, 10 / fastest * SECOND):
                yield Phase.ONSET, last, last + round(max(QUIET, 10 / fastest * SECOND))
                yield Phase.END, last, now
            last = now
        seen = max([seen, *(RATES[sensor] for sensor, _, _ in message.rows)])
        fastest = seen if now else fastest


def _records(findings: Sequence[Finding]) -> list[Record]:
    return [(finding.phase, finding.onset, finding.ts) for finding in findings]


@given(drawn=MESSAGES, sizes=st.lists(st.integers(1, 5), min_size=1), resumed=st.booleans(), ticks=st.booleans())
@example([(0, [], True), (0, [1], False), (199, [0], False), (0, [], True)], [2], False, True)  # a tick is between
def test_as_the_rule_says(
    drawn: list[tuple[int, list[int], bool]], sizes: list[int], resumed: bool, ticks: bool
) -> None:
    """However messages are batched, with ticks of the wall clock or none, resumed or not: the same records."""
    messages = _messages(drawn)
    watch, clock = SilenceWatch("t/0", 2, QUIET, RATES), PartitionClock(TimeRules())
    found: list[Finding] = []
    newest = 0
    for batch in chop(messages, sizes):
        rows, recorded = decoded(batch)
        if ticks and recorded.any() and newest:
            first = int(recorded[recorded > 0][0])
            for now in sorted({newest, (newest + first) // 2, first}):
                found += watch.tick(now)
        newest = max(newest, int(recorded.max()))
        found += watch.take(rows, recorded, clock.stamp(rows, recorded))
        if resumed:
            watch = SilenceWatch("t/0", 2, QUIET, RATES, state=watch.snapshot())
    assert _records(found) == list(_naive(messages))
    assert len({finding.id for finding in found}) * 2 == len(found)


def test_a_tick_tells_at_the_deadline_and_once() -> None:
    """Not before it, and not again; the next message ends it and tells of nothing twice."""
    watch, clock = SilenceWatch("t/0", 2, QUIET, RATES), PartitionClock(TimeRules())

    def take(seconds: int) -> list[Finding]:
        rows, recorded = decoded(_messages([(seconds, [0], True)]))
        return watch.take(rows, recorded, clock.stamp(rows, recorded))

    assert watch.tick(T0) == []
    assert take(0) == []
    assert watch.tick(T0 + QUIET) == [], "a message may still be recorded at that very time"
    (onset,) = watch.tick(T0 + QUIET + 1)
    assert watch.tick(T0 + 2 * QUIET) == []
    (end,) = take(150)
    assert (onset.sensor, onset.reason, onset.level) == ("t/0", "nothing since 2025-11-24T16:00:00.000Z", 2)
    assert (end.id, end.reason, end.value) == (onset.id, "spoke again after 150 s", 150.0)


def test_a_partition_that_joined_is_silent_only_afterwards() -> None:
    """Its messages from before it joined are late, and no finding may be older than what was closed then."""
    joined = T0 + 1000 * SECOND
    watch, clock = SilenceWatch("t/0", 2, QUIET, RATES, joined), PartitionClock(TimeRules(), (NEVER, NEVER, joined))
    rows, recorded = decoded(_messages([(0, [0], True), (500, [0], True), (600, [0], True)]))
    found = watch.take(rows, recorded, clock.stamp(rows, recorded))
    assert watch.spoken == joined
    assert _records(found) == [
        (Phase.ONSET, T0 + 500 * SECOND, joined),
        (Phase.END, T0 + 500 * SECOND, T0 + 1100 * SECOND),
    ]


#: Seconds at which a partition has messages.
SPEECH = st.lists(st.integers(0, 60).map(lambda n: n * 20), max_size=12, unique=True).map(sorted)


def _told(partition: int, speech: Sequence[int]) -> Iterator[Frame]:
    """Frames of a partition with messages at those seconds: what its watch finds, then its watermark."""
    watch, clock = SilenceWatch(f"p{partition}", 2, QUIET, RATES), PartitionClock(TimeRules())
    for seconds in speech:
        rows, recorded = decoded([Message(T0 + seconds * SECOND, ((0, T0 + seconds * SECOND, 1.0),))])
        stamps = clock.stamp(rows, recorded)
        found = tuple(watch.take(rows, recorded, stamps))
        nothing = empty(0, partition, NEVER)
        yield Frame(0, partition, NEVER, 0, *_columns(nothing), findings=found, spoken=watch.spoken)
        yield empty(0, partition, clock.watermark)
    yield empty(0, partition, T0 + (speech[-1] + 1) * SECOND if speech else NEVER, ended=True)


def _columns(frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return frame.sensor, frame.ts, frame.value


def _naive_feed(speeches: Sequence[Sequence[int]]) -> Iterator[Record]:
    """Looks at every second at which a partition begins to speak or falls silent. Over is what has said its last."""
    pauses = [[(a + 60, b, a) for a, b in pairwise(speech) if b - a > 60] for speech in speeches]
    onset = 0
    for now in sorted({*(s[0] for s in speeches if s), *(t for some in pauses for pause in some for t in pause[:2])}):
        silent = [last for some in pauses for begin, end, last in some if begin <= now < end]
        speaking = sum(
            s[0] <= now < s[-1] + 1 and not any(begin <= now < end for begin, end, _ in some)
            for s, some in zip(speeches, pauses, strict=True)
            if s
        )
        quiet = bool(silent) and not speaking
        if quiet and not onset:
            onset = T0 + max(silent) * SECOND
            yield Phase.ONSET, onset, T0 + now * SECOND
        elif onset and not quiet:
            yield Phase.END, onset, T0 + now * SECOND
            onset = 0


@given(speeches=st.lists(SPEECH, min_size=1, max_size=3), seed=st.integers(0, 99))
def test_the_feed_however_frames_come(speeches: list[list[int]], seed: int) -> None:
    """The feed's findings are the same in whatever order partitions are read, and whether the step was resumed."""
    one, other = _feed(speeches, Random(0), False), _feed(speeches, Random(seed), True)
    assert one == other
    assert _records(one) == list(_naive_feed(speeches))


def _feed(speeches: Sequence[Sequence[int]], chance: Random, resumed: bool) -> list[Finding]:
    town, settings = Layout(city(1), 1), EngineSettings(shards=1)
    entrance = Entrance(town, settings, 0, len(speeches))
    left = [list(_told(i, speech)) for i, speech in enumerate(speeches)]
    found: list[Finding] = []
    while running := [frames for frames in left if frames]:
        frame = chance.choice(running).pop(0)
        found += [f for item in entrance.take([frame]) for f in getattr(item, "findings", ())]
        if resumed:
            entrance = Entrance(town, settings, 0, len(speeches), entrance.snapshot())
    return sorted((f for f in found if f.monitor == FEED_SILENCE.name), key=lambda f: f.order)
