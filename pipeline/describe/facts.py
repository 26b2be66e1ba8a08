"""What was measured in a scene: one camera's moments in, :class:`~pipeline.descriptions.SceneFacts` out.

A pure fold over a sliding window of media time (3 s). Objects are those seen at the window's end. Nothing here is
guessed: a fact that was not measured is absent, and each carries its confidence and the frames it came from. The next
files: ``ground.py`` (metres), ``trail.py`` (motion), ``places.py`` (zones), then ``grounded.py`` (the words).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pipeline.boxes import normalise
from pipeline.describe.ground import Ground, Point
from pipeline.describe.motion_words import heading_of, speed_of
from pipeline.describe.places import Stays
from pipeline.describe.scenery import BLINDING, scenery
from pipeline.describe.trail import Trail
from pipeline.descriptions import Fact, SceneFacts, SceneObject
from pipeline.protocols import Json, Moment
from pipeline.types import FrameKey

__all__ = ["FactsFold"]

_STATE_VERSION = 1
_MAX_ZONES = 64
_KEEP_S = 5.0  # an object is remembered so long after it was last seen


class FactsFold:
    """The facts of one camera. ``zones``: name -> polygon in 0..1 of the picture; ``window_s`` seconds are looked at.

    Raises ValueError for a window that is not positive, more than 64 zones, or a polygon of fewer than 3 points.
    """

    def __init__(self, camera: str, zones: Mapping[str, Sequence[Point]] | None = None, window_s: float = 3.0) -> None:
        if not 0 < window_s < math.inf:
            raise ValueError(f"facts window_s: expected above 0, got {window_s}")
        self._camera = camera
        self._zones = {name: tuple(polygon) for name, polygon in (zones or {}).items()}
        if len(self._zones) > _MAX_ZONES or any(len(polygon) < 3 for polygon in self._zones.values()):
            raise ValueError(f"facts zones: expected at most {_MAX_ZONES}, each of 3 or more points")
        self._window_s = window_s
        self._ground = Ground()
        self._session: int | None = None
        self._at_s = -math.inf
        self._trails: dict[int, Trail] = {}
        self._stays: dict[int, Stays] = {}

    @property
    def ground(self) -> Ground:
        """The ground of this camera as it is known now."""
        return self._ground

    def step(self, moment: Moment) -> SceneFacts:
        """Take in the next moment; the facts of the window that ends with it.

        A moment at which nothing could be seen yields no objects; moments of one camera come in order. Raises
        ValueError for a moment of another camera.
        """
        ref = moment.finding.ref
        if ref.key.camera != self._camera:
            raise ValueError(f"moment: expected camera {self._camera!r}, got {ref.key.camera!r}")
        if self._session != ref.key.session or ref.at_s < self._at_s:
            self._trails.clear()
            self._stays.clear()
        self._session, self._at_s = ref.key.session, ref.at_s
        begin_s = ref.at_s - self._window_s
        conditions = moment.finding.note.conditions
        around = scenery(moment)
        is_blind = moment.finding.detections is None or bool(BLINDING.intersection(conditions))
        if is_blind or min(ref.source_wh) <= 0:
            return SceneFacts(self._camera, begin_s, ref.at_s, (), around)
        self._look(moment)
        present = [self._trails[track.id] for track in moment.tracks]
        facts = [*self._counts(present, ref.key), *around]
        for trail in present:
            facts += self._facts_of(trail, ref.source_wh)
        objects = tuple([_object(trail, ref.source_wh) for trail in present])
        return SceneFacts(self._camera, begin_s, ref.at_s, objects, tuple(facts))

    def _look(self, moment: Moment) -> None:
        ref = moment.finding.ref
        for track in moment.tracks:
            trail = self._trails.get(track.id)
            if trail is None:
                trail = self._trails[track.id] = Trail(track.id, track.label, 0.0, track.first_at_s, ref.at_s)
                self._stays[track.id] = Stays()
            trail.add(track, ref.at_s, ref.key, self._window_s)
            x, y = trail.foot_xy
            foot_norm = (_within(x / ref.source_wh[0]), _within(y / ref.source_wh[1]))
            stays = self._stays[track.id]
            stays.look(foot_norm, self._zones, ref.at_s, trail.first_at_s)
            stays.forget_before(ref.at_s - self._window_s)
            if track.detection is not None:
                self._ground.learn(track.label, track.xyxy, ref.source_wh)
        for track_id in [i for i, trail in self._trails.items() if ref.at_s - trail.last_at_s > _KEEP_S]:
            del self._trails[track_id], self._stays[track_id]

    def _counts(self, present: Sequence[Trail], key: FrameKey) -> Iterator[Fact]:
        for label, number in sorted(Counter(trail.label for trail in present).items()):
            confidence = min(trail.confidence for trail in present if trail.label == label)
            yield Fact("count", label, _share(confidence), amount=float(number), frames=(key,))

    def _facts_of(self, trail: Trail, source_wh: tuple[int, int]) -> Iterator[Fact]:
        frames = trail.frames()
        motion = trail.motion(self._ground, source_wh)
        if motion is not None:
            speed, confidence = speed_of(trail.label, motion, self._ground.trust)
            yield Fact("speed", speed, confidence, trail.id, amount=round(motion.speed_m_s, 2), frames=frames)
            if speed != "still":
                heading, confidence = heading_of(motion, self._ground.trust)
                yield Fact("heading", heading, confidence, trail.id, frames=frames)
        dwell_s = round(trail.last_at_s - trail.first_at_s, 2)
        yield Fact("dwell", "scene", 1.0, trail.id, amount=dwell_s, frames=frames)
        yield from self._zone_facts(trail, frames)

    def _zone_facts(self, trail: Trail, frames: tuple[FrameKey, ...]) -> Iterator[Fact]:
        stays = self._stays[trail.id]
        for name, stay in stays.now.items():
            is_new = stay.has_entered and trail.last_at_s - stay.since_s <= self._window_s
            confidence = 1.0 if stay.last_at_s >= trail.last_at_s else 0.5
            yield Fact("zone", "entering" if is_new else "inside", confidence, trail.id, name, frames=frames)
            dwell_s = round(stay.last_at_s - stay.since_s, 2)
            yield Fact("dwell", "zone", confidence, trail.id, name, dwell_s, frames)
        for name in stays.left_at_s:
            yield Fact("zone", "leaving", 1.0, trail.id, name, frames=frames)

    def state(self) -> Json:
        """The whole fold as JSON; a fold that restores it goes on as if it had never stopped."""
        return {
            "version": _STATE_VERSION,
            "session": self._session,
            "at_s": None if math.isinf(self._at_s) else self._at_s,
            "ground": self._ground.state(),
            "trails": [trail.state() for trail in self._trails.values()],
            "stays": [self._stays[i].state() for i in self._trails],
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises ValueError for a state of another version or a damaged one."""
        if state.get("version") != _STATE_VERSION:
            raise ValueError(f"facts state: expected version {_STATE_VERSION}, got {state.get('version')!r}")
        try:
            trails = {int(one["id"]): Trail.from_state(one, self._camera) for one in state["trails"]}
            stays = dict(zip(trails, map(Stays.from_state, state["stays"]), strict=True))
            session = None if state["session"] is None else int(state["session"])
            at_s = -math.inf if state["at_s"] is None else float(state["at_s"])
            self._ground.restore(state["ground"])
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"facts state is damaged: {error}") from error
        self._trails, self._stays, self._session, self._at_s = trails, stays, session, at_s


def _object(trail: Trail, source_wh: tuple[int, int]) -> SceneObject:
    return SceneObject(trail.id, trail.label, _share(trail.confidence), normalise(trail.xyxy, source_wh))


def _share(value: float) -> float:
    return min(1.0, max(0.0, round(value, 3)))


def _within(share: float) -> float:
    """``share`` of the picture, just inside it: feet cut off by the lower edge stand in a zone that reaches it."""
    return min(1 - 1e-6, max(1e-6, share))
