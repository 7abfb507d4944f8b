"""A small city as text, right in every field: tests spoil one thing at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FILES = {
    "city.toml": """\
name = "Smallville"
timezone = "Asia/Shanghai"

[[level]]
rank = 1
name = "I"
urgent = true

[[level]]
rank = 2
name = "II"

[[zone]]
id = "Z-INLINE"
name = "old town"
unit = "U-GAS"

[recording]
time = "Timestamp"
format = "%Y-%m-%d %H:%M:%S"
timezone = "Asia/Shanghai"
delimiter = ";"
labels = ["Label"]
[recording.columns]
inflow = "S-W-1"

[engine]
shards = 4
block = "10 s"
[engine.time]
lateness = "500 ms"
idle = "never"
""",
    "units.csv": "id,name,contact\nU-GAS,Gas company,0558-1\nU-WATER,Water company,\n",
    "zones.csv": "id,name,unit\nZ-1,North,U-WATER\n",
    "assets.csv": "id,kind,zone,name,lon,lat,unit\n"
    "A-1,manhole,Z-1,,115.7,33.8,\nA-2,main,Z-INLINE,Ring main,,,U-WATER\n",
    "sensors.csv": (
        "id,kind,unit,zone,asset,rate,low,high\n"
        "S-G-1,gas-lel,%LEL,Z-1,A-1,0.2,0,100\n"
        'S-W-1,pressure,m,Z-INLINE,"A-2",,,\n'
        "S-W-2,pressure,m,Z-INLINE,A-2,2.5,-1,160\n"
    ),
    "cameras.csv": "id,zone,asset,name\nC-1,Z-1,A-1,crossing\n",
    "pipes.csv": "id,network,start,end,length\nP-1,gas,A-1,A-2,130.5\n",
    "monitors.toml": """\
[[monitor]]
name = "gas-lel"
detector = "threshold"
kind = "gas-leak"
levels = ["", "II", "I"]
unit = "U-GAS"
on_delay = "1.5 s"
off_delay = "1 min"
[monitor.select]
kinds = ["gas-lel"]
[monitor.params]
rising = ["10 %LEL", "20 %LEL", "25 %LEL"]
hysteresis = "2 %LEL"

[[monitor]]
name = "pressure"
detector = "ewma"
kind = "water-burst"
levels = ["I"]
[monitor.select]
sensors = ["S-W-*", "S-W-1"]
zones = ["Z-INLINE"]
[monitor.params]
threshold = 6.0

[[video]]
type = "waterlogging"
kind = "waterlogging"
level = "II"
confidence = 0.6
unit = "U-WATER"
supports = ["water-burst"]
""",
}


def write(folder: Path, changed: Mapping[str, str | bytes | None] | None = None) -> Path:
    """Write the files with some replaced; None leaves one out."""
    folder.mkdir(exist_ok=True)
    for name, text in {**FILES, **(changed or {})}.items():
        if text is None:
            (folder / name).unlink(missing_ok=True)
        else:
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder
