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
from pipeline.describe.colour import Columns
from pipeline.describe.ground import Ground, Point
from pipeline.describe.kinds import kind_of
from pipeline.describe.known import Known, Sight
from pipeline.describe.relations import Mover, Relations
from pipeline.describe.scenery import BLINDING, scenery
from pipeline.describe.things import Things, ThingSeen, covered_share
from pipeline.describe.trail import Trail
from pipeline.descriptions import Fact, SceneFacts, SceneObject
from pipeline.protocols import Json, Moment
from pipeline.types import FrameKey, HealthCondition, Track

__all__ = ["FactsFold"]

_STATE_VERSION = 1
_UNSETTLING: frozenset[HealthCondition] = BLINDING | {"moved"}  # after these, things may stand where none stood before
_MAX_ZONES = 64
_DOUBLE_SHARE = 0.8  # of a vehicle's box inside a surer one: the same vehicle
_MAX_AT_REST = 4  # more new things at once are a change of light or of the view
_KEEP_S = 5.0  # an object is remembered so long after it was last seen


class FactsFold:
    """The facts of one camera. ``zones``: name -> polygon in 0..1 of the picture; ``window_s`` seconds are looked at.

    Tracks below ``min_confidence`` are no objects: a detector keeps weak ones for the tracker's sake. Raises ValueError
    for a window that is not positive, more than 64 zones, or a polygon of fewer than 3 points.
    """

    def __init__(
        self,
        camera: str,
        zones: Mapping[str, Sequence[Point]] | None = None,
        window_s: float = 3.0,
        min_confidence: float = 0.2,
    ) -> None:
        if not 0 < window_s < math.inf:
            raise ValueError(f"facts window_s: expected above 0, got {window_s}")
        self._camera = camera
        self._zones = {name: tuple(polygon) for name, polygon in (zones or {}).items()}
        if len(self._zones) > _MAX_ZONES or any(len(polygon) < 3 for polygon in self._zones.values()):
            raise ValueError(f"facts zones: expected at most {_MAX_ZONES}, each of 3 or more points")
        self._window_s, self._min_confidence = window_s, min_confidence
        self._ground = Ground()
        self._session: int | None = None
        self._at_s = -math.inf
        self._known: dict[int, Known] = {}
        self._relations = Relations()
        self._things = Things()
        self._columns = Columns()

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
            self._forget()
        self._session, self._at_s = ref.key.session, ref.at_s
        begin_s = ref.at_s - self._window_s
        around = scenery(moment)
        conditions = moment.finding.note.conditions
        if _UNSETTLING.intersection(conditions):
            self._things.clear()
        if "moved" in conditions:
            self._ground = Ground()
        if moment.finding.detections is None or BLINDING.intersection(conditions) or min(ref.source_wh) <= 0:
            return SceneFacts(self._camera, begin_s, ref.at_s, (), around)
        self._look(moment)
        believed = [track for track in moment.tracks if self._is_believed(track, moment.tracks)]
        sights = [self._known[track.id].sight(self._ground, ref.source_wh) for track in believed]
        facts = [*self._counts(sights, ref.key), *around]
        for sight in sights:
            facts += sight.known.facts(sight, self._ground, self._window_s)
        facts += self._relations.look([sight.mover for sight in sights], ref.at_s)
        facts += self._thing_facts(sights, moment)
        objects = tuple([_object(sight) for sight in sights])
        return SceneFacts(self._camera, begin_s, ref.at_s, objects, tuple(facts))

    def _is_believed(self, track: Track, tracks: Sequence[Track]) -> bool:
        """Whether a track is sure enough, and not a second box on a part of a vehicle that is surer."""
        if track.confidence < self._min_confidence:
            return False
        if kind_of(track.label) != "vehicle":
            return True
        return not any(
            other.confidence > track.confidence
            and kind_of(other.label) == "vehicle"
            and covered_share(track.xyxy, other.xyxy) >= _DOUBLE_SHARE
            for other in tracks
        )

    def _forget(self) -> None:
        """Nobody has the id that he had before."""
        self._known.clear()
        self._relations.clear()
        self._things.clear()

    def _look(self, moment: Moment) -> None:
        ref, looks = moment.finding.ref, moment.finding.looks
        if looks is not None and looks.names != self._columns.names:
            self._columns = Columns.of(looks)
        for track in moment.tracks:
            known = self._known.get(track.id)
            if known is None:
                known = Known(Trail(track.id, track.label, 0.0, track.first_at_s, ref.at_s))
                self._known[track.id] = known
            known.trail.add(track, ref.at_s, ref.key, self._window_s)
            x, y = known.trail.foot_xy
            foot_norm = (_within(x / ref.source_wh[0]), _within(y / ref.source_wh[1]))
            known.stays.look(foot_norm, self._zones, ref.at_s, known.trail.first_at_s)
            known.stays.forget_before(ref.at_s - self._window_s)
            if track.detection is not None:
                known.teach(self._ground, ref.at_s, ref.source_wh)
                if looks is not None:
                    known.see_pixels(looks, track.detection, self._columns, ref.at_s)
        for track_id in [i for i, known in self._known.items() if ref.at_s - known.trail.last_at_s > _KEEP_S]:
            del self._known[track_id]

    @staticmethod
    def _counts(sights: Sequence[Sight], key: FrameKey) -> Iterator[Fact]:
        trails = [sight.known.trail for sight in sights]
        for label, number in sorted(Counter(trail.label for trail in trails).items()):
            confidence = min(trail.confidence for trail in trails if trail.label == label)
            yield Fact("count", label, _share(confidence), amount=float(number), frames=(key,))

    def _thing_facts(self, sights: Sequence[Sight], moment: Moment) -> Iterator[Fact]:
        looks, key, source_wh = moment.finding.looks, moment.finding.ref.key, moment.finding.ref.source_wh
        seen = [
            ThingSeen(sight.mover, sight.known.trail.label, sight.known.trail.xyxy)
            for sight in sights
            if sight.mover.kind == "bag"
        ]
        people = [(sight.mover, sight.known.trail.xyxy) for sight in sights if sight.mover.kind == "person"]
        if looks is not None and 0 < len(looks.still_xyxy) <= _MAX_AT_REST:
            tracked = [sight.known.trail.xyxy for sight in sights]
            at_rest = [(float(b[0]), float(b[1]), float(b[2]), float(b[3])) for b in looks.still_xyxy]
            for thing_id, box in self._things.untracked(at_rest, tracked):
                at_m = self._ground.place(((box[0] + box[2]) / 2, box[3]), source_wh)
                seen.append(ThingSeen(Mover(thing_id, "thing", at_m, None, 0.5, (key,)), "object", box))
        return self._things.look(seen, people, self._at_s, key)

    def state(self) -> Json:
        """The whole fold as JSON; a fold that restores it goes on as if it had never stopped."""
        return {
            "version": _STATE_VERSION,
            "session": self._session,
            "at_s": None if math.isinf(self._at_s) else self._at_s,
            "ground": self._ground.state(),
            "known": [known.state() for known in self._known.values()],
            "relations": self._relations.state(),
            "things": self._things.state(),
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises ValueError for a state of another version or a damaged one."""
        if state.get("version") != _STATE_VERSION:
            raise ValueError(f"facts state: expected version {_STATE_VERSION}, got {state.get('version')!r}")
        try:
            known = [Known.from_state(one, self._camera) for one in state["known"]]
            session = None if state["session"] is None else int(state["session"])
            at_s = -math.inf if state["at_s"] is None else float(state["at_s"])
            self._ground.restore(state["ground"])
            self._relations.restore(state["relations"])
            self._things.restore(state["things"])
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"facts state is damaged: {error}") from error
        self._known = {one.trail.id: one for one in known}
        self._session, self._at_s = session, at_s


def _object(sight: Sight) -> SceneObject:
    trail = sight.known.trail
    return SceneObject(trail.id, trail.label, _share(trail.confidence), normalise(trail.xyxy, sight.source_wh))


def _share(value: float) -> float:
    return min(1.0, max(0.0, round(value, 3)))


def _within(share: float) -> float:
    """``share`` of the picture, just inside it: feet cut off by the lower edge stand in a zone that reaches it."""
    return min(1 - 1e-6, max(1e-6, share))
