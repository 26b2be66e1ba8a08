"""Triangle meshes and the few shapes that everything is built from: quad, box, loft, ellipsoid.

In: sizes in metres. Out: :class:`Mesh` in local coordinates, with a material name per face. Next file: ``props.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.scenes.arrays import Floats, Ints, f32, i32

__all__ = ["Mesh", "box", "ellipsoid", "join", "loft", "quad", "rotation_z", "tube", "vertex_normals"]

Corner = Sequence[float] | Floats


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Mesh:
    """``vertices`` (V, 3) metres, ``faces`` (F, 3), ``material`` (F,) index into ``materials``.

    ``rest`` (V, 3) are the coordinates that textures stick to: those of the shape when it was made, wherever it moved.
    """

    vertices: Floats
    faces: Ints
    material: Ints
    materials: tuple[str, ...]
    rest: Floats | None = None

    def __post_init__(self) -> None:
        if len(self.faces) != len(self.material):
            raise ValueError(f"material: expected one per face ({len(self.faces)}), got {len(self.material)}")
        if self.rest is None:
            object.__setattr__(self, "rest", self.vertices)

    def __repr__(self) -> str:
        return f"Mesh(vertices={len(self.vertices)}, faces={len(self.faces)}, materials={self.materials})"

    @property
    def texture(self) -> Floats:
        """``rest``, never None."""
        return self.vertices if self.rest is None else self.rest

    def moved(self, at_m: Sequence[float] = (0.0, 0.0, 0.0), yaw_deg: float = 0.0, scale: float = 1.0) -> Mesh:
        """A copy scaled, turned about z, then shifted."""
        turned = (self.vertices * f32(scale)) @ rotation_z(yaw_deg).T
        return replace(self, vertices=(turned + np.asarray(at_m, np.float32)).astype(np.float32))

    def transformed(self, matrix: Floats, at_m: Sequence[float] = (0.0, 0.0, 0.0)) -> Mesh:
        """A copy with ``matrix`` (3, 3) applied, then shifted."""
        return replace(self, vertices=(self.vertices @ matrix.T + np.asarray(at_m, np.float32)).astype(np.float32))

    def normals(self) -> Floats:
        """Smooth unit normals (V, 3): the area-weighted mean of the adjoining faces."""
        return vertex_normals(self.vertices, self.faces)


def vertex_normals(vertices: Floats, faces: Ints) -> Floats:
    """Area-weighted smooth normals (V, 3) of ``vertices`` under ``faces``."""
    corner = vertices[faces]
    face_normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    n = len(vertices)
    index = faces.ravel(order="F")
    total = np.stack(
        [np.bincount(index, weights=np.tile(face_normal[:, axis], 3), minlength=n) for axis in range(3)], axis=1
    )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return f32(total / np.maximum(length, 1e-12))


def rotation_z(yaw_deg: float) -> Floats:
    """The (3, 3) rotation about the vertical axis."""
    c, s = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    return f32([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def join(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh out of many; material names are merged."""
    names = tuple(dict.fromkeys(name for mesh in meshes for name in mesh.materials))
    index = {name: i for i, name in enumerate(names)}
    vertices, faces, material, rest, offset = [], [], [], [], 0
    for mesh in meshes:
        vertices.append(mesh.vertices)
        rest.append(mesh.texture)
        faces.append(mesh.faces + offset)
        material.append(np.array([index[name] for name in mesh.materials], np.int32)[mesh.material])
        offset += len(mesh.vertices)
    if not vertices:
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros(0, np.int32), ())
    return Mesh(
        np.concatenate(vertices).astype(np.float32),
        np.concatenate(faces).astype(np.int32),
        np.concatenate(material).astype(np.int32),
        names,
        np.concatenate(rest).astype(np.float32),
    )


def quad(a: Corner, b: Corner, c: Corner, d: Corner, material: str) -> Mesh:
    """Two triangles over the corners in order (counter-clockwise seen from the front)."""
    faces = i32([[0, 1, 2], [0, 2, 3]])
    return Mesh(np.stack([f32(a), f32(b), f32(c), f32(d)]), faces, np.zeros(2, np.int32), (material,))


def box(size_m: Sequence[float], material: str, top: str | None = None) -> Mesh:
    """A box standing on z = 0, centred on x = y = 0; ``top`` names the material of its upper face."""
    x, y, z = size_m[0] / 2, size_m[1] / 2, size_m[2]
    v = f32([[sx * x, sy * y, h] for h in (0.0, z) for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
    sides = ((0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7), (3, 2, 1, 0))
    parts = [
        quad(v[a], v[b], v[c], v[d], (top or material) if i == 4 else material) for i, (a, b, c, d) in enumerate(sides)
    ]
    return join(parts)


def loft(rings: Sequence[Floats], material: str, is_capped: bool = True) -> Mesh:
    """A skin over closed ``rings``, each (K, 3) with the same K; ends closed by fans when ``is_capped``."""
    k, n = len(rings[0]), len(rings)
    vertices = np.concatenate(rings).astype(np.float32)
    ring, step = np.meshgrid(np.arange(n - 1), np.arange(k), indexing="ij")
    a = (ring * k + step).ravel()
    b = (ring * k + (step + 1) % k).ravel()
    faces = np.concatenate([np.stack([a, b, b + k], 1), np.stack([a, b + k, a + k], 1)])
    if is_capped:
        centres = np.stack([rings[0].mean(axis=0), rings[-1].mean(axis=0)]).astype(np.float32)
        first = len(vertices)
        vertices = np.concatenate([vertices, centres])
        turn = np.arange(k)
        bottom = np.stack([np.full(k, first), (turn + 1) % k, turn], 1)
        top = np.stack([np.full(k, first + 1), (n - 1) * k + turn, (n - 1) * k + (turn + 1) % k], 1)
        faces = np.concatenate([faces, bottom, top])
    return Mesh(vertices, faces.astype(np.int32), np.zeros(len(faces), np.int32), (material,))


def tube(start: Sequence[float], end: Sequence[float], radius_m: float, material: str, sides: int = 6) -> Mesh:
    """A straight round bar between two points."""
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    axis = (b - a) / np.linalg.norm(b - a)
    helper = np.array([0.0, 0.0, 1.0]) if abs(axis[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    side = np.cross(axis, helper)
    side /= np.linalg.norm(side)
    up = np.cross(axis, side)
    turn = np.linspace(0.0, 2 * np.pi, sides, endpoint=False)
    ring = radius_m * (np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * up)
    return loft([(a + ring).astype(np.float32), (b + ring).astype(np.float32)], material)


def ellipsoid(radii_m: Sequence[float], material: str, rows: int = 8, columns: int = 12) -> Mesh:
    """An ellipsoid centred on the origin."""
    turn = np.linspace(0.0, 2 * np.pi, columns, endpoint=False)
    rings = []
    for tilt in np.linspace(-np.pi / 2 + 0.08, np.pi / 2 - 0.08, rows):
        wide = math.cos(tilt)
        ring = np.stack(
            [wide * np.cos(turn), wide * np.sin(turn), np.full(columns, math.sin(tilt))], axis=1
        ) * np.asarray(radii_m)
        rings.append(ring.astype(np.float32))
    return loft(rings, material)
