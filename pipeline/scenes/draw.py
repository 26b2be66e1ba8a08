"""Actors into the picture: exact visibility by depth, light, shadows on the set and dark contact with the ground.

In: a :class:`~pipeline.scenes.plate.Plate` and the figures of one instant. Out: linear light (H, W, 3), the rectangles
that changed, and per object how much of it is seen. Figures are sampled 2x2 per pixel. Next file: ``renderer.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.scenes.arrays import Bools, Floats, Ints, f32
from pipeline.scenes.cast import CARRIED_ID, Figure
from pipeline.scenes.plate import Plate
from pipeline.scenes.shade import shade_samples
from pipeline.scenes.shadows import Shade, cast_shadows
from pipeline.scenes.tracing import Hits
from pipeline.scenes.world import World

__all__ = ["Drawn", "Sighting", "draw"]

Rect = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Sighting:
    """One object in one picture: boxes in pixels and the share of it that is seen."""

    object_id: int
    label: str
    xyxy: tuple[float, float, float, float]
    full_xyxy: tuple[float, float, float, float]
    visible: float


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Linear light, the rectangles (x0, y0, x1, y1) that differ from the plate, sightings, and what hides the set."""

    light: Floats
    rects: tuple[Rect, ...]
    sightings: tuple[Sighting, ...]
    owner2: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Traced:
    """Hits of one figure on the doubled grid inside ``rect`` (pixels).

    ``distance`` and ``index`` (2h, 2w): metres along the ray, and the row of ``hits``/``directions`` (-1 for a miss).
    """

    figure: Figure
    rect: Rect
    hits: Hits
    directions: Floats
    distance: Floats
    index: Ints
    full_xyxy: tuple[float, float, float, float]
    inside: float


