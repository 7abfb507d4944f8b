"""policy.toml: read, refused with its place, and written back."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.city_files import load_city, write_city
from domain.clock import HOUR, MINUTE
from domain.errors import ConfigError
from domain.policy import Desk, Exposure, Grade, Policy, Route, Shift
from tests.domain.small_city import FILES, write

TEXT = """\
[[exposure]]
name = "enclosed"
asset_kinds = ["manhole"]
radius = 50.0
words = "an enclosed space"

[[grade]]
name = "gas there"
kinds = ["gas-leak"]
exposure = ["enclosed"]
levels = ["II"]
score = 1.5
corroboration = 0.7
lasting = "10 min"
level = "I"

[[route]]
kinds = ["water-burst"]
zones = ["Z-1"]
unit = "U-WATER"

[[desk]]
name = "centre"
digest = "30 min"
flood = 10

[[desk]]
name = "gas"
units = ["U-GAS"]
relief = "centre"
[[desk.shift]]
name = "night"
from = "20:00"
to = "08:00"
days = ["fri", "sat"]
who = "Crew B"
contact = "0558-2"
[[desk.shift]]
name = "day"
from = "08:00"
to = "20:00"
"""

POLICY = Policy(
    (Exposure("enclosed", ("manhole",), radius=50.0, words="an enclosed space"),),
    (Grade("gas there", "I", 0, ("gas-leak",), ("II",), ("enclosed",), 1.5, 0.7, 10 * MINUTE),),
    (Route("U-WATER", ("water-burst",), ("Z-1",)),),
    (
        Desk("centre", digest=30 * MINUTE, flood=10),
        Desk(
            "gas",
            ("U-GAS",),
            relief="centre",
            shift=(
                Shift("night", start=1200, end=480, days=(4, 5), who="Crew B", contact="0558-2"),
                Shift("day", start=480, end=1200),
            ),
        ),
    ),
)


def folder(tmp_path: Path, text: str) -> Path:
    return write(tmp_path / "small", FILES | {"policy.toml": text})


def test_every_field_arrives(tmp_path: Path) -> None:
    """A city without the file has decided nothing."""
    assert load_city(folder(tmp_path, TEXT)).policy == POLICY
    assert load_city(write(tmp_path / "bare", FILES)).policy == Policy()


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ('level = "I"', 'level = "IV"', 'policy.toml, grade 1 "gas there" (line 15), level: Smallville has no'),
        ('level = "I"', "", "line 7), level: expected either a level or steps"),
        ('level = "I"', 'level = "I"\nsteps = 1', "expected either a level or steps"),
        ("score = 1.5", "scores = 1.5", "line 12), scores: unknown field; did you mean 'score'?"),
        ("score = 1.5", "score = -1.0", "score: "),
        ("corroboration = 0.7", "corroboration = 70", "corroboration: "),
        ('lasting = "10 min"', "lasting = 10", "lasting: expected"),
        ('kinds = ["gas-leak"]', 'kinds = ["gas-leek"]', "did you mean 'gas-leak'?"),
        ('exposure = ["enclosed"]', 'exposure = ["closed"]', "line 10), exposure: Smallville has no 'closed'"),
        ('asset_kinds = ["manhole"]', 'asset_kinds = ["mannhole"]', "did you mean 'manhole'?"),
        ('asset_kinds = ["manhole"]', "", "expected asset_kinds, assets or zones, got none"),
        ('zones = ["Z-1"]', 'zones = ["Z-9"]', "zones: Smallville has no 'Z-9'"),
        ('kinds = ["water-burst"]\nzones = ["Z-1"]\n', "", "everything fits this"),
        ('unit = "U-WATER"', 'unit = "U-WINE"', "unit: Smallville has no 'U-WINE'"),
        ('units = ["U-GAS"]', 'units = ["U-GAZ"]', "units: Smallville has no 'U-GAZ'"),
        ('relief = "centre"', 'relief = "gas"', "expected another desk"),
        ('name = "centre"', 'name = "centre"\nunits = ["U-GAS"]', "expected one desk without units"),
        ('from = "20:00"', 'from = "8 pm"', "expected a time of day such as '08:00', got '8 pm'"),
        ('from = "20:00"', 'from = "08:00"', "expected another time than 08:00"),
        ('days = ["fri", "sat"]', 'days = ["friday"]', "expected a day of the week"),
        ('name = "day"', 'name = "night"', "expected each name of a shift once"),
        ('name = "gas"', 'name = "centre"', "expected each name once"),
        ("[[exposure]]", "[[exposures]]", "unknown field"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, wrong: str, right: str, said: str) -> None:
    """One spoilt thing a time; the message says file, entry, line and field."""
    with pytest.raises(ConfigError) as caught:
        load_city(folder(tmp_path, TEXT.replace(wrong, right, 1)))
    assert any(said in str(problem) for problem in caught.value.problems), caught.value


NAMES = st.text("abcö -", min_size=1, max_size=6).filter(lambda text: text == text.strip())
GRADES = st.builds(
    Grade, NAMES, st.just("I"), st.just(0), st.just(("gas-leak",)), st.just(("II",)), st.just(()),
    st.floats(0, 9), st.floats(0, 1), st.integers(0, 99).map(lambda hours: hours * HOUR),
)  # fmt: skip
SHIFTS = st.builds(
    Shift, NAMES, st.integers(0, 700), st.integers(701, 1440),
    st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
)  # fmt: skip
DESKS = st.builds(
    Desk, NAMES, st.just(()), st.integers(0, 99).map(lambda m: m * MINUTE), st.integers(0, 50), st.just(""),
    SHIFTS.map(lambda shift: (shift,)),
)  # fmt: skip


@given(st.lists(GRADES, max_size=3, unique_by=lambda g: g.name), st.lists(DESKS, max_size=1))
def test_what_is_written_is_read_back(grades: list[Grade], desks: list[Desk]) -> None:
    """Any policy survives its file."""
    with tempfile.TemporaryDirectory() as there:
        city = replace(load_city(write(Path(there) / "a", FILES)), policy=Policy((), tuple(grades), (), tuple(desks)))
        write_city(city, Path(there) / "b")
        assert load_city(Path(there) / "b") == city


@given(st.integers(0, 6), st.integers(0, 1439))
def test_a_day_and_a_night_leave_no_minute_to_nobody(day: int, minute: int) -> None:
    """Shifts that follow each other cover the week, each minute once."""
    shifts = (Shift("day", start=480, end=1200), Shift("night", start=1200, end=480))
    assert sum(shift.covers(day, minute) for shift in shifts) == 1
