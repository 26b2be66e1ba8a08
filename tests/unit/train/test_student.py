"""The network: shapes, frozen parts, and that folding and decoding change nothing but the form."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra 'models' (torch)")

import torch
from torch import nn

from pipeline.errors import ModelError
from pipeline.train import backbone
from pipeline.train.backbone import find_backbone, freeze_normalisation, load_pretrained
from pipeline.train.student import STRIDES, Student, StudentConfig, cell_centres, deployable

_SMALL = StudentConfig(width=16, frozen_blocks=2, is_pretrained=False)


def _worn(student: Student) -> Student:
    """A student whose normalisation has statistics of its own, as after training."""
    generator = torch.Generator().manual_seed(0)
    for module in student.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(torch.rand(module.num_features, generator=generator) - 0.5)  # type: ignore[union-attr]
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)  # type: ignore[union-attr]
    return student.eval()


def test_output_has_a_row_for_every_cell_of_every_stride() -> None:
    output = Student(_SMALL).eval()(torch.rand(2, 3, 96, 160))
    cells = sum((96 // s) * (160 // s) for s in STRIDES)
    assert output.logits.shape == (2, cells, 9)
    assert output.distances.shape == (2, cells, 4)
    assert bool((output.distances >= 0).all())
    assert len(cell_centres(96, 160)[0]) == cells


def test_frozen_blocks_get_no_gradient_and_the_others_do() -> None:
    student = Student(_SMALL)
    output = student(torch.rand(2, 3, 64, 64))
    (output.logits.mean() + output.distances.mean()).backward()
    assert all(p.grad is None for p in student.features[:2].parameters())
    assert all(p.grad is not None for p in student.features[2:].parameters())


def test_deployable_decodes_the_same_boxes_and_scores_as_the_raw_output() -> None:
    student = _worn(Student(_SMALL))
    rgb = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        logits, distances = student(rgb)
        found = deployable(student, (96, 64))(rgb)  # (B, 4 + classes, N)
    centres = cell_centres(64, 96)[0]
    left_top, right_bottom = centres - distances[..., :2], centres + distances[..., 2:]
    torch.testing.assert_close(found[:, :2], ((left_top + right_bottom) / 2).transpose(1, 2), rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(found[:, 2:4], (right_bottom - left_top).transpose(1, 2), rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(found[:, 4:], logits.sigmoid().transpose(1, 2), rtol=1e-3, atol=1e-4)


def test_frozen_normalisation_computes_what_normalisation_computed() -> None:
    student = _worn(Student(_SMALL))
    rgb = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        before = student(rgb)
        freeze_normalisation(student.features)
        after = student(rgb)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in student.features.modules())
    torch.testing.assert_close(after.logits, before.logits, rtol=1e-3, atol=1e-4)


def test_pretrained_weights_are_taken_over_with_input_scaling_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    donor = _worn(Student(_SMALL))
    path = tmp_path / "weights.pt"
    content = io.BytesIO()
    torch.save({f"features.{k}": v for k, v in donor.features.state_dict().items()}, content)
    path.write_bytes(content.getvalue())
    import hashlib

    monkeypatch.setattr(backbone, "BACKBONE_SHA256", hashlib.sha256(content.getvalue()).hexdigest())
    student = Student(_SMALL).eval()
    load_pretrained(student, path)
    rgb = torch.rand(1, 3, 64, 64)
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    normalised = (rgb - mean.reshape(1, 3, 1, 1)) / std.reshape(1, 3, 1, 1)
    with torch.inference_mode():
        expected, got = donor.features[0](normalised), student.features[0](rgb)
    torch.testing.assert_close(got[..., 1:, 1:], expected[..., 1:, 1:], rtol=1e-3, atol=1e-3)


def test_any_other_file_is_refused_before_it_is_read_as_weights(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    path.write_bytes(b"anything")
    with pytest.raises(ModelError, match="SHA-256"):
        load_pretrained(Student(_SMALL), path)
    with pytest.raises(ModelError, match="cannot be read"):
        load_pretrained(Student(_SMALL), tmp_path / "absent.pt")


def test_a_missing_backbone_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbone, "_PACKAGE", "no_such_package_here")
    with pytest.raises(ModelError, match="pip install"):
        find_backbone()


@pytest.mark.parametrize("change", [{"class_count": 0}, {"width": 17}, {"width": 8}, {"frozen_blocks": 18}])
def test_impossible_shapes_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        StudentConfig(**change)
