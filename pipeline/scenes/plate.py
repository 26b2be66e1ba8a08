"""The empty scene as the camera sees it: traced once, then reused for every frame.

In: a :class:`~pipeline.scenes.model.Scene`. Out: a :class:`Plate`: linear light split into *ambient* and one *direct*
layer per light (so a passer-by can take any of them away), exact distances for occlusion, and a veil layer (leaves,
wire mesh) that is composited by depth. Ambient light is sky visibility sampled with one cosine-weighted ray per pass
(Pharr, Jakob & Humphreys, *Physically Based Rendering*, 4th ed., 13.6) on an R2 sequence. Next file: ``renderer.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.scenes.arrays import Bools, Floats, Ints, f32
from pipeline.scenes.lighting import Rig, lamp_light, sky_radiance
from pipeline.scenes.materials import LATTICE_COVER, LATTICE_PITCH_M, is_lattice_hole, surface_of
from pipeline.scenes.meshes import Mesh
from pipeline.scenes.model import Scene
from pipeline.scenes.tracing import Hits
from pipeline.scenes.world import World

__all__ = ["Plate", "build_plate", "cosine_directions"]


PASSES = 12
_STRIP = 57_600  # pixels traced at a time, so that memory stays flat for large pictures


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plate:
    """Linear light and geometry of the empty scene, all as the camera sees them.

    ``ambient`` (H, W, 3); ``direct`` (lights, H, W, 3); ``points``/``normals`` (H, W, 3) world. ``distance2`` (2H, 2W)
    metres along the ray on the doubled grid (inf: sky). ``veil`` (H, W, 4) premultiplied colour and cover,
    ``veil_distance`` (H, W), ``is_foliage`` (H, W) 1 where it is leaves. ``has_veil``: any there. ``total``:
    an empty frame without the veil.
    """

    ambient: Floats
    direct: Floats
    points: Floats
    normals: Floats
    distance2: Floats
    veil: Floats
    veil_distance: Floats
    is_foliage: Floats
    total: Floats
    has_veil: bool


def cosine_directions(normals: Floats, u: Floats, v: Floats) -> Floats:
    """Directions (N, 3) about ``normals`` with density proportional to the cosine, from uniforms ``u``, ``v`` (N,)."""
    turn, z = 2 * np.pi * u, 1.0 - 2.0 * v
    r = np.sqrt(np.maximum(1.0 - z * z, 0.0))
    sphere = np.stack([r * np.cos(turn), r * np.sin(turn), z], axis=1)
    out = normals * 1.001 + sphere
    return f32(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6))


@dataclass(frozen=True, slots=True, eq=False)
class _Shaded:
    ambient: Floats
    occlusion: Floats
    glow: Floats
    direct: Floats
    points: Floats
    normals: Floats


def _geometry(mesh: Mesh, hits: Hits, origin: Floats, directions: Floats) -> tuple[Floats, Floats, Floats, Bools]:
    """Points, viewer-facing flat normals and texture coordinates of the hits; where there is one."""
    is_hit = hits.face >= 0
    face = mesh.faces[np.maximum(hits.face, 0)]
    corner = mesh.vertices[face]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    flip = (normal * directions).sum(axis=1) > 0
    normal = np.where(flip[:, None], -normal, normal).astype(np.float32)
    u, v = hits.uv[:, :1], hits.uv[:, 1:]
    rest = mesh.texture[face]
    texture = rest[:, 0] * (1 - u - v) + rest[:, 1] * u + rest[:, 2] * v
    distance = np.where(is_hit, hits.distance, 1.0)
    points = origin + directions * distance[:, None] + normal * f32(2e-3)
    return points.astype(np.float32), normal, texture.astype(np.float32), is_hit


def _shade(
    world: World, mesh: Mesh, hits: Hits, directions: Floats, random: Floats, smooth: Floats | None = None
) -> _Shaded:
    """All the light that leaves the hits towards the camera; ``random`` (N, 6) uniforms for area lights and sky."""
    rig, n = world.rig, len(directions)
    points, normals, texture, is_hit = _geometry(mesh, hits, world.lens.position, directions)
    albedo, mirror, glow = np.zeros((n, 3), np.float32), np.zeros(n, np.float32), np.zeros((n, 3), np.float32)
    kind = np.where(is_hit, mesh.material[np.maximum(hits.face, 0)], -1)
    for i, name in enumerate(mesh.materials):
        where = np.flatnonzero(kind == i)
        if len(where):
            surface = surface_of(name, texture[where], normals[where])
            albedo[where], mirror[where], glow[where] = surface.albedo, surface.mirror, surface.glow
    if rig.mode in ("day", "overcast", "ir", "indoor"):
        glow *= {"indoor": 1.0}.get(rig.mode, 0.04)
    lit_normals = normals if smooth is None else smooth
    if rig.is_wet:
        is_flat = (normals[:, 2] > 0.8) & is_hit
        mirror = np.maximum(mirror, f32(0.13) * is_flat)
        ripple = (random[:, 2:5] - 0.5) * f32([0.10, 0.10, 0.0])  # a wet surface smears lamps into streaks
        normals = np.where(is_flat[:, None], normals + ripple, normals).astype(np.float32)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        albedo = np.where(is_flat[:, None], albedo * f32(0.55), albedo)
    occlusion = np.ones(n, np.float32)
    probe = cosine_directions(lit_normals, random[:, 0], random[:, 1])
    at = np.flatnonzero(is_hit)
    occlusion[at] = 1.0 - world.solid.is_blocked(points[at], probe[at], rig.occlusion_reach_m)
    if len(world.backdrop.veil.faces) and rig.mode != "indoor":
        occlusion[at] *= 1.0 - 0.6 * world.veil.is_blocked(points[at], probe[at], rig.occlusion_reach_m)
    up = lit_normals[:, 2:3]
    hemisphere = rig.sky_rgb * (0.5 + 0.5 * up) + rig.bounce_rgb * (0.5 - 0.5 * up)
    ambient = albedo * hemisphere
    glow += _mirrored(world, points, normals, directions, mirror, is_hit)
    glow[~is_hit] = sky_radiance(rig, directions[~is_hit])
    return _Shaded(
        ambient, occlusion, glow, _direct(world, points, lit_normals, albedo, at, random), points, lit_normals
    )


def _mirrored(
    world: World, points: Floats, normals: Floats, directions: Floats, mirror: Floats, is_hit: Bools
) -> Floats:
    """What glass, paint and wet ground reflect: the sky, lamps that glow, or a dim stand-in for what is in the way."""
    out = np.zeros_like(points)
    at = np.flatnonzero((mirror > 0) & is_hit)
    if not len(at):
        return out
    d, nrm = directions[at], normals[at]
    cosine = -(d * nrm).sum(axis=1)
    bounced = (d + 2.0 * cosine[:, None] * nrm).astype(np.float32)
    fresnel = mirror[at] + (1.0 - mirror[at]) * (1.0 - np.clip(cosine, 0.0, 1.0)) ** 5 * 0.8
    seen = sky_radiance(world.rig, bounced)
    hits = world.solid.first_hit(points[at], bounced)
    blocked = np.flatnonzero(hits.face >= 0)
    if len(blocked):
        mesh = world.backdrop.solid
        material = mesh.material[hits.face[blocked]]
        tint = f32(
            [
                (1.8, 1.6, 1.3) if m == "glow:lamp" else (1.6, 1.6, 1.5) if m == "glow:panel" else (0.16, 0.15, 0.14)
                for m in mesh.materials
            ]
        )
        light = world.rig.sky_rgb * 0.8 + (0.35 if world.rig.sun_to is not None else 0.0)
        is_glow = tint[material].sum(axis=1) > 1.0
        seen[blocked] = np.where(
            is_glow[:, None] & (world.rig.mode in ("night", "dusk", "indoor")), tint[material], 0.16 * light
        )
    out[at] = seen * fresnel[:, None]
    return out


def _direct(world: World, points: Floats, normals: Floats, albedo: Floats, at: Ints, random: Floats) -> Floats:
    """Light from the sun and every lamp, one layer each: (lights, N, 3)."""
    rig = world.rig
    out = np.zeros((max(rig.count, 1), len(points), 3), np.float32)
    k = 0
    jitter = np.stack([random[:, 2] - 0.5, random[:, 3] - 0.5, random[:, 4] - 0.5], axis=1) * 2.0
    if rig.sun_to is not None:
        sunward = f32(rig.sun_to + jitter[at] * rig.sun_disc)
        facing = np.clip((normals[at] * rig.sun_to).sum(axis=1), 0.0, 1.0)
        lit = np.flatnonzero(facing > 0)
        share = np.zeros(len(at), np.float32)
        share[lit] = world.sunlight(points[at][lit], sunward[lit], 300.0)
        out[0, at] = albedo[at] * rig.sun_rgb * (facing * share)[:, None]
        k = 1
    for i, lamp in enumerate(rig.lamps):
        place = f32(lamp.at_m) + jitter[at] * f32([lamp.radius_m, lamp.radius_m, lamp.radius_m * 0.3])
        light, towards, distance = lamp_light(rig, i, points[at], normals[at], place.astype(np.float32))
        lit = np.flatnonzero(light.sum(axis=1) > 1e-4)
        share = np.zeros(len(at), np.float32)
        share[lit] = world.sunlight(points[at][lit], towards[lit], distance[lit] - 0.12)
        out[k + i, at] = albedo[at] * light * share[:, None]
    return out


def build_plate(scene: Scene, world: World, seed: int = 0, passes: int = PASSES) -> Plate:
    """Trace the empty scene; a few seconds at 640x360, the same bytes for the same scene and seed."""
    w, h = scene.size_wh
    rng = np.random.default_rng([seed, 77])
    shift = rng.random((h * w, 6), np.float32)
    grid = np.stack(np.meshgrid(np.arange(w), np.arange(h)), axis=-1).reshape(-1, 2).astype(np.float32)
    lights = max(world.rig.count, 1)
    parts = [_strip(world, grid[i : i + _STRIP], shift[i : i + _STRIP], passes) for i in range(0, len(grid), _STRIP)]
    ambient, glow, occlusion = (np.concatenate([part[k] for part in parts]) for k in range(3))
    direct = np.concatenate([part[3] for part in parts], axis=1)
    centre = world.lens.directions(grid + 0.5)
    hits = world.solid.first_hit(world.lens.position, centre)
    points, normals, _, _ = _geometry(world.backdrop.solid, hits, world.lens.position, centre)
    occlusion_map = cv2.bilateralFilter(occlusion.reshape(h, w), 7, 0.35, 2.0)[..., None]
    lit = ambient.reshape(h, w, 3) * (0.12 + 0.88 * occlusion_map) + glow.reshape(h, w, 3)
    layers = direct.reshape(lights, h, w, 3)
    distance = hits.distance.reshape(h, w)
    ambient_light, direct_light = _fogged(world.rig, lit, layers, distance)
    double = np.stack(np.meshgrid(np.arange(2 * w), np.arange(2 * h)), axis=-1).reshape(-1, 2).astype(np.float32)
    far = world.solid.first_hit(world.lens.position, world.lens.directions((double + 0.5) / 2))
    veil, veil_distance, is_foliage = _trace_veil(scene, world, grid, shift)
    return Plate(
        ambient=ambient_light,
        direct=direct_light,
        points=points.reshape(h, w, 3),
        normals=normals.reshape(h, w, 3),
        distance2=far.distance.reshape(2 * h, 2 * w),
        veil=veil,
        veil_distance=veil_distance,
        is_foliage=is_foliage,
        has_veil=bool(np.isfinite(veil_distance).any()),
        total=f32(ambient_light + direct_light.sum(axis=0)),
    )


def _strip(world: World, grid: Floats, shift: Floats, passes: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean ambient (N, 3), glow (N, 3), sky visibility (N,) and direct light (lights, N, 3) of the pixels ``grid``."""
    n = len(grid)
    ambient, glow, occlusion = np.zeros((n, 3), np.float32), np.zeros((n, 3), np.float32), np.zeros(n, np.float32)
    direct = np.zeros((max(world.rig.count, 1), n, 3), np.float32)
    step = f32([0.7548777, 0.5698403, 0.8191725, 0.6710436, 0.5497005, 0.4503])
    for i in range(passes):
        # scattered, not on a grid: brick and fence patterns then blur where they are finer than a pixel
        directions = world.lens.directions(grid + np.mod(shift[:, 4:6] + (i + 0.5) * step[:2], 1.0))
        hits = world.solid.first_hit(world.lens.position, directions)
        shaded = _shade(world, world.backdrop.solid, hits, directions, np.mod(shift + i * step, 1.0))
        ambient += shaded.ambient
        glow += shaded.glow
        occlusion += shaded.occlusion
        direct += shaded.direct
    return ambient / passes, glow / passes, occlusion / passes, direct / passes


