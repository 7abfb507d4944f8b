"""What every detector is.

A detector watches many sensors at once. Each watched sensor has a *slot*; the state is a NumPy structured array with
one record a slot, and a snapshot is its bytes. The work is done by a module-level numba kernel over columns, so there
is no Python object per sample or per sensor.

To add a detector, add a file with a subclass of `Detector` and name it in a monitor.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from enum import IntEnum, StrEnum
from itertools import pairwise
from typing import Any, ClassVar, Final, Literal, get_type_hints

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from domain.errors import StateError
from domain.findings import Verdict
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["CHANGE", "END", "MARK", "ONSET", "Detector", "GroupDetector", "Lane", "Marks", "Params", "Reason"]

#: Phases of a finding as kernels write them; `domain.findings.Phase` in the same order.
ONSET: Final = 0
CHANGE: Final = 1
END: Final = 2

#: What a kernel writes down when an abnormality begins, changes its grade, or ends.
MARK: Final = np.dtype(
    [
        ("slot", np.int32),
        ("phase", np.uint8),
        ("grade", np.uint8),  # 1, 2, 3, ... the higher the graver; 0 at END
        ("reason", np.uint8),  # a Reason
        ("ts", np.int64),  # ns, event time of the row or deadline that caused the mark
        ("onset", np.int64),  # ns, the same in every mark of one abnormality
        ("score", np.float64),
        ("threshold", np.float64),
        ("value", np.float64),
        ("baseline", np.float64),
    ],
    align=True,
)

Marks = npt.NDArray[np.void]


class Lane(StrEnum):
    """How rows reach a detector."""

    #: In partition order, within milliseconds. A row may step back in its sensor's event time: the kernel skips it.
    FAST = "fast"
    #: In event time order, once a pane has closed; `advance` tells how far time has come.
    PANE = "pane"


class Reason(IntEnum):
    """Why: the code in a mark. Every finding carries one."""

    NONE = 0
    STUCK = 1
    SPIKE = 2
    DROP_OUT = 3
    OUT_OF_RANGE = 4
    RISE = 5
    FALL = 6
    MAGNITUDE = 7  # sensors that move together, as always, but too far
    RELATION = 8  # sensors out of their relation to each other
    EXPOSURE = 9  # too much for too long
    LEAK = 10
    BIOGAS = 11
    WIDTH = 12
    FATIGUE = 13
    IMPACT = 14
    MODEL = 15  # a learned model finds it strange
    NOISE = 20
    DRIFT = 21
    STUCK_AT_ZERO = 22
    OFFSET = 23
    GAIN = 24
    CLOCK = 25

    @property
    def text(self) -> str:
        """The reason as findings carry it.

        >>> Reason.DROP_OUT.text
        'drop-out'
        """
        return "" if self is Reason.NONE else self.name.lower().replace("_", "-")


class Params(BaseModel):
    """Base of a detector's parameters: typed, frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def check_grades(self, *names: str) -> None:
        """Raise ValueError unless the bounds in each of these fields are above 0 and rise from grade to grade."""
        for name in names:
            bounds = [0.0, *(getattr(bound, "value", bound) for bound in getattr(self, name))]
            if not all(a < b for a, b in pairwise(bounds)):
                raise ValueError(f"expected `{name}` to be above 0 and to rise from grade to grade")

    def written(self) -> dict[str, Any]:
        """All of them as a file says them: from it the same parameters can be read again, to the last digit."""
        hints = get_type_hints(type(self), include_extras=True)
        values = self.model_dump(mode="json", exclude_none=True)
        return {name: f"{value!r} s" if hints[name] == Seconds else value for name, value in values.items()}


