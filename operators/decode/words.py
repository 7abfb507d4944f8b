"""Eight bytes at a time: what the scanners need of the processor and numba does not offer by itself.

A word is eight bytes of a buffer as a little-endian int64; its lowest byte is the first one. Words are signed because
numba turns a sum of int64 and uint64 into a float.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic as _intrinsic

__all__ = [
    "Text",
    "address_of",
    "ascii_word",
    "intrinsic",
    "leading_zeros",
    "load_float",
    "load_int32",
    "load_int64",
    "low_bytes",
    "mul_fold",
    "mul_high",
    "store_float",
    "text_of",
    "trailing_zeros",
    "word",
]

if sys.byteorder != "little":  # pragma: no cover
    raise ImportError("the scanners read words in little-endian order, which this processor does not use")

_WORD = ir.IntType(64)
intrinsic: Any = _intrinsic  # whose calls have other arguments than the functions it decorates


class Text(NamedTuple):
    """Bytes in memory, by address: passing an array from function to function would count references on the way.

    Whoever makes one keeps the array alive.
    """

    address: int
    size: int


@njit(nogil=True, cache=True, forceinline=True)
def address_of(array: npt.NDArray[Any]) -> int:
    """Where a contiguous array begins."""
    return np.int64(array.ctypes.data)  # type: ignore[return-value]


@njit(nogil=True, cache=True, forceinline=True)
def text_of(data: npt.NDArray[np.uint8]) -> Text:
    """The bytes of a contiguous array."""
    return Text(address_of(data), len(data))


def _load(number: Any) -> Any:
    """An intrinsic that reads a `number` at an address, which need not be aligned."""

    @intrinsic
    def load(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = context.get_value_type(number)
            return builder.load(builder.inttoptr(args[0], kind.as_pointer()), align=1, typ=kind)

        return number(types.int64), generate

    return load


load_int64 = _load(types.int64)
load_int32 = _load(types.int32)
load_float = _load(types.float64)
_load_byte = _load(types.uint8)


@intrinsic
def store_float(typing_context: Any, address: Any, value: Any) -> Any:
    """Write a double to an aligned address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], args[1].type.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64, types.float64), generate


@intrinsic
def trailing_zeros(typing_context: Any, value: Any) -> Any:
    """How many of the lowest bits are 0; 64 for 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), generate


@intrinsic
def leading_zeros(typing_context: Any, value: Any) -> Any:
    """How many of the highest bits are 0; 64 for 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


def _product(builder: Any, args: Any) -> tuple[Any, Any]:
    """The upper and lower half of the unsigned product of two 64-bit numbers."""
    wide = ir.IntType(128)
    product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
    return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), _WORD), builder.trunc(product, _WORD)


@intrinsic
def mul_high(typing_context: Any, a: Any, b: Any) -> Any:
    """The upper 64 bits of the product of two uint64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _product(builder, args)[0]

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def mul_fold(typing_context: Any, a: Any, b: Any) -> Any:
    """The two halves of the unsigned product of two words, xored: every bit of it depends on every bit of theirs."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.xor(*_product(builder, args))

    return types.int64(types.int64, types.int64), generate


@njit(nogil=True, cache=True)
def _last_word(address: int, size: int) -> int:
    found = 0
    for q in range(size - 1, -1, -1):
        found = (found << 8) | int(_load_byte(address + q))
    return found


@njit(nogil=True, cache=True, forceinline=True)
def word(text: Text, p: int) -> int:
    """The eight bytes of `text` from `p` on; zeros stand for bytes beyond its end."""
    if p + 8 <= text.size:
        found: int = load_int64(text.address + p)
        return found
    return _last_word(text.address + p, text.size - p)


@njit(nogil=True, cache=True, forceinline=True)
def low_bytes(value: int, n: int) -> int:
    """The first `n` bytes of a word, 1 to 8; zeros for the others."""
    return value & (-1 if n >= 8 else (1 << (8 * n)) - 1)


def ascii_word(text: str) -> int:
    """Up to eight ASCII characters as a word.

    >>> hex(ascii_word("ab"))
    '0x6261'
    """
    return int.from_bytes(text.encode().ljust(8, b"\0"), "little", signed=True)
