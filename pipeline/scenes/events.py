"""What happens, as intervals of media time, derived from the world and not from the picture.

In: the scene and its compiled actors. Out: :class:`~pipeline.scenes.truth.TruthEvent` values, sorted. Kinds: intrusion,
loitering, running, fall, fight, abandoned_bag, wrong_way, crowd, vehicle_on_walkway, tailgating, camera_covered,
camera_moved. Sampled at 10 Hz. Next file: ``pipeline/scenes/truth.py``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.boxes import is_inside
from pipeline.scenes.model import Gate, Scene, Zone
from pipeline.scenes.timeline import VEHICLES, Actor, State
from pipeline.scenes.truth import TruthEvent

__all__ = ["EVENT_KINDS", "events_of", "zones_at"]

EVENT_KINDS: tuple[str, ...] = (
    "intrusion", "loitering", "running", "fall", "fight", "abandoned_bag", "wrong_way", "crowd",
    "vehicle_on_walkway", "tailgating", "camera_covered", "camera_moved",
)  # fmt: skip
_RATE_HZ = 10.0
_RUN_M_S = 2.4
_LEFT_ALONE_M = 3.0
_CROWD_M = 3.5
_CROWD_S = 5.0
Samples = dict[int, list[tuple[float, State]]]


def zones_at(scene: Scene, at: tuple[float, float]) -> tuple[str, ...]:
    """Names of the zones that contain a ground point."""
    return tuple(zone.name for zone in scene.zones if is_inside(at, zone.points_m))


def _spans(times: Iterable[float], max_gap_s: float) -> list[tuple[float, float]]:
    """Merge sampled instants closer than ``max_gap_s`` into intervals; each instant stands for one sample's time."""
    out: list[tuple[float, float]] = []
    for t in times:
        if out and t - out[-1][1] <= max_gap_s:
            out[-1] = (out[-1][0], t)
        else:
            out.append((t, t))
    return [(a, b + 1.0 / _RATE_HZ) for a, b in out]


def _sampled(scene: Scene, actors: Sequence[Actor]) -> Samples:
    times = np.arange(0.0, scene.seconds, 1.0 / _RATE_HZ)
    samples: Samples = {}
    for actor in actors:
        first, last = np.searchsorted(times, (actor.from_s, actor.to_s))
        states = ((float(t), actor.state(float(t))) for t in times[first:last])
        samples[actor.id] = [(t, state) for t, state in states if state is not None]
    return samples


def _zone_events(zone: Zone, actors: Sequence[Actor], samples: Samples) -> list[TruthEvent]:
    out: list[TruthEvent] = []
    people_at: dict[float, list[tuple[int, tuple[float, float]]]] = {}
    for actor in actors:
        inside = [(t, s) for t, s in samples[actor.id] if is_inside(s.at_xy, zone.points_m)]
        for kind, from_s, to_s in _visits(zone, actor, inside):
            out.append(TruthEvent(kind, from_s, to_s, (actor.id,), zone.name))
        if actor.kind == "person":
            for t, state in inside:
                people_at.setdefault(t, []).append((actor.id, state.at_xy))
    if zone.crowd_n > 0:
        groups = {t: _densest(people) for t, people in people_at.items()}
        full = sorted(t for t, ids in groups.items() if len(ids) >= zone.crowd_n)
        for a, b in _spans(full, 1.0):
            ids = sorted(set().union(*(groups[t] for t in full if a <= t <= b)))
            if b - a > _CROWD_S:
                out.append(TruthEvent("crowd", a, b, tuple(ids), zone.name))
    return out


def _visits(zone: Zone, actor: Actor, inside: Sequence[tuple[float, State]]) -> list[tuple[str, float, float]]:
    """What one actor's time inside a zone amounts to: (kind, from, to)."""
    stays = _spans((t for t, _ in inside), 1.0)
    out: list[tuple[str, float, float]] = []
    if actor.kind == "person":
        if zone.role == "restricted":
            out += [("intrusion", a, b) for a, b in stays]
        if zone.loiter_s > 0:
            out += [("loitering", a + zone.loiter_s, b) for a, b in stays if b - a > zone.loiter_s]
    if zone.role == "walkway" and actor.kind in VEHICLES:
        out += [("vehicle_on_walkway", a, b) for a, b in stays]
    if zone.role == "one_way" and actor.kind in (*VEHICLES, "bicycle"):
        way = math.radians(zone.direction_deg)
        against = (t for t, s in inside if s.speed_m_s > 0.5 and _turn(s.heading, way) > 2.0)
        out += [("wrong_way", a, b) for a, b in _spans(against, 1.0) if b - a > 0.5]
    return out


def _densest(people: Sequence[tuple[int, tuple[float, float]]]) -> set[int]:
    """The ids of the most people within a few metres of one of them."""
    groups = [{other for other, at in people if math.dist(at, centre) <= _CROWD_M} for _, centre in people]
    return max(groups, key=len, default=set())


