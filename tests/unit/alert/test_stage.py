"""The stage as a whole: order, redelivery, ends, sessions, gaps, hostile names, and what its state refuses."""

from __future__ import annotations

import json

import pytest

from pipeline.alert.message import to_json
from pipeline.alert.settings import AlertSettings, LoiteringRule, ObjectRemovedRule, Zone, ZoneRule
from pipeline.alert.stage import AlertStage, standard_judges
from pipeline.track.bytetrack import ByteTracker
from tests.unit.alert.acting import (
    START_S,
    KnowingTracker,
    finding,
    person,
    phases,
    play,
    scene,
    shown,
    stage_of,
    thing,
)

YARD = Zone("yard", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))
SETTINGS = AlertSettings(
    "gate", zones=(YARD,), rules=(ZoneRule(name="z", zone="yard"), LoiteringRule(name="lo", min_stay_s=8))
)


def test_a_redelivered_finding_changes_nothing() -> None:
    looks = scene(lambda t: [person(1, 400)] if t < 10 else [], 20)
    twice = [each for look in looks for each in (look, look)]
    again = [*looks[:40], *looks[10:]]
    plain = [to_json(a) for a in play(stage_of(SETTINGS), looks)]
    assert [to_json(a) for a in play(stage_of(SETTINGS), twice)] == plain
    assert [to_json(a) for a in play(stage_of(SETTINGS), again)] == plain


def test_the_end_of_a_recording_closes_everything_at_its_media_time() -> None:
    looks = scene(lambda _: [person(1, 400)], 10)
    alerts = play(stage_of(SETTINGS), [*looks, finding(10.7, None, seq=99, ended=True)])
    closed = [a for a in alerts if a.phase == "closed"]
    assert len(closed) == 2
    for alert in closed:
        assert alert.closed_at == alert.updated_at
        assert alert.updated_at.timestamp() - START_S == pytest.approx(10.7)
        assert alert.text.startswith("Ended after")


def test_after_the_end_nothing_is_inherited() -> None:
    settings = AlertSettings("gate", rules=(ObjectRemovedRule(name="gone", min_still_s=5, min_gone_s=2),))
    stage = stage_of(settings)
    play(stage, [*scene(lambda _: [thing(1, "suitcase", 200)], 10), finding(11, None, seq=60, ended=True)])
    other = [finding(20 + k / 5, [], seq=k, session=2) for k in range(100)]
    assert play(stage, other) == []


def test_a_new_session_starts_dwell_times_anew() -> None:
    stage = stage_of(SETTINGS)
    first = scene(lambda _: [person(1, 100)], 6)
    second = [finding(6.2 + k / 5, [person(1, 100)], seq=k, session=2) for k in range(30)]
    assert play(stage, first + second) == []


def test_an_older_session_is_ignored_and_a_newer_one_with_an_earlier_clock_is_not() -> None:
    stage = stage_of(SETTINGS)
    play(stage, [finding(5, [], seq=3, session=5)])
    assert play(stage, [finding(6 + k / 5, [person(1, 400)], seq=k, session=4) for k in range(20)]) == []
    alerts = play(stage, [finding(1 + k / 5, [person(1, 400)], seq=k, session=6) for k in range(20)])
    assert phases(alerts) == [("opened", "zone")]


def test_a_few_dropped_frames_change_nothing_that_matters() -> None:
    looks = scene(lambda t: [person(1, 400)] if t < 10 else [], 20)
    kept = [look for i, look in enumerate(looks) if i % 3 != 1]
    assert phases(play(stage_of(SETTINGS), kept)) == phases(play(stage_of(SETTINGS), looks))


def test_a_long_hole_is_no_evidence() -> None:
    settings = AlertSettings("gate", zones=(YARD,), rules=(ZoneRule(name="z", zone="yard", open_after_s=2),))
    sparse = [finding(30.0 * k, [person(1, 400)], seq=10 * k) for k in range(6)]
    assert play(stage_of(settings), sparse) == []


def test_a_slow_heartbeat_still_counts_time() -> None:
    stage = stage_of(SETTINGS)
    beats = [finding(20.0 * k, [person(1, 400)], seq=k, gate="heartbeat") for k in range(4)]
    assert {kind for _, kind, _ in shown(play(stage, beats))} == {"zone", "loitering"}


