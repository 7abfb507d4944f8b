"""What a data scientist names as a recording: files, a folder of them, or the readings that a database keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from domain.city import City
from domain.city_files import load_city, shipped_cities
from domain.clock import TS_MAX, TS_MIN
from domain.errors import ConfigError, LifelineError, Problem
from domain.streams import Source
from operators.decode import Decoder
from sinks.clickhouse.client import connect
from sources.clickhouse import open_readings
from sources.recorded import files_of, open_recording

__all__ = ["city_of", "is_database", "opened", "records_of"]

_DATABASES = ("chdb:", "clickhouse://", "http://", "https://")


def is_database(recording: str) -> bool:
    """Whether a text is the DSN of a database rather than a path.

    >>> is_database("clickhouse://ann@db.city/lifeline"), is_database("recordings/monday")
    (True, False)
    """
    return recording.startswith(_DATABASES)


def records_of(recording: str) -> list[str]:
    """The single records that a text names: the database, or each file of a folder; raises SourceError for none."""
    return [recording] if is_database(recording) else [str(file) for file in files_of(Path(recording))]


@contextmanager
def opened(
    record: str,
    city: City,
    *,
    since: int = TS_MIN,
    until: int = TS_MAX,
    sensors: Sequence[str] = (),
    batch: int | None = None,
    speed: float | None = None,
) -> Iterator[Source]:
    """Open one record for a block of code.

    Parameters
    ----------
    record
        As `records_of` gives it.
    city
        Its sensors are read from a database; its `recording` says how a CSV file is read.
    since, until, sensors
        Of a database: event times to read, ns, and ids; empty: all.
    batch
        Most messages in one poll; no result depends on it.
    speed
        Times real time; None: as fast as it goes.

    Raises SourceError, and SinkError where the database does not answer.
    """
    if not is_database(record):
        yield open_recording(record, city, batch=batch or 4096, speed=speed)
        return
    client = connect(record)
    try:
        yield open_readings(client, since=since, until=until, sensors=sensors, batch=batch or 65_536, speed=speed)
    finally:
        client.close()


def city_of(recording: str, among: Sequence[str] | None = None) -> str:
    """Name of the shipped city whose sensors a recording's first readings are of; raises ConfigError where none fits.

    Parameters
    ----------
    among
        Names or folders of cities to try; None: those that come with Lifeline.
    """
    record = records_of(recording)[0]
    best, most = "", 0
    for name in among if among is not None else tuple(shipped_cities()):
        city = load_city(name)
        try:
            with opened(record, city) as source:
                rows = _first_rows(source, city)
        except LifelineError:  # another format
            continue
        if rows > most:
            best, most = name, rows
    if not best:
        message = "expected a recording of a shipped city's sensors; name its city otherwise"
        raise ConfigError([Problem(recording, "", "city", message)])
    return best


def _first_rows(source: Source, city: City) -> int:
    partition = source.open(source.partitions()[0], None)
    try:
        batch = partition.poll()
        return len(Decoder(city).decode(batch)) if batch is not None else 0
    except StopIteration:
        return 0
    finally:
        partition.close()
