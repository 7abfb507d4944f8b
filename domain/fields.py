"""The types of fields that come from files: what may stand in them, checked by pydantic wherever a file is read.

Numbers are strict: in TOML a number is written as a number, never as text, and true is not 1.
"""

from __future__ import annotations

from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from domain.units import nanoseconds

__all__ = [
    "ID_BYTES",
    "ClockError",
    "Count",
    "Flag",
    "Id",
    "Latitude",
    "Limit",
    "Longitude",
    "Nanoseconds",
    "NotNegative",
    "Positive",
    "Reference",
    "Share",
    "Text",
    "TimeZone",
]

#: The longest identifier, in bytes of UTF-8.
ID_BYTES: Final = 128


def _reference(text: str) -> str:
    if not text.isprintable() or text != text.strip() or "*" in text:
        raise ValueError(f"expected an id without control characters, '*' and outer spaces, got {text!r}")
    if len(text) > ID_BYTES // 4 and len(text.encode()) > ID_BYTES:  # a character has at most four bytes
        raise ValueError(
            f"expected an id of at most {ID_BYTES} bytes, got {len(text.encode())} bytes: {text[:32]!r}..."
        )
    return text


def _identifier(text: str) -> str:
    if not text:
        raise ValueError("expected an id, got nothing")
    return _reference(text)


def _text(text: str) -> str:
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in text):
        raise ValueError(f"expected text on one line without control characters, got {text[:80]!r}")
    return text


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a relative path; a folder such as "Europe"
        raise ValueError(f"expected an IANA time zone such as 'Asia/Shanghai', got {name[:80]!r}") from None
    return name


#: A name that other records refer to: printable, no outer spaces, no `*` (it stands for any ending in a selection).
Id = Annotated[str, AfterValidator(_identifier)]
#: The id of another record, or nothing.
Reference = Annotated[str, AfterValidator(_reference)]
#: One line for people.
Text = Annotated[str, AfterValidator(_text)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
Longitude = Annotated[float, Field(strict=True, ge=-180, le=180)]  # degrees east, WGS 84
Latitude = Annotated[float, Field(strict=True, ge=-90, le=90)]  # degrees north, WGS 84
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Limit = Annotated[float, Field(strict=True)]  # may be infinite
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
#: How far a clock is ahead, s: what is further off is no offset, but a clock that nobody has set.
ClockError = Annotated[float, Field(strict=True, ge=-3600, le=3600)]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Flag = Annotated[bool, Field(strict=True)]
#: A duration in ns, written in a file as text with its unit.
Nanoseconds = Annotated[int, BeforeValidator(nanoseconds)]
