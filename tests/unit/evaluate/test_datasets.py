"""Every layout as published, made small on the spot; and what is wrong with those that are broken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pipeline.errors import UsageError
from pipeline.evaluate.clips import Clip, DataSet
from pipeline.evaluate.datasets import LOADERS, load
from pipeline.evaluate.datasets.own import sources_in_train
from pipeline.scenes.truth import FrameTruth, Truth, TruthEvent
from tests.clips import write_clip
from tests.unit.evaluate.sets import walkway, write_ped2, write_stills


def _labels(data: DataSet, name: str) -> list[int]:
    clip = next(clip for clip in data.part("test") if clip.name == name)
    assert clip.labels is not None
    return clip.labels.tolist()


def test_ped2_is_read_from_its_folder_and_from_the_one_above(tmp_path: Path) -> None:
    write_ped2(tmp_path, frames=12, event_at=(5, 7))
    for root in (tmp_path, tmp_path / "UCSDped2"):
        data = load("ped2", root)
        assert [clip.name for clip in data.clips] == ["Train001", "Train002", "Test001", "Test002"]
        assert {clip.camera for clip in data.clips} == {"ped2"}
        assert _labels(data, "Test001") == [0] * 5 + [1] * 7
        assert _labels(data, "Test002") == [0] * 7 + [1] * 5


def test_the_m_file_counts_from_one_and_may_list_several_ranges(tmp_path: Path) -> None:
    write_ped2(tmp_path, frames=12, event_at=(5, 7))
    text = "TestVideoFile{end+1}.gt_frame = [1:2];\nTestVideoFile{end+1}.gt_frame = [2:3, 6 : 8 11];"
    (tmp_path / "UCSDped2" / "Test" / "UCSDped2.m").write_text(text)
    assert _labels(load("ped2", tmp_path), "Test002") == [0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("TestVideoFile{end+1}.gt_frame = [1:2];", "labels 1 clips, and .* holds 2"),
        ("gt_frame = [1:2]; gt_frame = [1:99];", "not within the 12 frames"),
        ("gt_frame = [1:2]; gt_frame = [x:y];", "expected frame ranges"),
        ("nothing", "defines no `gt_frame`"),
    ],
)
def test_an_m_file_that_does_not_fit_is_refused(tmp_path: Path, script: str, sentence: str) -> None:
    write_ped2(tmp_path, frames=12, event_at=(5, 7))
    (tmp_path / "UCSDped2" / "Test" / "UCSDped2.m").write_text(script)
    with pytest.raises(UsageError, match=sentence):
        load("ped2", tmp_path)


def test_masks_that_do_not_match_the_frames_are_refused(tmp_path: Path) -> None:
    write_ped2(tmp_path, frames=12, event_at=(5, 7))
    (tmp_path / "UCSDped2" / "Test" / "Test001_gt" / "frame012.bmp").unlink()
    with pytest.raises(UsageError, match="Test001 has 12 frames and 11 labels"):
        load("ped2", tmp_path)


def test_a_mask_that_does_not_decode_is_named(tmp_path: Path) -> None:
    write_ped2(tmp_path, frames=12, event_at=(5, 7))
    (tmp_path / "UCSDped2" / "Test" / "Test001_gt" / "frame003.bmp").write_bytes(b"BM nothing")
    with pytest.raises(UsageError, match=r"frame003\.bmp cannot be decoded"):
        load("ped2", tmp_path)


def test_avenue_takes_a_frame_with_any_marked_pixel_for_unusual(tmp_path: Path) -> None:
    root = tmp_path / "Avenue Dataset"
    (root / "training_videos").mkdir(parents=True)
    (root / "testing_videos").mkdir()
    write_clip(root / "training_videos" / "01.mp4", frames=6)
    write_clip(root / "testing_videos" / "03.mp4", frames=4)
    masks = tmp_path / "ground_truth_demo" / "testing_label_mask"
    masks.mkdir(parents=True)
    volume = np.empty((1, 4), object)
    for index in range(4):
        volume[0, index] = np.full((3, 3), int(index == 2), np.uint8)
    savemat(masks / "3_label.mat", {"volLabel": volume})
    data = load("avenue", tmp_path)
    assert _labels(data, "03") == [0, 0, 1, 0]
    assert [clip.name for clip in data.part("train")] == ["01"]
    (masks / "3_label.mat").write_bytes(b"no matlab")
    with pytest.raises(UsageError, match="is not a MATLAB file"):
        load("avenue", tmp_path)


def test_shanghaitech_keeps_its_cameras_apart(tmp_path: Path) -> None:
    (tmp_path / "training" / "videos").mkdir(parents=True)
    write_clip(tmp_path / "training" / "videos" / "02_001.avi", frames=5)
    write_stills(tmp_path / "testing" / "frames" / "01_0014", 3, walkway, suffix=".jpg")
    masks = tmp_path / "testing" / "test_frame_mask"
    masks.mkdir()
    np.save(masks / "01_0014.npy", np.array([0, 1, 1]))
    data = load("shanghaitech", tmp_path)
    assert [(clip.name, clip.camera) for clip in data.clips] == [("02_001", "camera-02"), ("01_0014", "camera-01")]
    assert _labels(data, "01_0014") == [0, 1, 1]
    np.save(masks / "01_0014.npy", np.array([0, 1]))
    with pytest.raises(UsageError, match="01_0014 has 3 frames and 2 labels"):
        load("shanghaitech", tmp_path)
    np.save(masks / "01_0014.npy", np.array([{}, {}, {}], object), allow_pickle=True)
    with pytest.raises(UsageError, match="is not an array of frame labels"):
        load("shanghaitech", tmp_path)


def test_ubnormal_follows_the_lists_of_its_split(tmp_path: Path) -> None:
    names = {
        "normal_training": "normal_scene_1_scenario_1",
        "abnormal_training": "abnormal_scene_1_scenario_2",
        "normal_test": "normal_scene_3_scenario_1_fog",
        "abnormal_test": "abnormal_scene_3_scenario_4",
    }
    (tmp_path / "scripts").mkdir()
    for word, name in names.items():
        (tmp_path / "scripts" / f"{word}_video_names.txt").write_text(name + "\n")
        folder = tmp_path / f"Scene{name.split('_')[2]}"
        folder.mkdir(exist_ok=True)
        write_clip(folder / f"{name}.mp4", frames=6)
        if name.startswith("abnormal"):
            notes = folder / f"{name}_annotations"
            notes.mkdir()
            (notes / f"{name}_tracks.txt").write_text("1.0,2.0,3.0\n2,3,4\n")
    data = load("ubnormal", tmp_path)
    assert _labels(data, "abnormal_scene_3_scenario_4") == [0, 0, 1, 1, 1, 0]
    assert [clip.is_normal for clip in data.clips] == [True, False, True, False]
    assert {clip.camera for clip in data.part("test")} == {"scene-3"}


def test_ucf_crime_reads_two_ranges_and_counts_absent_videos(tmp_path: Path) -> None:
    (tmp_path / "Videos" / "Abuse").mkdir(parents=True)
    write_clip(tmp_path / "Videos" / "Abuse" / "Abuse028_x264.mp4", frames=10)
    (tmp_path / "Temporal_Anomaly_Annotation_for_Testing_Videos.txt").write_text(
        "Abuse028_x264.mp4  Abuse  1  2  7  12\nNormal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1\n"
    )
    data = load("ucf-crime", tmp_path)
    assert _labels(data, "Abuse028_x264") == [0, 1, 1, 0, 0, 0, 0, 1, 1, 1]
    assert data.notes == (f"1 of 2 test videos are not in {tmp_path}.",)


def _own(tmp_path: Path, frames: int = 20) -> Path:
    for part, name in (("train", "a"), ("test", "b")):
        (tmp_path / part).mkdir()
        write_clip(tmp_path / part / f"{name}.mp4", frames=frames, fps=10)
    return tmp_path


def test_own_reads_one_label_per_frame(tmp_path: Path) -> None:
    root = _own(tmp_path)
    (root / "gt_frame").mkdir()
    (root / "gt_frame" / "b.txt").write_text("0\n" * 10 + "-1\n" * 2 + "1\n" * 8)
    data = load("own", root)
    assert _labels(data, "b") == [0] * 10 + [-1] * 2 + [1] * 8
    assert {clip.camera for clip in data.clips} == {root.name}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0\n" * 19, "b has 20 frames and 19 labels"),
        ("0\n" * 19 + "2\n", "a label is 0, 1 or -1"),
        ("0\n" * 19 + "x\n", "no number"),
        ("", "holds no label"),
        ("nan\n" * 20, "a label is 0, 1 or -1"),
    ],
)
def test_labels_that_do_not_match_the_video_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    root = _own(tmp_path)
    (root / "gt_frame").mkdir()
    (root / "gt_frame" / "b.txt").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        load("own", root)


def test_own_reads_intervals_in_seconds(tmp_path: Path) -> None:
    root = _own(tmp_path)
    (root / "intervals.json").write_text(json.dumps({"b": [[0.5, 1.0]]}))
    assert _labels(load("own", root), "b") == [0] * 5 + [1] * 5 + [0] * 10


@pytest.mark.parametrize(
    "text", ["[1, 2]", "{", '{"b": 3}', '{"b": [[1]]}', '{"b": {"other": []}}', '{"b": [[9, 99]]}']
)
def test_broken_intervals_are_refused_by_name(tmp_path: Path, text: str) -> None:
    root = _own(tmp_path)
    (root / "intervals.json").write_text(text)
    with pytest.raises(UsageError, match=r"intervals\.json"):
        load("own", root)


def test_events_may_overlap_and_what_follows_a_fall_counts_neither_way(tmp_path: Path) -> None:
    root = _own(tmp_path)
    events = [{"start_frame": 4, "end_frame": 7}, {"start_frame": 6, "end_frame": 9}]
    (root / "events.json").write_text(json.dumps({"b": {"events": events, "ignore": [[2, 3]]}}))
    (root / "gt_down_intervals.json").write_text(json.dumps({"b": {"down_intervals_0based_inclusive": [[8, 14]]}}))
    data = load("own", root)
    assert data.part("test")[0].events == ((4, 8), (6, 10))
    assert _labels(data, "b") == [0, 0, -1, -1, *[1] * 6, *[-1] * 5, *[0] * 5]


def test_events_beyond_the_footage_are_refused(tmp_path: Path) -> None:
    root = _own(tmp_path)
    (root / "events.json").write_text(json.dumps({"b": {"events": [{"start_frame": 4, "end_frame": 70}]}}))
    with pytest.raises(UsageError, match="not within the 20 frames"):
        load("own", root)


def test_a_clip_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="b has no labels"):
        load("own", _own(tmp_path))


def test_clips_of_a_videos_folder_are_cameras_of_their_own_unless_said_otherwise(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("x", "y", "z"):
        write_clip(tmp_path / "videos" / f"{name}.mp4", frames=4, fps=10)
    (tmp_path / "intervals.json").write_text(json.dumps({"x": [], "y": [], "z": []}))
    assert [clip.camera for clip in load("own", tmp_path).clips] == ["x", "y", "z"]
    (tmp_path / "cameras.json").write_text(json.dumps({"x": "gate", "y": "gate"}))
    assert [clip.camera for clip in load("own", tmp_path).clips] == ["gate", "gate", "z"]
    (tmp_path / "cameras.json").write_text(json.dumps({"x": 3}))
    with pytest.raises(UsageError, match=r"cameras\.json"):
        load("own", tmp_path)


def test_folders_of_clips_are_split_by_source(tmp_path: Path) -> None:
    groups = {}
    for folder, prefix in (("fight", "fi"), ("noFight", "nofi")):
        (tmp_path / folder).mkdir()
        for index in range(4):
            write_clip(tmp_path / folder / f"{prefix}{index}.mp4", frames=2)
            groups[f"{prefix}{index}"] = f"{prefix}-source-{index // 2}"
    (tmp_path / "groups.json").write_text(json.dumps(groups))
    data = load("own", tmp_path)
    train, test = ({groups[clip.name] for clip in data.part(part)} for part in ("train", "test"))
    assert not train & test
    assert [len(data.part(part)) for part in ("train", "test")] == [4, 4]
    assert {clip.is_normal for clip in data.part("test")} == {True, False}


def test_unlabelled_clips_are_one_camera_whose_first_half_teaches(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_clip(tmp_path / f"{name}.mp4", frames=2)
    data = load("own", tmp_path)
    assert [(clip.name, clip.part) for clip in data.clips] == [("a", "train"), ("b", "train"), ("c", "test")]
    assert all(clip.is_normal for clip in data.clips)


def test_the_split_by_source_is_the_same_everywhere() -> None:
    sources = {f"source_{index:02d}" for index in range(10)}
    chosen = sources_in_train(sources)
    assert len(chosen) == 5
    assert chosen == sources_in_train({f"source_{index:02d}" for index in reversed(range(10))})


@pytest.mark.parametrize("name", LOADERS)
def test_another_layout_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "something.txt").write_text("else")
    with pytest.raises(UsageError) as refusal:
        load(name, tmp_path)
    assert str(tmp_path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_unknown_set_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no data set 'ped3'"):
        load("ped3", tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        load("own", tmp_path / "nowhere")


def test_a_set_needs_test_clips_with_names_of_their_own(tmp_path: Path) -> None:
    clip = Clip("a", "cam", "test", tmp_path)
    with pytest.raises(UsageError, match="no test clip"):
        DataSet("x", (Clip("a", "cam", "train", tmp_path),))
    with pytest.raises(UsageError, match="two clips called a"):
        DataSet("x", (clip, clip))


def test_rendered_scenes_bring_their_truth(tmp_path: Path) -> None:
    def write(name: str, *, is_usual: bool, events: tuple[TruthEvent, ...]) -> None:
        write_clip(tmp_path / f"{name}.mp4", frames=20, fps=10)
        frames = tuple(FrameTruth(i, i / 10, ()) for i in range(20))
        Truth(name, "gate", 1, 10, (192, 128), is_usual, 2.0, (), events, frames).save(tmp_path / f"{name}.json")

    write("gate_day", is_usual=True, events=(TruthEvent("running", 0.0, 1.0),))
    write(
        "gate_night",
        is_usual=False,
        events=(TruthEvent("fall", 0.5, 1.0), TruthEvent("running", 0.8, 1.2), TruthEvent("camera_moved", 1.5, 2.0)),
    )
    data = load("rendered", tmp_path)
    assert [(clip.name, clip.part, clip.camera) for clip in data.clips] == [
        ("gate_day", "train", "gate"),
        ("gate_night", "test", "gate"),
    ]
    assert data.part("train")[0].is_normal
    assert _labels(data, "gate_night") == [0] * 5 + [1] * 7 + [0] * 3 + [-1] * 5
    assert data.part("test")[0].events == ((5, 10), (8, 12))
    (tmp_path / "gate_night.json").write_text("{}")
    with pytest.raises(UsageError, match=r"gate_night\.mp4 has no truth"):
        load("rendered", tmp_path)
