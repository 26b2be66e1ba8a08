"""A person: a lofted body in clothes on a sixteen-joint skeleton, bent into a pose by linear blend skinning.

In: an :class:`~pipeline.scenes.looks.Outfit` and a :class:`~pipeline.scenes.motion.Pose`. Out: posed vertices in
metres, feet on z = 0, facing +x. Proportions are fractions of body height after Drillis & Contini (1966). Next file:
``looks.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.scenes.arrays import Floats, f32
from pipeline.scenes.looks import Outfit
from pipeline.scenes.meshes import Mesh, ellipsoid, join, loft
from pipeline.scenes.motion import JOINTS, PARENTS, Pose

__all__ = ["Body", "build_body"]


_REST = f32([
    (0.000, 0.000, 0.530), (0.000, 0.000, 0.610), (-0.006, 0.000, 0.700), (-0.004, 0.000, 0.855),
    (-0.004, 0.104, 0.812), (-0.004, 0.116, 0.630), (0.002, 0.120, 0.475),
    (-0.004, -0.104, 0.812), (-0.004, -0.116, 0.630), (0.002, -0.120, 0.475),
    (0.000, 0.052, 0.520), (0.004, 0.054, 0.285), (-0.008, 0.054, 0.048),
    (0.000, -0.052, 0.520), (0.004, -0.054, 0.285), (-0.008, -0.054, 0.048),
])  # fmt: skip
_AT = {name: i for i, name in enumerate(JOINTS)}
# z, x centre, half depth, half width of the trunk, bottom to top
_TRUNK = (
    (0.462, 0.000, 0.050, 0.070), (0.485, 0.000, 0.064, 0.092), (0.520, -0.004, 0.070, 0.100),
    (0.555, -0.004, 0.066, 0.096),
    (0.590, 0.000, 0.060, 0.086), (0.625, 0.002, 0.058, 0.081), (0.665, 0.002, 0.062, 0.087),
    (0.705, 0.002, 0.067, 0.097),
    (0.745, 0.000, 0.068, 0.104), (0.780, -0.003, 0.063, 0.108), (0.806, -0.006, 0.053, 0.104),
    (0.824, -0.008, 0.044, 0.082),
    (0.838, -0.007, 0.037, 0.050), (0.850, -0.005, 0.033, 0.036), (0.880, 0.002, 0.032, 0.033),
)  # fmt: skip
_LEG = (
    (0.530, 0.060, 0.050), (0.480, 0.058, 0.050), (0.420, 0.052, 0.046), (0.360, 0.045, 0.041), (0.315, 0.040, 0.037),
    (0.285, 0.038, 0.036), (0.250, 0.038, 0.036), (0.205, 0.037, 0.035), (0.140, 0.029, 0.029), (0.085, 0.024, 0.025),
    (0.035, 0.024, 0.026),
)  # fmt: skip
_ARM = (
    (0.826, 0.020, 0.016), (0.812, 0.032, 0.028), (0.780, 0.032, 0.029), (0.720, 0.028, 0.026), (0.665, 0.024, 0.023),
    (0.630, 0.022, 0.022), (0.590, 0.023, 0.022), (0.540, 0.020, 0.018), (0.488, 0.015, 0.013),
)  # fmt: skip
_HAND = ((0.482, 0.014, 0.012), (0.462, 0.020, 0.011), (0.436, 0.021, 0.010), (0.408, 0.013, 0.008))

# x, half width, height of the shoe, heel to toe
_SHOE = (
    (-0.045, 0.016, 0.030), (-0.030, 0.024, 0.056), (0.010, 0.026, 0.058), (0.050, 0.027, 0.040), (0.085, 0.024, 0.026),
    (0.104, 0.014, 0.014),
)  # fmt: skip
_SIGN = {"l": 1.0, "r": -1.0}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Body:
    """A rest-pose ``mesh`` (metres), skin ``weights`` (V, 16) and ``joints`` (16, 3) at rest."""

    mesh: Mesh
    weights: Floats
    joints: Floats

    def posed(self, pose: Pose) -> Floats:
        """Vertices (V, 3) in ``pose``, the lowest at ``pose.lift_m``, the trunk's rest axis over x = y = 0."""
        turn = _rotations(pose.angles)
        world = np.empty_like(turn)
        place = np.empty((16, 3), np.float32)
        for j, parent in enumerate(PARENTS):
            if parent < 0:
                world[j], place[j] = turn[j], self.joints[j]
            else:
                world[j] = world[parent] @ turn[j]
                place[j] = place[parent] + world[parent] @ (self.joints[j] - self.joints[parent])
        shift = place - np.einsum("jab,jb->ja", world, self.joints)
        blended = np.tensordot(self.weights, world, axes=1)  # (V, 16) x (16, 3, 3) -> (V, 3, 3)
        vertices = np.einsum("vab,vb->va", blended, self.mesh.vertices) + self.weights @ shift
        if pose.seat_m is not None:
            vertices[:, 2] += pose.seat_m - self.joints[0, 2]
        else:
            vertices[:, 2] += pose.lift_m - vertices[:, 2].min()
        return np.asarray(vertices, np.float32)


