"""The registry's sensor ids as a hash table that kernels can look names up in, straight from the bytes of a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from domain.records import Int32s, Int64s
from operators.decode.words import Text, address_of, load_int64, low_bytes, mul_fold, text_of, word

__all__ = ["Names", "find", "find_all", "name_table", "names_of"]

_FACTOR: Final = -0x61C8864680B583EB  # 2**64 over the golden ratio


class Names(NamedTuple):
    """A name table in memory, by address; whoever makes one keeps the table alive."""

    address: int
    mask: int


def name_table(ids: Sequence[str]) -> Int64s:
    """A hash table of `ids` in one block of words: open addressing with linear probing, at most half full.

    Word 0 is the number of slots, a power of two, less one. The slots follow: each holds the place of an entry, 0 where
    empty. An entry is the id's index, its length in bytes, and its UTF-8 bytes filled with zeros to whole words.
    """
    encoded = [name.encode() for name in ids]
    slots = 1 << max(4, (2 * len(encoded)).bit_length())
    entries = b"".join(
        i.to_bytes(8, "little") + len(name).to_bytes(8, "little") + name + bytes(-len(name) % 8)
        for i, name in enumerate(encoded)
    )
    table = np.concatenate([[slots - 1], np.zeros(slots, np.int64), np.frombuffer(entries, np.int64)])
    _fill(table, len(encoded))
    return table


@njit(nogil=True, cache=True, forceinline=True)
def names_of(table: Int64s) -> Names:
    """The names of a table."""
    return Names(address_of(table) + 8, table[0])


@njit(nogil=True, cache=True, forceinline=True)
def _hash(text: Text, p: int, n: int) -> int:
    found = n
    for q in range(0, n, 8):
        found = mul_fold(found ^ low_bytes(word(text, p + q), n - q), _FACTOR)
    return found


@njit(nogil=True, cache=True)
def _fill(table: Int64s, count: int) -> None:
    text = text_of(table.view(np.uint8))
    mask = table[0]
    entry = mask + 2
    for _ in range(count):
        length = table[entry + 1]
        at = _hash(text, (entry + 2) * 8, length) & mask
        while table[1 + at] != 0:
            at = (at + 1) & mask
        table[1 + at] = entry
        entry += 2 + ((length + 7) >> 3)


@njit(nogil=True, cache=True, forceinline=True)
def find(names: Names, text: Text, p: int, n: int) -> int:
    """Index of the id that stands in the `n` bytes of `text` from `p` on; -1 when it is none of the registry's."""
    at = _hash(text, p, n) & names.mask
    place = load_int64(names.address + 8 * at)
    while place != 0:
        entry = names.address + 8 * (place - 1)
        if load_int64(entry + 8) == n:
            q = 0
            while q < n and load_int64(entry + 16 + q) == low_bytes(word(text, p + q), n - q):
                q += 8
            if q >= n:
                index: int = load_int64(entry)
                return index
        at = (at + 1) & names.mask
        place = load_int64(names.address + 8 * at)
    return -1


@njit(nogil=True, cache=True)
def find_all(table: Int64s, data: npt.NDArray[np.uint8], bound: Int64s) -> Int32s:
    """Index of each id `data[bound[i]:bound[i + 1]]`, -1 where unknown. Shape (len(bound) - 1,)."""
    names, text = names_of(table), text_of(data)
    found = np.empty(len(bound) - 1, np.int32)
    for i in range(len(found)):
        found[i] = find(names, text, bound[i], bound[i + 1] - bound[i])
    return found
