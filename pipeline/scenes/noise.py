"""Periodic fractal noise for textures, wind and sensors: FFT-shaped white noise, sampled by gathers.

In: a seed and coordinates in tile units. Out: values with mean 0 and standard deviation 1 (clipped to about +-3).
Spectral synthesis follows Peitgen & Saupe, *The Science of Fractal Images* (1988), ch. 2. Next file: ``materials.py``.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from pipeline.scenes.arrays import Floats, f32

__all__ = ["fractal_2d", "fractal_3d", "sample_2d", "sample_3d", "wander"]


def _shaped(white: Floats, exponent: float) -> Floats:
    """``white`` filtered to a power spectrum 1/f**exponent per axis pair, normalised."""
    axes = [np.fft.fftfreq(n) * n for n in white.shape]
    radius = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij")))
    radius[(0,) * white.ndim] = 1.0
    spectrum = np.fft.fftn(white) / radius**exponent
    spectrum[(0,) * white.ndim] = 0.0
    noise = np.fft.ifftn(spectrum).real
    return f32(np.clip(noise / noise.std(), -3.0, 3.0))


@cache
def fractal_2d(seed: int, exponent: float = 1.4, size: int = 512) -> Floats:
    """A periodic (size, size) tile, smoother for a larger exponent; cached, the materials fix the few seeds."""
    return _shaped(np.random.default_rng(seed).standard_normal((size, size)), exponent)


@cache
def fractal_3d(seed: int, exponent: float = 1.9, size: int = 64) -> Floats:
    """A periodic (size, size, size) tile."""
    return _shaped(np.random.default_rng(seed).standard_normal((size, size, size)), exponent)


def sample_2d(tile: Floats, u: Floats, v: Floats, period: float) -> Floats:
    """Bilinear values of ``tile`` repeated every ``period`` units, at coordinates ``u``, ``v`` (N,) -> (N,)."""
    if len(u) == 0:
        return np.zeros(0, np.float32)
    size = tile.shape[0]
    scale = size / period
    x = np.mod(u * scale, size).astype(np.float32)
    y = np.mod(v * scale, size).astype(np.float32)
    padded = cv2.copyMakeBorder(tile, 0, 1, 0, 1, cv2.BORDER_WRAP)
    n = len(x)
    width = 16384  # remap refuses pictures wider than 32767
    pad = -n % width if n > width else 0
    shape = (-1, width) if n > width else (1, -1)
    grid_x = np.pad(x, (0, pad)).reshape(shape)
    grid_y = np.pad(y, (0, pad)).reshape(shape)
    return np.asarray(cv2.remap(padded, grid_x, grid_y, cv2.INTER_LINEAR), np.float32).ravel()[:n]


def sample_3d(tile: Floats, points: Floats, period: float) -> Floats:
    """Nearest values of ``tile`` (S, S, S[, C]) repeated every ``period`` units at ``points`` (N, 3) -> (N[, C])."""
    size = tile.shape[0]
    index = np.mod((points * (size / period)).astype(np.int32), size)
    return np.asarray(tile[index[:, 0], index[:, 1], index[:, 2]], np.float32)


def wander(seed: int, at_s: float, period_s: float) -> float:
    """A smooth value in about -1..1 at media time ``at_s``: three sines drawn from ``seed``."""
    rng = np.random.default_rng(seed)
    rate = rng.uniform(0.6, 1.7, 3) / period_s
    phase = rng.uniform(0.0, 2 * np.pi, 3)
    return float(np.sin(2 * np.pi * rate * at_s + phase).sum() / 3.0)
