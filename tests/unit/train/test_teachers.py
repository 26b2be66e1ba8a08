"""Pseudo-labels: looks agree on upright coordinates, fusion keeps doubt, and a teacher's failures are one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training needs the extra 'models' (torch)")

from pipeline.errors import ModelError, UsageError
from pipeline.train.decode import Seen
from pipeline.train.samples import CLASSES, read_manifest
from pipeline.train.teachers import Look, PseudoLabelConfig, UltralyticsTeacher, fuse, look_at, pseudo_label
from tests.unit.train.conftest import Toy


def _quiet(*_: object) -> None:
    return None


def _seen(*rows: tuple[float, float, float, float, int, float]) -> Seen:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Seen(table[:, :4], table[:, 4].astype(np.int64), table[:, 5])


def _red(rgb: NDArray[np.uint8], _input_px: int) -> Seen:
    """A perfect teacher of one kind: the bounding box of everything red is a person."""
    y, x = np.nonzero((rgb[..., 0] > 180) & (rgb[..., 1] < 80))
    if not len(x):
        return _seen()
    return _seen((float(x.min()), float(y.min()), float(x.max()) + 1, float(y.max()) + 1, 0, 0.8))


def _scene() -> NDArray[np.uint8]:
    rgb: NDArray[np.uint8] = np.full((100, 200, 3), 100, np.uint8)
    rgb[10:40, 20:35] = (220, 20, 20)
    return rgb


@pytest.mark.parametrize("look", [Look(64), Look(64, True), Look(64, False, 2), Look(64, True, 2)])
def test_every_look_reports_upright_pixels_of_the_whole_picture(look: Look) -> None:
    seen = look_at(_scene(), _red, look)
    assert seen.xyxy.tolist() == [[20, 10, 35, 40]]


def test_an_object_cut_by_an_inner_border_is_left_to_the_neighbour() -> None:
    rgb = _scene()
    rgb[10:40, 20:35] = 100
    rgb[10:40, 85:105] = (220, 20, 20)  # tiles of a width of 200 are 0..111 and 89..200
    seen = look_at(rgb, _red, Look(64, False, 2))
    assert seen.xyxy.tolist() == [[85, 10, 105, 40]]


def test_fusion_averages_boxes_and_divides_by_all_looks() -> None:
    fused = fuse([_seen((0, 0, 10, 10, 0, 0.9)), _seen((2, 0, 12, 10, 0, 0.3)), _seen()], 0.55)
    assert fused.classes.tolist() == [0]
    np.testing.assert_allclose(fused.xyxy, [[0.5, 0, 10.5, 10]], atol=1e-4)
    np.testing.assert_allclose(fused.confidence, [0.4], atol=1e-6)


def test_fusion_keeps_classes_and_distant_boxes_apart() -> None:
    fused = fuse([_seen((0, 0, 10, 10, 0, 0.9), (0, 0, 10, 10, 2, 0.8), (50, 0, 60, 10, 0, 0.7))], 0.55)
    assert sorted(fused.classes.tolist()) == [0, 0, 2]


def test_a_manifest_is_labelled_and_empty_pictures_stay_as_background(stills: Path, tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    import cv2

    cv2.imwrite(str(blank), np.full((40, 60, 3), 90, np.uint8))
    manifest = tmp_path / "m.jsonl"
    rows = [{"file": str(s.path), "source": s.source, "objects": []} for s in read_manifest(stills)]
    rows.append({"file": str(blank), "source": "blank", "objects": []})
    rows.append({"file": "gone.png", "source": "gone", "objects": []})
    manifest.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = pseudo_label(manifest, tmp_path / "out.jsonl", [_red], PseudoLabelConfig((Look(64), Look(64, True))), _quiet)
    assert (done.pictures, done.undecodable) == (23, 1)
    labelled = {s.source: s for s in read_manifest(tmp_path / "out.jsonl")}
    assert len(labelled["blank"]) == 0
    assert labelled["yard"].index.tolist() == [CLASSES.index("person")]
    assert labelled["yard"].confidence.tolist() == pytest.approx([0.8])


def test_a_teacher_that_finds_nothing_is_said_and_writes_nothing(stills: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the teacher finds nothing in any of 22 pictures"):
        pseudo_label(stills, tmp_path / "out.jsonl", [lambda _rgb, _px: _seen()], PseudoLabelConfig(), _quiet)
    assert not (tmp_path / "out.jsonl").exists()


def test_no_teacher_and_no_look_are_refused(stills: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one teacher"):
        pseudo_label(stills, tmp_path / "out.jsonl", [], PseudoLabelConfig(), _quiet)
    with pytest.raises(UsageError, match="at least one look"):
        PseudoLabelConfig(looks=())
    with pytest.raises(ValueError, match="input_px"):
        Look(10)


def test_weights_that_are_missing_or_damaged_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such teacher weights"):
        UltralyticsTeacher(tmp_path / "absent.pt")
    pytest.importorskip("ultralytics", reason="teachers need the extra 'models'")
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(ModelError, match="not a detector that ultralytics can open"):
        UltralyticsTeacher(damaged)


def test_a_real_teacher_finds_people_in_real_footage(toy: Toy) -> None:
    data = Path(__file__).resolve().parents[3] / "../shared/data"
    weights, clip = data / "weights/yolo11n_recovered.pt", data / "footage/corridor_white.mp4"
    if not weights.exists() or not clip.exists():
        pytest.skip("the shared footage and weights are not on this machine")
    from pipeline.train.prepare import sample_clip

    teacher = UltralyticsTeacher(weights)
    frames = [rgb for _, rgb in sample_clip(clip, 5.0)]
    assert any((teacher(rgb, 640).classes == 0).any() for rgb in frames)
