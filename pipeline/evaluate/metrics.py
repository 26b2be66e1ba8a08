"""How well scores tell unusual frames from normal ones: ROC AUC, average precision, precision and recall. Pure numpy.

In: :class:`ScoredClip`, a label and a score per frame. Out: :class:`FrameMetrics`. Conventions that change published
numbers by points are stated beside each function: frames labelled -1 are left out everywhere; *micro* AUC ranks the
frames of all clips together; *macro* is the mean over clips that hold both kinds ("mixed"); *padded* macro, which some
papers print, adds one perfectly ranked frame of each kind to every clip and is higher for that reason alone. Next
file: ``pipeline/evaluate/events.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.clips import ABNORMAL, IGNORED

__all__ = [
    "AlertSpan",
    "Difference",
    "FrameMetrics",
    "Rates",
    "ScoredClip",
    "average_precision",
    "clip_auc",
    "frame_metrics",
    "in_alerts",
    "macro_auc",
    "micro_auc",
    "only_kind",
    "paired_bootstrap",
    "rates_at",
    "rates_of",
    "rates_of_alerts",
    "roc_auc",
    "time_in_clip",
]

_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class AlertSpan:
    """An alert in seconds of its clip: opened, and closed (the clip's end when it was still open)."""

    kind: str
    title: str
    opened_s: float
    closed_s: float
    severity: str = "warning"


@dataclass(frozen=True, slots=True, eq=False)
class ScoredClip:
    """One judged clip: ``labels`` (N,) int8 1|0|-1, ``times_s`` (N,) from its first frame, ``score`` (N,).

    ``events`` are half-open frame ranges; None: the runs of 1.
    """

    name: str
    labels: NDArray[np.int8]
    times_s: NDArray[np.float64]
    score: NDArray[np.float64]
    alerts: tuple[AlertSpan, ...] = ()
    events: tuple[tuple[int, int], ...] | None = None

    def __post_init__(self) -> None:
        n = (len(self.labels),)
        if self.times_s.shape != n or self.score.shape != n:
            raise ValueError(
                f"{self.name}: expected times and scores {n}, got {self.times_s.shape}, {self.score.shape}"
            )
        if not np.isfinite(self.score).all():
            raise ValueError(f"{self.name}: expected finite scores")

    @property
    def is_mixed(self) -> bool:
        """Whether it holds normal and unusual frames."""
        return bool((self.labels == ABNORMAL).any() and (self.labels == 0).any())

    @property
    def frame_s(self) -> float:
        """Usual distance of its frames in seconds."""
        return float(np.median(np.diff(self.times_s))) if len(self.times_s) > 1 else 0.0


def roc_auc(labels: NDArray[np.int8], score: NDArray[np.float64]) -> float:
    """Chance that an unusual frame scores above a normal one, ties half (Mann-Whitney); NaN when a kind is missing."""
    kept = labels != IGNORED
    labels, score = labels[kept], score[kept]
    positives = int((labels == ABNORMAL).sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return _NAN
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    rank = (ends - (counts - 1) / 2)[inverse]  # (N,) mean rank of equals, from 1
    return float((rank[labels == ABNORMAL].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(labels: NDArray[np.int8], score: NDArray[np.float64]) -> float:
    """Area under the precision-recall steps, equal scores taken together; NaN without an unusual frame."""
    kept = labels != IGNORED
    labels, score = labels[kept], score[kept]
    positives = int((labels == ABNORMAL).sum())
    if not positives:
        return _NAN
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(labels[order] == ABNORMAL)
    lasts = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # last of each run of equal scores
    recall = hits[lasts] / positives
    precision = hits[lasts] / (lasts + 1)
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * precision))


def only_kind(clips: Sequence[ScoredClip], kind: str) -> list[ScoredClip]:
    """The same clips with the alerts of one kind."""
    return [replace(clip, alerts=tuple(a for a in clip.alerts if a.kind == kind)) for clip in clips]


@dataclass(frozen=True, slots=True)
class Rates:
    """Precision, recall and F1 over frames; ``threshold`` is what a score has to exceed, NaN for a given decision."""

    precision: float
    recall: float
    f1: float
    threshold: float = _NAN


def rates_of(labels: NDArray[np.int8], is_alarm: NDArray[np.bool_], threshold: float = _NAN) -> Rates:
    """Rates of a decision per frame; a rate whose denominator is 0 is NaN."""
    kept = labels != IGNORED
    truth, said = labels[kept] == ABNORMAL, is_alarm[kept]
    hits, alarms, positives = int((truth & said).sum()), int(said.sum()), int(truth.sum())
    f1 = 2 * hits / (alarms + positives) if alarms + positives else _NAN
    return Rates(hits / alarms if alarms else _NAN, hits / positives if positives else _NAN, f1, threshold)


def rates_at(clips: Sequence[ScoredClip], threshold: float) -> Rates:
    """Rates over all frames when those scoring above ``threshold`` are alarms."""
    labels, score = _together(clips)
    return rates_of(labels, score > threshold, threshold)


def rates_of_alerts(clips: Sequence[ScoredClip]) -> Rates:
    """Rates over all frames when those within an open alert are alarms: what the owner of the camera sees."""
    return rates_of(_together(clips)[0], np.concatenate([in_alerts(clip) for clip in clips]))


def in_alerts(clip: ScoredClip) -> NDArray[np.bool_]:
    """Whether an alert is open at each frame, (N,)."""
    is_alarm = np.zeros(len(clip.labels), bool)
    for alert in clip.alerts:
        is_alarm |= (clip.times_s >= alert.opened_s) & (clip.times_s <= alert.closed_s)
    return is_alarm


def micro_auc(clips: Sequence[ScoredClip]) -> float:
    """ROC AUC over the frames of all clips together, scores as they are (never stretched per clip)."""
    return roc_auc(*_together(clips))


def macro_auc(clips: Sequence[ScoredClip], *, is_padded: bool = False) -> float:
    """Mean ROC AUC of the mixed clips; ``is_padded``: of all clips, each with one perfect frame of each kind added."""
    if not is_padded:
        found = [roc_auc(clip.labels, clip.score) for clip in clips if clip.is_mixed]
        return float(np.mean(found)) if found else _NAN
    low, high = (float(f([f(clip.score) for clip in clips])) for f in (np.min, np.max))
    return float(
        np.mean([roc_auc(np.append(clip.labels, [0, 1]), np.append(clip.score, [low, high])) for clip in clips])
    )


def clip_auc(clips: Sequence[ScoredClip]) -> float:
    """ROC AUC over whole clips by their highest score; a clip is unusual when any of its frames is."""
    labels = np.array([int((clip.labels == ABNORMAL).any()) for clip in clips], np.int8)
    return roc_auc(labels, np.array([clip.score.max() for clip in clips]))


@dataclass(frozen=True, slots=True)
class FrameMetrics:
    """What one arm reached over the frames of a set; NaN where a set has no such number."""

    micro_auc: float
    macro_auc: float
    macro_auc_padded: float
    clip_auc: float
    average_precision: float
    at_normal_quantile: Rates
    in_alerts: Rates
    frames: int
    abnormal_frames: int
    mixed_clips: int


def frame_metrics(clips: Sequence[ScoredClip], threshold: float) -> FrameMetrics:
    """All of the above. ``threshold`` comes from normal training footage, NaN when there is none."""
    labels, score = _together(clips)
    at = rates_at(clips, threshold) if np.isfinite(threshold) else Rates(_NAN, _NAN, _NAN)
    return FrameMetrics(
        roc_auc(labels, score),
        macro_auc(clips),
        macro_auc(clips, is_padded=True),
        clip_auc(clips),
        average_precision(labels, score),
        at,
        rates_of_alerts(clips),
        int((labels != IGNORED).sum()),
        int((labels == ABNORMAL).sum()),
        sum(clip.is_mixed for clip in clips),
    )


def time_in_clip(clips: Sequence[ScoredClip]) -> list[ScoredClip]:
    """The same clips scored by nothing but the time since each began: what a set's habits alone are worth."""
    return [replace(clip, score=clip.times_s.copy(), alerts=()) for clip in clips]


@dataclass(frozen=True, slots=True)
class Difference:
    """``first`` minus ``second`` of a measure, with the interval that holds 95 % of the bootstrap's differences."""

    first: str
    second: str
    measure: str
    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(
    first: tuple[str, Sequence[ScoredClip]],
    second: tuple[str, Sequence[ScoredClip]],
    *,
    measure: tuple[str, Callable[[Sequence[ScoredClip]], float]] = ("micro_auc", micro_auc),
    draws: int = 1000,
    seed: int = 0,
) -> Difference:
    """Difference of two arms over the same clips, clips drawn with replacement and the same draw for both.

    Percentile interval (Efron and Tibshirani, 1993, ch. 13); draws without a measure (no unusual frame) are left out.
    Raises ValueError when the arms judged different clips.
    """
    name, of = measure
    if [clip.name for clip in first[1]] != [clip.name for clip in second[1]]:
        raise ValueError("paired bootstrap: expected the same clips in both arms")
    random = np.random.default_rng(seed)
    differences = []
    for _ in range(draws):
        drawn = random.integers(0, len(first[1]), len(first[1]))
        found = of([first[1][i] for i in drawn]) - of([second[1][i] for i in drawn])
        if np.isfinite(found):
            differences.append(found)
    if not differences:
        return Difference(first[0], second[0], name, _NAN, _NAN, _NAN)
    low, high = np.quantile(differences, [0.025, 0.975])
    return Difference(first[0], second[0], name, float(of(first[1]) - of(second[1])), float(low), float(high))


def _together(clips: Sequence[ScoredClip]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    return np.concatenate([clip.labels for clip in clips]), np.concatenate([clip.score for clip in clips])
