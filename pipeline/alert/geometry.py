"""Plane geometry for the rules: points and polygons in 0..1 of the source frame, y downwards. Pure functions.

Next file: ``pipeline/alert/settings.py``, which checks polygons with :func:`is_simple`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.boxes import Box, Point

__all__ = [
    "angle_between_deg",
    "area",
    "bearing_words",
    "has_crossed_segment",
    "iou",
    "is_simple",
    "overlap_share",
    "signed_distance",
]

_BEARINGS = ("right", "down and right", "down", "down and left", "left", "up and left", "up", "up and right")


def area(polygon: Sequence[Point]) -> float:
    """Area of ``polygon`` (shoelace formula), never negative."""
    total = 0.0
    x1, y1 = polygon[-1]
    for x2, y2 in polygon:
        total += x1 * y2 - x2 * y1
        x1, y1 = x2, y2
    return abs(total) / 2


def is_simple(polygon: Sequence[Point]) -> bool:
    """Whether no two sides of ``polygon`` touch, except neighbours at their common corner."""
    n = len(polygon)
    if n < 3 or len(set(polygon)) != n:
        return False
    sides = [(polygon[i], polygon[(i + 1) % n]) for i in range(n)]
    for i, (a, b) in enumerate(sides):
        for j in range(i + 1, n):
            c, d = sides[j]
            if j == i + 1 or (i == 0 and j == n - 1):
                corner, before, after = (b, a, d) if j == i + 1 else (a, b, c)
                if _turn(before, corner, after) == 0 and _dot(before, corner, after) > 0:
                    return False  # folds back along itself
            elif _do_touch(a, b, c, d):
                return False
    return True


def signed_distance(point: Point, start: Point, end: Point) -> float:
    """Distance from the endless line through ``start`` and ``end``.

    Positive on the right-hand side of somebody who walks from ``start`` to ``end`` in the picture (y points down).
    """
    dx, dy = end[0] - start[0], end[1] - start[1]
    return (dx * (point[1] - start[1]) - dy * (point[0] - start[0])) / math.hypot(dx, dy)


def has_crossed_segment(before: Point, after: Point, start: Point, end: Point) -> bool:
    """Whether the way from ``before`` to ``after`` meets the line from ``start`` to ``end`` between its ends."""
    first, last = signed_distance(before, start, end), signed_distance(after, start, end)
    if first == last:
        return False
    t = first / (first - last)
    x, y = before[0] + t * (after[0] - before[0]), before[1] + t * (after[1] - before[1])
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy)
    return 0.0 <= t <= 1.0 and 0.0 <= along <= 1.0


def angle_between_deg(a: Point, b: Point) -> float:
    """Angle between two directions, 0..180 degrees. Neither may be of length 0."""
    cosine = (a[0] * b[0] + a[1] * b[1]) / (math.hypot(*a) * math.hypot(*b))
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def bearing_words(direction: Point) -> str:
    """A direction in the picture as words: ``left``, ``down and right``, …"""
    return _BEARINGS[round(math.atan2(direction[1], direction[0]) / (math.pi / 4)) % 8]


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two xyxy boxes; 0 when either is empty."""
    common = _common_area(a, b)
    union = _box_area(a) + _box_area(b) - common
    return common / union if union > 0 else 0.0


def overlap_share(a: Box, b: Box) -> float:
    """Share of box ``a`` that box ``b`` covers, 0..1; 0 when ``a`` is empty."""
    size = _box_area(a)
    return _common_area(a, b) / size if size > 0 else 0.0


def _box_area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _common_area(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _turn(a: Point, b: Point, c: Point) -> int:
    cross = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (cross > 0) - (cross < 0)


def _dot(a: Point, corner: Point, b: Point) -> float:
    return (a[0] - corner[0]) * (b[0] - corner[0]) + (a[1] - corner[1]) * (b[1] - corner[1])


def _is_between(a: Point, b: Point, p: Point) -> bool:
    return min(a[0], b[0]) <= p[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= p[1] <= max(a[1], b[1])


def _do_touch(a: Point, b: Point, c: Point, d: Point) -> bool:
    abc, abd, cda, cdb = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if abc != abd and cda != cdb:
        return True
    return (
        (abc == 0 and _is_between(a, b, c))
        or (abd == 0 and _is_between(a, b, d))
        or (cda == 0 and _is_between(c, d, a))
        or (cdb == 0 and _is_between(c, d, b))
    )
