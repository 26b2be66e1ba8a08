"""What cameras, nights and codecs do to a picture, at random: light, colour, infrared grey, noise, blur, blocks.

In: (H, W, 3) uint8 RGB and a random generator. Out: the same shape and type. Used by ``pipeline/train/augment.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["DegradeConfig", "degrade"]


@dataclass(frozen=True, slots=True)
class DegradeConfig:
    """Chance of each fault, 0..1; ``DegradeConfig.off()`` changes nothing."""

    light_chance: float = 0.7
    colour_chance: float = 0.5
    infrared_chance: float = 0.15
    noise_chance: float = 0.2
    blur_chance: float = 0.1
    coarse_chance: float = 0.15
    jpeg_chance: float = 0.25

    @classmethod
    def off(cls) -> DegradeConfig:
        """No fault at all."""
        return cls(0, 0, 0, 0, 0, 0, 0)


def _light(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Gain, offset and gamma in one table; one time in five a night."""
    gain, offset, gamma = rng.uniform(0.65, 1.35), rng.uniform(-25, 25), float(np.exp(rng.uniform(-0.35, 0.35)))
    if rng.random() < 0.2:
        gain, offset, gamma = rng.uniform(0.3, 0.7), rng.uniform(-10, 15), rng.uniform(1.1, 1.6)
    table = np.clip(255 * (np.arange(256) / 255) ** gamma * gain + offset, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(rgb, table), np.uint8)


def _colour(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Hue, saturation and a white balance that is off."""
    hsv = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV), np.uint8)
    shift, saturation = int(rng.integers(-8, 9)), rng.uniform(0.4, 1.5)
    hue = ((np.arange(256) + shift) % 180).astype(np.uint8)
    rich = np.clip(np.arange(256) * saturation, 0, 255).astype(np.uint8)
    hsv = np.dstack((cv2.LUT(hsv[..., 0], hue), cv2.LUT(hsv[..., 1], rich), hsv[..., 2])).astype(np.uint8)
    balanced = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.float32) * rng.uniform(0.88, 1.12, 3)
    return np.clip(balanced, 0, 255).astype(np.uint8)


def _infrared(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Grey from a random mix of channels, half of the time with the bright middle of a lamp beside the lens."""
    mix = rng.dirichlet((2.0, 2.0, 2.0))
    grey = rgb.astype(np.float32) @ mix.astype(np.float32)
    if rng.random() < 0.5:
        height, width = grey.shape
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        distance = np.hypot((x - width / 2) / width, (y - height / 2) / height)
        grey *= np.clip(1.25 - rng.uniform(0.5, 1.3) * distance, 0.1, 1.3)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, 2)


def _noise(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Sensor noise; one field of random numbers for all channels half of the time, as in a grey picture."""
    strength = rng.uniform(3, 18)
    channels = 3 if rng.random() < 0.5 else 1
    noise = rng.standard_normal((*rgb.shape[:2], channels), np.float32) * strength
    return np.clip(rgb + noise, 0, 255).astype(np.uint8)


def _blur(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Out of focus, or shaken along one axis."""
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.6, 1.6)), np.uint8)
    length = int(rng.integers(2, 6))
    return np.asarray(cv2.blur(rgb, (length, 1) if rng.random() < 0.7 else (1, length)), np.uint8)


def _coarse(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A low-resolution camera, enlarged."""
    height, width = rgb.shape[:2]
    factor = rng.uniform(0.35, 0.8)
    small = cv2.resize(rgb, (max(8, int(width * factor)), max(8, int(height * factor))), interpolation=cv2.INTER_AREA)
    how = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(small, (width, height), interpolation=how), np.uint8)


def _jpeg(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blocks of a starved encoder."""
    done, content = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 75))])
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR) if done else None
    return rgb if decoded is None else np.asarray(decoded, np.uint8)


def degrade(rgb: NDArray[np.uint8], config: DegradeConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Faults in the order light meets them: scene, sensor, lens, scaler, codec."""
    steps = (
        (config.light_chance, _light),
        (config.colour_chance, _colour),
        (config.infrared_chance, _infrared),
        (config.blur_chance, _blur),
        (config.noise_chance, _noise),
        (config.coarse_chance, _coarse),
        (config.jpeg_chance, _jpeg),
    )
    for chance, step in steps:
        if rng.random() < chance:
            rgb = step(rgb, rng)
    return rgb
