"""From light to a camera picture: exposure, tone, lens softness, vignette, infrared, noise, rain, burnt-in text.

In: linear light (H, W, 3). Out: RGB frames (H, W, 3) uint8. The noise model is shot plus read noise after in-camera
denoising, so it is correlated over about a pixel, with coarse chroma blotches at high gain. Next file:
``renderer.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.scenes.arrays import U8, Floats, f32
from pipeline.scenes.model import Scene
from pipeline.scenes.noise import wander

__all__ = ["Sensor"]

Rect = tuple[int, int, int, int]

_TILES = 12
_LUT_MAX = 8.0
# noise (levels of 255) in the mid tones, share of chroma blotches, target of the exposure, saturation
_MODES = {
    "day": (1.6, 0.15, 0.25, 0.86),
    "overcast": (2.0, 0.2, 0.22, 0.80),
    "indoor": (2.1, 0.3, 0.25, 0.84),
    "dusk": (3.6, 0.5, 0.15, 0.78),
    "night": (5.0, 0.7, 0.085, 0.72),
    "ir": (4.4, 0.0, 0.11, 0.0),
}


class Sensor:
    """One camera's electronics, set for one empty scene ``base`` (H, W, 3) linear."""

    def __init__(self, scene: Scene, base: Floats, seed: int) -> None:
        self._scene = scene
        self._noise_level, self._chroma, target, self._saturation = _MODES[scene.light.mode]
        self._is_mono = scene.light.mode == "ir"
        h, w = base.shape[:2]
        y, x = np.mgrid[0:h, 0:w].astype(np.float32)
        radius = np.hypot((x - w / 2) / w, (y - h / 2) / w) * 2.0
        shape = np.exp(-((radius / 0.72) ** 2)) * 0.92 + 0.08 if self._is_mono else 1.0 - 0.20 * radius**2
        level = base.mean(axis=2) * shape
        metered = float(np.exp(np.log(np.clip(level, 1e-4, np.percentile(level, 92))).mean()))
        self._gain: Floats = (shape * target / max(metered, 1e-4)).astype(np.float32)[..., None]
        step = np.linspace(0.0, _LUT_MAX, 8192, dtype=np.float32)
        knee = step * (1.0 + step / 16.0) / (1.0 + 0.55 * step)
        curve = np.clip(knee * 1.18, 0.0, 1.0) ** (1 / 2.2)
        self._lut: U8 = np.clip(8.0 + 247.0 * (0.88 * curve + 0.12 * curve * curve * (3 - 2 * curve)), 0, 255).astype(
            np.uint8
        )
        self._rng_seed = seed
        self._metered = _log_mean(base)
        self.base: U8 = self.develop(base, (0, 0, w, h))
        self._tiles = _noise_tiles(self.base, self._noise_level, self._chroma, self._is_mono, seed)
        self._streaks = _rain_tiles((w, h), scene.light.rain, seed)

    def develop(self, light: Floats, rect: Rect) -> U8:
        """Display values of linear ``light`` that lies at ``rect`` of the picture."""
        x0, y0, x1, y1 = rect
        seen = light * self._gain[y0:y1, x0:x1]
        if self._is_mono:
            seen = np.repeat(seen @ f32([[0.46], [0.34], [0.20]]), 3, axis=2)
        else:
            grey = seen @ f32([[0.2126], [0.7152], [0.0722]])
            seen = grey + (seen - grey) * f32(self._saturation)
        index = (np.clip(seen, 0.0, _LUT_MAX) * (8191 / _LUT_MAX)).astype(np.int32)
        return np.asarray(self._lut[index], np.uint8)

    def picture(self, light: Floats, rects: Sequence[Rect], index: int) -> U8:
        """Frame ``index``: the base with ``rects`` developed anew from ``light``, then lens, noise, rain and text."""
        frame = self.base.copy()
        for x0, y0, x1, y1 in _united(rects):
            frame[y0:y1, x0:x1] = self.develop(light[y0:y1, x0:x1], (x0, y0, x1, y1))
        return self.finish(np.asarray(cv2.LUT(frame, self._exposed(light, index)), np.uint8), index)

    def _exposed(self, light: Floats, index: int) -> U8:
        """The table that brightens or darkens display values as auto-exposure answers to what is in the picture."""
        at_s = index / self._scene.fps
        wish = self._metered / max(_log_mean(light), 1e-6)
        gain = float(np.clip(wish**0.4, 0.78, 1.28)) * (1.0 + 0.02 * wander(self._rng_seed, at_s, 9.0))
        return np.asarray(np.clip(np.arange(256) * gain ** (1 / 2.2), 0, 255), np.uint8)

    def finish(self, frame: U8, index: int) -> U8:
        """Lens softness, rain, noise and the time, for frame ``index``."""
        rng = np.random.default_rng([self._rng_seed, 5, index])
        out = cv2.GaussianBlur(frame, (3, 3), 0.52)
        if self._streaks is not None:
            w, h = self._scene.size_wh
            streak = self._streaks[int(rng.integers(len(self._streaks)))]
            dx, dy = int(rng.integers(w)), int(rng.integers(h))
            out = cv2.add(out, streak[dy : dy + h, dx : dx + w])
        tile = self._tiles[int(rng.integers(_TILES))]
        out = cv2.add(out, tile, dtype=cv2.CV_8U)
        self._stamp(out, index)
        return np.asarray(out, np.uint8)

    def _stamp(self, frame: U8, index: int) -> None:
        """Date, time and camera name, as cameras burn them in."""
        when = self._scene.started_at() + timedelta(seconds=index / self._scene.fps)
        h, w = frame.shape[:2]
        scale = h / 360 * 0.5
        label = self._scene.camera.label
        (width, _), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        for text, x, y in (
            (when.strftime("%Y-%m-%d %H:%M:%S"), int(w * 0.015), int(h * 0.055)),
            (label, int(w * 0.985) - width, int(h * 0.97)),
        ):
            for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                cv2.putText(
                    frame, text, (x + dx, y + dy), cv2.FONT_HERSHEY_SIMPLEX, scale, (20, 20, 20), 1, cv2.LINE_AA
                )
            cv2.putText(frame, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (235, 235, 235), 1, cv2.LINE_AA)


