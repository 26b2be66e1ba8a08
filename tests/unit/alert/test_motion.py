"""Line crossing, speed and wrong way, on paths whose truth is known."""

from __future__ import annotations

import math

import pytest

from pipeline.alert.settings import AlertSettings, Direction, Line, LineRule, Rule, SpeedRule, WrongWayRule
from pipeline.types import Alert
from tests.unit.alert.acting import Thing, finding, person, phases, play, scene, shown, stage_of, thing

SILL = Line("sill", (0.5, 0.9), (0.5, 0.1))  # upwards at x = 320: A is on the left, B on the right


def _run(rule: Rule, path: object, until_s: float = 10.0, fps: float = 5.0) -> list[Alert]:
    settings = AlertSettings("gate", lines=(SILL,), rules=(rule,))
    return play(stage_of(settings), scene(path, until_s, fps))  # type: ignore[arg-type]


def _rightwards(t: float) -> list[Thing]:
    return [person(1, 150 + 40 * t, foot_y=200)]  # crosses x = 320 at 4.25 s


@pytest.mark.parametrize(("direction", "opens"), [("a_to_b", True), ("b_to_a", False), ("both", True)])
def test_the_direction_of_a_crossing(direction: Direction, opens: bool) -> None:
    alerts = _run(LineRule(name="l", line="sill", direction=direction), _rightwards)
    assert bool(alerts) is opens
    if opens:
        assert alerts[0].text == "A person crossed the line ‘sill’ from A to B."
        assert shown(alerts)[0][2] == pytest.approx(4.6, abs=0.21)


def test_the_other_way_round() -> None:
    alerts = _run(LineRule(name="l", line="sill", direction="b_to_a"), lambda t: [person(1, 500 - 40 * t, foot_y=200)])
    assert phases(alerts) == [("opened", "line"), ("closed", "line")]


def test_dithering_on_the_line_is_no_crossing() -> None:
    assert _run(LineRule(name="l", line="sill"), lambda t: [person(1, 320 + 6 * math.sin(9 * t), foot_y=200)]) == []


def test_standing_on_the_line_and_walking_on_is_one_crossing() -> None:
    def pauses(t: float) -> list[Thing]:
        return [
            person(1, 280 + 40 * min(t, 1) + (5 * math.sin(7 * t) if 1 < t < 6 else 0) + 40 * max(0, t - 6), foot_y=200)
        ]

    alerts = _run(LineRule(name="l", line="sill"), pauses, 12)
    assert len({a.id for a in alerts}) == 1


def test_passing_beyond_the_end_of_the_line_is_no_crossing() -> None:
    assert _run(LineRule(name="l", line="sill"), lambda t: [person(1, 150 + 40 * t, foot_y=350)]) == []


def test_who_was_never_beyond_the_line_before_has_not_crossed() -> None:
    assert _run(LineRule(name="l", line="sill"), lambda t: [person(1, 400 + 20 * t, foot_y=200)] if t > 2 else []) == []


def test_a_parked_car_that_is_half_hidden_crosses_nothing() -> None:
    def parked(t: float) -> list[Thing]:
        return [Thing(5, "car", (250, 150, 350 if t < 3 or t > 6 else 470, 220))]

    assert _run(LineRule(name="l", line="sill"), parked, 10) == []


def test_who_comes_nearer_while_crossing_is_counted_once_both_edges_have_moved() -> None:
    def nearer(t: float) -> list[Thing]:
        return [person(1, 300 + 12 * t, foot_y=180 + 5 * t, height=60 + 14 * t)]

    alerts = _run(LineRule(name="l", line="sill"), nearer, 12)
    assert len({a.id for a in alerts}) == 1


def test_a_group_that_crosses_together_is_one_incident() -> None:
    def three(t: float) -> list[Thing]:
        return [person(i, 150 - 20 * i + 40 * t, foot_y=150 + 40 * i) for i in (1, 2, 3)]

    alerts = _run(LineRule(name="l", line="sill"), three, 12)
    assert len({a.id for a in alerts}) == 1
    assert sorted({track.id for a in alerts for track in a.tracks}) == [1, 2, 3]


@pytest.mark.parametrize("fps", [2.0, 5.0, 15.0])
def test_a_run_is_fast_and_a_walk_is_not_at_any_frame_rate(fps: float) -> None:
    rule = SpeedRule(name="run", max_sizes_per_s=1.8)
    assert _run(rule, lambda t: [person(1, 50 + 80 * t)], 6, fps) == []
    alerts = _run(rule, lambda t: [person(1, 50 + 260 * t)] if t < 2.2 else [], 4, fps)
    assert [a.kind for a in alerts][:1] == ["speed"]
    assert alerts[0].evidence[0].observed == "2.6 body heights/s"


def test_a_trembling_box_is_at_rest() -> None:
    def trembles(t: float) -> list[Thing]:
        shift = 8 if round(t * 5) % 2 else -8
        return [Thing(1, "person", (300 + shift, 200, 340 + shift, 300 + 3 * shift))]

    assert _run(SpeedRule(name="run", max_sizes_per_s=0.5), trembles) == []


def test_feet_that_vanish_behind_a_hedge_are_no_sprint() -> None:
    def hidden(t: float) -> list[Thing]:
        return [Thing(1, "person", (300, 100, 340, 200 if t < 3 else 140))]

    assert _run(SpeedRule(name="run", max_sizes_per_s=0.5, over_s=0.4), hidden) == []


def test_pixels_per_second_for_a_car() -> None:
    rule = SpeedRule(name="car", labels=("vehicle",), max_sizes_per_s=None, max_px_per_s=150)
    assert _run(rule, lambda t: [thing(3, "car", 50 + 100 * t, size=60)], 5) == []
    alerts = _run(rule, lambda t: [thing(3, "car", 50 + 200 * t, size=60)] if t < 2.8 else [], 5)
    assert alerts[0].evidence[0].observed == "200 px/s"
    assert alerts[0].evidence[0].normal == "up to 150 px/s"


def test_a_crawl_over_a_long_hole_is_no_speed() -> None:
    stage = stage_of(AlertSettings("gate", rules=(SpeedRule(name="run", max_sizes_per_s=1.0),)))
    looks = [
        finding(0, [person(1, 50)], seq=0),
        finding(0.2, [person(1, 55)], seq=1),
        finding(6, [person(1, 600)], seq=9),
    ]
    assert play(stage, looks) == []


@pytest.mark.parametrize(("step", "opens"), [(-40, True), (40, False), (0, False)])
def test_wrong_way(step: int, opens: bool) -> None:
    rule = WrongWayRule(name="oneway", allowed_norm=(1, 0), labels=("car",))
    alerts = _run(rule, lambda t: [thing(1, "car", 320 + step * t)], 7)
    assert bool(alerts) is opens
    if opens:
        assert alerts[0].evidence[0].observed == "moving left, 180° off"
        assert alerts[0].evidence[0].normal == "right, within 100°"


def test_crossing_the_street_is_not_the_wrong_way() -> None:
    rule = WrongWayRule(name="oneway", allowed_norm=(1, 0), labels=("car",))
    assert _run(rule, lambda t: [thing(1, "car", 320, foot_y=60 + 40 * t)], 7) == []
