"""Actors into the picture: exact visibility by depth, light, shadows on the set and dark contact with the ground.

In: a :class:`~pipeline.scenes.plate.Plate` and the figures of one instant. Out: linear light (H, W, 3), the rectangles
that changed, and per object how much of it is seen. Figures are sampled 2x2 per pixel. Next file: ``renderer.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.scenes.cast import CARRIED_ID, Figure
from pipeline.scenes.cloth import cloth_albedo, fold_normals
from pipeline.scenes.lighting import lamp_light, sky_radiance
from pipeline.scenes.materials import surface_of
from pipeline.scenes.plate import Plate, World
from pipeline.scenes.shadows import Shade, cast_shadows
from pipeline.scenes.tracing import Hits

__all__ = ["Drawn", "Sighting", "draw"]

F32 = NDArray[np.float32]
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

    light: F32
    rects: tuple[Rect, ...]
    sightings: tuple[Sighting, ...]
    owner2: NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class _Traced:
    """Hits of one figure on the doubled grid inside ``rect`` (pixels).

    ``distance`` and ``index`` (2h, 2w): metres along the ray, and the row of ``hits``/``directions`` (-1 for a miss).
    """

    figure: Figure
    rect: Rect
    hits: Hits
    directions: F32
    distance: F32
    index: NDArray[np.int32]
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
    hull = cv2.convexHull(np.clip(xy[ahead] * 2 - np.float32([2 * x0, 2 * y0]), -4000, 4000))
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
    return _Traced(figure, (x0, y0, x1, y1), hits, directions, distance.reshape(outline.shape), index.reshape(outline.shape), full, min(clipped / area, 1.0))


def draw(world: World, plate: Plate, base: F32, figures: Sequence[Figure], veil: F32, size_wh: tuple[int, int]) -> Drawn:
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


def _apply_shadows(plate: Plate, light: F32, shade: Shade) -> list[Rect]:
    lost = [(rect, plate.direct[layer], share) for rect, layer, share in shade.blocked]
    lost += [(rect, plate.ambient, share) for rect, share in shade.contact]
    for (x0, y0, x1, y1), source, share in lost:
        part = light[y0:y1, x0:x1]
        np.maximum(part - source[y0:y1, x0:x1] * share[..., None], 0.0, out=part)
    return [rect for rect, *_ in shade.blocked] + [rect for rect, _ in shade.contact]


def _paint(world: World, light: F32, item: _Traced, owner: NDArray[np.int16], k: int, figures: Sequence[Figure]) -> None:
    x0, y0, x1, y1 = item.rect
    mine = (owner[2 * y0 : 2 * y1, 2 * x0 : 2 * x1] == k).ravel()
    at = np.flatnonzero(mine)
    if not len(at):
        return
    colour = np.zeros((len(mine), 3), np.float32)
    colour[at] = _shade_figure(world, item, item.index.ravel()[at], figures)
    rows, columns = y1 - y0, x1 - x0
    light[y0:y1, x0:x1] += colour.reshape(rows, 2, columns, 2, 3).mean(axis=(1, 3))


def _shade_figure(world: World, item: _Traced, at: NDArray[np.intp], figures: Sequence[Figure]) -> F32:
    """Linear light (len(at), 3) from the figure's visible samples."""
    figure, rig = item.figure, world.rig
    mesh = figure.mesh
    face_index, uv, directions = item.hits.face[at], item.hits.uv[at], item.directions[at]
    face = mesh.faces[face_index]
    u, v = uv[:, :1], uv[:, 1:]
    weights = (1 - u - v, u, v)
    assert mesh.rest is not None
    rest = sum(mesh.rest[face[:, i]] * weights[i] for i in range(3)).astype(np.float32)
    normals = sum(figure.normals[face[:, i]] * weights[i] for i in range(3)).astype(np.float32)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    flip = (normals * directions).sum(axis=1) > 0.25
    normals = np.where(flip[:, None], -normals, normals)
    corner = mesh.vertices[face]
    flat = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    albedo, mirror = np.zeros((len(at), 3), np.float32), np.zeros(len(at), np.float32)
    kind = mesh.material[face_index]
    for i, name in enumerate(mesh.materials):
        where = np.flatnonzero(kind == i)
        if not len(where):
            continue
        if figure.outfit is not None:
            albedo[where] = cloth_albedo(name, rest[where], figure.outfit, is_infrared=rig.mode == "ir")
            normals[where] = fold_normals(name, rest[where], normals[where], figure.outfit, figure.turn)
        else:
            surface = surface_of(name, rest[where], flat[where])
            albedo[where], mirror[where] = surface.albedo, surface.mirror
    distance = item.hits.distance[at]
    points = (world.lens.position + directions * distance[:, None] + normals * np.float32(0.012)).astype(np.float32)
    out = albedo * _ambient(world, points, normals)
    out += albedo * _lit(world, points, normals, figure, figures)
    shiny = np.flatnonzero(mirror > 0.0)
    if len(shiny):
        out[shiny] += _reflection(world, directions[shiny], normals[shiny], mirror[shiny])
    if rig.mode not in ("indoor", "ir"):
        clear = np.exp(-(0.0012 + 0.05 * rig.fog) * distance)[:, None]
        out = out * clear + rig.sky_rgb * (1.25 if rig.mode != "day" else 1.6) * (1 - clear)
    return np.asarray(out, np.float32)


