"""Recorded streams of every format: nothing lost, batches do not matter, resuming is exact."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.city import City
from domain.clock import MILLISECOND, NEVER, SECOND
from domain.errors import SinkError, SourceError
from domain.recording import RecordingFormat
from domain.records import Columns, RawBatch
from domain.streams import Source, batches
from sources.pacing import Pacer
from sources.recorded import open_recording
from sources.recorder import Recorder, segments
from sources.wide_csv import read_wide_csv

FORM = RecordingFormat("time", {"a": "A", "b": "B"}, delimiter=";")
CITY = City("test", "UTC", (), recording=FORM)
DATA = Path(__file__).parents[3] / "shared" / "data"
T0 = 1_764_000_000_000

#: (partition, offset, recorded, payload) of a raw message; (partition, offset, recorded, readings) of a columnar one
Message = tuple[str, int, int, object]


def messages(batch: RawBatch | Columns) -> list[Message]:
    if isinstance(batch, RawBatch):
        rows: list[object] = [batch.payload(i) for i in range(len(batch))]
    else:
        found: list[list[tuple[str, int, str]]] = [[] for _ in range(len(batch))]
        for code, ts, value, message in zip(batch.code, batch.ts, batch.value, batch.message, strict=True):
            found[message].append((batch.names[code], int(ts), repr(float(value))))
        rows = [tuple(row) for row in found]
    return [
        (batch.partition, int(o), int(r), row) for o, r, row in zip(batch.offset, batch.recorded, rows, strict=True)
    ]


def read(source: Source, resume: dict[str, int] | None = None) -> list[Message]:
    found: list[Message] = []
    for name in source.partitions():
        partition = source.open(name, (resume or {}).get(name))
        for batch in batches(partition):
            found += messages(batch)
        assert partition.caught_up
        partition.close()
    return found


LINES = [b'{"sensor":"A","ts":1764000000000,"value":1.5}', b"", b"garbage \xff", b'{"camera":"C"}'] * 5
TABLE = b"time;a;label;b\n" + b"".join(b"2020-03-09 14:34:%02d;%d.5;x;%d\n" % (i, i, -i) for i in range(20))


def ndjson(folder: Path) -> Path:
    path = folder / "day.ndjson"
    path.write_bytes(b"\n".join(LINES))
    return path


def ndjson_gz(folder: Path) -> Path:
    path = folder / "day.log.gz"  # told by its content
    path.write_bytes(gzip.compress(b"\n".join(LINES) + b"\n"))
    return path


def wide_csv(folder: Path) -> Path:
    path = folder / "day.csv"
    path.write_bytes(TABLE)
    return path


def wide_csv_zip(folder: Path) -> Path:
    path = folder / "day.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("in/day 10.csv", TABLE)
        archive.writestr("in/day 9.csv", TABLE)
    return path


def readings(folder: Path) -> Path:
    path = folder / "day.parquet"
    table = pa.table(
        {
            "sensor": pa.array(["A", "B", None, "A"] * 5),
            "ts": pa.array([T0 + i for i in range(20)]),
            "value": pa.array([0.5, None, 2.0, float("nan")] * 5),
            "recorded": pa.array([(T0 + i) * MILLISECOND for i in range(20)], pa.timestamp("ns", "UTC")),
        }
    )
    pq.write_table(table, path, row_group_size=6)
    return path


def recording(folder: Path) -> Path:
    path = folder / "recording"
    recorder = Recorder(path, ["t/0", "t/1", "t/10"], segment=60)
    for i in range(19):
        recorder.write(RawBatch.of(f"t/{i % 2}", LINES[i : i + 2], [10 * i, 10 * i + 1], [T0 + i] * 2))
    recorder.flush()
    return path


def folder_of_csv(folder: Path) -> Path:
    path = folder / "days"
    path.mkdir()
    for name in ("10.csv", "9.csv", "README.txt", ".hidden.csv"):
        (path / name).write_bytes(TABLE)
    return path


FORMATS = [ndjson, ndjson_gz, wide_csv, wide_csv_zip, readings, recording, folder_of_csv]


@pytest.mark.parametrize("make", FORMATS)
def test_batches_and_resuming_do_not_matter(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """Whatever the batch, and stopped and resumed after every message, the stream is the same."""
    path = make(tmp_path)
    whole = read(open_recording(path, CITY))
    assert whole
    for batch in (1, 3):
        assert read(open_recording(path, CITY, batch=batch)) == whole
    source = open_recording(path, CITY)
    for name in {message[0] for message in whole}:
        partition = source.open(name, None)
        partition.most = 1
        assert len(messages(partition.poll())) == 1  # type: ignore[arg-type]
    source = open_recording(path, CITY, batch=1)
    for name in source.partitions():
        of_it = [message for message in whole if message[0] == name]
        for cut in range(0, len(of_it) + 1, 3):
            partition = source.open(name, None)
            before = [message for _ in range(cut) for message in messages(partition.poll())]  # type: ignore[arg-type]
            resume = {name: partition.snapshot()}
            partition.close()
            after = [message for message in read(source, resume) if message[0] == name]
            assert before + after == of_it


@pytest.mark.parametrize("make", FORMATS)
def test_a_recording_that_became_shorter_is_refused(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """A snapshot beyond the end belongs to another file: better to say so than to end quietly."""
    source = open_recording(make(tmp_path), CITY)
    with pytest.raises(SourceError, match="cannot resume at message"):
        read(source, {source.partitions()[0]: 1000})


def test_ndjson(tmp_path: Path) -> None:
    """Every line is a message, a blank one too: offsets are line numbers. Not known when they were recorded."""
    for path in (ndjson(tmp_path), ndjson_gz(tmp_path)):
        assert read(open_recording(path, CITY)) == [(path.name, i, 0, line) for i, line in enumerate(LINES)]


def test_ndjson_byte_order_mark_and_crlf(tmp_path: Path) -> None:
    """What editors on other systems add is no part of a message."""
    (tmp_path / "x.ndjson").write_bytes(b"\xef\xbb\xbf{}\r\n{}\r\n")
    assert [row for *_, row in read(open_recording(tmp_path / "x.ndjson", CITY))] == [b"{}", b"{}"]


def test_readings_table(tmp_path: Path) -> None:
    """Rows as they stand; a null is something the decoder will refuse, never nothing."""
    found = read(open_recording(readings(tmp_path), CITY))
    t = T0 * MILLISECOND
    assert found[0] == ("day.parquet", 0, t, (("A", t, "0.5"),))
    assert found[1][3] == (("B", t + MILLISECOND, "nan"),)
    assert found[2][3] == (("", t + 2 * MILLISECOND, "2.0"),)
    assert [offset for _, offset, _, _ in found] == list(range(20))


def test_a_table_of_something_else(tmp_path: Path) -> None:
    """The error names the columns that were expected and found."""
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(SourceError, match=r"expected the columns sensor, ts, value .*found x"):
        read(open_recording(tmp_path / "x.parquet", CITY))


def csv(text: bytes, chunk: int = 1 << 20, form: RecordingFormat = FORM) -> list[tuple[int, object]]:
    import io

    found = [m for batch in read_wide_csv("x.csv", lambda: io.BytesIO(text), form, 0, chunk) for m in messages(batch)]
    return [(offset, row) for _, offset, _, row in found]


MESSY = (
    b"time;a;b\n"
    b"1000;1;2\n"
    b"1001;;3\n"  # an empty cell is no reading
    b"1002;x;\xff\n"  # no numbers
    b"1003;1\n"  # too few cells
    b"then;4;5\n"  # no time
    b"\n"  # nothing
    b"1005;6;7;8\n"  # too many
    b"1006; 1e3 ;-0.0\n"
    b"1007"  # cut off
)


def test_wide_csv_loses_nothing() -> None:
    """Cells, times and rows that cannot be read become readings that the decoder refuses; their neighbours are kept."""
    s = MILLISECOND
    refused = (("A", NEVER, "nan"),)
    expected = [
        (0, (("A", 1000 * s, "1.0"), ("B", 1000 * s, "2.0"))),
        (1, (("B", 1001 * s, "3.0"),)),
        (2, (("A", 1002 * s, "nan"), ("B", 1002 * s, "nan"))),
        (3, refused),
        (4, (("A", NEVER, "4.0"), ("B", NEVER, "5.0"))),
        (5, ()),
        (6, refused),
        (7, (("A", 1006 * s, "1000.0"), ("B", 1006 * s, "-0.0"))),
        (8, refused),
    ]
    for chunk in (16, 20, 33, 1 << 20):
        assert csv(MESSY, chunk) == expected


@given(
    st.lists(st.sampled_from([b"1;2;3", b"1;2", b"1;2;3;4", b"", b"x;y;z", b"7;;"]), max_size=30), st.integers(16, 90)
)
def test_wide_csv_offsets_are_rows(rows: list[bytes], chunk: int) -> None:
    """However the file is cut and wherever bad rows stand, every row has its own number, once."""
    text = b"time;a;b\n" + b"".join(row + b"\n" for row in rows)
    assert [offset for offset, _ in csv(text, chunk)] == list(range(len(rows)))
    assert csv(text, chunk) == csv(text)


def test_wide_csv_options() -> None:
    """Decimal comma, words for missing values, another encoding."""
    options = {"decimal": ",", "missing": "NA|-", "encoding": "latin-1"}
    form = RecordingFormat("time", {"a \u00b0C": "A", "b": "B"}, delimiter=";", options=options)
    found = csv("time;a °C;b\n1000;1,5;NA\n1001;-;2\n".encode("latin-1"), form=form)
    assert [row for _, row in found] == [(("A", 1000 * MILLISECOND, "1.5"),), (("B", 1001 * MILLISECOND, "2.0"),)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "no header"),
        (
            b"t;a;b\n1;2;3\n",
            "expected the time column 'time' and at least one of 'a', 'b'.*the header has 't', 'a', 'b'",
        ),
        (b"time,a,b\n1,2,3\n", "separated by ';'"),
        (b"time;a;a\n1;2;3\n", "each once"),
        (b"time;a\xff;b\n1;2;3\n", "not utf-8.*Set encoding"),
    ],
)
def test_wide_csv_of_another_shape(text: bytes, words: str) -> None:
    """The error says what was expected and what the header has."""
    with pytest.raises(SourceError, match=f"x.csv: .*{words}"):
        csv(text)


def test_a_column_that_one_file_lacks(caplog: pytest.LogCaptureFixture) -> None:
    """The files of a recording may have different columns, but it is said."""
    assert csv(b"time;b\n1000;2\n") == [(0, (("B", 1000 * MILLISECOND, "2.0"),))]
    assert "x.csv has no column 'a'" in caplog.text


def test_folders(tmp_path: Path) -> None:
    """One partition a file, 9 before 10, or one after the other as a single one with offsets that go on."""
    folder = folder_of_csv(tmp_path)
    assert open_recording(folder, CITY).partitions() == ("9.csv", "10.csv")
    apart, chained = read(open_recording(folder, CITY)), read(open_recording(folder, CITY, chain=True))
    assert [row for *_, row in chained] == [row for *_, row in apart]
    assert [(name, offset) for name, offset, *_ in chained] == [("days", i) for i in range(40)]
    assert open_recording(wide_csv_zip(tmp_path), CITY).partitions() == (
        "day.csv.zip/in/day 9.csv",
        "day.csv.zip/in/day 10.csv",
    )


def test_nothing_to_read(tmp_path: Path) -> None:
    """Missing, empty and undescribed input: each error says what is needed."""
    with pytest.raises(SourceError, match="no such file"):
        open_recording(tmp_path / "x", CITY)
    with pytest.raises(SourceError, match="nothing to read"):
        open_recording(tmp_path, CITY)
    with pytest.raises(SourceError, match=r"has no \[recording\] table"):
        open_recording(wide_csv(tmp_path), City("bare", "UTC", ()))


def test_damaged_files(tmp_path: Path) -> None:
    """What can be read is read; then the error names the file and how far it came."""
    path = tmp_path / "x.ndjson.gz"
    content = gzip.compress(np.random.default_rng(1).bytes(200_000).hex().encode() + b"\n{}\n" * 5)
    path.write_bytes(content[:-50])
    with pytest.raises(SourceError, match=r"x\.ndjson\.gz"):
        read(open_recording(path, CITY))
    folder = recording(tmp_path)
    segments(folder, "t/0")[1].write_bytes(b"PAR1 no more")
    with pytest.raises(SourceError, match="not a readable Parquet file"):
        read(open_recording(folder, CITY))
    segments(folder, "t/0")[1].unlink()
    with pytest.raises(SourceError, match="one is missing"):
        read(open_recording(folder, CITY))


def test_recorder_continues_and_survives_a_crash(tmp_path: Path) -> None:
    """Finished segments are complete, an unfinished one is thrown away, and the position tells where to go on."""
    folder = tmp_path / "r"
    recorder = Recorder(folder, ["t/0"])
    assert recorder.position("t/0") is None
    recorder.write(RawBatch.of("t/0", [b"a", b""], [5, 6], [1, 2]))
    recorder.flush()
    recorder.write(RawBatch.of("t/0", [b"lost"], [7], [3]))  # never flushed
    (folder / "t%2F0" / "000000000002.parquet.tmp").write_bytes(b"half")
    again = Recorder(folder, ["t/0"])
    assert again.position("t/0") == 7
    batch = RawBatch("t/0", b"..b.c", np.array([2, 4]), np.array([3, 5]), np.array([7, 8]), np.array([3, 4]))
    again.write(batch)
    again.flush()
    assert read(open_recording(folder, CITY)) == [
        ("t/0", 5, 1, b"a"), ("t/0", 6, 2, b""), ("t/0", 7, 3, b"b"), ("t/0", 8, 4, b"c"),
    ]  # fmt: skip


def test_recorder_refuses_other_folders(tmp_path: Path) -> None:
    """A folder with other files, or a recording of other partitions, is left alone."""
    (tmp_path / "x").write_text("mine")
    with pytest.raises(SinkError, match="neither empty nor a recording"):
        Recorder(tmp_path, ["t/0"])
    Recorder(tmp_path / "r", ["t/0"])
    with pytest.raises(SinkError, match="is a recording of t/0"):
        Recorder(tmp_path / "r", ["t/1"])


@pytest.mark.parametrize("make", [recording, ndjson, wide_csv])
def test_pacing(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """At a speed, messages come when they are due, and they are the same messages."""
    path = make(tmp_path)
    source = open_recording(path, CITY, speed=1000.0)
    now = 0

    def clock() -> int:
        nonlocal now
        now += 100_000
        return now

    source._pacer = Pacer(1000.0, clock)
    assert read(source) == read(open_recording(path, CITY))
    with pytest.raises(SourceError, match="above 0"):
        open_recording(path, CITY, speed=0.0)


def test_pacing_waits() -> None:
    """At twice real time a message two seconds after the first is due one second after it."""
    now = 0
    pacer = Pacer(2.0, lambda: now)
    when = np.array([10, 11, 12, 11]) * SECOND
    assert pacer.due(when) == 1
    now = SECOND - 1
    assert pacer.due(when) == 2
    now = SECOND
    assert pacer.due(when) == 4


@pytest.mark.skipif(not DATA.exists(), reason="the shared recordings are not here")
def test_real_recordings() -> None:
    """Rows and readings of three published recordings, counted beside us with other tools."""
    skab = RecordingFormat("datetime", {"Pressure": "P", "Volume Flow RateRMS": "F"}, delimiter=";")
    found = read(open_recording(DATA / "skab/valve1/13.csv", City("skab", "UTC", (), recording=skab)))
    assert found[0][3] == (
        ("P", 1_583_764_481 * SECOND, "-0.273216"),
        ("F", 1_583_764_481 * SECOND, "32.0268"),
    )
    munich = RecordingFormat("Time (-)", {"DMS_CN (um/m)": "CN"}, "%Y-%d-%m %H:%M:%S.%f", "Europe/Berlin", ",")
    source = open_recording(
        DATA / "munich_bridge/UniBw_2022-04-11_support_load_01DMS_CNAt100Hz.csv.zip",
        City("munich", "Europe/Berlin", (), recording=munich),
    )
    partition = source.open(source.partitions()[0], None)
    batch = partition.poll()
    assert isinstance(batch, Columns)
    assert int(batch.ts[0]) == 1_649_661_605_375_000_000  # 2022-04-11 09:20:05.375 in Munich
    partition.close()
    hanoi = RecordingFormat("Timestamp", {"inflow": "Q", "P2": "P2"}, labels=("Label",))
    found = read(
        open_recording(DATA / "leakdb_hanoi_regen/Hanoi_Scenario-1.csv.gz", City("h", "UTC", (), recording=hanoi))
    )
    assert len(found) == 17_520
