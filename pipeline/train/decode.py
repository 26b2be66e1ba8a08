"""From a picture to a network's input and from its output back to boxes, in plain numpy, the same for every network.

In: RGB pixels, or raw output ``(4 + classes, N)`` with ``xywh`` in input pixels. Out: a letterboxed input ``(1, 3, H,
W)`` and :class:`Seen` objects in picture pixels. Used for teachers, students, their exports and their evaluation
alike, so that a difference between two of them is never one of decoding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Forward", "Letterbox", "Seen", "decode", "detect", "iou_matrix", "letterbox", "suppress"]

Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]
_GREY = (114, 114, 114)


class Seen(NamedTuple):
    """Objects of one picture: ``xyxy`` (N, 4) pixels, ``classes`` (N,) indices, ``confidence`` (N,)."""

    xyxy: NDArray[np.float32]
    classes: NDArray[np.int64]
    confidence: NDArray[np.float32]


class Letterbox(NamedTuple):
    """How a picture was fitted: input pixel = picture pixel * ``ratio`` + ``offset_xy``."""

    ratio: float
    offset_xy: tuple[float, float]


def letterbox(rgb: NDArray[np.uint8], size_wh: tuple[int, int]) -> tuple[NDArray[np.float32], Letterbox]:
    """(H, W, 3) uint8 -> (1, 3, h, w) float 0..1, shape kept, grey borders."""
    width, height = size_wh
    ratio = min(width / rgb.shape[1], height / rgb.shape[0])
    inner = (max(1, round(rgb.shape[1] * ratio)), max(1, round(rgb.shape[0] * ratio)))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
    canvas = np.full((height, width, 3), _GREY, np.uint8)
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(rgb, inner, interpolation=how)
    planes = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    return planes, Letterbox(ratio, (float(left), float(top)))


def iou_matrix(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 4), (M, 4) -> (N, M) intersection over union of ``xyxy`` boxes."""
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    overlap = np.clip(np.minimum(first[:, None, 2:], second[None, :, 2:]) - corner, 0, None).prod(-1)
    area = (first[:, 2:] - first[:, :2]).prod(-1)[:, None] + (second[:, 2:] - second[:, :2]).prod(-1)[None]
    return np.asarray(overlap / np.maximum(area - overlap, 1e-9), np.float32)


def suppress(seen: Seen, max_iou: float, limit: int) -> Seen:
    """Greedy non-maximum suppression within each class, the surest first, at most ``limit`` kept."""
    order = np.argsort(-seen.confidence, kind="stable")[: limit * 3]
    xyxy, index = seen.xyxy[order], seen.classes[order]
    clash = (iou_matrix(xyxy, xyxy) > max_iou) & (index[:, None] == index[None])
    kept: list[int] = []
    is_gone = np.zeros(len(order), bool)
    for item in range(len(order)):
        if not is_gone[item]:
            kept.append(item)
            if len(kept) == limit:
                break
            is_gone |= clash[item]
    chosen = order[kept]
    return Seen(seen.xyxy[chosen], seen.classes[chosen], seen.confidence[chosen])


def decode(
    raw: NDArray[np.float32],
    fitted: Letterbox,
    picture_wh: tuple[int, int],
    min_confidence: float,
    max_iou: float = 0.6,
) -> Seen:
    """(4 + classes, N) -> objects in picture pixels, clipped to it."""
    scores = raw[4:]
    index, cell = np.nonzero(scores > min_confidence)
    x, y, w, h = raw[:4, cell]
    left, top = fitted.offset_xy
    xyxy = np.stack((x - w / 2 - left, y - h / 2 - top, x + w / 2 - left, y + h / 2 - top), 1) / fitted.ratio
    limit = np.array([*picture_wh, *picture_wh], np.float32)
    boxes = np.clip(xyxy, 0, limit).astype(np.float32).reshape(-1, 4)
    return suppress(Seen(boxes, index.astype(np.int64), scores[index, cell].astype(np.float32)), max_iou, 300)


def detect(forward: Forward, rgb: NDArray[np.uint8], size_wh: tuple[int, int], min_confidence: float) -> Seen:
    """Letterbox, run ``forward`` on (1, 3, H, W), decode."""
    planes, fitted = letterbox(rgb, size_wh)
    return decode(forward(planes)[0], fitted, (rgb.shape[1], rgb.shape[0]), min_confidence)