def _trace(world: World, figure: Figure, size_wh: tuple[int, int]) -> _Traced | None:
    """The figure alone, in front of nothing; None when it is behind the camera or out of the picture."""
    w, h = size_wh
    xy, depth = world.lens.project(figure.vertices)
    ahead = depth > 0.15
    if not ahead.any():
        return None
    low, high = xy[ahead].min(axis=0), xy[ahead].max(axis=0)
    full = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    x0, y0 = max(int(low[0]) - 1, 0), max(int(low[1]) - 1, 0)
    x1, y1 = min(int(high[0]) + 2, w), min(int(high[1]) + 2, h)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    outline = np.zeros((2 * (y1 - y0), 2 * (x1 - x0)), np.uint8)
    hull = cv2.convexHull(np.clip(xy[ahead] * 2 - f32([2 * x0, 2 * y0]), -4000, 4000))
    cv2.fillConvexPoly(outline, np.rint(hull).astype(np.int32), 1)
    inside = np.flatnonzero(cv2.dilate(outline, np.ones((3, 3), np.uint8)).ravel())
    columns = 2 * (x1 - x0)
    grid = np.stack([inside % columns + 2 * x0, inside // columns + 2 * y0], axis=1)
    directions = world.lens.directions((grid.astype(np.float32) + 0.5) / 2)
    hits = figure.tracer.first_hit(*figure.local_rays(world.lens.position, directions))
    met = hits.face >= 0
    if not met.any():
        return None
    distance = np.full(outline.size, np.inf, np.float32)
    distance[inside] = hits.distance
    index = np.full(outline.size, -1, np.int32)
    index[inside] = np.where(met, np.arange(len(inside)), -1)
    area = max((full[2] - full[0]) * (full[3] - full[1]), 1e-3)
    clipped = max(min(full[2], w) - max(full[0], 0.0), 0.0) * max(min(full[3], h) - max(full[1], 0.0), 0.0)
    return _Traced(
        figure,
        (x0, y0, x1, y1),
        hits,
        directions,
        distance.reshape(outline.shape),
        index.reshape(outline.shape),
        full,
        min(clipped / area, 1.0),
    )


def draw(
    world: World, plate: Plate, base: Floats, figures: Sequence[Figure], veil: Floats, size_wh: tuple[int, int]
) -> Drawn:
    """Composite ``figures`` over ``base`` (linear, veil excluded), then the ``veil`` (H, W, 4) by depth."""
    light = base.copy()
    traced = [t for t in (_trace(world, figure, size_wh) for figure in figures) if t is not None]
    nearest = plate.distance2.copy()
    owner = np.full(nearest.shape, -1, np.int16)
    for k, item in enumerate(traced):
        x0, y0, x1, y1 = item.rect
        part = np.s_[2 * y0 : 2 * y1, 2 * x0 : 2 * x1]
        closer = item.distance < nearest[part]
        nearest[part][closer] = item.distance[closer]
        owner[part][closer] = k
    shade = cast_shadows(world, plate, [t.figure for t in traced], size_wh)
    rects = _apply_shadows(plate, light, shade)
    if traced:
        free = cv2.resize((owner < 0).astype(np.float32), size_wh, interpolation=cv2.INTER_AREA)
        x0, y0 = min(t.rect[0] for t in traced), min(t.rect[1] for t in traced)
        x1, y1 = max(t.rect[2] for t in traced), max(t.rect[3] for t in traced)
        # samples partition a pixel: what figures cover, the set no longer shows
        light[y0:y1, x0:x1] *= free[y0:y1, x0:x1, None]
    sightings: list[Sighting] = []
    for k, item in enumerate(traced):
        _paint(world, light, item, owner, k, [t.figure for t in traced])
        sightings += _sightings(item, owner, k, veil, plate, nearest)
        rects.append(item.rect)
    _veil_over(light, veil, plate, nearest, [t.rect for t in traced])
    return Drawn(light, tuple(rects), tuple(sightings), owner)


def _apply_shadows(plate: Plate, light: Floats, shade: Shade) -> list[Rect]:
    lost = [(rect, plate.direct[layer], share) for rect, layer, share in shade.blocked]
    lost += [(rect, plate.ambient, share) for rect, share in shade.contact]
    for (x0, y0, x1, y1), source, share in lost:
        part = light[y0:y1, x0:x1]
        np.maximum(part - source[y0:y1, x0:x1] * share[..., None], 0.0, out=part)
    return [rect for rect, *_ in shade.blocked] + [rect for rect, _ in shade.contact]


def _paint(world: World, light: Floats, item: _Traced, owner: Ints, k: int, figures: Sequence[Figure]) -> None:
    x0, y0, x1, y1 = item.rect
    mine = (owner[2 * y0 : 2 * y1, 2 * x0 : 2 * x1] == k).ravel()
    at = np.flatnonzero(mine)
    if not len(at):
        return
    colour = np.zeros((len(mine), 3), np.float32)
    row = item.index.ravel()[at]
    hits = Hits(item.hits.face[row], item.hits.distance[row], item.hits.uv[row])
    colour[at] = shade_samples(world, item.figure, hits, item.directions[row], figures)
    rows, columns = y1 - y0, x1 - x0
    light[y0:y1, x0:x1] += colour.reshape(rows, 2, columns, 2, 3).mean(axis=(1, 3))


def _sightings(item: _Traced, owner: Ints, k: int, veil: Floats, plate: Plate, nearest: Floats) -> list[Sighting]:
    """The figure's own entry, and one for a bag it carries."""
    x0, y0, x1, y1 = item.rect
    part = np.s_[2 * y0 : 2 * y1, 2 * x0 : 2 * x1]
    seen = owner[part] == k
    if plate.has_veil:
        leaf = (veil[y0:y1, x0:x1, 3] > 0.6).repeat(2, axis=0).repeat(2, axis=1)
        behind = leaf & (plate.veil_distance[y0:y1, x0:x1].repeat(2, axis=0).repeat(2, axis=1) < nearest[part])
        seen = seen & ~behind
    mesh = item.figure.mesh
    is_hit = item.index >= 0
    out = []
    groups = [(item.figure.object_id, item.figure.label, is_hit, item.full_xyxy)]
    if item.figure.outfit is not None and "bag" in mesh.materials:
        bag_faces = mesh.material == mesh.materials.index("bag")
        is_bag = is_hit & bag_faces[item.hits.face[np.maximum(item.index, 0)]]
        groups = [
            (
                item.figure.object_id,
                item.figure.label,
                is_hit & ~is_bag,
                _extent(is_hit & ~is_bag, x0, y0) or item.full_xyxy,
            ),
            (CARRIED_ID + item.figure.object_id, "bag", is_bag, _extent(is_bag, x0, y0) or item.full_xyxy),
        ]
        if item.inside < 0.999:
            groups[0] = (*groups[0][:3], item.full_xyxy)
    for object_id, label, mask, full in groups:
        count, shown = int(mask.sum()), mask & seen
        visible = int(shown.sum())
        extent = _extent(shown, x0, y0)
        if visible >= 8 and extent is not None:
            out.append(Sighting(object_id, label, extent, full, round(min(visible / count * item.inside, 1.0), 4)))
    return out


def _extent(mask: Bools, x0: int, y0: int) -> tuple[float, float, float, float] | None:
    """The tight box of a mask on the doubled grid whose corner is pixel (x0, y0)."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return None
    return (
        x0 + float(columns[0]) / 2,
        y0 + float(rows[0]) / 2,
        x0 + float(columns[-1] + 1) / 2,
        y0 + float(rows[-1] + 1) / 2,
    )


def _veil_over(light: Floats, veil: Floats, plate: Plate, nearest: Floats, rects: Sequence[Rect]) -> None:
    """Leaves and wire over everything, except where a figure stands in front of them."""
    if not plate.has_veil:
        return
    cover = veil.copy()
    for x0, y0, x1, y1 in rects:
        if not (veil[y0:y1, x0:x1, 3] > 0).any():
            continue
        close = nearest[2 * y0 : 2 * y1, 2 * x0 : 2 * x1].reshape(y1 - y0, 2, x1 - x0, 2)
        behind = (close > plate.veil_distance[y0:y1, x0:x1][:, None, :, None]).mean(axis=(1, 3))
        cover[y0:y1, x0:x1] = veil[y0:y1, x0:x1] * behind[..., None]
    if cover[..., 3].any():
        columns, rows = np.flatnonzero(cover[..., 3].any(axis=0)), np.flatnonzero(cover[..., 3].any(axis=1))
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        light[part] = light[part] * (1.0 - cover[part][..., 3:]) + cover[part][..., :3]
