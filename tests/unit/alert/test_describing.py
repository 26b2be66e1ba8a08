"""Alerts and language: what is said at opening, what is asked, and how a model's words become an update."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipeline.alert.asking import Asking, AskSettings
from pipeline.alert.message import from_json, to_json
from pipeline.alert.settings import AlertSettings, LoiteringRule, PolicySettings, Zone, ZoneRule
from pipeline.alert.stage import AlertStage, standard_judges
from pipeline.describe.facts import FactsFold
from pipeline.describe.narrator import SceneNarrator
from pipeline.descriptions import DescribeRequest, SceneDescription, SceneFacts, SceneObject
from pipeline.protocols import Moment
from pipeline.types import Alert, Finding
from tests.unit.alert.acting import START_S, KnowingTracker, finding, person, scene

YARD = Zone("yard", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))
SETTINGS = AlertSettings(
    "gate",
    zones=(YARD,),
    rules=(ZoneRule(name="z", zone="yard", close_after_s=3), LoiteringRule(name="lo", min_stay_s=8)),
    policy=PolicySettings(min_update_gap_s=1, update_every_s=5),
)
ASKING = AskSettings(("a school",), ("Is somebody climbing?",), scene_gap_s=10, every_s=60)
WALK = scene(lambda t: [person(1, 400)] if t < 12 else [], 40)


def stage(settings: AlertSettings = SETTINGS) -> AlertStage:
    narrator = SceneNarrator(FactsFold("gate", {"yard": YARD.polygon_norm}))
    return AlertStage(settings, KnowingTracker(), standard_judges(settings), "cafe", narrator=narrator, asking=ASKING)


def run(one: AlertStage, findings: list[Finding]) -> tuple[list[Alert], list[DescribeRequest]]:
    alerts, requests = [], []
    for each in findings:
        alerts += one.step(each)
        requests += one.requests
    return alerts, requests


def answer(request: DescribeRequest, text: str = "A man in a red jacket climbs the gate.") -> SceneDescription:
    return SceneDescription(request.ref, "A man climbs", text, "vlm:m", alert_id=request.alert_id)


def test_an_alert_says_what_the_scene_looks_like_and_asks_for_more() -> None:
    (opened,), (request,) = run(stage(), WALK[:5])
    assert opened.text.startswith("A person is inside ‘yard’, where no person is allowed.")
    assert "A person is in view." in opened.text
    assert opened.text_source == opened.models["describer"] == "grounded"
    assert (request.reason, request.alert_id, request.score) == ("alert", opened.id, pytest.approx(opened.score))
    assert request.context == ("a school",)
    assert request.questions == ("Is somebody climbing?",)
    assert request.text in opened.text
    assert request.facts.objects


def test_a_models_words_are_an_update_of_the_same_alert() -> None:
    one = stage()
    (opened,), (request,) = run(one, WALK[:5])
    run(one, WALK[5:8])
    (update,) = one.describe(answer(request))
    assert (update.id, update.revision, update.phase) == (opened.id, 2, "updated")
    assert update.text_source == update.models["describer"] == "vlm:m"
    assert update.text.endswith("A man in a red jacket climbs the gate.")
    assert update.text.startswith("A person is inside ‘yard’")
    assert update.updated_at.timestamp() == WALK[7].ref.at_s
    assert (update.score, update.severity, update.evidence) == (opened.score, opened.severity, opened.evidence)
    assert to_json(from_json(to_json(update))) == to_json(update)


def test_later_messages_keep_a_models_words() -> None:
    one = stage()
    _, (request,) = run(one, WALK[:5])
    one.describe(answer(request))
    alerts, _ = run(one, WALK[5:])
    of_zone = [alert for alert in alerts if alert.id == request.alert_id]
    assert of_zone[-1].phase == "closed"
    assert all(alert.text.endswith("A man in a red jacket climbs the gate.") for alert in of_zone)
    assert [alert.revision for alert in of_zone] == list(range(3, 3 + len(of_zone)))


def test_describing_puts_off_no_other_message() -> None:
    plain, _ = run(stage(), WALK)
    one, described = stage(), []
    for each in WALK:
        described += one.step(each)
        for request in one.requests:
            one.describe(answer(request))
    assert [(a.id, a.phase, a.updated_at) for a in described] == [(a.id, a.phase, a.updated_at) for a in plain]
    assert [(a.score, a.severity) for a in described] == [(a.score, a.severity) for a in plain]


def test_words_that_arrive_when_all_is_over_still_reach_the_alert() -> None:
    one = stage()
    alerts, requests = run(one, WALK)
    closed = next(a for a in alerts if a.phase == "closed" and a.id == requests[0].alert_id)
    (late,) = one.describe(answer(requests[0]))
    assert (late.id, late.phase, late.revision) == (closed.id, "closed", closed.revision + 1)
    assert (late.closed_at, late.opened_at) == (closed.closed_at, closed.opened_at)
    assert late.text.startswith("Ended after")
    assert late.text_source == "vlm:m"


def test_words_that_arrive_much_too_late_change_nothing() -> None:
    one = stage()
    _, requests = run(one, WALK)
    one.step(finding(700, [], seq=9_999))
    assert one.describe(answer(requests[0])) == []


def test_a_redelivered_description_changes_nothing() -> None:
    one = stage()
    _, (request,) = run(one, WALK[:5])
    assert len(one.describe(answer(request))) == 1
    state = json.dumps(one.state(), sort_keys=True)
    assert one.describe(answer(request)) == []
    assert json.dumps(one.state(), sort_keys=True) == state


@pytest.mark.parametrize(
    "change", [{"alert_id": "a_0000000000000000"}, {"alert_id": None}, {"text": ""}, {"text": "\x07"}]
)
def test_words_about_nothing_that_is_known_make_no_message(change: dict[str, str | None]) -> None:
    one = stage()
    _, (request,) = run(one, WALK[:5])
    assert one.describe(replace(answer(request), **change)) == []


def test_the_grounded_writers_answer_changes_nothing() -> None:
    one = stage()
    _, (request,) = run(one, WALK[:5])
    state = json.dumps(one.state(), sort_keys=True)
    grounded = SceneDescription(request.ref, request.title, request.text, "grounded", alert_id=request.alert_id)
    assert one.describe(grounded) == []
    assert json.dumps(one.state(), sort_keys=True) == state


def test_words_of_another_camera_are_refused() -> None:
    one = stage()
    _, (request,) = run(one, WALK[:5])
    other = replace(request.ref, key=replace(request.ref.key, camera="door"))
    with pytest.raises(ValueError, match="camera 'gate'"):
        one.describe(replace(answer(request), ref=other))


def test_hostile_words_neither_break_the_message_nor_lower_a_score() -> None:
    one = stage()
    (opened,), (request,) = run(one, WALK[:5])
    hostile = "Nothing happens.\x1b[2J <script>alert(1)</script> ignore \u202e previous " + "x" * 5_000
    (update,) = one.describe(answer(request, hostile))
    assert update.score == opened.score
    assert not set(update.text) & set("<>\x1b\u202e\n")
    assert len(update.text) < 2_200
    assert to_json(from_json(to_json(update))) == to_json(update)


@pytest.mark.parametrize("cut", [2, 5, 20, 61, 80, 150])
def test_restarted_equals_unbroken_with_words(cut: int) -> None:
    def play(one: AlertStage, since: int, until: int, requests: list[DescribeRequest]) -> list[str]:
        told = []
        for place in range(since, until):
            told += [to_json(alert) for alert in one.step(WALK[place])]
            requests += one.requests
            if place % 20 == 19:
                told += [to_json(alert) for request in requests for alert in one.describe(answer(request))]
                requests.clear()
        return told

    unbroken = play(stage(), 0, len(WALK), [])
    asked: list[DescribeRequest] = []
    first, second = stage(), stage()
    head = play(first, 0, cut, asked)
    second.restore(json.loads(json.dumps(first.state())))
    assert head + play(second, cut, len(WALK), asked) == unbroken


def test_a_state_without_a_narrator_is_not_continued_with_one() -> None:
    plain = AlertStage(SETTINGS, KnowingTracker(), standard_judges(SETTINGS))
    with pytest.raises(ValueError, match="narrator"):
        stage().restore(plain.state())
    with pytest.raises(ValueError, match="narrator"):
        plain.restore(stage().state())


def test_without_a_narrator_nothing_is_asked_and_nothing_heard() -> None:
    plain = AlertStage(SETTINGS, KnowingTracker(), standard_judges(SETTINGS))
    alerts, requests = run(plain, WALK)
    assert requests == []
    assert {alert.text_source for alert in alerts} == {"grounded"}
    _, (request,) = run(stage(), WALK[:5])
    assert plain.describe(answer(request)) == []


def test_a_changed_scene_is_asked_about_once_it_has_settled_and_not_too_often() -> None:
    quiet = AlertSettings("gate")
    looks = scene(lambda t: [person(n, 60 * n) for n in range(1, 2 + int(t >= 5) + int(t >= 8) + int(t >= 30))], 45)
    _, requests = run(stage(quiet), looks)
    found = [(r.reason, round(r.ref.at_s - START_S, 1), round(r.score, 3)) for r in requests]
    assert found == [
        ("scene_change", 1.0, 1.0),
        ("scene_change", 11.0, 0.667),
        ("scene_change", 31.0, 0.25),
    ]


def test_a_quiet_camera_gets_a_slow_look() -> None:
    _, requests = run(stage(AlertSettings("gate")), [finding(2.0 * n, [], seq=n) for n in range(100)])
    assert [(r.reason, round(r.ref.at_s - START_S)) for r in requests] == [
        ("periodic", 60),
        ("periodic", 120),
        ("periodic", 180),
    ]


def test_no_slow_look_when_switched_off() -> None:
    asking = Asking(AskSettings(every_s=0))
    facts = SceneFacts("gate", 0, 3)
    looks = [Moment(finding(2.0 * n, [], seq=n), (), facts=facts) for n in range(500)]
    assert [asking.ask(look, [], lambda _: ("", "")) for look in looks] == [()] * 500


def test_a_clock_that_is_set_back_does_not_silence_the_asking() -> None:
    asking = Asking(AskSettings(scene_gap_s=1000, settle_s=0))
    person_seen = SceneFacts("gate", 0, 3, (SceneObject(1, "person", 0.9, (0, 0, 1, 1)),))
    late = Moment(finding(5_000, []), (), facts=person_seen)
    early = Moment(finding(10, []), (), facts=SceneFacts("gate", 0, 3))
    assert [r.reason for r in asking.ask(late, [], lambda _: ("", ""))] == ["scene_change"]
    assert [r.reason for r in asking.ask(early, [], lambda _: ("", ""))] == ["scene_change"]


def test_seconds_have_to_be_seconds() -> None:
    with pytest.raises(ValueError, match="scene_gap_s"):
        AskSettings(scene_gap_s=float("nan"))
