"""How a body is oriented. In: which pixels of a box belong to its object. Out: the angle of their longest axis.

The axis is that of the ellipse with the same second moments (Hu, 1962). Used by ``visual.py``.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["body_angle_deg"]

_LEAST_SHARE = 0.12  # of the box
_LEAST_PX = 12
_LEAST_ELONGATION = 1.25


def body_angle_deg(mask: NDArray[np.bool_], pixel_aspect: float = 1.0) -> float:
    """Angle of the longest axis of ``mask`` (h, w) against the horizontal: 90 upright, 0 lying.

    ``pixel_aspect``: height of a pixel by its width. NaN when too little belongs to the object, or when it is about as
    long as it is wide.
    """
    moments = cv2.moments(np.ascontiguousarray(mask).view(np.uint8), binaryImage=True)
    area = moments["m00"]
    if area < max(_LEAST_PX, _LEAST_SHARE * mask.size):
        return math.nan
    along_x = moments["mu20"] / area + 1.0 / 12.0
    along_y = (moments["mu02"] / area + 1.0 / 12.0) * pixel_aspect**2
    mixed = moments["mu11"] / area * pixel_aspect
    middle, swing = (along_x + along_y) / 2.0, math.hypot((along_x - along_y) / 2.0, mixed)
    if middle + swing < _LEAST_ELONGATION**2 * max(middle - swing, 1e-9):
        return math.nan
    angle = math.degrees(0.5 * math.atan2(2.0 * mixed, along_x - along_y))
    return abs(angle)
