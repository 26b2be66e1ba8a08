"""Judges every clip of a set as the product would have: causally, camera by camera, training clips first.

In: a :class:`pipeline.evaluate.clips.DataSet`, its findings, and how to build what watches a camera (tracker,
narrator, judges). Out: an :class:`ArmRun`, a score per frame and the alerts of every test clip. Nothing looks ahead
and nothing is normalised over a clip: a frame has the score of the last moment that was analysed by then, 0 before the
first. Every test clip starts from the state the training clips left, so that their order does not matter. Next file:
``pipeline/evaluate/report.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.alert.stage import AlertStage
from pipeline.evaluate.clips import NORMAL, Clip, DataSet
from pipeline.evaluate.findings import EPOCH, moved
from pipeline.evaluate.footage import frame_times_s
from pipeline.evaluate.labels import require_length
from pipeline.evaluate.metrics import AlertSpan, ScoredClip
from pipeline.types import Alert, Finding

__all__ = ["GAP_S", "QUANTILE", "ArmRun", "FrameJudge", "Watch", "judge_set", "normal_threshold"]

GAP_S = 61.0
"""Media time between two clips of a camera: the next one is another session of the same hour."""

QUANTILE = 0.99
"""The threshold for precision and recall is this quantile of the scores of normal training frames."""

_SLACK_S = 1e-3
_HEALTH_KIND = "camera_health"


class FrameJudge(Protocol):
    """What gives a moment its score; it is also one of the stage's judges."""

    @property
    def score(self) -> float:
        """Of the newest moment; larger is more unusual."""
        ...

    def settle(self) -> None:
        """The training clips are over: what was watched so far is all the normal life there is."""
        ...


@dataclass(slots=True)
class Watch:
    """Everything that watches one camera. ``shared`` is not copied with it: models, which hold no history."""

    stage: AlertStage
    judge: FrameJudge
    shared: tuple[object, ...] = ()

    def twin(self) -> Watch:
        """An independent copy in the same state."""
        memo: dict[int, object] = {id(one): one for one in self.shared}
        return copy.deepcopy(self, memo)


@dataclass(frozen=True, slots=True)
class ArmRun:
    """``test`` clips in the order of the set; ``train`` as they were judged while they taught."""

    arm: str
    test: tuple[ScoredClip, ...]
    train: tuple[ScoredClip, ...]

    @property
    def threshold(self) -> float:
        """See :func:`normal_threshold`."""
        return normal_threshold(self.train)


def normal_threshold(train: Sequence[ScoredClip]) -> float:
    """The :data:`QUANTILE` of scores over the later half of normal training footage, when something was known already.

    Each of those frames was scored before anything was learned from it. NaN when there is none.
    """
    scores: list[NDArray[np.float64]] = [clip.score[clip.labels == NORMAL] for clip in train]
    later = scores[len(scores) // 2 :] if len(scores) > 1 else [each[len(each) // 2 :] for each in scores]
    together = np.concatenate(later) if later else np.zeros(0)
    return float(np.quantile(together, QUANTILE)) if len(together) else float("nan")


def judge_set(
    arm: str,
    data_set: DataSet,
    findings: Callable[[Clip], Sequence[Finding]],
    new_watch: Callable[[str], Watch],
    on_clip: Callable[[Clip], None] = lambda _: None,
) -> ArmRun:
    """Judge every clip. Only normal training clips teach; ``on_clip`` is told of each clip done.

    Raises SourceError for footage that cannot be read, UsageError when labels do not match it.
    """
    train: list[ScoredClip] = []
    test: dict[str, ScoredClip] = {}
    for camera in dict.fromkeys(clip.camera for clip in data_set.part("test")):
        watch, began_s, session = new_watch(camera), EPOCH.timestamp(), 1
        lessons = [clip for clip in data_set.part("train") if clip.camera == camera and clip.is_normal]
        for clip in lessons:
            found = findings(clip)
            train.append(_judge(watch, clip, found, began_s, session, is_lesson=True))
            began_s += max(0.0, found[-1].ref.at_s - EPOCH.timestamp()) + GAP_S
            session += 1
            on_clip(clip)
        if lessons:
            watch.judge.settle()
        for clip in data_set.part("test"):
            if clip.camera == camera:
                test[clip.name] = _judge(watch.twin(), clip, findings(clip), began_s, session, is_lesson=False)
                on_clip(clip)
    return ArmRun(arm, tuple(test[clip.name] for clip in data_set.part("test")), tuple(train))


def _judge(
    watch: Watch, clip: Clip, findings: Sequence[Finding], began_s: float, session: int, *, is_lesson: bool
) -> ScoredClip:
    times_s = frame_times_s(clip.path, clip.stills_fps)
    labels = np.zeros(len(times_s), np.int8) if clip.labels is None else clip.labels
    require_length(labels, len(times_s), clip.name)
    shift_s = began_s - EPOCH.timestamp()
    moments: list[tuple[float, float]] = []
    alerts: list[Alert] = []
    for finding in findings:
        if finding.note.ended and is_lesson:
            continue  # the camera goes on; an end would make it forget
        alerts += watch.stage.step(moved(finding, clip.camera, session, shift_s))
        if finding.detections is not None:
            moments.append((finding.ref.at_s - EPOCH.timestamp(), watch.judge.score))
    spans = _spans(alerts, began_s, float(times_s[-1]))
    return ScoredClip(clip.name, labels, times_s, _held(moments, times_s), spans, clip.events)


def _held(moments: Sequence[tuple[float, float]], times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each frame the score of the last moment not later than it; 0 before the first."""
    at_s = np.array([moment[0] for moment in moments])
    score = np.array([0.0, *(moment[1] for moment in moments)])
    return score[np.searchsorted(at_s, times_s + _SLACK_S, side="right")]


def _spans(alerts: Sequence[Alert], began_s: float, end_s: float) -> tuple[AlertSpan, ...]:
    """Alerts that opened in this clip, in its seconds; camera health is about the camera and not the scene."""
    opened: dict[str, Alert] = {}
    closed_s: dict[str, float] = {}
    for alert in alerts:
        if alert.kind == _HEALTH_KIND or alert.opened_at.timestamp() < began_s:
            continue
        opened.setdefault(alert.id, alert)
        if alert.closed_at is not None:
            closed_s[alert.id] = alert.closed_at.timestamp() - began_s
    return tuple(
        AlertSpan(
            alert.kind,
            alert.title,
            alert.opened_at.timestamp() - began_s,
            min(closed_s.get(alert.id, end_s), end_s),
            alert.severity,
        )
        for alert in opened.values()
    )