def _turn(a: float, b: float) -> float:
    return abs((a - b + math.pi) % (2 * math.pi) - math.pi)


def _action_events(actor: Actor, samples: Samples, seconds: float) -> list[TruthEvent]:
    out: list[TruthEvent] = []
    if actor.kind != "person":
        return out
    fast = [t for t, s in samples[actor.id] if s.action == "go" and s.speed_m_s > _RUN_M_S]
    out += [TruthEvent("running", a, b, (actor.id,)) for a, b in _spans(fast, 0.7) if b - a > 0.8]
    for i, segment in enumerate(actor.segments):
        if segment.action == "fall" and segment.from_s < seconds:
            end = segment.to_s
            for later in actor.segments[i + 1 :]:
                if later.action != "lie":
                    break
                end = later.to_s
            out.append(TruthEvent("fall", segment.from_s, min(end, seconds), (actor.id,)))
    return out


def _fights(actors: Sequence[Actor], samples: Samples) -> list[TruthEvent]:
    at: dict[float, set[int]] = {}
    for actor in actors:
        for t, state in samples[actor.id]:
            if state.action == "fight":
                at.setdefault(t, set()).add(actor.id)
    out = []
    for a, b in _spans(sorted(at), 2.0):
        ids = sorted(set().union(*(ids for t, ids in at.items() if a <= t <= b)))
        out.append(TruthEvent("fight", a, b, tuple(ids)))
    return out


def _left_bags(actors: Sequence[Actor], samples: Samples) -> list[TruthEvent]:
    out: list[TruthEvent] = []
    by_name = {actor.name: actor for actor in actors}
    for bag in actors:
        if bag.kind != "bag" or not bag.owner:
            continue
        owner = {round(t, 3): s for t, s in samples[by_name[bag.owner].id]}
        alone = []
        for t, state in samples[bag.id]:
            holder = owner.get(round(t, 3))
            if holder is None or math.dist(holder.at_xy, state.at_xy) > _LEFT_ALONE_M:
                alone.append(t)
        out += [
            TruthEvent("abandoned_bag", a, b, (bag.id, by_name[bag.owner].id))
            for a, b in _spans(alone, 1.0)
            if b - a > 1.0
        ]
    return out


def _crossings(gate: Gate, actor: Actor, samples: Samples) -> list[tuple[float, int]]:
    """Instants at which a person passes the gate line, with the side they go to."""
    (ax, ay), (bx, by) = gate.from_m, gate.to_m
    out: list[tuple[float, int]] = []
    previous: tuple[float, State] | None = None
    for t, state in samples[actor.id]:
        if previous is not None:
            (px, py), (qx, qy) = previous[1].at_xy, state.at_xy
            side_p = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
            side_q = (bx - ax) * (qy - ay) - (by - ay) * (qx - ax)
            cut_a = (qx - px) * (ay - py) - (qy - py) * (ax - px)
            cut_b = (qx - px) * (by - py) - (qy - py) * (bx - px)
            if side_p * side_q < 0 and cut_a * cut_b < 0:
                out.append((t, 1 if side_q > 0 else -1))
        previous = (t, state)
    return out


def _tailgating(gate: Gate, actors: Sequence[Actor], samples: Samples) -> list[TruthEvent]:
    passes = sorted(
        (t, side, actor.id)
        for actor in actors
        if actor.kind == "person"
        for t, side in _crossings(gate, actor, samples)
    )
    return [
        TruthEvent("tailgating", first[0], second[0], (first[2], second[2]), gate.name)
        for first, second in itertools.pairwise(passes)
        if first[1] == second[1] and first[2] != second[2] and second[0] - first[0] < gate.min_gap_s
    ]


def events_of(scene: Scene, actors: Sequence[Actor]) -> tuple[TruthEvent, ...]:
    """Everything that happens in the scene, by start time."""
    samples = _sampled(scene, actors)
    out: list[TruthEvent] = []
    for zone in scene.zones:
        out += _zone_events(zone, actors, samples)
    for actor in actors:
        out += _action_events(actor, samples, scene.seconds)
    out += _fights(actors, samples)
    out += _left_bags(actors, samples)
    for gate in scene.gates:
        out += _tailgating(gate, actors, samples)
    for event in scene.camera_events:
        out.append(TruthEvent(f"camera_{event.kind}", event.at_s, min(event.at_s + event.seconds, scene.seconds)))
    kept = [e for e in out if e.from_s < scene.seconds]
    rounded = [
        TruthEvent(e.kind, round(e.from_s, 3), round(min(e.to_s, scene.seconds), 3), e.actors, e.zone) for e in kept
    ]
    return tuple(sorted(rounded, key=lambda e: (e.from_s, e.kind, e.actors)))
