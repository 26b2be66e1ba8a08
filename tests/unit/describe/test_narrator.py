"""The narrator: words once per second, a model's while young and the scene is the same, exact after a restart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.describe.facts import FactsFold
from pipeline.describe.narrator import SceneNarrator
from pipeline.descriptions import Answer, Claim, SceneDescription
from pipeline.errors import ModelError
from pipeline.protocols import Moment
from pipeline.types import FrameRef
from tests.unit.alert.acting import START_S, KnowingTracker, Thing, finding, person


class LengthEncoder:
    """A text's vector is its length, so that a test sees which text was encoded."""

    name = "length"
    dimensions = 1

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.is_broken = False

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.is_broken:
            raise ModelError("broken")
        self.texts += texts
        return np.array([[len(text)] for text in texts], np.float32)


def moments(until_s: float, things: Sequence[Thing], *, from_s: float = 0.0, session: int = 1) -> list[Moment]:
    tracker, found = KnowingTracker(), []
    for step in range(round(from_s * 5), round(until_s * 5)):
        one = finding(step / 5, things, session=session)
        found.append(Moment(one, tracker.update(one)))
    return found


def narrator(encoder: LengthEncoder | None = None) -> SceneNarrator:
    return SceneNarrator(FactsFold("gate"), encoder=encoder)


def model_words(at: FrameRef, text: str = "A man in a red jacket waits.") -> SceneDescription:
    claims = (Claim("A man waits.", "action", "supported", "track 1 is still"),)
    return SceneDescription(at, "A man waits", text, "vlm:m", claims, ("alone",), (Answer("Is it night?", 0.1),), 0.8)


def test_words_are_renewed_once_per_second_and_facts_every_moment() -> None:
    one = narrator()
    said = [one.narrate(moment) for moment in moments(3.0, [person(1, 300)])]
    assert all(facts is not None and facts.objects for facts, _ in said)
    written_at = [round(words.ref.at_s - START_S, 3) for _, words in said if words is not None]
    assert sorted(set(written_at)) == [0.0, 1.0, 2.0]
    assert {words.source for _, words in said if words is not None} == {"grounded"}


def test_what_differs_only_in_large_numbers_is_encoded_alike() -> None:
    encoder = LengthEncoder()
    said = [narrator_words for _, narrator_words in map(narrator(encoder).narrate, moments(20.0, [person(1, 300)]))]
    assert len(encoder.texts) == 12, "a line for every second of its stay"
    assert len(set(encoder.texts)) == 3
    assert all(words is not None and words.embedding is not None for words in said)
    last = said[-1]
    assert last is not None
    assert last.embedding is not None
    assert last.embedding[0] == len(last.text)
    assert "19 seconds" in last.text
    assert "10 seconds" in encoder.texts[-1]


def test_a_models_words_hold_while_they_are_young() -> None:
    one, scene = narrator(), moments(60.0, [person(1, 300)])
    sources = []
    for place, moment in enumerate(scene):
        _, words = one.narrate(moment)
        assert words is not None
        sources.append(words.source)
        if place == 50:
            one.hear(model_words(scene[10].finding.ref))
    assert sources[:51] == ["grounded"] * 51
    assert sources[51:161] == ["vlm:m"] * 110, "30 s after the moment that was described"
    assert set(sources[161:]) == {"grounded"}


def test_a_models_words_are_not_said_of_another_scene() -> None:
    one, alone = narrator(), moments(5.0, [person(1, 300)])
    for moment in alone:
        one.narrate(moment)
    one.hear(model_words(alone[-1].finding.ref))
    together = moments(10.0, [person(1, 300), person(2, 100)], from_s=5.0)
    sources = [words.source for _, words in map(one.narrate, together) if words is not None]
    assert sources[-1] == "grounded"
    again = [
        words.source for _, words in map(one.narrate, moments(12, [person(1, 300)], from_s=10)) if words is not None
    ]
    assert again[-1] == "vlm:m"


