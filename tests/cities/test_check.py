from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from domain.city_files import load_settings, shipped_cities
from domain.errors import ConfigError
from flows.commands.check import check, check_city
from tests.domain.small_city import FILES, write

SMALL = {"monitors.toml": FILES["monitors.toml"].replace("threshold = 6.0", "z = [6.0]")}
run = CliRunner()


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(check)
    return app


@pytest.mark.parametrize("name", sorted(shipped_cities()))
def test_shipped_cities_are_right(app: typer.Typer, name: str):
    """Every city that comes with Lifeline passes, and every sensor of it is watched."""
    assert check_city(name).name == name
    assert load_settings(name)
    result = run.invoke(app, [name])
    assert result.exit_code == 0
    assert "Note:" not in result.output


def test_summary_says_what_there_is(app: typer.Typer, tmp_path: Path):
    """Sensors with their load, places, and what every monitor watches."""
    result = run.invoke(app, [str(write(tmp_path / "city", SMALL))])
    assert result.exit_code == 0, result.output
    for words in (
        "Smallville, Asia/Shanghai",
        "gas-lel",
        "%LEL",
        "3.7",
        "gas 0.1 km",
        "main 1, manhole 1",
        "I (urgent)",
    ):
        assert words in result.output
    assert "Note:" not in result.output


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        (
            '"25 %LEL"',
            '"25 %VOL"',
            'monitors.toml, monitor 1 "gas-lel" (line 12), params.rising[2]: expected the sensors',
        ),
        ('"25 %LEL"', '"5 %LEL"', 'monitors.toml, monitor 1 "gas-lel" (line 11), params: expected `rising` to rise'),
        (
            "hysteresis",
            "hysteresys",
            'monitors.toml, monitor 1 "gas-lel" (line 13), params.hysteresys: expected one of',
        ),
        ('"threshold"', '"treshold"', 'monitors.toml, monitor 1 "gas-lel" (line 3), detector: expected one of'),
        (
            "z = [6.0]",
            "relearn = 5",
            'monitors.toml, monitor 2 "pressure" (line 24), params.relearn: expected a duration',
        ),
    ],
)
def test_parameters_of_detectors_are_checked(app: typer.Typer, tmp_path: Path, right: str, wrong: str, problem: str):
    """What only the detector knows is checked as well, and named by its place in monitors.toml."""
    text = SMALL["monitors.toml"]
    assert right in text
    folder = write(tmp_path / "city", {"monitors.toml": text.replace(right, wrong)})
    with pytest.raises(ConfigError):
        check_city(folder)
    result = run.invoke(app, [str(folder)])
    assert result.exit_code == 1
    assert problem in result.output
    assert result.output.endswith(f"{folder}: 1 problem\n")


def test_sensors_are_judged_together_by_their_asset(app: typer.Typer, tmp_path: Path):
    """A detector of at most four sensors an asset may watch any number of assets, but not five sensors on one."""
    names = [f"S-L-{i}" for i in range(6)]
    monitors = (
        '[[monitor]]\nname = "rise"\ndetector = "level_rise"\nkind = "rise"\nlevels = ["II"]\n'
        '[monitor.select]\nkinds = ["level"]\n'
    )
    for assets, code in (["A-1", "A-2"] * 3, 0), (["A-1"] * 6, 1):
        rows = "".join(
            f"{name},level,m,Z-{'1' if asset == 'A-1' else 'INLINE'},{asset},,,\n"
            for name, asset in zip(names, assets, strict=True)
        )
        sensors = FILES["sensors.csv"] + rows
        folder = write(tmp_path / str(code), SMALL | {"sensors.csv": sensors, "monitors.toml": monitors})
        assert run.invoke(app, [str(folder)]).exit_code == code


def test_problems_are_printed_one_a_line(app: typer.Typer, tmp_path: Path):
    """Each with its place, and the count at the end."""
    folder = write(tmp_path / "city", {"sensors.csv": FILES["sensors.csv"].replace("0.2", "fast").replace("2.5", "-1")})
    result = run.invoke(app, [str(folder)])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == ["sensors.csv, row 2, rate", "sensors.csv, row 4, rate"]
    assert lines[-1] == f"{folder}: 2 problems"


def test_what_is_worth_a_look_is_noted(app: typer.Typer, tmp_path: Path):
    """Sensors that nobody watches, and support for what nobody reports, are allowed."""
    text = (
        SMALL["monitors.toml"].replace('["water-burst"]', '["water-brust"]').replace('["S-W-*", "S-W-1"]', '["S-W-1"]')
    )
    result = run.invoke(app, [str(write(tmp_path / "city", {"monitors.toml": text}))])
    assert "no monitor for 1 of the sensors, of the kinds pressure" in result.output
    assert "support water-brust, which no monitor reports" in result.output
