"""Kernels that write messages as bytes, straight from columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from domain.records import Int32s, Int64s

__all__ = ["PACKET", "RAW", "READING", "Messages", "Templates", "encode"]

Bytes = npt.NDArray[np.uint8]

#: What a message is: one reading, a packet of readings of one sensor, or bytes made elsewhere.
READING: Final = 0
PACKET: Final = 1
RAW: Final = 2

#: The most bytes that an integer takes, and that a reading's or packet's fixed parts take beside the sensor's id.
_DIGITS: Final = 21
_FIXED: Final = 96


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages as columns. Of a reading or packet `first` and `count` are rows, of raw bytes their place in `raw`."""

    kind: npt.NDArray[np.uint8]
    first: Int64s
    count: Int64s
    slot: Int32s  # of the sensor
    recorded: Int64s  # ms after the scenario's start

    @classmethod
    def join(cls, parts: Sequence[Messages]) -> Messages:
        """All messages, part after part."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in cls.__slots__))

    def take(self, index: Int64s) -> Messages:
        """The messages at `index`, in its order."""
        return Messages(*(getattr(self, name)[index] for name in Messages.__slots__))

    def __len__(self) -> int:
        return len(self.kind)


class Templates:
    """What never changes in the messages of each sensor, by slot: up to its id, and its rate in a packet."""

    def __init__(self, ids: Sequence[str], hertz: Sequence[int]) -> None:
        heads = [b'{"sensor":"' + id.encode() + b'","t' for id in ids]
        rates = [b',"hz":%d,"v":[' % hz for hz in hertz]
        self.head, self.head_at = _flat(heads)
        self.rate, self.rate_at = _flat(rates)


def _flat(texts: Sequence[bytes]) -> tuple[Bytes, Int64s]:
    at = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=at[1:])
    return np.frombuffer(b"".join(texts) or b" ", np.uint8), at


@njit(nogil=True, cache=True)
def _copy(out: Bytes, at: int, source: Bytes, begin: int, end: int) -> int:
    for i in range(begin, end):
        out[at + i - begin] = source[i]
    return at + end - begin


@njit(nogil=True, cache=True)
def _decimal(out: Bytes, at: int, number: int, decimals: int) -> int:
    """Write `number / 10**decimals` with exactly so many digits after the point."""
    if number < 0:
        out[at] = 45  # -
        at += 1
        number = -number
    length, rest = 1, number // 10
    while rest > 0:
        rest //= 10
        length += 1
    length = max(length, decimals + 1) + (1 if decimals > 0 else 0)
    point = at + length - 1 - decimals if decimals > 0 else -1
    for i in range(at + length - 1, at - 1, -1):
        if i == point:
            out[i] = 46  # .
        else:
            out[i] = 48 + number % 10
            number //= 10
    return at + length


@njit(nogil=True, cache=True)
def _write(
    kind: npt.NDArray[np.uint8],
    first: Int64s,
    count: Int64s,
    slot: Int32s,
    head: Bytes,
    head_at: Int64s,
    rate: Bytes,
    rate_at: Int64s,
    ts: Int64s,
    number: Int64s,
    decimals: npt.NDArray[np.int8],
    raw: Bytes,
    text: Bytes,
    out: Bytes,
    start: Int64s,
    end: Int64s,
) -> int:
    at = 0
    for i in range(len(kind)):
        start[i] = at
        if kind[i] == 2:
            at = _copy(out, at, raw, first[i], first[i] + count[i])
        else:
            s = slot[i]
            at = _copy(out, at, head, head_at[s], head_at[s + 1])
            if kind[i] == 0:
                at = _copy(out, at, text, 0, 3)  # s":
                at = _decimal(out, at, ts[first[i]], 0)
                at = _copy(out, at, text, 3, 12)  # ,"value":
                at = _decimal(out, at, number[first[i]], decimals[s])
            else:
                at = _copy(out, at, text, 12, 15)  # 0":
                at = _decimal(out, at, ts[first[i]], 0)
                at = _copy(out, at, rate, rate_at[s], rate_at[s + 1])
                for r in range(first[i], first[i] + count[i]):
                    at = _decimal(out, at, number[r], decimals[s])
                    out[at] = 44  # ,
                    at += 1
                out[at - 1] = 93  # ]
            out[at] = 125  # }
            at += 1
        end[i] = at
    return at


_TEXT: Final = np.frombuffer(b's":,"value":0":', np.uint8)


def encode(
    messages: Messages,
    templates: Templates,
    ts: Int64s,
    number: Int64s,
    decimals: npt.NDArray[np.int8],
    raw: bytes,
) -> tuple[bytes, Int64s, Int64s]:
    """Write messages one after the other; return the bytes, and where each message starts and ends.

    Parameters
    ----------
    messages, templates
        What to write.
    ts
        Epoch milliseconds of every row.
    number
        Value of every row in units of its sensor's last digit.
    decimals
        Digits after the point, of every slot.
    raw
        What raw messages refer to.
    """
    made = messages.kind != RAW
    fixed = _FIXED + int(np.diff(templates.head_at).max(initial=0))
    room = int(messages.count[made].sum()) * _DIGITS + int(made.sum()) * fixed + int(messages.count[~made].sum())
    out = np.empty(room, np.uint8)
    start, end = np.empty(len(messages), np.int64), np.empty(len(messages), np.int64)
    size = _write(
        messages.kind,
        messages.first,
        messages.count,
        messages.slot,
        templates.head,
        templates.head_at,
        templates.rate,
        templates.rate_at,
        ts,
        number,
        decimals,
        np.frombuffer(raw or b" ", np.uint8),
        _TEXT,
        out,
        start,
        end,
    )
    return out[:size].tobytes(), start, end
