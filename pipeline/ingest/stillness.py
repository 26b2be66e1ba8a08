"""Is the picture frozen? In: picked pixels with media time; out: yes or no. Used by ``pipeline/ingest/health.py``."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stillness"]

_SAME_SHARE = 0.01  # of the pixels: a clock or a logo in the picture may change
_NOISE_SHARE = 0.1
_MIN_NOISY_LOOKS = 5
_FROZEN_OF_USUAL = 2.0
_MAX_USUAL_S = 4.0  # an encoder that skips everything between key frames looks still for so long
_USUAL_MEMORY_S = 600.0


class Stillness:
    """Tells a frozen picture from a still scene by the sensor noise the camera showed before."""

    def __init__(self, frozen_after_s: float) -> None:
        self._frozen_after_s = frozen_after_s
        self._anchor: NDArray[np.uint8] | None = None
        self._anchor_s = -math.inf
        self._noisy_looks = 0
        self._usual_s = 0.0  # decaying maximum of the time between two noisy looks

    def is_frozen(self, sample: NDArray[np.uint8], at_s: float) -> bool:
        """Look at the picked pixels ``sample`` (rows, columns)."""
        if self._anchor is None or self._anchor.shape != sample.shape:
            self._anchor, self._anchor_s = sample, at_s
            return False
        is_other = sample != self._anchor
        still_s = at_s - self._anchor_s
        if float(is_other.mean()) > _SAME_SHARE:
            if _is_everywhere(is_other):
                self._noisy_looks += 1
                decay = math.exp(-max(still_s, 0.0) / _USUAL_MEMORY_S)
                self._usual_s = max(self._usual_s * decay, min(still_s, _MAX_USUAL_S))
            self._anchor, self._anchor_s = sample, at_s
            return False
        is_known = self._noisy_looks >= _MIN_NOISY_LOOKS
        return is_known and still_s >= max(self._frozen_after_s, _FROZEN_OF_USUAL * self._usual_s)

    def reset(self) -> None:
        """The next look has no past to be compared with."""
        self._anchor = None


def _is_everywhere(is_other: NDArray[np.bool_]) -> bool:
    """Whether change fills the picture, as noise does and things in a scene do not: most of 8 x 6 tiles have some."""
    rows, columns = is_other.shape[0] // 6 * 6, is_other.shape[1] // 8 * 8
    if rows == 0 or columns == 0:
        return False
    tiles = is_other[:rows, :columns].reshape(6, rows // 6, 8, columns // 8).mean(axis=(1, 3))
    return float((tiles > _NOISE_SHARE).mean()) >= 0.6
