"""Measuring facts: planted claims are what they say they are, scores count right and wrong, and a scene can be run."""

from __future__ import annotations

from random import Random

import pytest

from pipeline.descriptions import Fact, SceneFacts, SceneObject
from pipeline.embed.visual import VisualLooker
from pipeline.errors import UsageError
from pipeline.evaluate.facts import measure_scene
from pipeline.evaluate.facts_scores import MEASURES, Tally
from pipeline.evaluate.planting import planted
from tests.unit.scenes.conftest import make_tiny, walker
from workers.facts_cli import facts

FACTS = SceneFacts(
    "cam",
    0.0,
    3.0,
    (SceneObject(1, "person", 0.9, (0, 0, 0.1, 0.2)), SceneObject(2, "person", 0.9, (0, 0, 0.1, 0.2))),
    (
        Fact("speed", "walking", 0.9, 1),
        Fact("heading", "left", 0.9, 1),
        Fact("colour", "red", 0.9, 1),
        Fact("zone", "inside", 1.0, 1, "gate"),
        Fact("speed", "still", 0.9, 2),
        Fact("colour", "green", 0.9, 2),
    ),
)


def test_planted_lies_are_false_of_everybody() -> None:
    for seed in range(40):
        for one in planted(FACTS, Random(seed), ("gate", "yard")):
            words = one.text.lower()
            if one.is_true:
                continue
            assert one.kind in ("count", "class", "action", "heading", "colour", "zone")
            if one.kind == "action":
                assert "run" in words
            if one.kind == "heading":
                assert "left" not in words
            if one.kind == "colour":
                assert not {"red", "green"} & set(words.split())
            if one.kind == "zone":
                assert "gate" not in words
            if one.kind == "class":
                assert not {"person", "man", "woman", "pedestrian"} & set(words.split())


def test_nothing_is_planted_of_a_blind_camera() -> None:
    assert list(planted(SceneFacts("c", 0, 3, (), (Fact("health", "covered", 1.0),)), Random(1))) == []


def test_tallies_add_up() -> None:
    one, two = Tally(), Tally()
    one.see("count", True)
    two.see("count", False)
    two.see("left", True)
    one.add(two)
    assert one.share("count") == pytest.approx(0.5)
    assert one.share("left") == 1.0
    assert one.share("zone") is None
    assert set(one.right) <= set(MEASURES)


def test_a_scene_is_measured_on_every_arm() -> None:
    scene = make_tiny(seconds=3.2, actors=(walker("one", (-2.0, 4.0), (3.0, 4.0)),))
    tallies = measure_scene(scene, 3, ("truth", "tracked"), VisualLooker)
    assert set(tallies) == {"truth", "tracked"}
    for tally in tallies.values():
        assert len(tally.seconds) == 16
        assert tally.right["count"] + tally.wrong["count"] == 4
        assert tally.right["dwell"] > 0
        assert tally.wrong["grounded"] == 0


def test_detected_needs_a_detector() -> None:
    with pytest.raises(ValueError, match="detector"):
        measure_scene(make_tiny(), 3, ("detected",), VisualLooker)


def test_command_refuses_a_scene_there_is_not() -> None:
    with pytest.raises(UsageError, match="no such scene: nowhere"):
        facts(["nowhere"])
