"""Actors as geometry: each actor's meshes at one instant, ready for the ray tracer.

In: an :class:`~pipeline.scenes.timeline.Actor` and its state. Out: :class:`Figure` values (a rider gives two: the
person and the machine). Next file: ``pipeline/scenes/draw.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from pipeline.scenes.arrays import Floats, f32
from pipeline.scenes.body import Body, build_body
from pipeline.scenes.looks import BAG_COLORS, Outfit
from pipeline.scenes.meshes import Mesh, box, ellipsoid, join, loft, rotation_z, tube, vertex_normals
from pipeline.scenes.motion import pose_of, riding_pose
from pipeline.scenes.timeline import Actor, State
from pipeline.scenes.tracing import RayScene
from pipeline.scenes.vehicles import build_vehicle

__all__ = ["CARRIED_ID", "MACHINE_ID", "Figure", "Performer"]


CARRIED_ID = 100_000
MACHINE_ID = 200_000


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Figure:
    """One drawable: ``vertices``/``normals`` (V, 3) world; rays are traced in local axes after ``turn`` and ``shift``.

    ``low``/``high`` (3,) bound it; ``label`` and ``object_id`` name it in the truth; faces of material ``bag`` on a
    person are a carried bag, an object of its own.
    """

    object_id: int
    label: str
    mesh: Mesh
    vertices: Floats
    normals: Floats
    tracer: RayScene
    turn: Floats
    shift: Floats
    outfit: Outfit | None
    low: Floats
    high: Floats

    def local_rays(self, origins: Floats, directions: Floats) -> tuple[Floats, Floats]:
        """World rays in the tracer's axes."""
        return (origins - self.shift) @ self.turn, directions @ self.turn


class Performer:
    """Builds the figures of one actor; meshes that never bend are built once."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._bodies: dict[tuple[bool, float], Body] = {}
        self._rigid: dict[str, tuple[Mesh, Floats, RayScene]] = {}

    def figures(self, state: State, at_s: float, fine: float = 1.0) -> list[Figure]:
        """The actor's figures at media time ``at_s``; ``fine`` below 1 for one who is small in the picture."""
        kind = self.actor.kind
        if kind == "person":
            pose = pose_of(
                state.action,
                phase=state.phase,
                speed_m_s=state.speed_m_s,
                progress=state.progress,
                since_s=state.since_s,
                left_s=state.left_s,
                at_s=at_s,
                style=state.style,
                seed=self.actor.seed % 1000,
            )
            body = self._body(state.is_carrying, fine)
            return [self._posed(body, body.posed(pose), state, self.actor.id, "person")]
        if kind in ("bicycle", "motorcycle"):
            machine = self._moved(kind, state, MACHINE_ID + self.actor.id, kind)
            is_bicycle = kind == "bicycle"
            body = self._body(True, fine)
            seat = 0.98 if is_bicycle else 0.93
            vertices = body.posed(riding_pose(state.phase, is_bicycle and state.speed_m_s > 0.3, seat))
            vertices[:, 0] -= 0.22 if is_bicycle else 0.28
            return [machine, self._posed(body, vertices, state, self.actor.id, "person")]
        if kind == "dog":
            mesh = _dog(state.phase, state.speed_m_s, at_s, self.actor.color)
            return [self._bent(mesh, mesh.vertices, state, self.actor.id, "dog", None)]
        return [self._moved(kind, state, self.actor.id, kind)]

    def _body(self, is_carrying: bool, fine: float) -> Body:
        if (is_carrying, fine) not in self._bodies:
            outfit = self.actor.outfit if is_carrying else replace(self.actor.outfit, carry="none")
            self._bodies[is_carrying, fine] = build_body(outfit, fine)
        return self._bodies[is_carrying, fine]

    def _posed(self, body: Body, vertices: Floats, state: State, object_id: int, label: str) -> Figure:
        return self._bent(body.mesh, vertices, state, object_id, label, self.actor.outfit)

    def _bent(
        self, mesh: Mesh, vertices: Floats, state: State, object_id: int, label: str, outfit: Outfit | None
    ) -> Figure:
        turn = rotation_z(math.degrees(state.heading))
        world = (vertices @ turn.T + f32((state.at_xy[0], state.at_xy[1], state.lift_m))).astype(np.float32)
        normals = vertex_normals(world, mesh.faces)
        tracer = RayScene(world, mesh.faces)
        still, origin = np.eye(3, dtype=np.float32), np.zeros(3, np.float32)
        return Figure(
            object_id, label, mesh, world, normals, tracer, still, origin, outfit, world.min(axis=0), world.max(axis=0)
        )

    def _moved(self, kind: str, state: State, object_id: int, label: str) -> Figure:
        if kind not in self._rigid:
            mesh = _bag(self.actor) if kind == "bag" else build_vehicle(kind, self.actor.color, self.actor.seed)
            self._rigid[kind] = (mesh, mesh.normals(), RayScene(mesh.vertices, mesh.faces))
        mesh, normals, tracer = self._rigid[kind]
        turn = rotation_z(math.degrees(state.heading))
        shift = f32((state.at_xy[0], state.at_xy[1], state.lift_m))
        world = (mesh.vertices @ turn.T + shift).astype(np.float32)
        turned = (normals @ turn.T).astype(np.float32)
        return Figure(
            object_id, label, mesh, world, turned, tracer, turn, shift, None, world.min(axis=0), world.max(axis=0)
        )


