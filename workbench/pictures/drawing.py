"""One picture: the readings with what the detector expects of them, its score below, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from detectors import registry
from detectors.contract import Detector
from domain.clock import HOUR
from domain.findings import Phase
from domain.records import Bools, Floats, Int64s
from workbench.pictures.png import BLACK, BLUE, GREY, PINK, RED, YELLOW, save_png
from workbench.pictures.recordings import Reader, Recording
from workbench.sets import _water as water
from workbench.sets._play import Played, play

__all__ = ["Moment", "Picture", "draw"]

_WIDTH, _HEIGHT = 9.0, {1: 4.6, 2: 5.4}  # inches of 100 pixels; by how many sensors are shown
_MOST: Final = 5.0  # scores above are cut off


class Moment(NamedTuple):
    """A detector at a row: its state's record before and after it, the row's time (ns) and first shown reading."""

    before: Any
    state: Any
    ts: int
    value: float
    detector: Any

    @property
    def hour(self) -> int:
        """Whole hours since 1970."""
        return self.ts // HOUR


Line = Callable[[Moment], float]


@dataclass(frozen=True)
class Picture:
    """What is drawn of a detector.

    Parameters
    ----------
    recording
        Reads it from a folder of the public sets, or makes it.
    source
        Where it comes from, in words.
    caption
        What is to be seen.
    params, low, high
        The detector's parameters, and the sensors' physical range.
    show
        Which sensors are drawn, at most two; a detector of single sensors sees the first.
    expected, bounds
        Lines over the first sensor's readings: what the detector expects, and beyond what it finds something.
    score
        In multiples of the first threshold; None: what the detector itself keeps, or else what its marks say.
    window
        What is drawn, from and until; learning goes before.
    """

    recording: Reader
    source: str
    caption: str
    params: Mapping[str, Any]
    show: Sequence[int] = (0,)
    expected: Line | None = None
    bounds: Sequence[Line] = ()
    score: Line | None = None
    window: tuple[str, str] | None = None
    low: float = -np.inf
    high: float = np.inf
    unit: str = ""


@dataclass(frozen=True, slots=True)
class _Drawn:
    played: Played
    expected: Floats
    bounds: Floats
    score: Floats


def _run(name: str, picture: Picture, recording: Recording) -> _Drawn:
    """Play the recording, and follow the lines through the detector's state."""
    whole = registry.get(name).scope == "asset"
    columns = list(range(len(recording.sensors))) if whole else [picture.show[0]]
    values = np.ascontiguousarray(recording.values[:, columns])
    rows = len(values)
    lines = [line for line in (picture.expected, picture.score, *picture.bounds) if line is not None]
    traced = np.full((len(lines), rows), np.nan)
    before: list[Any] = [None]

    def follow(detector: Detector, row: int) -> None:
        record = detector.state[0]
        moment = Moment(before[0], record, int(recording.ts[row]), float(shown[row]), detector)
        for k, line in enumerate(lines):
            traced[k, row] = line(moment)
        before[0] = record.copy()

    shown = recording.values[:, picture.show[0]]
    played = play(
        name,
        picture.params,
        [recording.sensors[c] for c in columns],
        recording.ts,
        values,
        recording.step,
        unit=picture.unit or recording.units[picture.show[0]],
        low=picture.low,
        high=picture.high,
        after=follow if lines else lambda detector, row: None,
    )
    rest = iter(traced)
    nothing = np.full(rows, np.nan)
    expected = next(rest) if picture.expected else nothing
    score = next(rest) if picture.score else played.score
    return _Drawn(played, expected, np.array(list(rest)).reshape(-1, rows), score)


def draw(name: str, picture: Picture, data: Path, out: Path) -> str:
    """Draw `picture` of detector `name` as `out`; return what was found, in words."""
    from matplotlib.figure import Figure  # here, because it takes half a second

    recording = picture.recording(data)
    drawn = _run(name, picture, recording)
    since, until = map(water.nanos, picture.window) if picture.window else (recording.ts[0], recording.ts[-1])
    rows = (recording.ts >= since) & (recording.ts <= until)
    above = len(picture.show)
    figure = Figure(figsize=(_WIDTH, _HEIGHT[above]), dpi=100, layout="constrained")
    axes = figure.subplots(above + 1, sharex=True, height_ratios=[2.0 / above] * above + [1.0])
    _readings(axes[:-1], picture, recording, rows)
    _expectations(axes[0], recording.ts[rows], recording.values[rows, picture.show[0]], drawn, rows)
    _score(axes[-1], recording.ts[rows], drawn.score[rows])
    for begin, end in recording.events:
        if end >= since and begin <= until:
            for ax in axes:
                span = np.array([max(begin, since), min(end, until)], "M8[ns]")
                ax.axvspan(*span, color=YELLOW, alpha=0.45, lw=0, zorder=0, label="true event")
    words = _findings(axes, drawn.played.marks, since, until)
    _legend(figure, axes[0])
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    axes[-1].set_xlim(*recording.ts[rows][[0, -1]].astype("M8[ns]"))
    _dates(axes[-1])
    figure.align_ylabels()
    axes[0].set_title(f"{name}: {picture.source}", loc="left", fontsize=10)
    save_png(figure, out)
    return words


