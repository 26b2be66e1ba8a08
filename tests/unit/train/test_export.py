"""Exports: the files a detector loads, in agreement with torch, or no files at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training needs the extra 'models' (torch)")

import torch

from pipeline.errors import ModelError, UsageError
from pipeline.train import export as module
from pipeline.train.evaluation import torch_forward
from pipeline.train.export import ExportConfig, agreement, export, openvino_forward
from pipeline.train.samples import CLASSES
from pipeline.train.student import Student, StudentConfig, deployable

_SIZE_WH = (96, 64)


@pytest.fixture(scope="module")
def student() -> Student:
    """An untrained student that is sure of many things, so that there are objects to compare."""
    torch.manual_seed(1)
    student = Student(StudentConfig(width=16, frozen_blocks=0, is_pretrained=False)).eval()
    for head in student.heads:
        torch.nn.init.normal_(head.logits.weight, std=0.6)  # type: ignore[arg-type]
        torch.nn.init.zeros_(head.logits.bias)  # type: ignore[arg-type]
    return student


def _config(stills: Path, out: Path) -> ExportConfig:
    return ExportConfig(out, (stills,), "toy", _SIZE_WH, calibration_pictures=4, check_pictures=3)


def _input(batch: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((batch, 3, 64, 96), np.float32)


def test_onnx_and_fp16_compute_what_torch_computes(student: Student, stills: Path, tmp_path: Path) -> None:
    done = export(student, _config(stills, tmp_path), ("onnx", "fp16"))
    assert [e.kind for e in done] == ["onnx", "fp16"]
    assert all(e.agreement.objects > 0 and e.agreement.matched >= 0.99 for e in done)
    expected = torch_forward(deployable(student, _SIZE_WH))(_input(2))
    assert expected.shape == (2, 4 + len(CLASSES), 126)
    for path, tolerance in ((tmp_path / "toy.onnx", 1e-3), (tmp_path / "fp16" / "toy.xml", 0.2)):
        np.testing.assert_allclose(openvino_forward(path)(_input(2)), expected, atol=tolerance, rtol=0.02)


def test_metadata_says_what_a_detector_must_know(student: Student, stills: Path, tmp_path: Path) -> None:
    export(student, _config(stills, tmp_path), ("fp16",))
    said = yaml.safe_load((tmp_path / "fp16" / "metadata.yaml").read_text(encoding="utf-8"))
    assert said["task"] == "detect"
    assert said["imgsz"] == [64, 96]
    assert said["stride"] == 32
    assert list(said["names"].values()) == list(CLASSES)


def test_int8_is_quantised_and_finds_what_torch_finds(student: Student, stills: Path, tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="INT8 needs the extra 'train' (nncf)")
    (done,) = export(student, replace(_config(stills, tmp_path), min_matched_int8=0.3), ("int8",))
    assert done.path == tmp_path / "int8"
    assert (tmp_path / "int8" / "toy.xml").read_text(encoding="utf-8").count("FakeQuantize") > 50
    assert openvino_forward(tmp_path / "int8" / "toy.xml")(_input(3)).shape == (3, 13, 126)


def test_an_export_that_disagrees_is_deleted_and_refused(
    student: Student, stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = module.openvino_forward

    def wrong(path: Path, threads: int = 2) -> module.Forward:
        forward = honest(path, threads)
        return lambda planes: forward(planes) + np.float32(40)

    monkeypatch.setattr(module, "openvino_forward", wrong)
    for kind, left in (("onnx", "toy.onnx"), ("fp16", "fp16")):
        with pytest.raises(ModelError, match=f"the {kind} export disagrees with torch"):
            export(student, _config(stills, tmp_path), (kind,))
        assert not (tmp_path / left).exists()


def test_agreement_counts_lost_moved_and_relabelled_objects() -> None:
    def says(label: int, x: float) -> module.Forward:
        raw = np.zeros((1, 13, 2), np.float32)
        raw[0, :4, 0] = (x, 30, 20, 20)
        raw[0, 4 + label, 0] = 0.9
        return lambda _: raw

    planes = [_input(1)]
    assert agreement(says(0, 40), says(0, 40), planes, 0.5).matched == 1.0
    assert agreement(says(0, 40), says(0, 41), planes, 0.5).mean_iou < 1.0
    assert agreement(says(0, 40), says(0, 70), planes, 0.5).matched == 0.0
    assert agreement(says(0, 40), says(1, 40), planes, 0.5).matched == 0.0


def test_unknown_kinds_and_nothing_to_calibrate_with_are_refused(
    student: Student, stills: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="tflite"):
        export(student, _config(stills, tmp_path), ("tflite",))
    manifest = tmp_path / "m.jsonl"
    manifest.write_text('{"file": "gone.png", "source": "s", "objects": []}\n', encoding="utf-8")
    with pytest.raises(UsageError, match="nothing to calibrate with"):
        export(student, replace(_config(stills, tmp_path), calibration=(manifest,)), ("fp16",))


def test_a_damaged_package_is_one_sentence(student: Student, stills: Path, tmp_path: Path) -> None:
    export(student, _config(stills, tmp_path), ("fp16",))
    (tmp_path / "fp16" / "toy.bin").unlink()
    with pytest.raises(ModelError, match="missing"):
        openvino_forward(tmp_path / "fp16" / "toy.xml")
