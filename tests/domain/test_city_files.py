from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.city import Asset, Camera, City, Level, Pipe, Sensor, Unit, Zone
from domain.city_files import find_city, load_city, load_settings, write_city
from domain.clock import HOUR, MINUTE
from domain.correlation import CauseRule, Correlation, RainRule
from domain.desk import DeskPolicy, LevelPolicy
from domain.errors import ConfigError, Problem
from domain.monitors import Monitor, ReportRule, Select, VideoRule
from domain.recording import RecordingFormat
from domain.settings import EngineSettings, TimeRules
from domain.ventilation import Fan, Ventilation
from tests.domain.small_city import FILES, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "small")


def test_reads_every_table(folder: Path):
    """All fields arrive, inline entries come before the table's, empty cells take the default."""
    city = load_city(folder)
    assert city == City(
        name="Smallville",
        timezone="Asia/Shanghai",
        levels=(Level(1, "I", True), Level(2, "II")),
        units={"U-GAS": Unit("U-GAS", "Gas company", "0558-1"), "U-WATER": Unit("U-WATER", "Water company")},
        zones={"Z-INLINE": Zone("Z-INLINE", "old town", "U-GAS"), "Z-1": Zone("Z-1", "North", "U-WATER")},
        assets={
            "A-1": Asset("A-1", "manhole", "Z-1", "", 115.7, 33.8),
            "A-2": Asset("A-2", "main", "Z-INLINE", "Ring main", unit="U-WATER"),
        },
        sensors=(
            Sensor("S-G-1", "gas-lel", "%LEL", "Z-1", "A-1", rate=0.2, low=0.0, high=100.0),
            Sensor("S-W-1", "pressure", "m", "Z-INLINE", "A-2"),
            Sensor("S-W-2", "pressure", "m", "Z-INLINE", "A-2", rate=2.5, low=-1.0, high=160.0),
        ),
        cameras={"C-1": Camera("C-1", "Z-1", "A-1", name="crossing")},
        pipes=(Pipe("P-1", "gas", "A-1", "A-2", 130.5),),
        monitors=(
            Monitor(
                "gas-lel",
                "threshold",
                "gas-leak",
                Select(kinds=("gas-lel",)),
                {"rising": ["10 %LEL", "20 %LEL", "25 %LEL"], "hysteresis": "2 %LEL"},
                (0, 2, 1),
                "U-GAS",
                1_500_000_000,
                60_000_000_000,
            ),
            Monitor(
                "pressure",
                "ewma",
                "water-burst",
                Select(sensors=("S-W-*", "S-W-1"), zones=("Z-INLINE",)),
                {"threshold": 6.0},
                (1,),
            ),
        ),
        video_rules=(VideoRule("waterlogging", "waterlogging", 2, 0.6, "U-WATER", ("water-burst",)),),
        recording=RecordingFormat(
            "Timestamp", {"inflow": "S-W-1"}, "%Y-%m-%d %H:%M:%S", "Asia/Shanghai", ";", ("Label",)
        ),
    )
    assert city.sensor_index == {"S-G-1": 0, "S-W-1": 1, "S-W-2": 2}


def test_reads_the_engine_settings(folder: Path):
    """What city.toml says holds, the rest are defaults, in ns."""
    settings = load_settings(folder)
    assert settings == EngineSettings(shards=4, block=10**10, time=TimeRules(lateness=500_000_000, idle=None))
    assert settings.time.pane == 10**9


@pytest.mark.parametrize("change", [lambda b: b"\xef\xbb\xbf" + b, lambda b: b.replace(b"\n", b"\r\n")])
def test_files_of_other_editors(folder: Path, tmp_path: Path, change):
    """A byte order mark and Windows line ends change nothing."""
    other = write(tmp_path / "other", {name: change(text.encode()) for name, text in FILES.items()})
    assert load_city(other) == load_city(folder)