def _bag(actor: Actor) -> Mesh:
    """A bag on the ground: the same colour and size as the one that was carried."""
    color = actor.outfit.bag_color if actor.outfit.bag_color in BAG_COLORS else "black"
    height = actor.outfit.height_m
    if actor.outfit.carry == "box":
        return box((0.36, 0.42, 0.30), "card")
    if actor.outfit.carry == "backpack":
        size = (0.14 * height, 0.17 * height, 0.25 * height)
    elif actor.outfit.carry == "handbag":
        size = (0.13 * height, 0.08 * height, 0.13 * height)
    else:
        size = (0.23 * height, 0.11 * height, 0.31 * height)
    rows = []
    turn = np.linspace(0.0, 2 * np.pi, 14, endpoint=False)
    for z, r in ((0.0, 0.86), (0.1, 1.0), (0.75, 0.98), (0.94, 0.88), (1.0, 0.6)):
        c, s = np.cos(turn), np.sin(turn)
        x = np.sign(c) * np.abs(c) ** 0.45 * size[0] / 2 * r
        y = np.sign(s) * np.abs(s) ** 0.45 * size[1] / 2 * r
        rows.append(np.stack([x, y, np.full(14, z * size[2])], axis=1).astype(np.float32))
    body = loft(rows, f"flat:{color}")
    handle = tube((-0.05, 0, size[2] * 0.97), (0.05, 0, size[2] * 1.08), 0.012, "dark")
    grip = tube((0.05, 0, size[2] * 1.08), (0.07, 0, size[2] * 0.97), 0.012, "dark")
    return join([body, handle, grip])


def _dog(phase: float, speed_m_s: float, at_s: float, color: str) -> Mesh:
    """A medium-sized dog, legs swinging in a trot."""
    fur = {"white": "flat:beige", "silver": "flat:beige", "black": "flat:black", "grey": "flat:grey"}.get(
        color, "flat:brown"
    )
    swing = 0.55 * min(speed_m_s / 1.5, 1.0)
    parts = [
        ellipsoid((0.20, 0.105, 0.125), fur, 9, 12).moved((0.14, 0.0, 0.48)),
        ellipsoid((0.24, 0.090, 0.105), fur, 9, 12).moved((-0.10, 0.0, 0.48)),
        ellipsoid((0.13, 0.065, 0.080), fur, 8, 10).transformed(_pitch(-0.8), (0.34, 0.0, 0.60)),
        ellipsoid((0.105, 0.068, 0.072), fur, 8, 10).moved((0.44, 0.0, 0.70)),
        ellipsoid((0.075, 0.036, 0.034), fur, 6, 8).moved((0.56, 0.0, 0.675)),
        ellipsoid((0.016, 0.018, 0.014), "dark", 5, 6).moved((0.632, 0.0, 0.69)),
    ]
    parts += [ellipsoid((0.035, 0.014, 0.055), fur, 5, 8).moved((0.40, s * 0.055, 0.765)) for s in (-1.0, 1.0)]
    wag = 0.10 * math.sin(at_s * 11.0)
    parts.append(tube((-0.32, 0.0, 0.52), (-0.54, wag, 0.66), 0.024, fur))
    for x, y, shift in ((0.20, 0.065, 0.0), (0.20, -0.065, 0.5), (-0.24, 0.06, 0.5), (-0.24, -0.06, 0.0)):
        turn = swing * math.sin(2 * math.pi * (phase + shift))
        lift = max(0.0, math.cos(2 * math.pi * (phase + shift))) * swing * 0.10
        knee = (x + 0.20 * math.sin(turn), y, 0.25)
        foot = (x + 0.42 * math.sin(turn) - 0.02, y, 0.03 + lift)
        parts += [
            tube((x, y, 0.46), knee, 0.046, fur),
            tube(knee, foot, 0.029, fur),
            ellipsoid((0.045, 0.03, 0.024), fur, 5, 8).moved((foot[0] + 0.02, y, foot[2])),
        ]
    return join(parts)


def _pitch(angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    return f32([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
