"""How fast the pixels move, with the camera's own movement taken out. In: small luma pictures of one camera with their
media time. Out: a :class:`Flow` against an earlier picture, or None where no picture is near enough in time.

Dense inverse search (Kroeger et al., ECCV 2016) as OpenCV has it, from the present picture back to the reference, so
that a velocity stands where its object is *now*. The whole picture's motion (a shaking pole, a panning camera) is an
affine field fitted to what is outside every box by iteratively reweighted least squares. Next file: ``blobs.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Flow", "FlowMeter", "flow_of_box"]

_LEAST_DT_S = 0.02
_GOOD_DT_S = 0.1  # nearer pictures show sub-pixel motion, which is mostly noise
_MOST_DT_S = 1.0
_GRID_PX = 8  # spacing of the samples that the camera's own motion is fitted to
_FIT_ROUNDS = 2
_LEAST_SAMPLES = 24
_LEAST_CAMERA_PX = 0.05
_LEAST_SHIFT_PX = 0.3  # of the small picture, between the two pictures; less cannot be told from noise
_NOISE_MARGIN = 4.0
_LEAST_CHANGE = 3.0  # grey levels
_HISTOGRAM_BINS = 8
_PEAK_SHARE = 0.95

Floats = NDArray[np.float32]
Luma = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Past = Sequence[tuple[float, Luma]]


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """``velocity_x`` and ``velocity_y`` (h, w) float32 in source pixels per second, y downwards, zero where nothing
    moves; ``speed`` (h, w) float32 its magnitude; ``is_moving`` (h, w)."""

    velocity_x: Floats
    velocity_y: Floats
    speed: Floats
    is_moving: Mask


class FlowMeter:
    """OpenCV's dense inverse search with its buffers; one for all cameras, remembers none."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._dis.setFinestScale(1)
        self._dis.setPatchSize(6)  # distant people are 20 pixels high
        self._dis.setGradientDescentIterations(8)

    def measure(
        self, luma: Luma, at_s: float, past: Past, is_free: Mask, source_per_px: tuple[float, float]
    ) -> Flow | None:
        """Flow of ``luma`` (h, w) at media time ``at_s``, both sides at least 16, against one of ``past``.

        ``past``: earlier pictures of the same size with their media times, oldest first. ``is_free`` (h, w): pixels
        outside every box, to which the camera's own motion is fitted. ``source_per_px``: source pixels per pixel of
        ``luma``, along x and y.
        """
        far = [one for one in past if at_s - one[0] >= _GOOD_DT_S - 1e-6]
        then_s, then = far[-1] if far else past[0] if past else (at_s, luma)
        dt_s = at_s - then_s
        if not _LEAST_DT_S <= dt_s <= _MOST_DT_S:
            return None
        shift_x, shift_y = cv2.split(self._dis.calc(luma, then, None))  # towards the past
        noise, camera_px = _subtract_camera(shift_x, shift_y, is_free)
        is_moving = _size(shift_x, shift_y) > max(_LEAST_SHIFT_PX, _NOISE_MARGIN * noise)
        if camera_px < _LEAST_SHIFT_PX:  # a thing that keeps up with a moving camera changes nothing
            is_moving &= _has_changed(luma, then)
        shift_x *= is_moving * np.float32(-source_per_px[0] / dt_s)
        shift_y *= is_moving * np.float32(-source_per_px[1] / dt_s)
        return Flow(shift_x, shift_y, _size(shift_x, shift_y), is_moving)


