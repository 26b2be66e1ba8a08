"""What a camera's picture looks like when nothing happens, per cell of a coarse grid. In: cell brightness with media
time; out: which cells hold something new (:class:`CellChange`). Used by ``pipeline/ingest/motion.py``.

Each cell keeps a running mean and variance (Stauffer & Grimson, CVPR 1999, reduced to one mode). Before cells are
compared, the mean picture is fitted to the current one with a gain, an offset and a small shift in one robust linear
regression (the shift is Lucas & Kanade, IJCAI 1981, for the whole picture), so clouds, auto-exposure and a shaking pole
are explained before anything is called new. What stays new in one place ages and is absorbed; what keeps coming and
going in one place is learned as texture (leaves, blinking lamps, compression pulse) up to its usual strength.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CellChange", "CellModel"]

_MEAN_S = 8.0  # how fast an undisturbed cell follows slow change
_VARIANCE_S = 15.0
_ABSORB_AFTER_S = 20.0  # what has covered a cell for so long becomes its background
_RECENT_S = 1.0  # what a cell looked like just now, to notice change inside something that stands
_FRESH_S = 4.0  # a new thing counts as moving for so long after it last changed
_FLICKER_MEMORY_S = 60.0
_FLICKER_SPACING_S = 0.4  # one gesture is one coming and going, at any frame rate
_FLICKER_COUNT = 8.0  # this many comings and goings within the memory are texture, not events
_TEXTURE_MARGIN = 1.4  # texture stronger than this many times its usual strength is an event again
_SIGMAS = 4.0
_BRIEF_S = 0.7  # what comes and goes so fast also counts as noise ...
_BRIEF_SIGMAS = 2.0  # ... of at most this strength, so that it takes many to dull a cell
_MIN_SIGMA = 1.1  # grey levels; rounding and coding noise of a cell mean never falls below it
_EDGE_SLACK = 0.10  # share of the local gradient tolerated always, for shifts the fit cannot see
_MAX_SHIFT_CELLS = 1.0
_FIT_SHARE = 0.002  # with fewer new cells the picture as a whole has not changed and needs no fit
_GLOBAL_SHARE = 0.5
_CALM_SHARE = 0.3

Cells = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class CellChange:
    """``is_changed`` (rows, columns): cells holding something new that changed within the last seconds; ``is_fresh``:
    those of them that are not known texture; ``is_global``: the whole picture became another one at once and was
    learned anew."""

    is_changed: Mask
    is_fresh: Mask
    is_global: bool


class CellModel:
    """The background of one view; built from its first look. State: eight grids."""

    def __init__(self, cells: Cells, at_s: float) -> None:
        """``cells`` (rows, columns) float32 mean luma at media time ``at_s``."""
        self._at_s = at_s
        self._looks = 1
        self._mean = cells.copy()
        self._variance = np.full_like(cells, 4.0)
        self._recent = np.zeros_like(cells)  # running mean of the residual over the last second
        self._began_s = np.zeros(cells.shape, np.float64)  # when the cell began to be new without a break
        self._since_s = np.zeros(cells.shape, np.float64)  # when what is new last changed
        self._is_new: Mask = np.zeros(cells.shape, np.bool_)
        self._flicker = np.zeros_like(cells)  # decaying count of comings and goings
        self._strength = np.zeros_like(cells)  # decaying maximum of |residual| while flickering

    def observe(self, cells: Cells, at_s: float) -> CellChange:
        """Compare ``cells`` at media time ``at_s`` with the background, then learn from them."""
        dt_s = min(max(at_s - self._at_s, 0.0), 10.0)
        self._at_s = at_s
        self._looks += 1
        tolerance = _SIGMAS * np.sqrt(self._variance + _MIN_SIGMA**2)
        residual = cells - self._mean
        magnitude = np.abs(residual)
        is_new: Mask = magnitude > tolerance
        if np.count_nonzero(is_new) > _FIT_SHARE * is_new.size:
            slope_x, slope_y = _slopes(self._mean)
            tolerance += _EDGE_SLACK * (np.abs(slope_x) + np.abs(slope_y))
            residual = cells - self._fit(cells, slope_x, slope_y)
            magnitude = np.abs(residual)
            is_new = magnitude > tolerance
        share = float(is_new.mean())
        if share > _GLOBAL_SHARE and float(self._is_new.mean()) < _CALM_SHARE:
            self._start_over(cells)
            return CellChange(self._is_new, self._is_new, True)
        is_changed, is_fresh = self._track(residual, magnitude, is_new, tolerance, dt_s)
        self._learn(cells, residual, is_new, dt_s)
        return CellChange(is_changed, is_fresh, False)

    def _fit(self, cells: Cells, slope_x: Cells, slope_y: Cells) -> Cells:
        """The background under the current gain, offset and shift: robust least squares over the cells that agree."""
        mean = self._mean
        difference = cells - mean
        sample = difference.ravel()[:: max(1, difference.size // 900)]
        middle = float(np.median(sample))
        spread = float(np.median(np.abs(sample - middle)))
        level = float(mean.mean())
        columns = np.stack([mean.ravel() - level, np.ones(mean.size, np.float32), slope_x.ravel(), slope_y.ravel()])
        target = difference.ravel() - middle
        error = target
        weights = np.zeros(4)
        for reach in (max(3.0 * spread, 4.0), max(2.0 * spread, 3.0)):
            agreeing = columns * (np.abs(error) < reach)  # (4, n)
            normal = (agreeing @ columns.T).astype(np.float64)
            normal[np.diag_indices(4)] += (mean.size, 1e-3, mean.size, mean.size)  # no evidence: no gain, no shift
            weights = np.linalg.solve(normal, (agreeing @ target).astype(np.float64))
            weights[2:] = np.clip(weights[2:], -_MAX_SHIFT_CELLS, _MAX_SHIFT_CELLS)
            error = target - weights.astype(np.float32) @ columns
        fitted: Cells = (cells.ravel() - error).reshape(cells.shape)
        return fitted

    def _track(
        self, residual: Cells, magnitude: Cells, is_new: Mask, tolerance: Cells, dt_s: float
    ) -> tuple[Mask, Mask]:
        """Age what is new, count comings and goings; returns what changed lately and the part that is not texture."""
        at_s = self._at_s
        is_restless = is_new & self._is_new & (np.abs(residual - self._recent) > tolerance)
        has_come = is_new & ~self._is_new
        has_changed = has_come | is_restless
        memory = float(np.exp(-dt_s / _FLICKER_MEMORY_S))
        self._flicker *= memory
        comes_or_goes = has_changed | (self._is_new & ~is_new)
        self._flicker += comes_or_goes & (at_s - self._since_s >= _FLICKER_SPACING_S)
        self._began_s[has_come] = at_s
        self._since_s[has_changed] = at_s
        is_usual = (self._flicker >= _FLICKER_COUNT) & (magnitude <= _TEXTURE_MARGIN * self._strength + tolerance)
        self._strength *= memory
        np.maximum(self._strength, np.where(is_new, magnitude, 0.0), out=self._strength)
        self._recent += (1.0 - float(np.exp(-dt_s / _RECENT_S))) * (residual - self._recent)
        self._is_new = is_new
        is_changed: Mask = is_new & (at_s - self._since_s < _FRESH_S)
        return is_changed, is_changed & ~is_usual

    def _learn(self, cells: Cells, residual: Cells, is_new: Mask, dt_s: float) -> None:
        """Background follows what is not new; what has stood still for long is absorbed."""
        first_looks = 1.0 / self._looks if self._looks <= 8 else 0.0
        pace = np.where(is_new, 0.0, max(_pace(dt_s, _MEAN_S), first_looks)).astype(np.float32)
        is_settled = (self._at_s - self._began_s > _ABSORB_AFTER_S) & (self._since_s < self._at_s)
        pace[is_new & is_settled] = 1.0
        step = pace * (cells - self._mean)
        self._mean += step
        self._recent -= step  # it is relative to the mean
        is_brief = self._at_s - self._since_s < _BRIEF_S
        pace[:] = np.where(is_new & ~is_brief, 0.0, _pace(dt_s, _VARIANCE_S))
        limit = np.where(is_new, _BRIEF_SIGMAS**2 * (self._variance + _MIN_SIGMA**2), np.inf)
        self._variance += pace * (np.minimum(residual * residual, limit) - self._variance)

    def _start_over(self, cells: Cells) -> None:
        """Take ``cells`` as the background; what flickers is remembered."""
        self._mean = cells.copy()
        np.maximum(self._variance, 4.0, out=self._variance)
        self._recent[:] = 0.0
        self._is_new[:] = False
        self._looks = 1


def _pace(dt_s: float, time_constant_s: float) -> float:
    """Share of the way to a target that a first-order lag covers in ``dt_s``."""
    return 1.0 - float(np.exp(-dt_s / time_constant_s))


def _slopes(mean: Cells) -> tuple[Cells, Cells]:
    """Central differences per cell along x and y, zero at the border."""
    slope_x, slope_y = np.zeros_like(mean), np.zeros_like(mean)
    slope_x[:, 1:-1] = 0.5 * (mean[:, 2:] - mean[:, :-2])
    slope_y[1:-1] = 0.5 * (mean[2:] - mean[:-2])
    return slope_x, slope_y
