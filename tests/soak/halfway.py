"""A proxy before ClickHouse that lets half of an INSERT through, and no more."""

from __future__ import annotations

from socket import SHUT_RDWR, create_connection, create_server, socket
from threading import Event, Lock, Thread
from types import TracebackType

__all__ = ["Halfway"]


class Halfway:
    """Passes everything on, up to the middle of an INSERT's body; from then on nothing.

    Parameters
    ----------
    port
        Where ClickHouse's HTTP interface is, on loopback.
    inserts
        Which INSERT it is.

    Attributes
    ----------
    port
        Where the proxy listens.
    reached
        Set when half of that INSERT has been passed on.
    """

    def __init__(self, port: int, inserts: int) -> None:
        self._to, self._left = port, inserts
        self._lock = Lock()
        self._sockets: list[socket] = []
        self._server = create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.reached = Event()

    def __enter__(self) -> Halfway:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for sock in self._sockets:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            behind = create_connection(("127.0.0.1", self._to))
            self._sockets += [client, behind]
            Thread(target=self._pass, args=(client, behind, True), daemon=True).start()
            Thread(target=self._pass, args=(behind, client, False), daemon=True).start()

    def _pass(self, source: socket, target: socket, asks: bool) -> None:
        try:
            while data := source.recv(1 << 20):
                if self.reached.is_set():
                    return
                if asks and self._is_it(data):
                    while 0 <= data.find(b"\r\n\r\n") == len(data) - 4:  # the head came by itself
                        data += source.recv(1 << 20)
                    target.sendall(data[: self._half(data)])
                    self.reached.set()
                    return
                target.sendall(data)
            target.shutdown(SHUT_RDWR)
        except OSError:
            pass  # one of them is gone

    def _is_it(self, data: bytes) -> bool:
        if b"INSERT" not in data[:4096].upper():
            return False
        with self._lock:
            self._left -= 1
            return self._left == 0

    @staticmethod
    def _half(data: bytes) -> int:
        head = data.find(b"\r\n\r\n") + 4
        return head + (len(data) - head) // 2
