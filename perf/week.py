"""A simulated week of Bozhou, judged by its monitors: false pages, alarm load, and how soon what happened was told.

`make week`, or `python -m perf.week --seed 2`. What is simulated, and why in parts, is told in docs/week.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from domain.city_files import load_city, load_settings
from domain.clock import DAY, MINUTE, iso
from domain.findings import Alert
from domain.kernel_cache import use_kernel_cache
from flows.figures import figure
from flows.matching import Match, Matching, match

__all__ = ["Lived", "Page", "figures_of", "load_of"]

DAYS_A_YEAR: Final = 365.25
#: Alarm load is counted in these, ns.
BUCKET: Final = 10 * MINUTE
#: Event time of a poll, s.
CHUNK: Final = 600
#: What EEMUA 191 and ISA-18.2 take one operator to bear, in alarms in ten minutes: in the long run, and after an upset.
USUAL: Final = 1
UPSET: Final = 10


@dataclass(frozen=True, slots=True)
class Page:
    """An alert that reached somebody: when it was raised, and when it got graver."""

    ts: int
    kind: str
    level: int
    owner: str


@dataclass(frozen=True, slots=True)
class Lived:
    """A part of the city, and what its desk was told in its week."""

    name: str
    sensors: int
    days: float
    readings: int
    start: int
    matching: Matching
    pages: tuple[Page, ...]
    seconds: float

    @property
    def years(self) -> float:
        """Sensor-years."""
        return self.sensors * self.days / DAYS_A_YEAR


def live(number: int, seed: int, days: float, every: int) -> Lived:
    """Simulate and judge the part of that number."""
    from simulators.measured import MeasuredCity
    from simulators.week import PARTS, week
    from workbench.tape import judge, steps

    started = time.monotonic()
    city = load_city("bozhou")
    # One shard: fewer and larger batches, and findings do not depend on it.
    settings = load_settings("bozhou").model_copy(update={"shards": 1})
    scenario = week(city, PARTS[number], seed, days=days, every=every)
    town = scenario.city
    chunk = CHUNK if sum(s.rate for s in town.sensors) < 500 else CHUNK // 10
    judged = judge(town, settings, steps(town, settings, MeasuredCity(scenario, chunk)))
    pages = tuple(Page(e.ts, e.alert.kind, e.alert.level, e.alert.owner) for e in judged.pages)
    return Lived(
        PARTS[number].name,
        len(town.sensors),
        scenario.span / DAY,
        judged.readings,
        scenario.start,
        match(scenario.truth, judged.alerts),
        pages,
        time.monotonic() - started,
    )


def load_of(pages: Sequence[Page], start: int, days: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Pages in each ten minutes from `start`, ns, on.

    >>> load_of([Page(0, "a", 1, ""), Page(5, "a", 1, ""), Page(BUCKET, "b", 1, "")], 0, 0.02).tolist()
    [2, 1, 0]
    """
    buckets = -(-round(days * DAY) // BUCKET)
    at = np.array([(page.ts - start) // BUCKET for page in pages], np.int64)
    return np.bincount(np.clip(at, 0, buckets - 1), minlength=buckets)


def _is_fault(one: Match) -> bool:
    return bool(one.incident.reason)


def figures_of(parts: Sequence[Lived]) -> list[dict[str, Any]]:
    """The week in numbers."""
    years = sum(part.years for part in parts)
    false = [alert for part in parts for alert in part.matching.false]
    matches = [one for part in parts for one in part.matching.matches if one.incident.alert]
    faults = [one for one in matches if _is_fault(one)]
    events = [one for one in matches if not _is_fault(one)]
    pages = [page for part in parts for page in part.pages]
    start, days = parts[0].start, max(part.days for part in parts)
    load = load_of(pages, start, days)
    units = {unit: load_of([p for p in pages if p.owner == unit], start, days) for unit in {p.owner for p in pages}}
    busiest = max(sorted(units), key=lambda unit: int(units[unit].sum()), default="")
    found = [
        figure("sensor-years", round(years, 2), "years"),
        figure("readings", sum(part.readings for part in parts), "readings"),
        figure("false pages per sensor-year", round(len(false) / years, 4), "1/year", at_most=0.1),
        figure("false pages", len(false), "alerts"),
        figure("false pages about events", sum(1 for a in false if a.kind != "sensor-fault"), "alerts"),
        figure("incidents", len(events), "incidents"),
        figure("incidents found", _found(events), "incidents"),
        figure("faults", len(faults), "faults"),
        figure("faults called faults", _found(faults), "faults"),
        figure("pages per 10 min, one desk for all, mean", round(float(load.mean()), 3), "pages", at_most=USUAL),
        figure("pages per 10 min, one desk for all, p99", float(np.percentile(load, 99)), "pages"),
        figure("pages per 10 min, one desk for all, max", int(load.max()), "pages", at_most=UPSET),
    ]
    if busiest:
        found += [
            figure(
                f"pages per 10 min, busiest unit ({busiest}), mean", round(float(units[busiest].mean()), 3), "pages"
            ),
            figure("pages per 10 min, any unit, max", max(int(u.max()) for u in units.values()), "pages"),
        ]
    for kind, delays in sorted(_delays(matches).items()):
        found.append(figure(f"delay, {kind}, median", round(statistics.median(delays), 1), "s"))
        found.append(figure(f"delay, {kind}, longest", round(max(delays), 1), "s"))
    return found


def _found(matches: Sequence[Match]) -> int:
    return sum(1 for one in matches if one.alert is not None)


def _delays(matches: Sequence[Match]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for one in matches:
        if one.delay is not None:
            found[one.incident.kind].append(one.delay)
    return dict(found)


def _told(alert: Alert, part: Lived) -> dict[str, Any]:
    """A false alert for whoever looks for its cause, with what happened to its sensors and its asset at that time."""
    beside = [
        f"{one.incident.id} at {iso(one.incident.start)} to {iso(one.incident.end)}"
        for one in part.matching.matches
        if (set(one.incident.sensors) & set(alert.sensors) or (alert.asset and one.incident.asset == alert.asset))
        and one.incident.start - DAY <= alert.raised <= one.incident.end + DAY
    ]
    return {
        "part": part.name,
        "kind": alert.kind,
        "level": alert.level,
        "raised": iso(alert.raised),
        "asset": alert.asset,
        "sensors": list(alert.sensors),
        "summary": alert.summary,
        "support": list(alert.support[:5]),
        "beside": beside,
    }


def _missed(one: Match, part: Lived) -> dict[str, Any]:
    incident = one.incident
    return {
        "part": part.name,
        "id": incident.id,
        "start": iso(incident.start),
        "end": iso(incident.end),
        "asset": incident.asset,
        "sensors": list(incident.sensors),
        "detectable": incident.detectable,
    }


def write(path: Path, parts: Sequence[Lived], seed: int, took: float) -> None:
    """The figures, and behind them what was simulated, what was false and what was missed."""
    from simulators.week import LEFT_OUT

    told = {
        "figures": figures_of(parts),
        "seed": seed,
        "seconds": round(took, 1),
        "simulated": [
            {
                "part": part.name,
                "sensors": part.sensors,
                "days": part.days,
                "sensor-years": round(part.years, 2),
                "readings": part.readings,
                "faults": sum(1 for one in part.matching.matches if _is_fault(one)),
                "incidents": sum(1 for one in part.matching.matches if not _is_fault(one)),
                "pages": len(part.pages),
                "seconds": round(part.seconds, 1),
            }
            for part in parts
        ],
        "left out": LEFT_OUT,
        "false": [_told(alert, part) for part in parts for alert in part.matching.false],
        "missed": [
            _missed(one, part)
            for part in parts
            for one in part.matching.matches
            if one.incident.alert and one.alert is None
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def show(console: Console, parts: Sequence[Lived]) -> None:
    """Print the week."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("incident", "found", "median", "longest"):
        table.add_column(name, justify="left" if name == "incident" else "right")
    matches = [one for part in parts for one in part.matching.matches if one.incident.alert]
    for kind in sorted({one.incident.kind for one in matches}):
        these = [one for one in matches if one.incident.kind == kind]
        delays = _delays(these).get(kind, [])
        spans = [_span(statistics.median(delays)), _span(max(delays))] if delays else ["", ""]
        table.add_row(kind, f"{_found(these)} of {len(these)}", *spans)
    console.print(table)
    for part in parts:
        for alert in part.matching.false:
            console.print(f"false: {iso(alert.raised)} {alert.kind} {alert.level}: {alert.summary}", markup=False)
    for one in figures_of(parts):
        if not one["name"].startswith("delay"):
            bar = f"  (bar {one['bar']}: {'holds' if one['holds'] else 'MISSED'})" if "bar" in one else ""
            console.print(f"{one['name']:60s} {one['value']:>14,} {one['unit']}{bar}", highlight=False)


def _span(seconds: float) -> str:
    if seconds < 600:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def main() -> int:
    """Simulate, show and write; 1 where a bar is missed."""
    use_kernel_cache(Path("build/cache/numba").absolute())
    from simulators.week import PARTS

    parser = argparse.ArgumentParser(prog="python -m perf.week", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="chooses times and places (%(default)s)")
    parser.add_argument("--days", type=float, default=7.0, help="so long at most (%(default)s)")
    parser.add_argument("--every", type=int, default=1, help="only one in so many assets of each kind")
    parser.add_argument("--processes", type=int, default=2, help="%(default)s")
    parser.add_argument("--parts", nargs="+", default=[part.name for part in PARTS], metavar="PART", help="all of them")
    parser.add_argument("--out", type=Path, default=Path("build/week.json"), help="where the figures go (%(default)s)")
    options = parser.parse_args()
    chosen = [i for i, part in enumerate(PARTS) if part.name in options.parts]
    if len(chosen) < len(options.parts):
        parser.error(f"expected parts of {', '.join(repr(part.name) for part in PARTS)}")
    console, started = Console(), time.monotonic()
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(live, i, options.seed, options.days, options.every) for i in chosen]
        parts = []
        for one in running:
            part = one.result()
            parts.append(part)
            console.print(
                f"{part.name}: {part.sensors:,} sensors, {part.days:g} days, {part.years:.1f} sensor-years, "
                f"{part.readings:,} readings, {len(part.matching.false)} false, in {part.seconds:.0f} s",
                highlight=False,
            )
    show(console, parts)
    write(options.out, parts, options.seed, time.monotonic() - started)
    return int(any(one.get("holds") is False for one in figures_of(parts)))


if __name__ == "__main__":
    raise SystemExit(main())
