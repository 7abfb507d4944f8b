"""Where a command reads from: one text names any source.

kafka://broker:9092,broker2:9092/topic,topic2     Apache Kafka, or what speaks its protocol
simulator:                                        the simulated city (see `lifeline simulate --help`)
-                                                 lines of standard input
PATH                                              a recording: a file or a folder
"""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Event
from urllib.parse import parse_qsl, urlsplit

from domain import metrics
from domain.city import City
from domain.clock import MINUTE
from domain.errors import ConfigError, Problem
from domain.streams import Source
from simulators.scenario import demo, random
from simulators.source import SimulatedCity
from sources.journal import WithJournal
from sources.kafka import KafkaSource, parse_start
from sources.pipe import PipeSource
from sources.recorded import BATCH, open_recording

__all__ = ["is_live", "open_stream"]

log = logging.getLogger(__name__)


def is_live(stream: str) -> bool:
    """Whether recorded time is the present, and so ticks with the wall clock; a simulated city has a day of its own."""
    return stream == "-" or stream.startswith("kafka://")


def open_stream(
    stream: str,
    city: City,
    *,
    batch: int = BATCH,
    speed: float | None = None,
    until_end: bool = False,
    stop: Event | None = None,
    journal: Path | None = None,
) -> Source:
    """Open the source that `stream` names.

    Parameters
    ----------
    batch
        Most messages in one poll of a recording; no result depends on it.
    speed
        Times real time, for a recording or the simulator; None: as fast as it goes.
    until_end
        Stop at the end that a Kafka topic has now.
    stop
        Until it is set, a Kafka topic that is not there yet is waited for; None: that is an error.
    journal
        What people do, read beside the stream: followed for as long as that goes on, or up to its present end.

    Raises ConfigError where the text fits none of the forms, SourceError where the source cannot be opened.
    """
    source = _open(stream, city, batch, speed, until_end, stop)
    if journal is None:
        return source
    return WithJournal(source, journal, follow=not until_end, live=is_live(stream))


def _open(stream: str, city: City, batch: int, speed: float | None, until_end: bool, stop: Event | None) -> Source:
    if stream == "-":
        return PipeSource()
    if stream.startswith("kafka://"):
        parts = urlsplit(stream)
        topics = [topic for topic in parts.path.strip("/").split(",") if topic]
        if not parts.netloc or not topics:
            raise _wrong(stream, "expected kafka://BROKER:PORT/TOPIC")
        options = _options(stream, parts.query, {"start", "gaps"})
        start = parse_start(options.get("start", "earliest"))
        gaps = options.get("gaps", "alert")
        if gaps not in ("alert", "expected"):
            raise _wrong(stream, f"expected gaps=alert or gaps=expected, got gaps={gaps}")
        return KafkaSource(
            parts.netloc,
            topics,
            start=start,
            until_end=until_end,
            on_gap=_count_gap,
            gapless=gaps == "alert",
            stop=None if until_end else stop,
        )
    if stream.startswith("simulator:"):
        options = _options(stream, stream.partition("?")[2], {"seed", "minutes"})
        seed = _whole(stream, options.get("seed", "1"))
        minutes = options.get("minutes")
        if speed is not None and not speed > 0:
            raise _wrong(stream, f"expected a speed above 0, got {speed}")
        scenario = demo(city, seed) if minutes is None else random(city, _whole(stream, minutes) * MINUTE, seed=seed)
        return SimulatedCity(scenario, speed=speed)
    return open_recording(Path(stream), city, batch=batch, speed=speed)


def _count_gap(partition: str, missing: int) -> None:
    metrics.OFFSET_GAPS.labels(partition).inc(missing)
    log.warning("%s: %d offsets are missing (compaction, aborted transactions or retention)", partition, missing)


def _options(stream: str, query: str, known: set[str]) -> dict[str, str]:
    options = dict(parse_qsl(query))
    if unknown := sorted(options.keys() - known):
        raise _wrong(stream, f"expected only {', '.join(sorted(known))} behind the '?', got {', '.join(unknown)}")
    return options


def _whole(stream: str, text: str) -> int:
    if not text.isdecimal():
        raise _wrong(stream, f"expected a whole number, got {text!r}")
    return int(text)


def _wrong(stream: str, message: str) -> ConfigError:
    return ConfigError([Problem("", "", f"stream {stream}", message)])
