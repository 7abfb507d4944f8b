"""Times of texts and of packets' rows."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.clock import SECOND, TS_MAX, TS_MIN
from operators.decode.times import packet_times, rfc3339
from tests.operators.decode import naive_decode

T0 = 1_764_000_000 * SECOND


@given(
    st.datetimes(timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))),
    st.sampled_from("Tt "),
    st.text("0123456789", max_size=12),
)
def test_a_time_text_equals_datetime(when: datetime, between: str, fraction: str) -> None:
    """Any date of the calendar with any offset, up to and beyond nanoseconds."""
    iso = when.isoformat(timespec="seconds")
    text = iso[:10] + between + iso[11:19] + ("." + fraction if fraction else "") + iso[19:]
    expected = naive_decode.rfc3339(text)
    assert rfc3339(text) == (expected if expected is not None and TS_MIN <= expected < TS_MAX else None)


@given(
    st.from_regex(
        r"[12][0-9]{3}-[0-3]\d-[0-4]\d[Tt ][0-3]\d:[0-7]\d:[0-7]\d(\.\d{1,11})?([Zz]|[+-]\d\d:\d\d)?", fullmatch=True
    )
)
@example("2024-02-29T00:00:00Z")
@example("2023-02-29T00:00:00Z")
@example("2100-02-29T00:00:00Z")
@example("2025-11-24T23:59:60Z")
@example("2025-11-24T24:00:00Z")
@example("1990-01-01T00:00:00+00:01")
@example("2199-12-31T23:59:59.999999999Z")
@example("2200-01-01T00:00:00.5+00:01")
def test_a_time_text_is_right_or_refused(text: str) -> None:
    """Texts that look like times and may name a day or an hour that there is none of."""
    expected = naive_decode.rfc3339(text) if text.isascii() else None
    assert rfc3339(text) == (expected if expected is not None and TS_MIN <= expected < TS_MAX else None)


@given(st.floats(1e-4, 1e9), st.integers(1, 300))
@example(3.0, 100)
@example(1e9, 300)
@example(0.1, 100)
@example(2e9 / 3, 300)
@example(1e-9, 9)
def test_rows_are_at_the_nearest_nanosecond(hz: float, n: int) -> None:
    """Row i is at t0 + round(i * 1e9 / hz); rows of one packet are never at the same time."""
    ts = np.full(n + 2, -1)
    expected = [T0 + round(i * 1e9 / hz) for i in range(n)]
    if expected[-1] < TS_MAX:
        assert packet_times(ts, 1, n + 1, T0, hz)
        assert ts.tolist() == [-1, *expected, -1]
        assert len(set(expected)) == n
    else:
        assert not packet_times(ts, 1, n + 1, T0, hz)


@pytest.mark.parametrize("hz", [0.0, -0.0, -1.0, float("nan"), float("inf"), 1.1e9, 5e-324, 1e-300, 1e-10, 2.5e-10])
def test_a_rate_that_is_none_or_leads_out_of_range_is_refused(hz: float) -> None:
    """The last row decides: a rate so low that it lies after 2199 is a mistake."""
    assert not packet_times(np.empty(3, np.int64), 0, 3, T0, hz)
