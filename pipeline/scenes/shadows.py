"""Shadows of actors on the set: traced at half resolution from the plate's surface points towards each light.

In: the plate and the figures. Out: per light the blocked share of its layer, and the darkening where things touch the
ground. Next file: ``draw.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.scenes.arrays import Floats, f32
from pipeline.scenes.cast import Figure
from pipeline.scenes.plate import Plate
from pipeline.scenes.world import World

__all__ = ["Shade", "cast_shadows"]

Rect = tuple[int, int, int, int]
_LAMP_REACH_M = 13.0
_LAMPS_PER_FIGURE = 2


@dataclass(frozen=True, slots=True, eq=False)
class Shade:
    """``blocked``: (rect, light layer, share (h, w)); ``contact``: (rect, share (h, w) of ambient light lost)."""

    blocked: tuple[tuple[Rect, int, Floats], ...]
    contact: tuple[tuple[Rect, Floats], ...]


def _rect_of(world: World, points: Floats, size_wh: tuple[int, int], margin: int) -> Rect | None:
    """The picture rectangle (even edges) around world ``points``; None when out of sight."""
    w, h = size_wh
    xy, depth = world.lens.project(points)
    ahead = depth > 0.1
    if not ahead.any():
        return None
    low, high = xy[ahead].min(axis=0) - margin, xy[ahead].max(axis=0) + margin
    x0, y0 = max(int(low[0]) // 2 * 2, 0), max(int(low[1]) // 2 * 2, 0)
    x1, y1 = min(int(high[0]) // 2 * 2 + 2, w), min(int(high[1]) // 2 * 2 + 2, h)
    return (x0, y0, x1, y1) if x1 - x0 >= 4 and y1 - y0 >= 4 else None


def _sources(world: World, figure: Figure) -> list[tuple[int, Floats, bool]]:
    """Lights worth a shadow for this figure: (layer, direction or place, is a direction)."""
    rig = world.rig
    out: list[tuple[int, Floats, bool]] = []
    first = 0
    if rig.sun_to is not None:
        out.append((0, rig.sun_to, True))
        first = 1
    centre = figure.vertices.mean(axis=0)
    ranked = []
    for i, lamp in enumerate(rig.lamps):
        gap = float(np.linalg.norm(f32(lamp.at_m) - centre))
        if i != rig.camera_lamp and gap < _LAMP_REACH_M:
            ranked.append((-lamp.power / max(gap, 0.5) ** 2, i))
    out += [(first + i, f32(rig.lamps[i].at_m), False) for _, i in sorted(ranked)[:_LAMPS_PER_FIGURE]]
    return out


def _reach(figure: Figure, source: Floats, is_direction: bool) -> Floats:
    """Points that span the figure and its shadow on the ground."""
    low, high = figure.low, figure.high
    corners = f32(
        [(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (max(low[2], 0.0), high[2])]
    )
    away = -np.broadcast_to(source, corners.shape) if is_direction else corners - source
    drop = np.minimum(away[:, 2:3], -0.06 * np.linalg.norm(away, axis=1, keepdims=True))
    landed = corners + away * np.minimum(corners[:, 2:3] / -drop, 40.0 if is_direction else 3.0)
    return np.concatenate([corners, landed]).astype(np.float32)


def cast_shadows(world: World, plate: Plate, figures: Sequence[Figure], size_wh: tuple[int, int]) -> Shade:
    """All shadows of one instant. Overlapping shadows of one light are merged by taking the darker."""
    layers: dict[int, list[tuple[Rect, Floats]]] = {}
    for figure in figures:
        for layer, source, is_direction in _sources(world, figure):
            rect = _rect_of(world, _reach(figure, source, is_direction), size_wh, 3)
            if rect is None:
                continue
            x0, y0, x1, y1 = rect
            if float(plate.direct[layer, y0:y1, x0:x1].max()) < 1e-3:
                continue
            blocked = _blocked(plate, figure, rect, source, is_direction)
            if blocked.any():
                layers.setdefault(layer, []).append((rect, blocked))
    merged = [(rect, layer, share) for layer, parts in layers.items() for rect, share in _merged(parts)]
    contact = [item for item in (_contact(world, plate, figure, size_wh) for figure in figures) if item is not None]
    return Shade(tuple(merged), tuple(contact))


def _blocked(plate: Plate, figure: Figure, rect: Rect, source: Floats, is_direction: bool) -> Floats:
    x0, y0, x1, y1 = rect
    points = plate.points[y0:y1:2, x0:x1:2].reshape(-1, 3)
    if is_direction:
        towards, reach = f32(np.broadcast_to(source, points.shape)), f32(np.full(len(points), 80.0))
    else:
        gap = source - points
        reach = f32(np.linalg.norm(gap, axis=1))
        towards = f32(gap / reach[:, None])
    hidden = figure.tracer.is_blocked(*figure.local_rays(points, towards), reach)
    small = hidden.reshape((y1 - y0 + 1) // 2, (x1 - x0 + 1) // 2).astype(np.float32)
    large = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    size = 3 if is_direction else 7
    return np.asarray(cv2.blur(large, (size, size)), np.float32) * f32(0.97 if is_direction else 0.88)


def _merged(parts: list[tuple[Rect, Floats]]) -> list[tuple[Rect, Floats]]:
    """One share per pixel for one light: disjoint pieces stay, overlapping ones are united on a common rectangle."""
    if len(parts) == 1:
        return parts
    x0, y0 = min(r[0] for r, _ in parts), min(r[1] for r, _ in parts)
    x1, y1 = max(r[2] for r, _ in parts), max(r[3] for r, _ in parts)
    whole = np.zeros((y1 - y0, x1 - x0), np.float32)
    for (ax, ay, bx, by), share in parts:
        part = whole[ay - y0 : by - y0, ax - x0 : bx - x0]
        np.maximum(part, share, out=part)
    out = []
    for (ax, ay, bx, by), _ in parts:
        part = whole[ay - y0 : by - y0, ax - x0 : bx - x0]
        if part.any():
            out.append(((ax, ay, bx, by), part.copy()))
            part[:] = 0.0
    return out


def _contact(world: World, plate: Plate, figure: Figure, size_wh: tuple[int, int]) -> tuple[Rect, Floats] | None:
    """Ambient light lost on the ground next to feet, bodies and under vehicles, from the lowest parts' outline."""
    low = figure.vertices[figure.vertices[:, 2] < figure.low[2] + 0.45]
    if float(figure.low[2]) > 0.5:
        return None
    is_small = figure.label in ("person", "dog", "bag", "bicycle", "motorcycle")
    spread = 0.16 if is_small else 0.35
    edge = np.concatenate([low, low + f32([[2.2 * spread, 0, 0]]), low - f32([[2.2 * spread, 0, 0]]),
                           low + f32([[0, 2.2 * spread, 0]]), low - f32([[0, 2.2 * spread, 0]])])  # fmt: skip
    edge[:, 2] = figure.low[2]
    rect = _rect_of(world, edge.astype(np.float32), size_wh, 2)
    if rect is None:
        return None
    x0, y0, x1, y1 = rect
    ground = plate.points[y0:y1:2, x0:x1:2]
    origin = low[:, :2].min(axis=0) - 3 * spread
    cell = 0.06 if is_small else 0.12
    extent = np.ceil((low[:, :2].max(axis=0) + 3 * spread - origin) / cell).astype(int) + 1
    floor = np.zeros((int(extent[1]), int(extent[0])), np.float32)
    index = ((low[:, :2] - origin) / cell).astype(int)
    if is_small:
        weight = np.clip(1.0 - (low[:, 2] - low[:, 2].min()) / 0.45, 0.0, 1.0)
        np.maximum.at(floor, (index[:, 1], index[:, 0]), weight)
    else:
        hull = cv2.convexHull(index.astype(np.int32))
        cv2.fillConvexPoly(floor, hull, 1.0)
    floor = cv2.GaussianBlur(floor, (0, 0), spread / cell)
    peak = 0.72 if is_small else 0.9
    floor = np.clip(floor * (2.6 if is_small else 1.25), 0.0, 1.0) * f32(peak)
    at = ((ground[..., :2] - origin) / cell).astype(np.float32)
    dark = cv2.remap(floor, at[..., 0].copy(), at[..., 1].copy(), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    dark[(plate.normals[y0:y1:2, x0:x1:2, 2] < 0.7) | (ground[..., 2] > float(figure.low[2]) + 0.3)] = 0.0
    return rect, np.asarray(cv2.resize(dark, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR), np.float32)
