"""Frames and truth of a scene, in order; the one class people use. Also :func:`render`, which writes a video file.

In: a :class:`~pipeline.scenes.model.Scene` and a seed. Out: ``(rgb (H, W, 3) uint8, FrameTruth)`` per frame; the same
bytes for the same scene and seed on the same machine. Next file: ``pipeline/video/writer.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from pipeline.scenes.arrays import U8, Floats, f32
from pipeline.scenes.camera import Lens
from pipeline.scenes.cast import CARRIED_ID, Performer
from pipeline.scenes.casting import compile_actors
from pipeline.scenes.draw import Drawn, Sighting, draw
from pipeline.scenes.events import events_of, zones_at
from pipeline.scenes.ground import ground_height
from pipeline.scenes.model import Camera, Scene
from pipeline.scenes.noise import wander
from pipeline.scenes.parked import ParkedVehicles
from pipeline.scenes.plate import Plate, build_plate
from pipeline.scenes.sensor import Sensor
from pipeline.scenes.tampering import covered, smeared, turned
from pipeline.scenes.timeline import Actor, State
from pipeline.scenes.truth import FrameTruth, Truth, TruthObject, TruthZone
from pipeline.scenes.world import World, build_world
from pipeline.video.writer import VideoWriter

__all__ = ["Renderer", "render"]

_TURN_S = 0.6
_SMALL = ("person", "dog", "bag", "bicycle", "motorcycle")
_FINE_ABOVE_PX = 90.0
_POSTURES = {"fall": "lying", "lie": "lying", "crouch": "bent", "drop": "bent", "pick": "bent", "rise": "bent"}


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """One direction the camera looks in, prepared."""

    world: World
    plate: Plate
    sensor: Sensor
    parked: ParkedVehicles
    foliage: Floats
    still: Floats


class Renderer:
    """Iterate it for ``(rgb, FrameTruth)``, or ask for any single frame with :meth:`frame`.

    The empty scene is traced before the first frame (a few seconds); ``actors``, ``events`` and ``zones()`` are known
    at once. Frames do not depend on each other, so several processes may share them out.
    """

    def __init__(self, scene: Scene, seed: int = 0) -> None:
        self.scene = scene
        self.seed = seed
        self.actors: tuple[Actor, ...] = compile_actors(scene, seed)
        self.events = events_of(scene, self.actors)
        self._performers = {actor.id: Performer(actor) for actor in self.actors}
        self._stages: dict[Camera, _Stage] = {}

    @property
    def frame_count(self) -> int:
        """Number of frames in the scene."""
        return round(self.scene.seconds * self.scene.fps)

    def zones(self) -> tuple[TruthZone, ...]:
        """The scene's zones as the camera sees them, cut to the picture; one that is out of sight has no points."""
        lens = Lens(self.scene.camera, self.scene.size_wh)
        return tuple(TruthZone(zone.name, zone.role, lens.outline(zone.points_m)) for zone in self.scene.zones)

    def __iter__(self) -> Iterator[tuple[U8, FrameTruth]]:
        for index in range(self.frame_count):
            yield self.frame(index)

    def frame(self, index: int) -> tuple[U8, FrameTruth]:
        """Frame ``index`` (from 0) and what is in it."""
        at_s = index / self.scene.fps
        camera, since_s, left_s = self._camera_at(at_s)
        is_turned = camera == "moved" and since_s >= _TURN_S
        stage = self._stage(turned(self.scene.camera) if is_turned else self.scene.camera)
        rgb, objects = self._drawn(stage, at_s, index)
        if camera == "moved" and since_s < _TURN_S:
            rgb = smeared(rgb, since_s / _TURN_S)
        if camera == "covered":
            share = min(since_s, left_s) / 0.5
            rgb = covered(rgb, share, index, self.seed)
            objects = () if share >= 0.8 else objects
        return rgb, FrameTruth(index, round(at_s, 4), objects, camera)

    def _stage(self, camera: Camera) -> _Stage:
        if camera not in self._stages:
            self._stages[camera] = _build_stage(replace(self.scene, camera=camera), self.seed)
        return self._stages[camera]

    def _camera_at(self, at_s: float) -> tuple[str, float, float]:
        for event in self.scene.camera_events:
            if event.at_s <= at_s < event.at_s + event.seconds:
                return event.kind, at_s - event.at_s, event.at_s + event.seconds - at_s
        return "clear", 0.0, 0.0

    def _drawn(self, stage: _Stage, at_s: float, index: int) -> tuple[U8, tuple[TruthObject, ...]]:
        states: dict[int, tuple[Actor, State]] = {}
        figures = []
        for actor in self.actors:
            state = actor.state(at_s)
            if state is None:
                continue
            states[actor.id] = (actor, state)
            radius_m = 1.3 if actor.kind in _SMALL else 6.5
            if _may_be_seen(stage, state, self.scene.size_wh, radius_m):
                far_m = math.dist((*state.at_xy, 0.9), self.scene.camera.position_m)
                fine = 1.0 if stage.world.lens.focal_px * 1.75 / far_m > _FINE_ABOVE_PX else 0.6
                raised = replace(state, lift_m=state.lift_m + ground_height(self.scene.props, state.at_xy))
                figures += self._performers[actor.id].figures(raised, at_s, fine)
        veil, moved = _blown(stage, self.scene.light.wind, at_s)
        drawn = draw(stage.world, stage.plate, stage.plate.total, figures, veil, self.scene.size_wh)
        rgb = stage.sensor.picture(drawn.light, (*moved, *drawn.rects), index)
        return rgb, self._objects(stage, drawn, states)

    def _objects(self, stage: _Stage, drawn: Drawn, states: dict[int, tuple[Actor, State]]) -> tuple[TruthObject, ...]:
        out = []
        for sighting in drawn.sightings:
            actor, state = states[sighting.object_id % CARRIED_ID]
            out.append(_truth_of(self.scene, stage.world, sighting, actor, state))
        return (*out, *stage.parked.objects(drawn.owner2))


