"""Upright, bent or lying: from the shape of a person's box against the height a person has at that place.

In: recent boxes, the ground, and the axis of the moving silhouette where the pixels gave one. Out: a word and its
confidence, or None where the box is cut off or the signs disagree. Who is partly hidden looks as low as who is bent:
only a box that also grows wide is believed, and nobody who walks on is called bent. Next file: ``colour.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.describe.ground import USUAL_HEIGHT_M, Ground
from pipeline.describe.trail import Motion, Step, mean_box

__all__ = ["posture_of", "size_of"]

_RECENT_STEPS = 3
_BORDER_NORM = 0.008
_LYING_ASPECT, _LYING_RATIO = 0.92, 0.74  # at least so wide for its height, at most so high for its place
_LOW_SCORE, _STILL_LOW_SCORE = 0.25, 0.29  # lying along the line of sight: low for its place and wide for its height
_ASPECT_WEIGHT = 0.25
_LOW_ASPECT = 0.6
_BENT_ASPECT, _BENT_RATIO = 0.5, 0.76
_MAX_BENT_M_S = 0.7
_LEVEL_DEG, _ERECT_DEG = 35.0, 60.0
_TRUSTED = 0.5
_SMALL_RATIO, _LARGE_RATIO = 0.62, 1.8  # seen from above, the roof adds to the height of a vehicle
_MAX_SIZE_TRUST = 0.8


def posture_of(
    steps: Sequence[Step],
    motion: Motion | None,
    angle_deg: float,
    ground: Ground,
    source_wh: tuple[int, int],
    *,
    was_lying: bool = False,
) -> tuple[str, float] | None:
    """Posture and confidence of a person. ``angle_deg`` of the body, 90 upright, NaN when not known.

    Who ``was_lying`` a moment ago is called so until the signs are clearly others.
    """
    x1, y1, x2, y2 = mean_box(steps[-_RECENT_STEPS:])
    aspect = (x2 - x1) / max(1.0, y2 - y1)
    is_level = angle_deg <= _LEVEL_DEG
    if _is_cut(x1, y1, x2, y2, source_wh):
        return None
    ratio = (y2 - y1) / ground.height_px(((x1 + x2) / 2, y2), USUAL_HEIGHT_M["person"], source_wh)
    if ground.trust < _TRUSTED:
        ratio = min(ratio, 0.45) if aspect >= 1.0 else 0.9 if aspect < _BENT_ASPECT else ratio
    speed_m_s = 0.0 if motion is None else motion.speed_m_s
    if aspect >= _LYING_ASPECT and ratio <= _LYING_RATIO:
        margin = min((aspect - _LYING_ASPECT) / 0.5, (_LYING_RATIO - ratio) / 0.2)
        return "lying", _sure(margin + 0.3 * is_level - 0.5 * (angle_deg > _ERECT_DEG))
    low = ratio - _ASPECT_WEIGHT * aspect
    limit = _STILL_LOW_SCORE if was_lying else _LOW_SCORE
    if aspect >= _LOW_ASPECT and low <= limit and speed_m_s <= _MAX_BENT_M_S:
        return "lying", _sure(0.2 + (limit - low) / 0.06 + 0.3 * is_level - 0.5 * (angle_deg > _ERECT_DEG))
    if aspect >= _BENT_ASPECT and ratio <= _BENT_RATIO and speed_m_s <= _MAX_BENT_M_S:
        return "bent", _sure(min((aspect - _BENT_ASPECT) / 0.2, (_BENT_RATIO - ratio) / 0.15, (low - limit) / 0.06))
    return "upright", _sure((ratio - _BENT_RATIO) / 0.15 + 0.4 * (aspect < _BENT_ASPECT) - 0.6 * is_level)


def size_of(label: str, steps: Sequence[Step], ground: Ground, source_wh: tuple[int, int]) -> tuple[str, float] | None:
    """Small, medium or large for its class, and confidence; None for classes of no usual size and cut off boxes.

    Of people only who stand upright tells a size.
    """
    usual_m = USUAL_HEIGHT_M.get(label)
    x1, y1, x2, y2 = mean_box(steps[-_RECENT_STEPS:])
    if usual_m is None or _is_cut(x1, y1, x2, y2, source_wh) or ground.trust < _TRUSTED:
        return None
    ratio = (y2 - y1) / ground.height_px(((x1 + x2) / 2, y2), usual_m, source_wh)
    word = "small" if ratio < _SMALL_RATIO else "large" if ratio > _LARGE_RATIO else "medium"
    margin = min(abs(math.log(max(ratio, 0.05) / border)) for border in (_SMALL_RATIO, _LARGE_RATIO)) / 0.3
    return word, round(_sure(margin) * _MAX_SIZE_TRUST, 3)


def _is_cut(x1: float, y1: float, x2: float, y2: float, source_wh: tuple[int, int]) -> bool:
    """Whether the border of the picture hides part of a box: its shape then says nothing."""
    across, down = _BORDER_NORM * source_wh[0], _BORDER_NORM * source_wh[1]
    return x1 < across or y1 < down or x2 > source_wh[0] - across or y2 > source_wh[1] - down


def _sure(margin: float) -> float:
    return round(0.5 + 0.45 * max(-1.0, min(1.0, margin)), 3)
