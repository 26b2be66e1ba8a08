"""What the bench looks at: rendered people at two sizes and a quiet scene, or a person's own recordings.

In: a folder. Out: :class:`Footage`. Rendered once and kept. Next file: ``workers/bench/parts.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StorageError, UsageError
from pipeline.scenes import Renderer, load_scene
from pipeline.video.writer import VideoWriter

__all__ = ["Footage", "own_footage", "rendered_footage"]

SCENE = "street_crowd"
SECONDS = 10.0
SEED = 7
SCALE = 3
CAMERA_KBPS = 4000
QUIET_FPS = 25
QUIET_S = 16
NOISE_SIGMA = 2.0
SUFFIXES = {".mp4", ".mkv", ".avi", ".mov", ".ts"}


@dataclass(frozen=True, slots=True)
class Footage:
    """``moving``: name -> recordings of people in motion, the smallest picture first; ``quiet``: nothing happens."""

    moving: Mapping[str, tuple[Path, ...]]
    quiet: Path | None

    @property
    def first(self) -> Path:
        """The recording that parts are measured on."""
        return next(iter(self.moving.values()))[0]


def own_footage(folder: Path) -> Footage:
    """The videos in ``folder``, each a camera in turn. Raises UsageError when there are none."""
    videos = tuple(path for path in sorted(folder.glob("*")) if path.suffix.lower() in SUFFIXES)
    if not videos:
        raise UsageError(f"{folder} holds no video ({', '.join(sorted(SUFFIXES))}).")
    return Footage({folder.name or "own": videos}, None)


def rendered_footage(folder: Path, progress: Callable[[int, int], None]) -> Footage:
    """A crowded street at 640x360@15 and 1920x1080@15, and the same street at 1920x1080@25 with nobody moving.

    The large picture is the small one enlarged, with sensor noise, at a camera's usual 4 Mbit/s.
    ``progress`` is given pictures done and in all. Raises StorageError when ``folder`` cannot be written.
    """
    small, large, quiet = (folder / f"{name}.mp4" for name in ("people_640x360p15", "people_1080p15", "quiet_1080p25"))
    done = folder / "complete"
    if not done.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _render(small, large, quiet, progress)
            done.touch()
        except OSError as error:
            raise StorageError(f"{folder} cannot be written: {error.strerror}.") from error
    return Footage({"640x360@15": (small,), "1080p15": (large,)}, quiet)


def _render(small: Path, large: Path, quiet: Path, progress: Callable[[int, int], None]) -> None:
    scene = replace(load_scene(SCENE), seconds=SECONDS)
    width, height = scene.size_wh
    large_wh = (width * SCALE, height * SCALE)
    renderer = Renderer(scene, SEED)
    noise = np.random.default_rng(SEED)
    total = round(scene.seconds * scene.fps)
    still: NDArray[np.uint8] | None = None
    with (
        VideoWriter(small, size_wh=scene.size_wh, fps=scene.fps, bit_rate_kbps=scene.encode.bit_rate_kbps) as at_small,
        VideoWriter(large, size_wh=large_wh, fps=scene.fps, bit_rate_kbps=CAMERA_KBPS) as at_large,
    ):
        for number, (rgb, _) in enumerate(renderer, 1):
            enlarged = np.asarray(cv2.resize(rgb, large_wh, interpolation=cv2.INTER_CUBIC), np.uint8)
            still = enlarged if still is None else still
            at_small.write(rgb)
            at_large.write(_grainy(enlarged, noise))
            progress(number, total + QUIET_S * QUIET_FPS)
    if still is None:
        raise UsageError(f"Scene {SCENE} has no pictures.")
    with VideoWriter(quiet, size_wh=large_wh, fps=QUIET_FPS, bit_rate_kbps=CAMERA_KBPS, gop=2 * QUIET_FPS) as at_quiet:
        for number in range(QUIET_S * QUIET_FPS):
            at_quiet.write(_grainy(still, noise))
            progress(total + number + 1, total + QUIET_S * QUIET_FPS)


def _grainy(rgb: NDArray[np.uint8], noise: np.random.Generator) -> NDArray[np.uint8]:
    """The picture with a sensor's noise: the same grain in all three channels."""
    grain = (noise.standard_normal(rgb.shape[:2], np.float32) * NOISE_SIGMA).astype(np.int16)
    grainy: NDArray[np.uint8] = np.clip(rgb.astype(np.int16) + grain[..., None], 0, 255).astype(np.uint8)
    return grainy
