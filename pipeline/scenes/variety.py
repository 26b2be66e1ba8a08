"""The same scene seen differently: camera, light, weather and parked vehicles shaken by a seed.

In: a :class:`~pipeline.scenes.model.Scene` and a seed. Out: another scene. For training and testing detectors, where
twenty fixed pictures of the background would be learnt by heart. Next file: ``pipeline/scenes/renderer.py``.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np

from pipeline.scenes.looks import PAINTS
from pipeline.scenes.model import Camera, Light, Prop, Scene
from pipeline.scenes.vehicles import VEHICLE_LENGTH_M

__all__ = ["vary"]


def _camera(camera: Camera, rng: np.random.Generator, is_indoor: bool) -> Camera:
    px, py, pz = camera.position_m
    reach = 0.25 if is_indoor else 1.0
    position = (
        px + float(rng.uniform(-1.2, 1.2)) * reach,
        py + float(rng.uniform(-1.2, 1.2)) * reach,
        max(pz + float(rng.uniform(-0.9, 1.3)) * (0.15 if is_indoor else 1.0), 1.6),
    )
    lx, ly, lz = camera.look_at_m
    far = math.hypot(lx - px, ly - py)
    look = (
        lx + float(rng.normal(0, 0.10)) * far,
        ly + float(rng.normal(0, 0.06)) * far,
        lz + float(rng.uniform(-0.3, 0.5)),
    )
    return replace(
        camera,
        position_m=position,
        look_at_m=look,
        fov_deg=float(np.clip(camera.fov_deg * rng.uniform(0.72, 1.10), 35.0, 105.0)),
        roll_deg=float(rng.normal(0.0, 1.2)),
        distortion=float(rng.uniform(-0.12, -0.01)),
    )


def _light(light: Light, rng: np.random.Generator) -> Light:
    if light.mode == "indoor":
        return light
    mode = str(rng.choice(("day", "overcast", "dusk", "night", "ir"), p=(0.40, 0.22, 0.14, 0.14, 0.10)))
    rain = float(rng.uniform(0.2, 0.9)) if mode in ("overcast", "dusk", "night") and rng.random() < 0.3 else 0.0
    return Light(
        mode=mode,  # type: ignore[arg-type]
        sun_azimuth_deg=float(rng.uniform(0, 360)),
        sun_elevation_deg=float(rng.uniform(14, 66)),
        rain=rain,
        wind=float(rng.uniform(0.0, 1.0)),
        fog=float(rng.uniform(0.05, 0.35)) if rng.random() < 0.12 else 0.0,
    )


def _prop(prop: Prop, rng: np.random.Generator) -> Prop:
    if prop.kind not in VEHICLE_LENGTH_M:
        return prop
    kind = prop.kind
    if kind == "car" and rng.random() < 0.12:
        kind = "van"
    color = str(rng.choice(tuple(PAINTS)))
    return replace(
        prop,
        kind=kind,
        color=color,
        seed=int(rng.integers(1000)),
        yaw_deg=prop.yaw_deg + float(rng.normal(0, 3)) + 180.0 * int(rng.integers(2)),
    )


def vary(scene: Scene, seed: int) -> Scene:
    """``scene`` with another camera pose, lens, light, weather, date and parked vehicles; deterministic in ``seed``."""
    rng = np.random.default_rng([seed, 4242])
    is_indoor = scene.light.mode == "indoor"
    props = tuple(_prop(prop, rng) for prop in scene.props if prop.kind not in VEHICLE_LENGTH_M or rng.random() < 0.85)
    started = scene.started_at() + timedelta(days=int(rng.integers(0, 360)))
    return replace(
        scene,
        name=f"{scene.name}~{seed}",
        camera=_camera(scene.camera, rng, is_indoor),
        light=_light(scene.light, rng),
        props=props,
        start_at=started.strftime("%Y-%m-%d %H:%M:%S"),
        encode=replace(scene.encode, bit_rate_kbps=int(rng.integers(300, 1400))),
    )
