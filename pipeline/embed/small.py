"""The small picture that looks are measured on. In: an analysis frame. Out: its luma averaged over squares of whole
pixels, the long side at most 240, and how source pixels map to it. Used by ``visual.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Detections, Frame

__all__ = ["Small", "small_shape"]

_LONG_SIDE_PX = 240
_AROUND = 0.15  # share of a box's sides by which it is widened before the rest counts as outside

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Small:
    """``luma`` (h, w) uint8; ``source_per_px``: how many source pixels one of its pixels is wide and high."""

    luma: NDArray[np.uint8]
    source_per_px: tuple[float, float]

    @classmethod
    def of(cls, frame: Frame) -> Small:
        """Of a frame with a picture. Raises ValueError for a tick."""
        if frame.i420 is None:
            raise ValueError(f"{frame.ref.key}: a tick has no picture to look at")
        width, height = frame.size_wh
        side = _side_px(frame.size_wh)
        rows, columns = small_shape(frame.size_wh)
        luma = frame.i420[: rows * side, : columns * side]
        small = cv2.resize(luma, (columns, rows), interpolation=cv2.INTER_AREA) if side > 1 else luma
        source_w, source_h = frame.ref.source_wh if min(frame.ref.source_wh) > 0 else frame.size_wh
        return cls(np.ascontiguousarray(small), (side * source_w / width, side * source_h / height))

    def boxes(self, detections: Detections) -> NDArray[np.float64]:
        """Boxes (N, 4) in pixels of the small picture, cut to it."""
        height, width = self.luma.shape
        scale = np.asarray([*self.source_per_px, *self.source_per_px])
        boxes: NDArray[np.float64] = (detections.xyxy / scale).clip(0.0, (width, height, width, height))
        return boxes

    def outside(self, boxes: NDArray[np.float64]) -> Mask:
        """Pixels (h, w) outside every one of :meth:`boxes` and its surroundings."""
        is_free = np.ones(self.luma.shape, np.bool_)
        for x0, y0, x1, y1 in boxes:
            around_x, around_y = 1.0 + _AROUND * (x1 - x0), 1.0 + _AROUND * (y1 - y0)
            rows = slice(max(int(y0 - around_y), 0), math.ceil(y1 + around_y))
            is_free[rows, max(int(x0 - around_x), 0) : math.ceil(x1 + around_x)] = False
        return is_free

    def to_source(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes (B, 4) of the small picture in source pixels."""
        return xyxy * np.asarray([*self.source_per_px, *self.source_per_px], np.float32)


def small_shape(size_wh: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the small picture of an analysis picture (width, height)."""
    side = _side_px(size_wh)
    return max(size_wh[1] // side, 1), max(size_wh[0] // side, 1)


def _side_px(size_wh: tuple[int, int]) -> int:
    return max(1, math.ceil(max(size_wh) / _LONG_SIDE_PX))
