"""All that is remembered of one object: its trail, its zones, its colours and the angle of its body.

In: tracks with the looks of their detections. Out: :class:`Known`, and its facts that need no other object.
Next file: ``pipeline/describe/facts.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.describe.colour import ColourVotes, Columns
from pipeline.describe.ground import USUAL_HEIGHT_M, Ground, Point
from pipeline.describe.kinds import kind_of
from pipeline.describe.motion_words import heading_of, speed_of
from pipeline.describe.places import Stays
from pipeline.describe.posture import posture_of, size_of
from pipeline.describe.relations import Mover
from pipeline.describe.trail import Motion, Trail
from pipeline.descriptions import Fact
from pipeline.protocols import Json
from pipeline.types import FrameKey, Looks

__all__ = ["Known", "Sight"]

_ANGLE_S = 1.0  # a silhouette's angle is believed for so long
_HIDDEN_RATIO = 0.8  # of the height a person has: below it the feet are probably hidden
_COLOUR_EVERY_S = 0.35
_TEACH_EVERY_S = 0.45
_MOVED_HEIGHTS = 0.3
_COLOURED = frozenset({"person", "vehicle", "bag"})


@dataclass(frozen=True, slots=True)
class Sight:
    """One object at one moment: its memory, its place on the ground, its motion and the frames that show both."""

    known: Known
    mover: Mover
    source_wh: tuple[int, int]


@dataclass(slots=True)
class Known:
    """The memory of one object; bounded."""

    trail: Trail
    stays: Stays = field(default_factory=Stays)
    upper: ColourVotes = field(default_factory=ColourVotes)
    lower: ColourVotes = field(default_factory=ColourVotes)
    coloured_at_s: float = -math.inf
    measured_at_s: float = -math.inf
    began_xy: Point | None = None
    has_moved: bool = False
    was_lying: bool = False
    angle_deg: float = math.nan
    angle_at_s: float = -math.inf

    def see_pixels(self, looks: Looks, row: int, columns: Columns, at_s: float) -> None:
        """Take in what the pixels of detection ``row`` say."""
        values, kind = looks.values[row], kind_of(self.trail.label)
        if at_s - self.coloured_at_s >= _COLOUR_EVERY_S and kind in _COLOURED:
            self.coloured_at_s = at_s
            if columns.upper is not None:
                self.upper.see(values[columns.upper])
            if columns.lower is not None and kind == "person":
                self.lower.see(values[columns.lower])
        if columns.angle is not None and not math.isnan(values[columns.angle]):
            self.angle_deg, self.angle_at_s = float(values[columns.angle]), at_s

    def teach(self, ground: Ground, at_s: float, source_wh: tuple[int, int]) -> None:
        """Let the ground learn from this object, twice per second.

        Only from what has moved since it was first seen: a red chair that a detector takes for a person stays there
        for ever and would teach a false ground.
        """
        foot, (_, y1, _, y2) = self.trail.foot_xy, self.trail.xyxy
        if self.began_xy is None:
            self.began_xy = foot
        self.has_moved = self.has_moved or math.dist(foot, self.began_xy) > _MOVED_HEIGHTS * (y2 - y1)
        if self.has_moved and at_s - self.measured_at_s >= _TEACH_EVERY_S:
            self.measured_at_s = at_s
            ground.learn(self.trail.label, self.trail.xyxy, source_wh)

    def sight(self, ground: Ground, source_wh: tuple[int, int]) -> Sight:
        """The object as it is now."""
        trail = self.trail
        motion = trail.motion(ground, source_wh)
        mover = Mover(
            trail.id,
            kind_of(trail.label),
            self._place(ground, source_wh),
            motion,
            round(0.5 + 0.5 * ground.trust, 3),
            trail.frames(),
            0.0 if motion is None else motion.speed_m_s,
        )
        return Sight(self, mover, source_wh)

    def _place(self, ground: Ground, source_wh: tuple[int, int]) -> Point:
        """Where it stands, in metres; by the head when the feet are hidden."""
        foot = self.trail.foot_xy
        x1, y1, x2, y2 = self.trail.xyxy
        tall_m = USUAL_HEIGHT_M["person"]
        is_narrow = self.trail.label == "person" and y2 - y1 > 1.5 * (x2 - x1) and ground.camera_m > 1.5 * tall_m
        if is_narrow and y2 - y1 < _HIDDEN_RATIO * ground.height_px(foot, tall_m, source_wh):
            return ground.place((foot[0], y1), source_wh, tall_m)
        return ground.place(foot, source_wh)

    def facts(self, sight: Sight, ground: Ground, window_s: float) -> Iterator[Fact]:
        """What is true of the object by itself."""
        trail, frames, motion = self.trail, sight.mover.frames, sight.mover.motion
        yield from self._look_facts(motion, frames, ground, sight.source_wh)
        if motion is not None:
            speed, confidence = speed_of(trail.label, motion, ground.trust)
            yield Fact("speed", speed, confidence, trail.id, amount=round(motion.speed_m_s, 2), frames=frames)
            if speed != "still":
                heading, confidence = heading_of(motion, ground.trust)
                yield Fact("heading", heading, confidence, trail.id, frames=frames)
        dwell_s = round(trail.last_at_s - trail.first_at_s, 2)
        yield Fact("dwell", "scene", 1.0, trail.id, amount=dwell_s, frames=frames)
        yield from self._zone_facts(frames, window_s)

    def _look_facts(
        self, motion: Motion | None, frames: tuple[FrameKey, ...], ground: Ground, source_wh: tuple[int, int]
    ) -> Iterator[Fact]:
        trail = self.trail
        for kind, votes in (("colour", self.upper), ("lower_colour", self.lower)):
            colour = votes.colour()
            if colour is not None:
                yield Fact("colour" if kind == "colour" else "lower_colour", *colour, trail.id, frames=frames)
        posture = self._posture(motion, ground, source_wh)
        if posture is not None:
            yield Fact("posture", *posture, trail.id, frames=frames[-3:])
        is_whole = trail.label != "person" or (posture is not None and posture[0] == "upright" and posture[1] >= 0.7)
        size = size_of(trail.label, trail.steps, ground, source_wh) if is_whole else None
        if size is not None:
            yield Fact("size", *size, trail.id, frames=frames[-3:])

    def _posture(self, motion: Motion | None, ground: Ground, source_wh: tuple[int, int]) -> tuple[str, float] | None:
        if self.trail.label != "person":
            return None
        angle_deg = self.angle_deg if self.trail.last_at_s - self.angle_at_s <= _ANGLE_S else math.nan
        posture = posture_of(self.trail.steps, motion, angle_deg, ground, source_wh, was_lying=self.was_lying)
        self.was_lying = posture is not None and posture[0] == "lying"
        return posture

    def _zone_facts(self, frames: tuple[FrameKey, ...], window_s: float) -> Iterator[Fact]:
        trail = self.trail
        for name, stay in self.stays.now.items():
            is_new = stay.has_entered and trail.last_at_s - stay.since_s <= window_s
            confidence = 1.0 if stay.last_at_s >= trail.last_at_s else 0.5
            yield Fact("zone", "entering" if is_new else "inside", confidence, trail.id, name, frames=frames)
            dwell_s = round(stay.last_at_s - stay.since_s, 2)
            yield Fact("dwell", "zone", confidence, trail.id, name, dwell_s, frames)
        for name in self.stays.left_at_s:
            yield Fact("zone", "leaving", 1.0, trail.id, name, frames=frames)

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {
            "trail": self.trail.state(),
            "stays": self.stays.state(),
            "upper": self.upper.state(),
            "lower": self.lower.state(),
            "coloured_at_s": None if math.isinf(self.coloured_at_s) else self.coloured_at_s,
            "measured_at_s": None if math.isinf(self.measured_at_s) else self.measured_at_s,
            "began_xy": self.began_xy,
            "has_moved": self.has_moved,
            "was_lying": self.was_lying,
            "angle": None if math.isnan(self.angle_deg) else [self.angle_deg, self.angle_at_s],
        }

    @classmethod
    def from_state(cls, state: Json, camera: str) -> Known:
        """The memory of :meth:`state`."""
        angle_deg, angle_at_s = state["angle"] or (math.nan, -math.inf)
        return cls(
            Trail.from_state(state["trail"], camera),
            Stays.from_state(state["stays"]),
            ColourVotes.from_state(state["upper"]),
            ColourVotes.from_state(state["lower"]),
            -math.inf if state["coloured_at_s"] is None else float(state["coloured_at_s"]),
            -math.inf if state["measured_at_s"] is None else float(state["measured_at_s"]),
            None if state["began_xy"] is None else (float(state["began_xy"][0]), float(state["began_xy"][1])),
            bool(state["has_moved"]),
            bool(state["was_lying"]),
            float(angle_deg),
            float(angle_at_s),
        )
