"""Rules about things that stand still: object left, object removed.

In: views. Out: suspicions. Things are remembered by their *place* in the picture, not by their track, because small
bags flicker in any detector and their tracks break; a place that somebody stands in front of is neither still there
nor gone. Next file: ``pipeline/alert/rules/judge.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

from pipeline.alert.explain import Cue, amount, capitalised, seconds
from pipeline.alert.geometry import iou, overlap_share
from pipeline.alert.rules.watch import Watch
from pipeline.alert.settings import ObjectLeftRule, ObjectRemovedRule
from pipeline.alert.view import Sighting, View
from pipeline.boxes import Box
from pipeline.protocols import Json, Suspicion
from pipeline.types import Track

__all__ = ["ObjectLeftWatch", "ObjectRemovedWatch", "Place", "Places"]

_SAME_PLACE_IOU = 0.5
_HIDDEN_SHARE = 0.2  # of a place covered by another object's box
_FORGIVEN_S = 3.0  # unseen though in plain view
_MAX_PLACES = 64
_SCENE_S = 2.0  # what stands there within this time of the first look was there before
_MISS_CHANCE = 1e-3  # of overlooking a thing so often in a row that is still there
_REMEMBER_GONE_S = 30.0


@dataclass(slots=True)
class Place:
    """Where a thing stands: its smoothed box in source pixels and what has been seen of it.

    ``looks``/``hits``: how often the place was in plain view, and the thing seen there. ``unseen_s``: observed seconds
    in plain view without it. ``alone_s``: seconds without its keepers near.
    """

    id: int
    track_id: int
    label: str
    confidence: float
    xyxy: Box
    since_s: float
    last_at_s: float
    is_of_scene: bool
    keepers: list[int]
    hits: int = 1
    looks: int = 1
    misses: int = 0
    unseen_s: float = 0.0
    alone_s: float = 0.0

    @property
    def still_s(self) -> float:
        """Seconds from first to last sight."""
        return self.last_at_s - self.since_s

    def see(self, track: Track, at_s: float) -> None:
        """The thing is there at ``at_s``."""
        old, new = self.xyxy, track.xyxy
        self.xyxy = (
            old[0] + 0.2 * (new[0] - old[0]),
            old[1] + 0.2 * (new[1] - old[1]),
            old[2] + 0.2 * (new[2] - old[2]),
            old[3] + 0.2 * (new[3] - old[3]),
        )
        self.track_id, self.confidence = track.id, self.confidence + 0.2 * (track.confidence - self.confidence)
        self.last_at_s, self.unseen_s, self.misses = at_s, 0.0, 0
        self.hits, self.looks = self.hits + 1, self.looks + 1

    def miss(self, step_s: float) -> None:
        """The place was in plain view and the thing was not there."""
        self.unseen_s, self.misses, self.looks = self.unseen_s + step_s, self.misses + 1, self.looks + 1

    @property
    def is_surely_gone(self) -> bool:
        """Whether so many misses in a row are no longer a detector's flicker, given how often it was seen before."""
        seen_share = min(0.95, max(0.1, self.hits / max(1, self.looks - self.misses)))
        return (1 - seen_share) ** self.misses < _MISS_CHANCE

    def as_track(self) -> Track:
        """The thing as a track without motion."""
        return Track(self.track_id, self.label, self.confidence, self.xyxy, self.since_s, self.last_at_s)


