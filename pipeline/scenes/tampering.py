"""A camera that somebody turns away or covers: what its picture does then.

In: a camera or a finished frame. Out: the turned camera, the smeared or covered frame. Next file: ``renderer.py``.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from pipeline.scenes.arrays import U8, f32
from pipeline.scenes.model import Camera
from pipeline.scenes.noise import wander

__all__ = ["covered", "smeared", "turned"]


def turned(camera: Camera) -> Camera:
    """The camera after somebody pushed it: 27 degrees to the side and a little down."""
    px, py, _ = camera.position_m
    dx, dy = camera.look_at_m[0] - px, camera.look_at_m[1] - py
    c, s = math.cos(math.radians(27.0)), math.sin(math.radians(27.0))
    look = (px + c * dx - s * dy, py + s * dx + c * dy, camera.look_at_m[2] - 0.6)
    return replace(camera, look_at_m=look, roll_deg=camera.roll_deg + 4.0)


def smeared(rgb: U8, share: float) -> U8:
    """The picture sliding sideways while the camera is being turned."""
    w = rgb.shape[1]
    shift = int(w * 0.42 * share * share)
    moved = cv2.copyMakeBorder(rgb, 0, 0, 0, shift, cv2.BORDER_REFLECT)[:, shift:]
    return np.asarray(cv2.blur(moved, (1 + 2 * int(12 * share), 1)), np.uint8)


def covered(rgb: U8, share: float, index: int, seed: int) -> U8:
    """A dark cloth pulled over the lens from the left, ``share`` 0..1 of the way."""
    h, w = rgb.shape[:2]
    rng = np.random.default_rng([seed, 21])
    folds = cv2.resize(rng.random((5, 8), np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
    wobble = 1.0 + 0.06 * wander(seed, index / 15.0, 2.5)
    cloth = (np.clip(14 + 20 * folds * wobble, 0, 255)[..., None] * f32([1.0, 0.93, 0.88])).astype(np.float32)
    edge = np.clip((share * 1.35 - np.linspace(0.0, 1.0, w, dtype=np.float32) - 0.06 * folds) / 0.16, 0.0, 1.0)[
        ..., None
    ]
    grain = np.random.default_rng([seed, 22, index]).normal(0.0, 3.0, (h, w, 1)).astype(np.float32)
    return np.asarray(np.clip(rgb * (1 - edge) + (cloth + grain) * edge, 0, 255), np.uint8)
