"""Reports: what is read, what is refused and why, and what is written is read back."""

from __future__ import annotations

import string
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import MILLISECOND
from domain.errors import ReportError
from domain.reports import Channel, Report, parse

GOOD = {"report": "gas-smell", "id": str(UUID(int=7)), "ts": 1764000000123, "channel": "citizen", "zone": "north"}
WORDS = (
    st.text(string.printable[:95] + "\u8def\u9762\u79ef\u6c34", max_size=20)
    .map(str.strip)
    .map(lambda s: s.replace("*", ""))
)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """A report of any content."""
    return Report(
        draw(st.uuids()),
        draw(WORDS.filter(bool)),
        draw(st.integers(1_000_000_000_000, 2_000_000_000_000)) * MILLISECOND,
        draw(st.sampled_from(Channel)),
        draw(st.floats(1, 180)),
        draw(st.floats(-90, 90)),
        draw(WORDS),
        draw(WORDS),
        draw(st.floats(0, 1)),
        draw(WORDS),
        draw(WORDS),
        draw(WORDS),
    )


@given(reports())
def test_what_is_written_is_read_back(report: Report):
    """So a report that is stored can be replayed as the message that it was."""
    assert parse(report.to_json()) == report


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"report": None}, "report: expected a value"),
        ({"report": " x"}, "report: expected an id"),
        ({"id": "x"}, "id: "),
        ({"ts": "1764000000123"}, "ts: expected a valid integer"),
        ({"ts": 7}, "ts: expected whole epoch milliseconds"),
        ({"ts": 10**400}, "ts: "),
        ({"channel": "radio"}, "channel: expected 'citizen' or 'inspector', got 'radio'"),
        ({"zone": None}, "expected a place"),
        ({"lon": 115.0}, "expected lon and lat"),
        ({"lon": 181.0, "lat": 0.0}, "lon: "),
        ({"lon": float("nan"), "lat": 0.0}, "lon: "),
        ({"confidence": 1.5}, "confidence: "),
        ({"confidence": True}, "confidence: "),
        ({"text": "a\x00b"}, "without control characters"),
        ({"text": "x" * 2001}, "text: "),
        ({"picture": "a\nb"}, "picture: "),
        ({"txet": "x"}, "did you mean 'text'"),
    ],
)
def test_what_is_refused_says_why(change, words):
    """One wrong field, and which."""
    with pytest.raises(ReportError) as refused:
        parse(GOOD | change)
    assert words in str(refused.value)


def test_text_is_kept_as_it_is():
    """Markup is data: whoever shows it escapes it."""
    assert parse(GOOD | {"text": "<script>alert(1)</script>\nnext"}).text == "<script>alert(1)</script>\nnext"


@pytest.mark.parametrize("message", [b"[]", b"7", b"{", b"null"])
def test_what_is_no_object_is_no_report(message):
    """Whatever the bytes hold."""
    with pytest.raises(ReportError):
        parse(message)
