"""Rules about how objects move: line crossing, speed, wrong way.

In: views with each object's way over the last seconds. Out: suspicions. Speeds and distances are measured between
smoothed boxes a good fraction of a second apart, never from frame to frame, so that a trembling box is at rest.
Next file: ``pipeline/alert/rules/still.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from statistics import median

from pipeline.alert.explain import Cue, capitalised, named, objects, verb
from pipeline.alert.geometry import angle_between_deg, bearing_words, has_crossed_segment, signed_distance
from pipeline.alert.rules.watch import Watch
from pipeline.alert.settings import Line, LineRule, SpeedRule, WrongWayRule
from pipeline.alert.view import Sighting, Step, View
from pipeline.boxes import Point
from pipeline.labels import group_of
from pipeline.protocols import Json, Suspicion

__all__ = ["LineWatch", "SpeedWatch", "WrongWayWatch"]

_FORGET_S = 10.0
_BOTH_EDGES = 0.25  # the least that one edge of a box moves with the other when the object itself moves
_WAY_WORDS = {"a_to_b": "from A to B", "b_to_a": "from B to A", "both": "in either direction"}


@dataclass(frozen=True, slots=True)
class _Foot:
    """The lower edge of a box at ``at_s``, in diagonals of the picture."""

    at_s: float
    left: float
    right: float
    y: float

    @property
    def middle(self) -> Point:
        """The foot point."""
        return ((self.left + self.right) / 2, self.y)

    def side(self, start: Point, end: Point) -> float:
        """Signed distance of the foot point from a line."""
        return signed_distance(self.middle, start, end)


class LineWatch(Watch[LineRule]):
    """Foot points that change from beyond one edge of the band around the line to beyond the other.

    Only the last place outside the band is remembered, so who dithers on the line has not crossed it, and who crosses
    slowly has crossed it once. The way between the two places has to pass between the ends of the line, and both ends
    of the lower edge have to have gone it: a parked car that is half hidden for a moment crosses nothing.
    """

    def __init__(self, rule: LineRule, line: Line) -> None:
        super().__init__(rule)
        self._line = line
        self._outside: dict[int, _Foot] = {}  # by track id

    def look(self, view: View) -> Sequence[Suspicion]:
        """See :class:`Watch`."""
        for i in [i for i, foot in self._outside.items() if view.at_s - foot.at_s > _FORGET_S]:
            del self._outside[i]
        crossings = [(s, way) for s in self.concerned(view) if s.is_seen_now and (way := self._crossing(s, view))]
        wanted = [(s, way) for s, way in crossings if self.rule.direction in ("both", way)]
        if not wanted:
            return ()
        ways = " and ".join(_WAY_WORDS[way] for way in sorted({way for _, way in wanted}))
        tracks = [s.track for s, _ in wanted]
        who, line = objects(tracks), named(self.rule.line)
        allowed = (
            "nobody crosses" if self.rule.direction == "both" else f"nobody crosses {_WAY_WORDS[self.rule.direction]}"
        )
        return (
            self.suspicion(
                view,
                [s for s, _ in wanted],
                title=f"{capitalised(who)} crossed {line}",
                text=f"{capitalised(who)} crossed the line {line} {ways}.",
                cues=[Cue("line", f"{who} crossed {line} {ways}", allowed)],
            ),
        )

    def _crossing(self, sighting: Sighting, view: View) -> str | None:
        """``a_to_b`` or ``b_to_a`` when this look completes a crossing."""
        width, height = (side / view.diagonal for side in view.source_wh)
        start = (self._line.start_norm[0] * width, self._line.start_norm[1] * height)
        end = (self._line.end_norm[0] * width, self._line.end_norm[1] * height)
        left, _, right, foot = (edge / view.diagonal for edge in sighting.track.xyxy)
        here = ((left + right) / 2, foot)
        side = signed_distance(here, start, end)
        if abs(side) <= self.rule.band_norm:
            return None
        before = self._outside.get(sighting.track.id)
        if before is None or (before.side(start, end) > 0) == (side > 0):
            self._outside[sighting.track.id] = _Foot(view.at_s, left, right, foot)
            return None
        moved = [
            signed_distance((x, foot), start, end) - signed_distance((old, before.y), start, end)
            for x, old in ((left, before.left), (right, before.right))
        ]
        if min(moved) * max(moved) <= 0 or min(map(abs, moved)) < _BOTH_EDGES * max(map(abs, moved)):
            return None  # one edge stays: half of the object was hidden or shown, it did not go anywhere
        self._outside[sighting.track.id] = _Foot(view.at_s, left, right, foot)
        if not has_crossed_segment(before.middle, here, start, end):
            return None
        return "a_to_b" if side > 0 else "b_to_a"

    def state(self) -> Json:
        """See :class:`Watch`."""
        return {"outside": {str(i): astuple(foot) for i, foot in self._outside.items()}}

    def restore(self, state: Json) -> None:
        """See :class:`Watch`."""
        self._outside = {int(i): _Foot(*foot) for i, foot in state.get("outside", {}).items()}


@dataclass(frozen=True, slots=True)
class _Pace:
    """Speed over a stretch of a way, in source pixels per second and in the object's own sizes per second."""

    px_per_s: float
    sizes_per_s: float


