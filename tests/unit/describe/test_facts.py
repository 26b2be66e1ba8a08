"""Facts of scripted scenes whose truth is known to the centimetre."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipeline.describe.facts import FactsFold
from pipeline.describe.ground import Ground
from pipeline.protocols import Moment
from pipeline.types import Finding
from tests.unit.describe.acting import CAMERA, WH, Actor, Box, Camera, bystanders, facts_after, moments, walker, word

HALF = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]


def test_counts_each_label() -> None:
    car = Actor(3, lambda _: CAMERA.box(4, 14, 1.5, 4.0), "car")
    facts = facts_after([walker(1, -1, 10), walker(2, 2, 12), car], 2)
    assert {(f.value, f.amount) for f in facts.of("count")} == {("person", 2.0), ("car", 1.0)}
    assert {one.id for one in facts.objects} == {1, 2, 3}


@pytest.mark.parametrize(
    ("vx", "vz", "heading"), [(1.3, 0.1, "right"), (-1.3, 0.2, "left"), (0.1, 1.3, "away"), (-0.2, -1.3, "towards")]
)
def test_heading_as_the_camera_sees_it(vx: float, vz: float, heading: str) -> None:
    facts = facts_after([*bystanders(), walker(1, -vx, 13 - vz, vx, vz)], 3)
    assert word(facts, "heading", 1) == heading
    assert word(facts, "speed", 1) == "walking"


@pytest.mark.parametrize(("speed", "expected"), [(0.0, "still"), (0.5, "slow"), (1.4, "walking"), (3.5, "running")])
def test_speed_classes_at_any_distance(speed: float, expected: str) -> None:
    for away_m in (8.0, 18.0):
        facts = facts_after([*bystanders(), walker(1, -speed * 1.5, away_m, speed)], 3)
        assert word(facts, "speed", 1) == expected, away_m


def test_who_walks_behind_a_wall_does_not_leap() -> None:
    """Feet that vanish look like a leap away from the camera; the head says otherwise."""

    def box(t: float) -> Box:
        x1, y1, x2, y2 = CAMERA.box(-3 + 1.3 * t, 14)
        return (x1, y1, x2, y2 - (0.45 * (y2 - y1) if t > 1.6 else 0.0))

    facts = facts_after([*bystanders(), Actor(1, box)], 2.4)
    assert word(facts, "speed", 1) == "walking"
    assert word(facts, "heading", 1) == "right"


def test_zone_entered_stayed_in_and_left() -> None:
    fold = FactsFold("cam", {"half": HALF})
    seen = [fold.step(moment) for moment in moments([walker(1, 3.0, 12, -1.2)], 7)]
    values = [[(f.value, f.other) for f in facts.of("zone", 1)] for facts in seen]
    assert values[0] == []
    assert [("entering", "half")] in values
    assert values[-1] == [("inside", "half")]
    dwell = [f.amount for f in seen[-1].of("dwell", 1) if f.value == "zone"]
    crossed_s = 3.0 / 1.2
    assert dwell[0] == pytest.approx(6.8 - crossed_s, abs=0.4)
    fold = FactsFold("cam", {"half": HALF})
    last = [fold.step(m) for m in moments([walker(1, -1.0, 12, 1.2)], 3)][-1]
    assert [f.value for f in last.of("zone", 1)] == ["leaving"]


def test_flicker_on_the_border_is_one_stay() -> None:
    def box(t: float) -> Box:
        return CAMERA.box(-0.05 if round(t * 5) % 3 else 0.05, 12)

    facts = facts_after([Actor(1, box)], 10, zones={"half": HALF})
    dwell = [f.amount for f in facts.of("dwell", 1) if f.value == "zone"]
    assert dwell
    assert dwell[0] == pytest.approx(9.8, abs=1.0)


def test_posture() -> None:
    def lying(_: float) -> Box:
        x, foot = CAMERA.pixel(0, 12)
        tall = foot - CAMERA.box(0, 12)[1]
        return (x - 0.5 * tall, foot - 0.35 * tall, x + 0.5 * tall, foot)

    def bent(_: float) -> Box:
        x1, y1, x2, y2 = CAMERA.box(2, 12)
        return (x1, y2 - 0.6 * (y2 - y1), x2 + 0.1 * (x2 - x1), y2)

    facts = facts_after([*bystanders(), Actor(1, lying), Actor(2, bent), walker(3, -2, 12)], 3)
    assert [word(facts, "posture", i) for i in (1, 2, 3)] == ["lying", "bent", "upright"]


def test_who_walks_on_is_not_bent_though_half_hidden() -> None:
    def box(t: float) -> Box:
        x1, y1, x2, y2 = CAMERA.box(-3 + 1.3 * t, 14)
        return (x1, y1, x2, y2 - 0.4 * (y2 - y1))

    assert word(facts_after([*bystanders(), Actor(1, box)], 3), "posture", 1) == "upright"


def test_colour_needs_more_than_one_look() -> None:
    red = Actor(1, lambda _: CAMERA.box(0, 10), colour="red")
    assert word(facts_after([red], 0.2), "colour", 1) is None
    facts = facts_after([red, walker(2, 3, 10)], 3)
    assert word(facts, "colour", 1) == "red"
    assert word(facts, "colour", 2) is None


def _suitcase(t: float, put_s: float, taken_s: float = 1e9) -> Box:
    if t >= taken_s:
        return CAMERA.box(0.4 + 1.3 * (t - taken_s), 10, 0.6, 0.5)
    return CAMERA.box(0.4, 10, 0.6, 0.5)


def _owner(t: float) -> Box:
    return CAMERA.box(0.0, 10) if t < 6 else CAMERA.box(-1.4 * (t - 6), 10)


def test_bag_left_behind_when_its_owner_has_gone_away() -> None:
    bag = Actor(2, lambda t: _suitcase(t, 4) if t >= 4 else None, "suitcase")
    actors = [*bystanders(), Actor(1, _owner), bag]
    assert not [f for f in facts_after(actors, 6).facts if f.kind == "thing" and f.value == "left"]
    left = [f for f in facts_after(actors, 11).facts if f.kind == "thing" and f.value == "left"]
    assert [(f.subject, f.other) for f in left] == [(1, 2)]


def test_bag_of_the_scene_is_not_left() -> None:
    bag = Actor(2, lambda t: _suitcase(t, 0), "suitcase")
    facts = facts_after([*bystanders(), Actor(1, _owner), bag], 11)
    assert not [f for f in facts.facts if f.kind == "thing"]


def test_bag_taken_by_who_walks_away_with_it() -> None:
    def thief(t: float) -> Box:
        return CAMERA.box(6 - 1.4 * t, 10) if t < 4 else CAMERA.box(0.3 + 1.3 * max(0.0, t - 6), 10)

    bag = Actor(2, lambda t: _suitcase(t, 0, taken_s=6), "suitcase")
    facts = facts_after([*bystanders(), Actor(1, thief), bag], 8)
    found = {(f.value, f.subject, f.other) for f in facts.facts if f.kind == "thing"}
    assert ("taken", 1, 2) in found
    assert ("carrying", 1, 2) in found


def test_relations() -> None:
    def of(one: Actor, two: Actor, seconds: float) -> set[str]:
        facts = facts_after([*bystanders(), one, two], seconds)
        return {f.value for f in facts.facts if f.kind == "relation" and {f.subject, f.other} == {1, 2}}

    assert of(walker(1, -3, 10, 1.2), walker(2, 3, 10, -1.2), 2) == {"approaching"}
    assert of(walker(1, -4, 10, 1.2), walker(2, -1.5, 10, 1.2), 3) == {"following"}
    assert of(walker(1, 0, 10), walker(2, 0.9, 10), 3) == {"beside"}
    assert of(walker(1, -4, 10, 1.3), walker(2, 4, 14, 0.0, -0.1), 1) == set()

    def comes(t: float) -> Box:
        return CAMERA.box(max(0.9, 4.0 - 1.3 * t), 10)

    assert "meeting" in of(walker(1, 0, 10), Actor(2, comes), 5)

    def goes(t: float) -> Box:
        return CAMERA.box(0.9 + 1.3 * max(0.0, t - 4), 10)

    assert "dispersing" in of(walker(1, 0, 10), Actor(2, goes), 6)


def test_blind_moments_have_no_objects_and_say_why() -> None:
    fold = FactsFold("cam")
    facts = [fold.step(m) for m in moments([walker(1, 0, 10)], 1, conditions=("covered",))][-1]
    assert facts.objects == ()
    assert [(f.kind, f.value) for f in facts.facts] == [("health", "covered")]


def test_another_session_knows_nobody() -> None:
    fold = FactsFold("cam")
    for moment in moments([walker(1, 0, 10)], 5):
        fold.step(moment)
    facts = fold.step(next(iter(moments([walker(1, 0, 10)], 1, session=2, begin_s=100))))
    assert [f.amount for f in facts.of("dwell", 1)] == [0.0]


def test_facts_name_at_most_five_frames_of_the_window() -> None:
    facts = facts_after([walker(1, 0, 10, 1.0)], 6)
    frames = facts.of("speed", 1)[0].frames
    assert 2 <= len(frames) <= 5
    assert [key.seq for key in frames] == sorted(key.seq for key in frames)
    assert frames[0].seq >= 29 - 16


@pytest.mark.parametrize("cut", [1, 7, 23, 40])
def test_restored_fold_goes_on_as_if_never_stopped(cut: int) -> None:
    bag = Actor(2, lambda t: _suitcase(t, 4) if t >= 4 else None, "suitcase")
    red = Actor(5, lambda t: CAMERA.box(-2 + 0.8 * t, 14), colour="red")
    script = list(moments([*bystanders(), Actor(1, _owner), bag, red], 10))
    whole, broken = FactsFold("cam", {"half": HALF}), FactsFold("cam", {"half": HALF})
    expected = [whole.step(m) for m in script]
    got = [broken.step(m) for m in script[:cut]]
    resumed = FactsFold("cam", {"half": HALF})
    resumed.restore(json.loads(json.dumps(broken.state())))
    got += [resumed.step(m) for m in script[cut:]]
    assert got == expected


def test_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="window_s"):
        FactsFold("cam", window_s=0)
    with pytest.raises(ValueError, match="3 or more points"):
        FactsFold("cam", {"line": [(0, 0), (1, 1)]})
    fold = FactsFold("cam")
    with pytest.raises(ValueError, match="expected camera"):
        fold.step(next(iter(moments([], 1, camera="other"))))
    for state in ({}, {"version": 99}, {**fold.state(), "known": [{}]}, {**fold.state(), "ground": None}):
        with pytest.raises(ValueError, match="facts state"):
            fold.restore(state)


def test_unknown_picture_size_measures_nothing() -> None:
    moment = next(iter(moments([walker(1, 0, 10)], 1)))
    ref = moment.finding.ref
    bare = type(ref)(ref.key, ref.pts, ref.time_base, ref.captured_at)
    facts = FactsFold("cam").step(Moment(Finding(bare, moment.finding.note, moment.finding.detections), moment.tracks))
    assert facts.objects == ()


@pytest.mark.parametrize("camera", [Camera(3.0, 15), Camera(4.5, 25), Camera(6.0, 32)])
def test_ground_is_learned_from_passers_by(camera: Camera) -> None:
    ground = Ground()
    for away_m in (6, 8, 10, 13, 17, 22):
        for right_m in (-2, 1):
            ground.learn("person", camera.box(right_m, away_m), WH)
    assert ground.tilt_deg == pytest.approx(camera.tilt_deg, abs=3)
    assert ground.camera_m == pytest.approx(camera.height_m, rel=0.15)
    right_m, away_m = ground.place(camera.pixel(2.0, 12.0), WH)
    assert (right_m, away_m) == (pytest.approx(2.0, rel=0.2), pytest.approx(12.0, rel=0.2))


def test_ground_ignores_who_is_cut_off_or_lies() -> None:
    ground = Ground()
    for box in ((0, 100, 50, 300), (300, 500, 380, 719.9), (300, 300, 500, 360)):
        ground.learn("person", box, WH)
    assert ground.trust == pytest.approx(0.3)


def test_parked_car_whose_box_breathes_does_not_move_and_a_driven_one_does() -> None:
    def breathing(t: float) -> Box:
        x1, y1, x2, y2 = CAMERA.box(3, 14, 1.5, 4.0)
        leap = 30.0 if t > 1.9 else 0.0
        return (x1 + leap, y1, x2 + leap, y2)

    parked, driven = Actor(1, breathing, "car"), Actor(2, lambda t: CAMERA.box(-4 + 3 * t, 20, 1.5, 4.0), "car")
    facts = facts_after([*bystanders(), parked, driven], 3)
    assert word(facts, "speed", 1) == "still"
    assert word(facts, "speed", 2) == "moving"
    assert word(facts, "heading", 2) == "right"


def test_weak_and_doubled_boxes_are_no_objects() -> None:
    car = CAMERA.box(0, 12, 1.5, 4.0)
    inner = (car[0] + 5, car[1] + 5, car[2] - 20, car[3] - 5)
    moment = next(
        iter(moments([Actor(1, lambda _: car, "car"), Actor(2, lambda _: inner, "truck"), walker(3, 4, 9)], 1))
    )
    sure, double, weak = moment.tracks
    tracks = (sure, replace(double, confidence=0.5), replace(weak, confidence=0.15))
    facts = FactsFold("cam").step(replace(moment, tracks=tracks))
    assert [one.id for one in facts.objects] == [1]
    assert [(f.value, f.amount) for f in facts.of("count")] == [("car", 1.0)]


def test_what_never_moved_teaches_no_ground() -> None:
    """Chairs that a detector takes for people."""
    chairs = [Actor(i, lambda _, x=40.0 * i: (x, 300.0, x + 40.0, 420.0)) for i in range(1, 8)]
    fold = FactsFold("cam")
    for moment in moments(chairs, 6):
        fold.step(moment)
    assert fold.ground.trust == pytest.approx(0.3)


def test_who_is_cut_off_by_the_border_has_no_posture() -> None:
    facts = facts_after([*bystanders(), Actor(1, lambda _: (200.0, 690.0, 300.0, 719.9))], 3)
    assert word(facts, "posture", 1) is None
