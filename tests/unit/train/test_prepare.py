"""Gathering: held-out cameras stay out by name and by look, broken pictures are counted, labels are merged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import ConfigError, UsageError
from pipeline.train.prepare import PrepareConfig, merge_labels, prepare, sample_clip
from pipeline.train.samples import CLASSES, read_manifest
from pipeline.train.split import NearCopies, difference_hash, read_split
from tests.unit.train.conftest import Toy


def _quiet(*_: object) -> None:
    return None


def test_clips_and_stills_are_split_by_camera(toy: Toy, tmp_path: Path) -> None:
    done = prepare(PrepareConfig(tmp_path, toy.split, toy.images, toy.footage, every_s=0.5), _quiet)
    assert (done.stills, done.of_heldout_cameras, done.heldout, done.frames) == (22, 2, 3, 6)
    heldout = read_manifest(tmp_path / "heldout.jsonl")
    training = read_manifest(tmp_path / "frames.jsonl") + read_manifest(tmp_path / "stills.jsonl")
    assert {s.source for s in heldout} == {"gate"}
    assert {s.source for s in training} == {"road", "yard"}


def test_a_near_copy_of_a_heldout_frame_is_left_out_whatever_its_name(toy: Toy, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(toy.images, images)
    frame = next(rgb for _, rgb in sample_clip(toy.footage / "gate.mp4", 1.0))
    cv2.imwrite(str(images / "innocent.jpg"), frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])
    row = json.dumps({"file": "innocent.jpg", "source": "web", "teacher": [], "boxes": []})
    with (images / "labels.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(row + "\n")
    done = prepare(PrepareConfig(tmp_path / "out", toy.split, images, toy.footage), _quiet)
    assert done.near_copies == 1
    assert all(s.source != "web" for s in read_manifest(tmp_path / "out" / "stills.jsonl"))


def test_pictures_that_do_not_decode_are_counted_and_left_out(toy: Toy, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(toy.images, images)
    (images / "yard" / "still_005.png").write_bytes(b"broken")
    (images / "yard" / "still_006.png").unlink()
    done = prepare(PrepareConfig(tmp_path / "out", toy.split, images=images), _quiet)
    assert (done.undecodable, done.stills) == (2, 20)


def test_nothing_left_to_train_on_is_said(toy: Toy, tmp_path: Path) -> None:
    split = tmp_path / "split.yaml"
    split.write_text("held_out:\n  - clip: gate.mp4\n    image_prefixes: [gate_, still_]\n", encoding="utf-8")
    with pytest.raises(UsageError, match="training split is empty"):
        prepare(PrepareConfig(tmp_path / "out", split, images=toy.images), _quiet)


def test_a_heldout_clip_that_is_missing_is_named(toy: Toy, tmp_path: Path) -> None:
    split = tmp_path / "split.yaml"
    split.write_text("held_out:\n  - clip: nowhere.mp4\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"nowhere\.mp4"):
        prepare(PrepareConfig(tmp_path / "out", split, footage=toy.footage), _quiet)


@pytest.mark.parametrize(
    "text", ["", "held_out: []", "held_out: 3", "held_out:\n  - 4\n", "a: [", "held_out:\n - {x: 1}"]
)
def test_a_bad_split_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "split.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"split\.yaml"):
        read_split(path)


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nonsense")
    with pytest.raises(UsageError, match="not a video"):
        list(sample_clip(tmp_path / "a.mp4", 1.0))


@pytest.mark.parametrize(
    "row",
    [
        '{"file": "a"}',
        "{",
        '{"file":"a","source":"s","boxes":[["zebra",0.5,0.5,0.1,0.1]]}',
        '{"file":1,"source":2,"boxes":[[]]}',
    ],
)
def test_labels_that_are_not_understood_name_the_line(toy: Toy, tmp_path: Path, row: str) -> None:
    (tmp_path / "labels.jsonl").write_text(row + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"labels\.jsonl: line 1"):
        prepare(PrepareConfig(tmp_path / "out", toy.split, images=tmp_path), _quiet)


def test_merging_keeps_the_teacher_lifts_the_chosen_and_adds_the_unseen() -> None:
    person = CLASSES.index("person")
    seen, weak, unseen = (np.array(b, np.float32) for b in ((0, 0, 0.2, 0.5), (0.5, 0, 0.7, 0.5), (0.8, 0.5, 0.9, 0.9)))
    merged = merge_labels([(person, 0.9, seen), (person, 0.2, weak)], [(person, weak), (person, unseen)], 0.1)
    assert [(round(c, 2), b.tolist()) for _, c, b in merged] == [
        (0.9, seen.tolist()),
        (0.35, weak.tolist()),
        (0.8, unseen.tolist()),
    ]


def test_one_bag_seen_as_two_kinds_is_one_bag() -> None:
    bag = CLASSES.index("bag")
    box = np.array([0.1, 0.1, 0.3, 0.4], np.float32)
    assert len(merge_labels([(bag, 0.5, box), (bag, 0.4, box + np.float32(0.005))], [], 0.1)) == 1


def test_hashes_tell_a_recompressed_copy_from_another_picture() -> None:
    coarse = (np.random.default_rng(seed).integers(0, 255, (6, 9, 3)).astype(np.uint8) for seed in (1, 2))
    first, other = (cv2.resize(grid, (320, 192), interpolation=cv2.INTER_CUBIC) for grid in coarse)
    known = NearCopies(40)
    known.add(difference_hash(first))
    copy = cv2.imdecode(cv2.imencode(".jpg", first, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_COLOR)
    assert known.holds(difference_hash(copy))
    assert not known.holds(difference_hash(other))
