"""Watch rules in a whole alert stage: real facts, a model's answer that arrives later, and a stage that is moved."""

from __future__ import annotations

import json

import pytest

from pipeline.alert.asking import AskSettings
from pipeline.alert.settings import AlertSettings, Rule, Zone
from pipeline.alert.stage import AlertStage, standard_judges
from pipeline.alert.watch.compile import compile_sentence
from pipeline.alert.watch.rule import WatchRule
from pipeline.describe.facts import FactsFold
from pipeline.describe.narrator import SceneNarrator
from pipeline.descriptions import Answer, SceneDescription
from tests.unit.alert.acting import KnowingTracker, person, play, scene, shown

YARD = Zone("yard", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))


def rule_of(sentence: str) -> Rule:
    return compile_sentence(sentence, zones=["yard"]).rule


def stage_of(*rules: Rule) -> AlertStage:
    settings = AlertSettings("gate", zones=(YARD,), rules=rules)
    narrator = SceneNarrator(FactsFold("gate", {"yard": YARD.polygon_norm}))
    questions = tuple(rule.question for rule in rules if isinstance(rule, WatchRule) and rule.question)
    asking = AskSettings(questions=questions)
    return AlertStage(settings, KnowingTracker(), standard_judges(settings), "cafe", narrator=narrator, asking=asking)


WALK = scene(lambda t: [person(1, 40 + 60 * t)] if t < 9 else [], 30)


def test_somebody_who_enters_and_leaves_is_one_incident() -> None:
    found = play(stage_of(rule_of("someone in the yard")), WALK)
    assert [(phase, kind) for phase, kind, _ in shown(found)] == [("opened", "watch"), ("closed", "watch")]
    opened_s = shown(found)[0][2]
    assert 4.6 <= opened_s <= 5.4  # the foot crosses the middle of the picture at 4.7 s
    assert found[0].rule == "someone in the yard"
    assert "inside ‘yard’" in found[0].text or "entering ‘yard’" in found[0].text


@pytest.mark.parametrize("sentence", ["someone lies on the floor", "a vehicle in the yard", "two people in the yard"])
def test_what_is_not_so_is_no_alert(sentence: str) -> None:
    assert play(stage_of(rule_of(sentence)), WALK) == []


def test_a_stage_that_is_moved_goes_on_as_if_it_had_stayed() -> None:
    rules = (rule_of("someone in the yard"), rule_of("someone stays in the yard for 3 seconds"))
    whole = play(stage_of(*rules), WALK)
    assert len({alert.rule for alert in whole}) == 2
    first, second = stage_of(*rules), stage_of(*rules)
    before = play(first, WALK[:31])
    second.restore(json.loads(json.dumps(first.state())))
    assert before + play(second, WALK[31:]) == whole


def test_a_models_yes_opens_the_alert_when_it_arrives() -> None:
    rule = rule_of("someone climbs the fence")
    assert isinstance(rule, WatchRule)
    stage = stage_of(rule)
    standing = scene(lambda _: [person(1, 300)], 20)
    asked = []
    for each in standing[:50]:
        assert stage.step(each) == []
        asked += [request.questions for request in stage.requests]
    assert asked == [(rule.question,)]  # somebody came: the scene changed
    ref = standing[45].ref
    answer = Answer(str(rule.question), 0.9)
    words = SceneDescription(ref, "Fence", "A person is on the fence.", "vlm:test", answers=(answer,))
    assert stage.describe(words) == []
    found = play(stage, standing[50:60])
    assert [(alert.phase, alert.rule) for alert in found] == [("opened", "someone climbs the fence")]
    assert "vlm:test says yes, 90%" in found[0].text
