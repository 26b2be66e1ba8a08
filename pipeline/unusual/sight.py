"""What the learned fusion sees of a moment: numbers that mean the same on any camera, whether it was watched before or
not.

In: a :class:`~pipeline.protocols.Moment`. Out: a :class:`Sight`: a row of ``TRACK_FEATURES`` per track, measured in
body sizes (the longer side of its box, so that a person who lies down keeps his size) over the last one and a half
seconds, a row of ``SCENE_FEATURES``, and the vector of the newest words. Everything is finite: what is unknown is 0
and, where 0 could be taken for a measurement, has a mask of its own. Next file: ``pipeline/unusual/learned.py``.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import iou_matrix
from pipeline.labels import group_of
from pipeline.protocols import Json, Moment
from pipeline.types import Looks, Track

__all__ = ["SCENE_FEATURES", "TRACK_FEATURES", "Sight", "SightFold"]

TRACK_FEATURES: tuple[str, ...] = (
    "speed",  # body sizes per second
    "down_speed",
    "flow",  # of the pixels in the box
    "flow_peak",
    "flow_spread",
    "moving_share",
    "body_angle",  # 0 lying .. 1 upright
    "body_angle_known",
    "aspect_log",  # of height by width
    "height_lost_log",  # height against the highest of the window
    "head_drop",  # of the upper edge against its highest place in the window
    "head_drop_per_s",
    "flow_mean",  # over the window
    "flow_max",
    "flow_deviation",
    "spread_mean",
    "spread_max",
    "disorder",  # entropy of the directions of flow, 0..1
    "disorder_mean",
    "travel_per_s",  # from where it was at the beginning of the window
    "wandering_per_s",  # speed that leads nowhere
    "wide_for",  # share of five seconds that its box has been wider than high
    "still_for",  # share of ten seconds without motion
    "gap",  # body sizes to the nearest person, at most 5
    "closing_per_s",
    "overlap",  # IoU with that person's box
    "other_flow",
    "other_spread",
    "company",  # persons within one and a half body sizes, in fives
    "is_person",
    "is_vehicle",
    "is_animal",
    "is_bag",
    "confidence",
    "size",  # picture heights
    "age_log",
    "at_edge",
    "lowest_angle",  # of the window; 1 where unknown
)
"""Columns of ``Sight.tracks``."""

SCENE_FEATURES: tuple[str, ...] = (
    "flow_energy",  # picture heights per second, times ten
    "flow_energy_max",  # over the window
    "moving_share",
    "outside_share",  # of the picture, moving outside every box
    "persons_log",
    "vehicles_log",
    "person_flow",  # mean over persons
    "person_flow_max",
    "person_flow_rise",  # against the last ten seconds
    "person_disorder",
    "persons_change",  # against the last ten seconds, in fives
    "light_change",  # against the last ten seconds, in full range
)
"""Columns of ``Sight.scene``."""

_WINDOW_S = 1.5
_SHORT_S = 0.55
_SLOW_S = 10.0
_MAX_LOOKS = 24
_MAX_TRACKS = 512
_STILL = 0.12  # body sizes per second of flow below which a body is at rest
_NEAR = 1.5
_FAR = 5.0
_LEAST_CONFIDENCE = 0.25
_EDGE = 0.01
_TEXT_HALF_LIFE_S = 3.0
_GROUPS = ("vehicle", "animal", "bag")
_LIMIT = 20.0

Floats = NDArray[np.float32]


class _Look(NamedTuple):
    """One track at one moment; lengths in pixels, flow in pixels per second."""

    at_s: float
    x: float
    y: float
    top: float
    height: float
    flow: float
    spread: float
    disorder: float
    angle: float  # NaN when unknown


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sight:
    """``tracks`` (n, features) of ``seen``, ``scene`` (features,), ``text`` (D,) or None with its weight 0..1."""

    seen: tuple[Track, ...]
    tracks: Floats
    scene: Floats
    text: Floats | None
    text_weight: float

    def __repr__(self) -> str:
        return f"Sight(tracks={len(self.seen)})"


@dataclass(slots=True)
class _Past:
    looks: deque[_Look] = field(default_factory=lambda: deque(maxlen=_MAX_LOOKS))
    wide_since_s: float | None = None
    still_since_s: float | None = None


class SightFold:
    """Sights of one camera in the order of media time; remembers a second and a half of every track."""

    def __init__(self) -> None:
        self._past: dict[int, _Past] = {}
        self._energy: deque[tuple[float, float]] = deque(maxlen=_MAX_LOOKS)
        self._slow: dict[str, float] = {}
        self._at_s: float | None = None

    def see(self, moment: Moment) -> Sight:
        """The sight of ``moment``, whose detections are not None and whose picture has a size."""
        ref, looks = moment.finding.ref, moment.finding.looks
        at_s, (width, height) = ref.at_s, ref.source_wh
        if moment.missing_s > 0 or (self._at_s is not None and at_s < self._at_s):
            self._past, self._slow = {}, {}
            self._energy.clear()
        elapsed_s = 0.0 if self._at_s is None else max(0.0, at_s - self._at_s)
        self._at_s = at_s
        seen = tuple(t for t in moment.tracks if t.detection is not None and t.confidence >= _LEAST_CONFIDENCE)
        sizes = [max(1.0, t.xyxy[2] - t.xyxy[0], t.xyxy[3] - t.xyxy[1]) for t in seen]
        newest = [_look(track, at_s, looks) for track in seen]
        rows = np.zeros((len(seen), len(TRACK_FEATURES)), np.float32)
        company = _company(seen, newest, sizes)
        for i, track in enumerate(seen):
            rows[i] = self._row(track, newest[i], sizes[i], company[i], looks, (width, height))
        self._past = {i: past for i, past in self._past.items() if at_s - past.looks[-1].at_s <= _WINDOW_S}
        while len(self._past) > _MAX_TRACKS:
            del self._past[next(iter(self._past))]
        scene = self._scene(moment, seen, newest, sizes, elapsed_s)
        text, weight = _text(moment)
        return Sight(seen, np.clip(rows, -_LIMIT, _LIMIT), np.clip(scene, -_LIMIT, _LIMIT), text, weight)

    def _row(
        self,
        track: Track,
        look: _Look,
        size: float,
        company: Sequence[float],
        looks: Looks | None,
        picture_wh: tuple[int, int],
    ) -> list[float]:
        past = self._past.setdefault(track.id, _Past())
        while past.looks and look.at_s - past.looks[0].at_s > _WINDOW_S:
            past.looks.popleft()
        past.looks.append(look)
        x1, y1, x2, y2 = track.xyxy
        aspect = math.log(max(1.0, y2 - y1) / max(1.0, x2 - x1))
        wide_for = _since(past, "wide_since_s", aspect < 0, look.at_s)
        still_for = _since(past, "still_since_s", look.flow / size < _STILL, look.at_s)
        ways = list(past.looks)
        first = ways[0]
        short = next(way for way in ways if look.at_s - way.at_s <= _SHORT_S)
        flows = [way.flow / size for way in ways]
        spreads = [way.spread / size for way in ways]
        mean_flow = sum(flows) / len(flows)
        speed = math.hypot(*track.velocity_xy) / size
        travel = _per_s(math.hypot(look.x - first.x, look.y - first.y) / size, look.at_s - first.at_s)
        angles = [way.angle for way in ways if not math.isnan(way.angle)]
        margin_x, margin_y = _EDGE * picture_wh[0], _EDGE * picture_wh[1]
        is_at_edge = x1 < margin_x or y1 < margin_y or x2 > picture_wh[0] - margin_x or y2 > picture_wh[1] - margin_y
        group = group_of(track.label)
        detection = track.detection
        peak = moving = 0.0
        if looks is not None and detection is not None:
            peak = _known(looks.of(detection, "flow_peak_px_per_s")) / size
            moving = _known(looks.of(detection, "moving_share"))
        return [
            speed,
            track.velocity_xy[1] / size,
            look.flow / size,
            peak,
            look.spread / size,
            moving,
            0.0 if math.isnan(look.angle) else look.angle / 90.0,
            0.0 if math.isnan(look.angle) else 1.0,
            aspect,
            math.log(look.height / max(way.height for way in ways)),
            (look.top - min(way.top for way in ways)) / size,
            _per_s((look.top - short.top) / size, look.at_s - short.at_s),
            mean_flow,
            max(flows),
            math.sqrt(sum((flow - mean_flow) ** 2 for flow in flows) / len(flows)),
            sum(spreads) / len(spreads),
            max(spreads),
            look.disorder,
            sum(way.disorder for way in ways) / len(ways),
            travel,
            max(0.0, speed - travel),
            min(1.0, wide_for / 5.0),
            min(1.0, still_for / 10.0),
            *company,
            float(track.label == "person"),
            *(float(group == one) for one in _GROUPS),
            track.confidence,
            size / picture_wh[1],
            math.log1p(max(0.0, track.age_s)) / 3.0,
            float(is_at_edge),
            min(angles) / 90.0 if angles else 1.0,
        ]

    def _scene(
        self, moment: Moment, seen: Sequence[Track], newest: Sequence[_Look], sizes: Sequence[float], elapsed_s: float
    ) -> Floats:
        looks, (width, height) = moment.finding.looks, moment.finding.ref.source_wh
        energy = moving = outside = 0.0
        light = moment.finding.note.brightness
        if looks is not None:
            energy = 10.0 * _known(looks.scene("flow_energy_px_per_s")) / height
            moving = _known(looks.scene("moving_share"))
            sides = np.maximum(0.0, looks.moving_xyxy[:, 2:] - looks.moving_xyxy[:, :2])
            outside = float((sides[:, 0] * sides[:, 1]).sum()) / (width * height)
            light = _known(looks.scene("brightness_luma")) or light
        at_s = moment.finding.ref.at_s
        while self._energy and at_s - self._energy[0][0] > _WINDOW_S:
            self._energy.popleft()
        self._energy.append((at_s, energy))
        persons = [i for i, track in enumerate(seen) if track.label == "person"]
        vehicles = sum(group_of(track.label) == "vehicle" for track in seen)
        flows = [newest[i].flow / sizes[i] for i in persons]
        mean_flow = sum(flows) / len(flows) if flows else 0.0
        return np.array(
            [
                energy,
                max(value for _, value in self._energy),
                moving,
                outside,
                math.log1p(len(persons)),
                math.log1p(vehicles),
                mean_flow,
                max(flows, default=0.0),
                self._rise("flow", mean_flow, elapsed_s),
                sum(newest[i].disorder for i in persons) / len(persons) if persons else 0.0,
                self._rise("persons", len(persons) / 5.0, elapsed_s),
                self._rise("light", light / 255.0, elapsed_s),
            ],
            np.float32,
        )

    def _rise(self, name: str, value: float, elapsed_s: float) -> float:
        """How much ``value`` is above its mean of the last ten seconds."""
        usual = self._slow.setdefault(name, value)
        self._slow[name] = usual + (value - usual) * (1 - math.exp(-elapsed_s / _SLOW_S))
        return value - usual

    def state(self) -> Json:
        """Everything needed to go on elsewhere; unknown angles are null."""
        past = {
            str(i): {
                "looks": [[None if math.isnan(value) else value for value in look] for look in one.looks],
                "wide_since_s": one.wide_since_s,
                "still_since_s": one.still_since_s,
            }
            for i, one in self._past.items()
        }
        return {"past": past, "energy": [list(e) for e in self._energy], "slow": dict(self._slow), "at_s": self._at_s}

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`."""
        self._past = {}
        for name, saved in state["past"].items():
            looks = (_Look(*(math.nan if value is None else float(value) for value in look)) for look in saved["looks"])
            self._past[int(name)] = _Past(
                deque(looks, maxlen=_MAX_LOOKS), saved["wide_since_s"], saved["still_since_s"]
            )
        self._energy = deque(((float(at), float(value)) for at, value in state["energy"]), maxlen=_MAX_LOOKS)
        self._slow = {str(name): float(value) for name, value in state["slow"].items()}
        self._at_s = state["at_s"]


