"""Orders to a Kafka topic, where controllers in the field, or their gateway, take them.

    {"id": "9c1e...", "command": "6f1c...", "seq": 1, "order": "operate", "asset": "BZ-ST-0004", "ts": 1764000000123,
     "expires": 1764000030123, "run": 1800000, "reason": "asked for by ventilation", "finding": "4b7d..."}

The key is the asset, so the orders to one asset stay in one partition, in order. `id` is the same however often an
order is sent: whoever has carried it out does not do so again. Nobody carries out an order after `expires`, and none is
sent then: a run that takes up its work after a crash, or catches up after a downtime, sends nothing that is too late.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Never

import orjson

from domain import metrics
from domain.clock import MILLISECOND, iso
from domain.commands import ORDERS, CommandEvent
from domain.errors import SinkError
from domain.health import HEALTH
from sinks.kafka import KafkaWriter

__all__ = ["CommandDelivery", "CommandTopic", "encode"]

log = logging.getLogger(__name__)

#: Seconds in which the broker has to take an order. What waits for longer helps nobody, and holds up the flow.
TIMEOUT: Final = 2.0

_PART: Final = "commands"


def encode(event: CommandEvent) -> bytes:
    """An order as the field reads it; times are epoch milliseconds, durations milliseconds."""
    order = {
        "id": str(event.id),
        "command": str(event.command),
        "seq": event.seq,
        "order": event.step.value,
        "asset": event.asset,
        "ts": event.ts // MILLISECOND,
        "expires": event.expires // MILLISECOND,
        "run": event.run // MILLISECOND,
        "reason": event.reason,
        "finding": str(event.finding) if event.finding is not None else None,
    }
    return orjson.dumps(order)


class CommandTopic:
    """Where orders go, while the `opened` block runs.

    Parameters
    ----------
    brokers, topic
        As `KafkaWriter` takes them.
    now
        The clock by which orders expire, ns.
    """

    def __init__(self, brokers: str, topic: str, now: Callable[[], int] = time.time_ns) -> None:
        self._place, self._now = (brokers, topic), now
        self._writer: _Orders | None = None

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Connect."""
        self._writer = _Orders(*self._place, timeout=TIMEOUT, label=_PART)
        try:
            yield
        finally:
            self._settle()
            HEALTH.well(_PART)

    def delivery(self) -> CommandDelivery:
        """What the flow delivers through."""
        return CommandDelivery(self.send, self._settle)

    def send(self, events: Sequence[CommandEvent]) -> None:
        """Send the orders among the steps that have not expired."""
        assert self._writer is not None
        for event in events:
            if event.step not in ORDERS:
                continue
            if event.expires <= self._now():
                log.warning("%s for %s expired at %s: not sent", event.step, event.asset, iso(event.expires))
                metrics.COMMANDS_NOT_SENT.labels("expired").inc()
                continue
            try:
                self._writer.order(event)
            except SinkError as error:
                self._failed(error)

    def _settle(self) -> None:
        """Wait until the broker has, or will never have, what was sent. A lost order shows as no answer."""
        assert self._writer is not None
        try:
            self._writer.flush()
        except SinkError as error:
            self._failed(error)
        else:
            HEALTH.well(_PART)

    def _failed(self, error: SinkError) -> None:
        log.error("an order was not sent: %s", error)
        metrics.COMMANDS_NOT_SENT.labels("failed").inc()
        HEALTH.trouble(_PART, str(error))


class CommandDelivery:
    """Orders of the flow, driven by a stateful step: such steps are told when an epoch ends."""

    def __init__(self, send: Callable[[Sequence[CommandEvent]], None], settle: Callable[[], None]) -> None:
        self._send, self._settle, self._open = send, settle, False

    def take(self, events: Sequence[CommandEvent]) -> Iterable[Never]:
        """Send orders on their way."""
        self._send(events)
        self._open = True
        return ()

    def snapshot(self) -> None:
        """Before the epoch counts as done, its orders are with the broker, or given up."""
        if self._open:
            self._settle()
            self._open = False


class _Orders(KafkaWriter):
    def order(self, event: CommandEvent) -> None:
        """Hand an order to the producer; raises SinkError."""
        about, payload = event.asset.encode(), encode(event)
        try:
            self._produce(about, payload)
        except BufferError:
            self.flush()
            self._produce(about, payload)
        metrics.SINK_ROWS.labels(self._label, self.topic).inc()
