"""Geometry between an analysis frame and a network's input: fit, pad with grey, and take boxes back.

In: planar I420 of any even size. Out: the network's input as I420 or RGB, and boxes in source pixels. Works plane by
plane, so that a frame ingest already scaled to fit is only copied. Next file: ``heads.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Letterbox", "input_wh_for"]

# YOLO models are trained with borders of RGB 114; in BT.601 limited range that grey is Y 114, U = V = 128.
_PAD_Y = 114
_PAD_UV = 128


def input_wh_for(frame_wh: tuple[int, int], limit_wh: tuple[int, int], stride: int) -> tuple[int, int]:
    """The smallest input (width, height), in multiples of ``stride``, that holds a frame for a network of free shape.

    The frame is not enlarged; it is shrunk when it exceeds ``limit_wh``, turned to the frame's orientation.
    Raises ValueError for a frame without a picture.
    """
    _require_picture(frame_wh)
    long_side, short_side = max(limit_wh), min(limit_wh)
    limit = (long_side, short_side) if frame_wh[0] >= frame_wh[1] else (short_side, long_side)
    scale = min(1.0, limit[0] / frame_wh[0], limit[1] / frame_wh[1])
    width, height = (max(stride, math.ceil(round(side * scale) / stride) * stride) for side in frame_wh)
    return width, height


def _require_picture(frame_wh: tuple[int, int]) -> None:
    if min(frame_wh) <= 0:
        raise ValueError(f"frame: expected a picture, got a tick or one of size {frame_wh}")


def _even(value: float) -> int:
    return max(2, 2 * round(value / 2))


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a frame lies in a network's input. All sizes (width, height) in pixels and even, so that chroma fits."""

    frame_wh: tuple[int, int]
    input_wh: tuple[int, int]
    content_wh: tuple[int, int]
    offset_xy: tuple[int, int]

    def __post_init__(self) -> None:
        for side in (*self.frame_wh, *self.input_wh, *self.content_wh, *self.offset_xy):
            if side % 2 or side < 0:
                raise ValueError(f"letterbox: expected even sizes, got {self}")
        for offset, content, whole in zip(self.offset_xy, self.content_wh, self.input_wh, strict=True):
            if not 0 < content <= whole - offset:
                raise ValueError(f"letterbox: expected content within the input, got {self}")

    @classmethod
    def fit(cls, frame_wh: tuple[int, int], input_wh: tuple[int, int], *, may_enlarge: bool = True) -> Letterbox:
        """The frame as large as the input (or, without ``may_enlarge``, as itself) allows, aspect kept, centred.

        Raises ValueError for a frame without a picture.
        """
        _require_picture(frame_wh)
        scale = min(input_wh[0] / frame_wh[0], input_wh[1] / frame_wh[1])
        if not may_enlarge:
            scale = min(scale, 1.0)
        width, height = (min(_even(side * scale), whole) for side, whole in zip(frame_wh, input_wh, strict=True))
        offset = ((input_wh[0] - width) // 4 * 2, (input_wh[1] - height) // 4 * 2)
        return cls(frame_wh, input_wh, (width, height), offset)

    def to_input_i420(self, i420: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame, (h * 3 / 2, w), as the network's input, (H * 3 / 2, W), still planar I420.

        Raises ValueError when the array is not of this letterbox's frame size.
        """
        width, height = self.frame_wh
        if i420.shape != (height * 3 // 2, width):
            raise ValueError(f"i420: expected {(height * 3 // 2, width)}, got {i420.shape}")
        if self.content_wh == self.input_wh == self.frame_wh:
            return i420
        padded = np.empty((self.input_wh[1] * 3 // 2, self.input_wh[0]), np.uint8)
        sources, targets = _planes(i420, self.frame_wh), _planes(padded, self.input_wh)
        for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
            halves = 1 if index == 0 else 2
            self._place(source, target, halves, _PAD_Y if index == 0 else _PAD_UV)
        return padded

    def _place(self, source: NDArray[np.uint8], target: NDArray[np.uint8], halves: int, grey: int) -> None:
        """Scale one plane into its place and fill the border; ``halves`` 2 for the chroma planes."""
        x, y = (offset // halves for offset in self.offset_xy)
        width, height = (side // halves for side in self.content_wh)
        target[:y] = grey
        target[y + height :] = grey
        target[y : y + height, :x] = grey
        target[y : y + height, x + width :] = grey
        if source.shape != (height, width):
            is_smaller = height * width < source.size
            source = cv2.resize(
                source, (width, height), interpolation=cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
            )
        target[y : y + height, x : x + width] = source

    def to_input_rgb(self, i420: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame as the network's input in RGB, (H, W, 3) uint8, for runtimes that cannot convert I420."""
        padded = np.ascontiguousarray(self.to_input_i420(i420))
        return np.asarray(cv2.cvtColor(padded, cv2.COLOR_YUV2RGB_I420), np.uint8)

    def to_source(self, xyxy: NDArray[np.float32], source_wh: tuple[int, int] = (0, 0)) -> NDArray[np.float32]:
        """Boxes in input pixels, (N, 4), as boxes in pixels of the source, cut at its borders.

        ``source_wh`` (0, 0) means that the frame itself is the source.
        """
        whole = np.array(source_wh if min(source_wh) > 0 else self.frame_wh, np.float64)
        scale = whole / np.array(self.content_wh, np.float64)
        corners = (xyxy.reshape(-1, 2, 2) - np.array(self.offset_xy, np.float64)) * scale  # (N, 4) -> (N, 2, 2)
        return np.clip(corners, 0.0, whole).reshape(-1, 4).astype(np.float32)


def _planes(
    i420: NDArray[np.uint8], size_wh: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Views of the Y (h, w), U and V (h/2, w/2) planes of a contiguous I420 picture."""
    width, height = size_wh
    flat = i420.reshape(-1)
    luma, chroma = width * height, width * height // 4
    half = (height // 2, width // 2)
    return (
        flat[:luma].reshape(height, width),
        flat[luma : luma + chroma].reshape(half),
        flat[luma + chroma :].reshape(half),
    )
