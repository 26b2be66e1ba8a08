"""From cues to one score. In: ``-log p`` per cue (NaN: unknown). Out: what each cue adds; a score is their sum.

f0, the first level, has no parameters: were the cues independent, the sum of ``-log p`` would be the logarithm of how
improbable all of them together are (Fisher 1932). In normal life a ``-log p`` is 1 on average, whatever the cue; only
what exceeds that is added, so that a dozen unremarkable cues do not drown the one that matters. A learned fusion is
another :class:`Fusion`.
Next file: ``pipeline/unusual/smoothing.py``.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fusion", "SumOfSurprise"]

_EXPECTED = 1.0  # the mean of -log p for a p that is spread evenly over 0..1

Floats = NDArray[np.float64]


class Fusion(Protocol):
    """Weighs the cues of n tracks against each other."""

    @property
    def name(self) -> str:
        """As alerts and model cards name it."""
        ...

    def contributions(self, surprise: Floats) -> Floats:
        """What each cue adds (n, cues) >= 0, never NaN; the score of a track is the sum of its row.

        ``surprise`` (n, cues) is ``-log p``, NaN where unknown. A cue that is unknown adds nothing.
        """
        ...


class SumOfSurprise:
    """f0: every cue adds what its ``-log p`` exceeds the 1 that it is in normal life."""

    name = "f0"

    def contributions(self, surprise: Floats) -> Floats:
        """See :class:`Fusion`."""
        return np.maximum(0.0, np.nan_to_num(surprise, nan=0.0) - _EXPECTED)
