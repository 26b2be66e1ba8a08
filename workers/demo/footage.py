"""The demo's cameras: rendered scenes, kept once rendered, and a site file with the rules that fit each.

In: a folder. Out: a video per camera and ``site.yaml``, which a person can read and change.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from pipeline.errors import StorageError
from pipeline.scenes import Truth, load_scene, load_truth, render

__all__ = ["SCENES", "Take", "site_file", "takes"]

SEED = 20
SCENES: Mapping[str, Sequence[Mapping[str, Any] | str]] = {
    "gate_night_intruder": (
        {"kind": "zone", "name": "nobody in the yard at night", "zone": "yard", "severity": "critical"},
    ),
    "corridor_fall": ("a person lies on the floor for 3 seconds", "someone runs"),
    "street_walkway": (
        {"kind": "forbidden_class", "name": "vehicle on the pavement", "zone": "pavement", "labels": ["vehicle"]},
    ),
    "car_park_covered": ({"kind": "crowd", "name": "crowd", "min_count": 6},),
}
"""Scene name -> the rules its camera gets, in words or in full; camera health is watched everywhere."""


@dataclass(frozen=True, slots=True)
class Take:
    """One rendered recording: its camera's name, its video, and what really happens in it."""

    camera: str
    video: Path
    truth: Truth


def takes(folder: Path, progress: Callable[[int, int], None]) -> list[Take]:
    """Every scene of the demo below ``folder``, rendered side by side where it is not there yet.

    ``progress`` is given how many recordings are done, and of how many. Raises StorageError when the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error.strerror}.") from error
    pieces = {name: (folder / f"{name}.mp4", folder / f"{name}.json") for name in SCENES}
    missing = {name: paths for name, paths in pieces.items() if not paths[1].exists()}  # the truth is written last
    if missing:
        spawned = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(len(missing), os.cpu_count() or 1), mp_context=spawned) as pool:
            rendering = [pool.submit(_render, name, *paths) for name, paths in missing.items()]
            for done, one in enumerate(as_completed(rendering)):
                one.result()
                progress(done + 1, len(missing))
    return [Take(name, video, load_truth(truth)) for name, (video, truth) in pieces.items()]


def _render(name: str, video: Path, truth: Path) -> None:
    render(load_scene(name), video, seed=SEED, truth=truth)


def site_file(folder: Path, footage: Sequence[Take], urls: Mapping[str, str]) -> Path:
    """Write ``site.yaml`` for the cameras served at ``urls``; its path."""
    cameras = [
        {
            "name": take.camera,
            "url": urls[take.camera],
            "zones": _zones(take.truth, _rules(take.camera)),
            "rules": _rules(take.camera),
            "watch_for": [sentence for sentence in SCENES[take.camera] if isinstance(sentence, str)],
        }
        for take in footage
    ]
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump({"data_dir": "state", "cameras": cameras}, sort_keys=False), encoding="utf-8")
    return path


def _rules(camera: str) -> list[dict[str, Any]]:
    return [dict(rule) for rule in SCENES[camera] if not isinstance(rule, str)]


def _zones(truth: Truth, rules: Sequence[Mapping[str, Any]]) -> dict[str, list[list[float]]]:
    """The zones that ``rules`` name, cut to the picture."""
    wanted = {rule["zone"] for rule in rules if "zone" in rule}
    picture = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    zones = {}
    for zone in truth.zones:
        if zone.name in wanted:
            _, inside = cv2.intersectConvexConvex(np.array(zone.points_norm, np.float32), picture)
            points = [] if inside is None else inside.reshape(-1, 2)
            zones[zone.name] = [[round(float(x), 4), round(float(y), 4)] for x, y in np.clip(points, 0.0, 1.0)]
    return zones
