"""A timetable that cannot be read is refused with the line, what was expected and what came instead."""

from __future__ import annotations

import pytest

from domain.city_files import load_city
from tests.acceptance.acting import town_of
from tests.acceptance.grammar import TimetableError, parse

CITY = load_city("bozhou")
WANTED = "+1 s..+9 s  desk  raised gas-leak at BZ-GM-0003, as leak"


def table(*rows: str) -> str:
    return "\n".join(["Something happens.", *rows])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "expected a row that says what the desk must see, or must never see"),
        (["+1 s desk raised gas-leak"], "line 2: expected three columns, two spaces or more apart: when, who, what"),
        (["soon  desk  raised gas-leak at A"], "line 2: expected a time such as '\\+90 s'"),
        (["+9 s..+1 s  desk  raised gas-leak at A"], "expected a span that ends after it begins, got '\\+9 s..\\+1 s'"),
        (["+1 s..+2 s  push  BZ-G-0003 sticks until +9 s"], "expected one time, since push does it at one"),
        (["+1 s  push  BZ-G-0003 explodes"], "expected a sentence of push: change, read, stick, .* got 'BZ-G-0003 exp"),
        (["+9 s  push  BZ-G-0003 sticks until +5 s"], "expected an end after \\+9 s, got '\\+5 s'"),
        (["+1 s  li.na  waits"], "expected a sentence of li.na: acknowledge, shelve, .* got 'waits'"),
        (
            ["+1 s  li.na  acknowledges leak", WANTED],
            "line 2: expected an alert that an earlier row names \\(there is none",
        ),
        (
            [WANTED, "+2 s  desk  cleared lake"],
            "line 3: expected an alert that an earlier row names \\(leak\\), got 'lake'",
        ),
        ([WANTED, WANTED], "line 3: expected a name that no other alert has, got 'leak'"),
        (["+1 s  desk  raised gas-leak at A, at level I"], "expected a clause of level .* got 'at level I'"),
        (["+1 s  desk  something"], "expected 'EVENT KIND at PLACE' or 'EVENT NAME', .* got 'something'"),
        (["never  li.na  gas-leak at A"], "expected 'never  desk  KIND at PLACE'"),
        ([WANTED, "calm: 5 min"], "line 3: expected 'calm' before the first row"),
        (["calm: a while", WANTED], "line 2: expected a duration such as '5 min', got 'a while'"),
        (["stream: pigeons", WANTED], "expected wires or columns, got 'pigeons'"),
        (["weather: fine", WANTED], "expected one of stream, calm, town, kinds, got 'weather'"),
    ],
)
def test_what_cannot_be_read_is_refused(rows: list[str], message: str) -> None:
    """With the line, and what was expected there."""
    with pytest.raises(TimetableError, match=message):
        parse("table", table(*rows))


def test_the_first_line_says_what_happens() -> None:
    """Whoever reads a failure should know what the timetable is about."""
    with pytest.raises(TimetableError, match="line 1: expected a sentence that says what happens"):
        parse("table", WANTED)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([WANTED, "+1 s  push  BZ-G-9999 sticks until +9 s"], "line 3: expected sensors of bozhou, got 'BZ-G-9999'"),
        (
            [WANTED, "+1 s  push  BZ-G-0003 rises by 4 m"],
            "expected sensors of bozhou that measure in m, got 'BZ-G-0003'",
        ),
        ([WANTED, "+1 s  push  wind of BZ-BR-03 sticks until +9 s"], "expected sensors of bozhou, got 'wind of BZ-BR"),
        (["town: BZ-XX-1", WANTED], "table, town: expected an asset, a sensor or a camera of bozhou, got 'BZ-XX-1'"),
        (["never  desk  fire at BZ-C-999"], "line 2: expected an asset, a sensor or a camera of bozhou"),
    ],
)
def test_what_the_city_has_not_is_refused(rows: list[str], message: str) -> None:
    """A name misspelt would otherwise be a thing that never happens."""
    with pytest.raises(TimetableError, match=message):
        town_of(CITY, [parse("table", table(*rows))])


def test_two_timetables_have_places_of_their_own() -> None:
    """Otherwise nobody could say whose an alert is."""
    with pytest.raises(TimetableError, match="other: BZ-GM-0003 belongs to table already"):
        town_of(CITY, [parse("table", table(WANTED)), parse("other", table(WANTED))])


def test_times_sentences_and_clauses() -> None:
    """A row of each column is read to the last word."""
    found = parse(
        "table",
        table(
            "# a remark",
            "stream: columns",
            "calm: 2 d",
            "town: BZ-GM-0004",
            "-1 min  push  strain, tilt of BZ-BR-05 fall by 2.5 um/m in 40 s until +1 h, over 2 s",
            "+1.5 min .. +2 h  desk  raised gas-leak at BZ-GM-0003, level I, by 2 sensors, not urgent, as leak",
            "+3 h  li.na  shelves leak until +1 d, because it is known, and watched",
        ),
    )
    assert (found.stream, found.calm, found.town) == ("columns", 172_800, ("BZ-GM-0004",))
    (push,), (wanted,), (deed,) = found.pushes, found.wanted, found.deeds
    assert (push.at, push.kind, push.words["sensors"], push.words["way"]) == (
        -60,
        "change",
        "strain, tilt of BZ-BR-05",
        "fall",
    )
    assert (wanted.begin, wanted.end, wanted.type, wanted.place) == (90, 7200, "raised", "BZ-GM-0003")
    assert wanted.clauses == {"level": "I", "sensors": "2", "urgent": "not ", "name": "leak"}
    assert (deed.actor, deed.verb, deed.words["reason"]) == ("li.na", "shelve", "it is known, and watched")
