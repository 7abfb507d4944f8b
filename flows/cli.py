"""The `lifeline` command."""

from __future__ import annotations

import sys

from domain.kernel_cache import use_kernel_cache

use_kernel_cache()  # before numba is imported, so before anything else of ours is

import typer

from flows.commands.check import check
from flows.commands.city import city
from flows.commands.clickhouse import clickhouse
from flows.commands.compare import compare
from flows.commands.console import console
from flows.commands.demo import demo
from flows.commands.dlq import dlq
from flows.commands.doctor import doctor
from flows.commands.record import record
from flows.commands.rehearse import rehearse
from flows.commands.replay import replay
from flows.commands.report import report
from flows.commands.review import review
from flows.commands.score import score
from flows.commands.simulate import simulate
from flows.commands.sql import sql
from flows.commands.tune import tune
from flows.logs import configure, fail
from flows.run import cause

__all__ = ["app", "main"]

app = typer.Typer(
    name="lifeline",
    help="Watch a city's gas, water, drains and bridges: streams in, few graded alerts out, everything in ClickHouse.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    city,
    replay,
    review,
    demo,
    check,
    doctor,
    sql,
    record,
    simulate,
    rehearse,
    score,
    tune,
    compare,
):
    app.command()(command)
app.add_typer(clickhouse, name="clickhouse")
app.add_typer(dlq, name="dlq")
app.add_typer(report, name="report")
app.add_typer(console, name="console")


def main() -> None:
    """Run the command line; what we raise on purpose is one clear message and exit code 1."""
    configure()
    try:
        app()
    except Exception as error:
        ours = cause(error)
        if ours is None:
            raise
        fail(str(ours))
        sys.exit(1)


if __name__ == "__main__":
    main()
