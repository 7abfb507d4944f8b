"""Inserts on disk: a line of JSON that says what an insert is, and its Native block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sinks import spool
from sinks.clickhouse.insert import Insert

__all__ = ["Spool"]


class Spool(spool.Spool[Insert]):
    """The inserts of one process."""

    suffix: ClassVar[str] = ".insert"

    def parcel(self, head: Mapping[str, Any], data: bytes) -> Insert:
        """An insert as it was written."""
        return Insert(head["table"], tuple(head["columns"]), head["rows"], head["token"], (data,))
