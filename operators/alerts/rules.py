"""What the desk of a city takes to belong together, and how much each sign counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from domain.clock import DAY, MINUTE, SECOND

__all__ = ["DEFAULT", "Rules"]


@dataclass(frozen=True)
class Rules:
    """Correlation and lifecycle as data. Durations in ns, lengths in m, weights from 0 to 1."""

    #: Two places of one zone belong together within this distance.
    radius: float = 300.0
    #: Two assets belong together, in whatever zones, when a path in one pipe network joins them within this length.
    pipe_length: float = 600.0

    #: Pressure waves in pipes: how fast they run, m/s, and its standard deviation as a part of it, ...
    wave_speed: float = 1000.0
    wave_speed_error: float = 0.05
    #: ... the standard deviation of an arrival, s, where readings are denser than it (clocks, picking), ...
    wave_error: float = 0.01
    #: ... and how far along the pipes two arrivals may be of one wave.
    wave_reach: float = 3000.0

    #: A camera's events of one type are one sign until so long has passed without another.
    video_quiet: int = 10 * MINUTE

    #: How much one sensor says by itself, ...
    sensor_weight: float = 0.5
    #: ... how much each further detector adds that finds the same on the same sensor, ...
    detector_weight: float = 0.2
    #: ... and a camera, times its confidence.
    camera_weight: float = 0.6
    #: What is left of a sensor's weight once it is found faulty while its alert is open, ...
    doubted: float = 0.2
    #: ... and of what rain explains as well.
    explained: float = 0.2
    #: How much rain adds where it may be the cause.
    rain_weight: float = 0.2
    #: What each sensor or camera that should see it and does not takes away, ...
    contrary: float = 0.1
    #: ... and how many of them count.
    contrary_most: int = 3

    #: By so many steps an alert is graver than its gravest sign asks, once a sensor and a camera agree ...
    agreement_steps: int = 1
    #: ... with at least this corroboration.
    agreement_score: float = 0.7

    #: Detectors of silence. What falls silent in one zone at one time has one cause, and so has what else they watch.
    silent: frozenset[str] = frozenset({"drop_out", "silence"})
    #: Kinds of fault that say nothing against what the sensor found before or after.
    harmless: frozenset[str] = frozenset({"drop-out"})
    #: How long a sensor is mistrusted after a fault of that reason has ended; reasons not named: not at all. To whoever
    #: has heard the same for long, the return is a jump for minutes.
    rest: Mapping[str, int] = field(
        default_factory=lambda: {
            "spike": 30 * SECOND,
            "out-of-range": 30 * SECOND,
            "stuck": 10 * MINUTE,
            "stuck-at-zero": 10 * MINUTE,
        }
    )
    #: A sensor that has had such a fault within this time ...
    wary: Mapping[str, int] = field(default_factory=lambda: {"spike": DAY})
    #: ... is believed once what it finds has lasted for so many of its readings: the next one tells a spike.
    wary_readings: float = 1.5

    #: At most one update of an alert in this time, unless its level changes.
    update_every: int = MINUTE
    #: An alert that comes back within this time of its clearing is flapping: ...
    flap_window: int = 10 * MINUTE
    #: ... the new one stays for at least this long after its last sign, twice as long with every return, ...
    flap_hold: int = MINUTE
    #: ... up to this.
    flap_hold_most: int = 32 * MINUTE

    #: At most so many sensors, cameras, clips, pieces of evidence and lines of support are carried by an alert.
    listed: int = 100


DEFAULT: Final = Rules()
