"""Parameter files, in all the forms that people have."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import ConfigError
from tests.flows.town import CITY
from workbench.monitors import monitors_for, read_params

BARE = 'rising = ["30 %LEL", "50 %LEL"]\n'
MONITOR = """
[[monitor]]
name = "gas"
detector = "threshold"
kind = "gas-leak"
levels = ["II"]
[monitor.params]
rising = ["30 %LEL", "50 %LEL"]
"""


def write(folder: Path, text: str, name: str = "params.toml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_without_a_file_the_citys_own_run() -> None:
    """All of them, or those of one detector."""
    assert monitors_for(CITY) == CITY.monitors
    assert [monitor.name for monitor in monitors_for(CITY, "ewma")] == ["mean"]


def test_a_detector_that_the_city_does_not_use_watches_every_sensor() -> None:
    """It can be tried without writing a monitor first; its alerts are of the lightest level."""
    (monitor,) = monitors_for(CITY, "cusum")
    assert (monitor.name, monitor.levels, monitor.select.sensors) == ("cusum", (2,), ())


@pytest.mark.parametrize(("text", "name"), [(BARE, "p.toml"), ('{"rising": ["30 %LEL", "50 %LEL"]}', "p.json")])
def test_bare_parameters_replace_those_of_the_same_name(tmp_path: Path, text: str, name: str) -> None:
    """What the file does not name stays as the city has it; what is given in code comes last."""
    file = write(tmp_path, text, name)
    monitor, _ = monitors_for(CITY, "threshold", file)
    assert monitor.params == {"rising": ["30 %LEL", "50 %LEL"], "hysteresis": "2 %LEL"}
    monitor, _ = monitors_for(CITY, "threshold", file, {"rising": ["60 %LEL"]})
    assert monitor.params["rising"] == ["60 %LEL"]


def test_a_monitor_file_replaces_the_citys_monitors(tmp_path: Path) -> None:
    """Level names are the city's; the parameters can be read out of it alone, too."""
    file = write(tmp_path, MONITOR)
    (monitor,) = monitors_for(CITY, None, file)
    assert (monitor.levels, monitor.params["rising"]) == ((2,), ["30 %LEL", "50 %LEL"])
    assert read_params(file, "threshold") == {"rising": ["30 %LEL", "50 %LEL"]}
    assert read_params(write(tmp_path, BARE), "threshold") == {"rising": ["30 %LEL", "50 %LEL"]}


@pytest.mark.parametrize(
    ("text", "detector", "said"),
    [
        (BARE, None, "bare parameters need a detector"),
        (BARE.replace("%LEL", "%VOL"), "threshold", r"gas, params.rising\[0\]: expected the sensors' unit '%LEL'"),
        ("risin = 1", "threshold", "params.risin: expected one of the parameters of threshold"),
        (MONITOR.replace("II", "V"), None, "expected a level of city.toml"),
        (MONITOR.replace("[monitor.params]", "[monitor.select]\nkinds = ['x']\n[monitor.params]"), None, "sensors"),
        ("= 1", "threshold", "expected a file of parameters"),
        (BARE, "treshold", "Did you mean 'threshold'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, detector: str | None, said: str) -> None:
    """With the file, the monitor and the field."""
    with pytest.raises(ConfigError, match=said):
        monitors_for(CITY, detector, write(tmp_path, text))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(ConfigError, match=r"nothing\.toml"):
        read_params(tmp_path / "nothing.toml", "ewma")