def _readings(axes: Sequence[Any], picture: Picture, recording: Recording, rows: Bools) -> None:
    for ax, sensor in zip(axes, picture.show, strict=True):
        _plot(ax, recording.ts[rows], recording.values[rows, sensor], color=GREY, lw=0.8, label="reading")
        unit = recording.units[sensor]
        ax.set_ylabel(f"{recording.sensors[sensor]}, {unit}" if unit else recording.sensors[sensor])


def _expectations(axes: Any, ts: Int64s, value: Floats, drawn: _Drawn, rows: Bools) -> None:
    """What is expected, the bounds, and room for them and for the findings above; bounds far away are left out."""
    low, high = float(np.nanmin(value)), float(np.nanmax(value))
    reach = 0.6 * (high - low)
    _plot(axes, ts, drawn.expected[rows], color=BLUE, lw=1.2, label="expected")
    for bound in drawn.bounds[:, rows]:
        _plot(axes, ts, bound, color=RED, lw=1.1, ls="--", label="bound")
        near = bound[(bound > low - reach) & (bound < high + reach)]
        low, high = float(near.min(initial=low)), float(near.max(initial=high))
    room = high - low or 1.0
    axes.set_ylim(low - 0.08 * room, high + 0.16 * room)


def _score(axes: Any, ts: Int64s, score: Floats) -> None:
    _plot(axes, ts, score, color=GREY, lw=0.8)
    axes.axhline(1.0, color=RED, lw=1.1, ls="--")
    axes.set_ylim(-0.08, min(1.1 * float(np.nanmax(score, initial=1.2)), _MOST))
    axes.set_ylabel("score / threshold")


def _plot(axes: Any, ts: Int64s, value: Floats, label: str | None = None, **style: Any) -> None:
    """A line that breaks where readings are missing for long; nothing where there are none."""
    known = ~np.isnan(value)
    at, y = ts[known].astype("M8[ns]"), value[known]
    if not len(at):
        return
    apart = np.diff(at, prepend=at[:1])
    gap = np.flatnonzero(apart > 20 * np.median(apart))
    axes.plot(np.insert(at, gap, at[gap]), np.insert(y, gap, np.nan), label=label, **style)


def _findings(axes: Sequence[Any], marks: Sequence[Mapping[str, Any]], since: int, until: int) -> str:
    """Mark onset, finding and clearing of each abnormality; a bar says how long it was open."""
    held: dict[str, Mapping[str, Any]] = {}
    spans: list[tuple[Mapping[str, Any], int]] = []
    for mark in marks:
        if mark["phase"] == Phase.ONSET.value:
            held[mark["sensor"]] = mark
        elif mark["phase"] == Phase.END.value and mark["sensor"] in held:
            spans.append((held.pop(mark["sensor"]), mark["ts"]))
    spans += [(mark, int(until) + 1) for mark in held.values()]
    spans = sorted((s for s in spans if s[1] >= since and s[0]["ts"] <= until), key=lambda span: span[0]["ts"])
    top = axes[0]
    y = top.get_xaxis_transform()
    for mark, end in spans:
        found = np.datetime64(int(mark["ts"]), "ns")
        onset = np.datetime64(max(int(mark["onset"]), int(since)), "ns")
        cleared = np.datetime64(min(int(end), int(until)), "ns")
        for ax in axes:
            ax.axvline(found, color=PINK, lw=1.2, zorder=1, label="found")
        top.plot([found, cleared], [0.965, 0.965], transform=y, color=PINK, lw=5, solid_capstyle="butt")
        top.plot(onset, 0.965, ">", transform=y, color=BLUE, ms=6, label="onset")
        if end <= until:
            top.plot(cleared, 0.965, "|", transform=y, color=BLACK, ms=9, mew=1.6, label="cleared")
    width = int(until) - int(since)
    before: Mapping[str, Any] = {"reason": "", "ts": 0}
    for mark in (mark for mark, _ in spans if mark["reason"]):
        before, last = mark, before
        if mark["reason"] == last["reason"] and mark["ts"] - last["ts"] < 0.12 * width:
            continue
        at = np.datetime64(max(int(mark["ts"]), int(since)), "ns")
        late = mark["ts"] > until - 0.12 * width
        style = {"fontsize": 7.5, "va": "top", "ha": "right" if late else "left"}
        top.text(at, 0.925, f" {mark['reason']} ", transform=y, **style)
    delays = ", ".join(f"{(mark['ts'] - mark['onset']) / 1e9:.6g} s {mark['reason']}".strip() for mark, _ in spans[:6])
    return f"{len(spans)} found ({delays})"


def _legend(figure: Any, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    order = ("reading", "expected", "bound", "true event", "onset", "found", "cleared")
    pairs = dict(zip(labels, handles, strict=True))  # one of each
    shown = [label for label in order if label in pairs]
    figure.legend(
        [pairs[label] for label in shown],
        shown,
        loc="outside upper right",
        ncols=len(shown),
        fontsize=8,
        frameon=False,
        columnspacing=1.2,
        handlelength=1.6,
    )


def _dates(axes: Any) -> None:
    from matplotlib import dates

    ours: Any = dates  # its types are unfinished
    locator = ours.AutoDateLocator(minticks=4, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ours.ConciseDateFormatter(locator))
