"""What is measured of a picture to judge a camera's health. In: luma; out: a :class:`View`, and how two views compare.

Every measure is relative or gain-free, so that night, fog and auto-exposure move it little: sharpness compares the
steepest edges at full and at quarter resolution, agreement correlates edge maps block by block. Used by
``pipeline/ingest/health.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCKS", "Likeness", "View", "compare", "measure"]

Floats = NDArray[np.float32]

_MAP_WH = (160, 90)
_BLOCKS_XY = (10, 6)  # blocks of 16 x 15 map pixels
BLOCKS = _BLOCKS_XY[0] * _BLOCKS_XY[1]
_LAYOUT_WH = (16, 9)
_MIN_BLOCK_EDGE = 3.0  # standard deviation of gradients, grey levels per map pixel, below which a block says nothing
_NOISE_TAIL = 3.6
_MIN_AGREEMENT = 0.35
_MIN_STRUCTURE = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One look. ``brightness`` mean luma; ``highlight`` luma that 2 % of the picture exceeds; ``sharpness`` steepest
    edges at full against quarter, and at half against eighth size: about 1 for sharp, 0.25 for blurred edges;
    ``structure`` steepest gradients at quarter size, grey levels; ``edges`` (90, 160) gradients; ``layout`` (9, 16)
    coarse luma; ``sample`` (about 90, 160) picked pixels; ``size_wh`` of the picture."""

    brightness: float
    highlight: float
    sharpness: tuple[float, float]
    structure: float
    edges: Floats
    layout: Floats
    sample: NDArray[np.uint8]
    size_wh: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Likeness:
    """A view against a reference. ``judged`` blocks with structure in the reference; shares of them: ``agreeing`` have
    their edges where they were, ``blank`` lost them; ``layout`` correlation of the coarse pictures, -1..1."""

    judged: int
    agreeing: float
    blank: float
    layout: float


def measure(luma: NDArray[np.uint8]) -> View:
    """Measure one picture, (h, w) uint8 with sides of at least 16 pixels."""
    height, width = luma.shape
    small = cv2.resize(luma, _MAP_WH, interpolation=cv2.INTER_AREA)
    edges = _gradients(small)
    levels = [_steepness(_shrunk(luma, by)) for by in (1, 2, 4, 8)]
    step_y, step_x = max(1, height // _MAP_WH[1]), max(1, width // _MAP_WH[0])
    return View(
        brightness=float(small.mean()),
        highlight=float(np.percentile(small, 98)),
        sharpness=(levels[0] / max(levels[2], 1.0), levels[1] / max(levels[3], 1.0)),
        structure=float(np.percentile(edges, 98)),
        edges=edges,
        layout=cv2.resize(small, _LAYOUT_WH, interpolation=cv2.INTER_AREA).astype(np.float32),
        sample=luma[::step_y, ::step_x].copy(),
        size_wh=(width, height),
    )


def _shrunk(luma: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    """Every ``by``-th pixel as an area mean; at full size only every third row, which is enough for a quantile."""
    height, width = luma.shape
    if by == 1:
        return luma[::3]
    return np.asarray(cv2.resize(luma, (width // by, height // by), interpolation=cv2.INTER_AREA), np.uint8)


def _steepness(luma: NDArray[np.uint8]) -> float:
    """Mean of the steepest 2 % of horizontal steps, in grey levels, less what noise alone would give.

    Noise is read from the median step: for Gaussian noise the steepest 2 % average 3.6 times the median.
    """
    steps = cv2.absdiff(luma[:, 1:], luma[:, :-1])
    histogram = np.bincount(steps.ravel(), minlength=256)
    below = np.cumsum(histogram) / histogram.sum()
    median = float(np.interp(0.5, below, np.arange(256)))
    share = np.diff(np.maximum(below, 0.98), prepend=0.98)  # of the top 2 %, per grey level
    steep = float((share * np.arange(256)).sum() / 0.02)
    return float(np.sqrt(max(steep**2 - (_NOISE_TAIL * median) ** 2, 0.0)))


def compare(view: View, edges: Floats, layout: Floats) -> Likeness:
    """How ``view`` compares with reference ``edges`` (90, 160) and ``layout`` (9, 16)."""
    now, reference = _centred_blocks(view.edges), _centred_blocks(edges)  # (60, 240)
    power_now, power_reference = (now**2).mean(axis=1), (reference**2).mean(axis=1)
    is_judged = power_reference > _MIN_BLOCK_EDGE**2
    judged = int(is_judged.sum())
    if judged == 0:
        return Likeness(0, 1.0, 0.0, _correlation(view.layout, layout))
    covariance = (now * reference).mean(axis=1)
    agreement = covariance / np.sqrt(np.maximum(power_now * power_reference, 1e-6))
    is_agreeing = agreement[is_judged] >= _MIN_AGREEMENT
    is_blank = ~is_agreeing & (power_now < _MIN_STRUCTURE**2 * power_reference)[is_judged]
    return Likeness(judged, float(is_agreeing.mean()), float(is_blank.mean()), _correlation(view.layout, layout))


def _gradients(luma: NDArray[np.uint8]) -> Floats:
    """Gradient magnitude in grey levels per pixel, (h, w) -> (h, w)."""
    slope_x = cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=0.125)
    slope_y = cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=0.125)
    return np.asarray(cv2.magnitude(slope_x, slope_y), np.float32)


def _centred_blocks(edges: Floats) -> Floats:
    """(90, 160) -> (60 blocks, 240 pixels), each with mean 0."""
    columns, rows = _BLOCKS_XY
    height, width = edges.shape
    blocks = edges.reshape(rows, height // rows, columns, width // columns).swapaxes(1, 2).reshape(BLOCKS, -1)
    centred: Floats = blocks - blocks.mean(axis=1, keepdims=True)
    return centred


def _correlation(one: Floats, other: Floats) -> float:
    """Pearson correlation; 0 when one of them is flat."""
    a, b = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 1e-3 else 0.0