def _rotations(angles: Floats) -> Floats:
    """Rotation matrices (N, 3, 3) = Rz @ Ry @ Rx of (roll, pitch, yaw) degrees (N, 3)."""
    c, s = np.cos(np.radians(angles)), np.sin(np.radians(angles))
    (cx, cy, cz), (sx, sy, sz) = c.T, s.T
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return np.moveaxis(np.asarray(rows, np.float32), 2, 0)


def _sides(count: int, fine: float) -> int:
    """How many corners a ring gets at fineness ``fine``."""
    return max(5, round(count * fine))


def _ring(x: float, y: float, z: float, depth: float, width: float, k: int, power: float = 2.3) -> Floats:
    """A superellipse of half-axes ``depth`` (x) and ``width`` (y) at height ``z``, counter-clockwise from above."""
    turn = np.linspace(0.0, 2 * np.pi, k, endpoint=False)
    c, s = np.cos(turn), np.sin(turn)
    px = np.sign(c) * np.abs(c) ** (2 / power) * depth + x
    py = np.sign(s) * np.abs(s) ** (2 / power) * width + y
    return np.stack([px, py, np.full(k, z)], axis=1).astype(np.float32)


def _fade(z: Floats, joint_z: float, reach: float) -> Floats:
    """1 well above ``joint_z``, 0 well below, smooth over +-``reach``."""
    return f32(np.clip((z - joint_z) / (2 * reach) + 0.5, 0.0, 1.0))


def _chain(z: Floats, names: tuple[str, ...], cuts: tuple[tuple[float, float], ...]) -> Floats:
    """Weights (V, 16) along a chain of joints from top to bottom, changing over at ``cuts`` (z, reach)."""
    weights = np.zeros((len(z), 16), np.float32)
    above = np.ones(len(z), np.float32)
    for name, (cut_z, reach) in zip(names, cuts, strict=False):
        upper = _fade(z, cut_z, reach)
        weights[:, _AT[name]] += above * upper
        above = above * (1.0 - upper)
    weights[:, _AT[names[-1]]] += above
    return weights


_TRUNK_CUTS = ((0.852, 0.02), (0.695, 0.05), (0.600, 0.05))


def _trunk(outfit: Outfit, fine: float) -> tuple[Mesh, Floats]:
    girth, loose = outfit.girth, outfit.top_loose
    rings = []
    for z, x, depth, width in _TRUNK:
        size = girth if z < 0.82 else 1.0 + 0.3 * (girth - 1.0)
        belly = 1.0 + max(0.0, girth - 1.05) * 1.2 * float(np.exp(-(((z - 0.61) / 0.06) ** 2)))
        ease = loose if z < 0.835 else 1.0
        rings.append(_ring(x, 0.0, z, depth * size * belly * ease, width * (0.5 + 0.5 * size) * ease, _sides(14, fine)))
    mesh = loft(rings, "top")
    centre_z = mesh.vertices[mesh.faces].mean(axis=1)[:, 2]
    kind = np.where(centre_z > 0.838, 1, np.where(centre_z < outfit.hem_z, 2, 0)).astype(np.int32)
    mesh = Mesh(mesh.vertices, mesh.faces, kind, ("top", "skin", "legs"))
    return mesh, _chain(mesh.vertices[:, 2], ("head", "chest", "spine", "pelvis"), _TRUNK_CUTS)


