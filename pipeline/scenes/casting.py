"""Who appears: scripted actors, background traffic and dropped bags, turned into timelines.

In: a :class:`~pipeline.scenes.model.Scene` and a seed. Out: :class:`~pipeline.scenes.timeline.Actor` values; the same
for the same scene and seed, and one actor does not depend on how many others there are. Next file: ``timeline.py``.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.scenes.looks import PAINTS, outfit_of
from pipeline.scenes.model import ActorSpec, Look, Scene, Step, Traffic
from pipeline.scenes.timeline import Actor, Path, Segment

__all__ = ["compile_actors"]

_DEFAULT_SPEED = {"person": 1.35, "dog": 1.6, "bicycle": 4.0, "bag": 1.0}


_DURATION_S = {
    "stand": 4.0,
    "crouch": 4.0,
    "fall": 1.0,
    "lie": 10.0,
    "rise": 2.2,
    "climb": 5.0,
    "fight": 6.0,
    "drop": 1.8,
    "pick": 1.8,
    "phone": 6.0,
}


_ACCELERATION = {"person": 1.6, "dog": 3.0, "bicycle": 1.2, "bag": 1.0}


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
            is_in, is_out = (
                i > 0 and out[-1:] != [] and out[-1].action != "go",
                i + 1 < len(steps) and steps[i + 1].verb not in ("go", "fall"),
            )
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
            out.append(
                Segment(
                    step.verb,
                    clock,
                    clock + seconds,
                    path,
                    0.0,
                    1.0,
                    False,
                    False,
                    walked,
                    heading,
                    target,
                    style,
                    step.over_m or 2.0,
                )
            )
            here, heading = ends[-1], path.heading(0.0, 0.5) if step.verb == "climb" else target
        clock = out[-1].to_s
    return tuple(out)


def _actor(spec: ActorSpec, number: int, seed: int, is_cold: bool) -> Actor:
    own = _seed_of(seed, spec.name)
    segments = _segments(spec.kind, spec.steps, spec.at_s)
    rng = np.random.default_rng(own)
    paint = tuple(PAINTS)
    share = np.array([24.0, 22.0, 18.0, 16.0, 8.0, 7.0, 2.0, 1.0, 2.0])
    color = spec.look.color or str(rng.choice(paint, p=share / share.sum()))
    drop = next((s for s in segments if s.action == "drop"), None)
    pick = next((s for s in segments if s.action == "pick" and (drop is None or s.from_s > drop.from_s)), None)
    look = replace(spec.look, carry=spec.look.carry or "suitcase") if drop or pick else spec.look
    if spec.kind in ("bicycle", "motorcycle"):
        look = replace(
            look,
            head=look.head or ("helmet" if spec.kind == "motorcycle" or rng.random() < 0.5 else ""),
            carry=look.carry or "none",
        )
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
    rest = Segment(
        "stand",
        actor.drop_s,
        until,
        Path.through((place, place), 0),
        heading_from=holder.heading,
        heading_to=holder.heading,
    )
    return Actor(
        number, f"{actor.name}-bag", "bag", actor.outfit, actor.outfit.bag_color, actor.seed, (rest,), owner=actor.name
    )


def _traffic(rule: Traffic, index: int, scene: Scene, seed: int) -> list[ActorSpec]:
    """Actors of one background rule: Poisson arrivals, from before the recording so that it starts alive."""
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
            steps = [
                Step("go", points[: cut + 1], speed_m_s=speed),
                rest,
                Step("go", points[cut + 1 :], speed_m_s=speed),
            ]
        out.append(ActorSpec(f"{rule.kind}-{index}-{number}", rule.kind, tuple(steps), clock, Look()))
        number += 1
        if rng.random() < rule.group:
            beside = tuple(replace(s, points_m=_shifted(s.points_m, 0.75)) if len(s.points_m) > 1 else s for s in steps)
            out.append(
                ActorSpec(
                    f"{rule.kind}-{index}-{number}", rule.kind, beside, clock + float(rng.uniform(0.0, 0.3)), Look()
                )
            )
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
