"""The runner on findings made by hand: causal, training first, one camera at a time, the same on every run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.alert.settings import AlertSettings
from pipeline.alert.stage import AlertStage
from pipeline.errors import UsageError
from pipeline.evaluate.anomaly import QUANTILE, Watch, judge_set, normal_threshold
from pipeline.evaluate.clips import Clip, DataSet
from pipeline.evaluate.findings import EPOCH, moved
from pipeline.evaluate.metrics import ScoredClip
from pipeline.protocols import Json, Moment, Suspicion
from pipeline.types import Detections, Finding, FrameKey, FrameNote, FrameRef, Track
from tests.clips import write_clip

FPS = 10


class _NoTracks:
    """A tracker that sees nothing; the judge below looks at the note alone."""

    def update(self, finding: Finding) -> tuple[Track, ...]:
        return ()

    def state(self) -> Json:
        return {}

    def restore(self, state: Json) -> None:
        pass


class _MotionJudge:
    """Scores a moment by how much more moves than ever did in training; suspects it from twice as much on."""

    def __init__(self) -> None:
        self.score = 0.0
        self.most = 0.0
        self.is_settled = False
        self.order: list[tuple[int, float]] = []

    def settle(self) -> None:
        self.is_settled = True

    def judge(self, moment: Moment) -> Sequence[Suspicion]:
        motion = moment.finding.note.motion
        self.order.append((moment.finding.ref.key.session, moment.finding.ref.at_s))
        self.score = max(0.0, motion - self.most)
        if not self.is_settled:
            self.most = max(self.most, motion)
            return ()
        if self.score < 0.1:
            return ()
        return (Suspicion("unusual", "unusual:scene", None, "warning", 0.9, "Much moves", "Much moves.", (), ()),)

    def state(self) -> Json:
        return {}

    def restore(self, state: Json) -> None:
        pass


class _Studio:
    """Builds watches and remembers the judges."""

    def __init__(self) -> None:
        self.judges: list[_MotionJudge] = []

    def watch(self, camera: str) -> Watch:
        judge = _MotionJudge()
        self.judges.append(judge)
        return Watch(AlertStage(AlertSettings(camera), _NoTracks(), (judge,)), judge)


def _findings(clip: Clip, motion: Sequence[float], step_s: float = 0.2) -> tuple[Finding, ...]:
    found = []
    for seq, value in enumerate(motion):
        at = EPOCH + timedelta(seconds=seq * step_s)
        ref = FrameRef(FrameKey(clip.camera, 0, seq), seq, Fraction(1, 5), at, (192, 128))
        found.append(Finding(ref, FrameNote(motion=value), Detections.empty(), "fake"))
    last = found[-1].ref
    end = FrameRef(
        FrameKey(clip.camera, 0, last.key.seq + 1), last.pts, last.time_base, last.captured_at, last.source_wh
    )
    return (*found, Finding(end, FrameNote("absent", ended=True), None))


@pytest.fixture
def clips(tmp_path: Path) -> DataSet:
    made = []
    for part, name in (("train", "t1"), ("train", "t2"), ("test", "calm"), ("test", "wild")):
        path = write_clip(tmp_path / f"{name}.mp4", frames=40, fps=FPS)
        labels = np.zeros(40, np.int8)
        labels[20:30] = name == "wild"
        made.append(Clip(name, "gate", part, path, labels))  # type: ignore[arg-type]
    return DataSet("made", tuple(made))


_MOTION = {"t1": [0.1] * 20, "t2": [0.2] * 20, "calm": [0.15] * 20, "wild": [0.1] * 10 + [0.6] * 5 + [0.1] * 5}


def test_training_comes_first_and_every_frame_has_the_score_of_the_last_moment(clips: DataSet) -> None:
    studio = _Studio()
    run = judge_set("visual", clips, lambda clip: _findings(clip, _MOTION[clip.name]), studio.watch)
    assert [clip.name for clip in run.train] == ["t1", "t2"]
    assert [clip.name for clip in run.test] == ["calm", "wild"]
    calm, wild = run.test
    assert calm.score.max() == 0.0
    np.testing.assert_allclose(wild.score, np.repeat([0.0, 0.4, 0.0], [20, 10, 10]), atol=1e-9)
    sessions = [session for session, _ in studio.judges[0].order]
    assert sessions == [1] * 20 + [2] * 20
    times = [at_s for _, at_s in studio.judges[0].order]
    assert times == sorted(times)


def test_alerts_are_told_in_seconds_of_their_clip(clips: DataSet) -> None:
    run = judge_set("visual", clips, lambda clip: _findings(clip, _MOTION[clip.name]), _Studio().watch)
    calm, wild = run.test
    assert calm.alerts == ()
    (alert,) = wild.alerts
    assert (alert.kind, alert.title) == ("unusual", "Much moves")
    assert 2.0 <= alert.opened_s <= 2.8
    assert alert.closed_s <= 3.9 + 1e-6


def test_test_clips_do_not_teach_each_other(clips: DataSet) -> None:
    loud = {**_MOTION, "calm": [0.9] * 20}
    run = judge_set("visual", clips, lambda clip: _findings(clip, loud[clip.name]), _Studio().watch)
    alone = judge_set("visual", clips, lambda clip: _findings(clip, _MOTION[clip.name]), _Studio().watch)
    np.testing.assert_array_equal(run.test[1].score, alone.test[1].score)


def test_clips_of_another_camera_do_not_teach_it(clips: DataSet) -> None:
    moved_away = DataSet(
        "made",
        tuple(Clip(c.name, "other" if c.part == "train" else c.camera, c.part, c.path, c.labels) for c in clips.clips),
    )
    run = judge_set("visual", moved_away, lambda clip: _findings(clip, _MOTION[clip.name]), _Studio().watch)
    assert run.train == ()
    assert np.isnan(run.threshold)


def test_unusual_training_clips_are_not_taken_for_normal_life(clips: DataSet) -> None:
    spoiled = DataSet(
        "made",
        tuple(
            Clip(c.name, c.camera, c.part, c.path, np.ones(40, np.int8) if c.name == "t2" else c.labels)
            for c in clips.clips
        ),
    )
    run = judge_set("visual", spoiled, lambda clip: _findings(clip, _MOTION[clip.name]), _Studio().watch)
    assert [clip.name for clip in run.train] == ["t1"]


def test_labels_that_do_not_match_the_footage_are_refused(clips: DataSet) -> None:
    short = DataSet("made", tuple(Clip(c.name, c.camera, c.part, c.path, np.zeros(39, np.int8)) for c in clips.clips))
    with pytest.raises(UsageError, match="40 frames and 39 labels"):
        judge_set("visual", short, lambda clip: _findings(clip, _MOTION[clip.name]), _Studio().watch)


def test_two_runs_are_the_same(clips: DataSet) -> None:
    first, second = (
        judge_set("visual", clips, lambda clip: _findings(clip, _MOTION[clip.name]), _Studio().watch) for _ in range(2)
    )
    for one, other in zip(first.test, second.test, strict=True):
        np.testing.assert_array_equal(one.score, other.score)
        assert one.alerts == other.alerts


def test_the_threshold_is_a_quantile_of_later_training_frames() -> None:
    def clip(name: str, score: float) -> ScoredClip:
        ramp = np.linspace(0, score, 100)
        return ScoredClip(name, np.zeros(100, np.int8), np.arange(100) / 10, ramp)

    # The first clip was judged before anything was known.
    assert normal_threshold([clip("a", 100.0), clip("b", 1.0)]) == pytest.approx(QUANTILE)
    assert np.isnan(normal_threshold([]))


def test_moved_findings_keep_their_distances() -> None:
    clip = Clip("a", "gate", "test", Path("a.mp4"))
    found = _findings(clip, [0.1, 0.2])
    there = [moved(finding, "yard", 7, 3600.5) for finding in found]
    assert [f.ref.key.camera for f in there] == ["yard"] * 3
    assert {f.ref.key.session for f in there} == {7}
    assert there[1].ref.at_s - there[0].ref.at_s == pytest.approx(0.2)
    assert there[0].ref.at_s == pytest.approx(EPOCH.timestamp() + 3600.5)
