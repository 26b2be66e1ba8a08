"""Scores over media time: one look proves little, a second of looks does.

In: what each cue of each track adds at a moment. Out: the same, smoothed per track with a time constant in seconds, so
that it is the same at 5 and at 25 looks per second. Smoothing is linear: shares still sum to the score.
Next file: ``pipeline/unusual/judge.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.protocols import Json

__all__ = ["TIME_CONSTANT_S", "Smoother"]

TIME_CONSTANT_S = 0.3
_FORGET_S = 2.0

Floats = NDArray[np.float64]


class Smoother:
    """Exponential smoothing per track id; a track begins at nothing, so a single strange look is damped."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._values: dict[int, tuple[float, Floats]] = {}

    def smooth(self, ids: Sequence[int], at_s: float, step_s: float, added: Floats) -> Floats:
        """Smoothed contributions (n, cues) of the tracks ``ids`` at ``at_s``; ``added`` (n, cues) are those of now.

        NaN in ``added`` keeps what was. ``step_s``: the usual time between looks, for tracks that are new.
        """
        found = np.zeros_like(added)
        for row, track_id in enumerate(ids):
            before = self._values.get(track_id)
            elapsed_s, value = (step_s, np.zeros(self._columns)) if before is None else (at_s - before[0], before[1])
            gain = 1 - math.exp(-max(0.0, elapsed_s) / TIME_CONSTANT_S)
            now = np.where(np.isnan(added[row]), value, added[row])
            value = value + gain * (now - value)
            self._values[track_id] = (at_s, value)
            found[row] = value
        self._values = {i: value for i, value in self._values.items() if 0 <= at_s - value[0] <= _FORGET_S}
        return found

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {str(i): [at_s, *value.tolist()] for i, (at_s, value) in self._values.items()}

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises ValueError for one of another number of cues."""
        if any(len(value) != self._columns + 1 for value in state.values()):
            raise ValueError(f"smoother state: expected {self._columns} cues per track")
        self._values = {int(i): (value[0], np.array(value[1:], np.float64)) for i, value in state.items()}
