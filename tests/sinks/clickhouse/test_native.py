"""What is encoded is what ClickHouse reads, bit for bit."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinks.clickhouse.native import Arrays, Column, Dictionary, encode

INTS = {
    f"{sign}Int{bits}": (0 if sign else -(2 ** (bits - 1)), 2 ** (bits - (not sign)) - 1)
    for bits in (8, 16, 32, 64)
    for sign in ("", "U")
}
# Any bits: NaNs with a payload, infinities, subnormal numbers and -0.0 included.
FLOATS = st.integers(0, 2**64 - 1)
TICKS = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ENUM = "Enum8('a' = -128, 'b' = 0, 'c' = 127)"


def rows(values: st.SearchStrategy[object]) -> st.SearchStrategy[list[list[object]]]:
    return st.lists(st.lists(values, max_size=4), min_size=1, max_size=6)


COLUMNS = st.integers(1, 6).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            **{name: st.lists(st.integers(low, high), min_size=n, max_size=n) for name, (low, high) in INTS.items()},
            "Float64": st.lists(FLOATS, min_size=n, max_size=n),
            "Bool": st.lists(st.booleans(), min_size=n, max_size=n),
            "DateTime64(3, 'UTC')": st.lists(TICKS, min_size=n, max_size=n),
            "DateTime64(9, 'UTC')": st.lists(TICKS, min_size=n, max_size=n),
            ENUM: st.lists(st.sampled_from([-128, 0, 127]), min_size=n, max_size=n),
            "String": st.lists(TEXT | st.just("x" * 300), min_size=n, max_size=n),
            "LowCardinality(String)": st.lists(TEXT, min_size=n, max_size=n),
            "UUID": st.lists(st.uuids(), min_size=n, max_size=n),
            "Array(Int64)": st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4), min_size=n, max_size=n),
            "Array(Float64)": st.lists(st.lists(FLOATS, max_size=4), min_size=n, max_size=n),
            "Array(DateTime64(9, 'UTC'))": st.lists(st.lists(TICKS, max_size=4), min_size=n, max_size=n),
            "Array(String)": st.lists(st.lists(TEXT, max_size=4), min_size=n, max_size=n),
            "Array(LowCardinality(String))": st.lists(st.lists(TEXT, max_size=4), min_size=n, max_size=n),
            "Array(UUID)": st.lists(st.lists(st.uuids(), max_size=4), min_size=n, max_size=n),
            "Array(Array(String))": st.lists(st.lists(st.lists(TEXT, max_size=2), max_size=2), min_size=n, max_size=n),
        }
    )
)


def as_values(type_: str, values: list[object]) -> object:
    """Python values as the encoder takes them."""
    if type_ == "Float64":
        return np.array(values, np.uint64).view(np.float64)
    if type_ == "Array(Float64)":
        flat = [bits for row in values for bits in row]  # type: ignore[attr-defined]
        end = np.cumsum([len(row) for row in values])  # type: ignore[arg-type]
        return Arrays(end, np.array(flat, np.uint64).view(np.float64))
    if type_.startswith("UInt"):
        return np.array(values, np.uint64)
    if type_.startswith(("Int", "DateTime64", "Enum8")):
        return np.array(values, np.int64)
    return values


def exact(type_: str, name: str) -> str:
    """SQL that reads a column without any loss."""
    if type_ == "Float64":
        return f"reinterpretAsUInt64({name})"
    if type_ == "Array(Float64)":
        return f"arrayMap(x -> reinterpretAsUInt64(x), {name})"
    if type_.startswith("DateTime64"):
        return f"reinterpretAsInt64({name})"
    if type_.startswith("Array(DateTime64"):
        return f"arrayMap(x -> reinterpretAsInt64(x), {name})"
    return f"CAST({name}, 'Int8')" if type_.startswith("Enum8") else name


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(columns=COLUMNS)
def test_everything_is_read_back_exactly(empty: Client, columns: dict[str, list[object]]) -> None:
    """All types at once, to the last bit: a wrong width or order would shift everything behind it."""
    empty.command(f"CREATE DATABASE IF NOT EXISTS {empty.database}", use_database=False)
    fields = ", ".join(f"c{i} {type_}" for i, type_ in enumerate(columns))
    empty.command(f"CREATE OR REPLACE TABLE t (n UInt32, {fields}) ENGINE = Memory")
    count = len(columns["Bool"])
    block = [Column("n", "UInt32", np.arange(count))]
    block += [Column(f"c{i}", type_, as_values(type_, values)) for i, (type_, values) in enumerate(columns.items())]
    empty.raw_insert("t", [column.name for column in block], encode(block), fmt="Native")
    select = ", ".join(exact(type_, f"c{i}") for i, type_ in enumerate(columns))
    read = empty.query(f"SELECT {select} FROM t ORDER BY n", column_oriented=True).result_columns
    assert {type_: list(values) for type_, values in zip(columns, read, strict=True)} == columns


@pytest.mark.parametrize("size", [1, 256, 257, 70_000])
def test_dictionaries_of_every_width(client: Client, size: int) -> None:
    """Keys have 8, 16 or 32 bits by the size of the dictionary; unused names stay out of it."""
    names = [f"s{i}" for i in range(size)]
    code = np.arange(size, dtype=np.int32)[::-1]
    client.command("CREATE TABLE t (s LowCardinality(String)) ENGINE = Memory")
    client.raw_insert(
        "t", ["s"], encode([Column("s", "LowCardinality(String)", Dictionary.select(names, code))]), fmt="Native"
    )
    assert client.query("SELECT s FROM t").result_columns[0] == [names[i] for i in code]


def test_only_used_names_travel() -> None:
    """A block of three sensors does not carry a city's names."""
    chosen = Dictionary.select([f"s{i}" for i in range(10)], np.array([7, 2, 7]))
    assert (list(chosen.names), chosen.code.tolist()) == (["s2", "s7"], [1, 0, 1])


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (Column("a", "UInt8", np.array([256])), "do not fit UInt8"),
        (Column("a", "UInt32", np.array([-1])), "do not fit UInt32"),
        (Column("a", "Int64", np.array([1.5])), "cannot store float64"),
        (Column("a", "DateTime64(3, 'UTC')", np.array(["2024-01-01"], "M8[ns]")), r"cannot store datetime64\[ns\]"),
        (Column("a", "Float64", np.array([2**53 + 1])), "do not fit Float64"),
        (Column("a", "Map(String, String)", [{}]), "cannot encode Map"),
    ],
)
def test_loss_is_refused(column: Column, message: str) -> None:
    """The year 9999 and other surprises: what a type cannot hold is an error."""
    with pytest.raises(TypeError, match=message):
        encode([column])


def test_shapes_are_checked() -> None:
    """Columns of other lengths, ends that do not fit their values, codes without a name."""
    with pytest.raises(ValueError, match="'b' has 1 rows, 'a' has 2"):
        encode([Column("a", "UInt8", np.arange(2)), Column("b", "String", ["x"])])
    with pytest.raises(ValueError, match="do not fit their 1 values"):
        encode([Column("a", "Array(Int64)", Arrays(np.array([2]), np.array([1])))])
    with pytest.raises(ValueError, match="outside its names"):
        encode([Column("a", "LowCardinality(String)", Dictionary(["x"], np.array([1])))])


def test_no_rows(client: Client) -> None:
    """A block without rows is valid and stores nothing."""
    client.command("CREATE TABLE t (a Array(LowCardinality(String)), u UUID) ENGINE = Memory")
    empty: list[UUID] = []
    data = encode([Column("a", "Array(LowCardinality(String))", []), Column("u", "UUID", empty)])
    client.raw_insert("t", ["a", "u"], data, fmt="Native")
    assert client.command("SELECT count() FROM t") == 0
