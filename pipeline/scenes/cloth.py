"""Skin, hair and clothes: reflectance of a person's surface at rest-pose coordinates.

In: a material word of ``body.py``, rest coordinates in body heights, an :class:`~pipeline.scenes.looks.Outfit`.
Out: linear reflectance (N, 3) and a height field for folds. Next file: ``draw.py``.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from pipeline.scenes.arrays import Floats, f32
from pipeline.scenes.looks import CLOTHES, Outfit, linear
from pipeline.scenes.noise import fractal_3d, sample_3d

__all__ = ["cloth_albedo", "fold_normals"]


def _noise(rest: Floats, period: float, seed: int) -> Floats:
    shift = f32([(seed % 97) * 0.013, (seed % 89) * 0.017, (seed % 83) * 0.019])
    return sample_3d(fractal_3d(5), rest + shift, period)


@cache
def _fold_field() -> Floats:
    """Three independent noises per point of a periodic cube, (64, 64, 64, 3)."""
    return np.stack([fractal_3d(5 + axis) for axis in range(3)], axis=-1)


def _top(rest: Floats, outfit: Outfit) -> Floats:
    base = linear(CLOTHES[outfit.top_color])
    color = np.broadcast_to(base, rest.shape).copy()
    x, y, z = rest[:, 0], rest[:, 1], rest[:, 2]
    is_trunk = np.abs(y) < 0.098
    is_front = x > 0.02
    if outfit.top_style in ("jacket", "coat", "shirt"):
        color[is_front & is_trunk & (np.abs(y) < 0.004)] *= 0.45
        color[is_trunk & (z > 0.818)] *= 0.7
    if outfit.top_style in ("jacket", "hoodie", "coat"):
        color[is_trunk & is_front & (np.abs(z - 0.585) < 0.012) & (np.abs(y) > 0.03)] *= 0.6
        color[~is_trunk & (z < 0.505)] *= 0.65
    if outfit.top_style == "hoodie":
        color[is_trunk & is_front & (np.abs(z - 0.57) < 0.03) & (np.abs(y) < 0.06)] *= 0.82
    if outfit.top_style == "vest":
        lime = f32([0.52, 0.66, 0.06])
        color[is_trunk] = lime
        band = is_trunk & (
            (np.abs(z - 0.60) < 0.012) | (np.abs(z - 0.68) < 0.012) | ((np.abs(np.abs(y) - 0.062) < 0.012) & (z > 0.68))
        )
        color[band] = (0.66, 0.67, 0.66)
    elif outfit.pattern == 0 and outfit.top_style in ("tshirt", "shirt"):
        color[np.mod(z, 0.034) < 0.014] *= 0.55
    elif outfit.pattern == 1 and outfit.top_style in ("tshirt", "hoodie"):
        color[is_trunk & is_front & (np.abs(z - 0.72) < 0.03) & (np.abs(y) < 0.045)] = 0.45 * (1 - base) + 0.15
    elif outfit.pattern == 2 and outfit.top_style == "shirt":
        color[(np.mod(y, 0.03) < 0.008) | (np.mod(z, 0.03) < 0.008)] *= 0.6
    elif outfit.pattern == 3:
        color[~is_trunk] *= 0.72
    if outfit.carry == "backpack":
        color[is_trunk & is_front & (np.abs(np.abs(y) - 0.058) < 0.014) & (z > 0.66)] = linear(CLOTHES["black"])
    return color


def _legs(rest: Floats, outfit: Outfit) -> Floats:
    color = np.broadcast_to(linear(CLOTHES[outfit.legs_color]), rest.shape).copy()
    z = rest[:, 2]
    if outfit.legs_style == "jeans":
        worn = np.exp(-(((z - 0.40) / 0.06) ** 2)) * (rest[:, 0] > 0.01) * 0.45
        color *= (1.0 + worn)[:, None]
        color[np.abs(np.abs(rest[:, 1]) - 0.097) < 0.004] *= 0.6
    color[np.abs(z - 0.545) < 0.008] = linear(CLOTHES["black"])
    return color


def _head(rest: Floats, outfit: Outfit) -> Floats:
    color = np.broadcast_to(linear(outfit.skin), rest.shape).copy()
    x, y, z = rest[:, 0], rest[:, 1], rest[:, 2]
    is_face = x > 0.025
    color[is_face & (np.abs(z - 0.938) < 0.0075) & (np.abs(np.abs(y) - 0.019) < 0.011)] *= 0.28
    color[is_face & (np.abs(z - 0.952) < 0.004) & (np.abs(np.abs(y) - 0.020) < 0.014)] *= 0.45
    color[is_face & (np.abs(z - 0.893) < 0.0045) & (np.abs(y) < 0.017)] *= f32([0.72, 0.5, 0.5])
    if outfit.pattern == 4 and outfit.hair_length < 2:
        color[is_face & (z < 0.905)] *= 0.5  # beard
    if outfit.hair_length > 0:
        color[(x < -0.012) & (z > 0.895)] = linear(outfit.hair)
    return color


def cloth_albedo(material: str, rest: Floats, outfit: Outfit, *, is_infrared: bool = False) -> Floats:
    """Linear reflectance (N, 3); ``rest`` (N, 3) in body heights, x forward.

    Most dyes reflect near infrared, so ``is_infrared`` lifts dark clothes and evens out colours.
    """
    if material == "top":
        color = _top(rest, outfit)
    elif material == "legs":
        color = _legs(rest, outfit) if outfit.top_style != "dress" else _top(rest, outfit)
    elif material == "head":
        color = _head(rest, outfit)
    elif material == "skin":
        color = np.broadcast_to(linear(outfit.skin), rest.shape).copy()
    elif material == "hair":
        color = (
            np.broadcast_to(linear(outfit.hair), rest.shape)
            * (1.0 + 0.35 * _noise(rest * (1, 1, 0.2), 0.05, outfit.seed))[:, None]
        )
    elif material == "bag":
        color = np.broadcast_to(linear(CLOTHES[outfit.bag_color]), rest.shape).copy()
        color[np.mod(rest[:, 2], 0.07) < 0.004] *= 0.5
    else:
        word = {"shoe": outfit.shoe_color, "hat": outfit.hat_color, "helmet": "white"}.get(material, "grey")
        color = np.broadcast_to(linear(CLOTHES[word]), rest.shape).copy()
        if material == "shoe":
            color[rest[:, 2] < 0.008] = 0.22 if outfit.shoe_color in ("white", "grey") else 0.03
    grain = 1.0 + 0.05 * _noise(rest, 0.08, outfit.seed)
    if is_infrared:
        color = 0.45 * color.mean(axis=1, keepdims=True) + (
            0.05 if material == "shoe" else 0.03 + 0.018 * (outfit.seed % 9)
        )
    return np.clip(color * grain[:, None], 0.006, 0.9).astype(np.float32)


def fold_normals(material: str, rest: Floats, normals: Floats, outfit: Outfit, world_turn: Floats) -> Floats:
    """``normals`` (N, 3) tilted by cloth folds: strong on loose clothes, none on skin and hair."""
    depth = {"top": 0.16, "legs": 0.15, "bag": 0.05}.get(material, 0.0)
    if depth == 0.0:
        return normals
    shift = f32([(outfit.seed % 97) * 0.013, (outfit.seed % 89) * 0.017, (outfit.seed % 83) * 0.019])
    tilt = sample_3d(_fold_field(), (rest + shift) * f32([1.0, 1.0, 1.5]), 0.34)
    out = normals + depth * (tilt @ world_turn.T)
    return f32(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6))
