"""Who went out of sight in the midst of the picture: his score fades instead of ending.

In: the tracks in sight at each moment with what their cues add. Out: the strongest of those who are out of sight. A
person on the floor is often lost by detector and tracker; he has not left. Whoever went over the edge of the picture
has, and whoever stands up where he lay is found again. Next file: ``pipeline/unusual/scoring.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import iou
from pipeline.labels import group_of
from pipeline.protocols import Json
from pipeline.types import Track
from pipeline.unusual.features import Glimpse

__all__ = ["Lost", "Missing"]

_HALF_LIFE_S = 8.0
_FOR_S = 20.0
_EDGE_SHARE = 0.02
_SAME_IOU = 0.3
_MAX_MISSING = 16

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Missing:
    """A track as it was last seen, at ``at_s``, with what each cue added (cues,) then."""

    track: Track
    at_s: float
    added: Floats

    def faded(self, at_s: float) -> Floats:
        """What each cue still adds at ``at_s``."""
        value: Floats = self.added * 0.5 ** ((at_s - self.at_s) / _HALF_LIFE_S)
        return value


class Lost:
    """The remarkable tracks of one camera, in sight or not."""

    def __init__(self) -> None:
        self._known: dict[int, Missing] = {}

    def update(self, glimpse: Glimpse, added: Floats, remarkable: float) -> Missing | None:
        """The strongest of those who are out of sight; ``added`` (n, cues) is of the tracks in sight.

        Nobody is remembered whose cues added less than ``remarkable``.
        """
        at_s = glimpse.at_s
        in_sight = {track.id for track in glimpse.tracks}
        self._known = {
            i: one
            for i, one in self._known.items()
            if i not in in_sight and 0 <= at_s - one.at_s <= _FOR_S and not _is_found(one.track, glimpse.tracks)
        }
        missing = max(self._known.values(), key=lambda one: float(one.faded(at_s).sum()), default=None)
        for track, row in zip(glimpse.tracks, added, strict=True):
            if float(row.sum()) >= remarkable and not _is_at_edge(track, glimpse.source_wh):
                self._known[track.id] = Missing(track, at_s, row)
        while len(self._known) > _MAX_MISSING:
            del self._known[min(self._known, key=lambda i: float(self._known[i].faded(at_s).sum()))]
        return missing

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {
            str(i): {"track": asdict(one.track), "at_s": one.at_s, "added": one.added.tolist()}
            for i, one in self._known.items()
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises KeyError or TypeError for a damaged one."""
        self._known = {
            int(i): Missing(_track(one["track"]), float(one["at_s"]), np.array(one["added"], np.float64))
            for i, one in state.items()
        }


def _track(state: Json) -> Track:
    x1, y1, x2, y2 = state["xyxy"]
    x, y = state["velocity_xy"]
    return Track(**{**state, "xyxy": (x1, y1, x2, y2), "velocity_xy": (x, y)})


def _is_found(lost: Track, tracks: Sequence[Track]) -> bool:
    """Whether somebody of the same group is where ``lost`` was last seen."""
    group = group_of(lost.label)
    box = np.array(lost.xyxy)
    return any(group_of(one.label) == group and float(iou(np.array(one.xyxy), box)) >= _SAME_IOU for one in tracks)


def _is_at_edge(track: Track, source_wh: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = track.xyxy
    width, height = source_wh
    margin_x, margin_y = _EDGE_SHARE * width, _EDGE_SHARE * height
    return x1 < margin_x or y1 < margin_y or x2 > width - margin_x or y2 > height - margin_y