def _skirt(outfit: Outfit, bottom_z: float, flare: float, material: str, fine: float) -> tuple[Mesh, Floats]:
    """A coat's or skirt's hanging part from the waist to ``bottom_z``; follows the pelvis and both thighs."""
    levels = np.linspace(bottom_z, 0.60, 6)
    rings = []
    for z in levels:
        down = (0.60 - z) / max(0.60 - bottom_z, 1e-3)
        size = 1.0 + flare * down
        rings.append(_ring(0.0, 0.0, float(z), 0.068 * outfit.girth * size, 0.097 * size, _sides(14, fine)))
    mesh = loft(rings, material, is_capped=False)
    v = mesh.vertices
    hang = np.clip((0.56 - v[:, 2]) / 0.30, 0.0, 0.8)
    left = np.clip(0.5 + v[:, 1] / 0.12, 0.0, 1.0)
    weights = np.zeros((len(v), 16), np.float32)
    weights[:, _AT["pelvis"]] = 1.0 - hang
    weights[:, _AT["l_hip"]] = hang * left
    weights[:, _AT["r_hip"]] = hang * (1.0 - left)
    return mesh, weights


def _leg(outfit: Outfit, side: str, fine: float) -> tuple[Mesh, Floats]:
    sign, wide = _SIGN[side], 0.55 + 0.45 * outfit.girth
    rings = []
    for z, depth, width in _LEG:
        size = wide * (outfit.legs_loose if z < 0.5 else 1.0)
        if z < 0.09:
            size *= 1.0 + 1.05 * (outfit.legs_loose - 1.0)  # the cuff
        back = -0.03 * (0.3 - z) if z < 0.3 else 0.0
        rings.append(_ring(0.004 + back, sign * 0.053, z, depth * size, width * size, _sides(10, fine), 2.0))
    mesh = loft(rings, "legs")
    centre_z = mesh.vertices[mesh.faces].mean(axis=1)[:, 2]
    mesh = Mesh(mesh.vertices, mesh.faces, (centre_z < outfit.shorts_z).astype(np.int32), ("legs", "skin"))
    names = ("pelvis", f"{side}_hip", f"{side}_knee", f"{side}_ankle")
    return mesh, _chain(mesh.vertices[:, 2], names, ((0.545, 0.03), (0.285, 0.035), (0.045, 0.02)))


def _foot(side: str, fine: float) -> tuple[Mesh, Floats]:
    rings, k = [], _sides(8, fine)
    for x, half, high in _SHOE:
        ring = _ring(0.0, _SIGN[side] * 0.054, 0.0, high / 2, half, k)
        rings.append(f32(np.stack([np.full(k, x), ring[:, 1], ring[:, 0] + high / 2], axis=1)))
    mesh = loft(rings, "shoe")
    return mesh, _rigid(mesh, f"{side}_ankle")


