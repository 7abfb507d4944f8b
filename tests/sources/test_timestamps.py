"""Written times to nanoseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import NEVER, SECOND
from sources.timestamps import TimeReader

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ns(*at: int) -> int:
    since = datetime(*at, tzinfo=UTC) - EPOCH  # type: ignore[arg-type, misc]
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1000


def read(*cells: str, pattern: str = "", timezone: str = "UTC", rate: float = 0.0) -> list[int]:
    ts = TimeReader(pattern, timezone, rate).read(pa.array(cells, pa.string()))
    return [int(t) for t in ts]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2020-03-09 14:34:41", ns(2020, 3, 9, 14, 34, 41)),
        ("2020-03-09T14:34:41Z", ns(2020, 3, 9, 14, 34, 41)),
        ("2020-03-09t14:34:41.5+08:00", ns(2020, 3, 9, 6, 34, 41, 500_000)),
        ("2020-03-09 14:34:41.123456789-0130", ns(2020, 3, 9, 16, 4, 41, 123_456) + 789),
        ("2018-01-01 00:30", ns(2018, 1, 1, 0, 30)),
        (" 2020-02-29 00:00:00 ", ns(2020, 2, 29)),
        ("1764000000123", 1_764_000_000_123_000_000),
        ("2021-02-29 00:00:00", NEVER),
        ("2020-03-09 24:00:00", NEVER),
        ("2020-03-09 14:34:41 x", NEVER),
        ("2020-03-09 14:34:41+8", NEVER),
        ("9999-01-01 00:00:00", NEVER),
        ("1764000000.5", NEVER),
        ("", NEVER),
        ("ü", NEVER),
    ],
)
def test_rfc3339_and_epoch_milliseconds(cell: str, expected: int) -> None:
    """Without a pattern; what is no time is NEVER, which the decoder refuses."""
    assert read(cell) == [expected]


@pytest.mark.parametrize(
    ("pattern", "cell", "expected"),
    [
        ("%Y-%d-%m %H:%M:%S.%f", "2022-11-04 08:49:34.669", ns(2022, 4, 11, 8, 49, 34, 669_000)),
        ("%d.%m.%Y %H:%M:%S.%f", "11.04.2022 08:36:25.984", ns(2022, 4, 11, 8, 36, 25, 984_000)),
        ("%d/%m/%y %T", "1/2/99 03:04:05", ns(1999, 2, 1, 3, 4, 5)),
        ("%d %b %Y", "11 Apr 2022", ns(2022, 4, 11)),
        ("%Y%m%dT%H%M%S%z", "20220411T083625+0200", ns(2022, 4, 11, 6, 36, 25)),
        ("%Y-%m-%d", "11.04.2022", NEVER),
        ("%d %b %Y", "?", NEVER),
    ],
)
def test_patterns(pattern: str, cell: str, expected: int) -> None:
    """Patterns as strptime takes them, those of the kernel and others."""
    assert read(cell, pattern=pattern) == [expected]


@given(st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1)))
def test_equals_strptime(at: datetime) -> None:
    """The kernel's calendar is Python's."""
    assert read(f"{at:%d.%m.%Y %H:%M:%S.%f}".zfill(26), pattern="%d.%m.%Y %H:%M:%S.%f") == [
        (at.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) * 1000
    ]


def test_the_hour_that_comes_twice() -> None:
    """A clock that is set back writes an hour twice; rows in the order of the file show which of the two is meant."""
    start = datetime(2022, 10, 29, 22, tzinfo=UTC)  # Berlin leaves summer time at 01:00 UTC
    real = [start + timedelta(minutes=10 * i) for i in range(36)]
    offsets = [2 if at < datetime(2022, 10, 30, 1, tzinfo=UTC) else 1 for at in real]
    cells = [f"{at + timedelta(hours=hours):%Y-%m-%d %H:%M:%S}" for at, hours in zip(real, offsets, strict=True)]
    expected = [int((at - EPOCH).total_seconds()) * SECOND for at in real]
    assert read(*cells, timezone="Europe/Berlin") == expected
    for cut in range(len(cells)):
        reader = TimeReader("", "Europe/Berlin")
        parts = [reader.read(pa.array(part, pa.string())) for part in (cells[:cut], cells[cut:])]
        assert np.concatenate(parts).tolist() == expected, "and it does not matter how the file is cut"


def test_the_hour_that_never_comes() -> None:
    """A logger that ignores summer time keeps even steps through the gap."""
    ts = read("2022-03-27 01:50:00", "2022-03-27 02:00:00", "2022-03-27 02:10:00", timezone="Europe/Berlin")
    assert np.diff(ts).tolist() == [600 * SECOND] * 2


def test_a_written_zone_wins() -> None:
    """The city's clock is only for times that name no zone."""
    ts = read("2022-07-01T12:00:00Z", "2022-07-01 12:00:00", timezone="Asia/Shanghai")
    assert ts[0] - ts[1] == 8 * 3600 * SECOND


def test_rate_spreads_equal_times() -> None:
    """Rows of one second at 4 Hz stand a quarter of a second apart, however the column is cut."""
    cells = ["2022-01-01 00:00:00"] * 4 + ["2022-01-01 00:00:01"] * 3 + ["2022-01-01 00:00:02"]
    expected = [ns(2022, 1, 1) + i * SECOND // 4 for i in (0, 1, 2, 3, 4, 5, 6, 8)]
    assert read(*cells, rate=4.0) == expected
    for cut in range(len(cells)):
        reader = TimeReader(rate=4.0)
        parts = [reader.read(pa.array(part, pa.string())) for part in (cells[:cut], cells[cut:])]
        assert np.concatenate(parts).tolist() == expected
