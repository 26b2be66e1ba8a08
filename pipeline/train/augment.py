"""Makes a training picture out of stored ones: mosaic, crops, pasted objects, and everything a bad camera does.

In: a way to fetch a decoded sample by number, and a number. Out: one :class:`Picture` of exactly the asked size. The
same ``(seed, number)`` gives the same picture on any machine and with any number of workers, so a run resumes
exactly. Next: ``pipeline/train/loader.py``.

Sources: mosaic (Bochkovskiy et al. 2020), copy-paste (Ghiasi et al. 2021; here with feathered rectangles, no masks).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.train.degrade import DegradeConfig, degrade

__all__ = ["AugmentConfig", "Labelled", "Picture", "compose"]

_GREY = (114, 114, 114)


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """Chances and ranges. ``scale_range`` multiplies the size that just fills the region.

    ``aspect_range`` its width.
    """

    mosaic_chance: float = 0.5
    flip_chance: float = 0.5
    paste_chance: float = 0.2
    scale_range: tuple[float, float] = (0.6, 1.7)
    aspect_range: tuple[float, float] = (0.75, 1.33)
    min_visible: float = 0.3
    min_side_px: float = 3.0
    min_confidence: float = 0.2
    degrade: DegradeConfig = field(default_factory=DegradeConfig)

    def __post_init__(self) -> None:
        for name in ("mosaic_chance", "flip_chance", "paste_chance", "min_visible"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: expected 0..1, got {getattr(self, name)}")
        for name in ("scale_range", "aspect_range"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name}: expected 0 < low <= high, got {(low, high)}")


class Labelled(NamedTuple):
    """Decoded pixels (H, W, 3) uint8 RGB with ``xyxy`` (N, 4) in pixels of them, ``classes`` (N,), ``confidence`` (N,).

    A negative confidence marks an object to ignore: too doubtful to learn as an object or as background.
    """

    rgb: NDArray[np.uint8]
    xyxy: NDArray[np.float32]
    classes: NDArray[np.int64]
    confidence: NDArray[np.float32]


Picture = Labelled
Fetch = Callable[[int], Labelled]
Draw = Callable[[np.random.Generator], int]


def _place(
    sample: Labelled, canvas: NDArray[np.uint8], config: AugmentConfig, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Warp the sample into ``canvas`` (written in place) with a random scale, aspect, place and mirror; its labels."""
    height, width = canvas.shape[:2]
    source_height, source_width = sample.rgb.shape[:2]
    aspect = float(np.exp(rng.uniform(*np.log(config.aspect_range)))) ** 0.5
    zoom = float(np.exp(rng.uniform(*np.log(config.scale_range))))
    base = max(width / source_width, height / source_height)
    across, down = base * zoom * aspect, base * zoom / aspect
    # anywhere that keeps the region as full as the zoom allows
    slack_x, slack_y = width - source_width * across, height - source_height * down
    dx, dy = rng.uniform(min(0, slack_x), max(0, slack_x)), rng.uniform(min(0, slack_y), max(0, slack_y))
    mirrored = rng.random() < config.flip_chance
    matrix = np.array(
        [[-across, 0, dx + source_width * across], [0, down, dy]] if mirrored else [[across, 0, dx], [0, down, dy]]
    )
    rgb = sample.rgb
    if across < 0.6:  # a bilinear warp would alias
        rgb = np.asarray(cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        matrix[:, :2] *= 2
    cv2.warpAffine(
        rgb,
        matrix,
        (width, height),
        dst=canvas,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=_GREY,
    )
    x = sample.xyxy[:, 0::2] * (-across if mirrored else across) + (dx + source_width * across if mirrored else dx)
    y = sample.xyxy[:, 1::2] * down + dy
    xyxy = np.stack((x.min(1), y[:, 0], x.max(1), y[:, 1]), 1) if len(x) else np.zeros((0, 4))
    return _clip(xyxy.astype(np.float32), sample.classes, sample.confidence, (width, height), config)


def _clip(
    xyxy: NDArray[np.float32],
    index: NDArray[np.int64],
    confidence: NDArray[np.float32],
    size_wh: tuple[int, int],
    config: AugmentConfig,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Cut boxes at the border; what is mostly outside, tiny or doubtful is marked to ignore (negative confidence)."""
    limit = np.array([*size_wh, *size_wh], np.float32)
    cut = np.clip(xyxy, 0, limit)
    side = cut[:, 2:] - cut[:, :2]
    visible = side.prod(1) / np.maximum((xyxy[:, 2:] - xyxy[:, :2]).prod(1), 1e-6)
    is_weak = (
        (visible < config.min_visible)
        | (side.min(1, initial=1e9) < config.min_side_px)
        | (confidence < config.min_confidence)
    )
    keep = (side > 0.5).all(1)
    return cut[keep], index[keep], np.where(is_weak, -np.abs(confidence), confidence)[keep].astype(np.float32)


def _paste(picture: Labelled, donor: Labelled, rng: np.random.Generator) -> Labelled:
    """Copy one clear object of ``donor`` into ``picture`` behind feathered edges, where it hides no other object."""
    sure = np.flatnonzero(donor.confidence >= 0.4)
    if not len(sure):
        return picture
    # rare classes first: people and cars are everywhere already
    chance = np.where(np.isin(donor.classes[sure], (0, 2)), 0.15, 1.0)
    chosen = int(rng.choice(sure, p=chance / chance.sum()))
    x1, y1, x2, y2 = donor.xyxy[chosen]
    margin = 0.08 * max(x2 - x1, y2 - y1)
    left, top = int(max(0, x1 - margin)), int(max(0, y1 - margin))
    patch = donor.rgb[top : int(y2 + margin) + 1, left : int(x2 + margin) + 1]
    height, width = picture.rgb.shape[:2]
    zoom = rng.uniform(0.12, 0.5) * height / max(patch.shape[0], 1)
    size = (max(2, round(patch.shape[1] * zoom)), max(2, round(patch.shape[0] * zoom)))
    if size[0] >= width or size[1] >= height or min(size) < 8:
        return picture
    x, y = int(rng.integers(0, width - size[0])), int(rng.integers(0, height - size[1]))
    box = np.array([x1 - left, y1 - top, x2 - left, y2 - top], np.float32) * zoom + np.array([x, y, x, y], np.float32)
    corner = np.maximum(picture.xyxy[:, :2], box[:2])
    hidden = np.clip(np.minimum(picture.xyxy[:, 2:], box[2:]) - corner, 0, None).prod(1)
    if (hidden > 0.2 * (picture.xyxy[:, 2:] - picture.xyxy[:, :2]).prod(1)).any():
        return picture
    patch = np.asarray(cv2.resize(patch, size, interpolation=cv2.INTER_AREA), np.float32)
    alpha = np.zeros((size[1], size[0]), np.float32)
    edge = max(1, round(0.08 * max(size)))
    alpha[edge : -edge or None, edge : -edge or None] = 1
    alpha = np.asarray(cv2.blur(alpha, (edge * 2 + 1, edge * 2 + 1)), np.float32)[..., None]
    region = picture.rgb[y : y + size[1], x : x + size[0]]
    region[:] = (patch * alpha + region * (1 - alpha)).astype(np.uint8)
    return Labelled(
        picture.rgb,
        np.vstack((picture.xyxy, box)),
        np.append(picture.classes, donor.classes[chosen]),
        np.append(picture.confidence, donor.confidence[chosen]).astype(np.float32),
    )


def compose(
    fetch: Fetch, draw: Draw, size_wh: tuple[int, int], config: AugmentConfig, rng: np.random.Generator
) -> Labelled:
    """One training picture of ``size_wh``; ``draw`` picks sample numbers, ``fetch`` decodes them."""
    width, height = size_wh
    canvas = np.full((height, width, 3), 114, np.uint8)
    if rng.random() < config.mosaic_chance:
        middle_x, middle_y = int(width * rng.uniform(0.3, 0.7)), int(height * rng.uniform(0.3, 0.7))
        edges = [(0, 0, middle_x, middle_y), (middle_x, 0, width, middle_y)]
        edges += [(0, middle_y, middle_x, height), (middle_x, middle_y, width, height)]
    else:
        edges = [(0, 0, width, height)]
    parts = []
    for left, top, right, bottom in edges:
        region = np.empty((bottom - top, right - left, 3), np.uint8)
        xyxy, index, confidence = _place(fetch(draw(rng)), region, config, rng)
        canvas[top:bottom, left:right] = region
        parts.append((xyxy + np.array([left, top, left, top], np.float32), index, confidence))
    picture = Labelled(
        canvas,
        np.concatenate([p[0] for p in parts]),
        np.concatenate([p[1] for p in parts]),
        np.concatenate([p[2] for p in parts]),
    )
    if rng.random() < config.paste_chance:
        picture = _paste(picture, fetch(draw(rng)), rng)
    return picture._replace(rgb=degrade(picture.rgb, config.degrade, rng))
