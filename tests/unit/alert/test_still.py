"""Objects left and removed, with owners, flicker, people in front, and cameras that move."""

from __future__ import annotations

from pipeline.alert.settings import AlertSettings, ObjectLeftRule, ObjectRemovedRule, Rule
from pipeline.types import Alert
from tests.unit.alert.acting import Thing, finding, person, phases, play, scene, shown, stage_of, thing

LEFT = ObjectLeftRule(name="left", min_still_s=8)
GONE = ObjectRemovedRule(name="gone", min_still_s=10, min_gone_s=3)
BAG = thing(50, "backpack", 300, foot_y=300)


def _run(rule: Rule, path: object, until_s: float) -> list[Alert]:
    return play(stage_of(AlertSettings("gate", rules=(rule,))), scene(path, until_s))  # type: ignore[arg-type]


def _drops_and_walks(t: float) -> list[Thing]:
    """Puts a bag down at 5 s, stays till 10 s, walks off."""
    owner_x = 300 if t < 10 else 300 - 60 * (t - 10)
    owner = [person(1, owner_x, foot_y=300)] if owner_x > 20 else []
    return owner + ([BAG] if t >= 5 else [])


def test_a_bag_is_left_when_its_owner_is_away_long_enough() -> None:
    alerts = _run(LEFT, _drops_and_walks, 30)
    assert phases(alerts) == [("opened", "object_left")]
    # 1.5 heights = 150 px away from 12.5 s on
    assert 20.5 <= shown(alerts)[0][2] <= 21.2
    assert {e.cue for e in alerts[0].evidence} == {"still", "alone"}
    assert [track.label for track in alerts[0].tracks] == ["backpack"]


def test_the_words_never_say_alone_for_longer_than_there() -> None:
    together = _run(LEFT, _drops_and_walks, 30)[0]
    assert together.text == (
        "A backpack has stood in view for 16 s, the last 8.4 s with nobody by it; up to 8.0 s is allowed."
    )
    thrown = _run(LEFT, lambda t: [BAG] if t >= 5 else [], 30)[0]
    assert thrown.text == "A backpack has stood in view for 8.4 s with nobody by it; up to 8.0 s is allowed."
    assert [e.observed for e in thrown.evidence] == ["at one place for 8.4 s", "nobody near for 8.4 s"]


def test_the_incident_closes_when_the_bag_is_taken() -> None:
    alerts = _run(LEFT, lambda t: _drops_and_walks(t) if t < 26 else [], 40)
    assert phases(alerts) == [("opened", "object_left"), ("closed", "object_left")]


def test_a_bag_with_its_owner_is_not_left() -> None:
    assert _run(LEFT, lambda t: [person(1, 320), *([BAG] if t >= 5 else [])], 40) == []


def test_a_passer_by_is_not_the_owner() -> None:
    def passing(t: float) -> list[Thing]:
        other = [person(2, 290, foot_y=310)] if 14 < t < 17 else []
        return _drops_and_walks(t) + other

    assert 20.5 <= shown(_run(LEFT, passing, 30))[0][2] <= 21.2


def test_what_stood_there_from_the_start_was_not_left() -> None:
    assert _run(LEFT, lambda _: [BAG], 30) == []


def test_a_flickering_bag_is_still_one_bag() -> None:
    def flickers(t: float) -> list[Thing]:
        return [each for each in _drops_and_walks(t) if each.label == "person" or round(t * 5) % 3]

    assert phases(_run(LEFT, flickers, 30)) == [("opened", "object_left")]


def test_a_carried_bag_is_not_left() -> None:
    assert _run(LEFT, lambda t: [thing(50, "backpack", 50 + 15 * t)], 30) == []


def test_a_removed_object_is_noticed_once_its_place_is_in_plain_view() -> None:
    def taken(t: float) -> list[Thing]:
        thief = [person(9, 300, foot_y=310)] if 14 <= t < 18 else []
        return thief + ([BAG] if t < 15 else [])

    alerts = _run(GONE, taken, 60)
    assert phases(alerts) == [("opened", "object_removed"), ("closed", "object_removed")]
    assert 21.0 <= shown(alerts)[0][2] <= 21.6  # 3 s of plain view after 18 s
    assert "is gone" in alerts[0].text


def test_somebody_standing_in_front_removes_nothing() -> None:
    assert _run(GONE, lambda t: [BAG] if t < 15 else [person(9, 300, foot_y=310)], 60) == []


def test_a_detector_that_rarely_sees_it_is_given_time() -> None:
    assert _run(GONE, lambda t: [BAG] if round(t * 5) % 10 == 0 else [], 60) == []


def test_what_stood_there_briefly_is_not_missed() -> None:
    assert _run(GONE, lambda t: [BAG] if t < 5 else [], 30) == []


def test_a_camera_that_is_turned_away_loses_no_objects() -> None:
    stage = stage_of(AlertSettings("gate", rules=(GONE,)))
    before = scene(lambda _: [BAG], 20)
    turned = [finding(20 + k / 5, [], seq=101 + k, conditions=("moved",)) for k in range(1, 100)]
    assert [a.kind for a in play(stage, before + turned) if a.kind != "camera_health"] == []


def test_a_covered_camera_loses_no_objects() -> None:
    stage = stage_of(AlertSettings("gate", rules=(GONE,)))
    before = scene(lambda _: [BAG], 20)
    covered = [finding(20 + k / 5, [], seq=101 + k, conditions=("covered",)) for k in range(1, 100)]
    again = [finding(40 + k / 5, [BAG], seq=300 + k) for k in range(20)]
    assert [a.kind for a in play(stage, before + covered + again) if a.kind != "camera_health"] == []