def _truth_of(scene: Scene, world: World, sighting: Sighting, actor: Actor, state: State) -> TruthObject:
    is_person = sighting.label == "person"
    rider = actor.kind in ("bicycle", "motorcycle") and is_person
    outfit = actor.outfit
    if is_person:
        colors = {"top": outfit.top_color, "legs": outfit.legs_color}
    elif sighting.label == "bag":
        colors = {"body": outfit.bag_color}
    else:
        colors = {"body": actor.color}
    action = "ride" if rider else state.action
    if is_person and action == "go":
        action = "run" if state.speed_m_s > 2.4 else "walk" if state.speed_m_s > 0.25 else "stand"
    return TruthObject(
        id=sighting.object_id,
        name=actor.name,
        label=sighting.label,
        xyxy=sighting.xyxy,
        full_xyxy=tuple(round(v, 2) for v in sighting.full_xyxy),  # type: ignore[arg-type]
        visible=sighting.visible,
        at_m=(round(state.at_xy[0], 3), round(state.at_xy[1], 3)),
        speed_m_s=round(state.speed_m_s, 3),
        heading_deg=round(math.degrees(state.heading) % 360.0, 1),
        direction=_direction(world, state),
        action=action,
        posture=_posture(state) if is_person else "",
        zones=zones_at(scene, state.at_xy),
        colors=colors,
        is_carried=sighting.label == "bag" and actor.kind != "bag",
    )


def _posture(state: State) -> str:
    if state.action == "fall":
        return "upright" if state.progress < 0.55 else "lying"
    if state.action == "rise":
        return "lying" if state.progress < 0.3 else "bent" if state.progress < 0.7 else "upright"
    if state.action in ("crouch", "drop", "pick") and min(state.since_s, state.left_s) < 0.35:
        return "upright"
    return _POSTURES.get(state.action, "upright")


def _direction(world: World, state: State) -> str:
    """Travel as the camera sees it."""
    if state.speed_m_s < 0.25:
        return "still"
    way = f32([math.cos(state.heading), math.sin(state.heading)])
    right, forward = world.lens.rotation[0, :2], world.lens.rotation[2, :2]
    across, away = float(way @ right), float(way @ (forward / max(float(np.linalg.norm(forward)), 1e-6)))
    if abs(across) > abs(away):
        return "right" if across > 0 else "left"
    return "away" if away > 0 else "towards"


