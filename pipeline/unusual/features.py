"""What is measured of every track and of the frame at one moment, in units that hold for any camera.

In: a :class:`~pipeline.protocols.Moment` (boxes, looks). Out: a :class:`Glimpse`: one row of
:data:`~pipeline.unusual.samples.COLUMNS` per track that is seen now, and one of the whole frame. Velocities come from
a straight line through the last half second of the box, so that a trembling box is at rest; a box cut off by the edge
of the picture has no shape. Next file: ``pipeline/unusual/channels.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.labels import group_of
from pipeline.protocols import Json, Moment
from pipeline.types import Looks, Track
from pipeline.unusual.samples import APPEARANCE_DIMENSIONS, COLUMNS, FLOW_BINS

__all__ = ["FeatureFold", "Glimpse"]

_WINDOW_S = 0.6  # a velocity is measured over so long
_MEMORY_S = 1.5
_MIN_WINDOW_S = 0.15
_MAX_STEPS = 48
_MIN_STEP_S = 0.03
_MIN_CONFIDENCE = 0.1
_EDGE_SHARE = 0.01  # of the picture: a box so close to the border is cut off
_SAME_SHARE = 0.85
_LIGHT_S = 30.0
_NAN = math.nan

_Step = tuple[float, float, float, float, float]  # at_s, centre x, centre y, log height, log width; picture heights


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Glimpse:
    """The n tracks seen at ``at_s`` as rows (n, columns), their ``appearance`` (n, 64), and the frame (scene columns,).

    ``source_wh``: size of the picture in pixels.
    """

    at_s: float
    source_wh: tuple[int, int]
    tracks: tuple[Track, ...]
    rows: NDArray[np.float32]
    appearance: NDArray[np.float16]
    scene: NDArray[np.float32]

    def __repr__(self) -> str:
        return f"Glimpse(at_s={self.at_s:.3f}, tracks={len(self.tracks)})"


class FeatureFold:
    """Measures moments of one camera in the order of media time; remembers a second and a half of every box."""

    def __init__(self) -> None:
        self._ways: dict[int, list[_Step]] = {}
        self._light: float | None = None
        self._at_s: float | None = None

    def measure(self, moment: Moment) -> Glimpse:
        """The features of ``moment``, whose detections are not None and whose picture has a size."""
        ref, looks = moment.finding.ref, moment.finding.looks
        at_s, (width, height) = ref.at_s, ref.source_wh
        if moment.missing_s > 0 or (self._at_s is not None and at_s < self._at_s):
            self._ways = {}
        seen = _whole([t for t in moment.tracks if t.detection is not None and t.confidence >= _MIN_CONFIDENCE])
        rows = np.full((len(seen), len(COLUMNS)), _NAN, np.float32)
        for row, track in zip(rows, seen, strict=True):
            row[:9] = self._box(track, at_s, width, height)
            if looks is not None and track.detection is not None:
                row[9:14] = _pixels(looks, track.detection, height)
                row[16:] = [looks.of(track.detection, f"flow_hist_{i}_share") for i in range(FLOW_BINS)]
        _relate(rows)
        rows[~np.isfinite(rows)] = _NAN
        self._ways = {i: way for i, way in self._ways.items() if at_s - way[-1][0] <= _MEMORY_S}
        scene = self._scene(moment, looks, width, height, len(seen))
        self._at_s = at_s
        return Glimpse(at_s, (width, height), tuple(seen), rows, _appearance(moment, seen), scene)

    def _box(self, track: Track, at_s: float, width: int, height: int) -> list[float]:
        """Place, size, velocity and change of size of one track; NaN where its box cannot tell."""
        x1, y1, x2, y2 = (edge / height for edge in track.xyxy)
        box_wh = (max(1e-4, x2 - x1), max(1e-4, y2 - y1))
        way = self._ways.setdefault(track.id, [])
        if not way or at_s - way[-1][0] >= _MIN_STEP_S:
            way.append((at_s, (x1 + x2) / 2, (y1 + y2) / 2, math.log(box_wh[1]), math.log(box_wh[0])))
        while len(way) > 1 and (at_s - way[0][0] > _MEMORY_S or len(way) > _MAX_STEPS):
            way.pop(0)
        velocity_x, velocity_y, growth, widening = _slopes([step for step in way if at_s - step[0] <= _WINDOW_S])
        collapse = max(_sunk(step, way[-1]) for step in way)
        edge_x, edge_y = _EDGE_SHARE * width / height, _EDGE_SHARE
        if x1 < edge_x or x2 > width / height - edge_x or y1 < edge_y or y2 > 1 - edge_y:
            growth = widening = collapse = _NAN
            box_wh = (_NAN, _NAN)
        return [(x1 + x2) / 2, y2, box_wh[1], box_wh[0], velocity_x, velocity_y, growth, widening, collapse]

    def _scene(self, moment: Moment, looks: Looks | None, width: int, height: int, count: int) -> NDArray[np.float32]:
        outside = moving = energy = flicker = _NAN
        if looks is not None:
            boxes = np.asarray(looks.moving_xyxy, np.float64)
            sides = np.maximum(0.0, boxes[:, 2:] - boxes[:, :2])
            outside = float((sides[:, 0] * sides[:, 1]).sum()) / (width * height)
            moving = looks.scene("moving_share")
            energy = looks.scene("flow_energy_px_per_s") / height
        light = looks.scene("brightness_luma") if looks is not None else _NAN
        light = moment.finding.note.brightness if math.isnan(light) else light
        at_s = moment.finding.ref.at_s
        if 0 < light < math.inf:
            if self._light is None or self._at_s is None or at_s < self._at_s:
                self._light = light
            flicker = abs(light - self._light)
            elapsed_s = 0.0 if self._at_s is None else max(0.0, at_s - self._at_s)
            self._light += (light - self._light) * (1 - math.exp(-elapsed_s / _LIGHT_S))
        scene = np.array([outside, moving, energy, flicker, count], np.float32)
        scene[~np.isfinite(scene)] = _NAN
        return scene

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {"ways": {str(i): way for i, way in self._ways.items()}, "light": self._light, "at_s": self._at_s}

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`."""
        self._ways = {int(i): [(s[0], s[1], s[2], s[3], s[4]) for s in way] for i, way in state["ways"].items()}
        self._light, self._at_s = state["light"], state["at_s"]


