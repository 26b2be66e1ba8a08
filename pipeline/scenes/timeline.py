"""Who is where, doing what, at any media time: scripts and background traffic compiled into segments.

In: a :class:`~pipeline.scenes.model.Scene` and a seed. Out: :class:`Actor` values whose ``state(at_s)`` is a pure
function of time, so that any frame can be made without those before it. Next file: ``pipeline/scenes/events.py``.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.scenes.looks import PAINTS, Outfit, outfit_of
from pipeline.scenes.model import ActorSpec, Look, Scene, Step, Traffic

__all__ = ["VEHICLES", "Actor", "Path", "Segment", "State", "compile_actors"]

F32 = NDArray[np.float32]

VEHICLES = ("car", "van", "truck", "bus", "motorcycle")
_DEFAULT_SPEED = {"person": 1.35, "dog": 1.6, "bicycle": 4.0, "bag": 1.0}
_DURATION_S = {"stand": 4.0, "crouch": 4.0, "fall": 1.0, "lie": 10.0, "rise": 2.2, "climb": 5.0, "fight": 6.0, "drop": 1.8, "pick": 1.8, "phone": 6.0}  # fmt: skip
_ACCELERATION = {"person": 1.6, "dog": 3.0, "bicycle": 1.2, "bag": 1.0}


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A polyline on the ground with rounded corners, measured along its length."""

    points: F32
    at_m: F32

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


def _seed_of(seed: int, name: str) -> int:
    """A seed for one actor that does not depend on how many others there are."""
    return zlib.crc32(f"{seed}/{name}".encode()) & 0x7FFFFFFF


def _segments(kind: str, steps: Sequence[Step], at_s: float) -> tuple[Segment, ...]:
    speed_default = _DEFAULT_SPEED.get(kind, 7.0)
    acceleration = _ACCELERATION.get(kind, 2.2)
    here, heading, clock, walked = steps[0].points_m[0], 0.0, at_s, 0.0
    style = ""
    out: list[Segment] = []
    for i, step in enumerate(steps):
        if step.verb == "go":
            points = step.points_m if i == 0 else (here, *step.points_m)
            if len(points) < 2:
                continue
            path = Path.through(points, 2 if kind in ("person", "dog") else 3)
            speed = step.speed_m_s or speed_default
            is_in, is_out = i > 0 and out[-1:] != [] and out[-1].action != "go", i + 1 < len(steps) and steps[i + 1].verb not in ("go", "fall")
            ramps = int(is_in) + int(is_out)
            rate = max(acceleration, speed * speed * ramps / max(path.length_m, 0.1) * 0.55)
            seconds = path.length_m / speed + 0.5 * speed / rate * ramps
            out.append(Segment("go", clock, clock + seconds, path, speed, rate, is_in, is_out, walked))
            walked += path.length_m
            here, heading = points[-1], path.heading(path.length_m, 0.8)
        else:
            seconds = step.seconds or _DURATION_S[step.verb]
            style = step.style or style or "forward"
            target = math.radians(step.face_deg) if step.face_deg is not None else heading
            ends = (here, step.points_m[-1]) if step.verb == "climb" and step.points_m else (here, here)
            path = Path.through(ends, 0)
            out.append(Segment(step.verb, clock, clock + seconds, path, 0.0, 1.0, False, False, walked, heading, target, style, step.over_m or 2.0))
            here, heading = ends[-1], path.heading(0.0, 0.5) if step.verb == "climb" else target
        clock = out[-1].to_s
    return tuple(out)


def _actor(spec: ActorSpec, number: int, seed: int, is_cold: bool) -> Actor:
    own = _seed_of(seed, spec.name)
    segments = _segments(spec.kind, spec.steps, spec.at_s)
    rng = np.random.default_rng(own)
    paint = tuple(PAINTS)
    share = np.float64([24, 22, 18, 16, 8, 7, 2, 1, 2])
    color = spec.look.color or str(rng.choice(paint, p=share / share.sum()))
    drop = next((s for s in segments if s.action == "drop"), None)
    pick = next((s for s in segments if s.action == "pick" and (drop is None or s.from_s > drop.from_s)), None)
    look = replace(spec.look, carry=spec.look.carry or "suitcase") if drop or pick else spec.look
    if spec.kind in ("bicycle", "motorcycle"):
        look = replace(look, head=look.head or ("helmet" if spec.kind == "motorcycle" or rng.random() < 0.5 else ""), carry=look.carry or "none")
    return Actor(
        id=number,
        name=spec.name,
        kind=spec.kind,
        outfit=outfit_of(look, own, is_cold=is_cold),
        color=color,
        seed=own,
        segments=segments,
        drop_s=(drop.from_s + drop.to_s) / 2 if drop else (-math.inf if pick else math.inf),
        pick_s=(pick.from_s + pick.to_s) / 2 if pick else math.inf,
    )


