"""What surfaces look like: procedural reflectance of ground, walls, vehicles and furniture.

In: a material word and texture coordinates (metres). Out: linear reflectance (N, 3), mirror share (N,) and emission.
A word may carry a colour after a colon: ``paint:red``. Next file: ``pipeline/scenes/plate.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.scenes.arrays import Bools, Floats, f32
from pipeline.scenes.looks import CLOTHES, PAINTS, linear
from pipeline.scenes.noise import fractal_2d, sample_2d

__all__ = ["LATTICE_COVER", "LATTICE_PITCH_M", "MATERIALS", "Surface", "is_lattice_hole", "surface_of"]


LATTICE_PITCH_M = 0.075
_WIRE = 0.085
LATTICE_COVER = 1.0 - (1.0 - _WIRE) ** 2


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Surface:
    """``albedo`` (N, 3) linear, ``mirror`` (N,) share of light reflected like glass or clear coat, ``glow`` (N, 3)."""

    albedo: Floats
    mirror: Floats
    glow: Floats


def _plane(rest: Floats, normal: Floats) -> tuple[Floats, Floats]:
    """Texture coordinates in metres: (x, y) on what lies flat, (along, z) on what stands."""
    flat = np.abs(normal[:, 2]) > 0.7
    along = rest[:, 0] * -np.sign(normal[:, 1]) * (np.abs(normal[:, 1]) >= np.abs(normal[:, 0]))
    along += rest[:, 1] * (np.abs(normal[:, 1]) < np.abs(normal[:, 0]))
    return np.where(flat, rest[:, 0], along), np.where(flat, rest[:, 1], rest[:, 2])


def _n(seed: int, u: Floats, v: Floats, period: float, exponent: float = 1.4) -> Floats:
    return sample_2d(fractal_2d(seed, exponent), u, v, period)


def _grey(value: Floats, tint: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Floats:
    return np.clip(value, 0.004, 0.95)[:, None] * f32(tint)


def _asphalt(u: Floats, v: Floats) -> Floats:
    base = 0.088 + 0.010 * _n(1, u, v, 9.0) + 0.016 * _n(2, u, v, 2.5, 0.5) + 0.012 * _n(3, u, v, 31.0, 1.8)
    stain = np.clip(_n(4, u, v, 17.0, 2.0) - 1.1, 0.0, 1.0)
    crack = np.abs(_n(5, u, v, 13.0, 1.9)) < 0.018
    patch = (_n(6, u, v, 45.0, 2.2) > 1.15) * 0.024
    return _grey(
        (base - patch) * (1 - 0.45 * stain) * np.where(crack & (_n(7, u, v, 40.0, 2.0) > 0.0), 0.55, 1.0),
        (1.0, 0.985, 0.96),
    )


def _concrete(u: Floats, v: Floats) -> Floats:
    joint = (np.minimum(np.mod(u, 3.0), np.mod(v, 3.0)) < 0.035).astype(np.float32)
    slab = np.sin(np.floor(u / 3.0) * 12.99 + np.floor(v / 3.0) * 78.2) * 0.022
    base = 0.30 + slab + 0.030 * _n(11, u, v, 6.0) + 0.018 * _n(12, u, v, 1.7, 0.7)
    stain = np.clip(_n(13, u, v, 14.0, 2.1) - 0.9, 0.0, 1.2)
    return _grey(base * (1 - 0.5 * joint) * (1 - 0.30 * stain), (1.0, 0.975, 0.93))


def _paving(u: Floats, v: Floats) -> Floats:
    row = np.floor(v / 0.40)
    shifted = u + 0.30 * np.mod(row, 2.0)
    gap = (np.mod(shifted, 0.60) < 0.022) | (np.mod(v, 0.40) < 0.022)
    tone = np.sin(np.floor(shifted / 0.60) * 37.7 + row * 91.3) * 0.035
    base = 0.27 + tone + 0.025 * _n(21, u, v, 5.0) + 0.02 * _n(22, u, v, 1.4, 0.7)
    gum = np.clip(_n(23, u, v, 3.0, 1.2) - 2.1, 0.0, 0.6)
    return _grey(base * np.where(gap, 0.55, 1.0) * (1 - gum), (1.0, 0.965, 0.91))


def _grass(u: Floats, v: Floats) -> Floats:
    blade = 0.5 + 0.22 * _n(31, u, v, 1.8, 0.4) + 0.16 * _n(32, u, v, 12.0, 1.6)
    dry = np.clip(0.35 + 0.3 * _n(33, u, v, 20.0, 1.9), 0.0, 1.0)[:, None]
    green, straw = f32([0.085, 0.135, 0.038]), f32([0.185, 0.165, 0.075])
    return f32(np.clip(blade, 0.12, 1.3)[:, None] * (green * (1 - dry) + straw * dry) * f32(1.35))


def _gravel(u: Floats, v: Floats) -> Floats:
    base = 0.24 + 0.075 * _n(36, u, v, 2.2, 0.35) + 0.03 * _n(37, u, v, 14.0, 1.7)
    return _grey(base, (1.0, 0.93, 0.82))


def _brick(u: Floats, v: Floats) -> Floats:
    row = np.floor(v / 0.075)
    shifted = u + 0.11 * np.mod(row, 2.0)
    gap = (np.mod(shifted, 0.22) < 0.012) | (np.mod(v, 0.075) < 0.012)
    tone = 1.0 + 0.24 * np.sin(np.floor(shifted / 0.22) * 17.3 + row * 53.1) + 0.08 * _n(41, u, v, 8.0)
    red = np.clip(tone, 0.4, 1.6)[:, None] * f32([0.225, 0.105, 0.072])
    weather = 1.0 - 0.20 * np.clip(_n(42, u, v, 11.0, 2.0), 0.0, 2.0)
    return f32(np.where(gap[:, None], f32([0.30, 0.28, 0.25]), red) * weather[:, None])


def _plaster(u: Floats, v: Floats) -> Floats:
    base = 0.56 + 0.022 * _n(46, u, v, 5.0) + 0.012 * _n(47, u, v, 0.9, 0.5)
    streak = np.clip(_n(48, u * 3.5, v * 0.25, 12.0, 1.6), 0.0, 2.0) * 0.055
    splash = 0.16 * np.exp(-np.maximum(v, 0.0) / 0.35)
    return _grey(base - streak - splash, (1.0, 0.955, 0.87))


def _cladding(u: Floats, v: Floats) -> Floats:
    rib = np.mod(u, 0.25) / 0.25
    shade = 0.80 + 0.26 * np.sin(2 * np.pi * rib)
    base = 0.42 * shade + 0.02 * _n(51, u, v, 7.0) - 0.05 * np.clip(_n(52, u * 3, v * 0.3, 9.0), 0.0, 2.0)
    return _grey(base, (0.92, 0.97, 1.0))


def _tiles(u: Floats, v: Floats) -> Floats:
    gap = (np.mod(u, 0.60) < 0.014) | (np.mod(v, 0.60) < 0.014)
    tone = np.sin(np.floor(u / 0.60) * 23.1 + np.floor(v / 0.60) * 71.9) * 0.018
    base = 0.44 + tone + 0.022 * _n(56, u, v, 1.9, 1.3) - 0.04 * np.clip(_n(57, u, v, 9.0, 2.0), 0.0, 2.0)
    return _grey(base * np.where(gap, 0.6, 1.0), (1.0, 0.965, 0.90))


def _carpet(u: Floats, v: Floats) -> Floats:
    base = 0.105 + 0.020 * _n(61, u, v, 0.9, 0.3) + 0.012 * _n(62, u, v, 7.0, 1.8)
    square = np.mod(np.floor(u / 0.5) + np.floor(v / 0.5), 2.0) * 0.014
    return _grey(base + square, (0.90, 0.95, 1.12))


def _wall(u: Floats, v: Floats) -> Floats:
    base = 0.62 + 0.012 * _n(66, u, v, 4.0) + 0.008 * _n(67, u, v, 0.6, 0.4)
    scuff = 0.10 * np.exp(-(((v - 0.25) / 0.16) ** 2)) * np.clip(_n(68, u, v, 3.0) - 0.3, 0.0, 1.5)
    skirting = v < 0.10
    return _grey(np.where(skirting, 0.20, base - scuff), (1.0, 0.975, 0.91))


def _wood(u: Floats, v: Floats) -> Floats:
    plank = np.floor(u / 0.14)
    grain = 0.5 + 0.16 * _n(71, u * 6.0, v * 0.5, 7.0) + 0.14 * np.sin(plank * 47.1)
    gap = np.mod(u, 0.14) < 0.008
    return f32(np.clip(grain, 0.1, 1.2)[:, None] * f32([0.30, 0.185, 0.095]) * np.where(gap, 0.4, 1.0)[:, None])


def _worn_paint(color: tuple[float, float, float]) -> Callable[[Floats, Floats], Floats]:
    def painted(u: Floats, v: Floats) -> Floats:
        wear = np.clip(0.8 + 0.25 * _n(76, u, v, 1.6, 0.8) + 0.14 * _n(77, u, v, 11.0), 0.15, 1.0)[:, None]
        return f32(f32(color) * wear + _asphalt(u, v) * (1 - wear))

    return painted


def _foliage(u: Floats, v: Floats) -> Floats:
    tone = np.clip(1.0 + 0.38 * _n(81, u, v, 1.1, 0.5), 0.25, 2.0)[:, None]
    return f32(tone * f32([0.062, 0.105, 0.030]))


def _plain(
    value: tuple[float, float, float], roughness: float = 0.06, seed: int = 91
) -> Callable[[Floats, Floats], Floats]:
    def shade(u: Floats, v: Floats) -> Floats:
        return f32(f32(value) * np.clip(1.0 + roughness * _n(seed, u, v, 1.9), 0.2, 1.8)[:, None])

    return shade


MATERIALS: dict[str, tuple[Callable[[Floats, Floats], Floats], float]] = {
    "asphalt": (_asphalt, 0.0),
    "concrete": (_concrete, 0.0),
    "paving": (_paving, 0.0),
    "grass": (_grass, 0.0),
    "gravel": (_gravel, 0.0),
    "brick": (_brick, 0.0),
    "plaster": (_plaster, 0.0),
    "cladding": (_cladding, 0.02),
    "tiles": (_tiles, 0.05),
    "carpet": (_carpet, 0.0),
    "wall": (_wall, 0.0),
    "wood": (_wood, 0.01),
    "ceiling": (_plain((0.60, 0.60, 0.58), 0.02), 0.0),
    "glass": (_plain((0.022, 0.026, 0.030), 0.15), 0.16),
    "tinted": (_plain((0.016, 0.018, 0.020), 0.10), 0.09),
    "frame": (_plain((0.42, 0.42, 0.41)), 0.02),
    "dark": (_plain((0.022, 0.022, 0.024)), 0.01),
    "rubber": (_plain((0.018, 0.018, 0.019), 0.2), 0.0),
    "metal": (_plain((0.30, 0.31, 0.33), 0.10), 0.10),
    "bark": (_plain((0.085, 0.062, 0.044), 0.5), 0.0),
    "roof": (_plain((0.135, 0.115, 0.105), 0.22), 0.0),
    "kerb": (_plain((0.36, 0.35, 0.33), 0.12), 0.0),
    "line_white": (_worn_paint((0.62, 0.62, 0.60)), 0.0),
    "line_yellow": (_worn_paint((0.58, 0.40, 0.06)), 0.0),
    "foliage": (_foliage, 0.0),
    "lattice": (_plain((0.17, 0.175, 0.18), 0.05), 0.02),
    "card": (_plain((0.34, 0.235, 0.14), 0.10), 0.0),
    "soil": (_plain((0.125, 0.092, 0.064), 0.30), 0.0),
    "rust": (_plain((0.20, 0.085, 0.045), 0.40), 0.0),
    "wheel": (_plain((0.020, 0.020, 0.021), 0.15), 0.0),
}


def is_lattice_hole(rest: Floats, normal: Floats) -> Bools:
    """True (N,) where a wire-mesh surface lets light through: diamonds of 7 cm with thick, CCTV-visible wire."""
    u, v = _plane(rest, normal)
    return (np.mod((u + v) / LATTICE_PITCH_M, 1.0) > _WIRE) & (np.mod((u - v) / LATTICE_PITCH_M, 1.0) > _WIRE)


def surface_of(material: str, rest: Floats, normal: Floats) -> Surface:
    """Reflectance of ``material`` at texture coordinates ``rest`` (N, 3) with flat ``normal`` (N, 3).

    Raises KeyError for an unknown word; ``script.py`` checks every word a scene names beforehand.
    """
    n = len(rest)
    name, _, color = material.partition(":")
    glow = np.zeros((n, 3), np.float32)
    u, v = _plane(rest, normal)
    if name == "glow":
        glow[:] = {
            "lamp": (9.0, 8.2, 6.6),
            "panel": (2.6, 2.6, 2.5),
            "window": (0.9, 0.66, 0.36),
            "day": (2.3, 2.5, 2.7),
            "tail": (0.5, 0.02, 0.01),
        }[color]
        pane = color == "window"  # a window that is dark inside by day
        return Surface(np.full((n, 3), 0.03 if pane else 0.5, np.float32), np.full(n, 0.16 * pane, np.float32), glow)
    if name == "paint":
        albedo = linear(PAINTS[color]) * np.clip(1.0 + 0.04 * _n(92, u, v, 2.0), 0.6, 1.3)[:, None]
        return Surface(albedo.astype(np.float32), np.full(n, 0.07, np.float32), glow)
    if name == "flat":
        albedo = linear((PAINTS | CLOTHES)[color]) * np.clip(1.0 + 0.08 * _n(93, u, v, 1.5), 0.5, 1.5)[:, None]
        return Surface(albedo.astype(np.float32), np.full(n, 0.01, np.float32), glow)
    shade, mirror = MATERIALS[name]
    albedo = shade(u.astype(np.float32), v.astype(np.float32)).astype(np.float32)
    if color:
        tint = linear((PAINTS | CLOTHES)[color])
        albedo = (albedo / max(float(albedo.mean()), 1e-3) * tint).astype(np.float32)
    return Surface(np.clip(albedo, 0.003, 0.95), np.full(n, mirror, np.float32), glow)
