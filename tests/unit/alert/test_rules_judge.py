"""The judge of rules: what it does while blind, what its state refuses, and that every kind of rule has a watch."""

from __future__ import annotations

import json

import pytest

from pipeline.alert.rules.judge import RulesJudge
from pipeline.alert.settings import AlertSettings, ForbiddenClassRule, LoiteringRule, Rule, SpeedRule, Zone, ZoneRule
from pipeline.alert.view import Trails
from pipeline.protocols import Moment
from pipeline.types import HealthCondition, Track
from tests.unit.alert.acting import START_S, finding

YARD = Zone("yard", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
SETTINGS = AlertSettings("gate", zones=(YARD,), rules=(ZoneRule(name="z", zone="yard"), SpeedRule(name="s")))
SOMEBODY = (Track(1, "person", 0.9, (300, 200, 340, 300), START_S, START_S + 5),)


@pytest.mark.parametrize(
    ("conditions", "judged"),
    [((), True), (("moved",), True), (("defocused",), True), (("low_frame_rate",), True)]
    + [((condition,), False) for condition in ("offline", "black", "frozen", "covered")],
)
def test_nothing_is_judged_while_the_camera_is_blind(conditions: tuple[HealthCondition, ...], judged: bool) -> None:
    look = finding(5, [], conditions=conditions)
    assert bool(RulesJudge(SETTINGS).judge(Moment(look, SOMEBODY))) is judged


def test_a_tick_is_not_judged() -> None:
    assert RulesJudge(SETTINGS).judge(Moment(finding(5, None), SOMEBODY)) == ()


def test_a_box_beyond_the_picture_is_judged_by_its_part_inside() -> None:
    half_out = (Track(1, "person", 0.9, (300, 300, 340, 500), START_S, START_S + 5),)
    assert len(RulesJudge(SETTINGS).judge(Moment(finding(5, []), half_out))) == 1


def test_a_rule_of_an_unknown_kind_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="known kind of rule"):
        RulesJudge(AlertSettings("gate", rules=(Rule(name="r"),)))


@pytest.mark.parametrize(
    "state", [{}, {"session": 1, "looked_at_s": 0, "source_wh": None, "trails": [], "rules": {}}, {"rules": 3}]
)
def test_a_damaged_state_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="damaged"):
        RulesJudge(SETTINGS).restore(state)


def test_a_rule_under_another_name_starts_anew() -> None:
    before = RulesJudge(AlertSettings("gate", rules=(LoiteringRule(name="old"),)))
    before.judge(Moment(finding(5, []), SOMEBODY))
    after = RulesJudge(
        AlertSettings("gate", rules=(LoiteringRule(name="new"), ForbiddenClassRule(name="d", labels=("dog",))))
    )
    after.restore(json.loads(json.dumps(before.state())))
    assert after.state()["rules"]["loitering:new"] == {"stays": {}}


def test_ways_are_bounded_in_time_and_number() -> None:
    trails = Trails(2.0)
    for k in range(1000):
        steps = trails.add(Track(1, "person", 0.9, (k, 0, k + 10, 20), START_S, START_S), START_S + k / 30)
    assert len(steps) <= 64
    assert 2.0 <= steps[-1].at_s - steps[0].at_s <= 2.2
    trails.forget_before(START_S + 100)
    assert trails.state() == {}
