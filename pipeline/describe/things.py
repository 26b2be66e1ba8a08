"""Bags and other things: who carries one, what was left behind, what was taken away.

In: the objects of a moment on the ground. Out: thing facts and the memory of things at rest. A thing is *left* when
it stands, was not there from the start, somebody was with it, and nobody is near it any more; *taken* when a thing
that stood is gone, or moves, together with somebody who was at it. Next file: ``pipeline/describe/facts.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from pipeline.boxes import Box
from pipeline.describe.ground import Point
from pipeline.describe.relations import Mover
from pipeline.descriptions import Fact
from pipeline.protocols import Json
from pipeline.types import FrameKey

__all__ = ["ThingSeen", "Things", "covered_share"]

_SCENE_S = 3.0  # what stands there within this time of the first look was there before
_STILL_M_S = 0.35
_STOOD_S = 1.5
_WITH_M = 1.8
_ALONE_M = 2.4
_ALONE_S = 1.0
_CARRIED_S = 0.8
_GONE_S = 1.2
_NEWS_S = 3.0
_FORGET_S = 60.0
_MAX_THINGS = 64
_MAX_UNTRACKED = 8
_UNTRACKED_SURE = 0.4  # what no detector knows by name may be a shadow; not sure enough to be said
_PAST_S, _PAST_STEP_S, _MAX_PEOPLE = 8.0, 0.4, 20
_HIDDEN_SHARE = 0.15
_SAME_SHARE = 0.3
_ELSEWHERE = 0.6  # of its own size: a thing that lies further off than this from where it stood has moved


@dataclass(frozen=True, slots=True)
class ThingSeen:
    """A thing at this moment; its ``label`` and box in source pixels. ``id`` is a track's, or below 0 without one."""

    mover: Mover
    label: str
    xyxy: Box


@dataclass(slots=True)
class _Memory:
    """What is remembered of one thing. Times are media time; ``keeper`` is the person last with it."""

    label: str
    xyxy: Box
    since_s: float
    last_at_s: float
    is_of_scene: bool
    keeper: int | None = None
    with_since_s: float | None = None
    stood_since_s: float | None = None
    alone_since_s: float | None = None
    taken_at_s: float | None = None
    taken_by: int | None = None


