"""Words for motion over the ground: speed classes and the direction of travel as the camera sees it.

In: a :class:`~pipeline.describe.trail.Motion` and how far the ground is trusted. Out: a word of the vocabulary and its
confidence, which falls towards the borders between words. Next file: ``pipeline/describe/places.py``.
"""

from __future__ import annotations

import math

from pipeline.describe.kinds import kind_of
from pipeline.describe.trail import Motion

__all__ = ["heading_of", "speed_of"]

_STILL_M_S = 0.3
_STEPS_M_S = {
    "person": ((_STILL_M_S, "still"), (0.75, "slow"), (2.3, "walking"), (math.inf, "running")),
    "vehicle": ((0.5, "still"), (2.5, "slow"), (11.0, "moving"), (math.inf, "fast")),
}
_CERTAIN_FACTOR = 1.5  # a speed this far from the next class's border is surely of its own
_UNSURE_DEG, _CERTAIN_DEG = 9.0, 30.0  # off the border between two directions: the view angle is only assumed
_JITTER_PX = 2.0


def speed_of(label: str, motion: Motion, trust: float) -> tuple[str, float]:
    """Speed class and confidence: still|slow|walking|running, or still|slow|moving|fast for vehicles."""
    steps = _STEPS_M_S["vehicle" if kind_of(label) == "vehicle" else "person"]
    speed_m_s = motion.speed_m_s
    if motion.way_px <= _JITTER_PX or speed_m_s <= 2 * motion.noise_m_s:
        return "still", 0.9
    lower_m_s = 0.0
    for upper_m_s, word in steps:
        if speed_m_s <= upper_m_s:
            factor = min(upper_m_s / max(speed_m_s, 1e-6), speed_m_s / lower_m_s if lower_m_s else math.inf)
            margin = min(1.0, math.log(factor) / math.log(_CERTAIN_FACTOR))
            return word, round(0.5 + 0.5 * margin * (0.6 + 0.4 * trust), 3)
        lower_m_s = upper_m_s
    raise AssertionError("the last class has no upper border")


def heading_of(motion: Motion, trust: float) -> tuple[str, float]:
    """Direction of travel and confidence: towards|away|left|right."""
    across, away = motion.right_m_s, motion.away_m_s
    word = ("right" if across > 0 else "left") if abs(across) > abs(away) else ("away" if away > 0 else "towards")
    off_deg = abs(math.degrees(math.atan2(abs(away), abs(across))) - 45.0)
    margin = max(-1.0, min(1.0, (off_deg - _UNSURE_DEG) / (_CERTAIN_DEG - _UNSURE_DEG)))
    return word, round(0.5 + 0.5 * margin * (0.6 + 0.4 * trust), 3)
