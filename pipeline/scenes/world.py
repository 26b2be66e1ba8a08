"""The set in traceable form: meshes, acceleration structures, lights and lens.

In: a :class:`~pipeline.scenes.model.Scene`. Out: a :class:`World`. Next file: ``pipeline/scenes/plate.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.scenes.arrays import Floats, f32
from pipeline.scenes.camera import Lens
from pipeline.scenes.lighting import Rig, build_rig
from pipeline.scenes.model import Scene
from pipeline.scenes.pieces import Backdrop
from pipeline.scenes.props import build_backdrop
from pipeline.scenes.tracing import RayScene

__all__ = ["World", "build_world"]

_LEAF_SHADE = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """The set in traceable form."""

    backdrop: Backdrop
    solid: RayScene
    veil: RayScene
    rig: Rig
    lens: Lens

    def sunlight(self, points: Floats, directions: Floats, max_distance: Floats | float) -> Floats:
        """Share of light (N,) that reaches ``points`` from ``directions``: 0 behind solids, part behind the veil."""
        share = 1.0 - self.solid.is_blocked(points, directions, max_distance).astype(np.float32)
        if len(self.backdrop.veil.faces):
            behind = self.veil.is_blocked(points, directions, max_distance)
            share *= 1.0 - f32(_LEAF_SHADE) * behind
        return share


def build_world(scene: Scene) -> World:
    """Meshes, acceleration structures, lights and lens of ``scene``."""
    backdrop = build_backdrop(scene.props, scene.ground)
    return World(
        backdrop,
        RayScene(backdrop.solid.vertices, backdrop.solid.faces),
        RayScene(backdrop.veil.vertices, backdrop.veil.faces),
        build_rig(scene.light, scene.camera, backdrop.lamps),
        Lens(scene.camera, scene.size_wh),
    )
