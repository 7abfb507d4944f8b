"""`lifeline console`: the desk as a web page."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from console.accounts import Accounts, Role
from console.database import serve_unowned
from domain.city_files import load_city
from domain.errors import ConfigError, Problem
from flows.desk import console_server, listening
from flows.logs import LogFormat, configure
from flows.options import DsnOption, LogOption
from sinks.clickhouse.client import DEFAULT_DSN

__all__ = ["console"]

ACCOUNTS: Final = Path("lifeline-data/console.sqlite")
JOURNAL: Final = Path("lifeline-data/actions.ndjson")

AccountsOption = Annotated[
    Path, typer.Option("--accounts", envvar="LIFELINE_ACCOUNTS", help="File of the console's users and sessions.")
]
RoleOption = Annotated[Role, typer.Option(help="What the user may do.")]
UserName = Annotated[str, typer.Argument(help="Small letters, digits and . _ -, such as li.na.")]

console = typer.Typer(help="The desk as a web page, and who may sign in there.", invoke_without_command=True)
user = typer.Typer(help="Who may sign in.", no_args_is_help=True)
console.add_typer(user, name="user")


@console.callback()
def serve(
    context: typer.Context,
    city: Annotated[str, typer.Option(help="Name of a shipped city, or a folder with city files.")] = "bozhou",
    dsn: DsnOption = DEFAULT_DSN,
    journal: Annotated[Path, typer.Option(help="Where actions are written for the engine.")] = JOURNAL,
    accounts: AccountsOption = ACCOUNTS,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8080,
    name: Annotated[
        list[str] | None, typer.Option(help="Further host name under which readers come, as behind a proxy.")
    ] = None,
    https: Annotated[bool, typer.Option("--https", help="Readers come by HTTPS, through a proxy before this.")] = False,
    log_format: LogOption = LogFormat.CONSOLE,
) -> None:
    """Serve the console until Ctrl-C or SIGTERM.

    It reads what the engine stores, and writes what people do into a journal that `lifeline city --journal` follows.
    """
    if context.invoked_subcommand is not None:
        return
    configure(log_format, news=True)
    people = Accounts(accounts)
    if not people.users():
        raise ConfigError(
            [Problem("", "", "--accounts", f"{accounts} knows no user yet: lifeline console user add NAME")]
        )
    registry = load_city(city)
    with serve_unowned(dsn) as alone:
        server = console_server(registry, dsn, journal, people, hosts=[host, *(name or ())], https=https)
        # The server ends by itself, then raises the signal once more: what was opened here is to be closed as well.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        with listening(host, port) as listener:
            address = f"http://{host}:{listener.getsockname()[1]}/"
            Console().print(f"{registry.name}: {address}{' (serving the database itself)' if alone else ''}")
            server.run(sockets=[listener])


@user.command()
def add(name: UserName, role: RoleOption = Role.OPERATOR, accounts: AccountsOption = ACCOUNTS) -> None:
    """Add a user, or give one a new password and role; the password is asked for, or read from a pipe."""
    people = Accounts(accounts)
    people.add(name, role, _password())
    typer.echo(f"{name} may sign in as {role}")


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


@user.command()
def remove(name: UserName, accounts: AccountsOption = ACCOUNTS) -> None:
    """Remove a user, who is signed out at once."""
    Accounts(accounts).remove(name)
    typer.echo(f"{name} may no longer sign in")


@user.command("list")
def list_(accounts: AccountsOption = ACCOUNTS) -> None:
    """Who may sign in, and as what."""
    for one in Accounts(accounts).users():
        typer.echo(f"{one.name}\t{one.role}")
