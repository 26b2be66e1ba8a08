"""One object over the last seconds: where its box was, in which frames, and how it moved over the ground.

In: tracks, one look after another. Out: :class:`Trail` with its :class:`Motion`. Next file:
``pipeline/describe/places.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.boxes import Box
from pipeline.describe.ground import Ground, Point
from pipeline.protocols import Json
from pipeline.types import FrameKey, Track

__all__ = ["Motion", "Step", "Trail", "mean_box"]

_MIN_STEP_S = 0.09
_MAX_STEPS = 40
_MOTION_S = 1.6  # a shorter span follows a turn sooner, a longer one is steadier
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
    """Metres per second over the ground, to the right and away from the camera; ``span_s`` it was measured over.

    ``way_px``: pixels that the foot point moved in that span. ``noise_m_s``: what a box that jitters would show.
    """

    right_m_s: float
    away_m_s: float
    span_s: float
    way_px: float
    noise_m_s: float

    @property
    def speed_m_s(self) -> float:
        """Length of the velocity."""
        return math.hypot(self.right_m_s, self.away_m_s)


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
        """How it moves now: newest against oldest third of the last 1.6 s; None when it was seen too briefly.

        Thirds are averaged because feet swing and boxes breathe.
        """
        steps = self.steps
        newest_at_s = steps[-1].at_s
        begin = len(steps) - 1
        while begin > 0 and newest_at_s - steps[begin - 1].at_s <= _MOTION_S:
            begin -= 1
        recent = steps[begin:]
        third = max(1, len(recent) // 3)
        old, new = recent[:third], recent[-third:]
        span_s = sum(s.at_s for s in new) / third - sum(s.at_s for s in old) / third
        if span_s < _MIN_SPAN_S:
            return None
        before, after = _mean_foot(old), _mean_foot(new)
        here, there = ground.place(before, source_wh), ground.place(after, source_wh)
        below = ground.place((after[0], after[1] + 1.0), source_wh)
        return Motion(
            (there[0] - here[0]) / span_s,
            (there[1] - here[1]) / span_s,
            span_s,
            math.dist(before, after),
            math.dist(there, below) / span_s / math.sqrt(third),
        )

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
    n = len(steps)
    boxes = [step.xyxy for step in steps]
    return (sum(b[0] for b in boxes) / n, sum(b[1] for b in boxes) / n,
            sum(b[2] for b in boxes) / n, sum(b[3] for b in boxes) / n)  # fmt: skip


def _mean_foot(steps: Sequence[Step]) -> Point:
    x1, _, x2, y2 = mean_box(steps)
    return ((x1 + x2) / 2, y2)
