"""When what is normal no longer fits: the camera was turned, or life there has changed for good.

In: at each moment whether the view is another one, and whether the score passed the level. Out: the reason why scoring
is suspended, or None. A turned camera suspends at once; after two minutes what was learned of the old view is given up.
When most moments of five minutes are unusual, it is the model that is wrong: it is suspended and learns again, until
life fits it. Next file: ``pipeline/unusual/judge.py``.
"""

from __future__ import annotations

import math
from typing import Literal

from pipeline.protocols import Json

__all__ = ["Drift", "Quarantine"]

Quarantine = Literal["moved", "drifted"]

_MEMORY_S = 300.0
_DRIFTED_SHARE = 0.6
_SETTLED_SHARE = 0.2
_GIVE_UP_S = 120.0
_MAX_STEP_S = 10.0


class Drift:
    """Watches over one camera's model."""

    def __init__(self) -> None:
        self._share = 0.0
        self._moved_s = 0.0
        self._reason: Quarantine | None = None

    @property
    def quarantine(self) -> Quarantine | None:
        """Why nothing is suspected now; None when all is well."""
        return self._reason

    @property
    def share(self) -> float:
        """Share of the last five minutes that was unusual."""
        return self._share

    def look_elsewhere(self, elapsed_s: float) -> bool:
        """The camera shows another view for ``elapsed_s`` more; whether what was learned is to be given up now."""
        self._reason = "moved"
        before, self._moved_s = self._moved_s, self._moved_s + min(elapsed_s, _MAX_STEP_S)
        return before < _GIVE_UP_S <= self._moved_s

    def look(self, elapsed_s: float, *, is_unusual: bool) -> None:
        """The camera shows its view, and the moment ``is_unusual``, in which something could be."""
        self._moved_s = 0.0
        gain = 1 - math.exp(-min(elapsed_s, _MAX_STEP_S) / _MEMORY_S)
        self._share += gain * (float(is_unusual) - self._share)
        if self._reason == "moved":
            self._reason = None
        if self._share >= _DRIFTED_SHARE:
            self._reason = "drifted"
        elif self._share <= _SETTLED_SHARE:
            self._reason = None

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {"share": self._share, "moved_s": self._moved_s, "reason": self._reason}

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`."""
        self._share, self._moved_s, self._reason = float(state["share"]), float(state["moved_s"]), state["reason"]
