"""Kafka topics, many messages at a time: one poll of one partition is one `RawBatch`.

Each partition has a consumer of its own. librdkafka lets a consumer be polled by one worker at a time and its Python
client has no queue a partition, so sharing one would put a lock and a sorting step between workers that otherwise
never meet.

Offsets are the engine's own (its snapshots): no consumer group decides where reading goes on, and nothing is
rebalanced.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Event
from time import monotonic, time_ns
from typing import Any, Final, Literal, cast

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from domain.clock import MILLISECOND
from domain.errors import SourceError
from domain.kafka import access, advice, bootstrap
from domain.records import RawBatch
from domain.streams import Partition, Source
from sources.kafka_ends import Ends
from sources.kafka_errors import ABSENT, NoTopic, passing, telling

__all__ = ["KafkaPartition", "KafkaSource", "Start", "parse_start"]

log = logging.getLogger(__name__)

#: Where to begin: an end of the partition, an offset, or a time.
Start = Literal["earliest", "latest"] | int | datetime

#: Seconds to wait for an answer of a broker when a stream is opened.
_ANSWER: Final = 10.0

#: Seconds between two looks for a topic that is not there yet, and after how many of them it is told of again.
_LOOK: Final = 1.0
_REMIND: Final = 30


def parse_start(text: str) -> Start:
    """Read "earliest", "latest", an offset, or a time in RFC 3339 (UTC where it names no zone); raises SourceError.

    >>> parse_start("1200"), parse_start("2025-11-24T16:00:00Z")
    (1200, datetime.datetime(2025, 11, 24, 16, 0, tzinfo=datetime.timezone.utc))
    """
    if text in ("earliest", "latest"):
        return cast("Start", text)
    if text.isdecimal():
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise SourceError(
            f"expected earliest, latest, an offset or a time such as 2025-11-24T16:00:00Z, got {text!r}"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _metadata(consumer: Consumer, topic: str, complaints: Sequence[KafkaError]) -> Any:
    """What the broker says of a topic; gives up early when it has refused us."""
    deadline = monotonic() + _ANSWER
    while True:
        try:
            return consumer.list_topics(topic, timeout=1.0).topics[topic]
        except KafkaException:
            consumer.poll(0)  # lets it say why
            if monotonic() > deadline or not all(map(passing, complaints)):
                raise


def _count_gap(partition: str, missing: int) -> None:
    log.warning("%s: %d offsets are missing (compaction, aborted transactions or retention)", partition, missing)


class KafkaSource(Source):
    """Kafka topics as a stream; its partitions are called "topic/0", "topic/1", ...

    Recorded time is the time stamp that the broker gives a message: set `message.timestamp.type=LogAppendTime` for the
    topic; otherwise it is the producer's clock.

    Parameters
    ----------
    brokers
        "host:port", several with commas.
    topics
        Names of the topics.
    start
        Where a partition without a snapshot begins.
    until_end
        Stop at the offsets that were the ends when a partition was opened.
    batch
        Most messages in one poll. Results never depend on it.
    buffered
        Bytes that one partition's consumer fetches ahead, and so what one poll may hold.
    wait
        Seconds that a poll may wait for a full batch. 0 gives what is there at once.
    group
        Where it is given, snapshots are committed to this consumer group, for tools that show lag. Nobody reads them
        here.
    on_gap
        Called with the partition and the number of offsets that were skipped; logs a warning by default.
    gapless
        Whether skipped offsets are worth an alert: not where topics are compacted or written in transactions.
    stop
        Where it is given, a topic that is not there yet is waited for until it is set; otherwise it is an error.

    Security settings come from LIFELINE_KAFKA_SECURITY_*, _SASL_* and _SSL_* in the environment:
    LIFELINE_KAFKA_SASL_PASSWORD is librdkafka's sasl.password.
    """

    def __init__(
        self,
        brokers: str,
        topics: Sequence[str],
        *,
        start: Start = "earliest",
        until_end: bool = False,
        batch: int = 4096,
        buffered: int = 4 * 1024 * 1024,
        wait: float = 0.0,
        group: str = "",
        on_gap: Callable[[str, int], None] = _count_gap,
        gapless: bool = True,
        stop: Event | None = None,
    ) -> None:
        if not topics:
            raise SourceError(f"Kafka at {brokers}: expected at least one topic")
        if not 1 <= batch <= 1_000_000:
            raise SourceError(f"expected 1 to 1,000,000 messages in a batch, got {batch}")
        self.brokers = bootstrap(brokers)
        self.topics = tuple(topics)
        self.start: Start = start
        self.until_end = until_end
        self.batch = batch
        self.wait = wait
        self.group = group
        self.on_gap = on_gap
        self.gapless = gapless
        self._stop = stop
        self._buffered = buffered
        self.ends = Ends(access(self.brokers))
        self._partitions: tuple[str, ...] | None = None

    def partitions(self) -> Sequence[str]:
        """All partitions of the topics, by number, as they were when they were first asked for.

        Raises SourceError when a topic or a broker is not there. There is none where a topic was waited for in vain.
        """
        looks = 0
        while self._partitions is None:
            try:
                self._partitions = tuple(self.refresh())
            except NoTopic as error:
                if self._stop is None:
                    raise
                if looks % _REMIND == 0:
                    log.warning("waiting for a topic: %s", error)
                looks += 1
                if self._stop.wait(_LOOK):
                    return ()
        return self._partitions

    def refresh(self) -> Sequence[str]:
        """All partitions as they are now, by number; raises SourceError."""
        names: list[str] = []
        complaints: list[KafkaError] = []
        consumer = self.consumer(complaints.append)
        try:
            for topic in self.topics:
                found = _metadata(consumer, topic, complaints)
                if found.error is not None:
                    raise KafkaException(found.error)
                names += (f"{topic}/{number}" for number in sorted(found.partitions))
        except KafkaException as error:
            cause = telling([*complaints, error.args[0]])
            raise self.failure(topic, cause, NoTopic if cause.code() in ABSENT else SourceError) from error
        finally:
            consumer.close()
        return names

    @property
    def identity(self) -> str:
        """The topics."""
        return "\n".join(self.topics)

    def open(self, partition: str, resume: Any | None) -> KafkaPartition:
        """Open one partition at the offset `resume` or at `start`; raises SourceError."""
        return KafkaPartition(self, partition, resume)

    def consumer(self, on_error: Callable[[KafkaError], None]) -> Consumer:
        """A consumer with our settings, assigned to nothing yet."""
        return Consumer(
            {
                "group.id": self.group or "lifeline",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",  # records that retention took away are an error, not a silent leap
                "allow.auto.create.topics": False,
                "queued.max.messages.kbytes": max(1, self._buffered // 1024),
                "queued.min.messages": max(10_000, self.batch),
                "fetch.wait.max.ms": 50,
                "fetch.queue.backoff.ms": 5,  # after a full queue; by default a second
                "fetch.error.backoff.ms": 100,
                "reconnect.backoff.max.ms": 1000,  # by default ten seconds after a broker is back
                "error_cb": on_error,
                **access(self.brokers),
            },
            logger=log,
        )

    def failure(self, place: str, error: KafkaError, kind: type[SourceError] = SourceError) -> SourceError:
        """An error that says what happened where, and what to do."""
        return kind(f"Kafka {place} at {self.brokers}: {error.str()} ({error.name()}): {advice(error.name())}")


class KafkaPartition(Partition):
    """One partition of a topic. Its snapshot is the offset of the next message."""

    def __init__(self, source: KafkaSource, name: str, resume: int | None) -> None:
        self._source = source
        self._name = name
        topic, _, number = name.rpartition("/")
        self._place = topic, int(number)
        self._broken: KafkaError | None = None
        self._caught_up = False
        self.gaps = 0  #: offsets that were skipped so far
        self._consumer = source.consumer(self._on_error)
        self._heard = time_ns()  # up to here all that was recorded has been polled, once the partition is caught up
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(*self._place), timeout=_ANSWER)
            self._next = self._first(low, high) if resume is None else resume
            if self._next > high:
                raise SourceError(
                    f"Kafka {name} at {source.brokers}: cannot start at offset {self._next}: its end is {high}. "
                    "Was the topic made anew? Start without the old recovery directory."
                )
            self._end = high if source.until_end else None
            self._consumer.assign([TopicPartition(*self._place, self._next)])
        except KafkaException as error:
            self._consumer.poll(0)  # lets it say why
            self._consumer.close()
            raise source.failure(name, self._broken or error.args[0]) from error
        except SourceError:
            self._consumer.close()
            raise

    def _first(self, low: int, high: int) -> int:
        start = self._source.start
        if start == "earliest":
            return low
        if start == "latest":
            return high
        if isinstance(start, int):
            return start
        at = TopicPartition(*self._place, round(start.timestamp() * 1000))
        (found,) = self._consumer.offsets_for_times([at], timeout=_ANSWER)
        if found.error is not None:
            raise KafkaException(found.error)
        return high if found.offset < 0 else int(found.offset)

    def poll(self) -> RawBatch | None:
        """The messages that are there, None when there are none.

        Raises StopIteration at the end (with `until_end`), SourceError where the broker refuses for good. What heals
        by itself, a broker that restarts for instance, is logged and waited for.
        """
        if self._end is not None and self._next >= self._end:
            raise StopIteration
        messages: list[Message] = []
        end: int | None = None  # where the broker says that the partition ends, when nothing came after that
        try:
            for message in self._consumer.consume(self._source.batch, self._source.wait):
                error = message.error()
                if error is None:
                    messages.append(message)
                    end = None
                elif error.code() == KafkaError._PARTITION_EOF:
                    end = message.offset()
                elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                    self._leap()
                else:
                    self._on_error(error)
        except KafkaException as error:
            raise self._source.failure(self._name, error.args[0]) from error
        if self._broken is not None:
            raise self._source.failure(f"{self._name}, offset {self._next}", self._broken)
        batch = self._batch(messages) if messages else None
        if end is not None:
            end = end if self._end is None else min(end, self._end)
            self._on_gap(end - self._next)  # control records are no messages
            self._next = max(self._next, end)
            self._caught_up = True
        elif messages:
            self._caught_up = False
        return batch

    def _batch(self, messages: list[Message]) -> RawBatch | None:
        if self._end is not None:
            messages = [message for message in messages if (message.offset() or 0) < self._end]
            if not messages:
                self._next = self._end
                return None
        offset = np.array([message.offset() for message in messages], np.int64)
        self._on_gap(int(offset[-1]) + 1 - self._next - len(offset))
        self._next = int(offset[-1]) + 1
        recorded = np.array([message.timestamp()[1] for message in messages], np.int64) * MILLISECOND
        # a message without any time stamp has -1 ms: it is taken to be recorded at its event time
        np.maximum(recorded, 0, out=recorded)
        return RawBatch.of(self._name, [message.value() or b"" for message in messages], offset, recorded)

    def _leap(self) -> None:
        """Go on behind what retention has removed; the gap is counted with the first message that comes."""
        low, high = self._consumer.get_watermark_offsets(TopicPartition(*self._place), timeout=_ANSWER)
        if not self._next < low <= high:
            raise SourceError(
                f"Kafka {self._name} at {self._source.brokers}: cannot go on at offset {self._next}: it has {low} to "
                f"{high}. Was the topic made anew? Start without the old recovery directory."
            )
        log.error("%s: retention has removed offsets %d to %d before they were read", self._name, self._next, low - 1)
        self._consumer.assign([TopicPartition(*self._place, low)])

    def _on_gap(self, missing: int) -> None:
        if missing > 0:
            self.gaps += missing
            self._source.on_gap(self._name, missing)

    def _on_error(self, error: KafkaError) -> None:
        """Log what librdkafka mends by itself; keep the rest for `poll` to raise."""
        if passing(error):
            log.warning("Kafka %s: %s", self._name, error)
        else:
            self._broken = error

    @property
    def caught_up(self) -> bool:
        """Whether the broker had nothing more at the last poll."""
        return self._caught_up

    @property
    def unheard(self) -> int:
        """How long ago, ns, the broker was asked where the partition ends, and it ended with what has been polled."""
        end = self._source.ends.of(*self._place)
        if end is not None and end.offset <= self._next:
            self._heard = max(self._heard, end.asked)
        return max(0, time_ns() - self._heard)

    @property
    def backlog(self) -> int | None:
        """Offsets behind the end of the partition, as the broker's last answer has it."""
        _, high = self._consumer.get_watermark_offsets(TopicPartition(*self._place), cached=True)
        return max(0, high - self._next) if high >= 0 else None

    def snapshot(self) -> int:
        """The offset of the next message."""
        if self._source.group:
            self._consumer.commit(offsets=[TopicPartition(*self._place, self._next)], asynchronous=True)
        return self._next

    def close(self) -> None:
        """Leave the broker."""
        self._source.ends.leave(*self._place)
        self._consumer.close()
