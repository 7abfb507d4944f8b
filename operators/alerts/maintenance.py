"""What is in maintenance or out of service, and which alerts therefore ask nothing of the desk.

An alert is suppressed while everything that speaks for it is: each of its sensors and cameras is out of service, or on
an asset in maintenance, or on one that hangs on such an asset. Of two words on one thing the later one holds, in
whatever order they come.
"""

from __future__ import annotations

from typing import Final

from domain.actions import Action, Verb
from domain.city import City
from domain.findings import Alert
from domain.networks import Networks
from operators.alerts.timing import FOREVER, Timers

__all__ = ["WINDOWS", "Maintenance"]

#: What people say of them.
WINDOWS: Final = frozenset({Verb.SUPPRESS, Verb.RESUME, Verb.OUT_OF_SERVICE, Verb.IN_SERVICE})


class Maintenance:
    """The windows of a city.

    Parameters
    ----------
    city
        Its sensors, cameras, assets and pipes.
    most
        How long a maintenance window may be, ns.
    """

    def __init__(self, city: City, most: int) -> None:
        self._most = most
        self._asset = {sensor.id: sensor.asset for sensor in city.sensors}
        self._asset |= {camera.id: camera.asset for camera in city.cameras.values()}
        self._networks = Networks(city)
        self.state = State()

    @property
    def next(self) -> int:
        """When a window ends, ns; FOREVER when none is open."""
        return self.state.timers.next

    def take(self, action: Action, now: int) -> bool:
        """Open, move or close a window; whether that changed anything at `now`, ns."""
        state = self.state
        of_asset = action.verb in (Verb.SUPPRESS, Verb.RESUME)
        thing = (of_asset, action.asset if of_asset else action.sensor)
        if action.said <= state.heard.get(thing, (0, "")):
            return False
        state.heard[thing] = action.said
        before = state.until.pop(thing, 0)
        until = 0
        if action.verb in (Verb.SUPPRESS, Verb.OUT_OF_SERVICE):
            until = min(action.until or FOREVER, action.ts + self._most if of_asset else FOREVER)
        if until > now:
            state.until[thing] = until
            state.timers.at(until, thing)
        return state.until.get(thing, 0) != before

    def due(self, now: int) -> bool:
        """Close the windows that end at `now` or before; whether there was one."""
        state, ended = self.state, False
        while state.timers.next <= now:
            thing = state.timers.pop()
            if state.until.get(thing, FOREVER) <= now:
                del state.until[thing]
                ended = True
        return ended

    def covers(self, alert: Alert) -> bool:
        """Whether all that speaks for an alert is in maintenance or out of service; what people report never is."""
        sources = (*alert.sensors, *alert.cameras)
        return bool(self.state.until and sources and not alert.reports) and all(map(self._covered, sources))

    def holds(self, source: str) -> bool:
        """Whether a sensor or a camera is in maintenance or out of service."""
        return bool(self.state.until) and self._covered(source)

    def _covered(self, source: str) -> bool:
        asset, until = self._asset.get(source, ""), self.state.until
        if (False, source) in until:
            return True
        return bool(asset) and any(
            asset == id or asset in self._networks.below(id) for of_asset, id in until if of_asset
        )


class State:
    """All that is remembered: at most one window an asset, a sensor and a camera; here (whether an asset, its id)."""

    def __init__(self) -> None:
        self.until: dict[tuple[bool, str], int] = {}  # open windows, and when they end, ns
        self.heard: dict[tuple[bool, str], tuple[int, str]] = {}  # the last word on each thing
        self.timers: Timers[tuple[bool, str]] = Timers()
