"""Small painted scenes for looks: a textured wall, things that move before it, in I420 and with exact times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Detections, Frame, FrameKey, FrameNote, FrameRef

SIZE_WH = (320, 192)
BEGIN = datetime(2026, 11, 24, tzinfo=UTC)

Rgb = NDArray[np.uint8]
Box = tuple[float, float, float, float]


def texture(size_wh: tuple[int, int] = SIZE_WH, seed: int = 7, low: int = 90, high: int = 160) -> Rgb:
    """A grey wall with soft structure."""
    noise = np.random.default_rng(seed).standard_normal((size_wh[1], size_wh[0])).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 2.0)
    grey = cv2.normalize(soft, None, low, high, cv2.NORM_MINMAX).astype(np.uint8)
    return cv2.merge([grey] * 3)


def pasted(scene: Rgb, thing: Rgb, x: float, y: float) -> Rgb:
    """``scene`` with ``thing`` at a place given to a fraction of a pixel."""
    height, width = scene.shape[:2]
    move = np.array([[1.0, 0.0, x], [0.0, 1.0, y]], np.float32)
    share = cv2.warpAffine(np.ones(thing.shape[:2], np.float32), move, (width, height))[..., None]
    moved = cv2.warpAffine(thing, move, (width, height))
    return np.asarray(np.rint(scene * (1 - share) + moved * share), np.uint8)


def i420(rgb: Rgb) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8)


def frame(
    rgb: Rgb | None,
    at_s: float,
    *,
    camera: str = "gate",
    session: int = 1,
    source_wh: tuple[int, int] | None = None,
) -> Frame:
    """One frame at media time ``at_s`` since the session began; its number follows from the time."""
    size_wh = SIZE_WH if rgb is None else (rgb.shape[1], rgb.shape[0])
    ref = FrameRef(
        FrameKey(camera, session, round(at_s * 1000)),
        round(at_s * 90_000),
        Fraction(1, 90_000),
        BEGIN + timedelta(seconds=at_s),
        size_wh if source_wh is None else source_wh,
    )
    note = FrameNote("absent") if rgb is None else FrameNote("open")
    return Frame(ref, note, None if rgb is None else i420(rgb))


def detections(boxes: Sequence[Box], label: str = "person") -> Detections:
    xyxy = np.asarray(boxes, np.float32).reshape(-1, 4)
    return Detections(xyxy, np.full(len(boxes), 0.9, np.float32), (label,) * len(boxes))
