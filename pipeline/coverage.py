"""How much of a camera's time was really seen: the record by which silence is proven. In: one entry per look or tick
(media time, health conditions); out: :class:`CoverageReport` over any window, whose four parts add up to the window.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.types import HEALTH_CONDITIONS, HealthCondition

__all__ = ["BLIND", "Coverage", "CoverageReport"]

BLIND: frozenset[HealthCondition] = frozenset({"offline", "black", "frozen", "covered"})
"""Conditions under which nothing can be seen; under the others the camera sees, but worse than it should."""

_VERSION = 1


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """The window ``from_s`` .. ``to_s`` (media seconds) in four parts that add up to its length.

    ``seen_s`` all was well; ``impaired_s`` seen while moved, defocused or short of frames; ``blind_s`` offline, black,
    frozen or covered; ``gap_s`` no record at all. ``by_condition``: seconds of each condition that occurred (they may
    overlap), in the order of ``HEALTH_CONDITIONS``.
    """

    from_s: float
    to_s: float
    seen_s: float
    impaired_s: float
    blind_s: float
    gap_s: float
    by_condition: tuple[tuple[HealthCondition, float], ...]

    @property
    def seen_share(self) -> float:
        """Share of the window in which all was well, 0..1; 0 for an empty window."""
        length_s = self.to_s - self.from_s
        return self.seen_s / length_s if length_s > 0 else 0.0


@dataclass(slots=True)
class _Span:
    from_s: float
    to_s: float
    conditions: tuple[HealthCondition, ...]


class Coverage:
    """The record of one camera. Bounded: equal neighbours are one span, and only the newest ``max_spans`` are kept."""

    def __init__(self, *, max_step_s: float = 10.0, max_spans: int = 4096) -> None:
        """Entries more than ``max_step_s`` apart leave a gap between them. Raises ValueError unless both are > 0."""
        if not (math.isfinite(max_step_s) and max_step_s > 0):
            raise ValueError(f"max_step_s: expected seconds > 0, got {max_step_s}")
        if max_spans < 1:
            raise ValueError(f"max_spans: expected >= 1, got {max_spans}")
        self._max_step_s = max_step_s
        self._spans: deque[_Span] = deque(maxlen=max_spans)

    def add(self, at_s: float, conditions: Iterable[HealthCondition] = ()) -> None:
        """At media time ``at_s`` the camera was looked at and ``conditions`` held, and so they did since the entry
        before. An entry that is not later than the one before adds nothing. Raises ValueError for an unknown condition
        or a time that is not finite."""
        if not math.isfinite(at_s):
            raise ValueError(f"at_s: expected a finite number, got {at_s}")
        held = _ordered(conditions)
        last = self._spans[-1] if self._spans else None
        if last is None or at_s - last.to_s > self._max_step_s:
            self._spans.append(_Span(at_s, at_s, held))
        elif at_s > last.to_s:
            if last.conditions == held or last.from_s == last.to_s:
                last.to_s, last.conditions = at_s, held
            else:
                self._spans.append(_Span(last.to_s, at_s, held))

    def over(self, from_s: float, to_s: float) -> CoverageReport:
        """What was seen between two media times; time before the oldest kept entry or after the newest is gap.

        Raises ValueError when the window ends before it begins.
        """
        if not (math.isfinite(from_s) and math.isfinite(to_s) and from_s <= to_s):
            raise ValueError(f"window: expected from_s <= to_s, got {from_s} .. {to_s}")
        seen_s = impaired_s = blind_s = 0.0
        by_condition: dict[HealthCondition, float] = dict.fromkeys(HEALTH_CONDITIONS, 0.0)
        for span in self._spans:
            inside_s = min(span.to_s, to_s) - max(span.from_s, from_s)
            if inside_s <= 0:
                continue
            for condition in span.conditions:
                by_condition[condition] += inside_s
            if not span.conditions:
                seen_s += inside_s
            elif BLIND.isdisjoint(span.conditions):
                impaired_s += inside_s
            else:
                blind_s += inside_s
        gap_s = max(to_s - from_s - seen_s - impaired_s - blind_s, 0.0)
        occurred = tuple((name, seconds) for name, seconds in by_condition.items() if seconds > 0)
        return CoverageReport(from_s, to_s, seen_s, impaired_s, blind_s, gap_s, occurred)

    def span(self) -> tuple[float, float] | None:
        """Media times of the oldest and the newest entry that are kept; None before the first."""
        return (self._spans[0].from_s, self._spans[-1].to_s) if self._spans else None

    def state(self) -> dict[str, Any]:
        """The record as a JSON object; ``restore(state())`` changes nothing that follows."""
        spans = [[span.from_s, span.to_s, list(span.conditions)] for span in self._spans]
        return {"v": _VERSION, "spans": spans}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved record. Raises ValueError for a state of another version."""
        if state.get("v") != _VERSION:
            raise ValueError(f"coverage state: expected version {_VERSION}, got {state.get('v')}")
        self._spans.clear()
        self._spans.extend(_Span(float(begin), float(end), _ordered(held)) for begin, end, held in state["spans"])


def _ordered(conditions: Iterable[HealthCondition]) -> tuple[HealthCondition, ...]:
    """Without doubles, in the order of ``HEALTH_CONDITIONS``."""
    held = set(conditions)
    if unknown := held - set(HEALTH_CONDITIONS):
        raise ValueError(f"conditions: expected {HEALTH_CONDITIONS}, got {sorted(unknown)}")
    return tuple(name for name in HEALTH_CONDITIONS if name in held)
