"""`lifeline report`: pages for people, made of what is stored."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from clickhouse_connect.driver.client import Client

from domain.errors import ConfigError, Problem
from flows.commands.sql import reader
from flows.options import DsnOption
from reports.bridge import last_day, read_day, structures
from reports.page import bridge_page, index_page
from sinks.clickhouse.client import DEFAULT_DSN, Dsn

__all__ = ["bridge", "report"]

REPORTS: Final = Path("lifeline-data/reports")

report = typer.Typer(help="Reports as pages that need nothing else.", no_args_is_help=True)


@report.callback()
def _group() -> None:
    # With a callback a single command keeps its name.
    pass


@report.command()
def bridge(
    asset: Annotated[str, typer.Argument(help="Id of a bridge, viaduct, tunnel or slope.")] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Of every structure of which something is stored, and a page of them all.")
    ] = False,
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Day in the city's time zone; by default the last."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the page goes, or with --all the folder of pages; by default ASSET-DAY.html or structures-DAY "
            "in lifeline-data/reports."
        ),
    ] = None,
    dsn: DsnOption = DEFAULT_DSN,
) -> None:
    """Write the health report of one structure's day, or of all."""
    if bool(asset) == every:
        raise typer.BadParameter("expected the id of a structure, or --all")
    client = reader(Dsn.parse(dsn))
    try:
        chosen = day.date() if day else last_day(client)
        if every:
            typer.echo(_all(client, chosen, out or REPORTS / f"structures-{chosen}"))
            return
        page = bridge_page(read_day(client, asset, chosen))
    finally:
        client.close()
    typer.echo(_put(out or REPORTS / f"{asset}-{chosen}.html", page))


def _all(client: Client, day: date, folder: Path) -> Path:
    """A report each, and the page that leads to them; its path. Raises ConfigError where nothing is stored."""
    found = structures(client, day)
    if not found:
        raise ConfigError([Problem("", "", "--day", f"expected a day of which a structure is stored, got {day}")])
    names, city = {}, ""
    for health in found:
        read = read_day(client, health["asset"], day, health)
        city = read.city
        names[health["asset"]] = _put(folder / f"{health['asset']}.html", bridge_page(read)).name
    return _put(folder / "index.html", index_page(city, day, found, names))


def _put(path: Path, page: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path
