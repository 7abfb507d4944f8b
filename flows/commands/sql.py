"""`lifeline sql`: one query, readable."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from clickhouse_connect.driver.client import Client
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.errors import SinkError
from sinks.clickhouse.client import DEFAULT_DSN, Dsn, connect, owner_of, translated

__all__ = ["OutputFormat", "reader", "run", "sql"]


class OutputFormat(StrEnum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"  # one object a line
    CSV = "csv"
    ARROW = "arrow"  # an Arrow IPC stream


_RAW = {OutputFormat.JSON: "JSONEachRow", OutputFormat.CSV: "CSVWithNames", OutputFormat.ARROW: "ArrowStream"}


def sql(
    query: Annotated[str, typer.Argument(help="The query, in ClickHouse's SQL.")],
    dsn: Annotated[str, typer.Option(envvar="LIFELINE_DSN", help="Where the results are.")] = DEFAULT_DSN,
    format: Annotated[
        OutputFormat, typer.Option("--format", "-f", help="How to write the result.")
    ] = OutputFormat.TABLE,
) -> None:
    """Ask the database of results."""
    run(query, dsn, format)


def run(query: str, dsn: str, format: OutputFormat = OutputFormat.TABLE) -> None:
    """Run one query and write its result to standard output. Raises SinkError, SinkRefused or ConfigError."""
    client = reader(Dsn.parse(dsn))
    try:
        with translated():
            if format is OutputFormat.TABLE:
                _table(client.raw_query(query, fmt="JSONCompactStringsEachRowWithNamesAndTypes"))
            else:
                result = client.raw_query(query, fmt=_RAW[format])
                sys.stdout.flush()
                sys.stdout.buffer.write(_utf8(result) if format is OutputFormat.JSON else result)
                sys.stdout.buffer.flush()
    finally:
        client.close()


def reader(target: Dsn) -> Client:
    """Open a database to read it: that of an embedded directory through whoever owns it. Raises SinkError."""
    if target.scheme != "chdb" or target.path == ":memory:":
        return connect(target)
    owner = owner_of(target.path)
    if owner is not None:
        # An engine runs here, or one was killed and left its note: then the directory is free.
        try:
            return connect(replace(Dsn.parse(owner), database=target.database))
        except SinkError as answer:
            try:
                return connect(target)
            except SinkError:
                raise SinkError(f"the owner of {target.path} at {owner} refuses: {answer}") from answer
    if not Path(target.path).is_dir():
        raise SinkError(
            f"there is no database at {target.path} yet; run `lifeline demo` first, or name another with --dsn"
        )
    return connect(target)


def _utf8(text: bytes) -> bytes:
    """JSON as it must be: the payload of a dead letter may hold any bytes."""
    return text.decode(errors="replace").encode()


def _table(lines: bytes) -> None:
    console = Console()
    rows = [json.loads(line) for line in _utf8(lines).splitlines()]
    if not rows:
        console.print("[dim]done[/dim]")
        return
    names, types, *values = rows
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, type_ in zip(names, types, strict=True):
        numeric = type_.removeprefix("Nullable(").startswith(("Int", "UInt", "Float", "Decimal"))
        table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in values:
        table.add_row(*(Text("" if cell is None else cell) for cell in row))
    console.print(table)
    console.print(f"[dim]{len(values)} row{'' if len(values) == 1 else 's'}[/dim]")
