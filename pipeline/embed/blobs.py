"""What moves outside every box, and what came to rest: a two-rate background of one camera. In: small luma pictures
with media time. Out: the foreground of each, and boxes of moving and of newly still things.

The slow picture learns for half a minute and never from the foreground; the fast one for a second. What differs from
the slow one but not from the fast one has come to rest (Porikli, AVSS 2007). Whether something was put there or taken
away shows at its outline: whichever picture has the stronger edges there has the thing. Next file: ``colour.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Background", "MovingBlobs"]

_SLOW_S = 30.0
_FAST_S = 1.0
_SPREAD_S = 60.0
_SETTLED_LOOKS = 10  # the first looks count alike
_LEAST_TOLERANCE = 12.0  # grey levels
_SPREADS = 4.0
_EDGE_SLACK = 0.35  # share of the local edge that a picture moved by part of a pixel may show
_FLICKER_STEP = 0.03  # how much of a coming or going is learned as the place's usual restlessness
_MOST_FLICKER = 40.0
_STILL_AFTER_S = 3.0
_ABSORBED_AFTER_S = 180.0  # what has lain so long is part of the scene
_LOST_S = 0.7  # how fast a still thing is forgotten when its place is seen without it
_LONGEST_DT_S = 12.0
_GLOBAL_SHARE = 0.6
_LEAST_STILL_PX = 10
_LEAST_MOVING_PX = 12
_MOST_BLOBS = 16
_MOST_SHARE = 0.25  # of the picture; more is a change of light
_COVERED_SHARE = 0.5
_TAKEN_RATIO = 1.15
_AROUND_PX = 2
_SAME_SURFACE = 0.6  # correlation
_FOREGROUND_SHARE = 0.25

Floats = NDArray[np.float32]
Luma = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_NO_BOXES: Floats = np.zeros((0, 4), np.float32)


class Background:
    """The view without what passes through it. State: six small pictures."""

    def __init__(self, luma: Luma, at_s: float) -> None:
        """Begin with ``luma`` (h, w) at media time ``at_s``."""
        self._at_s = at_s
        self._spread: Floats = np.full(luma.shape, 2.0, np.float32)
        self._start(luma)

    def _start(self, luma: Luma) -> None:
        self._looks = 1
        self._slow: Floats = luma.astype(np.float32)
        self._fast: Floats = self._slow.copy()
        self._still_s: Floats = np.zeros(luma.shape, np.float32)
        self._is_foreground: Mask = np.zeros(luma.shape, np.bool_)

    def update(self, luma: Luma, at_s: float) -> Mask:
        """Where ``luma`` (h, w) shows something that does not belong there, then learn from it; any spacing of looks.

        When most of the picture became another one at once (lights, infrared) that is the view from now on.
        """
        dt_s = min(max(at_s - self._at_s, 0.0), _LONGEST_DT_S)
        self._at_s = at_s
        self._looks += 1
        now = luma.astype(np.float32)
        usual = self._in_present_light(now)
        residual = cv2.absdiff(now, usual)
        edges = cv2.morphologyEx(self._slow, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
        tolerance = np.maximum(_LEAST_TOLERANCE, _SPREADS * self._spread) + _EDGE_SLACK * edges
        is_foreground: Mask = residual > tolerance
        if np.count_nonzero(is_foreground) > _GLOBAL_SHARE * luma.size:
            self._start(luma)
            return self._is_foreground
        self._learn_rest(now, is_foreground, dt_s)
        self._learn(now, usual, residual, is_foreground, dt_s)
        return is_foreground

    def still_xyxy(self, luma: Luma, is_free: Mask) -> Floats:
        """Boxes (S, 4) in pixels of ``luma`` of things that came to rest outside the boxes and were not there before.

        ``is_free`` (h, w): pixels outside every box. What was taken away leaves a change at rest too; it is learned.
        """
        mask = self._still_s >= _STILL_AFTER_S
        if not mask.any():
            return _NO_BOXES
        _, blob_of, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
        found = []
        for blob in _largest(stats, _LEAST_STILL_PX, mask.size):
            place, is_blob = _window(stats[blob], blob_of, int(blob))
            if is_free[place][is_blob].mean() < _COVERED_SHARE:
                continue
            if self._was_taken(luma, place, is_blob):
                self._slow[place][is_blob] = luma[place][is_blob]
                self._still_s[place][is_blob] = 0.0
            elif not self._is_same_surface(luma, place):
                found.append(_xyxy(stats[blob]))
        return np.asarray(found, np.float32).reshape(-1, 4)

    def pictures(self) -> dict[str, NDArray[Any]]:
        """Everything that :meth:`from_pictures` needs besides the time and the number of looks."""
        return {
            "slow": self._slow,
            "fast": self._fast,
            "spread": self._spread,
            "still_s": self._still_s,
            "is_foreground": self._is_foreground,
        }

    @property
    def looks(self) -> int:
        """Looks since the view began."""
        return self._looks

    @classmethod
    def from_pictures(cls, pictures: Mapping[str, NDArray[Any]], at_s: float, looks: int) -> Background:
        """A background that goes on where another stopped. Raises ValueError for pictures of another kind."""
        shape = pictures["slow"].shape
        found = cls(np.zeros(shape, np.uint8), at_s)
        for name, blank in found.pictures().items():
            saved = pictures[name]
            if saved.shape != shape or saved.dtype != blank.dtype or saved.ndim != 2:
                raise ValueError(f"{name}: expected {shape} {blank.dtype}, got {saved.shape} {saved.dtype}")
            setattr(found, f"_{name}", saved)
        found._looks = looks
        return found

    def _in_present_light(self, now: Floats) -> Floats:
        """The slow picture under the present gain and offset, both medians over a sample of pixels."""
        seen, usual = now[::4, ::4].ravel(), self._slow[::4, ::4].ravel()
        gain = float(np.clip(np.median((seen + 8.0) / (usual + 8.0)), 0.5, 2.0))
        offset = float(np.median(seen - gain * usual))
        return self._slow * np.float32(gain) + np.float32(offset)

    def _learn_rest(self, now: Floats, is_foreground: Mask, dt_s: float) -> None:
        is_at_rest = is_foreground & (cv2.absdiff(now, self._fast) < _LEAST_TOLERANCE)
        fading = np.where(is_foreground, np.float32(1.0), np.float32(math.exp(-dt_s / _LOST_S)))
        self._still_s = fading * self._still_s + np.float32(dt_s) * is_at_rest
        self._fast += _pace(dt_s, _FAST_S) * (now - self._fast)

    def _learn(self, now: Floats, usual: Floats, residual: Floats, is_foreground: Mask, dt_s: float) -> None:
        first_looks = 1.0 / self._looks if self._looks <= _SETTLED_LOOKS else 0.0
        pace = np.where(is_foreground, np.float32(0.0), np.float32(max(_pace(dt_s, _SLOW_S), first_looks)))
        is_old = self._still_s >= _ABSORBED_AFTER_S
        pace[is_old] = 1.0
        self._still_s[is_old] = 0.0
        came_or_went = is_foreground != self._is_foreground
        usual_spread = np.where(is_foreground, self._spread, np.minimum(residual, _LEAST_TOLERANCE))
        self._spread += _pace(dt_s, _SPREAD_S) * (usual_spread - self._spread)
        excess = np.maximum(np.minimum(residual, _MOST_FLICKER) - self._spread, 0.0)
        self._spread += _FLICKER_STEP * np.where(came_or_went, excess, np.float32(0.0))
        self._slow = usual + pace * (now - usual)
        self._is_foreground = is_foreground

    def _was_taken(self, luma: Luma, place: tuple[slice, slice], is_blob: Mask) -> bool:
        """Whether the outline shows in the slow picture and no longer in this one."""
        rows, columns = place
        top, left = min(rows.start, _AROUND_PX), min(columns.start, _AROUND_PX)
        wide = (slice(rows.start - top, rows.stop + _AROUND_PX), slice(columns.start - left, columns.stop + _AROUND_PX))
        mask = np.zeros(luma[wide].shape, np.uint8)
        mask[top : top + is_blob.shape[0], left : left + is_blob.shape[1]] = is_blob
        kernel = np.ones((3, 3), np.uint8)
        outline = cv2.dilate(mask, kernel) != cv2.erode(mask, kernel)
        here = cv2.morphologyEx(luma[wide].astype(np.float32), cv2.MORPH_GRADIENT, kernel)[outline].mean()
        before = cv2.morphologyEx(self._slow[wide], cv2.MORPH_GRADIENT, kernel)[outline].mean()
        return bool(before > _TAKEN_RATIO * here)

    def _is_same_surface(self, luma: Luma, place: tuple[slice, slice]) -> bool:
        """Whether the place looks as before but for more or less light: a lamp, a shadow, a nudge to the camera."""
        rows, columns = place
        wide = (
            slice(max(rows.start - _AROUND_PX, 0), rows.stop + _AROUND_PX),
            slice(max(columns.start - _AROUND_PX, 0), columns.stop + _AROUND_PX),
        )
        here, before = luma[wide].astype(np.float32), self._slow[wide]
        here, before = here - here.mean(), before - before.mean()
        alike = float((here * before).sum()) / math.sqrt(float((here**2).sum() * (before**2).sum()) + 1e-6)
        return alike > _SAME_SURFACE


class MovingBlobs:
    """Boxes of what moves outside every box; remembers where things moved ``before``, at the last look."""

    def __init__(self, before: Mask | None = None) -> None:
        self.before = before

    def update(self, is_moving: Mask, is_foreground: Mask, is_free: Mask) -> Floats:
        """Boxes (B, 4) in pixels of the masks (h, w), largest first, of things seen to move twice in a row."""
        mask = is_moving & is_free
        before, self.before = self.before, is_moving
        if before is None or not mask.any():
            return _NO_BOXES
        near_before = cv2.dilate(before.view(np.uint8), np.ones((9, 9), np.uint8)).view(np.bool_)
        _, blob_of, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
        found = []
        for blob in _largest(stats, _LEAST_MOVING_PX, mask.size):
            place, is_blob = _window(stats[blob], blob_of, int(blob))
            is_thing = is_foreground[place][is_blob].mean() >= _FOREGROUND_SHARE
            if is_thing and near_before[place][is_blob].any():
                found.append(_xyxy(stats[blob]))
        return np.asarray(found, np.float32).reshape(-1, 4)

    def forget(self) -> None:
        """There was no flow at this look: nothing is known to have moved before the next."""
        self.before = None


def _largest(stats: NDArray[np.int32], least_px: int, picture_px: int) -> NDArray[np.intp]:
    """Numbers of the largest blobs of a sensible size, largest first."""
    area = stats[1:, cv2.CC_STAT_AREA]
    order = 1 + np.argsort(-area, kind="stable")[:_MOST_BLOBS]
    sizes = stats[order, cv2.CC_STAT_AREA]
    chosen: NDArray[np.intp] = order[(sizes >= least_px) & (sizes <= _MOST_SHARE * picture_px)]
    return chosen


def _window(stat: NDArray[np.int32], blob_of: NDArray[np.int32], blob: int) -> tuple[tuple[slice, slice], Mask]:
    """Rows and columns of a blob's box, and which of its pixels belong to it."""
    left, top, width, height = (int(value) for value in stat[:4])
    place = (slice(top, top + height), slice(left, left + width))
    return place, blob_of[place] == blob


def _xyxy(stat: NDArray[np.int32]) -> tuple[int, int, int, int]:
    left, top, width, height = (int(value) for value in stat[:4])
    return left, top, left + width, top + height


def _pace(dt_s: float, time_constant_s: float) -> float:
    """Share of the way to a target that a first-order lag covers in ``dt_s``."""
    return 1.0 - float(np.exp(-dt_s / time_constant_s))
