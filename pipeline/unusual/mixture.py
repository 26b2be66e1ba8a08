"""A small Gaussian mixture for attributes of two dimensions. In: normal samples; out: -log density of others.

Expectation maximisation (Dempster, Laird and Rubin 1977) from a deterministic start: the same samples give the same
mixture. Next file: ``pipeline/unusual/normality.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Mixture", "fit_mixture"]

_ROUNDS = 20
_LEAST_PER_COMPONENT = 20
_LEAST_SPREAD = 0.05  # a component is never narrower than this share of all samples' spread
_LEAST_WEIGHT = 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """K Gaussians in the plane: ``weight`` (K,), ``mean`` (K, 2), ``covariance`` (K, 3) as xx, xy, yy."""

    weight: Floats
    mean: Floats
    covariance: Floats

    def rarity(self, points: Floats) -> Floats:
        """-log density (n,) of ``points`` (n, 2); NaN where a coordinate is."""
        return -_log_sum(self.log_joint(points))

    def log_joint(self, points: Floats) -> Floats:
        """log of weight times density (K, n) of every component at ``points`` (n, 2)."""
        xx, xy, yy = (column[:, None] for column in self.covariance.T)
        x = points[None, :, 0] - self.mean[:, 0, None]
        y = points[None, :, 1] - self.mean[:, 1, None]
        volume = xx * yy - xy * xy
        mahalanobis = (yy * x * x - 2 * xy * x * y + xx * y * y) / volume
        joint: Floats = np.log(self.weight)[:, None] - 0.5 * (mahalanobis + np.log(volume)) - math.log(2 * math.pi)
        return joint


def fit_mixture(points: Floats, components: int, start: Mixture | None = None, rounds: int = _ROUNDS) -> Mixture:
    """A mixture of at most ``components`` Gaussians for finite ``points`` (n, 2), n >= 1, from ``start`` if given."""
    spread = np.maximum(points.std(0), 1e-3)
    floor = (_LEAST_SPREAD * spread) ** 2
    if start is None:
        n = len(points)
        k = max(1, min(components, n // _LEAST_PER_COMPONENT))
        order = np.argsort(points @ (1 / spread), kind="stable")
        share = np.zeros((k, n))
        share[np.arange(n) * k // n, order] = 1.0
        start = _maximise(points, share, floor)
    mixture = start
    for _ in range(rounds if len(start.weight) > 1 else 1):
        joint = mixture.log_joint(points)
        mixture = _maximise(points, np.exp(joint - _log_sum(joint)), floor)
    return mixture


def _maximise(points: Floats, share: Floats, floor: Floats) -> Mixture:
    weight = share.sum(1) + _LEAST_WEIGHT
    x, y = points.T
    mean = share @ points / weight[:, None]
    products = np.column_stack([x * x, x * y, y * y])
    covariance = share @ products / weight[:, None]
    covariance -= np.column_stack([mean[:, 0] ** 2, mean[:, 0] * mean[:, 1], mean[:, 1] ** 2])
    covariance = np.maximum(covariance, np.array([0.0, -np.inf, 0.0])) + np.array([floor[0], 0.0, floor[1]])
    return Mixture(weight / weight.sum(), mean, covariance)


def _log_sum(joint: Floats) -> Floats:
    top = joint.max(0)
    total: Floats = top + np.log(np.exp(joint - top).sum(0))
    return total