#: file, what stands there, what stands there instead; then field, place and words of the problem.
MISTAKES = [
    # city.toml
    ("city.toml", 'name = "Smallville"', "", "name", "", "required"),
    ("city.toml", '"Asia/Shanghai"\n\n[[level]]', '"Asia/Bozhou"\n\n[[level]]', "timezone", "line 2", "IANA"),
    ("city.toml", '"Asia/Shanghai"\n\n[[level]]', '"Asia"\n\n[[level]]', "timezone", "line 2", "IANA"),
    ("city.toml", "rank = 2", "rank = 1", "rank", 'level 2 "II" (line 10)', "once"),
    ("city.toml", "rank = 2", "rank = 3", "rank", "level 1", "1, 2, 3"),
    ("city.toml", "rank = 2", 'rank = "2"', "rank", 'level 2 "II" (line 10)', "integer, got '2'"),
    ("city.toml", "rank = 1", "rank = 0", "rank", 'level 1 "I" (line 5)', "greater than or equal to 1, got 0"),
    ("city.toml", "urgent = true", "urgent = 1", "urgent", 'level 1 "I" (line 7)', "boolean, got 1"),
    ("city.toml", "urgent = true", "urgnet = true", "urgnet", 'level 1 "I"', "did you mean 'urgent'"),
    ("city.toml", "[engine]", "[engin]", "engin", "", "did you mean 'engine'"),
    ("city.toml", "[[zone]]", "[zone]", "zone", "", "list"),
    ("city.toml", 'unit = "U-GAS"', 'unit = "U-GAZ"', "unit", 'zone 1 "Z-INLINE" (line 16)', "did you mean 'U-GAS'"),
    ("city.toml", 'time = "Timestamp"', "time = 3", "time", "[recording] (line 19)", "string, got 3"),
    ("city.toml", 'time = "Timestamp"', 'time = "inflow"', "columns.inflow", "[recording]", "column of time"),
    ("city.toml", 'delimiter = ";"', 'delimiter = ";;"', "delimiter", "[recording] (line 22)", "one character"),
    ("city.toml", 'inflow = "S-W-1"', 'inflow = "S-W-7"', "columns.inflow", "[recording]", "one of the 3 sensors"),
    ("city.toml", 'inflow = "S-W-1"', 'a = "S-W-1"\nb = "S-W-1"', "columns.b", "[recording]", "each sensor once"),
    ("city.toml", 'format = "%Y', 'format = "%Q', "format", "[recording] (line 20)", "strptime"),
    ("city.toml", "shards = 4", "shards = 0", "shards", "[engine] (line 28)", "greater than or equal to 1"),
    ("city.toml", '"500 ms"', "500", "time.lateness", "[engine] (line 31)", "duration with its unit such as"),
    ("city.toml", '"500 ms"', '"-1 s"', "time.lateness", "[engine] (line 31)", "0 or more"),
    ("city.toml", '"500 ms"', '"999999 d"', "time.lateness", "[engine] (line 31)", "100 years"),
    ("city.toml", '"never"', '"7 s"\npane = "7 s"', "time", "[engine]", "whole part"),
    ("city.toml", '"10 s"', '"10.5 s"', "", "[engine]", "block of whole panes"),
    ("city.toml", "[[level]]\nrank = 1", "[[level]\nrank = 1", "", "line 4, column", "expected TOML"),
    # tables
    ("units.csv", "contact\n", "contacts\n", "contacts", "row 1", "did you mean 'contact'"),
    ("units.csv", "name,contact", "name,name", "name", "row 1", "once"),
    ("units.csv", "Gas company", "Gas\u0007company", "name", "row 2", "control characters"),
    ("units.csv", "U-WATER,", "U-GAS,", "id", "row 3", "stands in units.csv, row 2"),
    ("zones.csv", "Z-1,North", "Z-1, North,x", "", "row 2", "expected 3 cells, got 4"),
    ("zones.csv", "Z-1", "Z\x1f1", "id", "row 2", "without control characters"),
    ("zones.csv", "Z-1", "Z" * 129, "id", "row 2", "at most 128 bytes, got 129"),
    ("zones.csv", "Z-1", "区" * 43, "id", "row 2", "at most 128 bytes, got 129"),
    ("assets.csv", "115.7", "215.7", "lon", "row 2", "less than or equal to 180, got '215.7'"),
    ("assets.csv", "33.8", "-93.8", "lat", "row 2", "greater than or equal to -90"),
    ("assets.csv", "33.8", "nan", "lat", "row 2", "got 'nan'"),
    ("assets.csv", "A-2,main,Z-INLINE", "A-2,main,Z-9", "zone", "row 3", "one of the 2 zones, got 'Z-9'"),
    ("sensors.csv", "id,kind,unit", "id,kind,units", "unit", "row 1", "this column, got none"),
    ("sensors.csv", "pressure,m,", "pressure,,", "unit", "row 3", "required"),
    ("sensors.csv", "0.2", "fast", "rate", "row 2", "valid number, unable to parse string as a number, got 'fast'"),
    ("sensors.csv", "0.2", "0", "rate", "row 2", "greater than 0, got '0'"),
    ("sensors.csv", "0.2", "-1", "rate", "row 2", "greater than 0, got '-1'"),
    ("sensors.csv", "0.2", "inf", "rate", "row 2", "finite number, got 'inf'"),
    ("sensors.csv", "-1,160", "160,160", "low", "row 4", "less than high (160), got 160"),
    ("sensors.csv", "-1,160", "nan,160", "low", "row 4", "less than high"),
    ("sensors.csv", "S-W-2", "S-G-1", "id", "row 4", "stands in sensors.csv, row 2"),
    ("sensors.csv", "S-W-2", "S-W-*", "id", "row 4", "without control characters, '*'"),
    ("sensors.csv", '"A-2"', '"A-9"', "asset", "row 3", "one of the 2 assets"),
    ("sensors.csv", '"A-2"', '"A-2', "", "row 3", "comma-separated values"),
    ("cameras.csv", "C-1,Z-1", "C-1,Z-2", "zone", "row 2", "zones"),
    ("cameras.csv", "A-1,crossing", "A-7,crossing", "asset", "row 2", "assets"),
    ("pipes.csv", "A-1,A-2", "A-1,A-3", "end", "row 2", "assets"),
    ("pipes.csv", "A-1,A-2", "A-1,A-1", "end", "row 2", "another asset"),
    ("pipes.csv", "130.5", "0", "length", "row 2", "greater than 0"),
    # monitors.toml
    ("monitors.toml", 'detector = "threshold"', "", "detector", 'monitor 1 "gas-lel" (line 1)', "required"),
    ("monitors.toml", 'name = "pressure"', 'name = "gas-lel"', "name", "monitor 2", "each name once"),
    ("monitors.toml", '"", "II", "I"', '"", "III", "I"', "levels[1]", "(line 5)", "level of city.toml (I, II)"),
    ("monitors.toml", '["", "II", "I"]', '"II"', "levels", "(line 5)", "expected a list, got 'II'"),
    ("monitors.toml", '"1.5 s"', '"1.5 sec"', "on_delay", "(line 7)", "one of ns, us, ms, s, min, h, d, got '1.5 sec'"),
    ("monitors.toml", '"1.5 s"', "1.5", "on_delay", "(line 7)", "duration with its unit"),
    ("monitors.toml", 'unit = "U-GAS"', 'unit = "U-X"', "unit", "(line 6)", "units"),
    ("monitors.toml", "on_delay", "on_dealy", "on_dealy", "(line 7)", "did you mean 'on_delay'"),
    ("monitors.toml", 'kinds = ["gas', 'kind = ["gas', "select.kind", "monitor 1", "unknown field"),
    ("monitors.toml", '["gas-lel"]', '["gas-vol"]', "select.kinds", "(line 10)", "kind of a sensor"),
    ("monitors.toml", '["Z-INLINE"]', '["Z-1"]', "select", "monitor 2", "at least one sensor"),
    ("monitors.toml", '["Z-INLINE"]', '["Z-X"]', "select.zones", "monitor 2", "id of a zone"),
    ("monitors.toml", '"S-W-*"', '"S-X-*"', "select.sensors", "monitor 2", "some sensor fits, got 'S-X-*'"),
    ("monitors.toml", '["gas-lel"]', '["gas-lel", "pressure"]', "params.rising", "(line 12)", "sensors of one unit"),
    ("monitors.toml", "threshold = 6.0", "threshold = 2026-01-01", "params.threshold", "monitor 2", "JSON"),
    ("monitors.toml", "confidence = 0.6", "confidence = 60", "confidence", 'video 1 "waterlogging"', "or equal to 1"),
    ("monitors.toml", 'level = "II"', 'level = "V"', "level", "video 1", "level of city.toml"),
    ("monitors.toml", "[[video]]", "[[vidoe]]", "vidoe", "", "did you mean 'video'"),
]


