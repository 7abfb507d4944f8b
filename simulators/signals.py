"""What sensors read when nothing happens: daily rhythm, slow wander, noise, traffic and rain.

Every value is a function of the seed, the sensor and the time, so a stream can be taken up anywhere. To simulate richer
physics, write another `World` and give it to the scenario.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from numba import njit

from domain.city import City
from domain.clock import SECOND
from domain.records import Floats, Int32s, Int64s
from simulators.profiles import Range, profile_of

__all__ = ["Rows", "Signals", "Softening", "Storm", "World"]


@dataclass(frozen=True, slots=True)
class Storm:
    """Rain that swells and fades over a part of the city. Times in s after the scenario's start."""

    start: float
    end: float
    peak: float  # mm/h
    lon: float
    lat: float
    radius: float  # m, where it is down to 1/e

    def share(self, lon: Floats, lat: Floats) -> Floats:
        """How much of the peak falls at each place, 0 to 1."""
        east = (lon - self.lon) * 111_320 * math.cos(math.radians(self.lat))
        north = (lat - self.lat) * 110_920
        return np.exp(-(east**2 + north**2) / self.radius**2)

    def intensity(self, t: Floats, lag: float) -> Floats:
        """Rain at its centre in mm/h, or what is left of it after a catchment that answers `lag` s later."""
        start, length = self.start + lag, self.end - self.start + 2 * lag
        x = np.clip((t - start) / length, 0.0, 1.0)
        return self.peak * np.sin(np.pi * x) ** 2


@dataclass(frozen=True, slots=True)
class Softening:
    """A bridge that loses stiffness: between two times, in s, its modes sink by the part `amount`, and stay there."""

    asset: str
    start: float
    end: float
    amount: float


@dataclass(frozen=True, slots=True)
class Rows:
    """Times at which sensors measure: rows `bound[k]:bound[k + 1]` are of `sensor[k]`, `period[k]` apart."""

    sensor: Int32s
    bound: Int64s
    ts: Int64s  # ms after the scenario's start
    period: Int64s  # ms


class World(Protocol):
    """What sensors would read without faults."""

    decimals: npt.NDArray[np.int8]  # digits after the point, of every sensor

    def values(self, rows: Rows, begin: int, end: int, rng: np.random.Generator) -> Floats:
        """Values of all rows, in the sensors' units, which lie in [begin, end) ms; `rng` is seeded for them alone."""

    def calm(self, sensor: int, t: float) -> float:
        """What a sensor reads at `t` s without noise."""


@njit(nogil=True, cache=True)
def _draw(
    bound: Int64s, ts: Int64s, begin: int, end: int, before: Floats, after: Floats, noise: Floats, out: Floats
) -> None:
    """Straight lines between the calm values at both ends of the chunk, plus noise (given in `out` as unit normals)."""
    for k in range(len(bound) - 1):
        slope = (after[k] - before[k]) / (end - begin)
        for r in range(bound[k], bound[k + 1]):
            out[r] = before[k] + slope * (ts[r] - begin) + noise[k] * out[r]


@njit(nogil=True, cache=True)
def _cross(
    bound: Int64s,
    ts: Int64s,
    period: Int64s,
    segment: Int64s,
    gain: Floats,
    first: Int64s,
    last: Int64s,
    vehicles: Floats,
    out: Floats,
) -> None:
    """Add a Gaussian pulse for each vehicle `first[i]:last[i]` that crosses while segment `segment[i]` is measured."""
    for i in range(len(segment)):
        begin, end = bound[segment[i]], bound[segment[i] + 1]
        if begin == end:
            continue
        for j in range(first[i], last[i]):
            time, weight, width = vehicles[j]
            step, since = period[segment[i]], time - ts[begin]
            low = begin + max(math.ceil((since - 3.5 * width) / step), 0)
            high = begin + min(math.floor((since + 3.5 * width) / step) + 1, end - begin)
            for r in range(low, high):
                x = (ts[r] - time) / width
                out[r] += gain[i] * weight * math.exp(-0.5 * x * x)


