"""Where partitions end, asked of their brokers again and again.

That nothing comes from a partition does not mean that nothing was recorded in it: its broker may be frozen, or cut off,
with messages that it stamped just before. Only an answer of the broker tells: what lay behind the end that it names was
not recorded before it was asked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Set
from concurrent.futures import wait
from threading import Event, Lock, Thread
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

__all__ = ["End", "Ends"]

#: Seconds between two questions, after one that not all have answered, and until one counts as not answered.
EVERY: Final = 0.2
LATER: Final = 1.0
PATIENCE: Final = 5.0

_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class End(NamedTuple):
    """A broker's answer."""

    offset: int  #: of the next message that is written
    asked: int  #: before it was asked, by this machine's clock, ns


class Ends:
    """The ends of the partitions that a process reads; may be used by several threads.

    Parameters
    ----------
    settings
        librdkafka's: where the brokers are, and how to sign in.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = dict(settings)
        self._lock = Lock()
        self._known: dict[tuple[str, int], End | None] = {}
        self._done = Event()

    def of(self, topic: str, partition: int) -> End | None:
        """The last answer, None before the first; whoever asks is followed from then on, until `leave`."""
        place = topic, partition
        if place not in self._known:
            self._follow(place)
        return self._known.get(place)

    def _follow(self, place: tuple[str, int]) -> None:
        with self._lock:
            if not self._known:
                self._done = Event()
                Thread(target=self._run, args=(self._done,), name="kafka-ends", daemon=True).start()
            self._known.setdefault(place, None)

    def leave(self, topic: str, partition: int) -> None:
        """A partition is read no more; with the last of them the questions end."""
        with self._lock:
            self._known.pop((topic, partition), None)
            if not self._known:
                self._done.set()

    def _run(self, done: Event) -> None:
        client: AdminClient | None = None
        while not done.is_set():
            with self._lock:
                wanted = {TopicPartition(*place): _LATEST for place in self._known}
            if not wanted:
                return  # left meanwhile
            try:
                client = client or self._connected({place.topic for place in wanted})
                answered = self._ask(client, wanted, done)
            except KafkaException:
                answered = False
            if not answered:
                client = None  # it would go on asking the leaders that it knows, by the epochs that it knows
            done.wait(EVERY if answered else LATER)

    def _connected(self, topics: Set[str]) -> AdminClient:
        """A client that knows the leaders: one that has to find them first may take seconds for it."""
        client = AdminClient({**self._settings, "log_level": 0})  # the consumers tell of brokers that are away
        for topic in sorted(topics):
            client.list_topics(topic, timeout=PATIENCE)
        return client

    def _ask(self, client: AdminClient, wanted: dict[TopicPartition, OffsetSpec], done: Event) -> bool:
        """One round; returns whether all were answered."""
        asked = time.time_ns()
        answers = client.list_offsets(wanted, request_timeout=PATIENCE)
        while wait(answers.values(), EVERY).not_done and not done.is_set():
            pass
        told = {
            (at.topic, at.partition): End(answer.result().offset, asked)
            for at, answer in answers.items()
            if answer.done() and answer.exception() is None
        }
        with self._lock:
            self._known |= {place: end for place, end in told.items() if place in self._known}
        return len(told) == len(wanted)
