"""One object over the last seconds: where its box was, in which frames, and how it moved over the ground.

In: tracks, one look after another. Out: :class:`Trail` with its :class:`Motion`. Next file:
``pipeline/describe/places.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.boxes import Box
from pipeline.describe.ground import USUAL_HEIGHT_M, Ground, Point
from pipeline.describe.kinds import kind_of
from pipeline.protocols import Json
from pipeline.types import FrameKey, Track

__all__ = ["Motion", "Step", "Trail", "mean_box"]

_MIN_STEP_S = 0.09
_MAX_STEPS = 40
_MOTION_S = 1.6  # a shorter span follows a turn sooner, a longer one is steadier
_COARSE_M = 0.3  # where a pixel covers more than this along the ground, it takes longer to see a motion
_AGREED_M = 0.4
_LEAST_WAY = 0.08  # of its own size, for a vehicle to be moving
_HALFWAY = (0.2, 0.8)
_MIN_SPAN_S = 0.35
_MAX_FRAMES = 5


@dataclass(frozen=True, slots=True)
class Step:
    """Where an object was at ``at_s``: its box in source pixels, and the frame that shows it."""

    at_s: float
    xyxy: Box
    key: FrameKey


@dataclass(frozen=True, slots=True)
class Motion:
    """Metres per second over the ground, to the right and away from the camera; ``speed_m_s`` is their length.

    ``span_s``: seconds that it was measured over; ``way_px``: pixels that a side of the box moved in them;
    ``noise_m_s``: what a box that jitters would show.
    """

    right_m_s: float
    away_m_s: float
    speed_m_s: float
    span_s: float
    way_px: float
    noise_m_s: float


@dataclass(slots=True)
class Trail:
    """What is remembered of one object: bounded by time and by number of steps."""

    id: int
    label: str
    confidence: float
    first_at_s: float
    last_at_s: float
    steps: list[Step] = field(default_factory=list)

    @property
    def xyxy(self) -> Box:
        """The newest box."""
        return self.steps[-1].xyxy

    @property
    def foot_xy(self) -> Point:
        """Middle of the lower edge of the newest box."""
        x1, _, x2, y2 = self.xyxy
        return ((x1 + x2) / 2, y2)

    def add(self, track: Track, at_s: float, key: FrameKey, keep_s: float) -> None:
        """The object is seen at ``at_s``. Steps closer than 90 ms replace one another."""
        self.label, self.confidence, self.last_at_s = track.label, track.confidence, at_s
        steps = self.steps
        if len(steps) > 1 and at_s - steps[-2].at_s < _MIN_STEP_S:
            steps.pop()
        steps.append(Step(at_s, track.xyxy, key))
        while len(steps) > 1 and (at_s - steps[0].at_s > keep_s or len(steps) > _MAX_STEPS):
            steps.pop(0)

    def frames(self) -> tuple[FrameKey, ...]:
        """At most five frames of the window, oldest and newest among them."""
        steps = self.steps
        if len(steps) <= _MAX_FRAMES:
            return tuple([step.key for step in steps])
        last = len(steps) - 1
        return tuple([steps[i * last // (_MAX_FRAMES - 1)].key for i in range(_MAX_FRAMES)])

    def motion(self, ground: Ground, source_wh: tuple[int, int]) -> Motion | None:
        """How it moves now: newest against oldest third of the last seconds; None when it was seen too briefly.

        Thirds are averaged because feet swing and boxes breathe. Far away, where a pixel is half a metre, the whole
        window is used.
        """
        pixel_m = ground.pixel_m(self.xyxy[3], source_wh)
        recent = self._since(self.steps[-1].at_s - (_MOTION_S if pixel_m < _COARSE_M else math.inf))
        third = max(1, len(recent) // 3)
        old, new = recent[:third], recent[-third:]
        span_s = _mean_at_s(new) - _mean_at_s(old)
        if span_s < _MIN_SPAN_S:
            return None
        before, after = mean_box(old), mean_box(new)
        right_m, away_m = self._way(before, after, ground, source_wh)
        way_px = max(
            abs(after[0] - before[0]), abs(after[1] - before[1]), abs(after[2] - before[2]), abs(after[3] - before[3])
        )
        if kind_of(self.label) == "vehicle" and not _is_steady(before, mean_box(recent[third:-third] or recent), after):
            right_m, away_m, way_px = 0.0, 0.0, 0.0
        speed_m_s = math.hypot(right_m, away_m) / span_s
        noise_m_s = pixel_m / span_s / math.sqrt(third)
        return Motion(right_m / span_s, away_m / span_s, speed_m_s, span_s, way_px, noise_m_s)

    def _since(self, at_s: float) -> Sequence[Step]:
        steps = self.steps
        begin = len(steps) - 1
        while begin > 0 and steps[begin - 1].at_s >= at_s:
            begin -= 1
        return steps[begin:]

    def _way(self, before: Box, after: Box, ground: Ground, source_wh: tuple[int, int]) -> Point:
        """Metres moved (to the right, away) between two boxes.

        Feet vanish behind cars and tables, which looks like a leap; heads drop when somebody falls or bends, which
        looks like one too. People are followed by both, and the one that leaps is not believed.
        """
        here, there = (ground.place(_foot(box), source_wh) for box in (before, after))
        right_m, away_m = there[0] - here[0], there[1] - here[1]
        if self.label != "person":
            return right_m, away_m
        tall_m = min(USUAL_HEIGHT_M["person"], ground.camera_m / 2)
        here, there = (ground.place(_crown(box), source_wh, tall_m) for box in (before, after))
        head_right_m, head_away_m = there[0] - here[0], there[1] - here[1]
        if abs(head_away_m - away_m) <= _AGREED_M:
            return (right_m + head_right_m) / 2, (away_m + head_away_m) / 2
        return (right_m, away_m) if abs(away_m) < abs(head_away_m) else (head_right_m, head_away_m)

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {
            "id": self.id,
            "label": self.label,
            "confidence": self.confidence,
            "first_at_s": self.first_at_s,
            "last_at_s": self.last_at_s,
            "steps": [[step.at_s, *step.xyxy, step.key.session, step.key.seq] for step in self.steps],
        }

    @classmethod
    def from_state(cls, state: Json, camera: str) -> Trail:
        """The trail of :meth:`state`."""
        steps = [
            Step(float(s[0]), (s[1], s[2], s[3], s[4]), FrameKey(camera, int(s[5]), int(s[6]))) for s in state["steps"]
        ]
        return cls(
            int(state["id"]),
            str(state["label"]),
            float(state["confidence"]),
            float(state["first_at_s"]),
            float(state["last_at_s"]),
            steps,
        )


def mean_box(steps: Sequence[Step]) -> Box:
    """The average box of ``steps``, of which there is at least one."""
    left = top = right = bottom = 0.0
    for step in steps:
        x1, y1, x2, y2 = step.xyxy
        left, top, right, bottom = left + x1, top + y1, right + x2, bottom + y2
    n = len(steps)
    return (left / n, top / n, right / n, bottom / n)


def _mean_at_s(steps: Sequence[Step]) -> float:
    total = 0.0
    for step in steps:
        total += step.at_s - steps[0].at_s
    return steps[0].at_s + total / len(steps)


def _foot(box: Box) -> Point:
    return ((box[0] + box[2]) / 2, box[3])


def _crown(box: Box) -> Point:
    return ((box[0] + box[2]) / 2, box[1])


def _is_steady(before: Box, midway: Box, after: Box) -> bool:
    """Whether a vehicle is on its way: part of it by half time, and far enough for its size.

    Boxes of parked cars side by side breathe and change places; that is a twitch or a leap, never a way.
    """
    way = (_foot(after)[0] - _foot(before)[0], _foot(after)[1] - _foot(before)[1])
    half = (_foot(midway)[0] - _foot(before)[0], _foot(midway)[1] - _foot(before)[1])
    square = way[0] * way[0] + way[1] * way[1]
    size = math.hypot(after[2] - after[0], after[3] - after[1])
    along = (way[0] * half[0] + way[1] * half[1]) / max(square, 1e-9)
    return square >= (_LEAST_WAY * size) ** 2 and _HALFWAY[0] <= along <= _HALFWAY[1]
