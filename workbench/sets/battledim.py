"""BattLeDIM 2020 (L-Town): leaks from the flows into a town and the level of its tank.

Vrachimis et al., Battle of the Leakage Detection and Isolation Methods, J. Water Resources Planning and Management 148
(2022). Flows alone cannot place a leak: what is counted is in `credit`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from detectors import registry
from domain.clock import DAY, HOUR, SECOND
from domain.errors import SourceError
from domain.records import Floats
from workbench.result import RecordScore, SetResult, figure
from workbench.sets import _water as water

__all__ = ["DEFAULT", "FOLDER", "Credit", "credit", "evaluate", "tank_area"]

DEFAULT: Final = "weekly_cusum"
FOLDER: Final = "battledim"

_INTERVAL: Final = 300.0
#: An alarm is credited to leaks that began at most so long ago; abrupt ones are to be found within `_SOON`.
_REACH: Final = 14 * DAY
_SOON: Final = 72 * HOUR
_MONTH: Final = 365.25 / 12 * DAY


@dataclass(frozen=True, slots=True)
class Credit:
    """Delay of each leak that was found (ns, by pipe), and the times of false alarms."""

    delays: Mapping[str, int]
    false: tuple[int, ...]


def credit(alarms: Sequence[int], leaks: Sequence[water.Leak]) -> Credit:
    """Each alarm (ns) goes to the undetected running leak that began last, at most 14 days ago; else it is false.

    >>> credit([5, 6], [water.Leak("p", 3, 9, True)])
    Credit(delays={'p': 2}, false=(6,))
    """
    delays: dict[str, int] = {}
    false = []
    for at in sorted(alarms):
        open_now = [
            leak
            for leak in leaks
            if leak.pipe not in delays and leak.start <= at <= leak.end and at - leak.start <= _REACH
        ]
        if open_now:
            leak = max(open_now, key=lambda leak: leak.start)
            delays[leak.pipe] = at - leak.start
        else:
            false.append(at)
    return Credit(delays, tuple(false))


def tank_area(network: Path, tank: str = "T1") -> float:
    """Surface of a cylindrical tank, m2, from an EPANET file; raises SourceError."""
    try:
        section = network.read_text(errors="replace").partition("[TANKS]")[2].partition("[")[0]
        diameter = next(float(row.split()[5]) for row in section.splitlines() if row.split()[:1] == [tank])
    except (OSError, StopIteration, IndexError, ValueError) as error:
        raise SourceError(f"{network}: expected tank {tank} with its diameter") from error
    return float(np.pi / 4 * diameter**2)


def meters(data: water.Table, area: float) -> Floats:
    """Two balances in m3/h: what the town draws without its tank, and what is drawn from the tank. Shape (rows, 2).

    A value uses its own row and the one before.
    """
    pump, level = data.columns["PUMP_1"], data.columns["T1"]
    rise = np.diff(level, prepend=level[:1]) * 3600.0 / _INTERVAL
    return np.column_stack([data.columns["p227"] + data.columns["p235"] - pump, pump - area * rise])


def evaluate(folder: Path, detector: str | None, params: Mapping[str, Any] | None, out: Path | None) -> SetResult:
    """Score a detector of sensors on both balances. Leaks that run when the recording begins are left out."""
    name = detector or DEFAULT
    if registry.get(name).scope != "sensor":
        raise water.refuse(name, "expected a detector of single sensors")
    paths = sorted(folder.glob("scada_*.csv*"))
    if not paths:
        raise SourceError(f"{folder}: expected files such as scada_2019_Jan-Apr.csv.gz")
    data = water.table(paths, ["p227", "p235", "PUMP_1", "T1"])
    values = meters(data, tank_area(folder / "L-TOWN.inp"))
    watch = water.ready(name, params, 2, _INTERVAL)
    marks = water.run(watch, data.ts, values)
    raised = water.alarms(marks)
    begin, end = int(data.ts[0]), int(data.ts[-1])
    leaks = [leak for leak in water.network_leaks(folder / "leaks.txt") if begin < leak.start <= end]
    ours = credit(raised["ts"].tolist(), leaks)
    abrupt = [leak for leak in leaks if leak.abrupt]
    months = (end - begin) / _MONTH

    def soon(found: Credit) -> int:
        return sum(found.delays.get(leak.pipe, _SOON + 1) <= _SOON for leak in abrupt)

    blind = {
        f"blind every {days} days": credit(list(range(begin + days * DAY, end, days * DAY)), leaks)
        for days in (3, 7, 14)
    }
    false = len(ours.false) / months
    record = RecordScore(
        "scada",
        len(leaks),
        tuple(delay / SECOND for delay in ours.delays.values()),
        len(ours.false),
        (end - begin) / DAY,
    )
    if out:
        target = out / "battledim" / name
        flag = water.flags(marks, data.ts)
        water.write_scores(target / "scada.csv", data.ts, flag.astype(np.float64), flag)
        water.write_alarms(target / "scada.jsonl", water.described(marks))
    delays = ", ".join(
        f"{leak.pipe} {ours.delays[leak.pipe] / HOUR:.0f} h" for leak in leaks if leak.pipe in ours.delays
    )
    rows = [
        figure(
            "abrupt leaks found within 72 h",
            soon(ours),
            unit=f"of {len(abrupt)}",
            bar="all",
            met=soon(ours) == len(abrupt),
            trivial={key: soon(value) for key, value in blind.items()},
            note=delays,
        ),
        figure(
            "false alarms",
            round(false, 3),
            unit="1/month",
            bar="1 or fewer",
            met=false <= 1.0,
            trivial={key: round(len(value.false) / months, 2) for key, value in blind.items()},
        ),
        figure(
            "leaks found",
            len(ours.delays),
            unit=f"of {len(leaks)}",
            trivial={key: len(value.delays) for key, value in blind.items()},
        ),
        figure("false alarms a day", round(len(ours.false) / record.sensor_days, 5), unit="1/day"),
    ]
    return SetResult("battledim", rows, name, [record])
