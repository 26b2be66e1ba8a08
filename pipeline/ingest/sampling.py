"""Which frames are analysed: a fixed grid of media time. In: frame times; out: ``open``, ``heartbeat`` or nothing.

Media time is cut into slots of ``1 / fps`` seconds that begin at the first frame; the first frame of a slot is taken,
the rest of the slot is passed over. The choice follows timestamps alone, never arrival, so a burst after a stall is
thinned like any other stretch, jitter cannot add up to drift, and the long-run rate is exact for constant and variable
frame rates alike. Quiet scenes use a second, slower grid: the heartbeat. Next file: ``pipeline/ingest/motion.py``.
"""

from __future__ import annotations

import math

from pipeline.types import Gate

__all__ = ["Sampler"]

# A camera that runs at (nearly) the asked rate jitters around the slot borders; a frame that comes this share of a
# slot early still belongs to the slot it is about to reach, otherwise every second frame would be lost.
_EARLY_SHARE = 0.35


class Sampler:
    """Chooses frames of one session by media time. Start a new one, or call :meth:`reset`, for a new session."""

    def __init__(self, fps: float, heartbeat_s: float = 2.0) -> None:
        """``fps`` frames per second while something moves, one frame per ``heartbeat_s`` while nothing does.

        Raises ValueError unless both are finite and > 0.
        """
        if not (math.isfinite(fps) and fps > 0):
            raise ValueError(f"fps: expected a number > 0, got {fps}")
        if not (math.isfinite(heartbeat_s) and heartbeat_s > 0):
            raise ValueError(f"heartbeat_s: expected a number > 0, got {heartbeat_s}")
        self._period_s = 1.0 / fps
        self._heartbeat_s = heartbeat_s
        self._origin_s: float | None = None
        self._slot = self._beat = -1
        self._chosen_s = -math.inf

    def choose(self, at_s: float, *, is_open: bool = True) -> Gate | None:
        """What the frame at media time ``at_s`` (seconds) is good for; None when it is passed over.

        ``open``: the gate is open and the frame begins a slot of the analysis grid. ``heartbeat``: the gate is closed
        and the frame begins a slot of the slow grid. A frame that is not later than the last chosen one is passed
        over. Raises ValueError when ``at_s`` is not finite.
        """
        if not math.isfinite(at_s):
            raise ValueError(f"at_s: expected a finite number, got {at_s}")
        if self._origin_s is None:
            self._origin_s = at_s
        since_s = at_s - self._origin_s + _EARLY_SHARE * self._period_s
        slot, beat = math.floor(since_s / self._period_s), math.floor(since_s / self._heartbeat_s)
        is_due = slot > self._slot if is_open else beat > self._beat and slot > self._slot
        if at_s <= self._chosen_s or not is_due:
            return None
        self._slot, self._beat, self._chosen_s = slot, beat, at_s
        return "open" if is_open else "heartbeat"

    def reset(self) -> None:
        """Forget the grid: the next frame is chosen and becomes its origin."""
        self._origin_s = None
        self._slot = self._beat = -1
        self._chosen_s = -math.inf
