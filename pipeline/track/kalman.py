"""Constant-velocity Kalman filter for boxes, many at once, over real elapsed seconds. Pure functions on arrays.

A box is (centre x, centre y, width, height) in source pixels; each of the four moves by itself with a velocity, driven
by white-noise acceleration, so its covariance is the three numbers (position, cross, velocity) and everything below is
element by element: no matrix products, hence the same bits on every machine. The model is the one of SORT (Bewley et
al. 2016) and ByteTrack (Zhang et al. 2022) with noise in box heights per second instead of per frame.

Shapes: ``motion`` (N, 2, 4) = positions and velocities (pixels, pixels/second); ``spread`` (N, 3, 4) = the covariances.
Next file: ``pipeline/track/bytetrack.py``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "advance", "begin", "boxes_of", "correct", "measure", "uncertainty"]

Array = NDArray[np.float64]

_NOISE_BOX = 0.05  # standard deviation of a detector's box edges, in box heights
_NOISE_ACCELERATION = 0.6  # heights per second^1.5: a person at a stand is at walking pace within two seconds
_FIRST_SPEED = 1.0  # standard deviation of an unknown velocity, heights per second
_MIN_HEIGHT = 4.0  # pixels; keeps the noise of tiny boxes above rounding


def measure(xyxy: NDArray[np.float32]) -> Array:
    """Boxes (N, 4) xyxy as centres and sizes (N, 4)."""
    box = xyxy.astype(np.float64)
    return np.concatenate([(box[:, :2] + box[:, 2:]) / 2, np.maximum(box[:, 2:] - box[:, :2], 1.0)], axis=1)


def boxes_of(motion: Array) -> Array:
    """Boxes (N, 4) xyxy of ``motion`` (N, 2, 4)."""
    centre, half = motion[:, 0, :2], np.maximum(motion[:, 0, 2:], 1.0) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def begin(seen: Array) -> tuple[Array, Array]:
    """``motion`` and ``spread`` of new targets first seen at ``seen`` (N, 4), at rest as far as we know."""
    scale = _scale(seen)
    motion = np.stack([seen, np.zeros_like(seen)], axis=1)
    ones = np.ones_like(seen)
    spread = np.stack([(_NOISE_BOX * scale) ** 2 * ones, 0 * ones, (_FIRST_SPEED * scale) ** 2 * ones], axis=1)
    return motion, spread


def advance(motion: Array, spread: Array, elapsed_s: float) -> tuple[Array, Array]:
    """Where the targets are expected ``elapsed_s`` seconds later, and how surely."""
    t = elapsed_s
    position, cross, velocity = spread[:, 0], spread[:, 1], spread[:, 2]
    noise = (_NOISE_ACCELERATION * _scale(motion[:, 0])) ** 2
    moved = np.stack([motion[:, 0] + t * motion[:, 1], motion[:, 1]], axis=1)
    widened = np.stack(
        [
            position + 2 * t * cross + t * t * velocity + noise * (t * t * t / 3),
            cross + t * velocity + noise * (t * t / 2),
            velocity + noise * t,
        ],
        axis=1,
    )
    return moved, widened


def correct(motion: Array, spread: Array, seen: Array) -> tuple[Array, Array]:
    """``motion`` and ``spread`` after the targets were seen at ``seen`` (N, 4)."""
    position, cross, velocity = spread[:, 0], spread[:, 1], spread[:, 2]
    certainty = 1 / (position + (_NOISE_BOX * _scale(seen)) ** 2)
    gain, gain_velocity = position * certainty, cross * certainty
    error = seen - motion[:, 0]
    corrected = np.stack([motion[:, 0] + gain * error, motion[:, 1] + gain_velocity * error], axis=1)
    narrowed = np.stack([(1 - gain) * position, (1 - gain) * cross, velocity - gain_velocity * cross], axis=1)
    return corrected, narrowed


def uncertainty(motion: Array, spread: Array) -> Array:
    """Variance (N, 2) of where a detector will see the centres: what is not known of them, and the detector's noise."""
    expected: Array = spread[:, 0, :2] + (_NOISE_BOX * _scale(motion[:, 0])) ** 2
    return expected


def _scale(box: Array) -> Array:
    return np.maximum(box[:, 3:4], _MIN_HEIGHT)  # (N, 4) -> (N, 1)