def _whole(tracks: list[Track]) -> list[Track]:
    """``tracks`` without those that are a part of another: inside a box of the same group that is surer."""
    if len(tracks) < 2:
        return tracks
    boxes = np.array([track.xyxy for track in tracks], np.float64)  # (n, 4)
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.maximum(0.0, high - low).prod(-1)  # (n, n)
    area = np.maximum(1e-6, (boxes[:, 2:] - boxes[:, :2]).prod(-1))
    is_inside = shared >= _SAME_SHARE * area[:, None]
    return [
        track
        for i, track in enumerate(tracks)
        if not any(
            is_inside[i, j] and area[j] > area[i] and other.confidence > track.confidence
            for j, other in enumerate(tracks)
            if j != i and group_of(other.label) == group_of(track.label)
        )
    ]


def _sunk(before: _Step, now: _Step) -> float:
    """By which share of its height an object sank: its upper edge came down *and* it lost height.

    Who is hidden from below keeps his head where it is, and who walks towards the camera keeps his height.
    """
    height, rest = math.exp(before[3]), math.exp(now[3])
    descent = (now[2] - rest / 2) - (before[2] - height / 2)
    return max(0.0, min(descent, height - rest)) / height


def _slopes(way: Sequence[_Step]) -> tuple[float, float, float, float]:
    """Least-squares slopes per second of centre x, y, log height and log width; NaN when the way is too short."""
    if way[-1][0] - way[0][0] < _MIN_WINDOW_S:
        return (_NAN, _NAN, _NAN, _NAN)
    n = len(way)
    mean_s = sum(step[0] for step in way) / n
    weights = [step[0] - mean_s for step in way]
    spread = sum(weight * weight for weight in weights)
    x, y, h, w = (
        sum(weight * step[k] for weight, step in zip(weights, way, strict=True)) / spread for k in range(1, 5)
    )
    return (x, y, h, w)


