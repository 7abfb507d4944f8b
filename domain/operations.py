"""Findings about the stream itself, beside those about the city: what fails to arrive is found as any other trouble is.

An operational finding is a plain `Finding` of kind "operations". Its subject (a partition, a topic, the feed) stands
where others name a sensor, and its monitor is one of `MONITORS`, which every city has. It travels in a `Frame` of the
partition that it was found in, and so is counted in event time, stored and told as all findings are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from domain.city import Level
from domain.clock import MINUTE
from domain.findings import AlertEvent, Finding, Phase, Verdict
from domain.identity import identify
from domain.monitors import Monitor, Select

__all__ = [
    "FEED_SILENCE",
    "HEARTBEAT",
    "KIND",
    "LAG",
    "MONITORS",
    "OFFSET_GAP",
    "SILENCE",
    "gravest",
    "level",
    "operational",
    "repeated",
]

KIND: Final = "operations"

#: Offsets of a partition that were never delivered. Alerts of gaps that follow one another are one.
OFFSET_GAP: Final = Monitor("operations/offset-gap", "offset-gap", KIND, Select(), off_delay=5 * MINUTE)

#: A partition from which nothing comes any more.
SILENCE: Final = Monitor("operations/silence", "silence", KIND, Select(), off_delay=MINUTE)

#: No partition speaks: the city is not watched.
FEED_SILENCE: Final = Monitor("operations/feed-silence", "silence", KIND, Select(), off_delay=MINUTE)

MONITORS: Final = (OFFSET_GAP, SILENCE, FEED_SILENCE)

#: Kinds of alerts that the engine sends of itself (`operators/pulse.py`): it makes progress, and it is behind.
HEARTBEAT: Final = "heartbeat"
LAG: Final = "lag"

_REPEATED: Final = frozenset({HEARTBEAT, LAG})


def level(levels: Sequence[Level]) -> int:
    """The level of an operational alert: the mildest of the city's.

    >>> level((Level(1, "I"), Level(3, "III")))
    3
    """
    return max((level.rank for level in levels), default=1)


def gravest(levels: Sequence[Level]) -> int:
    """The level of what leaves the city unwatched: the gravest of the city's.

    >>> gravest((Level(1, "I"), Level(3, "III")))
    1
    """
    return min((level.rank for level in levels), default=1)


def repeated(record: object) -> bool:
    """Whether it is an alert event of the engine itself.

    These follow from the wall clock and not from the stream. So they are not stored; they are sent again and again, and
    each ends by itself at its `cleared` where the next one fails to come. None of them is worth a wait.
    """
    return isinstance(record, AlertEvent) and record.alert.kind in _REPEATED


def operational(
    monitor: Monitor,
    phase: Phase,
    subject: str,
    onset: int,
    ts: int,
    *,
    level: int,
    reason: str,
    value: float,
    threshold: float,
) -> Finding:
    """A record of an operational finding.

    Parameters
    ----------
    subject
        Partition, topic or feed.
    onset, ts
        When it began, and of this record, ns. A record must not be older than what is closed to its partition.
    reason
        What happened, for people.
    value, threshold
        What was measured, and the most that is right.
    """
    return Finding(
        id=identify("finding", monitor.name, subject, onset),
        phase=phase,
        monitor=monitor.name,
        detector=monitor.detector,
        config="",
        kind=monitor.kind,
        verdict=Verdict.FAULT,
        reason=reason,
        sensor=subject,
        ts=ts,
        known=ts,
        onset=onset,
        level=level,
        score=value,
        threshold=threshold,
        value=value,
        baseline=0.0,
    )
