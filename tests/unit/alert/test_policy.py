"""Opening, updating, closing, cooling down, merging and blindness, with a judge that says what the test wants."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest

from pipeline.alert.policy import Timing
from pipeline.alert.settings import AlertSettings, Line, LineRule, LoiteringRule, PolicySettings, Rule, Zone, ZoneRule
from pipeline.alert.stage import AlertStage
from pipeline.protocols import Json, Moment, Suspicion
from pipeline.types import Alert, Evidence, Finding, Track
from tests.unit.alert.acting import (
    START_S,
    KnowingTracker,
    Thing,
    finding,
    person,
    phases,
    play,
    scene,
    shown,
    stage_of,
    thing,
)

RULE = LoiteringRule(name="r", open_after_s=1, close_after_s=2, cool_down_s=10)


def suspicion(
    key: str = "k", *, severity: str = "warning", tracks: Sequence[Track] = (), score: float = 0.5
) -> Suspicion:
    return Suspicion(
        "loitering", key, "r", severity, score, "Title", "Text.", tuple(tracks), (Evidence("c", 1.0, "", ""),)
    )


def track(number: int, x: float = 100) -> Track:
    return Track(number, "person", 0.9, (x, 100, x + 40, 200), START_S, START_S)


class ScriptedJudge:
    """Says what ``script(t)`` says."""

    def __init__(self, script: Callable[[float], Sequence[Suspicion]]) -> None:
        self._script = script

    def judge(self, moment: Moment) -> Sequence[Suspicion]:
        return self._script(round(moment.finding.ref.at_s - START_S, 3))

    def state(self) -> Json:
        return {}

    def restore(self, state: Json) -> None:
        pass


def run(
    script: Callable[[float], Sequence[Suspicion]],
    until_s: float = 20,
    *,
    rule: Rule = RULE,
    policy: PolicySettings | None = None,
    looks: Sequence[Finding] | None = None,
) -> list[Alert]:
    settings = AlertSettings("gate", rules=(rule,), policy=policy or PolicySettings())
    stage = AlertStage(settings, KnowingTracker(), [ScriptedJudge(script)])
    return play(stage, looks if looks is not None else scene(lambda _: [], until_s))


def test_a_breach_has_to_hold() -> None:
    assert shown(run(lambda t: [suspicion()] if t < 5 else []))[0] == ("opened", "loitering", 1.0)
    assert run(lambda t: [suspicion()] if t < 0.9 else []) == []


def test_moments_without_it_are_held_against_it() -> None:
    assert run(lambda t: [suspicion()] if round(t * 5) % 3 == 0 else []) == []
    most_of_the_time = run(lambda t: [suspicion()] if round(t * 5) % 5 else [])
    assert shown(most_of_the_time)[0][:2] == ("opened", "loitering")
    assert shown(most_of_the_time)[0][2] > 1.0


def test_it_closes_when_it_was_last_seen_and_says_how_long_it_lasted() -> None:
    closed = run(lambda t: [suspicion()] if t <= 5 else [])[-1]
    assert closed.phase == "closed"
    assert closed.updated_at.timestamp() - START_S == pytest.approx(7.0)
    assert closed.closed_at is not None
    assert closed.closed_at.timestamp() - START_S == pytest.approx(5.0)
    assert closed.text == "Ended after 4.0 s. The alert was: Text."


def test_a_short_break_does_not_close_it() -> None:
    alerts = run(lambda t: [] if 3 < t < 4.6 else [suspicion()])
    assert phases(alerts) == [("opened", "loitering")]


def test_cool_down_swallows_what_comes_back_too_soon_and_no_more() -> None:
    def thrice(t: float) -> Sequence[Suspicion]:
        return [suspicion()] if t < 3 or 8 < t < 11 or t > 16 else []

    alerts = run(thrice, 30)
    assert [(a.phase, round(a.updated_at.timestamp() - START_S, 1)) for a in alerts if a.phase == "opened"] == [
        ("opened", 1.0),
        ("opened", pytest.approx(17.2)),
    ]
    assert len({a.id for a in alerts}) == 2


def test_what_outlasts_the_cool_down_opens_after_it() -> None:
    alerts = run(lambda t: [suspicion()] if t < 3 or t > 7 else [], 30)
    opened = [round(a.updated_at.timestamp() - START_S, 1) for a in alerts if a.phase == "opened"]
    assert opened == [1.0, pytest.approx(15.0, abs=0.21)]  # closed at 4.8, cool until 14.8


def test_a_newcomer_is_not_held_back_by_the_cool_down() -> None:
    def decoy_then_thief(t: float) -> Sequence[Suspicion]:
        return [suspicion(tracks=[track(1)])] if t < 3 else [suspicion(tracks=[track(2, 400)])] if t > 7 else []

    opened = [a for a in run(decoy_then_thief, 10) if a.phase == "opened"]
    assert [[t.id for t in a.tracks] for a in opened] == [[1], [2]]


@pytest.mark.parametrize(
    "again", [track(1, 400), track(2, 105)], ids=["the same one elsewhere", "another id, same place"]
)
def test_the_same_object_is_held_back_by_the_cool_down(again: Track) -> None:
    alerts = run(
        lambda t: [suspicion(tracks=[track(1)])] if t < 3 else [suspicion(tracks=[again])] if t > 7 else [], 12
    )
    assert [a.phase for a in alerts] == ["opened", "closed"]


def test_something_worse_breaks_through_the_cool_down() -> None:
    alerts = run(lambda t: [suspicion()] if t < 3 else [suspicion(severity="critical")] if t > 7 else [], 12)
    assert [a.severity for a in alerts if a.phase == "opened"] == ["warning", "critical"]


def test_updates_come_for_news_and_at_a_bounded_rate() -> None:
    def joined_by_others(t: float) -> Sequence[Suspicion]:
        newest = int(t * 2)
        return [suspicion(tracks=[track(i, 60 * i) for i in range(max(0, newest - 4), newest + 1)])]

    alerts = run(joined_by_others, 40)
    updates = [a.updated_at.timestamp() for a in alerts if a.phase == "updated"]
    told = [1.0, *(at - START_S for at in updates)]
    assert [round(b - a, 1) for a, b in itertools.pairwise(told)] == [2, 4, 8, 16]  # a newcomer every half second
    assert [a.revision for a in alerts] == [1, 2, 3, 4, 5]


def test_without_news_it_reports_now_and_then() -> None:
    alerts = run(lambda t: [suspicion(tracks=[track(1)])], 100)
    assert shown(alerts) == [("opened", "loitering", 1.0)] + [("updated", "loitering", 1.0 + 30 * k) for k in (1, 2, 3)]


def test_a_rise_in_severity_is_told_at_once() -> None:
    alerts = run(lambda t: [suspicion(severity="critical" if t >= 1.4 else "info")], 3)
    assert [(a.phase, a.severity) for a in alerts] == [("opened", "info"), ("updated", "critical")]
    assert shown(alerts)[1][2] == 1.4


def test_the_score_keeps_its_peak() -> None:
    alerts = run(lambda t: [suspicion(score=0.9 if t == 2 else 0.4)] if t < 5 else [], 10)
    assert [a.score for a in alerts] == [0.4, 0.9]


def test_a_new_track_where_the_old_one_was_lost_continues_the_incident() -> None:
    def switches(t: float) -> Sequence[Suspicion]:
        return (
            [suspicion("r:1", tracks=[track(1)])]
            if t < 5
            else [suspicion("r:2", tracks=[track(2, 110)])]
            if t < 10
            else []
        )

    alerts = run(switches)
    assert phases(alerts) == [("opened", "loitering"), ("closed", "loitering")]
    assert [t.id for a in alerts for t in a.tracks] == [1, 2, 2]  # the newcomer is news


def test_two_boxes_on_one_object_are_one_incident() -> None:
    doubles = [suspicion("r:1", tracks=[track(1)]), suspicion("r:2", tracks=[track(2, 105)])]
    alerts = run(lambda t: doubles if t < 8 else [])
    assert phases(alerts) == [("opened", "loitering"), ("closed", "loitering")]
    assert [t.id for t in alerts[0].tracks] == [1, 2]


def test_two_objects_apart_are_two_incidents() -> None:
    apart = [suspicion("r:1", tracks=[track(1)]), suspicion("r:2", tracks=[track(2, 300)])]
    alerts = run(lambda t: apart, 5)
    assert len({a.id for a in alerts}) == 2


def test_a_covered_lens_neither_ends_nor_invents_an_incident() -> None:
    def cover(t: float) -> Finding:
        is_dark = 5 <= t < 25
        return finding(
            t, [] if is_dark else [person(1, 400)], seq=round(t * 5), conditions=("covered",) if is_dark else ()
        )

    yard = Zone("yard", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))
    settings = AlertSettings("gate", zones=(yard,), rules=(ZoneRule(name="z", zone="yard"),))
    alerts = play(stage_of(settings), [cover(k / 5) for k in range(150)])
    assert phases(alerts) == [("opened", "zone"), ("opened", "camera_health"), ("closed", "camera_health")]


def test_a_lens_that_stays_covered_closes_it_and_says_why() -> None:
    looks = [finding(k / 5, [], seq=k) for k in range(25)]
    looks += [finding(5 + k, None, seq=25 + k, conditions=("offline",)) for k in range(100)]
    closed = run(lambda t: [suspicion()] if t < 5 else [], looks=looks)[-1]
    assert closed.phase == "closed"
    assert closed.text == "Ended after 3.8 s, because the camera cannot see any more. The alert was: Text."
    assert closed.updated_at.timestamp() - START_S == pytest.approx(64, abs=1.01)


def test_a_kind_without_rules_has_a_timing_of_its_own() -> None:
    unusual = Suspicion("unusual", "u", None, "warning", 0.9, "T", "t", (), (Evidence("motion", 1.0, "", ""),))
    settings = AlertSettings("gate")
    stage = AlertStage(
        settings, KnowingTracker(), [ScriptedJudge(lambda t: [unusual])], timings={"unusual": Timing(3.0, 1.0, 0.0)}
    )
    assert shown(play(stage, scene(lambda _: [], 5))) == [("opened", "unusual", 3.0)]


def test_late_comers_of_a_momentary_breach_are_told_of_when_their_turn_comes() -> None:
    def three(t: float) -> list[Thing]:
        return [person(i, 150 - 30 * i + 40 * t, foot_y=150 + 40 * i) for i in (1, 2, 3)]

    settings = AlertSettings(
        "gate", lines=(Line("sill", (0.5, 0.9), (0.5, 0.1)),), rules=(LineRule(name="l", line="sill"),)
    )
    alerts = play(stage_of(settings), scene(three, 12))
    assert [a.phase for a in alerts] == ["opened", "updated", "closed"]
    assert [track.id for track in alerts[1].tracks] == [2, 3]


def test_many_suspicions_stay_bounded() -> None:
    settings = AlertSettings("gate", rules=(RULE,))
    stage = AlertStage(
        settings, KnowingTracker(), [ScriptedJudge(lambda t: [suspicion(f"k{t}:{i}") for i in range(50)])]
    )
    play(stage, scene(lambda _: [thing(1, "car", 90)], 20))
    assert len(stage.state()["policy"]["incidents"]) <= 256
