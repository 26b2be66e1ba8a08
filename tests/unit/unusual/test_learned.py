"""The learned fusion at work: masks, shares, damaged weights, and the judge that decides by it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.descriptions import SceneDescription
from pipeline.errors import ModelError
from pipeline.unusual.judge import UnusualJudge
from pipeline.unusual.learned import (
    BUNDLED_FUSION,
    GROUPS,
    SURPRISE_CUES,
    LearnedFusion,
    inputs_of,
    load_fusion,
    save_fusion,
)
from pipeline.unusual.learned_judge import LearnedJudge
from pipeline.unusual.settings import UnusualSettings
from pipeline.unusual.sight import SCENE_FEATURES, TRACK_FEATURES, SightFold
from tests.unit.unusual.life import Person, life, moment, walkers

TEXT = 6


def weights(seed: int = 0, *, hidden: int = 8, rank: int = 4) -> dict[str, NDArray[np.float32]]:
    """Random weights of the right shapes."""
    random = np.random.default_rng(seed)
    visual, surprise = len(TRACK_FEATURES) + len(SCENE_FEATURES), 2 * len(SURPRISE_CUES)
    shapes: dict[str, tuple[int, ...]] = {
        "mean": (visual,),
        "scale": (visual,),
        "see": (visual, hidden),
        "see_bias": (hidden,),
        "hear": (TEXT, rank),
        "gate": (visual + surprise + 1, rank),
        "gate_bias": (rank,),
        "left": (visual, rank),
        "right": (rank, rank),
        "mix": (hidden + 2 * rank + surprise, hidden),
        "mix_bias": (hidden,),
        "out": (hidden,),
        "out_bias": (),
        "straight": (surprise,),
    }
    made = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    made["scale"] = np.ones(visual, np.float32)
    return made


def flow_meter(level: float = 0.0) -> LearnedFusion:
    """Weights that look at nothing but the flow in a box: the faster, the more unusual."""
    plain = {name: np.zeros_like(value) for name, value in weights().items()}
    plain["scale"] = np.ones_like(plain["scale"])
    plain["see"][TRACK_FEATURES.index("flow"), 0] = 0.2
    plain["mix"][0, 0] = 10.0
    plain["out"][0] = 1.0
    plain["out_bias"] = np.float32(-4.0)
    return LearnedFusion(plain, {"text_encoder": "fake", "level": level})


def _words(at_s: float, vector: NDArray[np.float32]) -> SceneDescription:
    return SceneDescription(moment(at_s, []).finding.ref, "t", "words", "grounded", embedding=vector)


def test_candidates_are_the_tracks_and_nobody() -> None:
    sight = SightFold().see(moment(0, walkers(0)))
    inputs = inputs_of(sight, [{"speed": 10.0}, {}, {}], {"flow": 1.0}, TEXT)
    cues = len(SURPRISE_CUES)
    assert inputs.visual.shape == (4, len(TRACK_FEATURES) + len(SCENE_FEATURES))
    assert inputs.surprise[0, SURPRISE_CUES.index("speed")] == pytest.approx(2.0)
    assert inputs.surprise[0, cues + SURPRISE_CUES.index("speed")] == 1.0
    assert inputs.surprise[1, cues + SURPRISE_CUES.index("speed")] == 0.0
    assert (inputs.surprise[:, cues + SURPRISE_CUES.index("flow")] == 1.0).all()
    assert (inputs.visual[3, : len(TRACK_FEATURES)] == 0).all()
    assert (inputs.text_weight == 0).all()


def test_a_candidate_scores_the_same_in_any_company() -> None:
    fusion = LearnedFusion(weights(), {})
    sight = SightFold().see(moment(0, walkers(0)))
    inputs = inputs_of(sight, [{}, {}, {}], {}, TEXT)
    together = fusion.score(inputs)
    for row in range(4):
        alone = type(inputs)(*(getattr(inputs, name)[[row]] for name in inputs.__dataclass_fields__))
        assert fusion.score(alone)[0] == pytest.approx(together[row], abs=1e-5)


def test_words_without_weight_change_nothing() -> None:
    fusion = LearnedFusion(weights(), {})
    now = moment(0, walkers(0))
    vector = np.ones(TEXT, np.float32) / np.sqrt(TEXT)
    silent = inputs_of(SightFold().see(now), [{}] * 3, {}, TEXT)
    spoken = inputs_of(SightFold().see(replace(now, words=_words(0, vector))), [{}] * 3, {}, TEXT)
    assert not np.allclose(fusion.score(silent), fusion.score(spoken))
    muted = replace(spoken, text_weight=np.zeros(4, np.float32))
    np.testing.assert_allclose(fusion.score(silent), fusion.score(muted), atol=1e-6)


def test_vectors_of_another_length_are_not_words() -> None:
    now = replace(moment(0, walkers(0)), words=_words(0, np.ones(3, np.float32)))
    inputs = inputs_of(SightFold().see(now), [{}] * 3, {}, TEXT)
    assert inputs.text.shape == (4, TEXT)
    assert (inputs.text_weight == 0).all()


def test_shares_name_what_the_score_stands_on() -> None:
    fusion = flow_meter()
    fast: list[Person] = [(1, "person", (100.0, 100.0, 140.0, 200.0), 400.0)]
    inputs = inputs_of(SightFold().see(moment(0, fast)), [{}], {}, TEXT)
    shares = fusion.shares(inputs, 0)
    assert set(shares) == set(GROUPS)
    assert shares["sight"] == pytest.approx(float(fusion.score(inputs)[0]) + 4.0, abs=1e-4)
    assert shares["scene"] == shares["words"] == shares["surprise"] == 0.0


def test_weights_survive_the_file_and_keep_their_name(tmp_path: Path) -> None:
    save_fusion(tmp_path / "fusion.npz", weights(), {"text_encoder": "fake", "level": 1.5})
    fusion = load_fusion(tmp_path / "fusion.npz")
    inputs = inputs_of(SightFold().see(moment(0, walkers(0))), [{}] * 3, {}, TEXT)
    np.testing.assert_array_equal(fusion.score(inputs), LearnedFusion(weights(), {}).score(inputs))
    assert (fusion.text_encoder, fusion.level, fusion.text_dimensions) == ("fake", 1.5, TEXT)
    assert fusion.name.startswith("learned/")
    assert fusion.parameters < 100_000


def _without(name: str) -> Mapping[str, Any]:
    return {key: value for key, value in weights().items() if key != name}


def test_cues_that_came_later_are_unknown_to_older_weights() -> None:
    names = SURPRISE_CUES[:5]
    older = weights()
    surprise = 2 * len(names)
    for name in ("gate", "mix"):
        older[name] = older[name][: len(older[name]) - 2 * (len(SURPRISE_CUES) - len(names))]
    older["straight"] = older["straight"][:surprise]
    fusion = LearnedFusion(older, {"cues": list(names)})
    sight = SightFold().see(moment(0, walkers(0)))
    inputs = inputs_of(sight, [{SURPRISE_CUES[-2]: 9.0}, {}, {}], {}, TEXT, fusion.cue_names)
    assert inputs.surprise.shape == (4, surprise)
    assert np.isfinite(fusion.score(inputs)).all()


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (_without("gate"), "lack 'gate'"),
        ({**weights(), "out": np.zeros(3, np.float32)}, "'out' are"),
        ({**weights(), "mean": np.zeros(3, np.float32)}, "'mean' are"),
        ({**weights(), "see": np.full_like(weights()["see"], np.nan)}, "all finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(broken: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        LearnedFusion(broken, {})


def test_files_that_hold_no_fusion_are_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "fusion.npz"
    with pytest.raises(ModelError, match="cannot be read"):
        load_fusion(file)
    save_fusion(file, weights(), {})
    whole = file.read_bytes()
    for damage in (b"", b"PK nothing", whole[: len(whole) // 2]):
        file.write_bytes(damage)
        with pytest.raises(ModelError, match="no fusion weights"):
            load_fusion(file)
    np.savez(file, card=np.frombuffer(json.dumps({"version": 9}).encode(), np.uint8))
    with pytest.raises(ModelError, match="of version 9"):
        load_fusion(file)
    np.savez(file, card=np.frombuffer(json.dumps({"version": 1, "features": ["speed"]}).encode(), np.uint8))
    with pytest.raises(ModelError, match="other features of sight"):
        load_fusion(file)
    np.savez(file, card=np.array([{}], object))
    with pytest.raises(ModelError, match="no fusion weights"):
        load_fusion(file)


def _judge(level: float, warm_up_s: float = 0.0) -> LearnedJudge:
    settings = UnusualSettings("gate", warm_up_s=warm_up_s)
    return LearnedJudge(settings, UnusualJudge(settings), flow_meter(level))


def _runner(at_s: float) -> list[Person]:
    return [*walkers(at_s), (999, "person", (300.0, 100.0, 340.0, 200.0), 900.0)]


def test_the_judge_suspects_what_the_fusion_scores_above_its_level() -> None:
    judge = _judge(1.0)
    assert not [s for one in life(0, 4) for s in judge.judge(one)]
    found = [s for one in life(4, 6, _runner) for s in judge.judge(one)]
    assert found
    assert {s.key for s in found} == {"unusual:person"}
    assert [track.id for track in found[-1].tracks] == [999]
    assert sum(e.share for e in found[-1].evidence) == pytest.approx(1.0, abs=1e-6)
    assert found[-1].evidence[0].cue == "sight"
    assert 0.5 <= found[-1].score <= 1.0


def test_a_camera_where_much_is_normal_sets_its_own_level() -> None:
    judge = _judge(-6.0, warm_up_s=600.0)
    first = judge.level
    for one in life(0, 120):
        judge.judge(one)
    judge.settle()
    assert judge.level > first
    assert not [s for one in life(120, 140) for s in judge.judge(one)]


def test_a_restarted_judge_goes_on_as_if_it_had_never_stopped() -> None:
    unbroken, broken = _judge(0.5), _judge(0.5)
    moments = [*life(0, 30), *life(30, 32, _runner)]
    for one in moments[:120]:
        unbroken.judge(one)
        broken.judge(one)
    restored = _judge(0.5)
    restored.restore(json.loads(json.dumps(broken.state())))
    for one in moments[120:]:
        assert [s.key for s in unbroken.judge(one)] == [s.key for s in restored.judge(one)]
        assert (restored.score, restored.level) == (unbroken.score, unbroken.level)


def test_damaged_and_foreign_states_are_refused() -> None:
    judge = _judge(0.5)
    judge.judge(moment(0, walkers(0)))
    with pytest.raises(ValueError, match="version 1"):
        judge.restore({**judge.state(), "version": 2})
    state = judge.state()
    del state["maxima"]
    with pytest.raises(ValueError, match="damaged"):
        judge.restore(state)


def test_the_bundled_weights_fit_this_version_and_their_card() -> None:
    fusion = load_fusion()
    assert fusion.parameters < 100_000
    assert set(fusion.cue_names) & set(SURPRISE_CUES)
    card = BUNDLED_FUSION.with_name("MODEL_CARD.md").read_text()
    assert card.startswith(f"# {fusion.name}\n")
    assert f"{fusion.parameters} parameters" in card
    sight = SightFold().see(moment(0, walkers(0)))
    inputs = inputs_of(sight, [{}] * 3, {}, fusion.text_dimensions, fusion.cue_names)
    assert np.isfinite(fusion.score(inputs)).all()
