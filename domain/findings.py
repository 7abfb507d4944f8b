"""What is found: findings of detectors, events of cameras, and the alerts that are made of them.

Levels are numbers of the city's own scale, 1 the gravest (Bozhou has 1 to 3, emergency plans 1 to 4).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from operator import attrgetter
from uuid import UUID

import numpy as np
import numpy.typing as npt

from domain.traces import Trace

__all__ = ["Alert", "AlertEvent", "AlertEventType", "Finding", "Phase", "Samples", "Verdict", "VideoEvent"]


class Phase(StrEnum):
    """Where in its life a finding is."""

    ONSET = "onset"
    CHANGE = "change"  # the grade changed
    END = "end"


_PHASES = {phase: rank for rank, phase in enumerate(Phase)}


class Verdict(StrEnum):
    """What a finding takes its cause to be."""

    EVENT = "event"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Samples:
    """Readings of one sensor, oldest first, as the bytes of their columns: findings are kept and sent in numbers.

    >>> Samples(np.array([5, 6]).tobytes(), np.array([0.5, 1.5]).tobytes()).columns()
    (array([5, 6]), array([0.5, 1.5]))
    """

    ts: bytes = b""  # int64, ns
    value: bytes = b""  # float64

    def columns(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Times, ns, and values."""
        return np.frombuffer(self.ts, np.int64), np.frombuffer(self.value, np.float64)


@dataclass(frozen=True, slots=True)
class Finding:
    """A detector says that a sensor is abnormal, is abnormal in another grade, or is normal again.

    All records of one abnormality share the `id`, made of monitor, configuration, sensor and onset. Each carries what
    it takes to judge it anew: what was measured, what the detector made of it, and with which parameters.
    """

    id: UUID
    phase: Phase
    monitor: str
    detector: str
    config: str  # hash of detector and parameters
    kind: str  # what it is a sign of, in the city's vocabulary: "gas-leak", "water-burst", "sensor-fault", ...
    verdict: Verdict
    reason: (
        str  # of a fault: "stuck", "spike", "drop-out", "out-of-range"; of an event: the detector's words, may be empty
    )
    sensor: str
    ts: int  # event time of this record
    known: int  # event time at which it became known: never before ts; results are ordered by it
    onset: int
    level: int  # city level, 1 gravest; 0 when none is asked for (evidence only)
    score: float
    threshold: float
    value: float
    baseline: float
    params: str = ""  # the detector's, all of them, as JSON that says them as a file does
    samples: Samples = Samples()  # the sensor's latest readings before `ts`, up to 32

    @property
    def order(self) -> tuple[int, int, str, str, int, int, str]:
        """The order in which findings count, whatever way they came.

        Of one monitor and sensor at one time the older abnormality comes first, and each begins before it ends.
        """
        return (self.known, self.ts, self.sensor, self.monitor, self.onset, _PHASES[self.phase], str(self.id))

    def without_samples(self) -> Finding:
        """The same, for whoever holds many and looks at no samples."""
        return Finding(*_WITHOUT_SAMPLES(self))


_WITHOUT_SAMPLES = attrgetter(*(field.name for field in fields(Finding) if field.name != "samples"))


@dataclass(frozen=True, slots=True)
class VideoEvent:
    """An AI camera's event."""

    id: UUID  # of camera, ts and type
    camera: str
    ts: int
    type: str  # "waterlogging", "fire", "road-blocked", "street-vending", "heavy-truck", ...
    confidence: float  # 0 to 1
    place: str
    clip: str  # reference of the clip, may be empty
    known: int = 0  # as in Finding; set where the record enters

    @property
    def order(self) -> tuple[int, int, str, float, str, str]:
        """The order in which video events count, whatever way they came; by all they say, should two bear one id."""
        return (self.known, self.ts, str(self.id), self.confidence, self.place, self.clip)