def _pixels(looks: Looks, detection: int, height: int) -> list[float]:
    """Flow, its spread, the moving share and the body angle of one detection."""
    return [
        looks.of(detection, "flow_px_per_s") / height,
        looks.of(detection, "flow_peak_px_per_s") / height,
        looks.of(detection, "flow_spread_px_per_s") / height,
        looks.of(detection, "moving_share"),
        looks.of(detection, "body_angle_deg"),
    ]


def _relate(rows: NDArray[np.float32]) -> None:
    """Fill in, for every track, the gap to the nearest other one and how fast it closes."""
    if len(rows) < 2:
        return
    place, velocity = rows[:, 0:2].astype(np.float64), rows[:, 4:6].astype(np.float64)
    apart = place[None, :, :] - place[:, None, :]  # (n, n, 2)
    distance = np.sqrt((apart**2).sum(-1))
    distance[_doubles(rows)] = np.inf
    nearest = distance.argmin(1)
    index = np.arange(len(rows))
    gap = distance[index, nearest]
    towards = apart[index, nearest] / np.maximum(gap, 1e-6)[:, None]
    gap[~np.isfinite(gap)] = _NAN
    rows[:, 14] = gap
    rows[:, 15] = ((velocity - velocity[nearest]) * towards).sum(1)


def _doubles(rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which tracks (n, n) are the same object as far as boxes tell: one lies within the other."""
    x, foot, height, width = (rows[:, k].astype(np.float64) for k in range(4))
    across = np.minimum.outer(x + width / 2, x + width / 2) - np.maximum.outer(x - width / 2, x - width / 2)
    along = np.minimum.outer(foot, foot) - np.maximum.outer(foot - height, foot - height)
    area = width * height
    shared = np.maximum(0.0, across) * np.maximum(0.0, along) / np.minimum.outer(area, area)
    found: NDArray[np.bool_] = ~(shared < _SAME_SHARE)  # true also where a box has no shape
    return found | np.eye(len(rows), dtype=np.bool_)


@lru_cache(maxsize=4)
def _projection(dimensions: int) -> NDArray[np.float32]:
    """A fixed random matrix (dimensions, 64) that keeps distances (Johnson and Lindenstrauss, 1984)."""
    generator = np.random.default_rng(dimensions)
    shape = (dimensions, APPEARANCE_DIMENSIONS)
    return (generator.standard_normal(shape) / math.sqrt(APPEARANCE_DIMENSIONS)).astype(np.float32)


def _appearance(moment: Moment, tracks: Sequence[Track]) -> NDArray[np.float16]:
    """Appearance of each track in 64 dimensions; NaN where it was not measured at this frame."""
    found = np.full((len(tracks), APPEARANCE_DIMENSIONS), _NAN, np.float16)
    detections = moment.finding.detections
    if detections is None or detections.embedding is None or not tracks:
        return found
    vectors = detections.embedding[[track.detection or 0 for track in tracks]].astype(np.float32)
    length = np.sqrt((vectors**2).sum(1))
    is_known = np.isfinite(length) & (length > 1e-6)
    unit = vectors[is_known] / length[is_known, None]
    if unit.shape[1] > APPEARANCE_DIMENSIONS:
        unit = unit @ _projection(unit.shape[1])
    found[is_known, : unit.shape[1]] = unit
    found[is_known, unit.shape[1] :] = 0.0
    return found
