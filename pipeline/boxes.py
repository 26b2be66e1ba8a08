"""Geometry shared by stages: overlaps of many boxes at once, boxes in 0..1, points in polygons. Pure functions.

In: ``xyxy`` arrays (N, 4) in any unit. Out: overlap matrices, enlarged boxes, ``xyxy_norm``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "Point", "enlarge", "iou", "iou_matrix", "is_inside", "normalise"]

Point = tuple[float, float]
Box = tuple[float, float, float, float]


def iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of boxes (…, 4) with boxes (…, 4), broadcast: (…), 0 where both are empty."""
    upper = np.maximum(a[..., :2], b[..., :2])
    lower = np.minimum(a[..., 2:], b[..., 2:])
    common = np.prod(np.maximum(lower - upper, 0), axis=-1, dtype=np.float64)
    size_a = np.prod(np.maximum(a[..., 2:] - a[..., :2], 0), axis=-1, dtype=np.float64)
    size_b = np.prod(np.maximum(b[..., 2:] - b[..., :2], 0), axis=-1, dtype=np.float64)
    union = size_a + size_b - common
    shares: NDArray[np.float64] = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return shares


def iou_matrix(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of every box of ``a`` (N, 4) with every box of ``b`` (M, 4): (N, M)."""
    return iou(a[:, None], b[None])


def enlarge(xyxy: NDArray[np.float64], margin_xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes (…, 4) with their sides moved outwards by ``margin_xy`` (…, 2), broadcast."""
    return np.concatenate(np.broadcast_arrays(xyxy[..., :2] - margin_xy, xyxy[..., 2:] + margin_xy), axis=-1)


def normalise(xyxy: Box, source_wh: tuple[int, int]) -> Box:
    """A box in pixels as 0..1 of a picture of ``source_wh`` pixels, clipped to it. Raises ValueError for no picture."""
    width, height = source_wh
    if width <= 0 or height <= 0:
        raise ValueError(f"source_wh: expected a picture size above 0, got {source_wh}")
    x1, y1 = min(1.0, max(0.0, xyxy[0] / width)), min(1.0, max(0.0, xyxy[1] / height))
    x2, y2 = min(1.0, max(x1, xyxy[2] / width)), min(1.0, max(y1, xyxy[3] / height))
    return (x1, y1, x2, y2)


def is_inside(point: Point, polygon: Sequence[Point]) -> bool:
    """Whether ``point`` is in ``polygon`` (even-odd rule; a border belongs to one of its two sides)."""
    x, y = point
    inside = False
    x1, y1 = polygon[-1]
    for x2, y2 in polygon:
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
        x1, y1 = x2, y2
    return inside
