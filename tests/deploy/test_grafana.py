"""Every query of every dashboard, expanded as Grafana's data source does, over HTTP against the embedded engine."""

from __future__ import annotations

import json
import re
import struct
from base64 import b64encode
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pytest
import yaml  # type: ignore[import-untyped]

from domain.clock import HOUR, MILLISECOND
from simulators.scenario import START
from tests.conftest import ROOT
from tests.deploy.grafana import Query, Range, dashboards, expanded, interpolated, queries_of
from tests.hour import Hour

GRAFANA = ROOT / "deploy/grafana"
BOARDS = dashboards(GRAFANA / "dashboards")
QUERIES = [pytest.param(query, id=f"{name}: {query.name}") for name in BOARDS for query in queries_of(BOARDS[name])]
SPAN = Range(START // MILLISECOND, (START + HOUR) // MILLISECOND, 30_000)

#: Types that the data source has a converter for; of others it makes what it can.
UNDERSTOOD = re.compile(
    r"(LowCardinality\(String\)|String|Bool|U?Int(8|16|32|64)|Float(32|64)|Date(32|Time|Time64)?(\(.*\))?|Array\(.*\)"
    r"|Nullable\((String|Bool|U?Int(8|16|32|64)|Float(32|64)|Date(32|Time|Time64)?(\(.*\))?)\))$"
)

#: Nothing of these happens in the hour: places that call twice, customers' meters, night, cameras that count bicycles,
#: floods, open cases, commands.
EMPTY = {
    "Supplied and not drawn",
    "Night flow above what is usual",
    "Night flow",
    "Shared bicycles: parked of planned places",
    "Where more is parked than planned, or outside the lines",
    "Floods",
    "Cases that are open",
    "Overdue cases",
    "Places that come again in 30 days",
    "Places with more than one alert in 30 days",
    "Commands to the field",
    "Crack width, mm",
}


def ask(hour: Hour, sql: str, params: Mapping[str, str] = {}) -> tuple[int, Mapping[str, str], bytes]:
    """One query, put as the data source's driver puts it (clickhouse-go over HTTP, gzip)."""
    connection = HTTPConnection(hour.serving.host, hour.serving.port, timeout=60)
    query = {"database": "hour", "default_format": "Native", "client_protocol_version": "54460", **params}
    headers = {
        "User-Agent": "grafana/13.2.2 clickhouse-datasource/4.12.0 clickhouse-go/2.50.0 (lv:go/1.26; os:linux)",
        "Authorization": "Basic " + b64encode(b"default:grafana").decode(),
        "Accept-Encoding": "gzip",
    }
    try:
        connection.request("POST", f"/?{urlencode(query)}", sql.encode(), headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def table(hour: Hour, sql: str) -> tuple[list[str], list[str], list[list[Any]]]:
    """Names, types and rows of an answer."""
    status, headers, body = ask(
        hour,
        sql,
        {
            "default_format": "JSONCompactEachRowWithNamesAndTypes",
            "client_protocol_version": "0",
            "enable_http_compression": "1",
            "max_execution_time": "60",
        },
    )
    if headers.get("Content-Encoding") == "gzip":
        with pa.CompressedInputStream(pa.BufferReader(body), "gzip") as stream:
            body = stream.read()
    assert status == 200, body.decode()
    names, types, *rows = (json.loads(line) for line in body.splitlines())
    return names, types, rows


def choices(board: Mapping[str, Any], hour: Hour, every: bool) -> dict[str, Sequence[str] | None]:
    """All of every variable that may be all of them, or the first value of each."""
    chosen: dict[str, Sequence[str] | None] = {}
    for variable in board["templating"]["list"]:
        if every and variable["includeAll"]:
            chosen[variable["name"]] = None
            continue
        _, _, rows = table(hour, expanded(interpolated(variable["query"], chosen), SPAN))
        assert rows, f"${variable['name']} has nothing to choose"
        chosen[variable["name"]] = [rows[0][0]]
    return chosen


@pytest.mark.parametrize("query", QUERIES)
def test_queries(hour: Hour, query: Query, request: pytest.FixtureRequest) -> None:
    """Each is answered, in types that the data source knows; a series has its time first, and in order."""
    board = BOARDS[request.node.callspec.id.partition(":")[0]]
    for every in (True, False):
        sql = expanded(interpolated(query.sql, choices(board, hour, every)), SPAN)
        names, types, rows = table(hour, sql)
        assert [type for type in types if not UNDERSTOOD.match(type)] == []
        assert len(set(names)) == len(names)
        assert rows or not every or query.name in EMPTY, sql
        if query.series:
            assert names[0] == "time"
            assert types[0].startswith("DateTime")
            assert [row[0] for row in rows] == sorted(row[0] for row in rows)
            assert any("Int" in type or "Float" in type for type in types)


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_whole(name: str) -> None:
    """Its id is its file's name, panels do not overlap, every query goes to the provisioned source."""
    board = BOARDS[name]
    (source,) = yaml.safe_load((GRAFANA / "datasources/clickhouse.yaml").read_text())["datasources"]
    assert f"{board['uid']}.json" == name
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
            assert (target["format"], target["queryType"]) in ((0, "timeseries"), (1, "table"))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_provisioned() -> None:
    """Grafana finds source and dashboards where compose mounts them."""
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    mounted = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    (provider,) = yaml.safe_load((GRAFANA / "dashboards/lifeline.yaml").read_text())["providers"]
    assert mounted["./grafana/dashboards"] == provider["options"]["path"]
    assert mounted["./grafana/datasources"] == "/etc/grafana/provisioning/datasources"


def test_what_the_driver_asks_first(hour: Hour) -> None:
    """On connecting: who is there, in blocks with headers of the driver's protocol version."""
    status, headers, body = ask(hour, "SELECT displayName(), version(), revision(), timezone()")
    assert (status, headers["X-ClickHouse-Format"]) == (200, "Native")
    # Block info, columns, rows, name and type of the first column, and that it is of the default kind.
    assert body.startswith(b"\x01\x00\x02" + struct.pack("<i", -1) + b"\x00\x04\x01\x0ddisplayName()\x06String\x00")
    assert ask(hour, "SELECT 1")[0] == 200
    status, headers, body = ask(hour, "SELECT * FROM nowhere")
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (404, "60")
    assert body.startswith(b"Code: 60. DB::Exception")


def test_compressed_as_asked(hour: Hour) -> None:
    """With compression chosen, as the data source does for HTTP, an answer may come in gzip; the rows are the same."""
    plain = ask(hour, "SELECT zone, state FROM zone_status ORDER BY zone")[2]
    status, headers, body = ask(
        hour, "SELECT zone, state FROM zone_status ORDER BY zone", {"enable_http_compression": "1"}
    )
    assert status == 200
    if headers.get("Content-Encoding") == "gzip":
        with pa.CompressedInputStream(pa.BufferReader(body), "gzip") as stream:
            body = stream.read()
    assert body == plain


@pytest.mark.parametrize(
    "query", ["INSERT INTO city VALUES ('x', 'UTC', [])", "DROP TABLE city", "TRUNCATE TABLE city"]
)
def test_a_dashboard_changes_nothing(hour: Hour, query: str) -> None:
    """Grafana does not look at what a query does; who serves it does."""
    status, headers, _ = ask(hour, query)
    assert (status >= 400, headers["X-ClickHouse-Exception-Code"]) == (True, "164")
