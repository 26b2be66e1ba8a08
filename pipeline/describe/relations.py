"""What people have to do with each other and with vehicles: approaching, meeting, following, dispersing, beside.

In: where everybody is on the ground and how they move. Out: relation facts, and the memory of who came near whom.
Distances are metres; pairs more than 12 m apart have nothing to do with each other. Next file: ``things.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.describe.ground import Point
from pipeline.describe.kinds import Kind
from pipeline.describe.trail import Motion
from pipeline.descriptions import Fact
from pipeline.protocols import Json
from pipeline.types import FrameKey

__all__ = ["Mover", "Relations"]

_FAR_M = 12.0
_NEAR_M = 1.6
_NEAR_S = 1.5
_CLOSING_M_S = 0.5
_MISS_M = 1.8
_AHEAD_S = 8.0
_STILL_M_S = 0.5
_WALK_M_S = 0.6
_SAME_WAY_COS = math.cos(math.radians(35))
_BEHIND_M = (1.0, 9.0)
_CAME_S = 6.0
_APART_S = 5.0
_MAX_MOVERS = 40


@dataclass(frozen=True, slots=True)
class Mover:
    """One object on the ground at this moment; ``confidence`` 0..1 in where it is and how it moves.

    ``speed_m_s`` is that of ``motion``; 0 while that is not known.
    """

    id: int
    kind: Kind
    at_m: Point
    motion: Motion | None
    confidence: float
    frames: tuple[FrameKey, ...]
    speed_m_s: float = 0.0


@dataclass(slots=True)
class _Pair:
    """What is remembered of two objects: when they last approached, since when they are near, when last together."""

    together_at_s: float | None = None
    approached_at_s: float | None = None
    near_since_s: float | None = None
    last_at_s: float = 0.0


class Relations:
    """The pairs of one camera; bounded, because pairs that were not near for a while are forgotten."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[int, int], _Pair] = {}

    def look(self, movers: Sequence[Mover], at_s: float) -> Iterator[Fact]:
        """The relations at ``at_s``. A person is always the first of a pair with a vehicle."""
        people = [mover for mover in movers if mover.kind == "person"][:_MAX_MOVERS]
        vehicles = [mover for mover in movers if mover.kind == "vehicle"][:_MAX_MOVERS]
        for i, one in enumerate(people):
            x, y = one.at_m
            for other in people[i + 1 :]:
                if abs(other.at_m[0] - x) <= _FAR_M and abs(other.at_m[1] - y) <= _FAR_M:
                    yield from self._people(one, other, at_s)
            for other in vehicles if one.speed_m_s >= _CLOSING_M_S else ():
                if abs(other.at_m[0] - x) <= _FAR_M and abs(other.at_m[1] - y) <= _FAR_M:
                    yield from self._at_vehicle(one, other)
        for key in [key for key, pair in self._pairs.items() if at_s - pair.last_at_s > _CAME_S]:
            del self._pairs[key]

    def _people(self, one: Mover, other: Mover, at_s: float) -> Iterator[Fact]:
        distance_m = math.dist(one.at_m, other.at_m)
        if distance_m > _NEAR_M and one.speed_m_s + other.speed_m_s < _CLOSING_M_S:
            known = self._pairs.get((one.id, other.id))
            if known is not None:
                known.near_since_s = None
            return
        closing_m_s = _closing(one, other, distance_m)
        pair = self._pairs.setdefault((one.id, other.id), _Pair())
        pair.last_at_s = at_s
        if distance_m > _NEAR_M:
            pair.near_since_s = None
        elif pair.near_since_s is None:
            pair.near_since_s = at_s
        followed = _following(one, other, distance_m)
        if followed is not None:
            yield _fact("following", followed[0], followed[1], 0.7)
        elif closing_m_s >= _CLOSING_M_S and _miss_m(one, other) <= _MISS_M and distance_m > _NEAR_M:
            pair.approached_at_s = at_s
            mover, aim = (one, other) if one.speed_m_s >= other.speed_m_s else (other, one)
            yield _fact("approaching", mover, aim, _by(closing_m_s, _CLOSING_M_S))
        elif closing_m_s <= -_CLOSING_M_S and pair.together_at_s is not None and distance_m > _NEAR_M:
            mover, aim = (one, other) if one.speed_m_s >= other.speed_m_s else (other, one)
            yield _fact("dispersing", mover, aim, _by(-closing_m_s, _CLOSING_M_S))
        if pair.near_since_s is not None:
            yield from self._near(pair, one, other, at_s)
        if pair.together_at_s is not None and at_s - pair.together_at_s > _APART_S:
            pair.together_at_s = None

    @staticmethod
    def _near(pair: _Pair, one: Mover, other: Mover, at_s: float) -> Iterator[Fact]:
        is_calm = one.speed_m_s <= _STILL_M_S and other.speed_m_s <= _STILL_M_S
        came = pair.approached_at_s is not None and at_s - pair.approached_at_s <= _CAME_S
        is_lasting = pair.near_since_s is not None and at_s - pair.near_since_s >= _NEAR_S
        if is_lasting or (came and is_calm):
            pair.together_at_s = at_s
            yield _fact("meeting", one, other, 0.75) if came and is_calm else _fact("beside", one, other, 0.8)

    @staticmethod
    def _at_vehicle(one: Mover, vehicle: Mover) -> Iterator[Fact]:
        distance_m = math.dist(one.at_m, vehicle.at_m)
        if vehicle.speed_m_s > _STILL_M_S or distance_m > _FAR_M:
            return
        closing_m_s = _closing(one, vehicle, distance_m)
        if closing_m_s >= _CLOSING_M_S and _miss_m(one, vehicle) <= _MISS_M and distance_m > 2 * _NEAR_M:
            yield _fact("approaching", one, vehicle, 0.6 * _by(closing_m_s, _CLOSING_M_S) + 0.2)

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {
            "pairs": [
                [*key, p.together_at_s, p.approached_at_s, p.near_since_s, p.last_at_s]
                for key, p in self._pairs.items()
            ],
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`."""
        self._pairs = {(int(p[0]), int(p[1])): _Pair(p[2], p[3], p[4], float(p[5])) for p in state["pairs"]}

    def clear(self) -> None:
        """Nobody has the id he had before."""
        self._pairs.clear()


def _fact(value: str, one: Mover, other: Mover, confidence: float) -> Fact:
    sure = round(confidence * min(one.confidence, other.confidence), 3)
    return Fact("relation", value, sure, one.id, other.id, frames=one.frames)


def _by(value: float, threshold: float) -> float:
    return min(1.0, 0.6 + 0.4 * (value - threshold) / threshold)


def _velocity(mover: Mover) -> Point:
    return (0.0, 0.0) if mover.motion is None else (mover.motion.right_m_s, mover.motion.away_m_s)


def _closing(one: Mover, other: Mover, distance_m: float) -> float:
    """Metres per second by which the distance shrinks."""
    (vx, vy), (wx, wy) = _velocity(one), _velocity(other)
    dx, dy = other.at_m[0] - one.at_m[0], other.at_m[1] - one.at_m[1]
    return ((vx - wx) * dx + (vy - wy) * dy) / max(distance_m, 0.1)


def _miss_m(one: Mover, other: Mover) -> float:
    """The least distance if both go on as now, within the next seconds."""
    (vx, vy), (wx, wy) = _velocity(one), _velocity(other)
    dx, dy, ux, uy = other.at_m[0] - one.at_m[0], other.at_m[1] - one.at_m[1], wx - vx, wy - vy
    square = ux * ux + uy * uy
    t = 0.0 if square <= 0 else max(0.0, min(_AHEAD_S, -(dx * ux + dy * uy) / square))
    return math.hypot(dx + t * ux, dy + t * uy)


def _following(one: Mover, other: Mover, distance_m: float) -> tuple[Mover, Mover] | None:
    """Who walks behind whom in the same direction (follower, leader); None when neither does."""
    if not _BEHIND_M[0] <= distance_m <= _BEHIND_M[1] or min(one.speed_m_s, other.speed_m_s) < _WALK_M_S:
        return None
    (vx, vy), (wx, wy) = _velocity(one), _velocity(other)
    if (vx * wx + vy * wy) < _SAME_WAY_COS * one.speed_m_s * other.speed_m_s:
        return None
    if abs(one.speed_m_s - other.speed_m_s) > 0.5 * max(one.speed_m_s, other.speed_m_s):
        return None
    dx, dy = other.at_m[0] - one.at_m[0], other.at_m[1] - one.at_m[1]
    along = ((vx + wx) * dx + (vy + wy) * dy) / (math.hypot(vx + wx, vy + wy) * max(distance_m, 0.1))
    if along >= _SAME_WAY_COS:
        return one, other
    return (other, one) if along <= -_SAME_WAY_COS else None
