"""The workbench: replay recordings, score, tune and compare detectors with the code that runs live."""

from __future__ import annotations

from workbench.api import Replay, compare, replay, rescore, score

__all__ = ["Replay", "compare", "replay", "rescore", "score"]
