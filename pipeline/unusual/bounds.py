"""Keeps what is remembered of normal life within its bound, without forgetting yesterday for today's sake.

In: samples with their times. Out: which to keep. When there are too many, hours that have the most give up theirs
first, those thinned evenly: a busy noon never pushes out a quiet night. Next file: ``pipeline/unusual/normality.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_SCENE_SAMPLES", "MAX_TEXT_SAMPLES", "MAX_TRACK_SAMPLES", "MAX_WITHHELD_SAMPLES", "keep"]

MAX_TRACK_SAMPLES = 2400
"""Of one class group."""
MAX_SCENE_SAMPLES = 7200
MAX_TEXT_SAMPLES = 600
MAX_WITHHELD_SAMPLES = 600

_HOUR_S = 3600.0


def keep(at_s: NDArray[np.float64], bound: int) -> NDArray[np.intp]:
    """Indices, ascending, of at most ``bound`` of the samples taken at ``at_s`` (n,)."""
    n = len(at_s)
    if n <= bound:
        return np.arange(n)
    hours, of_hour, count = np.unique(np.floor(at_s / _HOUR_S), return_inverse=True, return_counts=True)
    quota = _level(count, bound)
    kept = [_evenly(np.flatnonzero(of_hour.reshape(-1) == hour), int(quota[hour])) for hour in range(len(hours))]
    return np.sort(np.concatenate(kept)).astype(np.intp)


def _level(count: NDArray[Any], bound: int) -> NDArray[Any]:
    """How many each hour keeps: all of the small ones, and the same number of each large one."""
    low, high = 0, int(count.max())
    while low < high:
        middle = (low + high + 1) // 2
        if int(np.minimum(count, middle).sum()) <= bound:
            low = middle
        else:
            high = middle - 1
    quota: NDArray[Any] = np.minimum(count, low)
    spare = bound - int(quota.sum())
    larger = np.flatnonzero(count > low)[::-1][:spare]  # the newest hours first
    quota[larger] += 1
    return quota


def _evenly(index: NDArray[np.intp], number: int) -> NDArray[np.intp]:
    """``number`` of ``index``, evenly spread."""
    places = np.floor(np.arange(number) * len(index) / max(1, number)).astype(np.intp)
    return index[places]
