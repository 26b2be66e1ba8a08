"""What a camera usually shows. In: views while all is well; out: how another view compares with them.

Used by ``pipeline/ingest/health.py``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.view import Likeness, View, compare

__all__ = ["Reference"]

_MIN_LOOKS_TO_JUDGE = 5
_MIN_BLOCKS = 6  # with fewer blocks of structure there is nothing to compare


class Reference:
    """The usual view: running means of edges, layout, structure and sharpness."""

    def __init__(self, memory_s: float) -> None:
        self._memory_s = memory_s
        self._looks = 0
        self._edges: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self._layout: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self._sharpness = (0.0, 0.0)
        self._size_wh = (0, 0)
        self.structure = 0.0

    def learn(self, view: View, dt_s: float) -> None:
        """Move towards ``view``: by plain averaging at first, then with the memory given."""
        self._looks += 1
        if view.size_wh != self._size_wh:  # sharpness of another size does not compare
            self._size_wh, self._sharpness = view.size_wh, view.sharpness
        if self._looks == 1:
            self._edges, self._layout, self.structure = view.edges.copy(), view.layout.copy(), view.structure
            return
        pace = max(1.0 - math.exp(-dt_s / self._memory_s), 1.0 / self._looks if self._looks <= 20 else 0.0)
        self._edges += pace * (view.edges - self._edges)
        self._layout += pace * (view.layout - self._layout)
        self.structure += pace * (view.structure - self.structure)
        fine, coarse = self._sharpness
        self._sharpness = (fine + pace * (view.sharpness[0] - fine), coarse + pace * (view.sharpness[1] - coarse))

    def likeness(self, view: View) -> Likeness:
        """``view`` against the usual one; a perfect match while there is too little to judge by."""
        if self._looks < _MIN_LOOKS_TO_JUDGE:
            return Likeness(0, 1.0, 0.0, 1.0)
        likeness = compare(view, self._edges, self._layout)
        return likeness if likeness.judged >= _MIN_BLOCKS else Likeness(likeness.judged, 1.0, 0.0, likeness.layout)

    def is_blurred(self, view: View, below: float) -> bool:
        """Whether edges lost more than the share ``below`` of their usual sharpness, at either scale."""
        if self._looks < _MIN_LOOKS_TO_JUDGE or view.size_wh != self._size_wh:
            return False
        pairs = zip(view.sharpness, self._sharpness, strict=True)
        return any(now < below * usual for now, usual in pairs)

    def lasting(self, memory_s: float) -> Reference:
        """This reference, from now on with another memory."""
        self._memory_s = memory_s
        return self
