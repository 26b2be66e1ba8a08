"""A judge that decides by the learned fusion: it watches through :class:`UnusualJudge` and weighs what that measured.

In: moments in the order of media time. Out: suspicions of kind ``unusual`` whose evidence is how much the score falls
when a group of inputs says what is usual. It speaks before a camera is learned, at the level that held-out cameras set
(the card's), and later at the camera's own where that is higher. Next file: ``pipeline/unusual/learned.py``.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from pipeline.protocols import Json, Moment, Suspicion
from pipeline.types import Evidence, Track
from pipeline.unusual.judge import KIND, UnusualJudge
from pipeline.unusual.learned import FusionInputs, LearnedFusion, inputs_of
from pipeline.unusual.settings import UnusualSettings
from pipeline.unusual.sight import Sight, SightFold
from pipeline.unusual.threshold import threshold_of

__all__ = ["LearnedJudge"]

_STATE_VERSION = 1
_BLOCK_S = 10.0
_MAX_BLOCKS = 2160  # six hours of what this camera's normal life scores
_SMOOTH_S = 0.3
_FORGET_S = 1.5
_NOTES = {
    "sight": ("how it moves", "as people and vehicles usually move"),
    "scene": ("what the whole picture does", "as pictures usually do"),
    "words": ("what the description says", "words that change nothing"),
    "surprise": ("how far it is from this camera's normal life", "within this camera's normal life"),
}


class LearnedJudge:
    """A :class:`~pipeline.protocols.Judge`. ``score`` is that of the newest moment: the log of the odds, softened."""

    def __init__(self, settings: UnusualSettings, inner: UnusualJudge, fusion: LearnedFusion) -> None:
        self._settings = settings
        self._inner = inner
        self._fusion = fusion
        self._begin()

    def _begin(self) -> None:
        self._fold = SightFold()
        self._maxima: deque[float] = deque(maxlen=_MAX_BLOCKS)
        self._block: tuple[int, float] | None = None
        self._smooth: float | None = None
        self._at_s: float | None = None
        self._own_level = -math.inf
        self.score = 0.0

    @property
    def fusion(self) -> LearnedFusion:
        """The weights at work."""
        return self._fusion

    @property
    def level(self) -> float:
        """The score from which on a moment is suspected."""
        return max(_soft(self._fusion.level), self._own_level)

    def settle(self) -> None:
        """What was watched so far is all the normal life there is."""
        self._inner.settle()
        self._close_block()
        self._relevel()

    def judge(self, moment: Moment) -> Sequence[Suspicion]:
        """At most one suspicion: the most unusual track, or the scene."""
        self._inner.judge(moment)
        finding, last = moment.finding, self._inner.last
        at_s = finding.ref.at_s
        if finding.detections is None or min(finding.ref.source_wh) <= 0 or finding.note.conditions:
            return ()
        sight = self._fold.see(moment)
        is_known = last is not None and last.generation > 0 and last.at_s == at_s
        by_track = {one.track.id: one.surprise for one in last.tracks} if last is not None and is_known else {}
        frame = last.scene_surprise if last is not None and is_known else {}
        surprise = [by_track.get(track.id, {}) for track in sight.seen]
        inputs = inputs_of(sight, surprise, frame, self._fusion.text_dimensions, self._fusion.cue_names)
        scores = self._fusion.score(inputs)
        top = int(scores.argmax())
        self._weigh(_soft(float(scores[top])), at_s)
        is_unusual = self.score >= self.level
        if not is_unusual or self._inner.progress < 1.0:
            self._remember(at_s)
        if not is_unusual:
            return ()
        return (self._suspicion(sight, inputs, top),)

    def _weigh(self, now: float, at_s: float) -> None:
        """Smooth over media time."""
        elapsed_s = None if self._at_s is None else at_s - self._at_s
        if self._smooth is None or elapsed_s is None or not 0 <= elapsed_s <= _FORGET_S:
            self._smooth = 0.0
            elapsed_s = _SMOOTH_S
        self._smooth += (now - self._smooth) * (1 - math.exp(-elapsed_s / _SMOOTH_S))
        self._at_s, self.score = at_s, self._smooth

    def _remember(self, at_s: float) -> None:
        """The highest score of every ten seconds of normal life sets the camera's own level.

        What is suspected is not normal life, unless the camera is still being learned: where much scores high, that is
        how it is there.
        """
        block = int(at_s // _BLOCK_S)
        if self._block is not None and self._block[0] != block:
            self._close_block()
            self._relevel()
        highest = self.score if self._block is None else max(self._block[1], self.score)
        self._block = (block, highest)

    def _close_block(self) -> None:
        if self._block is not None:
            self._maxima.append(self._block[1])
        self._block = None

    def _relevel(self) -> None:
        threshold = threshold_of(np.array(self._maxima))
        self._own_level = -math.inf if threshold is None else threshold.level(self._settings.alerts_per_day)

    def _suspicion(self, sight: Sight, inputs: FusionInputs, top: int) -> Suspicion:
        tracks: tuple[Track, ...] = (sight.seen[top],) if top < len(sight.seen) else ()
        title = f"A {tracks[0].label} behaves unusually" if tracks else "Something unusual happens"
        shares = self._fusion.shares(inputs, top)
        whole = sum(shares.values())
        evidence = tuple(
            Evidence(
                group,
                share / whole if whole else 1.0 / len(shares),
                f"{_NOTES[group][0]}: {share:.1f} of the log of the odds",
                _NOTES[group][1],
                self._fusion.name,
            )
            for group, share in sorted(shares.items(), key=lambda pair: -pair[1])
        )
        key = tracks[0].label if tracks else "scene"
        return Suspicion(
            kind=KIND,
            key=f"{KIND}:{key}",
            rule=None,
            severity="warning",
            score=self.score / (self.score + max(self.level, 1e-6)),
            title=title,
            text=f"{title}.",
            tracks=tracks,
            evidence=evidence,
        )

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {
            "version": _STATE_VERSION,
            "inner": self._inner.state(),
            "fold": self._fold.state(),
            "maxima": list(self._maxima),
            "block": self._block and list(self._block),
            "smooth": self._smooth,
            "at_s": self._at_s,
            "score": self.score,
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises ValueError for another version or a damaged state.

        The state of a judge that had not looked yet forgets the moment and keeps what was learned.
        """
        if state.get("version") != _STATE_VERSION:
            raise ValueError(f"learned state: expected version {_STATE_VERSION}, got {state.get('version')!r}")
        try:
            self._inner.restore(state["inner"])
            self._fold.restore(state["fold"])
            self._smooth, self._at_s = state["smooth"], state["at_s"]
            self.score = float(state["score"])
            if self._at_s is None:
                self._block = None
                return
            self._maxima = deque((float(value) for value in state["maxima"]), maxlen=_MAX_BLOCKS)
            block = state["block"]
            self._block = None if block is None else (int(block[0]), float(block[1]))
            self._relevel()
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"learned state is damaged: {error}") from error


def _soft(log_odds: float) -> float:
    """``log(1 + odds)``: never below 0, and the same as the log of the odds where that is large."""
    return log_odds + math.log1p(math.exp(-log_odds)) if log_odds > 0 else math.log1p(math.exp(log_odds))