@pytest.mark.parametrize(("file", "right", "wrong", "field", "where", "words"), MISTAKES)
def test_every_mistake_names_file_place_and_field(
    tmp_path: Path, file: str, right: str, wrong: str, field: str, where: str, words: str
):
    """One thing is wrong: a problem says in which file, where in it, which field, what was expected and what came."""
    assert right in FILES[file]
    write(tmp_path / "city", {file: FILES[file].replace(right, wrong, 1)})
    with pytest.raises(ConfigError) as caught:
        load_city(tmp_path / "city")
    problems = [problem for problem in caught.value.problems if (problem.file, problem.field) == (file, field)]
    assert any(where in problem.where and words in problem.message for problem in problems), str(caught.value)


def test_one_mistake_is_one_problem(tmp_path: Path):
    """A row that is wrong in itself does not make those that refer to it wrong."""
    for file, right, wrong in [
        ("zones.csv", "Z-1,North,U-WATER", "Z-1,North,U-WATER,x"),
        ("assets.csv", "115.7", "east"),
        ("zones.csv", "id,name,unit", "id,nom,unit"),
        ("units.csv", "Gas", "Gas\x00"),
        ("sensors.csv", "0.2", "0"),
        ("city.toml", "[[level]]\nrank = 1", "[[level]\nrank = 1"),
        ("city.toml", "rank = 2", 'rank = "2"'),
    ]:
        write(tmp_path / "city", {file: FILES[file].replace(right, wrong, 1)})
        with pytest.raises(ConfigError) as caught:
            load_city(tmp_path / "city")
        assert len(caught.value.problems) == 1, str(caught.value)


