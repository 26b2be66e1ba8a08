"""Zone, loitering, crowd, forbidden class and absence: when they open, when they close, and what they say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.alert.schedule import Schedule, Window
from pipeline.alert.settings import (
    AbsenceRule,
    AlertSettings,
    CrowdRule,
    ForbiddenClassRule,
    LoiteringRule,
    Rule,
    Zone,
    ZoneRule,
)
from tests.unit.alert.acting import START_S, Thing, finding, person, phases, play, scene, shown, stage_of, thing

YARD = Zone("yard", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))  # the right half: x > 320


def _settings(*rules: Rule) -> AlertSettings:
    return AlertSettings("gate", zones=(YARD,), rules=rules)


def _visit(t: float) -> list[Thing]:
    """Somebody enters the yard at 2 s and is gone from 8 s on."""
    return [] if t >= 8 else [person(1, 420 if t >= 2 else 200)]


def test_an_intrusion_opens_once_and_closes_once() -> None:
    alerts = play(stage_of(_settings(ZoneRule(name="keep out", zone="yard"))), scene(_visit, 20))
    assert shown(alerts) == [("opened", "zone", 2.4), ("closed", "zone", 12.8)]
    opened, closed = alerts
    assert opened.id == closed.id
    assert (opened.revision, closed.revision) == (1, 2)
    assert closed.closed_at is not None
    assert closed.closed_at.timestamp() - START_S == pytest.approx(7.8)  # last seen there
    assert opened.title == "A person in ‘yard’"
    assert [(e.cue, e.share) for e in opened.evidence] == [("zone", 1.0)]
    assert opened.tracks[0].xyxy_norm == pytest.approx((0.625, 200 / 360, 0.6875, 300 / 360))
    assert (opened.rule, opened.config_hash) == ("keep out", "cafe")
    assert opened.models == {"describer": "grounded", "detector": "fake/1"}


def test_the_foot_point_decides_not_the_box() -> None:
    low = Zone("lawn", ((0.0, 0.9), (1.0, 0.9), (1.0, 1.0), (0.0, 1.0)))
    settings = AlertSettings("gate", zones=(low,), rules=(ZoneRule(name="z", zone="lawn"),))
    assert play(stage_of(settings), scene(lambda _: [person(1, 300, foot_y=300)], 4)) == []
    assert phases(play(stage_of(settings), scene(lambda _: [person(1, 300, foot_y=340)], 4))) == [("opened", "zone")]


def test_a_single_wrong_look_opens_nothing() -> None:
    stage = stage_of(_settings(ZoneRule(name="z", zone="yard")))
    assert play(stage, scene(lambda t: [person(1, 400)] if t == 3 else [], 10)) == []


def test_a_detector_that_flickers_makes_one_incident() -> None:
    stage = stage_of(_settings(ZoneRule(name="z", zone="yard")))
    alerts = play(stage, scene(lambda t: [person(1, 400)] if round(t * 5) % 5 < 3 and t < 20 else [], 30))
    assert phases(alerts) == [("opened", "zone"), ("closed", "zone")]


def test_min_dwell_and_the_schedule_are_evidence_of_their_own() -> None:
    tuesday = Schedule((Window(14 * 60, 15 * 60, (0,)),), "UTC")
    rule = ZoneRule(name="z", zone="yard", min_dwell_s=3, schedule=tuesday)
    alerts = play(stage_of(_settings(rule)), scene(_visit, 9))
    assert shown(alerts)[0] == ("opened", "zone", 5.4)
    assert {e.cue: e.share for e in alerts[0].evidence} == pytest.approx(
        {"zone": 1 / 3, "dwell": 1 / 3, "schedule": 1 / 3}
    )
    assert alerts[0].evidence[2].observed == "Monday 14:13 (UTC)"
    assert alerts[0].evidence[2].normal == "outside 14:00–15:00 Monday (UTC)"


def test_out_of_hours_nothing_opens_and_what_is_open_closes() -> None:
    end_s = datetime(2026, 9, 21, 14, 13, 26, tzinfo=UTC).timestamp()
    assert end_s == START_S + 6
    until = Schedule((Window(0, 14 * 60 + 13),), "UTC")  # ended at 14:13:00
    assert play(stage_of(_settings(ZoneRule(name="z", zone="yard", schedule=until))), scene(_visit, 9)) == []
    to_1414 = Schedule((Window(0, 14 * 60 + 14),), "UTC")
    stage = stage_of(_settings(ZoneRule(name="z", zone="yard", schedule=to_1414)))
    alerts = play(stage, scene(lambda _: [person(1, 400)], 60))  # 14:13:20 to 14:14:20
    assert shown(alerts)[-1] == ("closed", "zone", 44.8)  # the last breach at 39.8, and 5 s more


def test_only_the_wanted_labels_and_sure_tracks_count() -> None:
    stage = stage_of(_settings(ZoneRule(name="z", zone="yard", labels=("vehicle",), min_confidence=0.5)))
    assert play(stage, scene(lambda _: [person(1, 400), thing(2, "car", 500, confidence=0.4)], 5)) == []
    assert phases(play(stage, scene(lambda _: [thing(2, "truck", 500)], 9, from_s=6))) == [("opened", "zone")]


def test_loitering_is_counted_per_object_and_forgives_a_short_absence() -> None:
    rule = LoiteringRule(name="lo", zone="yard", min_stay_s=10, max_absence_s=3)

    def two(t: float) -> list[Thing]:
        stays = [] if 5 < t < 7 else [person(1, 400)]
        passes = [person(2, 330 + 20 * t)] if t < 8 else []
        return stays + passes

    alerts = play(stage_of(_settings(rule)), scene(two, 15))
    assert shown(alerts) == [("opened", "loitering", 10.4)]
    assert [track.id for track in alerts[0].tracks] == [1]
    assert alerts[0].text == "A person has been in ‘yard’ for 10 s; at most 10 s is allowed."


def test_loiterers_are_one_incident_that_names_who_joins() -> None:
    rule = LoiteringRule(name="lo", min_stay_s=5)
    alerts = play(
        stage_of(_settings(rule)), scene(lambda t: [person(1, 100), *([person(2, 400)] if t > 3 else [])], 12)
    )
    assert shown(alerts) == [("opened", "loitering", 5.4), ("updated", "loitering", 8.2)]
    assert len({a.id for a in alerts}) == 1
    assert [track.id for track in alerts[1].tracks] == [1, 2]
    assert alerts[1].title == "2 people loiter in view"
    assert alerts[1].text.startswith("2 people have been in view, the longest of them for 8")


def test_a_crowd_needs_enough_people_for_long_enough() -> None:
    rule = CrowdRule(name="cr", min_count=3, min_duration_s=2)

    def gathering(t: float) -> list[Thing]:
        return [person(i, 100 * i) for i in range(1, 3 if t < 2 else 5)]

    alerts = play(stage_of(_settings(rule)), scene(gathering, 6))
    assert shown(alerts)[0] == ("opened", "crowd", 4.4)
    assert alerts[0].evidence[0].observed == "4 at once"
    assert alerts[0].score > 0.99


def test_a_forbidden_class_is_named() -> None:
    alerts = play(
        stage_of(_settings(ForbiddenClassRule(name="no dogs", labels=("dog",)))),
        scene(lambda _: [thing(4, "dog", 90)], 3),
    )
    assert [(a.kind, a.title) for a in alerts] == [("forbidden_class", "A dog in view")]


def test_an_absence_opens_after_its_time_and_closes_on_return() -> None:
    rule = AbsenceRule(name="post", zone="yard", min_absence_s=5)
    alerts = play(stage_of(_settings(rule)), scene(lambda t: [person(1, 400)] if t < 2 or t > 12 else [], 16))
    assert [(phase, kind) for phase, kind, _ in shown(alerts)] == [("opened", "absence"), ("closed", "absence")]
    assert shown(alerts)[0][2] == pytest.approx(7.2, abs=0.21)
    assert alerts[0].tracks == ()


def test_unseen_time_is_no_absence() -> None:
    rule = AbsenceRule(name="post", min_absence_s=5)
    stage = stage_of(_settings(rule))
    dark = [finding(k, None, seq=k, conditions=("offline",)) for k in range(1, 60)]
    alerts = play(stage, [finding(0, [person(1, 400)], seq=0), *dark, finding(60, [], seq=60), finding(61, [], seq=61)])
    assert [a.kind for a in alerts if a.kind == "absence"] == []


def test_a_blurred_picture_proves_no_absence() -> None:
    stage = stage_of(_settings(AbsenceRule(name="post", min_absence_s=5)))
    blurred = [finding(k / 5, [], seq=k, conditions=("defocused",)) for k in range(1, 100)]
    assert [a.kind for a in play(stage, blurred) if a.kind == "absence"] == []


def test_heartbeats_carry_a_standing_person_through_the_quiet() -> None:
    stage = stage_of(_settings(LoiteringRule(name="lo", min_stay_s=20)))
    beats = [finding(2.0 * k, [person(1, 400)], seq=k, gate="heartbeat") for k in range(16)]
    assert shown(play(stage, beats))[0] == ("opened", "loitering", 22.0)
