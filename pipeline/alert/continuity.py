"""Who is who across a broken track: a new track that begins where one was lost goes on under the old id.

In: the tracker's snapshots of one moment. Out: the same snapshots, with the id and the beginning of the track they
continue, so that dwell times and incidents survive an id switch whatever the tracker. Pure fold, bounded, media time.
Next file: ``pipeline/alert/view.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipeline.labels import group_of
from pipeline.protocols import Json
from pipeline.types import Track

__all__ = ["Continuity"]

_MAX_LOST_S = 5.0
_REACH_HEIGHTS = 0.5  # how far from the lost place, in body heights, plus ...
_REACH_HEIGHTS_PER_S = 0.4  # ... this much for every second it was gone
_MAX_HEIGHT_RATIO = 1.6
_BORDER_NORM = 0.02  # who was lost at the border of the picture has left; the next one there is somebody else
_MAX_REMEMBERED = 256
_SWAPPED_S = 60.0  # a tracker that brings a lost id back after more than this has begun anew


@dataclass(frozen=True, slots=True)
class _Known:
    """The last sight of an object; ``track_id`` is the tracker's current id."""

    track_id: int
    group: str
    foot_xy: tuple[float, float]
    height: float
    first_at_s: float
    last_at_s: float
    is_at_border: bool


class Continuity:
    """Lasting ids for one camera."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}  # by the tracker's id, oldest sight first
        self._swapped: dict[int, tuple[int, float]] = {}  # tracker's id -> (lasting id, last used at_s): a permutation

    def follow(self, tracks: Sequence[Track], at_s: float, source_wh: tuple[int, int]) -> tuple[Track, ...]:
        """``tracks`` of the moment ``at_s`` under their lasting ids, each id once, by id."""
        for track_id in [i for i, known in self._known.items() if at_s - known.last_at_s > _MAX_LOST_S]:
            del self._known[track_id]
        for track_id in [i for i, (_, used_at_s) in self._swapped.items() if at_s - used_at_s > _SWAPPED_S]:
            del self._swapped[track_id]
        visible = {track.id for track in tracks}
        followed = []
        for track in tracks:
            known = self._known.pop(track.id, None) or self._take_lost(track, visible, at_s)
            if track.id in self._swapped:
                self._swapped[track.id] = (self._swapped[track.id][0], at_s)
            first_at_s = track.first_at_s if known is None else known.first_at_s
            lasting_id = self._lasting(track.id)
            is_as_tracked = (lasting_id, first_at_s) == (track.id, track.first_at_s)
            lasting = track if is_as_tracked else replace(track, id=lasting_id, first_at_s=first_at_s)
            self._known[track.id] = _sight(lasting, track.id, source_wh)
            followed.append(lasting)
        while len(self._known) > _MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        return tuple(sorted(followed, key=lambda track: track.id))

    def _take_lost(self, track: Track, visible: set[int], at_s: float) -> _Known | None:
        """The lost object nearest to where ``track`` begins, within reach; it is lost no more."""
        height, best, best_distance = track.xyxy[3] - track.xyxy[1], None, math.inf
        for track_id, known in self._known.items():
            if track_id in visible or known.is_at_border or known.group != group_of(track.label) or height <= 0:
                continue
            if not 1 / _MAX_HEIGHT_RATIO <= known.height / height <= _MAX_HEIGHT_RATIO:
                continue
            reach = _REACH_HEIGHTS + _REACH_HEIGHTS_PER_S * max(0.0, track.first_at_s - known.last_at_s)
            distance = math.dist(known.foot_xy, track.foot_xy) / height
            if distance <= reach and distance < best_distance and at_s - track.first_at_s <= _MAX_LOST_S:
                best, best_distance = track_id, distance
        if best is None:
            return None
        mine, theirs = self._lasting(track.id), self._lasting(best)
        self._swapped[track.id], self._swapped[best] = (theirs, at_s), (mine, at_s)
        return self._known.pop(best)

    def _lasting(self, track_id: int) -> int:
        """The id under which the tracker's ``track_id`` goes. Ids are swapped, so that none is ever worn by two."""
        return self._swapped.get(track_id, (track_id, 0.0))[0]

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        swapped = {str(i): list(swap) for i, swap in self._swapped.items()}
        return {"known": [asdict(known) for known in self._known.values()], "swapped": swapped}

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises ValueError for a damaged state."""
        try:
            known = [_known_from(entry) for entry in state["known"]]
            swapped = {int(i): (int(lasting), float(at_s)) for i, (lasting, at_s) in state["swapped"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"continuity state is damaged: {error}") from error
        self._known, self._swapped = {entry.track_id: entry for entry in known}, swapped


def _known_from(entry: dict[str, Any]) -> _Known:
    x, y = entry["foot_xy"]
    return _Known(**{**entry, "foot_xy": (x, y)})


def _sight(track: Track, track_id: int, source_wh: tuple[int, int]) -> _Known:
    x1, y1, x2, y2 = track.xyxy
    width, height = source_wh
    margin_x, margin_y = _BORDER_NORM * width, _BORDER_NORM * height
    is_at_border = x1 < margin_x or y1 < margin_y or x2 > width - margin_x or y2 > height - margin_y
    return _Known(
        track_id,
        group_of(track.label),
        track.foot_xy,
        y2 - y1,
        track.first_at_s,
        track.last_at_s,
        is_at_border,
    )