class AlertEventType(StrEnum):
    """What happened to an alert; the names of what people do are those of OPC UA Part 9 where it has one."""

    RAISED = "raised"
    UPDATED = "updated"  # more evidence, same level
    ESCALATED = "escalated"  # a graver level: whoever acknowledged or shelved it did so to another one
    CLEARED = "cleared"
    AMENDED = "amended"  # readings that came late show it to have been otherwise
    WITHDRAWN = "withdrawn"  # ... or not to have been at all
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"  # by somebody, or its time is over
    SUPPRESSED = "suppressed"  # all that speaks for it is in maintenance or out of service
    RESUMED = "resumed"  # it is not any more
    OVERDUE = "overdue"  # nobody has acknowledged it in time
    REALARMED = "re-alarmed"  # it was acknowledged, and is still active after a long time
    JUDGED = "judged"  # a true or a false alarm
    CLOSED = "closed"  # there is no more to do about it


@dataclass(frozen=True, slots=True)
class Alert:
    """Findings and video events of one cause at one place, as it stands after its latest event."""

    id: UUID  # of kind, place, onset and the city's configuration
    kind: str
    level: int
    active: bool
    onset: int  # ns, earliest sign
    raised: int
    updated: int
    cleared: int  # 0 while active
    zone: str
    asset: str
    place: str
    lon: float
    lat: float
    owner: str  # responsible unit
    urgent: bool  # pushed point to point at once
    corroboration: float  # 0 to 1: how sure, from the independent signs that agree
    summary: str  # one line for the desk
    sensors: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    evidence: tuple[UUID, ...] = ()  # ids of findings and video events, in order
    support: tuple[str, ...] = ()  # what speaks for it, in words
    against: tuple[str, ...] = ()  # what speaks against it, in words
    reports: tuple[UUID, ...] = ()  # of citizens and inspectors: ids, in order
    cause: UUID | None = None  # the alert that this one is a consequence of: people hear of that one instead
    pipe: str = ""  # where the signs place the cause, more exactly than the asset; lon and lat are there then
    offset: float = 0.0  # m from the start of the pipe
    radius: float = 0.0  # m: the cause is within it, along the pipes, with a probability of 90 %
    acknowledged: int = 0  # when, ns; 0: by nobody
    acknowledged_by: str = ""
    shelved_until: int = 0  # ns; 0: it is not
    shelved_by: str = ""
    suppressed: bool = False  # all that speaks for it is in maintenance or out of service
    latched: bool = False  # it stays at the desk after it has cleared, until somebody closes it
    closed: int = 0  # when, ns
    judged: str = ""  # "true" or "false" alarm; empty: by nobody
    rules: tuple[str, ...] = ()  # names of the rules of the city's policy that made it so grave; empty: its signs did
    #: What its first signs saw. No part of what an alert is: two that differ in nothing else are equal.
    traces: tuple[Trace, ...] = field(default=(), compare=False)

    def handled_as(self, other: Alert) -> Alert:
        """The same, with what people have made of `other`."""
        return replace(self, **{name: getattr(other, name) for name in _HANDLED})

    @property
    def quiet(self) -> bool:
        """Whether people want to hear nothing of it for now."""
        return self.suppressed or self.shelved_until > 0 or self.cause is not None


_HANDLED = (
    "acknowledged", "acknowledged_by", "shelved_until", "shelved_by", "suppressed", "latched", "closed", "judged"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One step in the life of an alert; the alert's state is carried along, so that the last event is the state.

    A revision says what an alert should have been: it counts as coming after the event whose `seq` it bears.
    """

    id: UUID  # of alert, seq and revision
    seq: int  # 0, 1, 2, ... within the alert
    type: AlertEventType
    ts: int  # event time at which the desk could know
    alert: Alert
    revision: int = 0  # 1, 2, ... of that seq; 0: the desk's own step
    note: str = ""  # of a revision: why, and what changed
    notify: tuple[str, ...] = ()  # ids of units that it goes to besides the alert's owner
