"""Lessons are gathered from the training part alone, in order, each moment with the label of its frame."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.alert.settings import AlertSettings
from pipeline.alert.stage import AlertStage
from pipeline.evaluate.anomaly import Watch
from pipeline.evaluate.clips import Clip, DataSet
from pipeline.evaluate.findings import EPOCH
from pipeline.types import Detections, Finding, FrameKey, FrameNote, FrameRef
from pipeline.unusual.judge import UnusualJudge
from pipeline.unusual.settings import UnusualSettings
from pipeline.unusual.sight import SCENE_FEATURES, TRACK_FEATURES
from tests.clips import write_clip

pytest.importorskip("torch", reason="training needs the extra `train`")

from pipeline.track.bytetrack import ByteTracker
from pipeline.train.lessons import Log, MomentRecorder, gather


def _findings(clip: Clip) -> tuple[Finding, ...]:
    """Two seconds of somebody who walks."""
    found = []
    for seq in range(10):
        ref = FrameRef(
            FrameKey(clip.camera, 0, seq), seq, Fraction(1, 5), EPOCH + timedelta(seconds=seq / 5), (192, 128)
        )
        box = np.array([[20 + 5 * seq, 30, 40 + 5 * seq, 90]], np.float32)
        found.append(Finding(ref, FrameNote(), Detections(box, np.array([0.9], np.float32), ("person",)), "fake"))
    return tuple(found)


def _watch(camera: str, log: Log) -> Watch:
    recorder = MomentRecorder(UnusualJudge(UnusualSettings(camera)), 3, log)
    return Watch(AlertStage(AlertSettings(camera), ByteTracker(), (recorder,)), recorder, (log,))


@pytest.fixture
def data_set(tmp_path: Path) -> DataSet:
    clips: list[Clip] = []
    parts: Sequence[tuple[str, str, str, int]] = (
        ("calm", "a", "train", 0),
        ("wild", "a", "train", 1),
        ("alone", "b", "train", 0),
        ("kept", "a", "test", 1),
    )
    for name, camera, part, value in parts:
        path = write_clip(tmp_path / f"{name}.mp4", frames=20, fps=10)
        labels = np.zeros(20, np.int8)
        labels[:10] = value
        clips.append(Clip(name, camera, part, path, labels, source=f"tape-{camera}"))  # type: ignore[arg-type]
    return DataSet("made", tuple(clips))


def test_every_training_clip_is_a_lesson_and_no_test_clip_is(data_set: DataSet) -> None:
    seen: list[str] = []
    lessons = gather(data_set, _findings, _watch, lambda clip: seen.append(clip.name))
    assert sorted(lesson.name for lesson in lessons) == ["alone", "calm", "wild"]
    assert sorted(seen) == ["alone", "calm", "wild"]
    assert {lesson.camera for lesson in lessons} == {"made/tape-a", "made/tape-b"}
    assert {lesson.source for lesson in lessons} == {"made"}


def test_moments_have_the_label_of_their_frame_and_the_first_ones_of_an_event_none(data_set: DataSet) -> None:
    (wild,) = [lesson for lesson in gather(data_set, _findings, _watch) if lesson.name == "wild"]
    assert [moment.label for moment in wild.moments] == [-1, -1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert [round(moment.at_s, 3) for moment in wild.moments] == [i / 5 for i in range(10)]
    width = len(TRACK_FEATURES) + len(SCENE_FEATURES)
    assert all(moment.inputs.visual.shape[1] == width for moment in wild.moments)
    assert wild.moments[-1].inputs.text.shape[1] == 3
    assert len(wild.moments[-1].inputs.visual) == 2  # the walker and nobody


def test_a_set_without_a_training_part_gives_no_lessons(data_set: DataSet) -> None:
    assert gather(DataSet("made", data_set.part("test")), _findings, _watch) == []
