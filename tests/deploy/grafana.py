"""Queries of a dashboard as the official ClickHouse data source sends them.

What Grafana's page does first: variables, and `$__conditionalAll`. Then what the data source's backend does: macros of
time.
See https://grafana.com/docs/plugins/grafana-clickhouse-datasource/latest/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["Query", "Range", "dashboards", "expanded", "interpolated", "queries_of"]


@dataclass(frozen=True)
class Range:
    """What the page shows: epoch milliseconds, and the interval of a point in milliseconds."""

    begin: int
    end: int
    interval: int


class Query(NamedTuple):
    """One query of a dashboard."""

    name: str
    sql: str
    series: bool  # rather than a table


def dashboards(folder: Path) -> dict[str, Any]:
    """Every dashboard of a folder by the name of its file."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def queries_of(board: Mapping[str, Any]) -> Iterator[Query]:
    """Those of its panels, annotations and variables."""
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield Query(panel["title"], target["rawSql"], target["queryType"] == "timeseries")
    for annotation in board["annotations"]["list"]:
        if "target" in annotation:
            yield Query(annotation["name"], annotation["target"]["rawSql"], False)
    for variable in board["templating"]["list"]:
        yield Query(f"${variable['name']}", variable["query"], False)


def interpolated(sql: str, chosen: Mapping[str, Sequence[str] | None]) -> str:
    """What the page makes of a query.

    Parameters
    ----------
    chosen
        Values of each variable; None where all are.

    >>> sql = "WHERE $__conditionalAll(zone IN (${zone:singlequote}), $zone) AND x = '${x}'"
    >>> interpolated(sql, {"zone": None, "x": ["1"]})
    "WHERE 1=1 AND x = '1'"
    >>> interpolated(sql, {"zone": ["a", "b"], "x": ["1"]})
    "WHERE zone IN ('a','b') AND x = '1'"
    """

    def condition(found: re.Match[str]) -> str:
        return found[1] if chosen[found[2]] else "1=1"

    def value(found: re.Match[str]) -> str:
        values = chosen[found[1]]
        assert values, f"{found[0]} stands where all may be chosen"
        if found[2] == "singlequote":
            return ",".join("'" + one.replace("'", "\\'") + "'" for one in values)
        assert len(values) == 1, f"{found[0]} wants one value"
        return values[0]

    sql = re.sub(r"\$__conditionalAll\(((?:[^()]|\([^()]*\))*),\s*\$(\w+)\)", condition, sql)
    return re.sub(r"\$\{(\w+)(?::(\w+))?\}", value, sql)


def _between(column: str, begin: str, end: str) -> str:
    return f"{column} >= {begin} AND {column} <= {end}"


def _seconds(ms: int) -> str:
    return f"toDateTime({ms // 1000})"


def _millis(ms: int) -> str:
    return f"fromUnixTimestamp64Milli({ms})"


def _date(ms: int) -> str:
    return f"toDate('{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d}')"


_MACROS: Final[dict[str, Callable[[Range, list[str]], str]]] = {
    "fromTime": lambda span, _: _seconds(span.begin),
    "toTime": lambda span, _: _seconds(span.end),
    "fromTime_ms": lambda span, _: _millis(span.begin),
    "toTime_ms": lambda span, _: _millis(span.end),
    "timeFilter": lambda span, args: _between(args[0], _seconds(span.begin), _seconds(span.end)),
    "timeFilter_ms": lambda span, args: _between(args[0], _millis(span.begin), _millis(span.end)),
    "dateFilter": lambda span, args: _between(args[0], _date(span.begin), _date(span.end)),
    "dateTimeFilter": lambda span, args: (
        f"({_between(args[0], _date(span.begin), _date(span.end))}) AND "
        f"({_between(args[1], _seconds(span.begin), _seconds(span.end))})"
    ),
    "timeInterval": lambda span, args: (
        f"toStartOfInterval(toDateTime({args[0]}), INTERVAL {max(span.interval // 1000, 1)} second)"
    ),
    "timeInterval_ms": lambda span, args: (
        f"toStartOfInterval(toDateTime64({args[0]}, 3), INTERVAL {max(span.interval, 1)} millisecond)"
    ),
    "interval_s": lambda span, _: str(max(span.interval // 1000, 1)),
}
_MACROS["dt"] = _MACROS["dateTimeFilter"]


def expanded(sql: str, span: Range) -> str:
    """What the data source makes of it. Raises KeyError for a macro that it does not have.

    >>> expanded("SELECT $__interval_s WHERE $__timeFilter(ts)", Range(1000, 9000, 2500))
    'SELECT 2 WHERE ts >= toDateTime(1) AND ts <= toDateTime(9)'
    """

    def macro(found: re.Match[str]) -> str:
        return _MACROS[found[1]](span, [arg.strip() for arg in (found[2] or "").split(",")])

    return re.sub(r"\$__(\w+)(?:\(([^()]*)\))?", macro, sql)
