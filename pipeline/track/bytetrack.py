"""Identity over media time: detections of one camera in, :class:`~pipeline.types.Track` snapshots out.

ByteTrack (Zhang et al., ECCV 2022: confident detections are associated first, weak ones may only keep alive what is
already followed), with the motion model advanced by real elapsed media time, boxes enlarged by what the model does not
know (after C-BIoU, Yang et al. 2023), and classes gated: a person never becomes a car, a car may become a truck.
Same findings, same tracks; ids count up per camera; ``restore(state())`` continues bit by bit.
Why not a library: see ``pipeline/track/__init__.py``. Next file: ``pipeline/alert/stage.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline.boxes import Box, enlarge, iou, iou_matrix
from pipeline.labels import group_of
from pipeline.protocols import Json
from pipeline.track.kalman import Array, advance, begin, boxes_of, correct, measure, uncertainty
from pipeline.types import Detections, Finding, Track

__all__ = ["ByteTracker", "TrackerSettings"]

_STATE_VERSION = 1
_RIDERS = frozenset({"person", "bicycle", "motorcycle"})
_NEVER = 2.0  # a cost above every gate
_VOTE_HALF_LIFE_S = 4.0
_MAX_DOUBLE_IOU = 0.8
_MAX_LEAP = 5.0


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Thresholds of the association. ``_confidence`` 0..1, ``_iou`` 0..1, ``_s`` seconds of media time.

    ``coast_s``: how long a track is still reported after it was last seen; ``lost_s``: how long it may be found again;
    ``max_gap_s``: a longer hole in the findings forgets every track. At most ``max_tracks`` are followed.
    """

    high_confidence: float = 0.35
    low_confidence: float = 0.1
    min_iou: float = 0.25
    min_weak_iou: float = 0.4
    confirm_hits: int = 2
    coast_s: float = 0.5
    lost_s: float = 3.0
    max_gap_s: float = 10.0
    max_tracks: int = 300

    def __post_init__(self) -> None:
        if not 0 <= self.low_confidence <= self.high_confidence <= 1:
            raise ValueError(
                f"confidence: expected 0 <= low <= high <= 1, got {self.low_confidence}, {self.high_confidence}"
            )
        if self.confirm_hits < 1 or self.max_tracks < 1:
            raise ValueError(f"confirm_hits, max_tracks: expected >= 1, got {self.confirm_hits}, {self.max_tracks}")


@dataclass(slots=True)
class _Life:
    """What is remembered of one target besides its motion; ``id`` is 0 until it is confirmed."""

    id: int
    votes: dict[str, float]
    confidence: float
    first_at_s: float
    last_at_s: float
    hits: int = 1
    missed_looks: int = 0
    label: str = field(default="")
    detection: int | None = None

    def __post_init__(self) -> None:
        self.label = self.label or max(self.votes, key=self.votes.__getitem__)

    def see(self, label: str, confidence: float, at_s: float) -> None:
        """Take in one more detection: the label is the one with most confidence over the last seconds."""
        fade = 0.5 ** (max(0.0, at_s - self.last_at_s) / _VOTE_HALF_LIFE_S)
        self.votes = {word: vote * fade for word, vote in self.votes.items() if vote * fade > 1e-3}
        self.votes[label] = self.votes.get(label, 0.0) + confidence
        self.label = max(self.votes, key=lambda word: (self.votes[word], word == self.label, word))
        self.confidence += 0.3 * (confidence - self.confidence)
        self.last_at_s = at_s
        self.hits += 1
        self.missed_looks = 0


