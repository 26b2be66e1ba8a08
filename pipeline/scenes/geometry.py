"""Plane geometry on the ground. Next file: ``events.py``."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["is_inside"]


def is_inside(points: Sequence[tuple[float, float]], at: tuple[float, float]) -> bool:
    """Even-odd test of a point against a polygon."""
    x, y = at
    inside = False
    for (ax, ay), (bx, by) in zip(points, (*points[1:], points[0]), strict=True):
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            inside = not inside
    return inside