class Places:
    """Every place where a thing stands or stood; bounded."""

    def __init__(self) -> None:
        self.all: list[Place] = []
        self._next_id = 1
        self._began_at_s: float | None = None

    def look(self, view: View, things: Sequence[Sighting]) -> None:
        """Match ``things`` to places by overlap; open places for the others; count misses in plain view."""
        if self._began_at_s is None:
            self._began_at_s = view.at_s
        free = list(self.all)
        for sighting in things:
            if not sighting.is_seen_now:
                continue
            place = max(free, key=lambda p: iou(p.xyxy, sighting.track.xyxy), default=None)
            if place is not None and iou(place.xyxy, sighting.track.xyxy) >= _SAME_PLACE_IOU:
                free.remove(place)
                place.see(sighting.track, view.at_s)
            else:
                self._open(sighting.track, view)
        for place in free:
            if not is_hidden(place, view):
                place.miss(view.step_s)

    def _open(self, track: Track, view: View) -> None:
        is_of_scene = self._began_at_s is not None and view.at_s - self._began_at_s <= _SCENE_S
        keepers = [
            s.track.id for s in view.sightings if s.track.label == "person" and _heights_apart(s, track.xyxy) <= 2
        ]
        self.all.append(
            Place(
                id=self._next_id,
                track_id=track.id,
                label=track.label,
                confidence=track.confidence,
                xyxy=track.xyxy,
                since_s=view.at_s,
                last_at_s=view.at_s,
                is_of_scene=is_of_scene,
                keepers=keepers[:8],
            )
        )
        self._next_id += 1
        if len(self.all) > _MAX_PLACES:
            self.all.remove(min(self.all, key=lambda p: (p.still_s, p.id)))

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {"places": [asdict(p) for p in self.all], "next_id": self._next_id, "began_at_s": self._began_at_s}

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`; ``{}`` starts anew."""
        self.all = [
            Place(**{**p, "xyxy": _box(p["xyxy"]), "keepers": list(p["keepers"])}) for p in state.get("places", ())
        ]
        self._next_id = state.get("next_id", 1)
        self._began_at_s = state.get("began_at_s")


def is_hidden(place: Place, view: View) -> bool:
    """Whether another kind of object is in front of ``place`` now."""
    return any(
        s.track.label != place.label and overlap_share(place.xyxy, s.track.xyxy) >= _HIDDEN_SHARE
        for s in view.sightings
    )


class ObjectLeftWatch(Watch[ObjectLeftRule]):
    """Things that were brought, stand still, and whose keepers are away.

    Keepers are the persons within two of their heights when the thing first stood there; when nobody was, anybody near
    counts as one.
    """

    learns_off_duty: ClassVar[bool] = True

    def __init__(self, rule: ObjectLeftRule) -> None:
        super().__init__(rule)
        self._places = Places()

    def look(self, view: View) -> Sequence[Suspicion]:
        """See :class:`Watch`."""
        self._places.look(view, self.concerned(view))
        self._places.all = [p for p in self._places.all if p.unseen_s <= _FORGIVEN_S]
        left = []
        for place in self._places.all:
            place.alone_s = 0.0 if self._is_kept(place, view) else place.alone_s + view.step_s
            if not place.is_of_scene and min(place.alone_s, place.still_s) >= self.rule.min_still_s:
                left.append(self._left(place, view))
        return left

    def begin_session(self) -> None:
        """A reconnection does not change the scene, but nobody has the id he had before."""
        for place in self._places.all:
            place.keepers = []

    def _is_kept(self, place: Place, view: View) -> bool:
        return any(
            s.track.label == "person"
            and (not place.keepers or s.track.id in place.keepers)
            and _heights_apart(s, place.xyxy) <= self.rule.owner_distance_heights
            for s in view.sightings
        )

    def _left(self, place: Place, view: View) -> Suspicion:
        what, limit = amount(1, place.label), seconds(self.rule.min_still_s)
        alone_s = min(place.alone_s, place.still_s)  # it may have been alone unseen, before its first sight
        alone = " with" if alone_s == place.still_s else f", the last {seconds(alone_s)} with"
        return self.suspicion(
            view,
            [Sighting(place.as_track(), (0.0, 0.0), frozenset(), True, ())],
            title=f"{capitalised(what)} was left {self.place}",
            text=(
                f"{capitalised(what)} has stood {self.place} for {seconds(place.still_s)}{alone} nobody by it; "
                f"up to {limit} is allowed."
            ),
            cues=[
                Cue("still", f"at one place for {seconds(place.still_s)}", f"less than {limit}"),
                Cue("alone", f"nobody near for {seconds(alone_s)}", f"less than {limit}"),
            ],
            about=place.id,
        )

    def state(self) -> Json:
        """See :class:`Watch`."""
        return self._places.state()

    def restore(self, state: Json) -> None:
        """See :class:`Watch`."""
        self._places.restore(state)


class ObjectRemovedWatch(Watch[ObjectRemovedRule]):
    """Things that belonged to the scene and are gone from a place in plain view. Reported for half a minute."""

    learns_off_duty: ClassVar[bool] = True

    def __init__(self, rule: ObjectRemovedRule) -> None:
        super().__init__(rule)
        self._places = Places()

    def look(self, view: View) -> Sequence[Suspicion]:
        """See :class:`Watch`."""
        self._places.look(view, self.concerned(view))
        self._places.all = [p for p in self._places.all if self._is_worth_keeping(p)]
        return [self._removed(p, view) for p in self._places.all if self._is_removed(p)]

    def begin_session(self) -> None:
        """A reconnection does not change the scene."""

    def _is_worth_keeping(self, place: Place) -> bool:
        was_of_scene = place.still_s >= self.rule.min_still_s
        return place.unseen_s <= (self.rule.min_gone_s + _REMEMBER_GONE_S if was_of_scene else _FORGIVEN_S)

    def _is_removed(self, place: Place) -> bool:
        rule = self.rule
        return place.still_s >= rule.min_still_s and place.unseen_s >= rule.min_gone_s and place.is_surely_gone

    def _removed(self, place: Place, view: View) -> Suspicion:
        what = amount(1, place.label)
        return self.suspicion(
            view,
            [Sighting(place.as_track(), (0.0, 0.0), frozenset(), True, ())],
            title=f"{capitalised(what)} was removed {self.place}",
            text=(
                f"{capitalised(what)} had stood {self.place} for {seconds(place.still_s)} and is gone: "
                f"its place has been in plain view without it for {seconds(place.unseen_s)}."
            ),
            cues=[
                Cue("missing", f"gone for {seconds(place.unseen_s)}", f"at most {seconds(self.rule.min_gone_s)}"),
                Cue("still", f"stood there for {seconds(place.still_s)} before", "it stays"),
            ],
            about=place.id,
        )

    def state(self) -> Json:
        """See :class:`Watch`."""
        return self._places.state()

    def restore(self, state: Json) -> None:
        """See :class:`Watch`."""
        self._places.restore(state)


def _heights_apart(person: Sighting, xyxy: Box) -> float:
    """Distance between a person's foot point and the foot of a thing, in that person's heights."""
    foot_xy = ((xyxy[0] + xyxy[2]) / 2, xyxy[3])
    return math.dist(person.track.foot_xy, foot_xy) / person.height


def _box(values: Sequence[float]) -> Box:
    x1, y1, x2, y2 = values
    return (x1, y1, x2, y2)
