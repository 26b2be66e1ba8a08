"""Is the camera all right? In: pictures, arrivals and absences in media time; out: the conditions that hold now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.types import HealthCondition

__all__ = ["HealthConfig", "HealthMonitor", "HealthReading"]


@dataclass(frozen=True, slots=True)
class HealthConfig:
    """Knobs of the monitor, in seconds of media time. ``declared_fps`` 0: learn the frame rate from the stream."""

    declared_fps: float = 0.0


@dataclass(frozen=True, slots=True)
class HealthReading:
    """Conditions holding now, mean luma 0..255, and the sharpness measure of the last picture looked at."""

    conditions: tuple[HealthCondition, ...]
    brightness: float
    sharpness: float


class HealthMonitor:
    """Health of one camera over its whole life (keep it across sessions)."""

    def __init__(self, config: HealthConfig | None = None) -> None:
        self._config = config or HealthConfig()

    def arrived(self, at_s: float) -> None:
        """A picture arrived (call for every packet or frame, decoded or not): the delivered frame rate."""

    def update(self, luma: NDArray[np.uint8], at_s: float, *, motion: float = 0.0) -> HealthReading:
        """Look at a decoded picture, (h, w) uint8, at media time ``at_s``; ``motion`` is ``GateReading.motion``.

        Call it for every decoded frame; it looks closely only about twice a second. Raises ValueError like the gate.
        """
        return HealthReading((), 0.0, 0.0)

    def missing(self, at_s: float) -> HealthReading:
        """No picture at media time ``at_s`` (connection lost, nothing sent): ``offline`` after a grace period."""
        return HealthReading((), 0.0, 0.0)

    def new_session(self) -> None:
        """The source was opened again (times may jump; size or codec may differ). What was learned is kept."""
