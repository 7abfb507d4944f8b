"""Lines do not depend on how their bytes came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sources.lines import Lines, LineSplitter


def texts(lines: Lines) -> list[bytes]:
    data, start, end = lines
    return [data[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]


def naive(data: bytes, longest: int) -> list[bytes]:
    parts = data.split(b"\n")
    if not parts[-1]:
        parts.pop()
    return [part.removesuffix(b"\r")[:longest] for part in parts]


@given(st.lists(st.text("ab\r\n", max_size=12).map(str.encode), max_size=12), st.integers(1, 8))
def test_equals_a_plain_split(pieces: list[bytes], longest: int) -> None:
    """Cut anywhere, with lines longer than allowed among them, the lines are those of the whole."""
    lines = LineSplitter(longest)
    found = [line for piece in pieces for line in texts(lines.feed(piece))] + texts(lines.finish())
    assert found == naive(b"".join(pieces), longest)


def test_a_stream_without_line_ends_is_bounded() -> None:
    """What exceeds the longest line is given out cut, once, and not kept."""
    lines = LineSplitter(100)
    found = [line for _ in range(50) for line in texts(lines.feed(b"x" * 10))]
    assert found == [b"x" * 100]
    assert texts(lines.feed(b"x\nnext\n")) == [b"next"]