def test_all_problems_in_file_order(tmp_path: Path):
    """Nothing stops at the first mistake, and problems come in the order in which one would mend them."""
    wrong = {
        "city.toml": FILES["city.toml"].replace("shards = 4", "shards = 0").replace("Asia/Shanghai", "X", 1),
        "sensors.csv": FILES["sensors.csv"].replace("0.2", "fast").replace("S-W-2", "S-W-1").replace("2.5", "-2.5"),
        "monitors.toml": FILES["monitors.toml"].replace("1.5 s", "1.5"),
    }
    write(tmp_path / "city", wrong)
    with pytest.raises(ConfigError) as caught:
        load_city(tmp_path / "city")
    assert [(problem.file, problem.field) for problem in caught.value.problems] == [
        ("city.toml", "timezone"),
        ("city.toml", "shards"),
        ("sensors.csv", "rate"),
        ("sensors.csv", "rate"),
        ("monitors.toml", "on_delay"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "where", "words"),
    [
        ("zones.csv", b"id,name,unit\nZ-1,Nord,\nZ-2,M\xfcnchen,\n", "line 3", "UTF-8, got the byte 0xfc at column 6"),
        ("city.toml", FILES["city.toml"].encode("utf-16"), "line 1", "UTF-8"),
        ("pipes.csv", b"", "row 1", "expected a header"),
        ("pipes.csv", b"\r\n\r\n", "row 1", "expected a header"),
        ("city.toml", b"", "", "required"),
        ("sensors.csv", None, "", "expected sensors, got none"),
        ("sensor.csv", b"id\n", "", "unknown file; did you mean 'sensors.csv'?"),
        ("city.toml", b"a = " + b"[" * 100_000, "", "nested too deeply"),
        ("city.toml", b"a = " + b"9" * 5_000, "", "expected TOML"),
        ("pipes.csv", b'id,network,start,end,length\nP-1,"' + b"x" * 140_000, "row 2", "comma-separated"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, where: str, words: str):
    """A whole file that is wrong is named, with the line where that helps."""
    write(tmp_path / "city", {name: content})
    with pytest.raises(ConfigError) as caught:
        load_city(tmp_path / "city")
    assert any(where in problem.where and words in problem.message for problem in caught.value.problems)


def test_a_folder_in_place_of_a_file(folder: Path):
    """What the system says is passed on."""
    (folder / "pipes.csv").unlink()
    (folder / "pipes.csv").mkdir()
    with pytest.raises(ConfigError, match=r"pipes.csv: cannot be read: Is a directory"):
        load_city(folder)


def test_rows_are_counted_as_an_editor_does(tmp_path: Path):
    """Blank lines and line breaks inside quotes count."""
    text = 'id,name,unit\n\nZ-1,"a\nb",\nZ-2,,U-X\n'
    write(tmp_path / "city", {"zones.csv": text})
    with pytest.raises(ConfigError) as caught:
        load_city(tmp_path / "city")
    assert [(p.where, p.field) for p in caught.value.problems] == [("row 3", "name"), ("row 5", "unit")]


def test_a_small_city_in_one_file(tmp_path: Path):
    """Tables may stand in city.toml, also inline; monitors may be missing."""
    (tmp_path / "city.toml").write_text(
        'name = "one"\ntimezone = "UTC"\nzone = [{id = "Z"}]\n'
        'sensor = [{id = "S", kind = "k", unit = "m", zone = "Z"}]\n'
    )
    city = load_city(tmp_path)
    assert city.sensors == (Sensor("S", "k", "m", "Z"),)
    assert load_settings(tmp_path) == EngineSettings()


DESK = """
[desk]
shelve_most = "8 h"

[[desk.level]]
rank = 1
acknowledge_within = "2 min"
escalate_to = ["U-GAS", "U-WATER"]
latched = true
"""


def test_what_is_expected_of_the_desk(folder: Path, tmp_path: Path):
    """It is read, and written as it was read; where nothing is said, the gravest level is latched."""
    assert load_city(folder).desk == DeskPolicy()
    (folder / "city.toml").write_text(FILES["city.toml"] + DESK)
    city = load_city(folder)
    level = LevelPolicy(1, 2 * MINUTE, ("U-GAS", "U-WATER"), latched=True)
    assert city.desk == DeskPolicy(shelve_most=8 * HOUR, level=(level,))
    write_city(city, tmp_path / "again")
    assert load_city(tmp_path / "again") == city


@pytest.mark.parametrize(
    ("there", "instead", "words"),
    [
        ("shelve_most", "shelve_mots", "did you mean 'shelve_most'"),
        ("rank = 1\nack", "rank = 7\nack", "expected one of 1, 2, got 7"),
        ('"U-GAS"', '"U-GAZ"', "did you mean 'U-GAS'"),
        ('acknowledge_within = "2 min"\n', "", "since escalate_to needs one"),
        ('"8 h"', "8", "duration with its unit"),
        ("latched = true", "latched = true\n[[desk.level]]\nrank = 1", "each level once"),
    ],
)
def test_what_is_wrong_with_the_desk(folder: Path, there: str, instead: str, words: str):
    """Unknown fields, levels and units are refused."""
    (folder / "city.toml").write_text(FILES["city.toml"] + DESK.replace(there, instead))
    with pytest.raises(ConfigError, match=words):
        load_city(folder)


VENTILATION = """
[ventilation]
monitors = ["gas-lel"]
run = "20 min"

[[ventilation.fan]]
asset = "A-1"
gas = "S-G-1"
falls = 1.5
"""


def test_what_may_be_ventilated(folder: Path, tmp_path: Path):
    """Nothing by default; what is said is read, and written as it was read."""
    assert load_city(folder).ventilation is None
    (folder / "city.toml").write_text(FILES["city.toml"] + VENTILATION)
    city = load_city(folder)
    assert city.ventilation == Ventilation(("gas-lel",), (Fan("A-1", "S-G-1", falls=1.5),), run=20 * MINUTE)
    write_city(city, tmp_path / "again")
    assert load_city(tmp_path / "again") == city


@pytest.mark.parametrize(
    ("there", "instead", "words"),
    [
        ('["gas-lel"]', '["gas-lol"]', "did you mean 'gas-lel'"),
        ('"A-1"', '"A-7"', "id of one of the 2 assets, got 'A-7'"),
        ('"S-G-1"', '"S-W-1"', "expected a sensor on 'A-1', got 'S-W-1'"),
        ("falls = 1.5", "falls = 0.0", "greater than 0"),
        ("falls = 1.5", "fals = 1.5", r"fan\[0\].fals: unknown field"),
        ('run = "20 min"', 'run = "1 min"', "no longer a time than `run`"),
        ('run = "20 min"', 'selection = "0 s"', "a time above 0"),
        ("falls = 1.5", '[[ventilation.fan]]\nasset = "A-1"\ngas = "S-G-1"', "each asset once"),
    ],
)
def test_what_is_wrong_with_the_ventilation(folder: Path, there: str, instead: str, words: str):
    """A monitor, an asset or a sensor that is not there, and times that do not fit."""
    (folder / "city.toml").write_text(FILES["city.toml"] + VENTILATION.replace(there, instead))
    with pytest.raises(ConfigError, match=words):
        load_city(folder)


@pytest.mark.parametrize("name", ["skap", "no/such/folder", "x" * 5000, "a\0b"])
def test_no_such_city(name: str):
    """Neither a folder nor a shipped city: the shipped ones are named."""
    with pytest.raises(ConfigError, match=r"hanoi, .*munich, .*skab") as caught:
        find_city(name)
    assert ("did you mean 'skab'" in str(caught.value)) == (name == "skap")


def test_a_folder_without_a_city(tmp_path: Path):
    """A folder that holds no city.toml says so."""
    with pytest.raises(ConfigError, match=r"expected the file city.toml in this folder"):
        find_city(tmp_path)


def test_writing_replaces_the_tables(folder: Path):
    """A table that the city does not have does not stay behind."""
    city = load_city(folder)
    settings = load_settings(folder)
    bare = replace(city, pipes=(), cameras={}, monitors=(), video_rules=(), recording=None)
    write_city(bare, folder, settings)
    assert not (folder / "pipes.csv").exists()
    assert load_city(folder) == bare
    assert load_settings(folder) == settings


def test_a_level_that_the_city_does_not_have(folder: Path, tmp_path: Path):
    """It cannot be written by name."""
    city = load_city(folder)
    with pytest.raises(ConfigError, match="rank of a level of the city"):
        write_city(replace(city, levels=()), tmp_path / "out")


IDS = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="*"), min_size=1, max_size=32)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=1e-300, allow_infinity=False)
VALUES = st.one_of(FINITE, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.text(max_size=8))
OFFSETS = st.floats(-3600, 3600)
DURATIONS = st.integers(0, 36_525 * 86_400 * 10**9)


