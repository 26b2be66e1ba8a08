"""Plain sentences: what they become, what is asked back, and that the rule shown is the rule that runs."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alert.rule import Rule
from pipeline.alert.watch.compile import Compiled, Unclear, compile_sentence, written
from pipeline.alert.watch.lexicon import Sort, lexicon
from pipeline.alert.watch.rule import Colour, WatchRule
from pipeline.config.document import parse_document
from pipeline.config.site import site_of
from pipeline.descriptions import COLOURS

LABELS = ("person", "bicycle", "car", "motorcycle", "bus", "truck", "dog", "cat", "bag")


def compiled(sentence: str) -> Compiled:
    return compile_sentence(
        sentence,
        zones=["yard", "North_Gate", "footpath", "road"],
        lines=["tripwire"],
        known_labels=LABELS,
        time_zone="Europe/Berlin",
    )


def knobs(rule: Rule) -> dict[str, Any]:
    return {key: value for key, value in written(rule).items() if key not in ("name", "says", "kind")}


MEASURED: list[tuple[str, dict[str, Any]]] = [
    ("a vehicle on the footpath", {"labels": ["vehicle"], "zone": "footpath"}),
    ("a person lying on the floor", {"labels": ["person"], "posture": ["lying"]}),
    ("Someone falls.", {"labels": ["person"], "posture": ["lying"]}),
    ("a person lies down for 10 seconds", {"labels": ["person"], "posture": ["lying"], "open_after_s": 10.0}),
    ("someone enters the north gate", {"labels": ["person"], "zone": "North_Gate", "zone_state": ["entering"]}),
    ("someone leaves the yard", {"labels": ["person"], "zone": "yard", "zone_state": ["leaving"]}),
    ("someone leaves a bag", {"labels": ["person"], "thing": ["left"], "thing_labels": ["bag"]}),
    ("an abandoned bag", {"labels": ["person"], "thing": ["left"], "thing_labels": ["bag"]}),
    ("someone takes an item", {"labels": ["person"], "thing": ["taken"]}),
    ("a person carrying a bag", {"labels": ["person"], "thing": ["carrying"], "thing_labels": ["bag"]}),
    ("a person runs towards the camera", {"labels": ["person"], "speed": ["running"], "heading": ["towards"]}),
    ("a car goes too fast", {"labels": ["car"], "speed": ["fast"]}),
    ("someone walks or runs", {"labels": ["person"], "speed": ["slow", "walking", "running"]}),
    (
        "a car parked in the yard for 5 min",
        {"labels": ["car"], "zone": "yard", "speed": ["still"], "open_after_s": 300.0},
    ),
    ("someone loiters in the yard", {"labels": ["person"], "zone": "yard", "min_dwell_s": 60.0}),
    ("someone in the yard for half an hour", {"labels": ["person"], "zone": "yard", "min_dwell_s": 1800.0}),
    ("three or more people in the yard", {"labels": ["person"], "zone": "yard", "min_count": 3}),
    ("two people meet", {"labels": ["person"], "min_count": 2, "relation": ["meeting"]}),
    ("someone follows a person", {"labels": ["person"], "relation": ["following"], "other_labels": ["person"]}),
    ("someone approaches a car", {"labels": ["person"], "relation": ["approaching"], "other_labels": ["car"]}),
    ("a car or a truck", {"labels": ["car", "truck"]}),
    ("someone in a red jacket", {"labels": ["person"], "colour": ["red"]}),
    ("a person with a gray coat and blue jeans", {"labels": ["person"], "colour": ["grey"], "lower_colour": ["blue"]}),
    ("a big red truck", {"labels": ["truck"], "size": ["large"], "colour": ["red"]}),
    ("someone in the dark", {"labels": ["person"], "light": ["dark", "infrared"]}),
    ("a dog at night", {"labels": ["dog"], "schedule": ["22:00-06:00"]}),
    ("someone between 10pm and 6:30", {"labels": ["person"], "schedule": ["22:00-06:30"]}),
    ("someone in the yard on weekends", {"labels": ["person"], "zone": "yard", "schedule": ["Sat,Sun 00:00-24:00"]}),
    ("someone after 8:00 on Monday", {"labels": ["person"], "schedule": ["Mon 08:00-24:00"]}),
]


@pytest.mark.parametrize(("sentence", "expected"), MEASURED, ids=[sentence for sentence, _ in MEASURED])
def test_what_is_measured_becomes_a_condition_without_a_question(sentence: str, expected: dict[str, Any]) -> None:
    rule = compiled(sentence).rule
    assert isinstance(rule, WatchRule)
    assert knobs(rule) == expected
    assert rule.question is None


@pytest.mark.parametrize(
    ("sentence", "kind", "expected"),
    [
        ("someone crosses the tripwire", "line", {"labels": ["person"], "line": "tripwire"}),
        ("a car jumps over the tripwire", "line", {"labels": ["car"], "line": "tripwire"}),
        ("nobody in the yard for 5 minutes", "absence", {"labels": ["person"], "zone": "yard", "min_absence_s": 300.0}),
        ("no vehicle in the yard", "absence", {"labels": ["vehicle"], "zone": "yard"}),
    ],
)
def test_what_another_kind_of_rule_says_better_becomes_that(sentence: str, kind: str, expected: dict[str, Any]) -> None:
    rule = compiled(sentence).rule
    assert rule.kind == kind
    assert knobs(rule) == expected


def test_what_only_eyes_can_tell_becomes_a_question_behind_what_is_measured() -> None:
    found = compiled("someone climbs the fence at night")
    rule = found.rule
    assert isinstance(rule, WatchRule)
    assert rule.question == "Does this happen in the picture: someone climbs the fence?"
    assert rule.ordinary == ("a person walks near the fence", "a person stands near the fence")
    assert str(rule.schedule).startswith("22:00–06:00")
    assert any("not measured" in note and "zone called ‘fence’" in note for note in found.notes)
    negated = compiled("a person without a helmet in the yard").rule
    assert isinstance(negated, WatchRule)
    assert (negated.zone, negated.ordinary) == ("yard", ())
    assert negated.question is not None


@pytest.mark.parametrize(
    ("sentence", "note"),
    [
        ("a woman in the yard", "‘woman’: any person is meant"),
        ("someone near the road", "‘near’: ‘in’ is meant"),
        ("someone takes a suitcase", "‘suitcase’: any bag is meant"),
        ("someone climbs the road", "‘climbs’: being in the zone ‘road’ is meant"),
        ("a dog at night", "it is watched for 22:00–06:00 every day (Europe/Berlin)"),
    ],
)
def test_what_is_read_more_broadly_is_said(sentence: str, note: str) -> None:
    assert any(told.startswith(note) for told in compiled(sentence).notes)


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("", "What should be watched for"),
        ("x" * 201, "1 to 200 characters"),
        ("someone\nruns \x1b[31m", "1 to 200 characters"),
        ("有人爬墙", "in English"),
        ("кто-то бежит", "in English"),
        ("fence", "Who or what should be seen"),
        ("someone suspicious", "What would ‘suspicious’ look like"),
        ("something happens", "What would ‘happens’ look like"),
        ("someone clims the wall", "Did you mean ‘climbs’"),
        ("someone in the yrad", "Did you mean ‘yard’"),
        ("colourless green ideas sleep furiously", "‘colourless’, ‘ideas’, ‘furiously’"),
        ("a person in the yard after hours", "When exactly"),
        ("someone stays for a long time", "How long is long"),
        ("someone between 25:00 and 6:00", "22:00"),
        ("someone between 6:00 and 6:00", "Both times are the same"),
        ("someone at night in the morning", "Which of these times"),
        ("someone stays for 1000 hours", "A day is the longest"),
        ("someone lies and runs", "Lying and moving"),
        ("someone stands and runs", "at once"),
        ("a person lies or stands", "Write one sentence for each"),
        ("a car lies on the floor", "Only people have a posture"),
        ("a dog and a cat", "Do all have to be there at once"),
        ("someone enters", "Into or out of which place"),
        ("someone leaves", "Leaves what"),
        ("someone in the yard or the road", "Which place is meant"),
        ("someone near the tripwire", "crosses ‘tripwire’"),
        ("a person walks the wrong way", "a rule of kind wrong_way"),
        ("someone covers the camera", "health_alerts does that"),
        ("nobody runs", "Whom do you miss"),
        ("someone and a bag", "What happens to the thing"),
        ("'; DROP TABLE rules; --", "What is"),
    ],
)
def test_an_unclear_sentence_is_a_question(sentence: str, question: str) -> None:
    with pytest.raises(Unclear, match="(?i)" + question.replace("(", r"\(")):
        compiled(sentence)


def test_what_the_detector_can_never_say_is_a_question() -> None:
    with pytest.raises(Unclear, match="something else than a dog"):
        compile_sentence("a dog", known_labels=("person", "car"))
    assert compile_sentence("a van", known_labels=("person", "car")).rule.labels == ("vehicle",)
    assert compile_sentence("a dog", known_labels=()).rule.labels == ("dog",)


@given(
    st.lists(st.sampled_from([" ".join(p) for p in lexicon()] + ["yard", "tripwire", "for 5 minutes", "after 22:00"]))
    | st.text(max_size=80).map(str.split)
)
def test_any_words_give_a_rule_or_a_question(words: list[str]) -> None:
    with suppress(Unclear):
        rule = compiled(" ".join(words)).rule
        assert rule.labels
        assert written(rule)["kind"] == rule.kind


@pytest.mark.parametrize("sentence", [*(sentence for sentence, _ in MEASURED), "someone climbs the wall at night"])
def test_the_rule_that_is_shown_can_be_pasted_and_is_the_same(sentence: str, tmp_path: Any) -> None:
    rule = compiled(sentence).rule
    zones = {name: [[0, 0], [1, 0], [1, 1]] for name in ("yard", "North_Gate", "footpath", "road")}
    camera = {"url": "x", "time_zone": "Europe/Berlin", "zones": zones, "rules": [written(rule)]}
    text = yaml.safe_dump({"cameras": {"a": camera}})
    (read,) = site_of(parse_document(text.encode(), "site.yaml", tmp_path), {}).cameras[0].alert.rules
    assert read == rule


def test_every_word_of_the_lexicon_is_sound() -> None:
    assert set(get_args(Colour)) == set(COLOURS)
    fields = {name: WatchRule.__dataclass_fields__[name] for name in WatchRule.__dataclass_fields__}
    for phrase, meaning in lexicon().items():
        assert meaning.sort in get_args(Sort)
        assert phrase == tuple(word.lower() for word in phrase)
        if meaning.sort == "state" and not meaning.value.startswith("dwell"):
            name, _, values = meaning.value.partition("=")
            assert name in fields
            WatchRule(name="x", **{name: tuple(values.split("|"))})