def _united(rects: Sequence[Rect]) -> list[Rect]:
    """Fewer rectangles over the same pixels: two become one where that covers little more than both."""
    out: list[Rect] = []
    for rect in sorted(rects, key=_area, reverse=True):
        for i, other in enumerate(out):
            both = (min(rect[0], other[0]), min(rect[1], other[1]), max(rect[2], other[2]), max(rect[3], other[3]))
            if _area(both) <= 1.15 * (_area(rect) + _area(other)):
                out[i] = both
                break
        else:
            out.append(rect)
    return out


def _area(rect: Rect) -> int:
    return (rect[2] - rect[0]) * (rect[3] - rect[1])


def _log_mean(light: Floats) -> float:
    """Geometric mean brightness of every eighth pixel, highlights cut off."""
    grey = light[::8, ::8].mean(axis=2)
    return float(np.exp(np.log(np.clip(grey, 1e-4, np.percentile(grey, 95))).mean()))


def _noise_tiles(base: U8, level: float, chroma: float, is_mono: bool, seed: int) -> tuple[NDArray[np.int8], ...]:
    """Noise pictures fitted to the brightness of ``base``: strongest in the dark mid tones, weak in black and white."""
    h, w = base.shape[:2]
    rng = np.random.default_rng([seed, 9])
    tone = base.mean(axis=2) / 255.0
    size = level * np.clip(0.35 + 1.5 * tone * (1.0 - 0.75 * tone), 0.2, 1.2)
    tiles = []
    for _ in range(_TILES):
        grain = cv2.GaussianBlur(rng.standard_normal((h, w), np.float32), (0, 0), 0.55)
        noise = np.repeat((grain / grain.std())[..., None], 3, axis=2)
        if not is_mono:
            small = rng.standard_normal((h // 3 + 1, w // 3 + 1, 3), np.float32)
            blotch = cv2.resize(cv2.GaussianBlur(small, (0, 0), 0.8), (w, h), interpolation=cv2.INTER_CUBIC)
            noise = noise + chroma * 0.9 * (blotch / blotch.std() - (blotch / blotch.std()).mean(axis=2, keepdims=True))
        tiles.append(np.clip(np.rint(noise * size[..., None]), -127, 127).astype(np.int8))
    return tuple(tiles)


def _rain_tiles(size_wh: tuple[int, int], rain: float, seed: int) -> tuple[U8, ...] | None:
    """Pictures of falling drops, twice the frame in size so that every frame cuts another part; None when dry."""
    if rain <= 0:
        return None
    w, h = size_wh
    rng = np.random.default_rng([seed, 13])
    tiles = []
    for _ in range(4):
        canvas = np.zeros((2 * h, 2 * w), np.uint8)
        for _ in range(int(rain * w * h / 420)):
            near = float(rng.random()) ** 3
            x, y = int(rng.integers(2 * w)), int(rng.integers(2 * h))
            length = 4 + 22 * near
            lean = length * 0.16
            cv2.line(
                canvas, (x, y), (int(x + lean), int(y + length)), int(7 + 26 * near), 1 + int(near > 0.72), cv2.LINE_AA
            )
        tiles.append(np.repeat(cv2.GaussianBlur(canvas, (3, 3), 0.5)[..., None], 3, axis=2))
    return tuple(tiles)
