from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.scenes.casting import compile_actors
from pipeline.scenes.model import ActorSpec, Look, Step, Traffic

from .conftest import SceneFactory, make_tiny, walker

_POINT = st.tuples(st.floats(-20, 20), st.floats(-20, 20))


@settings(max_examples=30, deadline=None)
@given(
    points=st.lists(_POINT, min_size=2, max_size=5, unique=True), speed=st.floats(0.5, 6.0), rest=st.floats(0.1, 5.0)
)
def test_nobody_jumps(points: list[tuple[float, float]], speed: float, rest: float) -> None:
    steps = (Step("go", tuple(points), speed_m_s=speed), Step("stand", seconds=rest), Step("go", ((0.0, 0.0),)))
    scene = make_tiny(actors=(ActorSpec("a", "person", steps),), seconds=200.0)
    (actor,) = compile_actors(scene, 0)
    fastest = max(speed, 1.35)
    previous = None
    for t in np.arange(0.0, min(actor.to_s, 60.0), 0.05):
        state = actor.state(float(t))
        assert state is not None
        if previous is not None:
            assert math.dist(state.at_xy, previous.at_xy) <= fastest * 0.05 * 1.05 + 1e-3
        previous = state


def test_an_actor_exists_only_between_its_first_and_last_step(tiny: SceneFactory) -> None:
    (actor,) = compile_actors(tiny(actors=(walker("a", (0, 0), (2.7, 0), at_s=3.0),)), 0)
    assert actor.state(2.99) is None
    assert actor.state(3.0) is not None
    assert actor.to_s == pytest.approx(3.0 + 2.7 / 1.35)
    assert actor.state(actor.to_s) is None


def test_walking_speed_and_heading_are_what_was_asked(tiny: SceneFactory) -> None:
    spec = ActorSpec("a", "person", (Step("go", ((0.0, 0.0), (0.0, 10.0)), speed_m_s=2.0),))
    (actor,) = compile_actors(tiny(actors=(spec,)), 0)
    state = actor.state(2.5)
    assert state is not None
    assert state.at_xy == pytest.approx((0.0, 5.0), abs=1e-3)
    assert state.heading == pytest.approx(math.pi / 2)
    assert state.speed_m_s == pytest.approx(2.0)


def test_stops_are_eased(tiny: SceneFactory) -> None:
    steps = (Step("go", ((0.0, 0.0), (5.0, 0.0))), Step("stand", seconds=2.0))
    (actor,) = compile_actors(tiny(actors=(ActorSpec("a", "person", steps),), seconds=30.0), 0)
    arrival = actor.segments[0].to_s
    speeds = [actor.state(arrival - dt).speed_m_s for dt in (0.6, 0.3, 0.1)]  # type: ignore[union-attr]
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[-1] < 0.4


def test_a_dropped_bag_appears_where_it_was_dropped_and_leaves_when_picked(tiny: SceneFactory) -> None:
    steps = (
        Step("go", ((0.0, 0.0), (4.0, 0.0))),
        Step("drop", seconds=2.0),
        Step("go", ((8.0, 0.0),)),
        Step("go", ((4.0, 0.0),)),
        Step("pick", seconds=2.0),
        Step("go", ((0.0, 0.0),)),
    )
    scene = tiny(actors=(ActorSpec("a", "person", steps, 0.0, Look(carry="suitcase", color="red")),), seconds=40.0)
    owner, bag = compile_actors(scene, 0)
    assert bag.kind == "bag"
    assert bag.owner == "a"
    assert bag.color == "red"
    dropped = bag.state(bag.from_s)
    assert dropped is not None
    assert math.dist(dropped.at_xy, (4.0, 0.0)) < 0.8
    before, between, after = (owner.state(t) for t in (bag.from_s - 0.1, bag.from_s + 0.1, bag.to_s + 0.1))
    assert before is not None
    assert between is not None
    assert after is not None
    assert (before.is_carrying, between.is_carrying, after.is_carrying) == (True, False, True)


def test_traffic_follows_the_seed_and_starts_alive(tiny: SceneFactory) -> None:
    rule = Traffic("person", 12.0, (((-20.0, 5.0), (20.0, 5.0)),))
    scene = tiny(traffic=(rule,), seconds=120.0)
    first, again, other = compile_actors(scene, 1), compile_actors(scene, 1), compile_actors(scene, 2)
    assert [a.segments[0].from_s for a in first] == [a.segments[0].from_s for a in again]
    assert [a.segments[0].from_s for a in first] != [a.segments[0].from_s for a in other]
    assert any(a.from_s < 0 < a.to_s for a in first)
    assert 12 <= len(first) <= 45


def test_vehicles_of_one_lane_keep_their_distance(tiny: SceneFactory) -> None:
    rule = Traffic("car", 30.0, (((-60.0, 5.0), (60.0, 5.0)),), speed_m_s=(6.0, 9.0))
    cars = compile_actors(tiny(traffic=(rule,), seconds=60.0), 3)
    for t in np.arange(0.0, 60.0, 0.5):
        places = sorted(s.at_xy[0] for a in cars if (s := a.state(float(t))) is not None)
        assert all(b - a > 6.0 for a, b in pairwise(places))


def test_adding_an_actor_leaves_the_others_as_they_were(tiny: SceneFactory) -> None:
    one = compile_actors(tiny(actors=(walker("a", (0, 0), (5, 0)),)), 7)
    two = compile_actors(tiny(actors=(walker("b", (1, 0), (5, 0)), walker("a", (0, 0), (5, 0)))), 7)
    assert one[0].outfit == next(a.outfit for a in two if a.name == "a")


def test_ids_are_unique_and_start_at_one(tiny: SceneFactory) -> None:
    rule = Traffic("person", 30.0, (((-20.0, 5.0), (20.0, 5.0)),), group=0.5)
    actors = compile_actors(tiny(traffic=(rule,), seconds=60.0), 0)
    assert [a.id for a in actors] == list(range(1, len(actors) + 1))


@pytest.mark.parametrize("kind", ["person", "dog", "bicycle", "motorcycle", "car", "van", "truck", "bus"])
def test_a_single_point_and_a_stand_is_enough(tiny: SceneFactory, kind: str) -> None:
    spec = ActorSpec("x", kind, (Step("go", ((1.0, 5.0),)), Step("stand", seconds=3.0)))  # type: ignore[arg-type]
    (actor,) = compile_actors(tiny(actors=(spec,)), 0)
    state = actor.state(1.0)
    assert state is not None
    assert state.at_xy == pytest.approx((1.0, 5.0))
