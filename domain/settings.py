"""How the engine runs: the rules of time and the sizes that a deployment chooses, the `[engine]` table of city.toml.

In a file every duration is text with its unit ("2 s"); in code it is whole nanoseconds.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from domain.clock import HOUR, MILLISECOND, MINUTE, SECOND
from domain.units import nanoseconds

__all__ = ["FROM_FILE", "EngineSettings", "TimeRules"]

#: Validation context of what comes from a file, where a bare number would be a guess.
FROM_FILE: Final = "file"


def _time(value: object, info: ValidationInfo) -> Any:
    return nanoseconds(value) if info.context == FROM_FILE else value


def _time_or_never(value: object, info: ValidationInfo) -> Any:
    return None if value == "never" else _time(value, info)


_Time = Annotated[int, BeforeValidator(_time), Field(strict=True, ge=0)]
_TimeOrNever = Annotated[Annotated[int, Field(strict=True, ge=0)] | None, BeforeValidator(_time_or_never)]
_Positive = Annotated[int, BeforeValidator(_time), Field(strict=True, ge=MILLISECOND)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TimeRules(_Settings):
    """When a reading is late, refused, or given up waiting for: the design's rules of time. Durations in ns."""

    lateness: _Time = Field(
        default=2 * SECOND, description="how far a partition's watermark stays behind its newest event time"
    )
    max_ahead: _Time = Field(
        default=60 * SECOND, description="readings further ahead of their recorded time are refused"
    )
    idle: _TimeOrNever = Field(
        default=10 * SECOND,
        description="a quiet partition counts as having reached recorded time minus this; None ('never'): it waits",
    )
    pane: _Positive = Field(default=SECOND, description="length of a pane: 1 s, or a whole part of it")

    @model_validator(mode="after")
    def _pane_fits(self) -> Self:
        if SECOND % self.pane:
            raise ValueError(f"expected a pane of 1 s or a whole part of it, got {self.pane / SECOND:g} s")
        return self


class EngineSettings(_Settings):
    """What a deployment chooses. Durations in ns."""

    shards: int = Field(default=8, strict=True, ge=1, le=1024, description="parts of the state; fixed for a deployment")
    block: _Positive = Field(default=5 * SECOND, description="event time that one block of a sink covers; whole panes")
    in_flight: int = Field(
        default=4_000_000,
        strict=True,
        ge=1,
        description="readings that a source may send ahead of the rest, per epoch and process",
    )
    keep_dead: int = Field(
        default=65_536, strict=True, ge=0, description="bytes of a refused message that are kept with its reason"
    )
    spool: int = Field(
        default=1 << 30,
        strict=True,
        ge=0,
        description="bytes of results that each process keeps on disk while ClickHouse is away; then the flow waits",
    )
    second_look: _Time = Field(
        default=0,
        description="readings that come late by up to this still correct alerts by themselves; as much of the stream "
        "is held in memory. 0: `lifeline review` corrects them from what is stored",
    )
    stale: _TimeOrNever = Field(
        default=HOUR,
        description="steps of alerts that are older are stored but told to nobody while the engine catches up; then "
        "the last step of those that are still active. None ('never'): everything is told at once",
    )
    silence: _TimeOrNever = Field(
        default=MINUTE,
        description="a partition without a message for so long is silent, and the feed when no partition speaks; "
        "at least max_ahead, and ten expected readings of the partition's fastest sensor. None ('never'): not watched",
    )
    lag: _TimeOrNever = Field(
        default=MINUTE,
        description="live, an alert is sent while what is read was recorded so long ago. None ('never'): none is",
    )
    heartbeat: _Positive = Field(
        default=15 * SECOND, description="live, a heartbeat is sent that often while epochs come through"
    )
    time: TimeRules = TimeRules()

    @model_validator(mode="after")
    def _look_of_panes(self) -> Self:
        if self.second_look % self.time.pane:
            raise ValueError(
                f"expected a second_look of whole panes of {self.time.pane / SECOND:g} s, got "
                f"{self.second_look / SECOND:g} s"
            )
        return self

    @model_validator(mode="after")
    def _block_of_panes(self) -> Self:
        if self.block % self.time.pane:
            raise ValueError(
                f"expected a block of whole panes of {self.time.pane / SECOND:g} s, got {self.block / SECOND:g} s"
            )
        return self