def test_hostile_names_cannot_leave_their_quotes_or_the_line() -> None:
    name = "<script>alert(1)</script>’ is safe. ‘"
    settings = AlertSettings("gate", zones=(Zone(name, YARD.polygon_norm),), rules=(ZoneRule(name="z", zone=name),))
    alert = play(stage_of(settings), scene(lambda _: [person(1, 400)], 3))[0]
    for text in (alert.title, alert.text, alert.evidence[0].observed):
        assert "<" not in text
        assert text.count("’") == text.count("‘") == text.count("‘‹script›") <= 2
    assert "\n" not in to_json(alert)


def test_an_unknown_picture_size_judges_nothing_and_breaks_nothing() -> None:
    looks = [finding(k / 5, [person(1, 400)], seq=k, source_wh=(0, 0)) for k in range(30)]
    assert play(stage_of(SETTINGS), looks) == []


def test_another_picture_size_forgets_pixels() -> None:
    settings = AlertSettings("gate", rules=(ObjectRemovedRule(name="gone", min_still_s=5, min_gone_s=2),))
    small = scene(lambda _: [thing(1, "suitcase", 200)], 10)
    large = [
        finding(10 + k / 5, [thing(1, "suitcase", 600, 900, 90)], seq=100 + k, source_wh=(1920, 1080))
        for k in range(1, 60)
    ]
    assert play(stage_of(settings), small + large) == []


def test_the_wrong_camera_is_a_mistake() -> None:
    stage = AlertStage(AlertSettings("door"), KnowingTracker(), ())
    with pytest.raises(ValueError, match="expected camera 'door', got 'gate'"):
        stage.step(finding(0))


def test_ids_depend_on_what_opened_and_on_nothing_else() -> None:
    looks = scene(lambda t: [person(1, 400)], 4)
    ids = [a.id for a in play(stage_of(SETTINGS), looks)]
    assert ids == [a.id for a in play(stage_of(SETTINGS), looks)]
    later = scene(lambda t: [person(1, 400)] if t >= 1 else [], 5)
    assert ids != [a.id for a in play(stage_of(SETTINGS), later)]
    assert all(len(i) == 18 and i.startswith("a_") for i in ids)


def test_a_state_of_something_else_is_refused() -> None:
    good = json.loads(json.dumps(stage_of(SETTINGS).state()))
    wrong: list[dict[str, object]] = [
        {"version": 1},
        {"camera": "door"},
        {"judges": []},
        {"tracker": {}},
        {"policy": {"version": 9}},
    ]
    for changes in wrong:
        with pytest.raises(ValueError, match=r"state|first"):
            stage_of(SETTINGS).restore({**good, **changes})
    with pytest.raises(ValueError, match="damaged"):
        stage_of(SETTINGS).restore({})


def test_a_changed_config_resumes_with_the_rules_it_has() -> None:
    stage = stage_of(SETTINGS)
    play(stage, scene(lambda _: [person(1, 400)], 5))
    fewer = AlertSettings("gate", zones=(YARD,), rules=(LoiteringRule(name="lo", min_stay_s=8),))
    resumed = stage_of(fewer)
    resumed.restore(json.loads(json.dumps(stage.state())))
    alerts = play(resumed, scene(lambda _: [person(1, 400)], 14, from_s=5.2))
    assert [(p, k) for p, k, _ in shown(alerts)] == [("opened", "loitering"), ("closed", "zone")]


def test_minutes_of_comings_and_goings_keep_the_state_small() -> None:
    stage = AlertStage(SETTINGS, ByteTracker(), standard_judges(SETTINGS))
    sizes = []
    for k in range(1200):
        things = [person(i, (37 * i + 11 * k * i) % 640, foot_y=120 + (53 * i + k) % 220) for i in range(1, 9)]
        stage.step(finding(k / 5, things, seq=k))
        if k % 200 == 199:
            sizes.append(len(json.dumps(stage.state())))
    assert max(sizes) < 1.5 * sizes[0] + 50_000
