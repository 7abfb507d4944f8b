"""The owner of an embedded directory answers ClickHouse's HTTP interface for everybody else.

chdb lets one process open a directory. That process serves; others (a cluster's processes, the console, Grafana,
curl, a notebook) speak HTTP to it as they would to a ClickHouse server. See
https://clickhouse.com/docs/interfaces/http.

The standard library's threading server is enough here: a handful of clients on loopback, each request a blocking call
into the engine, which releases the GIL. To serve strangers or TLS, use a ClickHouse server, or put a reverse proxy in
front.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from socket import SHUT_RD, SHUT_RDWR
from types import TracebackType
from typing import Final

from domain.errors import ConfigError, Problem, SinkError
from sinks.clickhouse.client import PASSWORD_VARIABLE, Dsn, note_of
from sinks.clickhouse.engine import Engine
from sinks.clickhouse.handler import Server
from sinks.clickhouse.request import Account

__all__ = ["Account", "Serving"]

#: Seconds that queries have to finish once nothing more is served, and then to see that they are cancelled.
GRACE: Final = 2.0
PATIENCE: Final = 5.0


class Serving:
    """Serves one embedded directory while the `with` block runs. At its end what runs may finish, or is cancelled.

    ::

        with Serving("chdb:///var/lib/lifeline/clickhouse") as serving:
            print(serving.dsn)

    Parameters
    ----------
    dsn
        `chdb://...`; this process must be its owner, and may use it through `connect` at the same time.
    host, port
        Where to listen; port 0 takes a free one.
    user, password, readonly
        The account that others use; without a password, what LIFELINE_CLICKHOUSE_PASSWORD says.
    accounts
        Further accounts.

    Raises
    ------
    ConfigError
        When the DSN is of a server, or an account without a password would be open to the network.
    SinkError
        When another process holds the directory, or the port is taken; at the end, when a query could not be ended.
    """

    def __init__(
        self,
        dsn: str,
        host: str = "127.0.0.1",
        port: int = 8123,
        *,
        user: str = "default",
        password: str | None = None,
        readonly: bool = True,
        accounts: Sequence[Account] = (),
    ) -> None:
        target = Dsn.parse(dsn)
        if target.scheme != "chdb":
            raise ConfigError(
                [Problem("", "", "dsn", f"only an embedded directory (chdb://...) can be served, got {dsn!r}")]
            )
        if password is None:
            password = os.environ.get(PASSWORD_VARIABLE, "")
        accounts = (Account(user, password, not readonly), *accounts)
        if not _loopback(host) and not all(account.password for account in accounts):
            message = f"every account needs a password to listen on {host} (set {PASSWORD_VARIABLE})"
            raise ConfigError([Problem("", "", "password", message)])
        self._target = target
        self._address = (host, port)
        self._accounts = {account.user: account for account in accounts}
        self.user = user

    def __enter__(self) -> Serving:
        engine = Engine(self._target)
        try:
            self._server = Server(self._address, engine, self._accounts)
        except OSError as error:
            engine.close()
            raise SinkError(f"cannot listen on {self._address[0]}:{self._address[1]}: {error}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="clickhouse-http", daemon=True)
        self._thread.start()
        self._note = None
        if self._target.path != ":memory:":
            self._note = note_of(self._target.path)
            self._note.write_text(
                json.dumps({"host": self.host, "port": self.port, "user": self.user, "pid": os.getpid()}) + "\n"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._note is not None:
            self._note.unlink(missing_ok=True)
        server, engine = self._server, self._server.engine
        server.shutdown()
        server.server_close()
        self._thread.join()
        server.hang_up(SHUT_RD)
        done = engine.drained(GRACE)
        server.hang_up(SHUT_RDWR)  # an answer that nobody reads would never be through
        if not done and not engine.drained(PATIENCE, cancel=True):
            raise SinkError(f"a query in {self._target.path} could not be ended: the database was left open")
        engine.close()

    @property
    def host(self) -> str:
        """Address that is listened on."""
        return str(self._server.server_address[0])

    @property
    def port(self) -> int:
        """Port that is listened on."""
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """URL for browsers and curl."""
        return f"http://{self.host}:{self.port}"

    @property
    def dsn(self) -> str:
        """What others connect to."""
        return f"clickhouse://{self.user}@{self.host}:{self.port}/{self._target.database}"


def _loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"
