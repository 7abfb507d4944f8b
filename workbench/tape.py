"""Recordings through the engine's own operators, without its dataflow: in one thread, in memory, again and again.

The classes are those that run live, in the order in which the dataflow calls them; since the output is a function of
the stream alone, findings and alerts are the same, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from detectors.contract import Lane
from domain.city import City
from domain.clock import DAY, END, NEVER
from domain.findings import Alert, AlertEvent, AlertEventType, Finding
from domain.monitors import Monitor
from domain.operations import gravest
from domain.records import DeadLetter, Frame, Panes, Verdicts
from domain.settings import EngineSettings
from domain.streams import Source
from operators.alerts.desk import Desk
from operators.decode import Decoder
from operators.detect import Bank
from operators.intake import PartitionIntake
from operators.layout import Layout
from operators.panes import PaneStore
from operators.silence import FeedWatch

__all__ = ["Judged", "Tape", "judge", "steps"]

Step = Frame | Panes | DeadLetter


@dataclass(frozen=True, slots=True)
class Judged:
    """What a city's monitors made of a stream.

    Parameters
    ----------
    findings
        In the order in which they count (`Finding.order`).
    events
        The steps in the lives of alerts, in order.
    readings, late, dead
        How many readings were accepted (late ones among them), how many came late, how many records were refused.
    first, last
        Event time of the first and the last reading that came in time, ns; NEVER without any.
    """

    findings: tuple[Finding, ...]
    events: tuple[AlertEvent, ...]
    readings: int
    late: int
    dead: int
    first: int
    last: int

    @property
    def alerts(self) -> list[Alert]:
        """Alerts as they stand at the end, by the time they were raised."""
        last = {event.alert.id: event.alert for event in self.events}
        return sorted(last.values(), key=lambda alert: (alert.raised, str(alert.id)))

    @property
    def pages(self) -> list[AlertEvent]:
        """What would have reached a person: alerts when they are raised, and when they become graver."""
        return [event for event in self.events if event.type in (AlertEventType.RAISED, AlertEventType.ESCALATED)]

    @property
    def days(self) -> float:
        """Days of event time."""
        return (self.last - self.first) / DAY if self.first != NEVER else 0.0


def steps(city: City, settings: EngineSettings, source: Source) -> Iterator[Step]:
    """What a source's records become on the way to the detectors: frames as they arrive, panes as they close.

    Partitions are read side by side in event time, the one that is furthest behind first. Raises SourceError.
    """
    layout = Layout(city, settings.shards)
    names = tuple(source.partitions())
    stores = [
        PaneStore(shard, len(names), settings.time.pane, layout.local_of, layout.members[shard])
        for shard in range(layout.shards)
    ]
    feed = FeedWatch(len(names), gravest(city.levels), settings.silence or 0)
    intakes = [
        PartitionIntake(
            index,
            name,
            source.open(name, None),
            Decoder(city, keep=settings.keep_dead),
            layout,
            settings,
            gapless=source.gapless,
        )
        for index, name in enumerate(names)
    ]
    try:
        running = list(intakes)
        while running:
            intake = min(running, key=lambda intake: (intake.reached, intake.index))
            for item in intake.next() or ():
                yield item
                if not isinstance(item, Frame):
                    continue
                if item.shard == 0:
                    feed.hear(item)
                if (panes := stores[item.shard].take([item])) is not None:
                    found = feed.close(END if panes.ended else panes.upto) if panes.shard == 0 else ()
                    yield replace(panes, early=tuple(found))
            if intake.ended:
                running.remove(intake)
    finally:
        for intake in intakes:
            intake.close()


def judge(city: City, settings: EngineSettings, stream: Iterable[Step]) -> Judged:
    """Run the city's monitors and its alert desk over a stream of steps."""
    layout = Layout(city, settings.shards)
    fast, slow = ([Bank(layout, shard, lane) for shard in range(layout.shards)] for lane in (Lane.FAST, Lane.PANE))
    desk = Desk(city, layout.shards)
    findings: list[Finding] = []
    events: list[AlertEvent] = []
    readings = late = dead = 0
    first = last = NEVER
    for item in stream:
        verdicts: Verdicts | None = None
        if isinstance(item, DeadLetter):
            dead += 1
        elif isinstance(item, Frame):
            readings += len(item)
            late += len(item.late) if item.late is not None else 0
            verdicts = fast[item.shard].fast(item) if len(item) else None
            if item.findings:
                found = (*item.findings, *(verdicts.findings if verdicts else ()))
                verdicts = Verdicts(item.shard, None, found, recorded=item.recorded)
        else:
            verdicts = slow[item.shard].panes(item)
            if len(item):
                low, high = int(item.ts.min()), int(item.ts.max())
                first, last = (low if first == NEVER else min(first, low)), max(last, high)
        if verdicts is not None:
            findings += (*verdicts.early, *verdicts.findings)
            events += desk.take(verdicts)
    findings.sort(key=lambda finding: finding.order)
    return Judged(tuple(findings), tuple(events), readings, late, dead, first, last)


class Tape:
    """A recording, decoded and ordered once, to be judged by as many monitors as one likes.

    It is held in memory: about 40 bytes a reading.
    """

    def __init__(self, city: City, settings: EngineSettings, source: Source) -> None:
        self.city, self.settings = city, settings
        self._steps: Sequence[Step] = tuple(steps(city, settings, source))

    def judge(self, monitors: Iterable[Monitor] | None = None) -> Judged:
        """What `monitors` make of it; None: the city's own."""
        city = self.city if monitors is None else replace(self.city, monitors=tuple(monitors))
        return judge(city, self.settings, self._steps)
