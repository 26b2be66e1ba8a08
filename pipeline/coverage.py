"""How much of a camera's time was really seen: the record by which silence is proven."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.types import HealthCondition

__all__ = ["Coverage", "CoverageReport"]


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """Seconds within a window ``from_s`` .. ``to_s``: ``seen_s`` with a usable picture, ``by_condition``, ``gap_s``."""

    from_s: float
    to_s: float
    seen_s: float
    gap_s: float
    by_condition: tuple[tuple[HealthCondition, float], ...]


class Coverage:
    """Accumulates what was seen of one camera; bounded."""

    def add(self, at_s: float, conditions: tuple[HealthCondition, ...]) -> None:
        """The camera was looked at at ``at_s`` and ``conditions`` held; spans between looks belong to the later look."""

    def over(self, from_s: float, to_s: float) -> CoverageReport:
        """What was seen between two media times."""
        return CoverageReport(from_s, to_s, 0.0, to_s - from_s, ())
