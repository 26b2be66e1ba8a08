"""Training the fusion on made-up moments whose rule is known: it is found, and numpy computes what torch learned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UsageError

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from pipeline.evaluate.clips import Clip, DataSet  # noqa: E402
from pipeline.train.fusion import FusionRecipe, Lesson, MomentInputs, auc_by_source, cross_validate, fit, level_of  # noqa: E402
from pipeline.train.fusion_course import train_fusion  # noqa: E402
from pipeline.train.lessons import training_view  # noqa: E402
from pipeline.unusual.learned import SURPRISE_CUES, FusionInputs, load_fusion  # noqa: E402
from pipeline.unusual.sight import SCENE_FEATURES, TRACK_FEATURES  # noqa: E402

TEXT = 5
RECIPE = FusionRecipe(hidden=8, rank=4, steps=150, batch=64, folds=3)
NOTHING = np.zeros((0, TEXT), np.float32)


def _moment(label: int, at_s: float, random: np.random.Generator, *, words: bool = False) -> MomentInputs:
    """Two tracks; where it is unusual, one of them has much flow and a high surprise."""
    visual = random.normal(0, 0.2, (3, len(TRACK_FEATURES) + len(SCENE_FEATURES))).astype(np.float32)
    surprise = np.zeros((3, 2 * len(SURPRISE_CUES)), np.float32)
    surprise[:, len(SURPRISE_CUES) :] = 1.0
    if label == 1:
        visual[0, TRACK_FEATURES.index("flow")] += 3.0
        surprise[0, 0] = 1.5
    text = np.tile(np.eye(TEXT, dtype=np.float32)[label], (3, 1))
    return MomentInputs(FusionInputs(visual, text, np.full(3, float(words), np.float32), surprise), label, at_s)


def lessons(cameras: int = 6, moments: int = 60) -> list[Lesson]:
    """The middle third of every clip is unusual."""
    made = []
    for camera in range(cameras):
        random = np.random.default_rng(camera)
        labels = [int(moments // 3 <= i < 2 * moments // 3) for i in range(moments)]
        rows = tuple(_moment(label, i * 0.2, random, words=camera % 2 == 0) for i, label in enumerate(labels))
        made.append(Lesson(f"clip{camera}", f"cam{camera}", "made", rows))
    return made


def test_the_rule_is_found_on_cameras_that_were_held_out() -> None:
    held_out = cross_validate(lessons(), RECIPE, NOTHING)
    assert sum(len(pairs) for pairs in held_out.values()) == 6
    assert auc_by_source(held_out)["made"] > 0.97


def test_numpy_computes_what_torch_was_trained_to(tmp_path: Path) -> None:
    report = train_fusion(
        lessons(), RECIPE, NOTHING, tmp_path, text_encoder="fake", false_alerts_per_hour=10.0, command="test"
    )
    fusion = load_fusion(report.path)
    unusual, normal = (
        [fusion.score(m.inputs).max() for lesson in lessons() for m in lesson.moments if m.label == label]
        for label in (1, 0)
    )
    assert np.median(unusual) > fusion.level > np.median(normal)
    assert report.parameters == fusion.parameters < 100_000
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert "| made | 6 | 240 | 120 |" in card
    assert fusion.text_encoder == "fake"


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    few = FusionRecipe(hidden=8, rank=4, steps=10, batch=16)
    first, again = (fit(lessons(2), few, NOTHING).weights for _ in range(2))
    other = fit(lessons(2), FusionRecipe(hidden=8, rank=4, steps=10, batch=16, seed=1), NOTHING).weights
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["see"], other["see"])


def test_a_larger_surprise_is_never_straightly_less_unusual() -> None:
    weights = fit(lessons(2), FusionRecipe(hidden=8, rank=4, steps=30, batch=32), NOTHING).weights
    assert (weights["straight"][: len(SURPRISE_CUES)] >= 0).all()


def test_edited_captions_make_words_count() -> None:
    alarming = np.eye(TEXT, dtype=np.float32)[[4]]
    calm = _moment(0, 0.0, np.random.default_rng(9), words=True).inputs
    alarmed = FusionInputs(calm.visual, np.tile(alarming, (3, 1)), calm.text_weight, calm.surprise)

    def rise(edited_words: float) -> float:
        recipe = FusionRecipe(hidden=8, rank=4, steps=200, batch=64, edited_words=edited_words)
        fusion = fit(lessons(4), recipe, alarming).fusion({})
        return float((fusion.score(alarmed) - fusion.score(calm)).min())

    assert rise(edited_words=0.3) > max(0.0, rise(edited_words=0.0)) + 0.3


def test_both_kinds_and_enough_cameras_are_needed() -> None:
    calm = [Lesson("a", "a", "x", tuple(m for m in lessons(1)[0].moments if m.label == 0))]
    with pytest.raises(UsageError, match="both normal and unusual"):
        fit(calm, RECIPE, NOTHING)
    with pytest.raises(UsageError, match="2 cameras cannot be held out in 3 folds"):
        cross_validate(lessons(2), RECIPE, NOTHING)
    with pytest.raises(ValueError, match="folds"):
        FusionRecipe(folds=1)


def _scored(scores: Sequence[float], labels: Sequence[int]) -> tuple[Lesson, np.ndarray]:
    random = np.random.default_rng(0)
    rows = tuple(_moment(label, i * 0.2, random) for i, label in enumerate(labels))
    return Lesson("a", "a", "x", rows), np.array(scores, np.float64)


def test_the_level_lets_so_many_false_alerts_an_hour_through() -> None:
    # An hour has 3600 s; this clip has 200 s of normal life with three stretches above 1.0, one of them above 2.0.
    scores = np.zeros(1000)
    scores[100:110] = scores[300:310] = 1.5
    scores[500:510] = 2.5
    held_out = {"x": [_scored(scores.tolist(), [0] * 1000)]}
    assert level_of(held_out, 0.0, 0.3) >= 2.5
    assert 1.5 <= level_of(held_out, 20.0, 0.3) < 2.5
    assert level_of(held_out, 60.0, 0.3) < 1.5


def test_a_flash_shorter_than_the_hold_is_no_false_alert() -> None:
    scores = np.zeros(1000)
    scores[::50] = 9.0
    assert level_of({"x": [_scored(scores.tolist(), [0] * 1000)]}, 0.0, 0.3) < 9.0


def test_only_the_training_part_is_looked_at_and_normal_clips_come_first(tmp_path: Path) -> None:
    def clip(name: str, camera: str, part: str, label: int) -> Clip:
        return Clip(name, camera, part, tmp_path, np.array([label], np.int8))  # type: ignore[arg-type]

    view = training_view(
        DataSet(
            "x",
            (
                clip("n1", "a", "train", 0),
                clip("u1", "a", "train", 1),
                clip("n2", "b", "train", 0),
                clip("n3", "b", "train", 0),
                clip("t", "a", "test", 1),
            ),
        )
    )
    assert [clip.name for clip in view.part("train")] == ["n1", "n2"]
    assert [clip.name for clip in view.part("test")] == ["u1", "n3"]


def test_the_card_says_what_does_not_exist(tmp_path: Path) -> None:
    blind = [
        Lesson(
            one.name,
            one.camera,
            one.source,
            tuple(
                MomentInputs(
                    FusionInputs(
                        m.inputs.visual, m.inputs.text, m.inputs.text_weight, np.zeros_like(m.inputs.surprise)
                    ),
                    m.label,
                    m.at_s,
                )
                for m in one.moments
            ),
        )
        for one in lessons()
    ]
    report = train_fusion(blind, RECIPE, NOTHING, tmp_path, text_encoder="", false_alerts_per_hour=10.0, command="test")
    assert np.isnan(report.sum_auc["made"])
    assert "| – |" in (tmp_path / "MODEL_CARD.md").read_text()
    assert json.dumps(dict(report.held_out_auc))
