"""The score of a moment: what each cue adds, smoothed over media time, for every track and for the frame.

In: a :class:`~pipeline.unusual.features.Glimpse` and a generation of what is normal. Out: a :class:`Judged`, whose
score is the sum of what its cues add. Next file: ``pipeline/unusual/suspect.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.protocols import Json, Moment
from pipeline.types import Track
from pipeline.unusual.channels import CUES, SCENE_CUES, TEXT_CUE
from pipeline.unusual.explain import Seen
from pipeline.unusual.features import Glimpse
from pipeline.unusual.fusion import Fusion
from pipeline.unusual.lost import Lost, Missing
from pipeline.unusual.normality import Normality
from pipeline.unusual.smoothing import Smoother

__all__ = ["Judged", "Scorer", "Status", "TrackScore"]

_USUAL_STEP_S = 0.2
_TEXT_HALF_LIFE_S = 3.0

Status = Literal["warming_up", "too_little", "watching", "moved", "drifted"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrackScore:
    """The score of one track at one moment and what each cue added to it; ``score`` is the sum of ``added``.

    ``surprise`` is each measured cue's ``-log p`` at this very look, before fusion and smoothing.
    """

    track: Track
    score: float
    added: Mapping[str, float]
    surprise: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """How a moment was judged. ``score`` is that of the highest track plus ``scene``; ``level`` the one that alerts.

    ``lost`` is somebody out of sight with his faded score, who counts in ``score`` like a track. ``generation`` 0:
    nothing was learned yet and every score is 0. ``level`` is infinite while warming up.
    """

    at_s: float
    score: float
    level: float
    tracks: tuple[TrackScore, ...]
    scene: Mapping[str, float]
    scene_surprise: Mapping[str, float]
    lost: TrackScore | None
    generation: int
    status: Status


class Scorer:
    """Scores the moments of one camera; remembers the smoothed scores of the last seconds."""

    def __init__(self, fusion: Fusion) -> None:
        self._fusion = fusion
        self.forget()

    def forget(self) -> None:
        """Nothing is remembered of the last seconds."""
        self._smoother = Smoother(len(CUES))
        self._scene_smoother = Smoother(len(SCENE_CUES) + 1)
        self._lost = Lost()

    def score(
        self, normality: Normality, glimpse: Glimpse, moment: Moment, remarkable: float, level: float, status: Status
    ) -> tuple[Judged, Seen]:
        """How ``moment`` is judged by ``normality``, and what it was judged from.

        A score that every other ten seconds of normal life reach is not yet ``remarkable``.
        """
        label = np.array([track.label for track in glimpse.tracks], dtype="<U24")
        surprise = normality.surprise(label, glimpse.rows, glimpse.appearance, glimpse.at_s)
        added = self._fusion.contributions(surprise)
        ids = [track.id for track in glimpse.tracks]
        smooth = self._smoother.smooth(ids, glimpse.at_s, _USUAL_STEP_S, added)
        tracks = tuple(
            TrackScore(track, float(row.sum()), _named(CUES, row), _named(CUES, now))
            for track, row, now in zip(glimpse.tracks, smooth, surprise, strict=True)
        )
        names = (*SCENE_CUES, TEXT_CUE)
        text_surprise, nearest, age_s, weight = _text(normality, moment)
        scene_surprise = np.append(normality.scene_surprise(glimpse.scene[None], glimpse.at_s)[0], text_surprise)
        scene_added = self._fusion.contributions(scene_surprise[None])
        scene_added[0, -1] *= weight
        scene = self._scene_smoother.smooth([0], glimpse.at_s, _USUAL_STEP_S, scene_added)[0]
        lost = _faded(self._lost.update(glimpse, smooth, remarkable), glimpse.at_s)
        top = max((one.score for one in tracks), default=0.0)
        judged = Judged(
            glimpse.at_s,
            max(top, 0.0 if lost is None else lost.score) + float(scene.sum()),
            level,
            tracks,
            _named(names, scene),
            _named(names, scene_surprise),
            lost,
            normality.number,
            status,
        )
        text = "" if moment.words is None else moment.words.text
        return judged, Seen(glimpse.at_s, None, None, glimpse.scene, text, nearest, age_s, weight)

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {"tracks": self._smoother.state(), "scene": self._scene_smoother.state(), "lost": self._lost.state()}

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises ValueError for one of another number of cues."""
        self._smoother.restore(state["tracks"])
        self._scene_smoother.restore(state["scene"])
        self._lost.restore(state["lost"])


def _faded(missing: Missing | None, at_s: float) -> TrackScore | None:
    if missing is None:
        return None
    row = missing.faded(at_s)
    return TrackScore(missing.track, float(row.sum()), _named(CUES, row), {})


def _text(normality: Normality, moment: Moment) -> tuple[float, str, float, float]:
    """``-log p`` of the newest words, the nearest normal sentence, and the words' age with the weight it leaves."""
    words = moment.words
    if words is None or words.embedding is None:
        return math.nan, "", 0.0, 0.0
    age_s = max(0.0, moment.finding.ref.at_s - words.ref.at_s)
    surprise, nearest = normality.text_surprise(words.embedding, moment.finding.ref.at_s)
    return surprise, nearest, age_s, 0.5 ** (age_s / _TEXT_HALF_LIFE_S)


def _named(names: Sequence[str], values: Floats) -> dict[str, float]:
    """``values`` by name, those that are unknown left out."""
    return {name: float(value) for name, value in zip(names, values, strict=True) if not math.isnan(value)}
