"""Bytes that arrive in pieces of any size, cut into lines without a Python object a line."""

from __future__ import annotations

from typing import Final

import numpy as np

from domain.records import Int64s

__all__ = ["LONGEST", "LineSplitter", "Lines"]

#: Bytes. A longer line is cut here and its rest dropped: it is longer than any decoder takes, so it ends as a dead
#: letter, and a stream without line ends cannot fill the memory.
LONGEST: Final = 32 * 1024 * 1024

#: A buffer and the bounds of its lines; their ends (LF or CRLF) are left out.
Lines = tuple[bytes, Int64s, Int64s]

_NONE: Final = np.empty(0, np.int64)


class LineSplitter:
    """Cuts a stream of bytes into lines; how the stream is cut into pieces does not matter.

    >>> lines = LineSplitter()
    >>> def show(found):
    ...     data, start, end = found
    ...     return [data[a:b] for a, b in zip(start.tolist(), end.tolist())]
    >>> show(lines.feed(b"ab\\r\\n\\ncd")), show(lines.feed(b"e")), show(lines.feed(b"f\\ng")), show(lines.finish())
    ([b'ab', b''], [], [b'cdef'], [b'g'])
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._tail: list[bytes] = []
        self._held = 0
        self._cut = False  # the line that is coming in was given out already, as far as it is kept

    def feed(self, piece: bytes) -> Lines:
        """The lines that `piece` completes."""
        if self._cut:
            stop = piece.find(b"\n") + 1
            if not stop:
                return b"", _NONE, _NONE
            self._cut = False
            piece = piece[stop:]
        stop = piece.rfind(b"\n") + 1
        if stop:
            data = b"".join((*self._tail, piece[:stop]))
            self._tail, self._held = [], 0
            self._keep(piece[stop:])
            return self._bounds(data)
        self._keep(piece)
        if self._held <= self._longest:
            return b"", _NONE, _NONE
        self._cut = True
        return self._rest()

    def finish(self) -> Lines:
        """The last line, where the stream ends without a line end."""
        return self._rest()

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._tail.append(piece)
            self._held += len(piece)

    def _rest(self) -> Lines:
        data = b"".join(self._tail)
        self._tail, self._held = [], 0
        return self._bounds(data + b"\n") if data else (b"", _NONE, _NONE)

    def _bounds(self, data: bytes) -> Lines:
        octets = np.frombuffer(data, np.uint8)
        line_end = np.flatnonzero(octets == ord("\n"))
        start = np.empty_like(line_end)
        start[0] = 0
        start[1:] = line_end[:-1] + 1
        carriage_return = (line_end > start) & (octets[line_end - 1] == ord("\r"))
        return data, start, np.minimum(line_end - carriage_return, start + self._longest)
