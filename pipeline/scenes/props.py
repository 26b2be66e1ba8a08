"""The set: buildings, fences, markings, plants, lamps, parked cars and rooms, out of a scene's props.

In: :class:`~pipeline.scenes.model.Prop` values. Out: a :class:`Backdrop` (solid mesh, see-through *veil* mesh, lamps).
What moves in the wind or is made of wire goes into the veil, which is drawn as a layer of its own. What lies on the
ground is in ``ground.py``, street furniture in ``furniture.py``, rooms in ``interior.py``. Next file: ``world.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from pipeline.scenes.arrays import Floats, i32
from pipeline.scenes.furniture import FURNITURE
from pipeline.scenes.ground import GROUND
from pipeline.scenes.interior import INTERIOR
from pipeline.scenes.meshes import Mesh, box, ellipsoid, join, quad, tube
from pipeline.scenes.model import Prop
from pipeline.scenes.pieces import Backdrop, Lamp, Piece, default
from pipeline.scenes.vehicles import VEHICLE_LENGTH_M, build_vehicle

__all__ = ["PROP_KINDS", "build_backdrop"]


def _facade(
    width: float, height: float, storeys: int, front_y: float, rng: np.random.Generator, lit: float
) -> list[Mesh]:
    """Windows with frames and sills on the plane y = ``front_y`` (outwards is -y), lowest storey first."""
    parts: list[Mesh] = []
    columns = max(1, int(width / 2.9))
    level = height / storeys
    for storey in range(storeys):
        for column in range(columns):
            x = -width / 2 + (column + 0.5) * width / columns
            half_w, z0 = min(0.62, width / columns * 0.3), storey * level + level * 0.32
            z1 = z0 + level * 0.46
            y = front_y - 0.015
            glass = "glow:window" if rng.random() < lit else "glass"
            parts.append(
                quad((x - half_w, y, z0), (x + half_w, y, z0), (x + half_w, y, z1), (x - half_w, y, z1), glass)
            )
            parts += [
                box((0.07, 0.05, z1 - z0), "frame").moved((bar_x, y - 0.01, z0))
                for bar_x in (x - half_w, x, x + half_w)
            ]
            sill, head = box((2 * half_w + 0.16, 0.12, 0.07), "frame"), box((2 * half_w + 0.16, 0.05, 0.07), "frame")
            parts += [sill.moved((x, y - 0.02, z0 - 0.05)), head.moved((x, y - 0.02, z1 - 0.02))]
    return parts


def _building(prop: Prop) -> Piece:
    width, depth, height = (default(prop.size_m, i, v) for i, v in enumerate((12.0, 8.0, 6.0)))
    material = prop.material or "brick"
    rng = np.random.default_rng(prop.seed)
    storeys = prop.storeys or max(1, round(height / 3.0))
    parts = [box((width, depth, height), material, top="roof")]
    parts.append(box((width + 0.12, depth + 0.12, 0.35), "concrete"))
    parts.append(box((width + 0.30, depth + 0.30, 0.22), "frame").moved((0, 0, height - 0.05)))
    if storeys > 0 and material != "cladding":
        for span, offset, yaw in (
            (width, depth / 2, 0.0),
            (depth, width / 2, 90.0),
            (width, depth / 2, 180.0),
            (depth, width / 2, 270.0),
        ):
            parts += [
                m.moved(yaw_deg=yaw)
                for m in _facade(span, height, storeys, -offset, rng, 0.3 if prop.color == "lit" else 0.0)
            ]
    for x in (-width / 2 + 0.25, width / 2 - 0.25):
        parts.append(tube((x, -depth / 2 - 0.07, 0.0), (x, -depth / 2 - 0.07, height), 0.05, "metal"))
    at = (prop.at_m[0], prop.at_m[1], default(prop.at_m, 2, 0.0))
    return Piece(tuple(m.moved(at, prop.yaw_deg) for m in parts))


def _run(prop: Prop) -> tuple[float, float, tuple[float, float]]:
    """Length, yaw in degrees and centre of a run from ``at_m`` to ``to_m``."""
    ax, ay = prop.at_m[0], prop.at_m[1]
    bx, by = prop.to_m or (ax + default(prop.size_m, 0, 4.0), ay)
    return math.hypot(bx - ax, by - ay), math.degrees(math.atan2(by - ay, bx - ax)), ((ax + bx) / 2, (ay + by) / 2)


def _wall(prop: Prop) -> Piece:
    length, yaw, centre = _run(prop)
    height, thick = default(prop.size_m, 2, 2.0), default(prop.size_m, 1, 0.24)
    parts = [
        box((length, thick, height), prop.material or "brick"),
        box((length + 0.04, thick + 0.08, 0.08), "concrete").moved((0, 0, height)),
    ]
    return Piece(tuple(m.moved((*centre, 0.0), yaw) for m in parts))


def _fence(prop: Prop) -> Piece:
    """``palisade`` (steel pales), ``chainlink`` (wire mesh on posts) or ``boards``."""
    length, yaw, centre = _run(prop)
    height = default(prop.size_m, 2, 2.2)
    style = prop.material or "palisade"
    veil: list[Mesh] = []
    posts = np.linspace(-length / 2, length / 2, max(2, round(length / 2.75) + 1))
    solid = [tube((float(x), 0, 0), (float(x), 0, height + 0.08), 0.045, "metal") for x in posts]
    if style == "palisade":
        solid += [box((length, 0.04, 0.05), "metal").moved((0, 0.03, z)) for z in (0.25, height - 0.35)]
        pale = box((0.065, 0.02, height), "metal")
        solid += [pale.moved((float(x), 0.0, 0.06)) for x in np.arange(-length / 2 + 0.08, length / 2, 0.16)]
    elif style == "boards":
        solid.append(box((length, 0.04, height), "wood"))
    else:
        solid += [tube((-length / 2, 0, z), (length / 2, 0, z), 0.022, "metal") for z in (0.1, height)]
        veil.append(
            quad(
                (-length / 2, 0, 0.08),
                (length / 2, 0, 0.08),
                (length / 2, 0, height),
                (-length / 2, 0, height),
                "lattice",
            )
        )
    return Piece(tuple(m.moved((*centre, 0.0), yaw) for m in solid), tuple(m.moved((*centre, 0.0), yaw) for m in veil))


def _leaves(rng: np.random.Generator, centre: Floats, radii: Floats, count: int, size_m: float) -> Mesh:
    """``count`` leaf clusters scattered in an ellipsoid, denser near its skin."""
    direction = rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    place = centre + direction * radii * rng.uniform(0.45, 1.0, (count, 1)) ** 0.6
    a = rng.standard_normal((count, 3))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b = np.cross(a, rng.standard_normal((count, 3)))
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    s = size_m * rng.uniform(0.6, 1.4, (count, 1))
    corners = np.stack(
        [
            place - a * s - b * s * 0.5,
            place + a * s - b * s * 0.5,
            place + a * s + b * s * 0.5,
            place - a * s + b * s * 0.5,
        ],
        axis=1,
    )
    index = np.arange(count)[:, None] * 4
    faces = np.concatenate([index + i32([0, 1, 2]), index + i32([0, 2, 3])]).astype(np.int32)
    return Mesh(corners.reshape(-1, 3).astype(np.float32), faces, np.zeros(len(faces), np.int32), ("foliage",))


def _tree(prop: Prop) -> Piece:
    height, crown = default(prop.size_m, 2, 6.0), default(prop.size_m, 0, 2.2)
    rng = np.random.default_rng(prop.seed + 17)
    x, y = prop.at_m[0], prop.at_m[1]
    solid = [tube((x, y, 0), (x + 0.1, y, height * 0.62), 0.05 + height * 0.016, "bark", 8)]
    veil = []
    for _ in range(7):
        offset = rng.normal(0.0, 0.42, 3) * (crown, crown, height * 0.16)
        centre = np.array([x, y, height * 0.70]) + offset
        solid.append(tube((x, y, height * 0.45), tuple(float(c) for c in centre), 0.04, "bark", 5))
        veil.append(_leaves(rng, centre, np.array([crown, crown, height * 0.2]) * rng.uniform(0.45, 0.75), 260, 0.12))
    return Piece(tuple(solid), tuple(veil))


def _hedge(prop: Prop) -> Piece:
    length, yaw, centre = _run(prop)
    height, thick = default(prop.size_m, 2, 1.2), default(prop.size_m, 1, 0.8)
    rng = np.random.default_rng(prop.seed + 29)
    veil = [
        _leaves(rng, np.array([x, 0.0, height * 0.52]), np.array([0.7, thick * 0.62, height * 0.5]), 330, 0.075).moved(
            (*centre, 0.0), yaw
        )
        for x in np.arange(-length / 2 + 0.4, length / 2, 0.75)
    ]
    core = box((length - 0.3, thick * 0.5, height * 0.75), "foliage").moved((*centre, 0.0), yaw)
    return Piece((core,), tuple(veil))


def _parked(prop: Prop) -> Piece:
    mesh = build_vehicle(prop.kind, prop.color or "silver", prop.seed)
    return Piece((mesh.moved((prop.at_m[0], prop.at_m[1], default(prop.at_m, 2, 0.0)), prop.yaw_deg),))


def _skyline() -> list[Mesh]:
    """Tree lines and far houses all around, so that the ground does not run to the horizon."""
    rng = np.random.default_rng(404)
    parts = []
    for turn in np.arange(0.0, 360.0, 3.2):
        far = float(rng.uniform(85, 150))
        x, y = far * math.cos(math.radians(turn)), far * math.sin(math.radians(turn))
        if rng.random() < 0.72:
            size = (float(rng.uniform(5, 10)), float(rng.uniform(5, 9)), float(rng.uniform(3.5, 8)))
            centre = np.array([x, y, size[2] * 0.55])
            core = ellipsoid((size[0] * 0.8, size[1] * 0.8, size[2] * 0.8), "foliage", 8, 14)
            parts += [core.moved((x, y, size[2] * 0.5)), _leaves(rng, centre, np.asarray(size), 110, 0.75)]
        else:
            size = (float(rng.uniform(8, 16)), 9.0, float(rng.uniform(4, 11)))
            parts.append(
                box(size, str(rng.choice(("plaster", "brick", "concrete"))), top="roof").moved((x, y, 0), turn + 90)
            )
    return parts


_BUILDERS: dict[str, Callable[[Prop], Piece]] = {
    "building": _building,
    "wall": _wall,
    "fence": _fence,
    "tree": _tree,
    "hedge": _hedge,
    **dict.fromkeys(VEHICLE_LENGTH_M, _parked),
    **GROUND,
    **FURNITURE,
    **INTERIOR,
}
PROP_KINDS: tuple[str, ...] = tuple(_BUILDERS)


def build_backdrop(props: Sequence[Prop], ground: str) -> Backdrop:
    """The set of a scene on an endless floor of ``ground``. Raises KeyError for an unknown prop kind."""
    pieces = [_BUILDERS[prop.kind](prop) for prop in props]
    floor = quad((-250, -250, 0), (250, -250, 0), (250, 250, 0), (-250, 250, 0), ground)
    is_indoor = any(prop.kind == "room" for prop in props)
    solid = join([floor, *([] if is_indoor else _skyline()), *(mesh for piece in pieces for mesh in piece.solid)])
    veil = join([mesh for piece in pieces for mesh in piece.veil])
    lamps: tuple[Lamp, ...] = tuple(lamp for piece in pieces for lamp in piece.lamps)
    return Backdrop(solid, veil, lamps)
