"""The writer without a model: what it says, what it never says, and what no name can make it say."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.describe.grounded import write
from pipeline.describe.verify import check
from pipeline.descriptions import COLOURS, Fact, Language, SceneFacts, SceneObject

LANGUAGES: tuple[Language, ...] = ("en", "zh")


def scene(*facts: Fact, labels: tuple[str, ...] = ("person",)) -> SceneFacts:
    """A scene of objects 1, 2, … with the given labels."""
    objects = tuple(SceneObject(i + 1, label, 0.9, (0.1, 0.1, 0.2, 0.4)) for i, label in enumerate(labels))
    return SceneFacts("cam", 0.0, 3.0, objects, facts)


def test_says_who_does_what_where() -> None:
    facts = scene(
        Fact("colour", "red", 0.9, 1),
        Fact("lower_colour", "blue", 0.9, 1),
        Fact("speed", "walking", 0.9, 1),
        Fact("heading", "left", 0.9, 1),
        Fact("zone", "inside", 1.0, 1, "gate"),
        labels=("person", "car", "car"),
    )
    title, text = write(facts)
    assert title == "A person in a red top and blue trousers walks to the left in the zone ‘gate’."
    assert text == f"A person and two cars are in view. {title}"


def test_who_lies_on_the_ground_comes_before_a_bag() -> None:
    lying = Fact("posture", "lying", 0.9, 1)
    facts = scene(lying, Fact("thing", "left", 0.9, None, 2), labels=("person", "bag"))
    assert write(facts)[0] == "A person is lying on the ground."
    assert "A bag has been left behind." in write(facts)[1]


def test_says_nothing_that_is_not_sure() -> None:
    facts = scene(Fact("speed", "running", 0.4, 1), Fact("colour", "red", 0.49, 1), Fact("posture", "lying", 0.3, 1))
    assert write(facts) == ("A person is in view.", "A person is in view. No more is known yet.")


def test_those_who_do_the_same_are_told_together() -> None:
    facts = scene(Fact("speed", "running", 0.9, 1), Fact("speed", "running", 0.9, 2), labels=("person", "person"))
    assert write(facts)[0] == "Two people run."
    assert write(facts, "zh")[0] == "2个人奔跑。"


def test_empty_and_blind_scenes() -> None:
    assert write(SceneFacts("c", 0, 3)) == ("Nobody is in view.", "Nobody is in view. Nothing else is recognised.")
    blind = SceneFacts("c", 0, 3, (), (Fact("health", "covered", 1.0),))
    assert write(blind)[0] == "The lens is covered."
    assert "Nobody" not in write(blind)[1]
    assert write(blind, "zh")[0] == "镜头被遮挡。"


HOSTILE = (
    "gate’. Nothing is happening. ‘x",
    "a\nb\x1b[31mred",
    "<script>alert(1)</script>",
    "\u202egate",
    "‘’“”\"'",
    "x" * 500,
    "  ",
    "{0} {name} %s",
    "门口’。没有人",
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", HOSTILE)
def test_names_cannot_change_the_form(name: str, language: Language) -> None:
    def skeleton(zone: str) -> list[str]:
        facts = scene(Fact("speed", "walking", 0.9, 1), Fact("zone", "inside", 1.0, 1, zone))
        return [re.sub(r"‘[^’]*’", "‘’", part) for part in write(facts, language)]

    assert skeleton(name) == skeleton("gate")
    whole = "".join(write(scene(Fact("zone", "inside", 1.0, 1, name)), language))
    assert whole.isprintable()
    assert not set("<>\\\u202e") & set(whole)
    assert whole.count("‘") == whole.count("’")
    assert all(len(part) < 52 for part in re.findall(r"‘([^’]*)’", whole))


def test_hostile_label_is_one_plain_word() -> None:
    title, text = write(scene(labels=("per\x1bson. Ignore all <b>",)))
    assert (title + text).isprintable()
    assert "<" not in title


_WORDS = {
    "posture": ("upright", "bent", "lying"),
    "speed": ("still", "slow", "walking", "running"),
    "heading": ("left", "right", "towards", "away"),
    "colour": COLOURS,
    "lower_colour": COLOURS,
    "size": ("small", "medium", "large"),
}


@st.composite
def scenes(draw: st.DrawFn) -> SceneFacts:
    labels = draw(st.lists(st.sampled_from(("person", "car", "van", "bus", "dog", "bag", "truck")), max_size=5))
    sure = st.floats(0, 1)
    facts = []
    for i, label in enumerate(labels, start=1):
        for kind, words in _WORDS.items():
            if draw(st.booleans()) and (label == "person" or kind in ("colour", "speed", "heading")):
                value = draw(st.sampled_from(words))
                if kind == "speed" and label in ("car", "van", "bus", "truck"):
                    value = {"walking": "moving", "running": "fast"}.get(value, value)
                facts.append(Fact(kind, value, draw(sure), i))  # type: ignore[arg-type]
        if draw(st.booleans()):
            zone = draw(st.sampled_from(("gate", "loading bay", "a ’ b", "人")))
            facts.append(Fact("zone", draw(st.sampled_from(("inside", "entering", "leaving"))), 1.0, i, zone))
            facts.append(Fact("dwell", "zone", 1.0, i, zone, draw(st.floats(0, 300))))
        facts.append(Fact("dwell", "scene", 1.0, i, None, draw(st.floats(0, 300))))
    if len(labels) > 1 and draw(st.booleans()):
        value = draw(st.sampled_from(("approaching", "meeting", "following", "dispersing", "beside")))
        facts.append(Fact("relation", value, 0.9, 1, 2))
    if draw(st.booleans()):
        facts.append(Fact("light", draw(st.sampled_from(("day", "dim", "dark", "infrared"))), 0.9))
    if draw(st.booleans()):
        facts.append(Fact("thing", draw(st.sampled_from(("left", "taken", "carrying"))), 0.9, None, "bag"))
    return scene(*facts, labels=tuple(labels))


@settings(max_examples=150, deadline=None)
@given(facts=scenes(), language=st.sampled_from(LANGUAGES))
def test_no_claim_of_our_own_is_contradicted(facts: SceneFacts, language: Language) -> None:
    """Whatever was measured: what is written from it holds when it is read back, and stays short."""
    title, text = write(facts, language)
    for part in (title, text):
        assert [c for c in check(part, facts) if c.verdict == "contradicted"] == []
    bare = re.sub(r"‘[^’]*’", "", text)
    assert 1 <= len(re.findall(r"[.。]", bare)) <= 4
    assert write(facts, language) == (title, text)
