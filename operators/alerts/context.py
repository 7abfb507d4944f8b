"""What besides its signs speaks for a case or against it: rain, neighbours that feel nothing, cameras that see nothing.

Nobody is asked who is known to be out of order, and nobody who could not know yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass

from domain.city import City
from domain.clock import MINUTE
from domain.findings import Finding, Phase, Verdict
from domain.selection import selected
from operators.alerts.memory import State
from operators.alerts.places import Places
from operators.alerts.rules import DEFAULT, Rules
from operators.alerts.signs import Case, corroboration
from operators.alerts.timing import FOREVER
from operators.alerts.travel import Travel

__all__ = ["Context", "Weighed"]


@dataclass(frozen=True, slots=True)
class Weighed:
    """How sure a case is, 0 to 1, and what else speaks for it and against it, in words."""

    score: float
    support: tuple[str, ...] = ()
    against: tuple[str, ...] = ()


class Context:
    """Knows who else could know of a case."""

    def __init__(self, city: City, places: Places, travel: Travel, rules: Rules = DEFAULT) -> None:
        self._city, self._places, self._travel, self._rules = city, places, travel, rules
        self._rain = city.correlation.rain
        self._monitors = {monitor.name: monitor for monitor in city.monitors}
        self._watched: dict[str, frozenset[str]] = {}  # sensors by monitor
        self._at: defaultdict[str, list[str]] = defaultdict(list)  # sensors by site
        for sensor in city.sensors:
            self._at[places.of_sensor(sensor.id).key].append(sensor.id)
        self._cameras: defaultdict[str, list[str]] = defaultdict(list)
        for camera in city.cameras:
            self._cameras[places.of_camera(camera).key].append(camera)
        self._filmed = {rule.kind for rule in city.video_rules}
        self._gauges: defaultdict[str, list[str]] = defaultdict(list)  # by zone
        zone = {sensor.id: sensor.zone for sensor in city.sensors}
        names = [monitor.name for monitor in city.monitors if self._rain and monitor.kind == self._rain.kind]
        for gauge in sorted(set().union(*map(self._watches, names))):
            self._gauges[zone[gauge]].append(gauge)

    def hear(self, finding: Finding, weather: MutableMapping[str, tuple[int, int]]) -> None:
        """Whether it rains on a gauge."""
        if self._rain is None or finding.kind != self._rain.kind:
            return
        if finding.onset >= weather.get(finding.sensor, (finding.onset, 0))[0]:
            weather[finding.sensor] = (finding.onset, finding.ts if finding.phase is Phase.END else FOREVER)

    def weigh(self, case: Case, state: State, now: int) -> Weighed:
        """A case at `now`, ns."""
        rules = self._rules
        if case.first.fault:
            return Weighed(corroboration(case, rules))
        contrary = [*self._unfelt(case, state, now), *self._unseen(case, state)]
        support: list[str] = []
        against: list[str] = []
        explained, more = self._weather(case, state, now, support, against)
        score = corroboration(case, rules, explained, more)
        score *= (1.0 - rules.contrary) ** min(len(contrary), rules.contrary_most)
        return Weighed(round(score, 4), tuple(support), (*against, *contrary[: rules.listed]))

    # Rain

    def _weather(
        self, case: Case, state: State, now: int, support: list[str], against: list[str]
    ) -> tuple[tuple[str, ...], float]:
        """Kinds of signs that rain explains as well, and what rain adds; in words where they belong."""
        rule, zone = self._rain, case.site.zone
        gauges = [gauge for gauge in self._gauges.get(zone, ()) if self._healthy(gauge, state)]
        if rule is None or not gauges or case.kind not in (*rule.explains, *rule.against):
            return (), 0.0
        suffers = case.kind in rule.against
        rained = [state.weather[gauge] for gauge in gauges if gauge in state.weather]
        wet = [gauge for gauge in gauges if state.weather.get(gauge, (0, 0))[1] >= case.onset - rule.lasts]
        if not wet:
            last = max((end for _, end in rained), default=0)
            dry = f"for {(now - last) // MINUTE} min" if last else "so far"
            said = f"no rain in zone {zone} {dry} by {_count(gauges, 'gauge')}"
            (support if suffers else against).append(said)
            return (), 0.0
        words = f"rain in zone {zone} on {', '.join(wet[:3])}{f' and {len(wet) - 3} more' if len(wet) > 3 else ''}"
        if not suffers:
            support.append(words)
            return (), self._rules.rain_weight
        also = dict.fromkeys(sign.kinds[0] for sign in case.all_signs() if sign.kinds[0] in rule.explains)
        against.append(f"{words}{', which explains ' + ' and '.join(map(_plain, also)) + ' as well' if also else ''}")
        return rule.explains, 0.0

    # Who should know

    def _unfelt(self, case: Case, state: State, now: int) -> Iterator[str]:
        """Sensors of the first one's monitor along the pipes that should feel it by now and do not, nearest first."""
        first, monitor = case.first, self._monitors.get(case.first.by)
        if monitor is None or not isinstance(first.latest, Finding):
            return
        places = self._travel.felt(case.site, now - case.began - monitor.on_delay)
        if not places:
            return
        watched, involved = self._watches(monitor.name), {sign.source for sign in case.signs.values()}
        for metres, key in sorted((metres, key) for key, metres in places.items()):
            for sensor in self._at.get(key, ()):
                if sensor not in watched or sensor in involved or not self._healthy(sensor, state):
                    continue
                if any(case.kind in sign.kinds for sign in state.signs.get(sensor, {}).values()):
                    continue  # it does, for another case
                yield f"{sensor}, {metres:.0f} m away, feels nothing"

    def _unseen(self, case: Case, state: State) -> Iterator[str]:
        """Cameras near by that have seen other things since, and nothing of this."""
        if case.kind not in self._filmed:
            return
        involved = {sign.source for sign in case.all_signs()}
        for metres, key in sorted((metres, key) for key, metres in self._places.near(case.site).items()):
            for camera in self._cameras.get(key, ()):
                if camera not in involved and state.seen.get(camera, 0) > case.began:
                    yield f"camera {camera}, {metres:.0f} m away, sees nothing of it"

    def _healthy(self, sensor: str, state: State) -> bool:
        signs = state.signs.get(sensor, {}).values()
        return sensor not in state.faults and not any(_faulty(sign.latest) and sign.lasting for sign in signs)

    def _watches(self, monitor: str) -> frozenset[str]:
        found = self._watched.get(monitor)
        if found is None:
            known = self._monitors.get(monitor)
            chosen = selected(self._city, known.select) if known is not None else ()
            found = self._watched[monitor] = frozenset(self._city.sensors[i].id for i in chosen)
        return found


def _faulty(record: object) -> bool:
    return isinstance(record, Finding) and record.verdict is Verdict.FAULT


def _plain(kind: str) -> str:
    return kind.replace("-", " ")


def _count(things: list[str], what: str) -> str:
    return f"{len(things)} {what}{'s' if len(things) > 1 else ''}"
