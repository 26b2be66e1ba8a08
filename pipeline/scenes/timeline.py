"""Who is where, doing what, at any media time.

In: segments made by ``casting.py``. Out: :class:`Actor`, whose ``state(at_s)`` is a pure function of time, so that any
frame can be made without those before it. Next file: ``pipeline/scenes/events.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.scenes.arrays import Floats
from pipeline.scenes.looks import Outfit

__all__ = ["VEHICLES", "Actor", "Path", "Segment", "State"]


VEHICLES = ("car", "van", "truck", "bus", "motorcycle")


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A polyline on the ground with rounded corners, measured along its length."""

    points: Floats
    at_m: Floats

    @classmethod
    def through(cls, points: Sequence[tuple[float, float]], rounding: int) -> Path:
        """A path through ``points``; ``rounding`` times Chaikin's corner cutting, ends kept."""
        line = np.asarray(points, np.float64)
        for _ in range(rounding if len(line) > 2 else 0):
            near = line[:-1] * 0.75 + line[1:] * 0.25
            far = line[:-1] * 0.25 + line[1:] * 0.75
            line = np.concatenate([line[:1], np.stack([near, far], axis=1).reshape(-1, 2), line[-1:]])
        step = np.linalg.norm(np.diff(line, axis=0), axis=1)
        return cls(line.astype(np.float32), np.concatenate([[0.0], np.cumsum(step)]).astype(np.float32))

    @property
    def length_m(self) -> float:
        """Metres from end to end."""
        return float(self.at_m[-1])

    def place(self, along_m: float) -> tuple[float, float]:
        """The point ``along_m`` metres from the start."""
        return (
            float(np.interp(along_m, self.at_m, self.points[:, 0])),
            float(np.interp(along_m, self.at_m, self.points[:, 1])),
        )

    def heading(self, along_m: float, look_m: float) -> float:
        """Direction of travel in radians, averaged over ``look_m`` metres around the point."""
        ax, ay = self.place(max(along_m - look_m / 2, 0.0))
        bx, by = self.place(min(along_m + look_m / 2, self.length_m))
        return math.atan2(by - ay, bx - ax)


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One action over [``from_s``, ``to_s``). ``walked_m`` before it; headings in radians; ease-in/out in ``go``."""

    action: str
    from_s: float
    to_s: float
    path: Path
    speed_m_s: float = 0.0
    acceleration: float = 1.0
    is_eased_in: bool = False
    is_eased_out: bool = False
    walked_m: float = 0.0
    heading_from: float = 0.0
    heading_to: float = 0.0
    style: str = ""
    over_m: float = 0.0

    def along(self, at_s: float) -> tuple[float, float]:
        """Metres travelled in this segment and speed at ``at_s``."""
        t, v, a = at_s - self.from_s, self.speed_m_s, self.acceleration
        ramp = v / a
        total = self.to_s - self.from_s
        if self.is_eased_in and t < ramp:
            return 0.5 * a * t * t, a * t
        if self.is_eased_out and total - t < ramp:
            left = max(total - t, 0.0)
            return self.path.length_m - 0.5 * a * left * left, a * left
        return v * t - (0.5 * v * ramp if self.is_eased_in else 0.0), v


@dataclass(frozen=True, slots=True)
class State:
    """An actor at one instant. ``heading`` radians; ``lift_m`` above ground; ``phase`` gait or wheel cycles."""

    at_xy: tuple[float, float]
    heading: float
    action: str
    speed_m_s: float
    phase: float
    progress: float
    since_s: float
    left_s: float
    lift_m: float
    style: str
    is_carrying: bool


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """One actor for the whole scene. ``carry_until_s``/``carry_from_s`` bound the time a bag is on the ground."""

    id: int
    name: str
    kind: str
    outfit: Outfit
    color: str
    seed: int
    segments: tuple[Segment, ...]
    drop_s: float = math.inf
    pick_s: float = math.inf
    owner: str = ""

    @property
    def from_s(self) -> float:
        """First instant."""
        return self.segments[0].from_s

    @property
    def to_s(self) -> float:
        """Last instant."""
        return self.segments[-1].to_s

    def state(self, at_s: float) -> State | None:
        """Where the actor is at media time ``at_s`` (seconds from the start); None before and after."""
        for segment in self.segments:
            if segment.from_s <= at_s < segment.to_s:
                return self._within(segment, at_s)
        return None

    def _within(self, segment: Segment, at_s: float) -> State:
        since, left = at_s - segment.from_s, segment.to_s - at_s
        progress = since / max(segment.to_s - segment.from_s, 1e-6)
        lift = 0.0
        if segment.action == "go":
            along, speed = segment.along(at_s)
            heading = segment.path.heading(along, 0.8 if self.kind in ("person", "dog") else 1.8)
        elif segment.action == "climb":
            along, speed = segment.path.length_m * float(np.clip((progress - 0.42) / 0.16, 0.0, 1.0)), 0.0
            heading = segment.path.heading(along, 1.0)
            lift = segment.over_m * 0.92 * float(np.clip(min(progress, 1 - progress) / 0.40, 0.0, 1.0))
        else:
            along, speed = 0.0, 0.0
            turn = (segment.heading_to - segment.heading_from + math.pi) % (2 * math.pi) - math.pi
            heading = segment.heading_from + turn * min(since / 0.7, 1.0)
        stride = self._stride_m(segment.speed_m_s)
        return State(
            at_xy=segment.path.place(along),
            heading=heading,
            action=segment.action,
            speed_m_s=speed,
            phase=(segment.walked_m + along) / stride + 0.37 * self.seed,
            progress=progress,
            since_s=since,
            left_s=left,
            lift_m=lift,
            style=segment.style,
            is_carrying=not self.drop_s <= at_s < self.pick_s,
        )

    def _stride_m(self, speed_m_s: float) -> float:
        """Metres per gait cycle (two steps) or per turn of the pedals."""
        if self.kind != "person":
            return {"bicycle": 5.2, "dog": 0.9}.get(self.kind, 2.0)
        run = float(np.clip((speed_m_s - 1.9) / 0.8, 0.0, 1.0))
        size = float(np.clip(math.sqrt(max(speed_m_s, 0.0) / (1.35 if run < 0.5 else 3.2)), 0.25, 1.2))
        return self.outfit.height_m * size * (0.80 + 0.52 * run)
