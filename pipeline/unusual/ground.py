"""How tall a person is at each place of the picture: the camera's own person-height line, learned from people.

In: foot points and box heights of people. Out: :class:`Ground`. On flat ground a pinhole camera sees heights that grow
linearly with the foot's distance below the horizon (Hoiem, Efros and Hebert 2006), so two numbers say it all; with
them a speed in pixels becomes one in body heights. Next file: ``pipeline/unusual/channels.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ground", "learn_ground"]

_MIN_PEOPLE = 30
_ROUNDS = 10
_LEAST_SHARE = 0.35
_DEFAULT_HEIGHT = 0.25
_FLAT = 0.02  # feet that lie within so many picture heights tell no slope

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ground:
    """A person whose foot is at ``y`` stands ``base + slope * y`` high, never below ``least``; picture heights."""

    base: float
    slope: float
    least: float

    def height(self, foot_y: Floats) -> Floats:
        """Height (n,) of a standing person with the foot at ``foot_y`` (n,)."""
        return np.maximum(self.least, self.base + self.slope * foot_y)


def learn_ground(foot_y: Floats, height: Floats) -> Ground:
    """The line through people's heights, by reweighted least squares: the bent and half hidden count little."""
    is_known = np.isfinite(foot_y) & np.isfinite(height)
    y, h = foot_y[is_known], height[is_known]
    if len(h) == 0:
        return Ground(_DEFAULT_HEIGHT, 0.0, _DEFAULT_HEIGHT)
    middle = float(np.median(h))
    least = _LEAST_SHARE * middle
    if len(h) < _MIN_PEOPLE or float(np.ptp(np.percentile(y, [10, 90]))) < _FLAT:
        return Ground(middle, 0.0, least)
    weight = np.ones(len(h))
    base, slope = middle, 0.0
    for _ in range(_ROUNDS):
        mean_y, mean_h = np.average(y, weights=weight), np.average(h, weights=weight)
        slope = float((weight * (y - mean_y) * (h - mean_h)).sum() / (weight * (y - mean_y) ** 2).sum())
        base = float(mean_h - slope * mean_y)
        off = (h - base - slope * y) / middle
        weight = 1 / (1 + (off / 0.15) ** 2) ** 2
    return Ground(base, slope, least) if slope >= 0 else Ground(middle, 0.0, least)
