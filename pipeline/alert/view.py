"""What the rules look at: the objects of one moment with their places in the picture, computed once for all rules.

In: a :class:`~pipeline.protocols.Moment` and the camera's zones. Out: a :class:`View`, or None when nothing could be
seen. :class:`Trails` remembers the way of each object over the last seconds. Next file:
``pipeline/alert/rules/watch.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.alert.settings import Zone
from pipeline.boxes import Box, Point, is_inside, normalise
from pipeline.protocols import Json, Moment
from pipeline.types import FrameNote, HealthCondition, Track

__all__ = ["BLINDING", "Sighting", "Step", "Trails", "View", "is_blind", "look_at"]

BLINDING: frozenset[HealthCondition] = frozenset({"offline", "black", "frozen", "covered"})
"""Conditions under which the picture says nothing about the scene: what is or is not seen in it counts for nothing."""

_MAX_STEPS = 64
_MIN_STEP_S = 0.08
_EDGE_NORM = 1e-6


def is_blind(moment: Moment) -> bool:
    """Whether nothing can be concluded from this moment: no frame was looked at, or the picture is not the scene."""
    return moment.finding.detections is None or bool(BLINDING.intersection(moment.finding.note.conditions))


@dataclass(frozen=True, slots=True)
class Step:
    """Where an object was at ``at_s``: its box in source pixels."""

    at_s: float
    xyxy: Box

    @property
    def foot_xy(self) -> Point:
        """Middle of the lower edge."""
        return ((self.xyxy[0] + self.xyxy[2]) / 2, self.xyxy[3])

    @property
    def centre_xy(self) -> Point:
        """Middle of the box."""
        return ((self.xyxy[0] + self.xyxy[2]) / 2, (self.xyxy[1] + self.xyxy[3]) / 2)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One object in view. ``zones``: names of the zones its foot point is in. ``trail``: its way, oldest step first."""

    track: Track
    foot_norm: Point
    zones: frozenset[str]
    is_seen_now: bool
    trail: Sequence[Step]

    @property
    def height(self) -> float:
        """Box height in source pixels, at least 1."""
        return max(1.0, self.track.xyxy[3] - self.track.xyxy[1])


@dataclass(frozen=True, slots=True)
class View:
    """One moment as the rules see it. ``step_s``: observed seconds since the look before; 0 across unseen time."""

    at_s: float
    step_s: float
    source_wh: tuple[int, int]
    session: int
    note: FrameNote
    sightings: tuple[Sighting, ...]

    @property
    def diagonal(self) -> float:
        """Diagonal of the picture in source pixels."""
        return math.hypot(*self.source_wh)


@dataclass(slots=True)
class Trails:
    """The last ``keep_s`` seconds of every object's way (none when 0); bounded by time and by number of steps."""

    keep_s: float
    _steps: dict[int, list[Step]] = field(default_factory=dict)

    def add(self, track: Track, at_s: float) -> Sequence[Step]:
        """Note where ``track`` is now and return its way. Steps closer than 80 ms replace one another."""
        steps = self._steps.setdefault(track.id, [])
        if len(steps) > 1 and at_s - steps[-2].at_s < _MIN_STEP_S:
            steps.pop()
        steps.append(Step(at_s, track.xyxy))
        while len(steps) > 2 and (at_s - steps[1].at_s >= self.keep_s or len(steps) > _MAX_STEPS):
            steps.pop(0)
        return steps

    def forget_before(self, at_s: float) -> None:
        """Drop objects not seen since ``at_s``."""
        for track_id in [i for i, steps in self._steps.items() if steps[-1].at_s < at_s]:
            del self._steps[track_id]

    def clear(self) -> None:
        """Forget every way."""
        self._steps.clear()

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {str(i): [[step.at_s, *step.xyxy] for step in steps] for i, steps in self._steps.items()}

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`."""
        self._steps = {int(i): [Step(s[0], (s[1], s[2], s[3], s[4])) for s in steps] for i, steps in state.items()}


def _within(share: float) -> float:
    """``share`` of the picture, just inside it: feet cut off by the lower edge stand in a zone that reaches it."""
    return min(1 - _EDGE_NORM, max(_EDGE_NORM, share))


def look_at(moment: Moment, zones: Sequence[Zone], trails: Trails, step_s: float) -> View | None:
    """The view of ``moment``; None when it is blind or the size of the picture is unknown."""
    ref = moment.finding.ref
    if is_blind(moment) or min(ref.source_wh) <= 0:
        return None
    sightings = []
    for track in moment.tracks:
        box_norm = normalise(track.xyxy, ref.source_wh)
        foot_norm = (_within((box_norm[0] + box_norm[2]) / 2), _within(box_norm[3]))
        is_seen_now = track.last_at_s >= ref.at_s
        trail = trails.add(track, ref.at_s) if is_seen_now and trails.keep_s > 0 else ()
        inside = frozenset(zone.name for zone in zones if is_inside(foot_norm, zone.polygon_norm))
        sightings.append(Sighting(track, foot_norm, inside, is_seen_now, trail))
    trails.forget_before(ref.at_s - trails.keep_s)
    return View(ref.at_s, step_s, ref.source_wh, ref.key.session, moment.finding.note, tuple(sightings))
