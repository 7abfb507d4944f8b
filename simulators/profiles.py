"""How sensors of each kind behave when nothing happens.

Where figures come from (the rest are the simulator's own assumptions):

- service head of water mains 28 m for six storeys: 12 m for two and 4 m for each further one, GB 50282;
- medium-pressure gas A above 0.2 and up to 0.4 MPa, GB 50028; household appliances commonly take 2 kPa;
- crossing vehicles make pulses of about 8 um/m: Munich bridge data (Jaelani et al., Steel Construction 16 (2023) 215);
- sewer and septic gas follows temperature through the day and reaches several %LEL by itself (1 %VOL CH4 is 20 %LEL).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from domain.city import Sensor

__all__ = ["PROFILES", "Profile", "Range", "profile_of"]

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Profile:
    """How sensors of one kind behave. A pair is a range from which every sensor draws its own figure, in its unit."""

    mean: Range
    day: Range = (0.0, 0.0)  # amplitude of the daily rhythm
    peak: float = 15.0  # local hour at which it is highest
    half: Range = (0.0, 0.0)  # amplitude of a second, twice daily one
    half_peak: float = 7.5
    wander: float = 0.0  # amplitude of a slow wander with a period of 20 to 90 min
    noise: float = 0.0  # standard deviation
    decimals: int = 2  # digits after the point that the instrument gives
    traffic: Range = (0.0, 0.0)  # of a vehicle's um/m
    rain: Range = (0.0, 0.0)  # of the rain's mm/h
    lag: float = 0.0  # s by which it follows the rain


_MANHOLE_TEMPERATURE: Final = Profile((20, 24), day=(0.2, 0.8), noise=0.05)
_DRAIN_LEVEL: Final = Profile((0.25, 0.6), (0.02, 0.05), noise=0.004, decimals=3, rain=(0.004, 0.008), lag=120)
_SEWER_LEVEL: Final = Profile((0.2, 0.7), day=(0.02, 0.06), peak=9, half=(0.01, 0.03), noise=0.004, decimals=3)

#: By kind of sensor, or by kind of sensor and kind of asset, which counts first.
PROFILES: Final[dict[str | tuple[str, str], Profile]] = {
    "gas-lel": Profile((0.5, 1.4), day=(0.05, 0.2), wander=0.1, noise=0.08),
    ("gas-lel", "sewer-manhole"): Profile((2, 6), day=(0.5, 1.5), wander=0.3, noise=0.15),
    ("gas-lel", "septic-tank"): Profile((2, 9), day=(0.5, 2), wander=0.3, noise=0.2),
    ("gas-lel", "sewer"): Profile((1.5, 7), day=(0.5, 1.5), wander=0.3, noise=0.2),
    "temperature": _MANHOLE_TEMPERATURE,
    ("temperature", "bridge"): Profile((24, 28), day=(3, 6), wander=0.2, noise=0.05),
    "level": Profile((0.02, 0.3), noise=0.004, decimals=3),
    ("level", "storm-drain"): _DRAIN_LEVEL,
    ("level", "metered-drain"): _DRAIN_LEVEL,
    ("level", "trunk-drain"): _DRAIN_LEVEL,
    ("level", "septic-tank"): Profile((0.9, 1.7), day=(0.03, 0.1), peak=9, noise=0.004, decimals=3),
    ("level", "sewer"): _SEWER_LEVEL,
    "inlet-pressure": Profile((260, 340), day=(2, 5), peak=3, half=(1, 3), wander=1, noise=0.8, decimals=1),
    "outlet-pressure": Profile((2.4, 2.8), day=(0.02, 0.06), peak=3, noise=0.01, decimals=3),
    "pressure": Profile((26, 34), day=(0.8, 1.6), peak=3, half=(0.4, 0.8), half_peak=1, wander=0.15, noise=0.08),
    "transient-pressure": Profile((26, 34), day=(0.8, 1.6), peak=3, half=(0.4, 0.8), half_peak=1, noise=0.05),
    "flow": Profile((150, 600), day=(30, 60), peak=19, half=(20, 40), wander=5, noise=2, decimals=1),
    "leak-noise": Profile((30, 42), day=(4, 8), noise=1.0, decimals=1),
    "drain-flow": Profile((150, 900), day=(20, 60), peak=9, noise=4, decimals=1, rain=(12, 20), lag=120),
    "rain": Profile((0, 0), decimals=1, rain=(1, 1)),
    "road-depth": Profile((0, 0), noise=0.002, decimals=3),
    "strain": Profile((-8, 8), day=(2, 4), wander=0.3, noise=0.5, traffic=(0.7, 1.2)),
    "dynamic-strain": Profile((-8, 8), day=(2, 4), wander=0.3, noise=0.5, traffic=(0.7, 1.2)),
    "acceleration": Profile((-0.01, 0.01), noise=0.004, decimals=4, traffic=(0.002, 0.006)),
    "crack": Profile((0.05, 0.25), day=(0.005, 0.015), noise=0.002, decimals=3),
    "tilt": Profile((-0.05, 0.05), day=(0.002, 0.006), noise=0.0015, decimals=4),
}


def profile_of(sensor: Sensor, asset_kind: str) -> Profile:
    """The profile that fits a sensor best; a flat line at zero for a kind that is not known."""
    return PROFILES.get((sensor.kind, asset_kind)) or PROFILES.get(sensor.kind) or Profile((0, 0))
