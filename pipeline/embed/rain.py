"""How much of the picture has rain or snow in it. In: small luma pictures of one camera with media time. Out: a share.

A drop before the lens makes its pixels brighter, never darker, and is gone in the next picture (Garg and Nayar, CVPR
2004). So: where in the picture did specks flash up that were dark before and after, less where specks went dark for
one picture, which noise and the thin edges of moving things do as often. Used by ``visual.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["rain_share"]

_LONGEST_S = 3.0  # from the first to the last of the three pictures
_LEAST_CHANGE = 5  # grey levels of the small picture
_PLACES_WH = (16, 10)

Luma = NDArray[np.uint8]


def rain_share(luma: Luma, at_s: float, past: Sequence[tuple[float, Luma]]) -> float:
    """Share of the picture's places, 0..1, in which the picture *before* ``luma`` (h, w) shows drops.

    ``past``: earlier pictures of the same size with their media times, oldest first. About 0 when it is dry; NaN where
    there are not three pictures within 3 s.
    """
    if len(past) < 2 or at_s - past[-2][0] > _LONGEST_S:
        return math.nan
    before, then = past[-2][1], past[-1][1]
    flashed = _places(cv2.subtract(then, cv2.max(before, luma)))
    went_dark = _places(cv2.subtract(cv2.min(before, luma), then))
    return max(0.0, (np.count_nonzero(flashed) - np.count_nonzero(went_dark)) / flashed.size)


def _places(change: Luma) -> NDArray[np.bool_]:
    """Which parts of the picture hold a speck: changed pixels that belong to nothing wider than two pixels."""
    _, mask = cv2.threshold(change, _LEAST_CHANGE, 1, cv2.THRESH_BINARY)
    things = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    specks = cv2.subtract(mask, cv2.dilate(things, np.ones((7, 7), np.uint8)))
    shares: NDArray[np.float32] = cv2.resize(specks.astype(np.float32), _PLACES_WH, interpolation=cv2.INTER_AREA)
    holds: NDArray[np.bool_] = shares > 0
    return holds
