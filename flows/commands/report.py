"""`lifeline report`: pages for people, made of what is stored."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.sql import reader
from flows.options import DsnOption
from reports.bridge import last_day, read_day
from reports.page import bridge_page
from sinks.clickhouse.client import DEFAULT_DSN, Dsn

__all__ = ["bridge", "report"]

report = typer.Typer(help="Reports as pages that need nothing else.", no_args_is_help=True)


@report.callback()
def _group() -> None:
    # With a callback a single command keeps its name.
    pass


@report.command()
def bridge(
    asset: Annotated[str, typer.Argument(help="Id of a bridge, viaduct, tunnel or slope.")],
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Day in the city's time zone; by default the last."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the page goes; by default ASSET-DAY.html in lifeline-data/reports.")
    ] = None,
    dsn: DsnOption = DEFAULT_DSN,
) -> None:
    """Write the health report of one structure's day."""
    client = reader(Dsn.parse(dsn))
    try:
        chosen = day.date() if day else last_day(client)
        page = bridge_page(read_day(client, asset, chosen))
    finally:
        client.close()
    path = out or Path("lifeline-data/reports") / f"{asset}-{chosen}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    typer.echo(path)
