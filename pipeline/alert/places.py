"""The places of a camera that rules speak of: zones and lines on the ground, drawn in 0..1 of the source frame.

In: names and points from the site file. Out: frozen values that refuse what is no place (ValueError, one sentence).
Next file: ``pipeline/alert/settings.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.alert.geometry import area, is_simple
from pipeline.boxes import Point

__all__ = ["Line", "Zone", "require", "require_name"]

_MAX_NAME = 64


def require(is_ok: bool, what: str, expected: str, got: object) -> None:
    """Raise ValueError, one sentence with what was expected and what was got, unless ``is_ok``."""
    if not is_ok:
        raise ValueError(f"{what}: expected {expected}, got {got!r}")


def require_name(what: str, name: str) -> None:
    """Raise ValueError unless ``name`` is 1 to 64 printable characters."""
    require(0 < len(name) <= _MAX_NAME and name.isprintable(), f"{what} name", f"1 to {_MAX_NAME} characters", name)


def _require_points(what: str, points: tuple[Point, ...]) -> None:
    for point in points:
        require(len(point) == 2 and all(0 <= v <= 1 for v in point), what, "points (x, y) of 0..1", point)


@dataclass(frozen=True, slots=True)
class Zone:
    """A named polygon on the ground: an object is in it when its foot point (middle of the lower edge) is."""

    name: str
    polygon_norm: tuple[Point, ...]

    def __post_init__(self) -> None:
        require_name("zone", self.name)
        what = f"zone {self.name!r}"
        require(3 <= len(self.polygon_norm) <= 100, what, "3 to 100 points", len(self.polygon_norm))
        _require_points(what, self.polygon_norm)
        require(is_simple(self.polygon_norm), what, "a polygon that does not cross or touch itself", self.polygon_norm)
        require(area(self.polygon_norm) >= 1e-5, what, "an area of at least a few pixels", area(self.polygon_norm))


@dataclass(frozen=True, slots=True)
class Line:
    """A named line on the ground from ``start_norm`` to ``end_norm``.

    Who walks along it from start to end, in the picture, has side A on the left and side B on the right.
    """

    name: str
    start_norm: Point
    end_norm: Point

    def __post_init__(self) -> None:
        require_name("line", self.name)
        _require_points(f"line {self.name!r}", (self.start_norm, self.end_norm))
        length = math.dist(self.start_norm, self.end_norm)
        require(length >= 0.01, f"line {self.name!r}", "a length of at least 0.01", length)