class SpeedWatch(Watch[SpeedRule]):
    """Objects faster than allowed over ``over_s`` seconds; one incident for all who are fast at the same time."""

    def look(self, view: View) -> Sequence[Suspicion]:
        """See :class:`Watch`."""
        fast = [(s, pace) for s in self.concerned(view) if (pace := self._pace(s)) and self._is_fast(pace)]
        if not fast:
            return ()
        tracks = [s.track for s, _ in fast]
        who = objects(tracks)
        top = max((pace for _, pace in fast), key=lambda pace: (pace.sizes_per_s, pace.px_per_s))
        shown, allowed = self._words(top, tracks[0].label)
        return (
            self.suspicion(
                view,
                [s for s, _ in fast],
                title=f"{capitalised(who)} {verb(tracks, 'moves', 'move')} fast {self.place}",
                text=f"{capitalised(who)} {verb(tracks, 'moves', 'move')} at {shown} {self.place}; allowed: {allowed}.",
                cues=[Cue("speed", shown, allowed)],
            ),
        )

    def _pace(self, sighting: Sighting) -> _Pace | None:
        """Speed over the last ``over_s`` seconds; None while the object is known for less time than that.

        Feet that are hidden shift the lower edge of a box and not its middle, a head that is hidden the other way
        round: the smaller of the two displacements counts.
        """
        stretch = _stretch(sighting.trail, self.rule.over_s)
        if stretch is None:
            return None
        first, last = stretch[0], stretch[-1]
        elapsed_s = last.at_s - first.at_s
        moved = min(math.dist(first.foot_xy, last.foot_xy), math.dist(first.centre_xy, last.centre_xy))
        size = max(1.0, median(_size(sighting.track.label, step) for step in stretch))
        return _Pace(moved / elapsed_s, moved / elapsed_s / size)

    def _is_fast(self, pace: _Pace) -> bool:
        rule = self.rule
        return (rule.max_sizes_per_s is not None and pace.sizes_per_s > rule.max_sizes_per_s) or (
            rule.max_px_per_s is not None and pace.px_per_s > rule.max_px_per_s
        )

    def _words(self, pace: _Pace, label: str) -> tuple[str, str]:
        unit = "body heights/s" if group_of(label) in ("person", "animal") else "lengths/s"
        shown, allowed = [], []
        if self.rule.max_sizes_per_s is not None:
            shown.append(f"{pace.sizes_per_s:.1f} {unit}")
            allowed.append(f"up to {self.rule.max_sizes_per_s:g} {unit}")
        if self.rule.max_px_per_s is not None:
            shown.append(f"{pace.px_per_s:.0f} px/s")
            allowed.append(f"up to {self.rule.max_px_per_s:g} px/s")
        return " and ".join(shown), " and ".join(allowed)

    def state(self) -> Json:
        """See :class:`Watch`."""
        return {}

    def restore(self, state: Json) -> None:
        """See :class:`Watch`."""


class WrongWayWatch(Watch[WrongWayRule]):
    """Objects that have gone a distance against the allowed direction within ``over_s`` seconds."""

    def look(self, view: View) -> Sequence[Suspicion]:
        """See :class:`Watch`."""
        allowed = (self.rule.allowed_norm[0] * view.source_wh[0], self.rule.allowed_norm[1] * view.source_wh[1])
        against = [(s, way) for s in self.concerned(view) if (way := self._way(s, view.diagonal, allowed))]
        if not against:
            return ()
        tracks = [s.track for s, _ in against]
        who, way = objects(tracks), against[0][1]
        off_deg = angle_between_deg(way, allowed)
        shown = f"moving {bearing_words(way)}, {off_deg:.0f}° off"
        return (
            self.suspicion(
                view,
                [s for s, _ in against],
                title=f"{capitalised(who)} {verb(tracks, 'goes', 'go')} the wrong way {self.place}",
                text=(
                    f"{capitalised(who)} {verb(tracks, 'moves', 'move')} {bearing_words(way)} {self.place}, "
                    f"{off_deg:.0f}° off the allowed direction ({bearing_words(allowed)})."
                ),
                cues=[Cue("direction", shown, f"{bearing_words(allowed)}, within {self.rule.tolerance_deg:g}°")],
            ),
        )

    def _way(self, sighting: Sighting, diagonal: float, allowed: Point) -> Point | None:
        """The displacement (pixels) of an object that goes the wrong way."""
        if len(sighting.trail) < 2:
            return None
        last = sighting.trail[-1]
        first = next(step for step in sighting.trail if last.at_s - step.at_s <= self.rule.over_s)
        way = (last.foot_xy[0] - first.foot_xy[0], last.foot_xy[1] - first.foot_xy[1])
        if math.hypot(*way) < self.rule.min_distance_norm * diagonal:
            return None
        return way if angle_between_deg(way, allowed) > self.rule.tolerance_deg else None

    def state(self) -> Json:
        """See :class:`Watch`."""
        return {}

    def restore(self, state: Json) -> None:
        """See :class:`Watch`."""


def _stretch(trail: Sequence[Step], over_s: float) -> Sequence[Step] | None:
    """The end of ``trail`` that spans at least ``over_s`` (and little more); None when it is not that long."""
    for i in range(len(trail) - 1, -1, -1):
        elapsed_s = trail[-1].at_s - trail[i].at_s
        if elapsed_s >= over_s:
            return trail[i:] if elapsed_s <= 2 * over_s else None
    return None


def _size(label: str, step: Step) -> float:
    """What an object's speed is measured by: its height when it walks, its longer side when it rolls. Pixels."""
    width, height = step.xyxy[2] - step.xyxy[0], step.xyxy[3] - step.xyxy[1]
    return height if group_of(label) in ("person", "animal") else max(width, height)
