"""Which new cells belong to things that persist or travel. In: masks of new cells with media time; out: :class:`Blobs`.

Neighbouring cells form a blob; a blob that overlaps one of the look before continues its chain. Rain, snow and noise
make many short chains, so the chain that proves a thing gets longer with the number of blobs that lead nowhere. A
chain that covers ground in one direction is travelling: that tells traffic from leaves in the same place.
Used by ``pipeline/ingest/motion.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SPARSE_S", "BlobChains", "Blobs"]

SPARSE_S = 0.5
"""Looks at least so far apart (key frames only) cannot support each other: one look must do."""

_MAX_BLOBS = 48
_MAX_AREA_RATIO = 3.0
_MIN_TRAVEL_CELLS = 2.5
_MIN_TRAVEL_OF_SIZE = 0.4
_MIN_STRAIGHTNESS = 0.7
_SPECKLE_MEMORY_S = 20.0
_AREA_MEMORY_S = 60.0
_MAX_SPECKLE_CELLS = 16.0  # what is much larger than this is looked at, whatever the weather

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Blobs:
    """The largest blobs of one look, as a struct of arrays. ``xyxy`` (N, 4) and ``area`` (N,) in cells; ``fresh`` (N,)
    cells that are not known texture; ``looks`` (N,) length of the chain; ``is_travelling`` (N,)."""

    xyxy: Floats
    area: Floats
    fresh: Floats
    looks: NDArray[np.intp]
    is_travelling: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Chains:
    """Blobs of the last look with where they began and how far they came, in cells."""

    xyxy: Floats
    area: Floats
    fresh: Floats
    looks: NDArray[np.intp]
    start_xy: Floats
    last_xy: Floats
    path: Floats


_NONE = _Chains(
    *(np.zeros((0, 4)), np.zeros(0), np.zeros(0), np.zeros(0, np.intp), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0))
)


class BlobChains:
    """Follows blobs from look to look. State: at most 48 chains and three numbers."""

    def __init__(self) -> None:
        self._chains = _NONE
        self._at_s = -math.inf
        self._speckles = 0.0  # running mean of blobs per look that led nowhere
        self._speckle_area = 0.0  # decaying maximum of their fresh cells

    @property
    def needed_looks(self) -> int:
        """Length of the chain that proves a thing in the present weather: 2 when all is calm."""
        return 2 + math.ceil(math.log2(1.0 + self._speckles))

    @property
    def speckle_area(self) -> float:
        """Cells, known texture not counted, up to which blobs lately led nowhere."""
        return self._speckle_area

    def follow(self, is_changed: NDArray[np.bool_], is_fresh: NDArray[np.bool_], at_s: float) -> Blobs:
        """Blobs of the cells ``is_changed`` (rows, columns), continued from the last look; ``is_fresh`` is the part of
        them that is not known texture."""
        dt_s = max(at_s - self._at_s, 0.0)
        self._at_s = at_s
        if dt_s >= SPARSE_S:  # too far apart to continue anything, or to learn that it leads nowhere
            self._chains = _NONE
            dt_s = SPARSE_S
        self._speckle_area *= math.exp(-dt_s / _AREA_MEMORY_S)
        pace = 1.0 - math.exp(-dt_s / _SPECKLE_MEMORY_S)
        before = self._chains
        if not is_changed.any():
            self._forget(before, np.zeros(len(before.area), np.bool_), pace)
            self._chains = _NONE
            return Blobs(_NONE.xyxy, _NONE.area, _NONE.area, _NONE.looks, np.zeros(0, np.bool_))
        xyxy, area, xy, fresh = _blobs(is_changed, is_fresh)
        parent = _parents(xyxy, area, before)
        has_parent = parent >= 0
        was_continued = np.zeros(len(before.area), np.bool_)
        was_continued[parent[has_parent]] = True
        self._forget(before, was_continued, pace)
        looks = np.ones(len(area), np.intp)
        start_xy, path = xy.copy(), np.zeros(len(area))
        source = parent[has_parent]
        looks[has_parent] += before.looks[source]
        start_xy[has_parent] = before.start_xy[source]
        step = np.linalg.norm(xy[has_parent] - before.last_xy[source], axis=1)
        path[has_parent] = before.path[source] + step
        self._chains = _Chains(xyxy, area, fresh, looks, start_xy, xy, path)
        return Blobs(xyxy, area, fresh, looks, _is_travelling(self._chains))

    def _forget(self, before: _Chains, was_continued: NDArray[np.bool_], pace: float) -> None:
        """Chains that end early are speckle: their number and size set what is believed next."""
        is_speckle = ~was_continued & (before.fresh >= 1) & (before.looks < max(self.needed_looks, 3))
        self._speckles += pace * (float(is_speckle.sum()) - self._speckles)
        if is_speckle.any():
            largest = float(before.fresh[is_speckle].max())
            self._speckle_area = max(self._speckle_area, min(largest, _MAX_SPECKLE_CELLS))


def _blobs(is_changed: NDArray[np.bool_], is_fresh: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats, Floats]:
    """The largest blobs, 8-connected: boxes (N, 4), areas (N,), middles (N, 2), fresh cells (N,)."""
    _, blob_of, stats, middle_xy = cv2.connectedComponentsWithStats(is_changed.view(np.uint8), connectivity=8)
    fresh = np.bincount(blob_of[is_fresh], minlength=len(stats))
    area = stats[1:, cv2.CC_STAT_AREA]
    largest = 1 + np.argsort(-area, kind="stable")[:_MAX_BLOBS]
    left_top = stats[largest, :2].astype(np.float64)
    xyxy = np.hstack([left_top, left_top + stats[largest, 2:4]])
    return xyxy, stats[largest, cv2.CC_STAT_AREA].astype(np.float64), middle_xy[largest], fresh[largest].astype(float)


def _parents(xyxy: Floats, area: Floats, before: _Chains) -> NDArray[np.intp]:
    """For each blob the chain it continues (index, -1 for none): overlapping, of similar area, the oldest first."""
    if len(before.area) == 0:
        return np.full(len(area), -1, np.intp)
    low = np.maximum(xyxy[:, None, :2], before.xyxy[None, :, :2])
    high = np.minimum(xyxy[:, None, 2:], before.xyxy[None, :, 2:])
    overlap = np.prod(np.clip(high - low, 0.0, None), axis=2)  # (N, M)
    ratio = area[:, None] / before.area[None, :]
    is_match = (overlap > 0) & (ratio <= _MAX_AREA_RATIO) & (ratio >= 1 / _MAX_AREA_RATIO)
    worth = np.where(is_match, before.looks[None, :] + overlap / (1.0 + overlap), 0.0)
    best = np.argmax(worth, axis=1)
    return np.where(worth[np.arange(len(area)), best] > 0, best, -1)


def _is_travelling(chains: _Chains) -> NDArray[np.bool_]:
    """Chains that went somewhere, rather straight."""
    gone = np.linalg.norm(chains.last_xy - chains.start_xy, axis=1)
    size = np.max(chains.xyxy[:, 2:] - chains.xyxy[:, :2], axis=1)
    is_far: NDArray[np.bool_] = gone >= np.maximum(_MIN_TRAVEL_CELLS, _MIN_TRAVEL_OF_SIZE * size)
    is_travelling: NDArray[np.bool_] = is_far & (gone >= _MIN_STRAIGHTNESS * chains.path) & (chains.looks >= 4)
    return is_travelling