def _ambient(world: World, points: F32, normals: F32) -> F32:
    up = normals[:, 2:3]
    sky = world.rig.sky_rgb * (0.5 + 0.5 * up)
    bounce = world.rig.bounce_rgb * (0.5 - 0.5 * up)
    low = np.clip(points[:, 2:3] / 0.9, 0.0, 1.0)
    return np.asarray(sky * (0.72 + 0.14 * low + 0.14 * np.clip(up, 0.0, 1.0)) + bounce * 0.9, np.float32)


def _lit(world: World, points: F32, normals: F32, figure: Figure, figures: Sequence[Figure]) -> F32:
    """Sun and lamps on a white surface at ``points``, behind the set, the figure itself and the others near it."""
    rig = world.rig
    total = np.zeros_like(points)
    near = [figure, *(f for f in figures if f is not figure and _is_near(f, figure))]
    if rig.sun_to is not None:
        facing = (normals @ rig.sun_to).astype(np.float32)
        lit = np.flatnonzero(facing > 0)
        if len(lit):
            towards = np.broadcast_to(rig.sun_to, (len(lit), 3)).astype(np.float32)
            share = world.sunlight(points[lit], towards, 300.0)
            share *= _unblocked(near, points[lit], towards, 60.0)
            total[lit] += rig.sun_rgb * (facing[lit] * share)[:, None]
    for i, lamp in enumerate(rig.lamps):
        light, towards, distance = lamp_light(rig, i, points, normals, np.float32(lamp.at_m))
        strength = light.sum(axis=1)
        lit = np.flatnonzero(strength > 0.002)
        if not len(lit):
            continue
        if rig.mode == "indoor" and len(rig.lamps) > 3:
            share = _unblocked([figure], points[lit], towards[lit], distance[lit] - 0.1) * 0.85 + 0.15
        else:
            share = world.sunlight(points[lit], towards[lit], distance[lit] - 0.12)
            share *= _unblocked(near, points[lit], towards[lit], distance[lit] - 0.1)
        total[lit] += light[lit] * share[:, None]
    return total


def _is_near(a: Figure, b: Figure) -> bool:
    gap = np.maximum(a.low - b.high, b.low - a.high)[:2]
    return bool((gap < 2.0).all())


def _unblocked(figures: Sequence[Figure], points: F32, towards: F32, max_distance: F32 | float) -> F32:
    share = np.ones(len(points), np.float32)
    for figure in figures:
        share *= 1.0 - figure.tracer.is_blocked(*figure.local_rays(points, towards), max_distance)
    return share


def _reflection(world: World, directions: F32, normals: F32, mirror: F32) -> F32:
    """Sky and sun in paint and glass (Schlick's Fresnel)."""
    cosine = -(directions * normals).sum(axis=1)
    bounced = directions + 2.0 * cosine[:, None] * normals
    fresnel = mirror + (1.0 - mirror) * (1.0 - np.clip(cosine, 0.0, 1.0)) ** 5 * 0.6
    seen = sky_radiance(world.rig, bounced.astype(np.float32), is_sharp=False)
    ground = np.clip(-bounced[:, 2] * 6.0, 0.0, 1.0)[:, None]
    seen = seen * (1 - ground) + ground * (world.rig.sky_rgb * 0.14)
    if world.rig.sun_to is not None:
        glint = np.clip((bounced @ world.rig.sun_to), 0.0, 1.0) ** 180
        seen = seen + glint[:, None] * world.rig.sun_rgb * 5.0
    return np.asarray(seen * fresnel[:, None], np.float32)


def _sightings(item: _Traced, owner: NDArray[np.int16], k: int, veil: F32, plate: Plate, nearest: F32) -> list[Sighting]:
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
            (item.figure.object_id, item.figure.label, is_hit & ~is_bag, _extent(is_hit & ~is_bag, x0, y0) or item.full_xyxy),
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


def _extent(mask: NDArray[np.bool_], x0: int, y0: int) -> tuple[float, float, float, float] | None:
    """The tight box of a mask on the doubled grid whose corner is pixel (x0, y0)."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return None
    return (x0 + float(columns[0]) / 2, y0 + float(rows[0]) / 2, x0 + float(columns[-1] + 1) / 2, y0 + float(rows[-1] + 1) / 2)


def _veil_over(light: F32, veil: F32, plate: Plate, nearest: F32, rects: Sequence[Rect]) -> None:
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
