"""The HTTP interface as its clients use it."""

from __future__ import annotations

import gzip
import http.client
import json
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from domain.errors import ConfigError, SinkError
from flows.commands.sql import OutputFormat, run
from sinks.clickhouse.block_headers import with_block_headers
from sinks.clickhouse.client import connect
from sinks.clickhouse.native import Column, Dictionary, encode
from sinks.clickhouse.protocol import Unsupported, guarded
from sinks.clickhouse.serve import Serving
from tests.sinks.clickhouse.conftest import PASSWORD, SERVER

pytestmark = pytest.mark.skipif(SERVER is not None, reason="about the interface of an embedded directory")


def basic(user: str = "default", password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def ask(
    serving: Serving,
    body: object = None,
    method: str = "POST",
    path: str = "/",
    headers: dict[str, str] | None = None,
    **params: object,
) -> tuple[int, dict[str, str], bytes]:
    """One request; status, headers and body of its answer."""
    connection = http.client.HTTPConnection(serving.host, serving.port, timeout=30)
    try:
        connection.request(method, f"{path}?{urlencode(params)}", body, basic() if headers is None else headers)  # type: ignore[arg-type]
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_clickhouse_connect(writer: Client, reader: Client) -> None:
    """Queries with parameters, columnar and raw inserts with settings, Arrow, and results of many blocks."""
    writer.command("CREATE TABLE t (a Int64, s LowCardinality(String)) ENGINE = MergeTree ORDER BY a")
    numbers: Any = np.arange(1000)
    summary = writer.insert(
        "t",
        [numbers, [f"it's; {i}\n" for i in range(1000)]],
        ["a", "s"],
        column_oriented=True,
        settings={"async_insert": 0},
    )
    assert summary.written_rows in (0, 1000)
    block = encode(
        [Column("a", "Int64", np.array([-1])), Column("s", "LowCardinality(String)", Dictionary.of([";\x00 FORMAT"]))]
    )
    writer.raw_insert("t", ["a", "s"], block, {"async_insert": 0}, fmt="Native")
    for codec in ("gzip", "zstd", "lz4"):
        compressed = pa.BufferOutputStream()
        with pa.CompressedOutputStream(compressed, codec) as stream:
            stream.write(block)
        writer.raw_insert("t", ["a", "s"], compressed.getvalue().to_pybytes(), {}, fmt="Native", compression=codec)
    rows = reader.query("SELECT a, s FROM t WHERE a < {top:Int64} ORDER BY a", {"top": 2}).result_rows
    assert rows == [(-1, ";\x00 FORMAT")] * 4 + [(0, "it's; 0\n"), (1, "it's; 1\n")]
    assert reader.query("SELECT {x:String}", {"x": "q'\\\t\n街"}).result_rows == [("q'\\\t\n街",)]
    assert len(reader.query("SELECT number, toString(number) FROM numbers(200000)").result_columns[1]) == 200_000
    assert reader.query_arrow("SELECT a FROM t WHERE a = 7").to_pydict() == {"a": [7]}
    assert reader.query("SELECT a, s FROM t LIMIT 0").column_names == ("a", "s")
    assert reader.command("SELECT count() FROM system.tables WHERE name = 't' AND database = currentDatabase()") == 1


def test_many_at_once(reader: Client) -> None:
    """Requests run side by side."""
    with ThreadPoolExecutor(8) as pool:
        queries = [f"SELECT {n} + sleepEachRow(0.05)" for n in range(16)]
        assert [row[0][0] for row in pool.map(lambda query: reader.query(query).result_rows, queries)] == list(
            range(16)
        )


@pytest.mark.parametrize("how", ["basic", "headers", "url"])
@pytest.mark.parametrize("password", [PASSWORD, "wrong", ""])
def test_every_way_to_say_who_one_is(serving: Serving, how: str, password: str) -> None:
    """Right is 200; wrong is 403 with ClickHouse's code for it."""
    headers: dict[str, str] = {}
    params: dict[str, Any] = {}
    if how == "basic":
        headers = basic(password=password)
    elif how == "headers":
        headers = {"X-ClickHouse-User": "default", "X-ClickHouse-Key": password}
    else:
        params = {"user": "default", "password": password}
    status, answered, body = ask(serving, "SELECT 1", headers=headers, **params)
    if password == PASSWORD:
        assert (status, body) == (200, b"1\n")
    else:
        assert (status, answered["X-ClickHouse-Exception-Code"]) == (403, "516")
        assert b"DB::Exception" in body


def test_ping_needs_no_password(serving: Serving) -> None:
    """As load balancers and Grafana's health check have it."""
    assert ask(serving, method="GET", path="/ping", headers={})[::2] == (200, b"Ok.\n")
    assert ask(serving, method="GET", path="/nowhere", headers={})[0] == 404


def test_formats(serving: Serving) -> None:
    """FORMAT goes before default_format, that before tabs; a query may begin in the URL and end in the body."""
    assert ask(serving, "SELECT 1 AS a, 'x'")[2] == b"1\tx\n"
    assert json.loads(ask(serving, "SELECT 1 AS a", default_format="JSONCompact")[2])["data"] == [[1]]
    status, headers, body = ask(serving, "SELECT 1 AS a FORMAT JSONEachRow", default_format="CSV", query_id="mine")
    assert (status, body, headers["X-ClickHouse-Format"], headers["X-ClickHouse-Query-Id"]) == (
        200,
        b'{"a":1}\n',
        "JSONEachRow",
        "mine",
    )
    assert headers["X-ClickHouse-Timezone"]
    assert "X-ClickHouse-Summary" in headers
    assert ask(serving, method="GET", query="SELECT 2")[2] == b"2\n"
    assert ask(serving, b"+ 2", query="SELECT 2")[2] == b"4\n"
    assert ask(serving, "SELECT {n:UInt8} * 2", param_n=21)[2] == b"42\n"
    assert ask(serving, "SELECT getSetting('max_threads')", max_threads=3)[2] == b"3\n"
    assert ask(serving, "SELECT currentDatabase()", database="system")[2] == b"system\n"
    assert ask(serving, "/* first */ SELECT 1 -- last")[2] == b"1\n"


def test_compressed_answers(serving: Serving) -> None:
    """When asked for by both the parameter and the header."""
    accept = basic() | {"Accept-Encoding": "gzip"}
    status, headers, body = ask(serving, "SELECT 1", headers=accept, enable_http_compression=1)
    assert (status, headers["Content-Encoding"], gzip.decompress(body)) == (200, "gzip", b"1\n")
    assert "Content-Encoding" not in ask(serving, "SELECT 1", headers=accept)[1]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("SELECT nope", 404, 47),
        ("SELECT * FROM nowhere", 404, 60),
        ("SELECT * FROM (", 400, 62),
        ("SELECT 1; SELECT 2", 400, 62),
        ("SELECT 1 FORMAT Nonsense", 404, 73),
        ("", 400, 62),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", 501, 48),
        ("SELECT throwIf(number = 3) FROM numbers(10)", 500, 395),
    ],
)
def test_errors_are_clickhouses_own(serving: Serving, query: str, status: int, code: int) -> None:
    """Status, code header and text as a server would answer; the connection stays usable."""
    got, headers, body = ask(serving, query)
    assert (got, headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert body.startswith(f"Code: {code}. DB::Exception: ".encode())


def test_an_unknown_setting_is_refused(serving: Serving) -> None:
    """A typing error in a setting does not pass unnoticed."""
    assert ask(serving, "SELECT 1", no_such_setting=1)[1]["X-ClickHouse-Exception-Code"] == "115"
    injected: dict[str, Any] = {"max_threads = 1, readonly": "0"}
    assert ask(serving, "SELECT 1", **injected)[1]["X-ClickHouse-Exception-Code"] == "115"


@pytest.mark.parametrize(
    "query",
    [
        "CREATE TABLE x (a Int8) ENGINE = Memory",
        "INSERT INTO FUNCTION file('/tmp/x', 'CSV', 'a Int8') SELECT 1",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT file('/etc/hostname')",
        "SELECT `file`('/etc/hostname')",
        "SELECT 1 INTO/**/OUTFILE '/tmp/x'",
        "SELECT $$'$$ INTO OUTFILE '/tmp/x' SETTINGS a = $$'$$",
        "KILL QUERY WHERE 1",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    ],
)
def test_a_reader_only_reads(serving: Serving, query: str) -> None:
    """No way to write, to reach files, or to lift the restriction."""
    assert ask(serving, query)[0] >= 400
    assert ask(serving, query, readonly=0)[0] >= 400
    assert ask(serving, method="GET", headers=basic("writer"), query=query)[0] >= 400


def test_what_is_let_through() -> None:
    """Words inside literals, names and inserted data are not the statement's own."""
    for query in (
        b"SELECT 'a; b', \"c;\" -- ; INTO OUTFILE",
        b"SELECT profile(1) AS x;",
        b"(SELECT 1) UNION ALL (SELECT 2)",
    ):
        guarded(query, readonly=True)
    guarded(b"INSERT INTO t FORMAT CSV\n1;2;INTO OUTFILE\n", readonly=False)
    with pytest.raises(Unsupported, match="readonly"):
        guarded(b"INSERT INTO t FORMAT CSV\n1", readonly=True)


def test_sessions_keep_temporary_tables(serving: Serving) -> None:
    """What one request of a writer's session makes, the next one sees, and nobody else."""
    own: Any = {"headers": basic("writer"), "session_id": "s1"}
    assert ask(serving, "CREATE TEMPORARY TABLE mine (a Int8)", **own)[0] == 200
    assert ask(serving, "INSERT INTO mine VALUES (4)", max_threads=1, **own)[0] == 200
    assert ask(serving, "SELECT a FROM mine", **own)[2] == b"4\n"
    assert ask(serving, "SELECT a FROM mine", headers=basic("writer"), session_id="s2")[0] == 404
    assert ask(serving, "SELECT 1", headers=basic("writer"), session_id="s3", session_check=1)[0] >= 400


def test_inserts_in_text(serving: Serving, writer: Client) -> None:
    """CSV and JSON lines with the statement in the URL, gzipped and in chunks."""
    writer.command("CREATE TABLE t (a Int8, s String) ENGINE = Memory")
    to: dict[str, Any] = {"headers": basic("writer"), "database": writer.database}
    assert ask(serving, b'1,"x;y"\n', query="INSERT INTO t FORMAT CSV", **to)[0] == 200
    to["headers"] = basic("writer") | {"Content-Encoding": "gzip"}
    lines = gzip.compress(b'{"a": 2, "s": "z"}\n')
    assert ask(serving, lines, query="INSERT INTO t FORMAT JSONEachRow", **to)[0] == 200
    to["headers"] = basic("writer")
    assert ask(serving, iter([b"3,", b"w\n"]), query="INSERT INTO t FORMAT CSV", **to)[0] == 200
    assert writer.query("SELECT * FROM t ORDER BY a").result_rows == [(1, "x;y"), (2, "z"), (3, "w")]
    assert ask(serving, b"not gzip", headers=basic("writer") | {"Content-Encoding": "gzip"})[0] >= 400


def test_block_headers_for_go(serving: Serving) -> None:
    """A client that names its protocol version gets block headers and flags, through every nesting of types."""
    plain = ask(serving, "SELECT toUInt8(7) AS a, 'x' AS b FORMAT Native")[2]
    assert plain == b"\x02\x01\x01a\x05UInt8\x07\x01b\x06String\x01x"
    assert ask(serving, "SELECT toUInt8(7) AS a, 'x' AS b", default_format="Native", client_protocol_version=54460)[
        2
    ] == (b"\x01\x00\x02\xff\xff\xff\xff\x00\x02\x01\x01a\x05UInt8\x00\x07\x01b\x06String\x00\x01x")
    every = (
        "SELECT toLowCardinality(toString(number)), [toLowCardinality('x')], [[number], []], map('a', [1]), (1, 'b'), "
        "toNullable(number), CAST(NULL, 'LowCardinality(Nullable(String))'), toDecimal128(1.5, 3), "
        "CAST('a)', 'Enum8(\\'a)\\' = 1, \\'b,\\' = 2)'), "
        "now64(9), toFixedString('ab', 3), toIPv6('::1'), generateUUIDv4(), CAST((1, 'x'), 'Tuple(a Int8, b String)'), "
        "today(), INTERVAL 1 DAY, if(number = 1, ['a', 'bcd'], []) FROM numbers(300)"
    )
    data = ask(serving, every, default_format="Native")[2]
    headed = with_block_headers(data, 54460)
    assert len(headed) == len(data) + 8 + 17  # one block, seventeen columns


def test_open_doors_are_refused(tmp_path: object) -> None:
    """Without a password only this machine may ask; a server cannot be served."""
    with pytest.raises(ConfigError, match="needs a password"):
        Serving("chdb://:memory:", host="0.0.0.0", password="")
    with pytest.raises(ConfigError, match="only an embedded directory"):
        Serving("clickhouse://x/y")


def test_a_taken_port_is_told(serving: Serving, directory: object) -> None:
    """With the address."""
    with (
        pytest.raises(SinkError, match=f"cannot listen on 127.0.0.1:{serving.port}"),
        Serving(f"chdb://{directory}", port=serving.port),
    ):
        pass


def test_sql_asks_the_owner(
    serving: Serving,
    client: Client,
    directory: object,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """`lifeline sql` finds whoever serves the directory by the note beside it, and writes every format."""
    monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", PASSWORD)
    dsn = f"chdb://{directory}?database={client.database}"
    query = "SELECT 1 AS a, '街' AS b, NULL AS c"
    run(query, dsn)
    table = capfdbinary.readouterr().out.decode()
    assert "街" in table
    assert "1 row" in table
    run(query, dsn, OutputFormat.JSON)
    assert json.loads(capfdbinary.readouterr().out) == {"a": 1, "b": "街", "c": None}
    run(query, dsn, OutputFormat.CSV)
    assert capfdbinary.readouterr().out.decode() == '"a","b","c"\n1,"街",\\N\n'
    run(query, dsn, OutputFormat.ARROW)
    assert pa.ipc.open_stream(capfdbinary.readouterr().out).read_all().to_pydict() == {
        "a": [1],
        "b": ["街"],
        "c": [None],
    }
    with pytest.raises(SinkError, match="no database at /nowhere/at/all yet"):
        run("SELECT 1", "chdb:///nowhere/at/all")


def test_a_wrong_password_is_told(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a refusal, with the server's words."""
    monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", "wrong")
    with pytest.raises(SinkError, match="AUTHENTICATION_FAILED"):
        connect(serving.dsn)


def test_errors_of_the_library_are_not_ours(reader: Client) -> None:
    """A plain clickhouse-connect client sees what it knows from a server."""
    with pytest.raises(DatabaseError, match="UNKNOWN_IDENTIFIER"):
        reader.query("SELECT nope")
