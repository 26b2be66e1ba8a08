"""A whole course on toy data: recipe in, exports and a table out; and what a bad recipe says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training needs the extra 'models' (torch)")

from pipeline.errors import ConfigError, UsageError
from pipeline.train import course as module
from pipeline.train.course import Course
from pipeline.train.decode import Seen
from pipeline.train.evaluation import EvaluateConfig, evaluate, table
from pipeline.train.recipe import read_recipe
from pipeline.train.rendered import RenderedFrame, RenderedObject, write_rendered
from pipeline.train.samples import CLASSES, read_manifest
from tests.unit.train.conftest import Toy

_RECIPE = """
name: toy
size_wh: [96, 64]
calibration: [dataset/stills.jsonl, dataset/frames_labelled.jsonl]
label:
  teachers: [red.pt]
  frame_looks: [{input_px: 64}]
  heldout_looks: [{input_px: 64}, {input_px: 64, is_mirrored: true}]
train:
  steps: 2
  threads: 1
  student: {width: 16, frozen_blocks: 0, is_pretrained: false}
  mix: [{manifest: dataset/stills.jsonl}, {manifest: dataset/frames_labelled.jsonl, share: 0.5}]
  phases: [{until: 1.0, size_wh: [96, 64], batch_size: 2}]
"""


class _Red:
    """A teacher that calls the bounding box of everything red a person."""

    def __init__(self, _weights: Path) -> None:
        pass

    def __call__(self, rgb: NDArray[np.uint8], _input_px: int) -> Seen:
        y, x = np.nonzero((rgb[..., 0] > 180) & (rgb[..., 1] < 90))
        if not len(x):
            return Seen(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))
        box = np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]], np.float32)
        return Seen(box, np.zeros(1, np.int64), np.array([0.9], np.float32))

    def forward(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        seen = self((planes[0].transpose(1, 2, 0) * 255).astype(np.uint8), 0)
        raw = np.zeros((1, 4 + len(CLASSES), max(1, len(seen.classes))), np.float32)
        for cell, (x1, y1, x2, y2) in enumerate(seen.xyxy):
            raw[0, :5, cell] = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, 0.9)
        return raw


@pytest.fixture
def recipe(tmp_path: Path, toy: Toy) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(_RECIPE, encoding="utf-8")
    (tmp_path / "split.yaml").write_text(toy.split.read_text(encoding="utf-8"), encoding="utf-8")
    return path


def test_one_command_goes_from_pictures_to_exports_and_goes_on_when_stopped(
    toy: Toy, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UltralyticsTeacher", _Red)
    monkeypatch.setattr(module, "_KINDS", ("onnx", "fp16"))
    course = Course(read_recipe(recipe), toy.root, tmp_path / "run")
    steps: list[str] = []

    def progress(what: str, _done: int, _total: int) -> None:
        steps.append(what)

    stopped = course.run(progress, should_stop=lambda: True)
    assert (stopped.trained.step, stopped.trained.is_finished, stopped.exports) == (1, False, ())
    report = course.run(progress)
    assert steps.count("label") == 8  # five training frames, three held out, once
    assert (report.trained.step, report.trained.is_finished) == (2, True)
    assert [e.kind for e in report.exports] == ["onnx", "fp16"]
    assert set(report.reports) == {"toy (torch)", "toy (fp16)", "red"}
    assert report.reports["red"].score("person").ap50 > 0.9  # type: ignore[union-attr]
    for name in (
        "evaluation.md",
        "sheet.jpg",
        "curves.png",
        "history.csv",
        "export/toy.onnx",
        "export/fp16/metadata.yaml",
    ):
        assert (tmp_path / "run" / name).stat().st_size > 0
    assert "| red | all | person |" in (tmp_path / "run" / "evaluation.md").read_text(encoding="utf-8")


def test_a_deadline_that_has_passed_is_refused(
    toy: Toy, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UltralyticsTeacher", _Red)
    course = Course(read_recipe(recipe), toy.root, tmp_path / "run")
    with pytest.raises(UsageError, match="has passed"):
        course.run(lambda *_: None, until_s=10.0, clock=lambda: 11.0)


def test_a_deadline_replaces_the_recipes_length(toy: Toy, recipe: Path, tmp_path: Path) -> None:
    config = Course(read_recipe(recipe), toy.root, tmp_path / "run").train_config(ends_in_s=30.0)
    assert (config.steps, config.budget_s) == (None, 30.0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("name: toy", "name: toy\nsizes: 3"), r"unknown key sizes; did you mean size_wh"),
        (("threads: 1", "thread: 1"), r"unknown key train\.thread; did you mean threads"),
        (("share: 0.5", "shares: 0.5"), r"unknown key train\.mix\[1\]\.shares; did you mean share"),
        (("steps: 2", "steps: many"), r"train\.steps"),
        (("name: toy", "label: {}"), r"recipe\.yaml"),
        (("until: 1.0", "until: 7"), r"phase: expected"),
        ((_RECIPE, "- 1"), "expected a mapping"),
        ((_RECIPE, "a: ["), "cannot be read"),
    ],
)
def test_a_bad_recipe_names_the_key(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(_RECIPE.replace(*change), encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        read_recipe(path)


@pytest.mark.parametrize("file", ["vedette-n.yaml", "vedette-n-finish.yaml"])
def test_the_recipes_of_the_bundled_detector_are_valid(file: str) -> None:
    recipe = read_recipe(Path(__file__).resolve().parents[3] / "configs" / "train" / file)
    assert recipe.name == "vedette-n"
    assert recipe.size_wh == (640, 384)


def test_evaluation_ignores_doubtful_and_tiny_truth_and_skips_broken_pictures(stills: Path, tmp_path: Path) -> None:
    samples = read_manifest(stills)
    rows = [
        f'{{"file": "{samples[0].path}", "source": "s", "objects": [["person", 0.9, 0.1, 0.1, 0.3, 0.9],'
        f' ["person", 0.2, 0.5, 0.1, 0.7, 0.9], ["person", 0.9, 0.9, 0.9, 0.905, 0.95]]}}',
        '{"file": "gone.png", "source": "s", "objects": []}',
    ]
    manifest = tmp_path / "m.jsonl"
    manifest.write_text("\n".join(rows), encoding="utf-8")
    nothing = np.zeros((1, 13, 1), np.float32)
    report = evaluate(EvaluateConfig(manifest, (96, 64)), {"none": lambda _: nothing}, lambda *_: None)["none"]
    assert report.pictures == 1
    assert [(s.label, s.truths, s.recall) for s in report.classes] == [("person", 1, 0.0)]
    assert "| none | s | person | 1 |" in table({"none": report})


def test_an_unreadable_split_to_judge_on_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    manifest.write_text('{"file": "gone.png", "source": "s", "objects": []}\n', encoding="utf-8")
    with pytest.raises(UsageError, match="nothing to judge on"):
        evaluate(EvaluateConfig(manifest), {"none": lambda p: p}, lambda *_: None)


def test_rendered_frames_become_samples_and_hidden_objects_become_doubt(tmp_path: Path) -> None:
    objects = (
        RenderedObject("person", (10, 10, 30, 60), 1.0),
        RenderedObject("backpack", (12, 12, 20, 24), 0.3),
        RenderedObject("car", (60, 10, 99, 40), 0.05),
        RenderedObject("dog", (120, 10, 130, 40), 1.0),  # beyond the picture
    )
    frame = RenderedFrame("a_0", "yard", np.full((64, 100, 3), 90, np.uint8), objects)
    assert write_rendered([frame], tmp_path / "rendered.jsonl") == 1
    (sample,) = read_manifest(tmp_path / "rendered.jsonl")
    assert [CLASSES[i] for i in sample.index] == ["person", "bag", "car"]
    assert sample.confidence.tolist() == pytest.approx([1.0, 0.3, 0.1])
    with pytest.raises(UsageError, match="no rendered frame"):
        write_rendered([], tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match="unknown class name 'dragon'"):
        write_rendered(
            [RenderedFrame("b", "s", frame.rgb, (RenderedObject("dragon", (0, 0, 9, 9), 1.0),))], tmp_path / "x.jsonl"
        )
