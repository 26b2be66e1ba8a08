"""From a raw score to how improbable it is among normal ones: conformal in the body, generalised Pareto in the tail.

In: raw scores of normal samples, each scored by a model that had not seen its stretch of time. Out: :class:`Tail`,
which says of any raw score ``-log p``, p being the chance that normal life gives so high a score or a higher one.

In the body p is the conformal p-value (1 + #{normal >= x}) / (n + 1) (Vovk, Gammerman and Shafer 2005). Above the
90 % quantile the excesses follow a generalised Pareto law (Pickands 1975), fitted by probability-weighted moments
(Hosking and Wallis 1987), which needs no iteration and is the steadier one for few samples. Its shape is held in
0..0.5: a tail that ends would call impossible what was merely not seen yet.
Next file: ``pipeline/unusual/normality.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_SURPRISE", "Tail", "tail_of"]

MAX_SURPRISE = 14.0
"""No single cue is believed to be rarer than one in a million."""
_MAX_BEYOND = 2.0  # the tail is not followed further than this beyond what the number of samples can show

_TAIL_SHARE = 0.1
_MIN_TAIL = 8
_MIN_SAMPLES = 12
_MAX_SHAPE = 0.5
_LEAST_SCALE = 1e-3  # of the spread of all scores

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tail:
    """Normal scores in ascending order, and the law of those above ``begin``."""

    normal: Floats
    begin: float
    begin_p: float
    scale: float
    shape: float

    def surprise(self, scores: NDArray[Any]) -> Floats:
        """``-log p`` (n,) of raw ``scores`` (n,), 0..14; NaN stays NaN."""
        found = np.asarray(scores, np.float64)
        is_known = np.isfinite(found)
        x = np.where(is_known, found, self.begin)
        n = len(self.normal)
        above = n - np.searchsorted(self.normal, x, side="left")
        body = -np.log((1 + above) / (n + 1))
        excess = np.maximum(0.0, x - self.begin) / self.scale
        drop = excess if self.shape < 1e-6 else np.log1p(self.shape * excess) / self.shape
        tail = drop - np.log(self.begin_p)
        surprise = np.where(x > self.begin, tail, np.minimum(body, -np.log(self.begin_p)))
        surprise = np.minimum(surprise, min(MAX_SURPRISE, np.log(n + 1) + _MAX_BEYOND))
        return np.where(is_known, np.maximum(surprise, 0.0), np.nan)

    def __repr__(self) -> str:
        return f"Tail(n={len(self.normal)}, begin={self.begin:.3g}, scale={self.scale:.3g}, shape={self.shape:.2f})"


def tail_of(scores: NDArray[Any], grain: float = 0.0) -> Tail | None:
    """The law of normal raw ``scores`` (n,); None when there are too few to say anything.

    The tail falls to 1/e over no less than ``grain``: where life is very regular, differences too small to mean
    anything are still nothing unusual.
    """
    normal = np.sort(np.asarray(scores, np.float64)[np.isfinite(scores)])
    n = len(normal)
    if n < _MIN_SAMPLES:
        return None
    in_tail = min(n // 2, max(_MIN_TAIL, round(_TAIL_SHARE * n)))
    begin = float(normal[n - in_tail - 1])
    excess = normal[n - in_tail :] - begin
    spread = float(normal[-1] - normal[0])
    scale, shape = _pareto(excess, max(grain, _LEAST_SCALE * spread, 1e-6 * max(1.0, abs(begin))))
    return Tail(normal, begin, (1 + in_tail) / (n + 1), scale, shape)


def _pareto(excess: Floats, least_scale: float) -> tuple[float, float]:
    """Scale and shape of a generalised Pareto law by probability-weighted moments; ``excess`` ascending."""
    m = len(excess)
    mean = float(excess.mean())
    weighted = float((excess * (m - 1 - np.arange(m))).sum()) / (m * (m - 1)) if m > 1 else mean / 2
    spread = mean - 2 * weighted
    shape = 2 - mean / spread if spread > 0 else 0.0
    shape = min(_MAX_SHAPE, max(0.0, shape))
    return max(least_scale, mean * (1 - shape)), shape
