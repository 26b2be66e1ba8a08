"""Gathers what the fusion is trained on: the training clips of data sets, as the fusion sees them, moment by moment.

In: a :class:`pipeline.evaluate.clips.DataSet`, its findings, and how to build what watches a camera. Out:
:class:`pipeline.train.fusion.Lesson` values. Only the training part is looked at. Normal clips are seen in the order
in which they teach, each before it was learned; unusual ones from the state the normal ones of their camera left, or
from nothing where there are none. Next file: ``pipeline/train/fusion.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.evaluate.anomaly import Watch, judge_set
from pipeline.evaluate.clips import IGNORED, Clip, DataSet
from pipeline.evaluate.findings import EPOCH
from pipeline.evaluate.footage import frame_times_s
from pipeline.protocols import Json, Moment, Suspicion
from pipeline.train.fusion import Lesson, MomentInputs
from pipeline.types import Finding
from pipeline.unusual.judge import UnusualJudge
from pipeline.unusual.learned import FusionInputs, inputs_of
from pipeline.unusual.sight import SightFold

__all__ = ["MomentRecorder", "gather", "training_view"]

_SETTLING_S = 0.3
"""At the beginning of a clip nothing moves yet, because nothing came before."""

Log = list[tuple[float, FusionInputs]]


class MomentRecorder:
    """A judge that suspects nothing and writes what the fusion would see into ``log``: (media time, inputs)."""

    def __init__(self, judge: UnusualJudge, text_dimensions: int, log: Log) -> None:
        self._judge = judge
        self._fold = SightFold()
        self._dimensions = text_dimensions
        self._log = log

    @property
    def score(self) -> float:
        """Nothing is scored."""
        return 0.0

    def settle(self) -> None:
        """The training clips are over."""
        self._judge.settle()

    def judge(self, moment: Moment) -> Sequence[Suspicion]:
        """Record ``moment``."""
        self._judge.judge(moment)
        finding, last = moment.finding, self._judge.last
        if finding.detections is None or min(finding.ref.source_wh) <= 0:
            return ()
        sight = self._fold.see(moment)
        by_track: Mapping[int, Mapping[str, float]] = {}
        frame: Mapping[str, float] = {}
        if last is not None and last.generation > 0 and last.at_s == finding.ref.at_s:
            by_track, frame = {one.track.id: one.surprise for one in last.tracks}, last.scene_surprise
        surprise = [by_track.get(track.id, {}) for track in sight.seen]
        self._log.append((finding.ref.at_s, inputs_of(sight, surprise, frame, self._dimensions)))
        return ()

    def state(self) -> Json:
        """Nothing of it is saved: it lives as long as one run."""
        return {}

    def restore(self, state: Json) -> None:
        """See :meth:`state`."""


def training_view(data_set: DataSet) -> DataSet:
    """The training part as something to judge: normal clips teach, the others are judged by what these left.

    Cameras of a single clip, or without an unusual one, have one normal clip judged last.
    """
    lessons: list[Clip] = []
    judged: list[Clip] = []
    for camera in dict.fromkeys(clip.camera for clip in data_set.part("train")):
        clips = [clip for clip in data_set.part("train") if clip.camera == camera]
        normal = [clip for clip in clips if clip.is_normal]
        unusual = [replace(clip, part="test") for clip in clips if not clip.is_normal]
        if not unusual:
            unusual, normal = [replace(normal[-1], part="test")], normal[:-1]
        lessons += normal
        judged += unusual
    return DataSet(data_set.name, (*lessons, *judged))


def gather(
    data_set: DataSet,
    findings: Callable[[Clip], Sequence[Finding]],
    new_watch: Callable[[str, Log], Watch],
    on_clip: Callable[[Clip], None] = lambda _: None,
) -> list[Lesson]:
    """Lessons of the training part of ``data_set``; [] when it has none.

    ``new_watch`` builds what watches a camera, with a :class:`MomentRecorder` that writes into the log it is given.
    Raises what ``judge_set`` raises.
    """
    if not data_set.part("train"):
        return []
    log: Log = []
    lessons: list[Lesson] = []

    def done(clip: Clip) -> None:
        lessons.append(_lesson(data_set.name, clip, log))
        log.clear()
        on_clip(clip)

    judge_set("lessons", training_view(data_set), findings, lambda camera: new_watch(camera, log), done)
    return lessons


def _lesson(data_set: str, clip: Clip, log: Log) -> Lesson:
    times_s = frame_times_s(clip.path, clip.stills_fps)
    began_s = log[0][0] if log else EPOCH.timestamp()
    moments = []
    for at_s, inputs in log:
        since_s = at_s - began_s
        label = 0
        if clip.labels is not None:
            place = int(np.searchsorted(times_s, since_s + 1e-3, side="right")) - 1
            label = int(clip.labels[min(max(place, 0), len(clip.labels) - 1)])
        if label > 0 and since_s < _SETTLING_S:
            label = IGNORED
        moments.append(MomentInputs(inputs, label, since_s))
    return Lesson(clip.name, f"{data_set}/{clip.source or clip.camera}", data_set, tuple(moments))
