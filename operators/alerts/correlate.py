"""Signs to cases: what speaks for one cause at one place, from sensors, their neighbours, cameras and people.

A *sign* is what one monitor says of one sensor, what one camera sees of one type, or what one person reports of one
place. Once it has lasted for its monitor's on-delay it joins the nearest open case of its kind, or of what it is a
consequence of; one that asks for a level opens a case when there is none; one that asks for none waits for a case to
open near it.
"""

from __future__ import annotations

from dataclasses import replace

from domain.city import City
from domain.clock import SECOND
from domain.findings import Finding, Phase, Verdict, VideoEvent
from domain.identity import identify
from domain.reports import Report
from operators.alerts.causes import Causes
from operators.alerts.context import Context, Weighed
from operators.alerts.meaning import Meaning
from operators.alerts.memory import State
from operators.alerts.places import Places
from operators.alerts.rules import DEFAULT, Rules
from operators.alerts.signs import Case, Sign, corroboration
from operators.alerts.timing import FOREVER, Record
from operators.alerts.travel import Travel
from operators.alerts.trust import hold_back, mistrust, trust_again, trusted, wary
from operators.alerts.waves import Waves

__all__ = ["Correlator"]


class Correlator:
    """Keeps the signs and the open cases of a city.

    Drive it in event time: `take` every record of an instant, then `due` for that instant, then look at `changed`. The
    records of one abnormality must become known in their order: an end that comes before its onset is not heard.

    Parameters
    ----------
    city
        Its monitors and rules say what a sign means, its assets, zones and pipes what lies near what, its correlation
        what follows from what.
    rules
        Distances, times and weights.
    """

    def __init__(self, city: City, rules: Rules = DEFAULT) -> None:
        self._city, self._rules = city, rules
        self._places = Places(city, rules)
        self._travel = Travel(city, self._places)
        self._causes = Causes(city, self._places, self._travel)
        self._waves = Waves(city, rules)
        self._meaning = Meaning(city, self._places, rules)
        self._context = Context(city, self._places, self._travel, rules)
        self._ranks = sorted({level.rank for level in city.levels})
        self.state = State()

    def take(self, record: Record, now: int) -> None:
        """A record became known at `now`, ns. Nothing is decided before `due`."""
        if not isinstance(record, Finding):
            self._see(record, now)
        elif record.verdict is Verdict.FAULT:
            mistrust(self.state, self._rules, record, now)
            self._find(record, now)
        else:
            self._find(record, now)

    @property
    def next(self) -> int:
        """The next time at which something is due, ns; FOREVER when nothing is."""
        return self.state.timers.next

    def due(self, now: int) -> None:
        """Do what is due at `now` or before: count signs that have lasted, trust sensors again, forget what is over."""
        state = self.state
        while state.timers.next <= now:
            source, by = state.timers.pop()
            if by:
                sign = state.signs.get(source, {}).get(by)
                if sign is not None:
                    self._ripen(sign, now)
            else:
                for sign in trust_again(state, source, now):
                    self._count(sign, now)

    def look_again(self, case: Case) -> None:
        """Something has happened to what a case is the cause of."""
        self.state.changed[case] = None

    def changed(self) -> list[Case]:
        """Open cases that something has happened to since the last call, oldest first.

        What happens to a consequence happens to its cause.
        """
        for case in list(self.state.changed):
            while (cause := case.cause) is not None:
                self.state.changed[cause] = None
                case = cause
        changed = sorted(self.state.changed, key=lambda case: case.number)
        self.state.changed.clear()
        return changed

    def level(self, case: Case) -> int:
        """The level that a case asks for: its gravest sign's, or graver once a sensor and a camera have agreed.

        It is no milder than that of its consequences.
        """
        own = case.level
        if case.agreed:
            graver = [rank for rank in self._ranks if rank < own]
            steps = min(self._rules.agreement_steps, len(graver))
            own = graver[-steps] if steps else own
        return min((own, *map(self.level, case.folded.values())))

    def weigh(self, case: Case, now: int) -> Weighed:
        """How sure a case is at `now`, and what besides its signs speaks for it and against it."""
        return self._context.weigh(case, self.state, now)

    def lasting(self) -> list[tuple[str, str]]:
        """Monitor and sensor of each finding that has not ended."""
        return [
            (by, source)
            for source, signs in self.state.signs.items()
            for by, sign in signs.items()
            if sign.lasting and not sign.momentary
        ]

    def ended(self, monitor: str, sensor: str, now: int) -> Finding:
        """The end, at `now`, of what a monitor has found on a sensor."""
        latest = self.state.signs[sensor][monitor].latest
        assert isinstance(latest, Finding)
        at = max(now, latest.ts)
        return replace(latest, phase=Phase.END, ts=at, known=at, level=0)

    def close(self, case: Case, now: int) -> None:
        """A case is over. Signs that last, none of which asks for a level, wait for another."""
        state = self.state
        state.open.remove(case)
        state.waves.pop(case.number, None)
        state.changed.pop(case, None)
        case.over = True
        if case.cause is not None:  # which may be over by that
            case.cause.until = max(case.cause.until, now)
        for sign in case.signs.values():
            sign.case, sign.doubt = None, ""
            if sign.lasting or (sign.momentary and sign.end + sign.off_delay > now):
                if sign.ripe:
                    state.waiting.add(sign)
            else:
                self._forget(sign)
        if case.cause is None:
            case.signs = {}
        case.folded = {}
        state.rested.add(case)
        state.rested_until.append((now + self._rules.flap_window, case))
        self._forget_rested(now)

    # Records

    def _find(self, finding: Finding, now: int) -> None:
        state = self.state
        self._context.hear(finding, state.weather)
        sign = state.signs.get(finding.sensor, {}).get(finding.monitor)
        if finding.phase is Phase.END:
            if sign is not None and sign.latest.id == finding.id and sign.lasting:
                self._end(sign, finding, now)
            return
        if sign is not None and not (sign.lasting or sign.ripe) and sign.due <= now:
            self._ripen(sign, now)  # it came and went within this instant, and is back already
            sign = state.signs.get(finding.sensor, {}).get(finding.monitor)
        if sign is None:
            sign = self._begin(finding)
        begins = not sign.lasting or sign.latest is finding
        sign.latest, sign.level = finding, finding.level
        if begins:
            sign.onset, sign.began, sign.end, sign.ripe = finding.onset, finding.ts, FOREVER, False
            sign.due = sign.began + max(sign.on_delay, self._wary(sign))
            state.timers.at(max(sign.due, now), (sign.source, sign.by))
        elif sign.ripe:
            state.timers.at(now, (sign.source, sign.by))

    def _end(self, sign: Sign, finding: Finding, now: int) -> None:
        sign.end = finding.ts
        if sign.ripe:
            self._release(sign, now)
        elif finding.ts < sign.due:
            sign.due = FOREVER  # it did not last
        if sign.case is None and (sign.ripe or sign.due == FOREVER):
            self._forget(sign)

    def _see(self, record: VideoEvent | Report, now: int) -> None:
        if isinstance(record, VideoEvent):
            self.state.seen[record.camera] = now
        meant = self._meaning.of(record)
        if meant is None:
            return
        sign = self.state.signs.get(meant.source, {}).get(meant.by)
        if sign is None:
            sign = self._begin(record)
            sign.onset = sign.began = record.ts
        if isinstance(sign.latest, Finding) or record.confidence >= sign.latest.confidence:
            sign.latest = record
        # What is seen is over at once; what keeps the sign is its off-delay.
        sign.level, sign.ripe, sign.end = meant.level, True, now
        if sign.case is not None:
            self._note(sign.case, record)
        self.state.timers.at(now, (sign.source, sign.by))

    def _begin(self, record: Record) -> Sign:
        sign = self._meaning.sign(record)
        self.state.signs.setdefault(sign.source, {})[sign.by] = sign
        return sign

    # What is due

    def _ripen(self, sign: Sign, now: int) -> None:
        """A timer of a sign has come: it may have lasted long enough, or have been silent for too long."""
        if sign.momentary:
            if sign.end < now:  # not seen at this instant: the timer of an earlier event
                if sign.case is None and sign.end + sign.off_delay <= now:
                    self._forget(sign)
                return
            self.state.timers.at(now + sign.off_delay, (sign.source, sign.by))
        elif not sign.ripe:
            if sign.due > now:
                return  # a timer of an earlier time that it was found
            sign.ripe = True
        self._count(sign, now)

    def _count(self, sign: Sign, now: int) -> None:
        """Let a sign that has lasted speak."""
        state = self.state
        if not trusted(state, sign):
            hold_back(state, sign.source)
            if sign.case is None and not sign.lasting:
                self._forget(sign)
            return  # until its sensor is trusted again
        case = sign.case or self._nearest(sign) or self._causes.of(sign, state.open)
        if case is not None:
            self._join(case, sign, now)
        elif sign.level:
            self._open(sign, now)
        elif sign.lasting or sign.momentary:
            state.waiting.add(sign)
        else:
            self._forget(sign)
        if sign.fault:
            hold_back(state, sign.source)

    def _nearest(self, sign: Sign) -> Case | None:
        near = self.state.open.near(sign.kinds, sign.site, self._places)
        fitting = ((distance, case.number, case) for distance, case in near if self._takes(case, sign))
        nearest = min(fitting, default=(0.0, 0, None))[2]
        return nearest if nearest is not None else self._of_its_wave(sign)

    def _of_its_wave(self, sign: Sign) -> Case | None:
        """The oldest case of a pressure wave that may have reached the sign's sensor when one did, however far away."""
        at = self._waves.arrival(sign.latest)
        if at is not None:
            for _, case in sorted(self.state.waves.items()):
                first, then = next(iter(case.arrivals.items()))
                if case.takes(sign) and self._waves.together(sign.source, at, first, then):
                    return case
        return None

    def _hear(self, case: Case, sign: Sign) -> None:
        """Where a pressure wave has arrived at one more sensor, the place of its cause gets clearer."""
        at = self._waves.arrival(sign.latest)
        if at is None or sign.source in case.arrivals or len(case.arrivals) >= self._rules.listed:
            return
        if case.arrivals:
            first, then = next(iter(case.arrivals.items()))
            if not self._waves.together(sign.source, at, first, then):
                return  # of another wave, later
        case.arrivals[sign.source] = at
        self.state.waves[case.number] = case
        spot = self._waves.place(case.arrivals)
        if spot != case.spot:
            case.spot, case.moved = spot, True

    def _takes(self, case: Case, sign: Sign) -> bool:
        """Whether a sign near a case belongs to it; what falls silent: only where both fell silent at one time."""
        if not (case.takes(sign) and self._travel.neighbours(case.site, sign.site, sign.onset - case.began)):
            return False
        first, latest = case.first.latest, sign.latest
        if not (self._silent(sign) and isinstance(first, Finding) and isinstance(latest, Finding)):
            return True
        # The last reading is older than the cause by as much as lies between two: by less than the silence that counts.
        return abs(sign.onset - case.first.onset) <= max(first.threshold, latest.threshold) * SECOND

    def _silent(self, sign: Sign) -> bool:
        return isinstance(sign.latest, Finding) and sign.latest.detector in self._rules.silent

    def _open(self, sign: Sign, now: int) -> None:
        state, rules = self.state, self._rules
        # A case of a camera takes in findings of every kind that the camera speaks for.
        kind, kinds = sign.kinds[0], sign.kinds
        self._forget_rested(now)
        near = (case for _, case in state.rested.near((kind,), sign.site, self._places))
        # Many sensors may fall silent at one site: only the one that comes back is flapping.
        again = (case for case in near if case.first.source == sign.source or not self._silent(sign))
        flaps = max((case.flaps + 1 for case in again), default=0)
        hold = min(rules.flap_hold << min(flaps - 1, 32), rules.flap_hold_most) if flaps else 0
        first = sign.source, sign.by, sign.began  # no sign begins twice at one time: no two alerts share an id
        id = identify("alert", kind, sign.site.key, sign.onset, *first, self._city.name)
        case = Case(state.cases, kind, kinds, sign.site, sign, id, hold, flaps, sign.level, sign.onset, sign.onset)
        state.cases += 1
        state.open.add(case)
        self._join(case, sign, now)
        waiting = {other for _, other in state.waiting.near(kinds, sign.site, self._places) if self._takes(case, other)}
        waiting.update(self._causes.awaited(case, state.waiting))
        for other in sorted(waiting, key=lambda other: (other.source, other.by)):
            if trusted(state, other):
                self._join(case, other, now)
        for consequence in self._causes.consequences(case, state.open):
            self._fold(consequence, case)

    def _fold(self, case: Case, cause: Case) -> None:
        """A case that was open before its cause was known: people hear of the cause from now on."""
        case.cause, cause.folded[case.number] = cause, case
        case.moved = True
        case.stir()
        self._agree(cause, case.filmed)
        self.state.changed[case] = self.state.changed[cause] = None

    def _join(self, case: Case, sign: Sign, now: int) -> None:
        key = (sign.source, sign.by)
        if key not in case.signs:
            case.signs[key] = sign
            case.stir()
        if sign.case is None:
            self.state.waiting.remove(sign)
            sign.case = case
        case.onset = min(case.onset, sign.onset)
        self._note(case, sign.latest)
        self._hear(case, sign)
        if sign.level:
            case.level = min(case.level, sign.level)
            if not sign.lasting:
                self._keep(case, sign, now)
            elif not sign.holds:
                sign.holds = True
                case.lasting += 1
        self._agree(case, sign.video)
        self.state.changed[case] = None

    def _agree(self, case: Case | None, filmed: bool) -> None:
        """Whether a sensor and a camera agree by now, also on what the case is a consequence of."""
        while case is not None:
            case.filmed = case.filmed or filmed
            if case.filmed and not case.agreed:
                sensed = any(not (sign.momentary or sign.doubt) for sign in case.all_signs())
                case.agreed = sensed and corroboration(case, self._rules) >= self._rules.agreement_score
            case = case.cause

    def _note(self, case: Case, record: Record) -> None:
        if len(case.evidence) < self._rules.listed:
            case.evidence[record.id] = None
        if isinstance(record, VideoEvent) and record.clip and len(case.clips) < self._rules.listed:
            case.clips[record.clip] = None

    def _release(self, sign: Sign, now: int) -> None:
        """A sign that counted has ended."""
        if sign.case is not None and sign.holds:
            sign.holds = False
            sign.case.lasting -= 1
            self._keep(sign.case, sign, now)
            self.state.changed[sign.case] = None

    def _keep(self, case: Case, sign: Sign, now: int) -> None:
        """Keep a case open for a while after the end of a sign."""
        case.until = max(case.until, sign.end + max(sign.off_delay, case.hold), now)

    def _forget(self, sign: Sign) -> None:
        state = self.state
        state.waiting.remove(sign)
        signs = state.signs[sign.source]
        del signs[sign.by]
        if not signs:
            del state.signs[sign.source]

    def _forget_rested(self, now: int) -> None:
        state = self.state
        while state.rested_until and state.rested_until[0][0] <= now:
            state.rested.remove(state.rested_until.popleft()[1])

    def _wary(self, sign: Sign) -> int:
        """How long a sign has to last because of a fault that its sensor had not long ago, ns."""
        at = self._city.sensor_index.get(sign.source)  # a partition is none
        if at is None or not wary(self.state, sign):
            return 0
        return round(self._rules.wary_readings * SECOND / self._city.sensors[at].rate)
