"""The light of a scene: sun, sky, lamps, infrared, and how much of it a surface receives.

In: a :class:`~pipeline.scenes.model.Light` and the lamps of the set. Out: a :class:`Rig`. Radiance is linear, in units
where white paper under the midday sun is about 4. Next file: ``pipeline/scenes/plate.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.scenes.arrays import Floats, f32
from pipeline.scenes.model import Camera, Light
from pipeline.scenes.noise import fractal_2d, sample_2d
from pipeline.scenes.pieces import Lamp

__all__ = ["Rig", "build_rig", "lamp_light", "sky_radiance"]


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """All the light there is. ``sun_to`` points to the sun (None: no sun); ``lamps`` are those that are on."""

    mode: str
    sun_to: Floats | None
    sun_rgb: Floats
    sun_disc: float
    sky_rgb: Floats
    bounce_rgb: Floats
    lamps: tuple[Lamp, ...]
    camera_lamp: int
    occlusion_reach_m: float
    fog: float
    is_wet: bool

    @property
    def count(self) -> int:
        """Number of lights that cast shadows: the sun first (if any), then the lamps."""
        return len(self.lamps) + (self.sun_to is not None)


_SKY = {
    "day": (0.52, 0.66, 0.90),
    "overcast": (1.55, 1.60, 1.66),
    "dusk": (0.105, 0.120, 0.190),
    "night": (0.0045, 0.0050, 0.0070),
    "ir": (0.0006, 0.0006, 0.0006),
    "indoor": (0.30, 0.295, 0.28),
}
_BOUNCE = {
    "day": (0.42, 0.40, 0.36),
    "overcast": (0.36, 0.36, 0.35),
    "dusk": (0.030, 0.030, 0.036),
    "night": (0.0022, 0.0020, 0.0018),
    "ir": (0.0008, 0.0008, 0.0008),
    "indoor": (0.20, 0.19, 0.175),
}


def build_rig(light: Light, camera: Camera, lamps: tuple[Lamp, ...]) -> Rig:
    """The lights that are on under ``light``."""
    azimuth, elevation = math.radians(light.sun_azimuth_deg), math.radians(light.sun_elevation_deg)
    towards = f32([
        math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation)
    ])  # fmt: skip
    warmth = max(0.0, 1.0 - light.sun_elevation_deg / 35.0)
    sun = f32([4.0, 3.7 - 0.7 * warmth, 3.25 - 1.5 * warmth]) * (0.35 + 0.65 * min(light.sun_elevation_deg / 30.0, 1.0))
    is_lit = light.mode in ("dusk", "night", "indoor")
    on = lamps if is_lit else ()
    camera_lamp = -1
    if light.mode == "ir":
        x, y, z = camera.position_m
        on = (Lamp((x + 0.06, y, z - 0.05), (1.0, 1.0, 1.0), 5.2, 0.0, 0.03),)
        camera_lamp = 0
    return Rig(
        mode=light.mode,
        sun_to=towards if light.mode == "day" else None,
        sun_rgb=(sun * (1.0 - 0.5 * light.fog)).astype(np.float32),
        sun_disc=0.018,
        sky_rgb=f32(_SKY[light.mode]),
        bounce_rgb=f32(_BOUNCE[light.mode]),
        lamps=on,
        camera_lamp=camera_lamp,
        occlusion_reach_m=2.2 if light.mode == "indoor" else 4.5,
        fog=light.fog,
        is_wet=light.rain > 0.15 and light.mode != "indoor",
    )


def sky_radiance(rig: Rig, directions: Floats, is_sharp: bool = True) -> Floats:
    """Linear sky colour (N, 3) seen along unit ``directions`` (N, 3); clouds only when ``is_sharp``."""
    up = np.clip(directions[:, 2], 0.0, 1.0)[:, None]
    haze = np.exp(-up * 4.5)
    base = rig.sky_rgb
    if rig.mode == "day":
        colour = base * 1.5 * (1 - haze) + f32([2.1, 2.2, 2.3]) * haze
    elif rig.mode == "overcast":
        colour = base * (1.35 + 0.25 * haze)
    elif rig.mode == "dusk":
        colour = base * 1.4 * (1 - haze) + f32([0.48, 0.30, 0.24]) * haze
    elif rig.mode == "indoor":
        colour = np.broadcast_to(base, directions.shape) * 1.2
    else:
        colour = base * (0.6 + 1.6 * haze)
    if is_sharp and rig.mode in ("day", "overcast", "dusk"):
        flat = directions[:, :2] / (np.abs(directions[:, 2:3]) + 0.16)
        cloud = np.clip(sample_2d(fractal_2d(211, 1.9), flat[:, 0], flat[:, 1], 6.0) * 0.5 + 0.15, 0.0, 1.0)[:, None]
        colour = colour * (1 - 0.6 * cloud) + cloud * 0.6 * colour.mean(axis=1, keepdims=True) * 1.5
    return np.asarray(colour, np.float32)


def lamp_light(rig: Rig, index: int, points: Floats, normals: Floats, at_m: Floats) -> tuple[Floats, Floats, Floats]:
    """What lamp ``index``, taken to sit at ``at_m`` (N, 3) or (3,), adds at ``points`` with ``normals`` (N, 3).

    Returns radiance for a white surface (N, 3), unit directions to the lamp (N, 3) and distances (N,).
    """
    lamp = rig.lamps[index]
    towards = at_m - points
    distance = np.sqrt((towards**2).sum(axis=1))
    towards = towards / np.maximum(distance, 1e-3)[:, None]
    facing = np.clip((towards * normals).sum(axis=1), 0.0, 1.0)
    down = np.clip(towards[:, 2], 0.0, 1.0) ** lamp.spread if lamp.spread > 0 else 1.0
    if index == rig.camera_lamp:
        reach = (
            lamp.power * 0.12 / np.maximum(distance, 1.5) * np.exp(-((distance / 28.0) ** 2))
        )  # a beam aimed far: it falls off slower near by
    else:
        reach = lamp.power / np.maximum(distance, 0.35) ** 2
    return (
        (reach * facing * down)[:, None] * f32(lamp.color),
        towards.astype(np.float32),
        distance.astype(np.float32),
    )
