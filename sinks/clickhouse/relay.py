"""What is asked of an embedded directory goes to whoever owns it at the moment.

The owner, mostly an engine, answers ClickHouse's HTTP interface at an address of its own choice, and perhaps at another
one when it comes back. A relay stands at one address for Grafana and its like, and passes bytes on: who may ask what is
the owner's to say.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final

from domain.errors import SinkError
from sinks.clickhouse.client import Dsn, owner_of

__all__ = ["Relay"]

_PIECE: Final = 1 << 16

#: What a client is told while nobody owns the directory, as an engine that restarts.
_AWAY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"
    b"nobody serves the database at the moment\n"
)


class Relay:
    """Listens while the `with` block runs, and passes on what comes.

    Parameters
    ----------
    path
        The embedded directory.
    host, port
        Where to listen, on loopback; port 0 takes a free one. Raises SinkError when it is taken.
    """

    def __init__(self, path: str, host: str = "127.0.0.1", port: int = 8123) -> None:
        self._path, self._host, self._port = path, host, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        try:
            self._server = started.result()
        except OSError as error:
            self._end()
            raise SinkError(f"cannot listen on {self._host}:{self._port}: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._end()

    @property
    def port(self) -> int:
        """Port that is listened on."""
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def address(self) -> str:
        """URL for browsers and curl."""
        return f"http://{self._host}:{self.port}"

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, self._host, self._port)

    async def _stop(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            owner = owner_of(self._path)
            if owner is None:
                raise ConnectionRefusedError
            target = Dsn.parse(owner)
            there, back = await asyncio.open_connection(target.host, target.port)
        except OSError:
            with suppress(OSError):
                await reader.read(_PIECE)
                writer.write(_AWAY)
                await writer.drain()
            writer.close()
            return
        try:
            # A side that ends has said all it has to say; the other one may still speak.
            await asyncio.gather(_pass(reader, back), _pass(there, writer))
        finally:
            back.close()
            writer.close()


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(_PIECE):
            target.write(piece)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