@njit(nogil=True, cache=True)
def _shake(
    bound: Int64s,
    ts: Int64s,
    segment: Int64s,
    frequency: Floats,
    phase: Floats,
    soft: Floats,
    ambient: float,
    envelope: Floats,
    out: Floats,
) -> None:
    """Add the bridge's two lowest modes, rung by wind and by what crosses it; `soft` is (start, end, part lost)."""
    for i in range(len(segment)):
        start, end, lost = soft[i]
        for r in range(bound[segment[i]], bound[segment[i] + 1]):
            t = ts[r] / 1000.0
            # Time as the modes count it: it runs slower by what they have lost so far.
            since = min(max(t - start, 0.0), end - start)
            own = t - lost * (0.5 * since * since / (end - start) + max(t - end, 0.0))
            ring = ambient * (1.0 + 0.5 * math.sin(0.17 * t + phase[i])) + envelope[r]
            for mode in range(2):
                turn = frequency[i, mode] * own
                out[r] += ring / (mode + 1) * math.sin(2 * math.pi * (turn - math.floor(turn)) + phase[i] * (mode + 1))


class Signals:
    """The plain world: every sensor on its own, but for vehicles that shake one bridge and storms that wet one quarter.

    Parameters
    ----------
    city
        Its sensors' kinds, and its assets' kinds, choose the profiles.
    seed
        Two worlds of one seed and city are equal.
    start
        Scenario start, ns; it sets the hour of the day.
    storms
        Rain, where it falls.
    softenings
        Bridges whose modes sink; one each at most.
    """

    #: Vehicles a second on each bridge, and the limit of an ordinary one's um/m.
    TRAFFIC: Final = 0.25
    HEAVIEST: Final = 20.0
    WIND: Final = 0.003  # m/s2
    #: The chunk by which vehicles are drawn, ms.
    CHUNK: Final = 10_000

    def __init__(
        self, city: City, seed: int, start: int, storms: Sequence[Storm] = (), softenings: Sequence[Softening] = ()
    ) -> None:
        rng = np.random.default_rng([seed, 1])
        n = len(city.sensors)
        kinds = [city.assets[s.asset].kind if s.asset else "" for s in city.sensors]
        profiles = [profile_of(s, kind) for s, kind in zip(city.sensors, kinds, strict=True)]

        def draw(ranges: list[Range]) -> Floats:
            low, high = np.array(ranges, np.float64).reshape(-1, 2).T
            return low + (high - low) * rng.random(n)

        zone = datetime.fromtimestamp(start // SECOND, ZoneInfo(city.timezone))
        self._clock = (zone.hour * 60 + zone.minute) * 60.0 + zone.second
        self._seed, self._storms = seed, tuple(storms)
        self._mean = draw([p.mean for p in profiles])
        self._day = draw([p.day for p in profiles])
        self._half = draw([p.half for p in profiles])
        self._traffic = draw([p.traffic for p in profiles])
        self._rain = draw([p.rain for p in profiles])
        self._peak = np.array([p.peak for p in profiles]) + rng.normal(0, 0.5, n)
        self._half_peak = np.array([p.half_peak for p in profiles]) + rng.normal(0, 0.3, n)
        self._wander = np.array([p.wander for p in profiles])
        self._wander_period = rng.uniform(1200, 5400, n)
        self._wander_phase = rng.uniform(0, 2 * np.pi, n)
        self._noise = np.array([p.noise for p in profiles])
        self._lag = np.array([p.lag for p in profiles])
        self.decimals = np.array([p.decimals for p in profiles], np.int8)
        lon, lat = np.array([(s.lon, s.lat) for s in city.sensors], np.float64).reshape(-1, 2).T
        self._wet = [storm.share(lon, lat) for storm in self._storms]
        # Vehicles shake one bridge at a time; which one, per sensor that feels them.
        bridges = sorted({s.asset for s, gain in zip(city.sensors, self._traffic, strict=True) if gain > 0})
        index = {asset: i for i, asset in enumerate(bridges)}
        feels = zip(city.sensors, self._traffic, strict=True)
        self._bridge = np.array([index[s.asset] if gain > 0 else -1 for s, gain in feels], np.int64)
        self._shaken = np.array([s.kind == "acceleration" for s in city.sensors], bool)
        low, high = rng.uniform(2.9, 3.3, len(bridges)), rng.uniform(6, 11, len(bridges))  # spans of one design
        self._modes = np.round(np.column_stack([low, high]), 2)
        self._soft = np.tile([0.0, 1.0, 0.0], (len(bridges), 1))
        for one in softenings:
            if one.asset in index:
                self._soft[index[one.asset]] = one.start, one.end, one.amount

    def _slow(self, sensor: Int32s, t: float) -> Floats:
        """Values at `t` s without noise, traffic and rain."""
        hour = (self._clock + t) / 3600
        value: Floats = (
            self._mean[sensor]
            + self._day[sensor] * np.cos((hour - self._peak[sensor]) * (2 * np.pi / 24))
            + self._half[sensor] * np.cos((hour - self._half_peak[sensor]) * (2 * np.pi / 12))
            + self._wander[sensor] * np.sin(t / self._wander_period[sensor] * 2 * np.pi + self._wander_phase[sensor])
        )
        return value

    def calm(self, sensor: int, t: float) -> float:
        """What a sensor reads at `t` s without noise, traffic and rain."""
        return float(self._slow(np.array([sensor], np.int32), t)[0])

    def _vehicles(self, bridge: int, chunk: int) -> npt.NDArray[np.float64]:
        """Vehicles that cross in a chunk: time in ms, um/m at midspan, half duration in ms."""
        rng = np.random.default_rng([self._seed, 2, bridge, chunk + 1])
        n = int(rng.poisson(self.TRAFFIC * self.CHUNK / 1000))
        time = chunk * self.CHUNK + rng.random(n) * self.CHUNK
        weight = np.minimum(rng.lognormal(math.log(2.5), 0.8, n), self.HEAVIEST)
        return np.column_stack([time, weight, rng.uniform(300, 800, n)])

    def _drive(self, rows: Rows, begin: int, end: int, out: Floats) -> None:
        bridge = self._bridge[rows.sensor]
        segment = np.flatnonzero(bridge >= 0)
        if not len(segment):
            return
        used = np.unique(bridge[segment])
        chunks = range(begin // self.CHUNK - 1, (end - 1) // self.CHUNK + 2)
        fleets = [np.concatenate([self._vehicles(int(b), c) for c in chunks]) for b in used]
        until = np.cumsum([len(fleet) for fleet in fleets])
        vehicles = np.concatenate(fleets)
        place = np.searchsorted(used, bridge[segment])
        last = until[place]
        first = last - np.array([len(fleet) for fleet in fleets])[place]
        gain = self._traffic[rows.sensor[segment]]
        shaken = self._shaken[rows.sensor[segment]]
        envelope = np.zeros_like(out)
        for target, part in ((out, ~shaken), (envelope, shaken)):
            _cross(
                rows.bound, rows.ts, rows.period, segment[part], gain[part], first[part], last[part], vehicles, target
            )
        part = segment[shaken]
        frequency, phase = self._modes[bridge[part]], self._wander_phase[rows.sensor[part]]
        _shake(rows.bound, rows.ts, part, frequency, phase, self._soft[bridge[part]], self.WIND, envelope, out)

    def _pour(self, rows: Rows, begin: int, end: int, out: Floats) -> None:
        longest = self._lag.max(initial=0.0)
        for storm, wet in zip(self._storms, self._wet, strict=True):
            if end < storm.start * 1000 or begin > (storm.end + 3 * longest) * 1000:
                continue
            gain = self._rain[rows.sensor] * wet[rows.sensor]
            for k in np.flatnonzero(gain > 0.0):
                part = slice(rows.bound[k], rows.bound[k + 1])
                out[part] += gain[k] * storm.intensity(rows.ts[part] / 1000.0, float(self._lag[rows.sensor[k]]))

    def values(self, rows: Rows, begin: int, end: int, rng: np.random.Generator) -> Floats:
        """See `World.values`."""
        out = rng.standard_normal(len(rows.ts))
        before, after = self._slow(rows.sensor, begin / 1000), self._slow(rows.sensor, end / 1000)
        _draw(rows.bound, rows.ts, begin, end, before, after, self._noise[rows.sensor], out)
        self._drive(rows, begin, end, out)
        self._pour(rows, begin, end, out)
        return out
