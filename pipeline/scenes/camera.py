"""The lens: world metres to pixels and back, with tilt, roll and barrel distortion.

In: a :class:`~pipeline.scenes.model.Camera` and the picture size. Out: rays for pixels, pixels for points.
World: x east, y north, z up, metres. Camera axes: x right, y down, z forward. Distortion is the first radial term of
Brown (1971): ``distorted = undistorted * (1 + k1 * r**2)`` in units of the focal length. Next file: ``plate.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.scenes.arrays import Floats, f32
from pipeline.scenes.model import Camera

__all__ = ["Lens"]


class Lens:
    """A camera model for one picture size. ``position`` (3,), ``rotation`` (3, 3) world -> camera axes."""

    def __init__(self, camera: Camera, size_wh: tuple[int, int]) -> None:
        self.size_wh = size_wh
        self.position: Floats = np.asarray(camera.position_m, np.float32)
        self.rotation: Floats = _world_to_camera(camera)
        self.focal_px = size_wh[0] / 2 / math.tan(math.radians(camera.fov_deg) / 2)
        self._k1 = camera.distortion
        self._max_r2 = min(1.0 / (3.0 * max(-camera.distortion, 1e-9)), 1e4)

    def directions(self, xy: Floats) -> Floats:
        """Unit world directions (N, 3) through the pixel coordinates ``xy`` (N, 2); pixel centres lie at +0.5."""
        w, h = self.size_wh
        seen = (xy - f32([w / 2, h / 2])) / f32(self.focal_px)
        flat = seen * self._undistorted(np.linalg.norm(seen, axis=1, keepdims=True))
        rays = np.concatenate([flat, np.ones((len(flat), 1), np.float32)], axis=1).astype(np.float32)
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        return np.asarray(rays @ self.rotation, np.float32)

    def _undistorted(self, seen_r: Floats) -> Floats:
        """What to multiply distorted coordinates of radius ``seen_r`` with; Newton's method on the cubic."""
        if abs(self._k1) < 1e-5:
            return np.ones_like(seen_r)
        edge = math.sqrt(self._max_r2)
        wanted = np.minimum(seen_r, 0.999 * edge * 2.0 / 3.0)  # the cubic turns back at ``edge``
        r = wanted.copy()
        for _ in range(6):
            r = np.minimum(r - (r + self._k1 * r**3 - wanted) / (1.0 + 3.0 * self._k1 * r**2), 0.9999 * edge)
        return np.asarray(r / np.maximum(seen_r, 1e-9))

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Pixels (N, 2) and forward depths (N,) in metres of world ``points`` (N, 3); a depth <= 0 lies behind."""
        local = (points - self.position) @ self.rotation.T
        depth = local[:, 2]
        flat = local[:, :2] / np.maximum(depth, 0.05)[:, None]
        r2 = np.minimum((flat**2).sum(axis=1, keepdims=True), self._max_r2)
        w, h = self.size_wh
        xy = flat * (1.0 + self._k1 * r2) * self.focal_px + f32([w / 2, h / 2])
        return xy.astype(np.float32), depth.astype(np.float32)

    def outline(self, points_m: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
        """A ground polygon as seen: corners in 0..1 of the picture, cut to it; empty when out of sight."""
        corners = np.asarray(points_m, np.float64)
        share = np.arange(0.0, 1.0, 1.0 / 24.0)[:, None]
        edges = [a + (b - a) * share for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
        ground = np.concatenate([np.concatenate(edges), np.zeros((len(corners) * len(share), 1))], axis=1)
        local = (ground - self.position) @ self.rotation.T
        ahead = _cut(local, (0.0, 0.0, 1.0), -0.3)
        w, h = self.size_wh
        reach = 1.3 * w / self.focal_px  # beyond this tangent the distortion model no longer holds
        for side in ((1.0, 0.0, reach), (-1.0, 0.0, reach), (0.0, 1.0, reach), (0.0, -1.0, reach)):
            ahead = _cut(ahead, side, 0.0)
        if len(ahead) < 3:
            return ()
        flat = ahead[:, :2] / ahead[:, 2:3]
        r2 = np.minimum((flat**2).sum(axis=1, keepdims=True), self._max_r2)
        seen = flat * (1.0 + self._k1 * r2) * self.focal_px + np.array([w / 2, h / 2])
        for normal, offset in (((1.0, 0.0), 0.0), ((-1.0, 0.0), w), ((0.0, 1.0), 0.0), ((0.0, -1.0), h)):
            seen = _cut(seen, normal, offset)
        if len(seen) < 3:
            return ()
        simple = cv2.approxPolyDP(seen.astype(np.float32)[:, None], 0.6, True)[:, 0]
        if len(simple) < 3:
            return ()
        return tuple((round(float(x) / w, 4), round(float(y) / h, 4)) for x, y in simple)


def _cut(polygon: Floats, normal: tuple[float, ...], offset: float) -> Floats:
    """The part of ``polygon`` (N, D) where ``normal @ point + offset >= 0`` (Sutherland & Hodgman, 1974)."""
    if not len(polygon):
        return polygon
    out = []
    height = polygon @ np.asarray(normal) + offset
    for a, b, da, db in zip(polygon, np.roll(polygon, -1, axis=0), height, np.roll(height, -1), strict=True):
        if da >= 0:
            out.append(a)
        if (da >= 0) != (db >= 0):
            out.append(a + (b - a) * (da / (da - db)))
    return np.asarray(out) if out else polygon[:0]


def _world_to_camera(camera: Camera) -> Floats:
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
