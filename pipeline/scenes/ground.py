"""What lies on the ground: patches of other surfaces, raised pavements, painted lines, parking bays, crossings.

In: a :class:`~pipeline.scenes.model.Prop`. Out: a :class:`~pipeline.scenes.pieces.Piece`. Next file: ``props.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from pipeline.boxes import is_inside
from pipeline.scenes.arrays import f32, i32
from pipeline.scenes.meshes import Mesh, quad
from pipeline.scenes.model import Prop
from pipeline.scenes.pieces import Piece, default

__all__ = ["GROUND", "ground_height"]

_SLAB_M = 0.11


def _polygon(points: Sequence[tuple[float, float]], z: float, material: str) -> Mesh:
    """A flat convex polygon at height ``z``, facing up."""
    vertices = f32([(x, y, z) for x, y in points])
    turn = sum((bx - ax) * (by + ay) for (ax, ay), (bx, by) in zip(points, (*points[1:], points[0]), strict=True))
    if turn > 0:
        vertices = vertices[::-1].copy()
    faces = i32([(0, i, i + 1) for i in range(1, len(points) - 1)])
    return Mesh(vertices, faces, np.zeros(len(faces), np.int32), (material,))


def _area(prop: Prop) -> Piece:
    """A patch of another surface."""
    return Piece((_polygon(prop.points_m, default(prop.size_m, 2, 0.008), prop.material or "grass"),))


def _slab(prop: Prop) -> Piece:
    """A raised pavement with kerb stones."""
    height = default(prop.size_m, 2, _SLAB_M)
    parts = [_polygon(prop.points_m, height, prop.material or "paving")]
    for (ax, ay), (bx, by) in zip(prop.points_m, (*prop.points_m[1:], prop.points_m[0]), strict=True):
        parts.append(quad((ax, ay, 0), (bx, by, 0), (bx, by, height), (ax, ay, height), "kerb"))
        length = math.hypot(bx - ax, by - ay)
        nx, ny = -(by - ay) / length * 0.07, (bx - ax) / length * 0.07
        top = height + 0.004
        parts.append(
            quad(
                (ax - nx, ay - ny, top),
                (bx - nx, by - ny, top),
                (bx + nx, by + ny, top),
                (ax + nx, ay + ny, top),
                "kerb",
            )
        )
    return Piece(tuple(parts))


def _stripe(ax: float, ay: float, bx: float, by: float, width: float, material: str, z: float) -> Mesh:
    length = math.hypot(bx - ax, by - ay)
    nx, ny = -(by - ay) / length * width / 2, (bx - ax) / length * width / 2
    return quad((ax - nx, ay - ny, z), (bx - nx, by - ny, z), (bx + nx, by + ny, z), (ax + nx, ay + ny, z), material)


def _line(prop: Prop) -> Piece:
    """A painted line; ``storeys`` > 0 breaks it into that many dashes."""
    ax, ay = prop.at_m[0], prop.at_m[1]
    bx, by = prop.to_m or (ax + 1.0, ay)
    width, material, z = default(prop.size_m, 1, 0.12), prop.material or "line_white", default(prop.at_m, 2, 0.012)
    if prop.storeys < 1:
        return Piece((_stripe(ax, ay, bx, by, width, material, z),))
    cuts = np.linspace(0.0, 1.0, 2 * prop.storeys)
    parts = []
    for start, end in zip(cuts[::2], cuts[1::2], strict=True):
        parts.append(
            _stripe(
                ax + (bx - ax) * start,
                ay + (by - ay) * start,
                ax + (bx - ax) * end,
                ay + (by - ay) * end,
                width,
                material,
                z,
            )
        )
    return Piece(tuple(parts))


def _bays(prop: Prop) -> Piece:
    """``storeys`` parking bays in a row from ``at_m``, 2.6 m wide, 5 m deep towards +y, turned by ``yaw_deg``."""
    count, width, depth = max(prop.storeys, 1), default(prop.size_m, 0, 2.6), default(prop.size_m, 1, 5.0)
    parts = [_stripe(i * width, 0.0, i * width, depth, 0.11, "line_white", 0.012) for i in range(count + 1)]
    return Piece(tuple(m.moved((prop.at_m[0], prop.at_m[1], 0.0), prop.yaw_deg) for m in parts))


def _crossing(prop: Prop) -> Piece:
    """Zebra stripes along x over ``size_m`` (length, width), turned by ``yaw_deg``."""
    length, width = default(prop.size_m, 0, 4.0), default(prop.size_m, 1, 3.0)
    parts = [
        _stripe(float(x), -width / 2, float(x), width / 2, 0.5, "line_white", 0.012)
        for x in np.arange(-length / 2 + 0.25, length / 2, 1.0)
    ]
    return Piece(tuple(m.moved((prop.at_m[0], prop.at_m[1], 0.0), prop.yaw_deg) for m in parts))


def ground_height(props: Sequence[Prop], at: tuple[float, float]) -> float:
    """Metres above zero of the surface an actor stands on at ``at``: a raised pavement, or the ground."""
    return max(
        (default(p.size_m, 2, _SLAB_M) for p in props if p.kind == "slab" and is_inside(at, p.points_m)), default=0.0
    )


GROUND: dict[str, Callable[[Prop], Piece]] = {
    "area": _area,
    "slab": _slab,
    "line": _line,
    "bays": _bays,
    "crossing": _crossing,
}