def _arm(outfit: Outfit, side: str, fine: float) -> list[tuple[Mesh, Floats]]:
    sign, wide = _SIGN[side], (0.55 + 0.45 * outfit.girth) * outfit.sleeve_loose
    rings = []
    for z, depth, width in _ARM:
        out = 0.100 + 0.05 * min(0.82 - z, 0.2) if z < 0.82 else 0.092
        rings.append(_ring(-0.004, sign * out, z, depth * wide, width * wide, _sides(9, fine), 2.0))
    arm = loft(rings, "top")
    centre_z = arm.vertices[arm.faces].mean(axis=1)[:, 2]
    arm = Mesh(arm.vertices, arm.faces, (centre_z < outfit.sleeve_z).astype(np.int32), ("top", "skin"))
    hand = loft([_ring(0.002, sign * 0.116, z, d, w, _sides(7, fine), 2.0) for z, d, w in _HAND], "skin")
    names = ("chest", f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
    cuts = ((0.835, 0.02), (0.630, 0.03), (0.478, 0.012))
    return [(mesh, _chain(mesh.vertices[:, 2], names, cuts)) for mesh in (arm, hand)]


def _rigid(mesh: Mesh, joint: str) -> Floats:
    """Weights of a part that hangs on one joint."""
    weights = np.zeros((len(mesh.vertices), 16), np.float32)
    weights[:, _AT[joint]] = 1.0
    return weights


def _head(outfit: Outfit, fine: float) -> list[Mesh]:
    def blob(radii: tuple[float, float, float], at: tuple[float, float, float], material: str) -> Mesh:
        return ellipsoid(radii, material, _sides(9, fine), _sides(13, fine)).moved(at)

    skull = blob((0.058, 0.046, 0.068), (0.010, 0.0, 0.930), "head")
    v = skull.vertices.copy()
    low = np.clip((0.915 - v[:, 2]) / 0.05, 0.0, 1.0)
    v[:, 1] *= 1.0 - 0.25 * low  # jaw narrower than skull
    v[:, 0] += 0.008 * low * (v[:, 0] > 0.01)
    parts = [Mesh(v, skull.faces, skull.material, ("head",))]
    parts.append(ellipsoid((0.010, 0.006, 0.012), "skin", 5, 6).moved((0.068, 0.0, 0.922)))
    if outfit.head == "cap":
        parts.append(blob((0.062, 0.050, 0.040), (0.007, 0.0, 0.966), "hat"))
        parts.append(blob((0.042, 0.036, 0.005), (0.075, 0.0, 0.956), "hat"))
    elif outfit.head == "hood":
        parts.append(blob((0.062, 0.052, 0.058), (0.000, 0.0, 0.948), "top"))
        parts.append(blob((0.050, 0.056, 0.060), (-0.018, 0.0, 0.895), "top"))
    elif outfit.head == "beanie":
        parts.append(blob((0.062, 0.052, 0.058), (0.000, 0.0, 0.948), "hat"))
    elif outfit.head == "helmet":
        parts.append(blob((0.074, 0.062, 0.070), (0.008, 0.0, 0.945), "helmet"))
    elif outfit.hair_length > 0:
        volume = 0.004 + 0.004 * outfit.hair_length
        parts.append(blob((0.056 + volume, 0.047 + volume, 0.050), (-0.004, 0.0, 0.956), "hair"))
        if outfit.hair_length > 1:
            parts.append(blob((0.030, 0.046, 0.075), (-0.034, 0.0, 0.900), "hair"))
    return parts


_CARRY = {
    "backpack": ("chest", (0.078, 0.088, 0.125), (-0.118, 0.0, 0.725)),
    "handbag": ("r_wrist", (0.075, 0.026, 0.055), (0.004, -0.128, 0.345)),
    "suitcase": ("r_wrist", (0.118, 0.052, 0.155), (0.004, -0.150, 0.255)),
    "box": ("chest", (0.100, 0.115, 0.080), (0.200, 0.0, 0.640)),
}  # joint it hangs on, half sizes, centre, in body heights


def _carried(outfit: Outfit) -> list[tuple[Mesh, Floats]]:
    if outfit.carry not in _CARRY:
        return []
    joint, half, centre = _CARRY[outfit.carry]
    rings = [
        _ring(0.0, 0.0, z * half[2], half[0] * r, half[1] * r, 12, 4.0)
        for z, r in ((-1.0, 0.86), (-0.85, 1.0), (0.2, 1.0), (0.8, 0.92), (1.0, 0.66))
    ]
    mesh = loft(rings, "bag").moved(centre)
    if outfit.carry in ("handbag", "suitcase"):
        strap = loft(
            [_ring(0.0, 0.0, z, 0.010, 0.004, 6, 2.0) for z in (half[2] * 0.9, 0.47 - centre[2])], "bag"
        ).moved(centre)
        mesh = join([mesh, strap])
    return [(mesh, _rigid(mesh, joint))]


def build_body(outfit: Outfit, fine: float = 1.0) -> Body:
    """The body of one person; deterministic in ``outfit``. ``fine`` below 1 makes a coarser mesh, for the far away."""
    parts = [_trunk(outfit, fine)]
    for side in ("l", "r"):
        parts += [_leg(outfit, side, fine), _foot(side, fine), *_arm(outfit, side, fine)]
    if outfit.top_style in ("coat", "dress"):
        parts.append(_skirt(outfit, 0.36 if outfit.top_style == "coat" else 0.30, 0.28, "top", fine))
    elif outfit.legs_style == "skirt":
        parts.append(_skirt(outfit, 0.31, 0.35, "legs", fine))
    parts += [(mesh, _rigid(mesh, "head")) for mesh in _head(outfit, fine)]
    parts += _carried(outfit)
    height = np.float32(outfit.height_m)
    whole = join([mesh for mesh, _ in parts])
    scaled = Mesh(whole.vertices * height, whole.faces, whole.material, whole.materials, whole.vertices)
    return Body(scaled, np.concatenate([weights for _, weights in parts]), _REST * height)