def flow_of_box(flow: Flow, columns: slice, rows: slice) -> list[float]:
    """Of one box: mean and 95th percentile of the speed (source px/s), direction (degrees: 0 right, 90 up, 180 left;
    NaN when nothing moves), RMS deviation from the mean velocity of what moves (source px/s), moving share, and the
    shares of eight directions in the motion (the first is right, then counter-clockwise; zeros when nothing moves)."""
    speed, is_moving = flow.speed[rows, columns], flow.is_moving[rows, columns]
    x, y = flow.velocity_x[rows, columns][is_moving], flow.velocity_y[rows, columns][is_moving]  # (M,)
    if len(x) == 0:
        return [0.0, 0.0, float("nan"), 0.0, 0.0, *[0.0] * _HISTOGRAM_BINS]
    place = int(_PEAK_SHARE * (speed.size - 1))
    peak = float(np.partition(speed.ravel(), place)[place])
    mean_x, mean_y = float(x.mean()), float(y.mean())
    spread = math.sqrt(float(x.var()) + float(y.var()))
    angle = math.degrees(math.atan2(-mean_y, mean_x)) % 360.0
    bins = np.rint(np.arctan2(-y, x) * (_HISTOGRAM_BINS / (2.0 * np.pi))).astype(np.intp) % _HISTOGRAM_BINS
    histogram = np.bincount(bins, weights=speed[is_moving], minlength=_HISTOGRAM_BINS)
    shares = histogram / max(float(histogram.sum()), 1e-9)
    return [float(speed.mean()), peak, angle, spread, len(x) / speed.size, *shares.tolist()]


def _subtract_camera(shift_x: Floats, shift_y: Floats, is_free: Mask) -> tuple[float, float]:
    """Take the camera's own motion out of the shifts (h, w) in place.

    Returns the noise, which is the median of what remains outside the boxes, and the camera's own shift; both pixels.
    """
    height, width = is_free.shape
    grid = (slice(_GRID_PX // 2, None, _GRID_PX), slice(_GRID_PX // 2, None, _GRID_PX))
    chosen = is_free[grid]
    if np.count_nonzero(chosen) < _LEAST_SAMPLES:
        return 0.0, 0.0
    seen = np.stack([shift_x[grid][chosen], shift_y[grid][chosen]], axis=1).astype(np.float64)  # (n, 2)
    terms = _terms(height, width)[chosen]  # (n, 3)
    fitted = np.zeros((3, 2))
    fitted[0] = np.median(seen, axis=0)
    stiffness = np.diag((1e-9, 1e-3 * len(seen), 1e-3 * len(seen)))  # no evidence: no zoom, no turn
    error = np.hypot(*(seen - fitted[0]).T)
    for _ in range(_FIT_ROUNDS):
        weighted = terms * (error < max(3.0 * float(np.median(error)), _LEAST_CAMERA_PX))[:, None]
        fitted = np.linalg.solve(weighted.T @ terms + stiffness, weighted.T @ seen)
        error = np.hypot(*(seen - terms @ fitted).T)
    camera_px = float(np.abs(fitted).max())
    if camera_px > _LEAST_CAMERA_PX:
        across = np.arange(width, dtype=np.float32) / width - 0.5
        down = (np.arange(height, dtype=np.float32) / height - 0.5)[:, None]
        for shift, (constant, along_x, along_y) in zip((shift_x, shift_y), fitted.T.astype(np.float32), strict=True):
            np.subtract(shift, constant + along_x * across + along_y * down, out=shift)
    return float(np.median(error)), camera_px


@lru_cache(maxsize=8)
def _terms(height: int, width: int) -> NDArray[np.float64]:
    """(rows, columns, 3) of the sampling grid: 1, x and y from the middle, of a picture of this size."""
    ys, xs = np.mgrid[_GRID_PX // 2 : height : _GRID_PX, _GRID_PX // 2 : width : _GRID_PX]
    terms = np.stack([np.ones(xs.shape), xs / width - 0.5, ys / height - 0.5], axis=-1)
    terms.flags.writeable = False
    return terms


def _size(x: Floats, y: Floats) -> Floats:
    """Length of the vectors. Not OpenCV's: with IPP its last bit depends on where in memory the numbers lie."""
    return np.sqrt(x * x + y * y)


def _has_changed(luma: Luma, then: Luma) -> Mask:
    """Where the picture differs from the reference by more than its noise, or is surrounded by such places.

    Flow between two pictures of a wall in the dark is noise; the inside of a plain shirt is not.
    """
    change = cv2.blur(cv2.absdiff(luma, then), (3, 3))
    level = max(_LEAST_CHANGE, 3.0 * float(np.median(change[::3, ::3])))
    _, mask = cv2.threshold(change, level, 1, cv2.THRESH_BINARY)
    near: Mask = cv2.dilate(mask, np.ones((5, 5), np.uint8)).view(np.bool_)
    return near