def _build_stage(scene: Scene, seed: int) -> _Stage:
    world = build_world(scene)
    plate = build_plate(scene, world, seed)
    foliage = np.clip(cv2.GaussianBlur(plate.veil[..., 3], (0, 0), 2.0) * 2.0, 0.0, 1.0).astype(np.float32)
    foliage *= plate.is_foliage
    still = plate.total * (1.0 - plate.veil[..., 3:]) + plate.veil[..., :3]
    return _Stage(world, plate, Sensor(scene, still, seed), ParkedVehicles(scene, world, plate), foliage, still)


def _may_be_seen(stage: _Stage, state: State, size_wh: tuple[int, int], radius_m: float) -> bool:
    """A cheap test that an actor within ``radius_m`` of its place can reach the picture."""
    x, y = state.at_xy
    reach = (-radius_m, 0.0, radius_m)
    around = f32([(x + dx, y + dy, z) for dx in reach for dy in reach for z in (0.0, 3.2)])
    xy, depth = stage.world.lens.project(around)
    ahead = depth > 0.1
    if not ahead.any():
        return False
    w, h = size_wh
    low, high = xy[ahead].min(axis=0), xy[ahead].max(axis=0)
    return bool(high[0] > -40 and low[0] < w + 40 and high[1] > -40 and low[1] < h + 40)


def _blown(stage: _Stage, wind: float, at_s: float) -> tuple[Floats, list[tuple[int, int, int, int]]]:
    """The veil with its leaves moved by the wind, and the rectangle that changed (none when there are no leaves)."""
    veil = stage.plate.veil
    if wind <= 0 or not stage.foliage.any():
        return veil, []
    columns, rows = np.flatnonzero(stage.foliage.any(axis=0)), np.flatnonzero(stage.foliage.any(axis=1))
    x0, y0, x1, y1 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    gust = 1.0 + 0.7 * wander(3, at_s, 7.0)
    size = stage.foliage[y0:y1, x0:x1] * f32(2.2 * wind * gust)
    ripple = 2 * np.pi * (at_s * 0.9 + x / 47.0 + y / 61.0)
    flutter = 2 * np.pi * (at_s * 2.3 + x / 13.0 - y / 17.0)
    dx = size * (0.7 * np.sin(ripple) + 0.3 * np.sin(flutter) + 0.5 * wander(4, at_s, 3.0))
    dy = size * 0.4 * (np.cos(ripple * 1.1) + 0.5 * np.sin(flutter * 0.9))
    out = veil.copy()
    out[y0:y1, x0:x1] = cv2.remap(veil, (x + dx).astype(np.float32), (y + dy).astype(np.float32), cv2.INTER_LINEAR)
    return out, [(x0, y0, x1, y1)]


def render(
    scene: Scene,
    out: Path,
    *,
    seed: int = 0,
    seconds: float | None = None,
    truth: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    pictures: Iterable[tuple[U8, FrameTruth]] | None = None,
) -> Truth:
    """Write ``scene`` as a video to ``out`` (and its truth as JSON to ``truth``); returns the truth.

    ``progress`` is called with (frames done, frames in all). ``pictures`` brings frames of this very scene and seed
    that were rendered elsewhere (several processes), in order. Raises StorageError when a file cannot be written.
    """
    if seconds is not None:
        scene = replace(scene, seconds=seconds)
    renderer = Renderer(scene, seed)
    frames: list[FrameTruth] = []
    gop = max(1, round(scene.encode.gop_s * scene.fps))
    with VideoWriter(
        out,
        size_wh=scene.size_wh,
        fps=scene.fps,
        codec=scene.encode.codec,
        bit_rate_kbps=scene.encode.bit_rate_kbps,
        gop=gop,
    ) as writer:
        for rgb, frame_truth in renderer if pictures is None else pictures:
            writer.write(rgb)
            frames.append(frame_truth)
            if progress is not None:
                progress(len(frames), renderer.frame_count)
    whole = Truth(
        scene=scene.name,
        family=scene.family,
        seed=seed,
        fps=scene.fps,
        size_wh=scene.size_wh,
        is_usual=scene.is_usual,
        seconds=scene.seconds,
        zones=renderer.zones(),
        events=renderer.events,
        frames=tuple(frames),
    )
    if truth is not None:
        whole.save(truth)
    return whole