class Things:
    """The things of one camera; bounded."""

    def __init__(self) -> None:
        self._memories: dict[int, _Memory] = {}
        self._began_at_s: float | None = None
        self._past: list[tuple[float, int, Point]] = []  # (when, who, where) people were
        self._next_untracked = -1

    def look(
        self, seen: Sequence[ThingSeen], people: Sequence[tuple[Mover, Box]], at_s: float, key: FrameKey
    ) -> Iterator[Fact]:
        """The things of this moment among its people (each with the box in source pixels)."""
        if self._began_at_s is None:
            self._began_at_s = at_s
        self._remember(people, at_s)
        for thing in seen:
            yield from self._see(self._memory(thing, at_s), thing, people, at_s)
        present = {thing.mover.id for thing in seen}
        for thing_id, memory in self._memories.items():
            if thing_id not in present:
                self._miss(memory, seen, people, at_s)
            if memory.taken_at_s is not None and at_s - memory.taken_at_s <= _NEWS_S:
                taker = memory.taken_by if any(one.id == memory.taken_by for one, _ in people) else None
                other = thing_id if thing_id in present else memory.label
                sure = 0.7 if thing_id >= 0 else _UNTRACKED_SURE
                yield Fact("thing", "taken", sure, taker, other, frames=(key,))
        for thing_id in [i for i, memory in self._memories.items() if at_s - memory.last_at_s > _FORGET_S]:
            del self._memories[thing_id]

    def untracked(self, boxes: Sequence[Box], others: Sequence[Box]) -> list[tuple[int, Box]]:
        """Things at rest that no track knows, each with a lasting id below 0. ``others``: boxes of what is tracked."""
        free = [
            box for box in boxes if all(max(covered_share(box, o), covered_share(o, box)) < _SAME_SHARE for o in others)
        ]
        out: list[tuple[int, Box]] = []
        for box in free[:_MAX_UNTRACKED]:
            same = [i for i, m in self._memories.items() if i < 0 and _is_at(m.xyxy, box) and i not in dict(out)]
            if not same:
                same, self._next_untracked = [self._next_untracked], self._next_untracked - 1
            out.append((same[0], box))
        return out

    def _remember(self, people: Sequence[tuple[Mover, Box]], at_s: float) -> None:
        if not self._past or at_s - self._past[-1][0] >= _PAST_STEP_S:
            self._past = [one for one in self._past if at_s - one[0] <= _PAST_S]
            self._past += [(at_s, one.id, one.at_m) for one, _ in people[:_MAX_PEOPLE]]

    def _bringer(self, at_m: Point) -> int | None:
        """Who was at a place in the last seconds, the nearest of them; None when nobody was."""
        near = [(math.dist(where, at_m), -at_s, who) for at_s, who, where in self._past]
        nearest = min(near, default=(math.inf, 0.0, 0))
        return nearest[2] if nearest[0] <= _WITH_M else None

    def _memory(self, thing: ThingSeen, at_s: float) -> _Memory:
        """The memory of ``thing``; one whose track broke where it stood is the same thing."""
        found = self._memories.get(thing.mover.id)
        if found is None:
            same = [i for i, m in self._memories.items() if m.last_at_s < at_s and _is_at(m.xyxy, thing.xyxy)]
            if same:
                found = self._memories.pop(same[0])
            else:
                is_of_scene = self._began_at_s is not None and at_s - self._began_at_s <= _SCENE_S
                keeper = self._bringer(thing.mover.at_m)
                found = _Memory(thing.label, thing.xyxy, at_s, at_s, is_of_scene, keeper)
            self._memories[thing.mover.id] = found
            if len(self._memories) > _MAX_THINGS:
                del self._memories[min(self._memories, key=lambda i: self._memories[i].last_at_s)]
        return found

    def _see(
        self, memory: _Memory, thing: ThingSeen, people: Sequence[tuple[Mover, Box]], at_s: float
    ) -> Iterator[Fact]:
        mover = thing.mover
        is_still = mover.speed_m_s <= _STILL_M_S
        holder = _holder(thing, people)
        had_stood = memory.stood_since_s is not None and memory.last_at_s - memory.stood_since_s >= _STOOD_S
        if holder is not None and not is_still:
            if had_stood and memory.taken_at_s is None and not _is_at(memory.xyxy, thing.xyxy):
                memory.taken_at_s, memory.taken_by = at_s, holder.id
            memory.with_since_s = at_s if memory.with_since_s is None else memory.with_since_s
            memory.is_of_scene = False
        else:
            memory.with_since_s = None
        if is_still and (memory.stood_since_s is None or not _is_at(memory.xyxy, thing.xyxy)):
            memory.stood_since_s, memory.taken_at_s = at_s, None
        if not had_stood or is_still:
            memory.xyxy = thing.xyxy
        memory.label, memory.last_at_s = thing.label, at_s
        near = min(people, key=lambda one: math.dist(one[0].at_m, mover.at_m), default=None)
        near_m = math.inf if near is None else math.dist(near[0].at_m, mover.at_m)
        if near is not None and near_m <= _WITH_M and not (had_stood and memory.keeper is not None):
            memory.keeper = near[0].id
        memory.alone_since_s = None if near_m <= _ALONE_M else memory.alone_since_s or at_s
        if holder is not None and memory.with_since_s is not None and at_s - memory.with_since_s >= _CARRIED_S:
            yield Fact("thing", "carrying", 0.75, holder.id, mover.id, frames=mover.frames)
        if self._is_left(memory, at_s):
            keeper = memory.keeper if any(one.id == memory.keeper for one, _ in people) else None
            other = mover.id if mover.id >= 0 else memory.label
            alone_s = at_s - (memory.alone_since_s or at_s)
            sure = 0.85 if mover.id >= 0 else _UNTRACKED_SURE
            yield Fact("thing", "left", sure, keeper, other, round(alone_s, 2), mover.frames)

    @staticmethod
    def _is_left(memory: _Memory, at_s: float) -> bool:
        if memory.is_of_scene or memory.keeper is None:
            return False
        if memory.stood_since_s is None or memory.alone_since_s is None:
            return False
        return at_s - memory.stood_since_s >= _STOOD_S and at_s - memory.alone_since_s >= _ALONE_S

    @staticmethod
    def _miss(memory: _Memory, seen: Sequence[ThingSeen], people: Sequence[tuple[Mover, Box]], at_s: float) -> None:
        """The thing is not seen where it stood: taken, if somebody was at it and its place is in plain view."""
        if memory.taken_at_s is not None or memory.stood_since_s is None:
            return
        if memory.last_at_s - memory.stood_since_s < _STOOD_S:
            return
        boxes = [box for _, box in people] + [thing.xyxy for thing in seen]
        touching = [one for one, box in people if covered_share(memory.xyxy, box) > _HIDDEN_SHARE]
        if touching:
            memory.taken_by = touching[0].id
        if any(covered_share(memory.xyxy, box) > _HIDDEN_SHARE for box in boxes):
            return
        if at_s - memory.last_at_s >= _GONE_S and memory.taken_by is not None:
            memory.taken_at_s, memory.stood_since_s = at_s, None

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {
            "began_at_s": self._began_at_s,
            "past": [[at_s, who, *where] for at_s, who, where in self._past],
            "next_untracked": self._next_untracked,
            "memories": [[i, {**asdict(m), "xyxy": list(m.xyxy)}] for i, m in self._memories.items()],
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`."""
        self._began_at_s = state["began_at_s"]
        self._past = [(float(p[0]), int(p[1]), (float(p[2]), float(p[3]))) for p in state["past"]]
        self._next_untracked = int(state["next_untracked"])
        self._memories = {int(i): _Memory(**{**m, "xyxy": tuple(m["xyxy"])}) for i, m in state["memories"]}

    def clear(self) -> None:
        """A new session: nothing has the id it had before."""
        self._memories.clear()
        self._past.clear()
        self._began_at_s = None


def _holder(thing: ThingSeen, people: Sequence[tuple[Mover, Box]]) -> Mover | None:
    """Who carries ``thing``: the nearest person whose box holds most of it, or touches it and moves along."""
    held = [(math.dist(one.at_m, thing.mover.at_m), one.id, one) for one, box in people if _is_with(thing, box)]
    return min(held)[2] if held else None


def _is_with(thing: ThingSeen, box: Box) -> bool:
    width, height = box[2] - box[0], box[3] - box[1]
    reach = (box[0] - 0.35 * width, box[1], box[2] + 0.35 * width, box[3] + 0.1 * height)
    return covered_share(thing.xyxy, reach) >= 0.5


def covered_share(box: Box, by: Box) -> float:
    """Share of ``box`` that lies in ``by``."""
    width = max(0.0, min(box[2], by[2]) - max(box[0], by[0]))
    height = max(0.0, min(box[3], by[3]) - max(box[1], by[1]))
    return width * height / max((box[2] - box[0]) * (box[3] - box[1]), 1e-6)


def _is_at(place: Box, box: Box) -> bool:
    """Whether a thing lies where it stood."""
    size = max(place[2] - place[0], place[3] - place[1], 1.0)
    across = (place[0] + place[2] - box[0] - box[2]) / 2
    return math.hypot(across, (place[1] + place[3] - box[1] - box[3]) / 2) <= _ELSEWHERE * size