class ByteTracker:
    """A :class:`~pipeline.protocols.Tracker` for one camera."""

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self._settings = settings or TrackerSettings()
        self._forget()
        self._next_id = 1
        self._session = -1
        self._at_s = -np.inf
        self._is_quiet = False

    def _forget(self) -> None:
        self._lives: list[_Life] = []
        self._motion: Array = np.zeros((0, 2, 4))
        self._spread: Array = np.zeros((0, 3, 4))

    def update(self, finding: Finding) -> tuple[Track, ...]:
        """Snapshots of the tracks seen at this finding or within ``coast_s`` before it, by id.

        While the gate reports that nothing moves, a track that the detector missed once is still reported.
        A tick (no detections) looks at nothing and changes nothing. A new session, or a hole longer than ``max_gap_s``
        in which something may have moved, forgets every track; ids go on counting.
        """
        if finding.detections is None:
            return ()
        at_s, is_quiet = finding.ref.at_s, finding.note.gate == "heartbeat"
        elapsed_s = max(0.0, at_s - self._at_s)
        if finding.ref.key.session != self._session or (elapsed_s > self._settings.max_gap_s and not is_quiet):
            self._forget()
        elif is_quiet:
            self._motion[:, 1] = 0.0  # the gate saw nothing move since the last look
            self._motion, self._spread = advance(self._motion, self._spread, min(elapsed_s, 0.2))
        else:
            self._motion, self._spread = advance(self._motion, self._spread, elapsed_s)
        self._session, self._at_s, self._is_quiet = finding.ref.key.session, at_s, is_quiet
        kept = _without_doubles(finding.detections)
        self._associate(finding.detections.select(kept), at_s)
        return self._snapshots(kept)

    def _associate(self, seen: Detections, at_s: float) -> None:
        s = self._settings
        strong = np.flatnonzero(seen.confidence >= s.high_confidence)
        weak = np.flatnonzero((seen.confidence >= s.low_confidence) & (seen.confidence < s.high_confidence))
        confirmed = np.array([i for i, life in enumerate(self._lives) if life.id], np.intp)
        tentative = np.array([i for i, life in enumerate(self._lives) if not life.id], np.intp)
        measured = measure(seen.xyxy)

        pairs = self._match(confirmed, strong, seen, s.min_iou, is_enlarged=True)
        free = _rest(confirmed, pairs, 0)
        followed = np.array([i for i in free if self._lives[i].missed_looks == 0], np.intp)
        pairs += self._match(followed, weak, seen, s.min_weak_iou, is_enlarged=False)
        strong = _rest(strong, pairs, 1)
        pairs += self._match(tentative, strong, seen, s.min_iou, is_enlarged=True)
        strong = _rest(strong, pairs, 1)

        self._correct(pairs, measured, seen, at_s)
        self._bury({i for i, _ in pairs}, at_s)
        self._begin(strong, measured, seen, at_s)

    def _match(
        self,
        targets: NDArray[np.intp],
        detections: NDArray[np.intp],
        seen: Detections,
        min_iou: float,
        is_enlarged: bool,
    ) -> list[tuple[int, int]]:
        """Pairs (target, detection) of least total cost whose overlap is at least ``min_iou``."""
        if not len(targets) or not len(detections):
            return []
        expected, found = boxes_of(self._motion[targets]), seen.xyxy[detections].astype(np.float64)
        if is_enlarged:
            size = np.maximum(self._motion[targets, 0, 2:], 1.0)
            doubt = np.minimum(np.sqrt(self._spread[targets, 0, :2]), size / 2)  # (T, 2), at most half a box
            margin = doubt[:, None]  # (T, 1, 2): each target lends its doubt to the detections held against it
            overlap = iou(enlarge(expected[:, None], margin), enlarge(found[None], margin))
        else:
            overlap = iou_matrix(expected, found)
        strangeness = _strangeness([self._lives[i].label for i in targets], [seen.label[j] for j in detections])
        overlap = np.where(self._leaps(targets, measure(seen.xyxy[detections])) > _MAX_LEAP, 0.0, overlap)
        cost = np.where(overlap >= np.where(strangeness > 0.2, 0.5, min_iou), 1 - overlap + strangeness, _NEVER)
        rows, columns = linear_sum_assignment(cost)
        return [
            (int(targets[r]), int(detections[c])) for r, c in zip(rows, columns, strict=True) if cost[r, c] < _NEVER
        ]

    def _leaps(self, targets: NDArray[np.intp], measured: Array) -> Array:
        """(T, D): how many standard deviations a target's centre would have to leap to be at a detection.

        Overlap alone lets the track of a parked car slip on to its neighbour when it is not detected for a moment.
        """
        sigma = np.sqrt(uncertainty(self._motion[targets], self._spread[targets]))  # (T, 2)
        apart = np.abs(measured[None, :, :2] - self._motion[targets, 0, None, :2])  # (T, D, 2)
        leaps: Array = np.max(apart / sigma[:, None], axis=2)
        return leaps

    def _correct(self, pairs: list[tuple[int, int]], measured: Array, seen: Detections, at_s: float) -> None:
        if not pairs:
            return
        at, of = np.array([i for i, _ in pairs]), np.array([j for _, j in pairs])
        self._motion[at], self._spread[at] = correct(self._motion[at], self._spread[at], measured[of])
        for i, j in pairs:
            life = self._lives[i]
            life.see(seen.label[j], float(seen.confidence[j]), at_s)
            life.detection = j
            if not life.id and life.hits >= self._settings.confirm_hits:
                life.id, self._next_id = self._next_id, self._next_id + 1

    def _bury(self, matched: set[int], at_s: float) -> None:
        """Drop targets that were not seen again: tentative ones at once, others after ``lost_s`` and two looks."""
        keep = []
        for i, life in enumerate(self._lives):
            if i in matched:
                keep.append(i)
                continue
            life.missed_looks += 1
            life.detection = None
            self._motion[i, 1, 2:] = 0.0  # a lost box does not go on growing
            if life.id and (at_s - life.last_at_s <= self._settings.lost_s or life.missed_looks < 3):
                keep.append(i)
        self._keep(keep)

    def _keep(self, indices: list[int]) -> None:
        self._lives = [self._lives[i] for i in indices]
        self._motion, self._spread = self._motion[indices], self._spread[indices]

    def _begin(self, detections: NDArray[np.intp], measured: Array, seen: Detections, at_s: float) -> None:
        room = self._settings.max_tracks - len(self._lives)
        detections = detections[np.argsort(-seen.confidence[detections], kind="stable")][: max(0, room)]
        motion, spread = begin(measured[detections])
        self._motion, self._spread = np.concatenate([self._motion, motion]), np.concatenate([self._spread, spread])
        for j in detections:
            confidence = float(seen.confidence[j])
            life = _Life(0, {seen.label[j]: confidence}, confidence, at_s, at_s, detection=int(j))
            if self._settings.confirm_hits == 1:
                life.id, self._next_id = self._next_id, self._next_id + 1
            self._lives.append(life)

    def _snapshots(self, kept: NDArray[np.intp]) -> tuple[Track, ...]:
        boxes = boxes_of(self._motion)
        return tuple(
            Track(
                id=life.id,
                label=life.label,
                confidence=life.confidence,
                xyxy=cast(Box, tuple(map(float, boxes[i]))),
                first_at_s=life.first_at_s,
                last_at_s=life.last_at_s,
                velocity_xy=(float(self._motion[i, 1, 0]), float(self._motion[i, 1, 1])),
                detection=None if life.detection is None else int(kept[life.detection]),
            )
            for i, life in sorted(enumerate(self._lives), key=lambda pair: pair[1].id)
            if life.id and self._is_visible(life)
        )

    def _is_visible(self, life: _Life) -> bool:
        if self._at_s - life.last_at_s <= self._settings.coast_s:
            return True
        return self._is_quiet and life.missed_looks <= 1

    def state(self) -> Json:
        """Every number that decides what follows, as JSON (floats survive JSON exactly)."""
        return {
            "version": _STATE_VERSION,
            "next_id": self._next_id,
            "session": self._session,
            "at_s": None if self._at_s == -np.inf else self._at_s,
            "is_quiet": self._is_quiet,
            "motion": self._motion.tolist(),
            "spread": self._spread.tolist(),
            "lives": [{f.name: getattr(life, f.name) for f in fields(life)} for life in self._lives],
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises ValueError for a state of another version or a damaged one."""
        if state.get("version") != _STATE_VERSION:
            raise ValueError(f"tracker state: expected version {_STATE_VERSION}, got {state.get('version')!r}")
        try:
            lives = [_Life(**{**life, "votes": dict(life["votes"])}) for life in state["lives"]]
            motion = np.array(state["motion"], np.float64).reshape(len(lives), 2, 4)
            spread = np.array(state["spread"], np.float64).reshape(len(lives), 3, 4)
            next_id, session = int(state["next_id"]), int(state["session"])
            at_s = -np.inf if state["at_s"] is None else float(state["at_s"])
            is_quiet = bool(state["is_quiet"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"tracker state is damaged: {error}") from error
        self._lives, self._motion, self._spread = lives, motion, spread
        self._next_id, self._session, self._at_s, self._is_quiet = next_id, session, at_s, is_quiet


def _rest(indices: NDArray[np.intp], pairs: list[tuple[int, int]], side: int) -> NDArray[np.intp]:
    """``indices`` that are on no ``side`` (0 target, 1 detection) of a pair, in order."""
    taken = {pair[side] for pair in pairs}
    return np.array([i for i in indices if i not in taken], np.intp)


def _strangeness(known: Sequence[str], seen: Sequence[str]) -> Array:
    """(K, S): what it costs to take a detection labelled ``seen[s]`` for a target labelled ``known[k]``."""
    words, codes = np.unique([*known, *seen], return_inverse=True)
    table = np.array([[_strange(a, b) for b in words] for a in words])
    cost: Array = table[np.ix_(codes[: len(known)], codes[len(known) :])]
    return cost


def _strange(known: str, seen: str) -> float:
    if known == seen:
        return 0.0
    if group_of(known) == group_of(seen) and not {known, seen} & _RIDERS:
        return 0.1
    return 0.3 if {known, seen} <= _RIDERS else _NEVER


def _without_doubles(seen: Detections) -> NDArray[np.intp]:
    """Rows of ``seen`` without the less sure of two boxes on one object (a car also called a truck), in order."""
    if len(seen) < 2:
        return np.arange(len(seen))
    groups = np.array([group_of(label) for label in seen.label])
    doubles = (iou_matrix(seen.xyxy, seen.xyxy) >= _MAX_DOUBLE_IOU) & (groups[:, None] == groups[None])
    kept = np.ones(len(seen), np.bool_)
    for j in np.argsort(-seen.confidence, kind="stable"):
        if kept[j]:
            kept &= ~doubles[j]
            kept[j] = True
    return np.flatnonzero(kept)
