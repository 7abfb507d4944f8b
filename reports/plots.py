"""Plots of a day as SVG, to stand inside a page: text stays text, and equal days give equal bytes."""

from __future__ import annotations

import io
import re
from typing import Any, Final

import numpy as np

from domain.clock import MILLISECOND
from reports.bridge import BridgeDay, Traces

__all__ = ["plot_day"]

# Okabe and Ito's colours, which everybody can tell apart.
BAND: Final = "#56b4e9"
LINE: Final = "#0072b2"
ALERT: Final = "#d55e00"
SETTINGS: Final[dict[Any, Any]] = {
    "svg.hashsalt": "lifeline",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
}


def plot_day(day: BridgeDay, traces: Traces) -> str:
    """The means of all sensors of a kind over the day, between the least and the most; alerts are marked."""
    import matplotlib as mpl  # here, because it takes half a second
    from matplotlib import dates as untyped
    from matplotlib.figure import Figure

    dates: Any = untyped
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(9, 2.4))
        axes: Any = figure.add_axes((0.085, 0.11, 0.885, 0.84))  # for all, so that their times are in line
        at = (traces.ts // MILLISECOND).astype("M8[ms]")
        axes.fill_between(at, traces.least, traces.most, color=BAND, alpha=0.25, lw=0, label="least to most")
        for number, mean in enumerate(traces.mean.values()):
            axes.plot(at, mean, color=LINE, lw=0.7, alpha=0.7, label="mean of a sensor" if not number else None)
        for alert in day.alerts:
            if alert["kind"] != "sensor-fault":
                axes.axvspan(
                    _naive(alert["raised"]), _naive(alert["cleared"] or day.heard), color=ALERT, alpha=0.12, lw=0
                )
                axes.axvline(_naive(alert["raised"]), color=ALERT, lw=1)
        axes.set_xlim(*map(_naive, day.shown))
        whole = day.shown == (day.begin, day.end)
        hours = dates.HourLocator(byhour=range(0, 24, 3), tz=day.zone)
        axes.xaxis.set_major_locator(hours if whole else dates.AutoDateLocator(tz=day.zone, minticks=4, maxticks=9))
        axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M", tz=day.zone))
        axes.set_ylabel(traces.unit)
        axes.grid(alpha=0.2)
        axes.spines[["top", "right"]].set_visible(False)
        svg = io.StringIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Title": traces.kind})
    drawing = svg.getvalue()
    # Two drawings in one page must not share the names of their parts.
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{traces.kind}-", drawing[drawing.index("<svg") :])


def _naive(moment: Any) -> np.datetime64:
    """UTC, as the times of the readings are."""
    return np.datetime64(round(moment.timestamp() * 1000), "ms")
