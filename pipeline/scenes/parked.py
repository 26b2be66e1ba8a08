"""Parked vehicles: part of the set, but objects in the truth, hidden in part by whoever passes.

In: the scene's vehicle props and the traced set. Out: :class:`~pipeline.scenes.truth.TruthObject` values per frame.
Next file: ``pipeline/scenes/renderer.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.scenes.arrays import Bools, Ints
from pipeline.scenes.events import zones_at
from pipeline.scenes.model import Scene
from pipeline.scenes.plate import Plate
from pipeline.scenes.tracing import RayScene
from pipeline.scenes.truth import TruthObject
from pipeline.scenes.vehicles import VEHICLE_LENGTH_M, build_vehicle
from pipeline.scenes.world import World

__all__ = ["PARKED_ID", "ParkedVehicles"]

PARKED_ID = 300_000


@dataclass(frozen=True, slots=True, eq=False)
class _Parked:
    mask2: Bools
    corner: tuple[int, int]
    count: int
    truth: TruthObject


class ParkedVehicles:
    """The parked vehicles of one set as one camera sees them."""

    def __init__(self, scene: Scene, world: World, plate: Plate) -> None:
        self._parked: list[_Parked] = []
        w, h = scene.size_wh
        for number, prop in enumerate(p for p in scene.props if p.kind in VEHICLE_LENGTH_M):
            mesh = build_vehicle(prop.kind, prop.color or "silver", prop.seed).moved(
                (prop.at_m[0], prop.at_m[1], 0.0), prop.yaw_deg
            )
            xy, depth = world.lens.project(mesh.vertices)
            if not (depth > 0.2).any():
                continue
            low, high = xy[depth > 0.2].min(axis=0), xy[depth > 0.2].max(axis=0)
            x0, y0, x1, y1 = (
                max(int(low[0]) - 1, 0),
                max(int(low[1]) - 1, 0),
                min(int(high[0]) + 2, w),
                min(int(high[1]) + 2, h),
            )
            if x1 - x0 < 2 or y1 - y0 < 2:
                continue
            grid = np.stack(np.meshgrid(np.arange(2 * x0, 2 * x1), np.arange(2 * y0, 2 * y1)), axis=-1).reshape(-1, 2)
            hits = RayScene(mesh.vertices, mesh.faces).first_hit(
                world.lens.position, world.lens.directions((grid.astype(np.float32) + 0.5) / 2)
            )
            shape = (2 * (y1 - y0), 2 * (x1 - x0))
            distance = hits.distance.reshape(shape)
            leaf = (plate.veil[y0:y1, x0:x1, 3] > 0.6).repeat(2, axis=0).repeat(2, axis=1)
            seen = np.isfinite(distance) & (distance < plate.distance2[2 * y0 : 2 * y1, 2 * x0 : 2 * x1] + 0.02) & ~leaf
            area = max(float(high[0] - low[0]) * float(high[1] - low[1]), 1e-3)
            inside = min((min(high[0], w) - max(low[0], 0)) * (min(high[1], h) - max(low[1], 0)) / area, 1.0)
            whole = int(np.isfinite(distance).sum())
            if not seen.any() or whole == 0:
                continue
            truth = TruthObject(
                id=PARKED_ID + number,
                name=f"parked-{number}",
                label=prop.kind,
                xyxy=(0.0, 0.0, 0.0, 0.0),
                full_xyxy=(
                    round(float(low[0]), 2),
                    round(float(low[1]), 2),
                    round(float(high[0]), 2),
                    round(float(high[1]), 2),
                ),
                visible=1.0,
                at_m=(prop.at_m[0], prop.at_m[1]),
                speed_m_s=0.0,
                heading_deg=prop.yaw_deg % 360.0,
                direction="still",
                action="parked",
                posture="",
                zones=zones_at(scene, (prop.at_m[0], prop.at_m[1])),
                colors={"body": prop.color or "silver"},
                is_parked=True,
            )
            self._parked.append(_Parked(seen, (x0, y0), int(whole / max(inside, 1e-3)), truth))

    def objects(self, owner2: Ints) -> tuple[TruthObject, ...]:
        """Truth of the parked vehicles behind the figures of ``owner2`` (2H, 2W), -1 where the set shows."""
        out = []
        for parked in self._parked:
            x0, y0 = parked.corner
            rows, columns = parked.mask2.shape
            shown = parked.mask2 & (owner2[2 * y0 : 2 * y0 + rows, 2 * x0 : 2 * x0 + columns] < 0)
            count = int(shown.sum())
            if count < 8:
                continue
            xs, ys = np.flatnonzero(shown.any(axis=0)), np.flatnonzero(shown.any(axis=1))
            box = (x0 + float(xs[0]) / 2, y0 + float(ys[0]) / 2, x0 + float(xs[-1] + 1) / 2, y0 + float(ys[-1] + 1) / 2)
            out.append(replace(parked.truth, xyxy=box, visible=round(min(count / parked.count, 1.0), 4)))
        return tuple(out)