@st.composite
def cities(draw: st.DrawFn) -> City:
    """A valid city of any content."""

    def ids() -> list[str]:
        return draw(st.lists(IDS, unique=True, min_size=1, max_size=3))

    def one_of(names: list[str]) -> str:
        return draw(st.sampled_from(names))

    def maybe(names: list[str]) -> str:
        return draw(st.sampled_from(["", *names]))

    units, zones, assets, sensors = ids(), ids(), ids(), ids()
    longitudes, latitudes = st.floats(-180, 180), st.floats(-90, 90)
    levels = tuple(Level(rank, name, draw(st.booleans())) for rank, name in enumerate(ids(), 1))
    ranks = st.integers(0, len(levels))
    ends = draw(st.permutations(assets))
    params = st.dictionaries(st.text(max_size=5), st.one_of(VALUES, st.lists(VALUES, max_size=3)), max_size=3)
    nested = st.dictionaries(st.text(max_size=5), st.one_of(VALUES, params), max_size=3)
    return City(
        name=draw(IDS),
        timezone=draw(st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York"])),
        units={unit: Unit(unit, draw(TEXTS), draw(TEXTS)) for unit in units},
        zones={zone: Zone(zone, draw(TEXTS), maybe(units)) for zone in zones},
        assets={
            asset: Asset(asset, draw(IDS), one_of(zones), draw(TEXTS), draw(longitudes), draw(latitudes), maybe(units))
            for asset in assets
        },
        sensors=tuple(
            Sensor(
                sensor, draw(IDS), "m", one_of(zones), maybe(assets), rate=draw(POSITIVE), low=draw(st.floats(-9, 1))
            )
            for sensor in sensors
        ),
        cameras={
            camera: Camera(camera, one_of(zones), maybe(assets), name=draw(TEXTS), clock_offset=draw(OFFSETS))
            for camera in ids()
        },
        pipes=tuple(Pipe(name, draw(IDS), ends[0], ends[-1], draw(POSITIVE)) for name in ids())
        if len(ends) > 1
        else (),
        levels=levels,
        monitors=tuple(
            Monitor(
                name,
                draw(IDS),
                draw(IDS),
                Select(sensors=(one_of(sensors), one_of(sensors)[:1] + "*")),
                draw(nested),
                tuple(draw(st.lists(ranks, max_size=3))),
                maybe(units),
                draw(DURATIONS),
                draw(DURATIONS),
            )
            for name in ids()
        ),
        video_rules=tuple(
            VideoRule(name, draw(IDS), draw(ranks), draw(st.floats(0, 1)), maybe(units), tuple(ids())) for name in ids()
        ),
        report_rules=tuple(
            ReportRule(name, draw(IDS), draw(ranks), draw(ranks), draw(st.floats(0, 1)), quiet=draw(DURATIONS))
            for name in ids()
        ),
        correlation=Correlation(
            (CauseRule("burst", draw(IDS), draw(POSITIVE), to=max(draw(DURATIONS), 1)),) if draw(st.booleans()) else (),
            rain=RainRule(draw(IDS), tuple(ids()), lasts=draw(DURATIONS)) if draw(st.booleans()) else None,
        ),
        recording=RecordingFormat("\u65f6 time", {"a.b": sensors[0], "": sensors[-1]}, delimiter="\t", labels=("x",))
        if len(sensors) > 1
        else None,
    )


@given(cities())
def test_what_is_written_is_read_back(city: City):
    """Writing loses nothing: floats to the last bit, names in any script, the order of the sensors."""
    with tempfile.TemporaryDirectory() as folder:
        write_city(city, folder)
        again = load_city(folder)
    assert again == city
    assert list(again.zones) == list(city.zones)


@given(st.data())
def test_random_edits_give_a_city_or_an_error_that_names_the_place(data: st.DataObject):
    """However a file is damaged, the answer is a city or a ConfigError: never another exception."""
    changed: dict[str, str | bytes | None] = {}
    for name in data.draw(st.lists(st.sampled_from(sorted(FILES)), unique=True, min_size=1, max_size=2)):
        text = FILES[name].encode()
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(text)))
            length = data.draw(st.integers(0, 12))
            new = data.draw(
                st.one_of(
                    st.binary(max_size=4),
                    st.sampled_from(
                        [b'"', b"\n", b",", b"[[", b"]", b"=", b"{}", b"1e999", b"nan", b"0x" + b"f" * 9999]
                    ),
                )
            )
            text = text[:at] + new + text[at + length :]
        changed[name] = text
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), changed)
        problems: tuple[Problem, ...] = ()
        try:
            load_city(folder)
            load_settings(folder)
        except ConfigError as error:
            problems = error.problems or (Problem("", "", "", ""),)
    for problem in problems:
        assert problem.file
        assert problem.message
        assert str(problem).isprintable()