def _dropped(actor: Actor, number: int, seconds: float) -> Actor | None:
    """The bag that ``actor`` puts down, as an actor of its own."""
    if not 0 <= actor.drop_s < math.inf:
        return None
    holder = actor.state(actor.drop_s)
    if holder is None:
        return None
    ahead = 0.42 * actor.outfit.height_m / 1.75
    side = holder.heading - 0.5
    place = (holder.at_xy[0] + ahead * math.cos(side), holder.at_xy[1] + ahead * math.sin(side))
    until = min(actor.pick_s, max(seconds, actor.drop_s + 1.0))
    rest = Segment("stand", actor.drop_s, until, Path.through((place, place), 0), heading_from=holder.heading, heading_to=holder.heading)
    return Actor(number, f"{actor.name}-bag", "bag", actor.outfit, actor.outfit.bag_color, actor.seed, (rest,), owner=actor.name)


def _traffic(rule: Traffic, index: int, scene: Scene, seed: int) -> list[ActorSpec]:
    """Actors of one background rule: Poisson arrivals, from half a minute before the recording so that it starts alive."""
    rng = np.random.default_rng([seed, 1000 + index])
    start = rule.from_s - (25.0 if rule.from_s <= 0 else 0.0)
    end = rule.to_s or scene.seconds
    clock, number = start, 0
    last: dict[int, float] = {}
    out: list[ActorSpec] = []
    is_wheeled = rule.kind not in ("person", "dog")
    while rule.per_minute > 0:
        clock += max(float(rng.exponential(60.0 / rule.per_minute)), rule.min_gap_s)
        if clock >= end:
            break
        route = int(rng.integers(len(rule.routes_m)))
        speed = float(rng.uniform(*rule.speed_m_s))
        if is_wheeled:
            speed = rule.speed_m_s[0] + 0.15 * (speed - rule.speed_m_s[0]) + 0.3 * route
            clock = max(clock, last.get(route, -1e9) + 4.5)
            last[route] = clock
        lateral = float(rng.normal(0.0, rule.spread_m * (0.15 if is_wheeled else 1.0)))
        points = _shifted(rule.routes_m[route], lateral)
        steps = [Step("go", points, speed_m_s=speed)]
        if rng.random() < rule.pause and len(points) > 2:
            cut = len(points) // 2
            verb, seconds = ("phone" if rng.random() < 0.5 else "stand"), float(rng.uniform(3.0, 9.0))
            rest = Step("stand", seconds=seconds) if verb == "stand" else Step("phone", seconds=seconds)
            steps = [Step("go", points[: cut + 1], speed_m_s=speed), rest, Step("go", points[cut + 1 :], speed_m_s=speed)]
        out.append(ActorSpec(f"{rule.kind}-{index}-{number}", rule.kind, tuple(steps), clock, Look()))
        number += 1
        if rng.random() < rule.group:
            beside = tuple(replace(s, points_m=_shifted(s.points_m, 0.75)) if len(s.points_m) > 1 else s for s in steps)
            out.append(ActorSpec(f"{rule.kind}-{index}-{number}", rule.kind, beside, clock + float(rng.uniform(0.0, 0.3)), Look()))
            number += 1
    return out


def _shifted(points: Sequence[tuple[float, float]], lateral_m: float) -> tuple[tuple[float, float], ...]:
    """The route moved sideways (left is positive)."""
    line = np.asarray(points, np.float64)
    if len(line) < 2:
        return tuple((float(x), float(y)) for x, y in line)
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    moved = line + lateral_m * np.stack([-along[:, 1], along[:, 0]], axis=1)
    return tuple((float(x), float(y)) for x, y in moved)


def compile_actors(scene: Scene, seed: int) -> tuple[Actor, ...]:
    """Everybody in the scene, scripted ones first, then traffic, then what gets put down; ids from 1."""
    is_cold = scene.started_at().month in (11, 12, 1, 2, 3) and scene.light.mode != "indoor"
    specs = list(scene.actors)
    for index, rule in enumerate(scene.traffic):
        specs += _traffic(rule, index, scene, seed)
    actors = [_actor(spec, number, seed, is_cold) for number, spec in enumerate(specs, 1)]
    actors = [actor for actor in actors if actor.segments and actor.to_s > 0]
    for actor in list(actors):
        bag = _dropped(actor, len(specs) + 1 + len(actors), scene.seconds)
        if bag is not None:
            actors.append(bag)
    return tuple(replace(actor, id=number) for number, actor in enumerate(actors, 1))
