"""Distance to the nearest normal samples. In: exemplars (n, d); out: how far others are from them.

The mean distance to the three nearest exemplars, after k-nearest-neighbour anomaly detection (Ramaswamy, Rastogi and
Shim 2000; Reiss and Hoshen 2022 for video attributes). Next file: ``pipeline/unusual/normality.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Neighbours", "fit_neighbours"]

_NEAREST = 3

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """``exemplars`` (n, d) divided by ``spread`` (d,), the squared length (n,) of each, and which sample each was."""

    exemplars: Singles
    square: Singles
    spread: Floats
    sample: NDArray[np.intp]

    def distance(self, points: Floats) -> tuple[Floats, NDArray[np.intp]]:
        """Mean distance (m,) of ``points`` (m, d) to their nearest exemplars, and the very nearest sample (m,).

        NaN (and sample 0) where a coordinate is NaN.
        """
        squared = self._squared((points / self.spread).astype(np.float32))
        nearest = self.sample[np.argmin(np.where(np.isnan(squared), np.inf, squared), axis=1)]
        return _mean_nearest(squared), nearest

    def left_out(self, segment: NDArray[np.intp], samples: int) -> Floats:
        """Distance (samples,) of every exemplar to those of other segments; NaN for samples that are no exemplar.

        ``segment`` (samples,) tells which stretch of time each sample is of.
        """
        squared = self._squared(self.exemplars)
        own = segment[self.sample]
        squared[own[:, None] == own[None, :]] = np.inf
        found = np.full(samples, np.nan)
        found[self.sample] = _mean_nearest(squared)
        return found

    def _squared(self, points: Singles) -> Singles:
        squared = (points**2).sum(1)[:, None] + self.square[None] - 2 * points @ self.exemplars.T
        clipped: Singles = np.maximum(squared, 0.0)
        return clipped


def fit_neighbours(points: Floats, *, is_scaled: bool) -> Neighbours | None:
    """Exemplars from ``points`` (n, d), rows with NaN left out; None when hardly any is left."""
    sample = np.flatnonzero(np.isfinite(points).all(1))
    if len(sample) <= _NEAREST:
        return None
    known = points[sample]
    spread = np.maximum(known.std(0), 1e-3) if is_scaled else np.ones(points.shape[1])
    exemplars = (known / spread).astype(np.float32)
    return Neighbours(exemplars, (exemplars**2).sum(1), spread, sample)


def _mean_nearest(squared: Singles) -> Floats:
    k = min(_NEAREST, squared.shape[1])
    nearest = np.partition(squared, k - 1, axis=1)[:, :k]
    distance = np.sqrt(nearest.astype(np.float64)).mean(1)
    return np.where(np.isfinite(distance), distance, np.nan)
