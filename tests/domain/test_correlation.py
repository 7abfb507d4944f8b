"""The `[correlation]` table: what is read, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.city_files import load_city
from domain.clock import MINUTE
from domain.correlation import CauseRule, Correlation, NetworkRule, RainRule
from domain.errors import ConfigError

CITY = """
name = "t"
timezone = "UTC"
sensor = [{id = "S", kind = "level", unit = "m", zone = "Z"}]
zone = [{id = "Z"}]
asset = [{id = "A", kind = "manhole", zone = "Z"}, {id = "B", kind = "manhole", zone = "Z"}]
pipe = [{id = "P", network = "water", start = "A", end = "B", length = 5.0}]
"""
CAUSE = '[[correlation.cause]]\ncause = "burst"\nconsequence = "flood"\n'
SPEED = '[[correlation.network]]\nnetwork = "water"\nslowest = 2.0\n'


def read(folder: Path, text: str) -> Correlation:
    """The table of a city with this in its city.toml."""
    (folder / "city.toml").write_text(CITY + text)
    return load_city(folder).correlation


def test_reads_causes_speeds_and_rain(tmp_path):
    """What is not said is the default."""
    text = (
        CAUSE + 'to = "30 min"\nnetwork = "water"\n' + SPEED + '[correlation.rain]\nkind = "rain"\nagainst = ["burst"]'
    )
    assert read(tmp_path, text) == Correlation(
        (CauseRule("burst", "flood", network="water", to=30 * MINUTE),),
        (NetworkRule("water", 2.0),),
        RainRule("rain", against=("burst",)),
    )
    assert read(tmp_path, "") == Correlation()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CAUSE + 'network = "gas"', "expected a network of the pipes (water), got 'gas'"),
        (CAUSE + 'since = "2 h"', "cause[0].to: expected no less than since"),
        (CAUSE + "within = 0.0", "greater than 0"),
        (CAUSE + 'until = "2 h"', "unknown field"),
        (CAUSE + '[[correlation.cause]]\ncause = "flood"\nconsequence = "burst"', "burst -> flood -> burst"),
        (SPEED + SPEED, "each network once"),
        (SPEED + "fastest = 1.0", "no less than slowest"),
        ("[correlation]\nspeed = 7", "unknown field"),
    ],
)
def test_what_is_refused_says_why(tmp_path, text, words):
    """And where."""
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert words in str(refused.value)
