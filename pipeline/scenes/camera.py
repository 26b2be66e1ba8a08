"""The lens: world metres to pixels and back, with tilt, roll and barrel distortion.

In: a :class:`~pipeline.scenes.model.Camera` and the picture size. Out: rays for pixels, pixels for points.
World: x east, y north, z up, metres. Camera axes: x right, y down, z forward. Distortion is the first radial term of
Brown (1971): ``distorted = undistorted * (1 + k1 * r**2)`` in units of the focal length. Next file: ``plate.py``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.scenes.model import Camera

__all__ = ["Lens"]

F32 = NDArray[np.float32]


class Lens:
    """A camera model for one picture size. ``position`` (3,), ``rotation`` (3, 3) world -> camera axes."""

    def __init__(self, camera: Camera, size_wh: tuple[int, int]) -> None:
        self.size_wh = size_wh
        self.position: F32 = np.asarray(camera.position_m, np.float32)
        self.rotation: F32 = _world_to_camera(camera)
        self.focal_px = size_wh[0] / 2 / math.tan(math.radians(camera.fov_deg) / 2)
        self._k1 = camera.distortion
        self._max_r2 = 1.0 / (3.0 * -camera.distortion) if camera.distortion < 0 else math.inf

    def directions(self, xy: F32) -> F32:
        """Unit world directions (N, 3) through the pixel coordinates ``xy`` (N, 2); pixel centres lie at +0.5."""
        w, h = self.size_wh
        seen = (xy - np.float32([w / 2, h / 2])) / np.float32(self.focal_px)
        flat = seen.copy()
        for _ in range(4):  # fixed point of flat * (1 + k1 r^2) = seen; the lens is mild, four rounds reach 1e-4 px
            flat = seen / (1.0 + self._k1 * np.minimum((flat**2).sum(axis=1, keepdims=True), self._max_r2))
        rays = np.concatenate([flat, np.ones((len(flat), 1), np.float32)], axis=1).astype(np.float32)
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        return np.asarray(rays @ self.rotation, np.float32)

    def project(self, points: F32) -> tuple[F32, F32]:
        """Pixels (N, 2) and forward depths (N,) in metres of world ``points`` (N, 3); a depth <= 0 lies behind."""
        local = (points - self.position) @ self.rotation.T
        depth = local[:, 2]
        flat = local[:, :2] / np.maximum(depth, 0.05)[:, None]
        r2 = np.minimum((flat**2).sum(axis=1, keepdims=True), self._max_r2)
        w, h = self.size_wh
        xy = flat * (1.0 + self._k1 * r2) * self.focal_px + np.float32([w / 2, h / 2])
        return xy.astype(np.float32), depth.astype(np.float32)


def _world_to_camera(camera: Camera) -> F32:
    position = np.asarray(camera.position_m, np.float64)
    forward = np.asarray(camera.look_at_m, np.float64) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    roll = math.radians(camera.roll_deg)
    turned_right = math.cos(roll) * right + math.sin(roll) * down
    turned_down = -math.sin(roll) * right + math.cos(roll) * down
    return np.stack([turned_right, turned_down, forward]).astype(np.float32)
