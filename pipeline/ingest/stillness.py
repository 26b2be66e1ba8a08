"""Is the picture frozen? In: picked pixels with media time; out: yes or no. Used by ``pipeline/ingest/health.py``.

A living camera has sensor noise: two of its pictures are never alike. Two signs are read, both against what this camera
did before, so that a rendered scene without noise is never called frozen:

- nearly the same pixels for longer than this camera's encoder ever skipped (the camera repeats one coded picture);
- some picture of the last seconds is far more like the present one than any two pictures were while it lived (the
  sensor hangs, and the encoder keeps coding the same picture: alike one group of pictures apart).

The second sign needs an encoder with bits to spare: at starvation rates coding errors hide the sensor.
"""

from __future__ import annotations

import math
from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Stillness"]

_SAME_SHARE = 0.01  # of the pixels: a clock or a logo in the picture may change
_NOISE_SHARE = 0.1
_MIN_NOISY_LOOKS = 5
_FROZEN_OF_USUAL = 2.0
_MAX_USUAL_S = 4.0  # an encoder that skips everything between key frames looks still for so long
_USUAL_MEMORY_S = 600.0
_NEAREST_S, _FARTHEST_S = 1.9, 8.5  # ages of the pictures compared: other groups of pictures, not this one
_MAX_KEPT = 20
_MIN_LEARNED_LOOKS = 20
_MIN_LEVEL = 0.3  # grey levels of difference; with less there is no noise to miss
_ALIKE = 0.3  # of the smallest difference while alive
_UNLIKE = 0.5  # of it: alive again
_LEVEL_RISE = 1.00001  # per look: doubles in about ten hours of looking twice a second
_CHANGED = 6.0  # grey levels within seconds: light, fog, a cut; the noise before does not tell the noise after
_TILES_WH = (8, 6)


class Stillness:
    """Watches one camera. State: 20 small pictures and a few numbers."""

    def __init__(self, frozen_after_s: float) -> None:
        self._frozen_after_s = frozen_after_s
        self._kept: deque[tuple[float, NDArray[np.uint8]]] = deque(maxlen=_MAX_KEPT)
        self._anchor_s = math.inf
        self._anchor: NDArray[np.uint8] | None = None
        self._noisy_looks = 0
        self._usual_s = 0.0  # decaying maximum of the time between two noisy looks
        self._level = math.inf  # smallest difference between pictures while alive, rising very slowly
        self._learned_looks = 0
        self._doubted: deque[tuple[float, float]] = deque(maxlen=_MAX_KEPT)  # differences not yet learned
        self._alike_since_s = math.inf

    def is_frozen(self, sample: NDArray[np.uint8], at_s: float, *, is_usual: bool = True) -> bool:
        """Look at the picked pixels ``sample`` (rows, columns). ``is_usual`` False: the view is dark, blurred or
        covered, so that its noise does not compare with the noise known; then only the first sign counts."""
        if self._kept and self._kept[-1][1].shape != sample.shape:
            self.reset()
        repeats, is_alike = self._repeats(sample, at_s), is_usual and self._is_alike(sample, at_s)
        if not is_usual:
            self._alike_since_s = math.inf
        self._kept.append((at_s, sample))
        return repeats or is_alike

    def reset(self) -> None:
        """The next look has no past to be compared with; what is known of the camera stays."""
        self._kept.clear()
        self._anchor = None
        self._doubted.clear()
        self._alike_since_s = math.inf

    def _repeats(self, sample: NDArray[np.uint8], at_s: float) -> bool:
        """The first sign."""
        if self._anchor is None:
            self._anchor, self._anchor_s = sample, at_s
            return False
        is_other = sample != self._anchor
        still_s = at_s - self._anchor_s
        if float(is_other.mean()) > _SAME_SHARE:
            if float((_tiles(is_other.view(np.uint8)) > _NOISE_SHARE).mean()) >= 0.6:  # everywhere, as noise is
                self._noisy_looks += 1
                decay = math.exp(-max(still_s, 0.0) / _USUAL_MEMORY_S)
                self._usual_s = max(self._usual_s * decay, min(still_s, _MAX_USUAL_S))
            self._anchor, self._anchor_s = sample, at_s
            return False
        is_known = self._noisy_looks >= _MIN_NOISY_LOOKS
        return is_known and still_s >= max(self._frozen_after_s, _FROZEN_OF_USUAL * self._usual_s)

    def _is_alike(self, sample: NDArray[np.uint8], at_s: float) -> bool:
        """The second sign."""
        past = [(seen_s, _difference(sample, seen)) for seen_s, seen in self._kept if _is_comparable(at_s - seen_s)]
        if not past:
            return False
        if past[0][1] > _CHANGED:  # the oldest of them
            self._level, self._learned_looks = math.inf, 0
            self._doubted.clear()
        seen_s, least = min(past, key=lambda pair: pair[1])
        self._learn(least, at_s)
        is_known = self._learned_looks >= _MIN_LEARNED_LOOKS and self._level >= _MIN_LEVEL
        share = _ALIKE if math.isinf(self._alike_since_s) else _UNLIKE
        if not (is_known and least < share * self._level):
            self._alike_since_s = math.inf
            return False
        self._doubted.clear()
        self._alike_since_s = min(self._alike_since_s, seen_s)
        return at_s - self._alike_since_s >= self._frozen_after_s

    def _learn(self, least: float, at_s: float) -> None:
        """Learn the level with a delay: what leads up to a freeze, as the encoder settles, is never learned."""
        self._doubted.append((at_s, least))
        while self._doubted and at_s - self._doubted[0][0] > _FARTHEST_S:
            _, trusted = self._doubted.popleft()
            self._learned_looks += 1
            self._level = min(self._level * _LEVEL_RISE, trusted)


def _is_comparable(age_s: float) -> bool:
    return _NEAREST_S <= age_s <= _FARTHEST_S


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Mean absolute difference in the quieter tiles of the picture (lower quartile), grey levels."""
    return float(np.percentile(_tiles(cv2.absdiff(one, other)), 25))


def _tiles(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means over 8 x 6 tiles."""
    return np.asarray(cv2.resize(values.astype(np.float32), _TILES_WH, interpolation=cv2.INTER_AREA), np.float32)
