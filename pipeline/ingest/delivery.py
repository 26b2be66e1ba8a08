"""How many pictures per second a camera delivers, against what it usually delivers. In: arrival times (media time).

Used by ``pipeline/ingest/health.py``.
"""

from __future__ import annotations

import math

__all__ = ["DeliveryMeter"]

_WINDOW_S = 3.0
_USUAL_S = 300.0
_LEARN_AFTER_S = 10.0


class DeliveryMeter:
    """A decaying count of arrivals; the usual rate follows only what is not far below it."""

    def __init__(self, declared_fps: float = 0.0) -> None:
        """``declared_fps`` > 0 is taken as the usual rate and never learned."""
        self._declared_fps = declared_fps
        self._usual_fps = declared_fps
        self.reset()

    def reset(self) -> None:
        """Start counting anew; the usual rate is kept."""
        self._count = 0.0
        self._since_s = math.nan
        self._at_s = math.nan

    def arrived(self, at_s: float) -> None:
        """One picture at media time ``at_s``."""
        if math.isnan(self._at_s):
            self._since_s = self._at_s = at_s
            return
        dt_s = max(at_s - self._at_s, 0.0)
        self._at_s = max(at_s, self._at_s)
        self._count = self._count * math.exp(-dt_s / _WINDOW_S) + 1.0
        if self._declared_fps == 0.0 and self._counted_s >= _LEARN_AFTER_S:
            self._learn(dt_s)

    @property
    def fps(self) -> float:
        """Pictures per second over the last few seconds; nan until that is known."""
        if math.isnan(self._at_s) or self._counted_s < _WINDOW_S:
            return math.nan
        return self._count / (_WINDOW_S * (1.0 - math.exp(-self._counted_s / _WINDOW_S)))

    def share_of_usual(self) -> float:
        """The present rate as a share of the usual one; 1 while either is unknown."""
        fps = self.fps
        return 1.0 if math.isnan(fps) or self._usual_fps <= 0.0 else fps / self._usual_fps

    @property
    def _counted_s(self) -> float:
        return self._at_s - self._since_s

    def _learn(self, dt_s: float) -> None:
        if self._usual_fps == 0.0:
            self._usual_fps = self.fps
        elif self.share_of_usual() > 0.7:
            self._usual_fps += (1.0 - math.exp(-dt_s / _USUAL_S)) * (self.fps - self._usual_fps)
