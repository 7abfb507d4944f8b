"""Options that several commands share, spelled as Bytewax's own where it has them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = [
    "Addresses",
    "Backup",
    "CityName",
    "DsnOption",
    "ProcessId",
    "Processes",
    "RecoveryDirectory",
    "ServePort",
    "SnapshotInterval",
    "Workers",
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