class Detector(ABC):
    """A detector over `slots` sensors.

    Parameters
    ----------
    params
        An instance of the class's own `Params`.
    low, high
        Physical range of each slot's sensor, in its unit (infinite where unknown). Shape (slots,).
    rate
        Expected readings per second of each slot's sensor. Shape (slots,).
    """

    name: ClassVar[str]
    lane: ClassVar[Lane]
    #: Whether each sensor is judged by itself, or the sensors of one asset together (a `GroupDetector`).
    scope: ClassVar[Literal["sensor", "asset"]] = "sensor"
    verdict: ClassVar[Verdict] = Verdict.EVENT
    Params: ClassVar[type[Params]]
    #: A field `score`, where there is one, holds what the latest reading scored, in multiples of the first threshold.
    STATE: ClassVar[np.dtype[np.void]]
    #: Raised when the meaning of the state's fields changes; a snapshot of another version is refused.
    version: ClassVar[int] = 1

    def __init__(self, params: Any, low: Floats, high: Floats, rate: Floats) -> None:
        self.params = params  # of the class's own Params, which checked them
        self.low, self.high, self.rate = low, high, rate
        self.state: npt.NDArray[np.void] = self.initial(len(low))

    def initial(self, slots: int) -> npt.NDArray[np.void]:
        """State before the first reading."""
        return np.zeros(slots, self.STATE)

    @abstractmethod
    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:
        """Take rows in order and write what was found into `out`; return how many marks were written.

        Rows of one slot come in the lane's order; rows whose `slot_of[sensor]` is negative are not watched. At most two
        marks a row are written (a deadline that passed before it, and its own).
        """

    def advance(self, now: int, out: Marks) -> int:
        """Event time has come to `now` (ns, pane lane only): write marks for deadlines at or before it.

        A mark's `ts` is its deadline, never `now`, so that it does not matter how often this is called. At most two
        marks a slot.
        """
        return 0

    @classmethod
    def config_hash(cls, params: BaseModel) -> str:
        """Names this detector with these parameters: 16 hex digits."""
        text = f"{cls.name}/{cls.version}/{params.model_dump_json()}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def snapshot(self) -> dict[str, Any]:
        """A copy of the state that pickles small and fast."""
        return {"detector": self.name, "version": self.version, "state": self.state.tobytes()}

    def restore(self, snapshot: dict[str, Any], origin: Int64s | None = None) -> None:
        """Take up a snapshot of the same detector and version; raises StateError otherwise.

        Parameters
        ----------
        origin
            Of each record of the state, the record of the snapshot that it goes on from; -1: it begins anew. None: the
            snapshot has the same records.
        """
        same = (snapshot["detector"], snapshot["version"]) == (self.name, self.version)
        if same and origin is not None:
            stays = origin >= 0
            self.state[stays] = np.frombuffer(snapshot["state"], self.STATE)[origin[stays]]
            return
        if not same or len(snapshot["state"]) != self.state.nbytes:
            raise StateError(
                f"the snapshot holds {snapshot['detector']} version {snapshot['version']} with "
                f"{len(snapshot['state'])} bytes; {self.name} version {self.version} with {self.state.nbytes} bytes "
                "was expected. Start with a new recovery directory, or go back to the monitors it was written with."
            )
        self.state = np.frombuffer(snapshot["state"], self.STATE).copy()


class GroupDetector(Detector):
    """A detector over the sensors of one asset together: the state has one record a group.

    Marks still name a slot: that of the sensor which says most about the abnormality, the same in all its marks.

    Groups see the pane lane only: rows of a later call are never before the end that `advance` has told. Within a call
    rows come pane by pane, those of a pane by sensor, then time: `rows` has to bring a group's together itself.

    Parameters
    ----------
    params, low, high, rate
        As for `Detector`.
    group
        Group of each slot, 0, 1, 2, ... without gaps. Shape (slots,). At most `WIDTH` slots a group.
    """

    lane = Lane.PANE
    scope = "asset"
    WIDTH: ClassVar[int]

    #: Of the marks of the latest call, how much each place of the group has to do with it (0 to 1, sum 1, or all 0).
    #: Shape (marks, WIDTH).
    shares: Floats

    def __init__(self, params: Any, low: Floats, high: Floats, rate: Floats, group: Int32s) -> None:
        self.group = group
        groups = int(group.max(initial=-1)) + 1
        #: Slots of each group in rising order, -1 where there are fewer. Shape (groups, WIDTH).
        self.members = np.full((groups, self.WIDTH), -1, np.int32)
        size = np.zeros(groups, np.int32)
        for slot, at in enumerate(group.tolist()):
            self.members[at, size[at]] = slot
            size[at] += 1
        self.shares = np.zeros((0, self.WIDTH))
        self.params, self.low, self.high, self.rate = params, low, high, rate
        self.state = self.initial(groups)