def _look(track: Track, at_s: float, looks: Looks | None) -> _Look:
    x1, y1, x2, y2 = track.xyxy
    flow = spread = disorder = 0.0
    angle = math.nan
    if looks is not None and track.detection is not None:
        flow = _known(looks.of(track.detection, "flow_px_per_s"))
        spread = _known(looks.of(track.detection, "flow_spread_px_per_s"))
        angle = looks.of(track.detection, "body_angle_deg")
        disorder = _entropy([_known(looks.of(track.detection, f"flow_hist_{i}_share")) for i in range(8)])
    return _Look(at_s, (x1 + x2) / 2, (y1 + y2) / 2, y1, max(1.0, y2 - y1), flow, spread, disorder, angle)


def _company(
    seen: Sequence[Track], newest: Sequence[_Look], sizes: Sequence[float]
) -> list[tuple[float, float, float, float, float, float]]:
    """For each track: gap to the nearest person, closing, overlap, that person's flow and spread, persons near."""
    persons = [i for i, track in enumerate(seen) if track.label == "person"]
    boxes = np.array([track.xyxy for track in seen]).reshape(-1, 4)
    overlaps = iou_matrix(boxes, boxes)
    found = []
    for i, track in enumerate(seen):
        best, best_gap, near = -1, _FAR, 0
        for j in persons:
            if j == i:
                continue
            gap = math.hypot(newest[j].x - newest[i].x, newest[j].y - newest[i].y) / sizes[i]
            near += gap < _NEAR
            if gap < best_gap:
                best, best_gap = j, gap
        if best < 0:
            found.append((_FAR, 0.0, 0.0, 0.0, 0.0, 0.0))
            continue
        other = seen[best]
        apart = (newest[best].x - newest[i].x, newest[best].y - newest[i].y)
        length = max(1.0, math.hypot(*apart))
        closing = sum((track.velocity_xy[k] - other.velocity_xy[k]) * apart[k] for k in (0, 1)) / length / sizes[i]
        found.append(
            (
                best_gap,
                closing,
                float(overlaps[i, best]),
                newest[best].flow / sizes[best],
                newest[best].spread / sizes[best],
                min(1.0, near / 5.0),
            )
        )
    return found


def _since(past: _Past, name: str, holds: bool, at_s: float) -> float:
    """Seconds for which a condition has held without a break."""
    since_s: float | None = getattr(past, name) if holds else None
    since_s = at_s if holds and since_s is None else since_s
    setattr(past, name, since_s)
    return 0.0 if since_s is None else at_s - since_s


def _entropy(shares: Sequence[float]) -> float:
    """Of shares that sum to 1 at most, 0..1."""
    return -sum(share * math.log(share) for share in shares if share > 1e-6) / math.log(len(shares))


def _per_s(value: float, elapsed_s: float) -> float:
    return value / elapsed_s if elapsed_s > 0.05 else 0.0


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _text(moment: Moment) -> tuple[Floats | None, float]:
    words = moment.words
    if words is None or words.embedding is None:
        return None, 0.0
    age_s = max(0.0, moment.finding.ref.at_s - words.ref.at_s)
    return np.asarray(words.embedding, np.float32), 0.5 ** (age_s / _TEXT_HALF_LIFE_S)
