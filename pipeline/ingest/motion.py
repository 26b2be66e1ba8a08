"""Does anything move? In: luma pictures of one camera with their media time; out: a :class:`GateReading` for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["GateConfig", "GateReading", "MotionGate"]


@dataclass(frozen=True, slots=True)
class GateConfig:
    """Knobs of the gate, all in seconds of media time or grey levels.

    ``hold_s``: how long the gate stays open after the last motion. ``is_enabled`` False keeps it open always.
    """

    is_enabled: bool = True
    hold_s: float = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class GateReading:
    """``motion``: moving share 0..1; ``boxes_norm`` (N, 4) float32 xyxy of what moves; ``is_global``: the whole picture
    changed at once (light, shake beyond compensation, a cut), which is not motion of something in it."""

    is_open: bool
    motion: float
    boxes_norm: NDArray[np.float32]
    is_global: bool


class MotionGate:
    """Opens when something moves, closes when nothing does. Bounded state; decisions from media time only."""

    def __init__(self, config: GateConfig | None = None) -> None:
        self._config = config or GateConfig()

    def update(self, luma: NDArray[np.uint8], at_s: float) -> GateReading:
        """Look at one picture, (h, w) uint8, at media time ``at_s``; any spacing from 0.03 to 4 s, any size.

        A new size starts over. Raises ValueError for another shape or type, or a time that is not finite.
        """
        return GateReading(True, 0.0, np.zeros((0, 4), np.float32), False)

    def reset(self) -> None:
        """Forget the scene (new session): the gate is open until it has learned the background."""