def test_older_words_and_words_of_the_long_past_are_not_heard() -> None:
    one, scene = narrator(), moments(100.0, [person(1, 300)])
    for moment in scene[:30]:
        one.narrate(moment)
    one.hear(model_words(scene[25].finding.ref, "newer"))
    one.hear(model_words(scene[5].finding.ref, "older"))
    _, words = one.narrate(scene[30])
    assert words is not None
    assert words.text == "newer"
    one.hear(model_words(moments(1, [], session=9)[0].finding.ref, "of another session, from the future"))
    _, words = one.narrate(scene[31])
    assert words is not None
    assert words.text in ("newer", one.write(one.narrate(scene[31])[0] or pytest.fail("no facts"))[1])


def test_a_new_session_forgets_what_was_heard() -> None:
    one, scene = narrator(), moments(5.0, [person(1, 300)])
    for moment in scene:
        one.narrate(moment)
    one.hear(model_words(scene[-1].finding.ref))
    sources = [
        w.source for _, w in map(one.narrate, moments(8, [person(1, 300)], from_s=5, session=2)) if w is not None
    ]
    assert set(sources) == {"grounded"}


def test_the_grounded_writer_does_not_hear_itself() -> None:
    one, scene = narrator(), moments(5.0, [person(1, 300)])
    for moment in scene[:-1]:
        one.narrate(moment)
    one.hear(replace(model_words(scene[3].finding.ref, "echo"), source="grounded"))
    _, words = one.narrate(scene[-1])
    assert words is not None
    assert words.text != "echo"


@pytest.mark.parametrize("cut", [0, 1, 26, 27, 40, 99])
def test_restored_equals_unbroken(cut: int) -> None:
    scene = [*moments(10.0, [person(1, 300)]), *moments(20.0, [person(1, 300), person(2, 90)], from_s=10.0)]

    def run(one: SceneNarrator, since: int) -> list[tuple[object, ...]]:
        said: list[tuple[object, ...]] = []
        for place, moment in enumerate(scene[since:], start=since):
            facts, words = one.narrate(moment)
            assert words is not None
            assert words.embedding is not None
            vector = words.embedding.tolist()
            said.append((facts, words.ref, words.text, words.source, words.answers, words.claims, vector))
            if place == 25:
                one.hear(model_words(scene[20].finding.ref))
        return said

    unbroken = run(narrator(LengthEncoder()), 0)
    first = narrator(LengthEncoder())
    for place, moment in enumerate(scene[:cut]):
        first.narrate(moment)
        if place == 25:
            first.hear(model_words(scene[20].finding.ref))
    second = narrator(LengthEncoder())
    second.restore(json.loads(json.dumps(first.state())))
    assert run(second, cut) == unbroken[cut:]


def test_an_encoder_that_breaks_costs_vectors_and_not_words() -> None:
    encoder, counted = LengthEncoder(), []
    one = SceneNarrator(FactsFold("gate"), encoder=encoder, count=lambda *event: counted.append(event))
    encoder.is_broken = True
    said = [words for _, words in map(one.narrate, moments(6.0, [person(1, 300)]))]
    assert all(words is not None and words.text and words.embedding is None for words in said)
    assert counted == [("text_encoder_failed", "gate", "runtime")]


@pytest.mark.parametrize(
    "change", [{"version": 7}, {"written": {}}, {"casts": 5}, {"facts": None}, {"heard": {"ref": 1}}]
)
def test_a_damaged_state_is_refused(change: dict[str, object]) -> None:
    one = narrator()
    for moment in moments(3.0, [person(1, 300)]):
        one.narrate(moment)
    with pytest.raises(ValueError, match="state"):
        narrator().restore({**one.state(), **change})


def test_chinese_words_are_written_when_asked_for() -> None:
    one = SceneNarrator(FactsFold("gate"), language="zh")
    _, words = [one.narrate(moment) for moment in moments(3.0, [person(1, 300)])][-1]
    assert words is not None
    assert words.language == "zh"
    assert any("一" <= sign <= "鿿" for sign in words.text)
