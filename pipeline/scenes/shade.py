"""Light on an actor: albedo of cloth, skin and paint under sky, sun and lamps, behind whatever stands in between.

In: a figure and the samples of it that are seen. Out: linear light per sample. Next file: ``pipeline/scenes/draw.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.scenes.arrays import Floats, f32
from pipeline.scenes.cast import Figure
from pipeline.scenes.cloth import cloth_albedo, fold_normals
from pipeline.scenes.lighting import lamp_light, sky_radiance
from pipeline.scenes.materials import surface_of
from pipeline.scenes.tracing import Hits
from pipeline.scenes.world import World

__all__ = ["shade_samples"]


def shade_samples(world: World, figure: Figure, hits: Hits, directions: Floats, figures: Sequence[Figure]) -> Floats:
    """Linear light (N, 3) from ``figure`` at ``hits`` (N), all of them met, along unit ``directions`` (N, 3).

    ``figures`` are all those on stage: near ones may stand in the light.
    """
    rig, mesh, n = world.rig, figure.mesh, len(directions)
    face_index, uv = hits.face, hits.uv
    face = mesh.faces[face_index]
    u, v = uv[:, :1], uv[:, 1:]
    rest, normals = _mixed(mesh.texture[face], u, v), _mixed(figure.normals[face], u, v)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    flip = (normals * directions).sum(axis=1) > 0.25
    normals = np.where(flip[:, None], -normals, normals)
    corner = mesh.vertices[face]
    flat = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    albedo, mirror = np.zeros((n, 3), np.float32), np.zeros(n, np.float32)
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
    distance = hits.distance
    points = (world.lens.position + directions * distance[:, None] + normals * f32(0.012)).astype(np.float32)
    out = albedo * _ambient(world, points, normals)
    out += albedo * _lit(world, points, normals, figure, figures)
    shiny = np.flatnonzero(mirror > 0.0)
    if len(shiny):
        out[shiny] += _reflection(world, directions[shiny], normals[shiny], mirror[shiny])
    if rig.mode not in ("indoor", "ir"):
        clear = np.exp(-(0.0012 + 0.05 * rig.fog) * distance)[:, None]
        out = out * clear + rig.sky_rgb * (1.25 if rig.mode != "day" else 1.6) * (1 - clear)
    return np.asarray(out, np.float32)


def _mixed(corners: Floats, u: Floats, v: Floats) -> Floats:
    """Values inside triangles (N, 3, 3) -> (N, 3) from those at their corners."""
    return f32(corners[:, 0] * (1 - u - v) + corners[:, 1] * u + corners[:, 2] * v)


def _ambient(world: World, points: Floats, normals: Floats) -> Floats:
    up = normals[:, 2:3]
    sky = world.rig.sky_rgb * (0.5 + 0.5 * up)
    bounce = world.rig.bounce_rgb * (0.5 - 0.5 * up)
    low = np.clip(points[:, 2:3] / 0.9, 0.0, 1.0)
    return np.asarray(sky * (0.72 + 0.14 * low + 0.14 * np.clip(up, 0.0, 1.0)) + bounce * 0.9, np.float32)


def _lit(world: World, points: Floats, normals: Floats, figure: Figure, figures: Sequence[Figure]) -> Floats:
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
        light, towards, distance = lamp_light(rig, i, points, normals, f32(lamp.at_m))
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


def _unblocked(figures: Sequence[Figure], points: Floats, towards: Floats, max_distance: Floats | float) -> Floats:
    share = np.ones(len(points), np.float32)
    for figure in figures:
        share *= 1.0 - figure.tracer.is_blocked(*figure.local_rays(points, towards), max_distance)
    return share


def _reflection(world: World, directions: Floats, normals: Floats, mirror: Floats) -> Floats:
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
