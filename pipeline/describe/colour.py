"""The colour of clothes and vehicles over many looks: votes that fade, so that one shadow does not turn a coat black.

In: shares of the eleven colours per detection, from the pixels. Out: a colour and its confidence, or nothing.
Next file: ``pipeline/describe/facts.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.descriptions import COLOURS
from pipeline.protocols import Json
from pipeline.types import Looks

__all__ = ["ColourVotes", "Columns"]

_KEPT = 0.85  # of the votes after each look
_MIN_SHARE = 0.4  # of the votes, for a colour to be named
_CERTAIN_SHARE = 0.75
_MIN_LOOKS = 2.0
_MAX_WEIGHT = 1.0 / (1.0 - _KEPT)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Where the looks of one version keep what is needed here; None when they do not measure it."""

    names: tuple[str, ...] = ()
    upper: NDArray[np.intp] | None = None
    lower: NDArray[np.intp] | None = None
    angle: int | None = None

    @classmethod
    def of(cls, looks: Looks) -> Columns:
        """The columns of ``looks``."""
        place = {name: i for i, name in enumerate(looks.names)}

        def of(part: str) -> NDArray[np.intp] | None:
            wanted = [f"{part}.{name}_share" for name in COLOURS]
            return np.array([place[name] for name in wanted], np.intp) if set(wanted) <= place.keys() else None

        return cls(looks.names, of("upper_colour"), of("lower_colour"), place.get("body_angle_deg"))


@dataclass(slots=True)
class ColourVotes:
    """Votes for each of the eleven colours; ``weight`` is how many looks they come from, faded alike."""

    votes: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(COLOURS)))
    weight: float = 0.0

    def see(self, shares: NDArray[np.float32]) -> None:
        """Take in one look: shares (11,); one with a NaN is no look."""
        total = float(shares.sum())
        if not total > 0:
            return
        self.votes = self.votes * _KEPT + shares / total
        self.weight = self.weight * _KEPT + 1.0

    def colour(self) -> tuple[str, float] | None:
        """The colour with most votes and its confidence; None while it is not clear."""
        if self.weight < _MIN_LOOKS:
            return None
        best = int(self.votes.argmax())
        share = float(self.votes[best]) / self.weight
        if share < _MIN_SHARE:
            return None
        return COLOURS[best], round(min(1.0, 0.5 + 0.5 * (share - _MIN_SHARE) / (_CERTAIN_SHARE - _MIN_SHARE)), 3)

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {"votes": self.votes.tolist(), "weight": self.weight}

    @classmethod
    def from_state(cls, state: Json) -> ColourVotes:
        """The votes of :meth:`state`. Raises ValueError for another number of colours."""
        votes = np.array(state["votes"], np.float64)
        if votes.shape != (len(COLOURS),):
            raise ValueError(f"colour votes: expected {len(COLOURS)}, got {votes.shape}")
        return cls(votes, min(_MAX_WEIGHT, float(state["weight"])))
