"""Options that several commands share, spelled as Bytewax's own where it has them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from domain.clock import SECOND
from domain.units import nanoseconds
from flows.logs import LogFormat

__all__ = [
    "Addresses",
    "Backup",
    "CityName",
    "DsnOption",
    "LogOption",
    "ProcessId",
    "Processes",
    "RecoveryDirectory",
    "ServePort",
    "SnapshotInterval",
    "WarmUp",
    "Workers",
    "duration",
    "moment",
]

CityName: TypeAlias = Annotated[str, typer.Argument(help="Name of a shipped city, or a folder with city files.")]
DsnOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--dsn",
        envvar="LIFELINE_DSN",
        help="Database: chdb:///directory (embedded) or clickhouse://user@host:port/database.",
    ),
]
LogOption: TypeAlias = Annotated[
    LogFormat, typer.Option("--log", envvar="LIFELINE_LOG", help="How log lines are written to standard error.")
]
ServePort: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--serve-port", help="Loopback port on which the embedded database answers others meanwhile; 0: any free one."
    ),
]
Workers: TypeAlias = Annotated[
    int, typer.Option("--workers-per-process", "-w", min=1, help="Worker threads in this process.")
]
ProcessId: TypeAlias = Annotated[
    int | None, typer.Option("--process-id", "-i", min=0, help="Number of this process in a cluster, from 0.")
]
Addresses: TypeAlias = Annotated[
    str, typer.Option("--addresses", "-a", help="host:port of every process of the cluster, joined by ';'.")
]
Processes: TypeAlias = Annotated[
    int, typer.Option("--processes", "-p", min=1, help="Start a cluster of so many processes on this machine.")
]
RecoveryDirectory: TypeAlias = Annotated[
    Path, typer.Option("--recovery-directory", "-r", help="Where state is kept between runs.")
]
SnapshotInterval: TypeAlias = Annotated[
    float, typer.Option("--snapshot-interval", "-s", min=0, help="Seconds between snapshots.")
]
Backup: TypeAlias = Annotated[
    float, typer.Option("--backup-interval", "-b", min=0, help="Seconds for which old snapshots are kept for backups.")
]


def duration(text: str) -> int:
    """A duration of the command line in ns.

    >>> duration("2 min")
    120000000000
    """
    try:
        return nanoseconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def moment(when: datetime | None, default: int) -> int:
    """A time of the command line, UTC, in ns; `default` where none was given."""
    return default if when is None else int(when.replace(tzinfo=UTC).timestamp()) * SECOND


WarmUp: TypeAlias = Annotated[
    int | None,
    typer.Option(
        parser=duration,
        metavar="DURATION",
        help="How long before the first change detectors begin, such as '1 d'; by default with all that is stored.",
    ),
]