def _fogged(rig: Rig, ambient: Floats, direct: Floats, distance: Floats) -> tuple[Floats, Floats]:
    """Light attenuated by air: haze always, fog when there is some."""
    if rig.mode in ("indoor", "ir"):
        return ambient, direct
    density = 0.0012 + 0.05 * rig.fog
    clear = np.exp(-density * np.minimum(distance, 400.0))[..., None].astype(np.float32)
    air = rig.sky_rgb * (1.25 if rig.mode != "day" else 1.6)
    return np.asarray(ambient * clear + air * (1 - clear), np.float32), np.asarray(direct * clear, np.float32)


def _trace_veil(scene: Scene, world: World, grid: Floats, shift: Floats) -> tuple[Floats, Floats, Floats]:
    """Leaves and wire: premultiplied colour and cover (H, W, 4), nearest distance and where leaves are (H, W)."""
    w, h = scene.size_wh
    mesh = world.backdrop.veil
    total, seen = np.zeros((h * w, 4), np.float32), np.full(h * w, np.inf, np.float32)
    if not len(mesh.faces):
        return total.reshape(h, w, 4), seen.reshape(h, w), np.zeros((h, w), np.float32)
    wired = np.zeros(h * w, np.float32)
    lattice = [i for i, name in enumerate(mesh.materials) if name == "lattice"]
    for i in range(PASSES):
        directions = world.lens.directions(grid + np.mod(shift[:, 4:6] + (i + 0.5) * f32([0.7549, 0.5698]), 1.0))
        hits = world.veil.first_hit(world.lens.position, directions)
        solid = world.solid.first_hit(world.lens.position, directions)
        at = np.flatnonzero((hits.face >= 0) & (hits.distance < solid.distance))
        if not len(at):
            continue
        part = Hits(hits.face[at], hits.distance[at], hits.uv[at])
        _, normals, texture, _ = _geometry(mesh, part, world.lens.position, directions[at])
        is_wire = np.isin(mesh.material[part.face], lattice)
        # wire finer than a pixel covers its share of every sample instead of hitting or missing
        is_fine = is_wire & (part.distance / world.lens.focal_px > 0.2 * LATTICE_PITCH_M)
        keep = is_fine | ~(is_wire & is_lattice_hole(texture, normals))
        at, part = at[keep], Hits(part.face[keep], part.distance[keep], part.uv[keep])
        if not len(at):
            continue
        weight = np.where(is_fine[keep], f32(LATTICE_COVER / PASSES), f32(1.0 / PASSES))
        smooth = normals[keep] * 0.5 + f32([0.0, 0.0, 0.75])
        smooth /= np.linalg.norm(smooth, axis=1, keepdims=True)
        shaded = _shade(world, mesh, part, directions[at], np.mod(shift[at] + i * 0.37, 1.0), smooth)
        light = shaded.ambient * (0.3 + 0.7 * shaded.occlusion[:, None]) + shaded.direct.sum(axis=0) + shaded.glow
        total[at, :3] += light * weight[:, None]
        total[at, 3] += weight
        seen[at] = np.minimum(seen[at], part.distance)
        wired[at] += np.isin(mesh.material[part.face], lattice)
    near_wire = cv2.dilate((wired > 0).astype(np.uint8).reshape(h, w), np.ones((9, 9), np.uint8))
    return total.reshape(h, w, 4), seen.reshape(h, w), 1.0 - near_wire.astype(np.float32)
