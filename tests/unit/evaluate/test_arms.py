"""Arms and controls: what the judge is given, and nothing else, changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.descriptions import SceneDescription, SceneFacts
from pipeline.errors import UsageError
from pipeline.evaluate.arms import ARMS, ControlNarrator, TextOnly, Words, arms_of
from pipeline.evaluate.findings import EPOCH
from pipeline.protocols import Json, Moment
from pipeline.types import Detections, Finding, FrameKey, FrameNote, FrameRef
from pipeline.unusual.channels import CUES, SCENE_CUES


class _Encoder:
    name, dimensions = "fake", 8

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [np.random.default_rng(crc32(text.encode())).standard_normal(8) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32)


class _Counting:
    """Says the number of the moment."""

    def __init__(self) -> None:
        self.said = 0

    def narrate(self, moment: Moment) -> tuple[SceneFacts | None, SceneDescription | None]:
        self.said += 1
        vector = np.zeros(8, np.float32)
        vector[self.said % 8] = 1.0
        return None, SceneDescription(moment.finding.ref, "t", f"moment {self.said}", "grounded", embedding=vector)

    def write(self, facts: SceneFacts) -> tuple[str, str]:
        return "", ""

    def hear(self, description: SceneDescription) -> None:
        pass

    def state(self) -> Json:
        return {"said": self.said}

    def restore(self, state: Json) -> None:
        self.said = state["said"]


def _moment(second: float) -> Moment:
    key = FrameKey("gate", 1, int(second * 5))
    ref = FrameRef(key, 0, Fraction(1, 5), EPOCH + timedelta(seconds=second), (100, 100))
    return Moment(Finding(ref, FrameNote(), Detections.empty()), ())


def _words(kind: Words, seconds: int = 30) -> list[SceneDescription | None]:
    narrator = ControlNarrator(_Counting(), kind, _Encoder())
    return [narrator.narrate(_moment(float(second)))[1] for second in range(seconds)]


def test_arms_are_found_by_name_once_each() -> None:
    assert [arm.name for arm in arms_of(["f0", "visual", "f0"])] == ["f0", "visual"]
    with pytest.raises(UsageError, match="no arm 'fused'"):
        arms_of(["fused"])
    assert [arm.name for arm in ARMS if arm.is_control] == ["shuffled", "stale", "class", "noise"]


def test_text_only_takes_nothing_but_the_last_cue_of_the_frame() -> None:
    fusion = TextOnly()
    assert fusion.contributions(np.ones((3, len(CUES)))).sum() == 0.0
    scene = fusion.contributions(np.full((1, len(SCENE_CUES) + 1), 2.0))
    assert scene[0].tolist() == [0.0] * len(SCENE_CUES) + [1.0]  # what exceeds the expected surprise


def test_stale_words_are_ten_seconds_old_but_say_they_are_new() -> None:
    words = _words("stale")
    assert words[5] is None
    assert words[20] is not None
    assert words[20].text == "moment 11"
    assert words[20].ref == _moment(20.0).finding.ref


def test_shuffled_words_are_of_other_moments_already_seen() -> None:
    words = [each for each in _words("shuffled") if each is not None]
    numbers = [int(each.text.split()[1]) for each in words]
    assert all(number <= place + 1 for place, number in enumerate(numbers))
    assert sum(number != place + 1 for place, number in enumerate(numbers)) > len(numbers) // 2


def test_noise_is_a_new_unit_vector_every_time_and_the_same_on_every_run() -> None:
    first, again = _words("noise"), _words("noise")
    vectors = [each.embedding for each in first if each is not None and each.embedding is not None]
    assert all(np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5) for vector in vectors)
    assert not np.array_equal(vectors[0], vectors[1])
    others = [each.embedding for each in again if each is not None and each.embedding is not None]
    assert all(np.array_equal(one, other) for one, other in zip(vectors, others, strict=True))


def test_class_words_name_what_is_there_and_nothing_more() -> None:
    (words, *_) = _words("class", 1)
    assert words is not None
    assert words.text == "nothing"


def test_a_control_leaves_moments_without_words_alone() -> None:
    class _Silent(_Counting):
        def narrate(self, moment: Moment) -> tuple[SceneFacts | None, SceneDescription | None]:
            facts, words = super().narrate(moment)
            return facts, None if words is None else replace(words, embedding=None)

    narrator = ControlNarrator(_Silent(), "noise", _Encoder())
    _, words = narrator.narrate(_moment(0.0))
    assert words is not None
    assert words.embedding is None
