"""Does anything move? In: luma pictures of one camera with their media time; out: a :class:`GateReading` for each.

The picture is reduced to about 80 cells along its long side; ``pipeline/ingest/background.py`` says which cells hold
something new; here neighbouring cells become blobs, blobs without a past (rain, snow, noise) are told from things that
move on, and the gate opens and closes. Works at any spacing of looks, from every frame to one key frame in 4 s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.background import CellChange, CellModel
from pipeline.ingest.blobs import SPARSE_S, BlobChains

__all__ = ["GateConfig", "GateReading", "MotionGate"]

_CELLS_ALONG = 80
_MIN_SIDE_PX = 16
_BIG_BLOB_CELLS = 6  # a blob of so many cells opens the gate without a past (a car at 5 frames per second) ...
_SPECKLE_MARGIN = 1.5  # ... if it is so much larger than what lately led nowhere (snow before the lens)
_GLOBAL_MEMORY_S = 60.0
_MAX_GLOBALS = 3.0
_NO_BOXES: NDArray[np.float32] = np.zeros((0, 4), np.float32)


@dataclass(frozen=True, slots=True)
class GateConfig:
    """Knobs of the gate. ``hold_s``: seconds of media time it stays open after the last motion; ``min_cells``: cells
    (1/80 of the long side each) a moving thing covers at least; ``is_enabled`` False keeps the gate open always."""

    is_enabled: bool = True
    hold_s: float = 4.0
    min_cells: int = 2

    def __post_init__(self) -> None:
        if not (math.isfinite(self.hold_s) and self.hold_s > 0):
            raise ValueError(f"hold_s: expected seconds > 0, got {self.hold_s}")
        if self.min_cells < 1:
            raise ValueError(f"min_cells: expected >= 1, got {self.min_cells}")


@dataclass(frozen=True, slots=True, eq=False)
class GateReading:
    """``motion``: moving share of the picture, 0..1; ``boxes_norm`` (N, 4) float32 xyxy of what moves; ``is_global``:
    the whole picture became another one at once (lights, a cut, a knock), which is no motion of something in it."""

    is_open: bool
    motion: float
    boxes_norm: NDArray[np.float32]
    is_global: bool


class MotionGate:
    """Opens when something moves, closes ``hold_s`` after nothing does. Bounded state; media time only."""

    def __init__(self, config: GateConfig | None = None) -> None:
        self._config = config or GateConfig()
        self.reset()

    def reset(self) -> None:
        """Forget the scene (a new session): the gate is open for ``hold_s`` while it learns the background."""
        self._shape: tuple[int, int] = (0, 0)
        self._model: CellModel | None = None
        self._at_s = -math.inf
        self._open_until_s = -math.inf
        self._chains = BlobChains()
        self._globals = 0.0

    def update(self, luma: NDArray[np.uint8], at_s: float) -> GateReading:
        """Look at one picture, (h, w) uint8, at media time ``at_s``; any spacing from 0.03 to 4 s.

        A new picture size starts over. Raises ValueError for another shape or type, a side under 16 pixels, or a time
        that is not finite.
        """
        cells = _cells_of(luma)
        if not math.isfinite(at_s):
            raise ValueError(f"at_s: expected a finite number, got {at_s}")
        if self._model is None or luma.shape != self._shape:
            self.reset()
            self._shape = (luma.shape[0], luma.shape[1])
            self._model = CellModel(cells, at_s)
            self._at_s, self._open_until_s = at_s, at_s + self._config.hold_s
            return GateReading(True, 0.0, _NO_BOXES, False)
        dt_s = max(at_s - self._at_s, 0.0)
        self._at_s = at_s
        self._globals *= math.exp(-dt_s / _GLOBAL_MEMORY_S)
        change = self._model.observe(cells, at_s)
        boxes_norm = self._things(change, at_s, is_sparse=dt_s >= SPARSE_S)
        if change.is_global:
            self._globals += 1.0
        if len(boxes_norm) or (change.is_global and self._globals <= _MAX_GLOBALS):
            self._open_until_s = at_s + self._config.hold_s
        is_open = at_s < self._open_until_s or not self._config.is_enabled
        return GateReading(is_open, float(change.is_changed.mean()), boxes_norm, change.is_global)

    def _things(self, change: CellChange, at_s: float, *, is_sparse: bool) -> NDArray[np.float32]:
        """Boxes (N, 4) of the blobs that are things on the move: not speckle, not texture."""
        blobs = self._chains.follow(change.is_changed, change.is_fresh, at_s)
        if len(blobs.area) == 0:
            return _NO_BOXES
        least = self._config.min_cells
        is_proven = blobs.looks >= self._chains.needed_looks
        alone = max(least if is_sparse else _BIG_BLOB_CELLS, _SPECKLE_MARGIN * self._chains.speckle_area)
        is_thing = (blobs.fresh >= least) & is_proven | (blobs.fresh >= alone)
        is_thing |= blobs.is_travelling & is_proven & (blobs.area >= least)
        rows, columns = change.is_changed.shape
        boxes_norm: NDArray[np.float32] = (blobs.xyxy[is_thing] / (columns, rows, columns, rows)).astype(np.float32)
        return boxes_norm


def _cells_of(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean luma per cell: (h, w) -> (rows, columns), the long side about 80 cells."""
    if luma.ndim != 2 or luma.dtype != np.uint8:
        raise ValueError(f"luma: expected (h, w) uint8, got {luma.shape} {luma.dtype}")
    height, width = luma.shape
    if min(height, width) < _MIN_SIDE_PX:
        raise ValueError(f"luma: expected sides of at least {_MIN_SIDE_PX} pixels, got {width}x{height}")
    side = max(1, round(max(height, width) / _CELLS_ALONG))
    reduced = cv2.resize(luma, (width // side, height // side), interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, np.float32)
