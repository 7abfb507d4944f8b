"""Which sensors are believed: one with an open fault neither raises nor supports, and rests for a while afterwards."""

from __future__ import annotations

from domain.findings import Finding, Phase
from operators.alerts.memory import State
from operators.alerts.rules import Rules
from operators.alerts.signs import Sign

__all__ = ["hold_back", "mistrust", "trust_again", "trusted", "wary"]


def mistrust(state: State, rules: Rules, finding: Finding, now: int) -> None:
    """A fault begins or ends: what its sensor has raised already is marked."""
    if finding.reason in rules.harmless:
        return
    open_faults, until = state.faults.get(finding.sensor, (frozenset[str](), now))
    if finding.phase is Phase.END:
        until = max(until, finding.ts + rules.rest.get(finding.reason, 0), now)
        state.faults[finding.sensor] = (open_faults - {finding.monitor}, until)
        state.timers.at(until, (finding.sensor, ""))
        return
    state.faults[finding.sensor] = (open_faults | {finding.monitor}, until)
    if finding.reason in rules.wary:
        state.wary[finding.sensor] = finding.ts + rules.wary[finding.reason]
    for sign in state.signs.get(finding.sensor, {}).values():
        case = sign.case
        if case is not None and not (sign.doubt or sign.fault):
            sign.doubt = finding.reason or finding.kind
            case.stir()
            state.changed[case] = None


def hold_back(state: State, sensor: str) -> None:
    """The alert of a sensor's fault, if there is one, says what the sensor finds and may not raise."""
    signs = state.signs.get(sensor, {}).values()
    events = [sign for sign in signs if sign.ripe and sign.case is None and not sign.fault]
    for case in {sign.case: None for sign in signs if sign.fault and sign.case is not None}:
        for sign in events:
            if (sign.source, sign.by) not in case.held and isinstance(sign.latest, Finding):
                case.held[sign.source, sign.by] = sign.latest
                case.stir()
                state.changed[case] = None


def trusted(state: State, sign: Sign) -> bool:
    """Whether a sign may speak."""
    return sign.fault or sign.momentary or sign.source not in state.faults


def wary(state: State, sign: Sign) -> bool:
    """Whether its sensor had a fault not long ago after which one reading is not believed."""
    until = state.wary.get(sign.source)
    if until is not None and until <= sign.began:
        del state.wary[sign.source]
        until = None
    return until is not None and not sign.fault


def trust_again(state: State, sensor: str, now: int) -> list[Sign]:
    """The time after a fault is over: what the sensor says by now, and what therefore counts."""
    open_faults, until = state.faults.get(sensor, (frozenset(), now))
    if sensor not in state.faults or open_faults or until > now:
        return []
    del state.faults[sensor]
    return [sign for sign in state.signs.get(sensor, {}).values() if sign.ripe and sign.lasting and not sign.fault]
