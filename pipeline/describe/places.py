"""Which zones an object is in, since when, and which it has just left.

In: foot points in 0..1 of the picture and the camera's zones (name -> polygon). Out: :class:`Stays` of each object.
An object is in a zone when the middle of its lower edge is, as in the rules. Next file: ``pipeline/describe/facts.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.boxes import Point, is_inside
from pipeline.protocols import Json

__all__ = ["Stay", "Stays"]

_FLICKER_S = 0.7  # outside for less than this, an object on the border never left
_UNKNOWN_BEFORE_S = 0.3  # first seen inside, or so soon after that nobody can say whether it came in


@dataclass(slots=True)
class Stay:
    """Time inside one zone. ``has_entered``: it was seen outside before."""

    since_s: float
    last_at_s: float
    has_entered: bool


@dataclass(slots=True)
class Stays:
    """Where one object is (``now``) and when it left the zones it was in within the window (``left_at_s``)."""

    now: dict[str, Stay] = field(default_factory=dict)
    left_at_s: dict[str, float] = field(default_factory=dict)

    def look(self, foot_norm: Point, zones: Mapping[str, Sequence[Point]], at_s: float, first_at_s: float) -> None:
        """The object stands at ``foot_norm`` at ``at_s``; it was first seen at ``first_at_s``."""
        for name, polygon in zones.items():
            stay = self.now.get(name)
            if is_inside(foot_norm, polygon):
                if stay is None:
                    has_entered = at_s - first_at_s > _UNKNOWN_BEFORE_S
                    self.now[name] = Stay(at_s if has_entered else first_at_s, at_s, has_entered)
                    self.left_at_s.pop(name, None)
                else:
                    stay.last_at_s = at_s
            elif stay is not None and at_s - stay.last_at_s >= _FLICKER_S:
                del self.now[name]
                self.left_at_s[name] = stay.last_at_s

    def forget_before(self, at_s: float) -> None:
        """What was left before ``at_s`` is no longer said."""
        for name in [name for name, left_at_s in self.left_at_s.items() if left_at_s < at_s]:
            del self.left_at_s[name]

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {
            "now": {name: [stay.since_s, stay.last_at_s, stay.has_entered] for name, stay in self.now.items()},
            "left_at_s": dict(self.left_at_s),
        }

    @classmethod
    def from_state(cls, state: Json) -> Stays:
        """The stays of :meth:`state`."""
        now = {str(name): Stay(float(a), float(b), bool(c)) for name, (a, b, c) in state["now"].items()}
        return cls(now, {str(name): float(at_s) for name, at_s in state["left_at_s"].items()})
