from __future__ import annotations

import pytest

from pipeline.scenes import EVENT_KINDS, TruthEvent, list_scenes, load_scene
from pipeline.scenes.casting import compile_actors
from pipeline.scenes.events import events_of
from pipeline.scenes.model import ActorSpec, CameraEvent, Gate, Look, Scene, Step, Zone

from .conftest import SceneFactory, stander, walker

_SQUARE = ((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0))


def _events(scene: Scene, seed: int = 0) -> list[TruthEvent]:
    return list(events_of(scene, compile_actors(scene, seed)))


def test_usual_days_hold_no_event_and_the_unusual_ones_cover_every_kind() -> None:
    seen: set[str] = set()
    for row in list_scenes():
        scene = load_scene(row.name)
        events = _events(scene)
        assert (events == []) == row.is_usual, row.name
        seen |= {event.kind for event in events}
    assert seen == set(EVENT_KINDS)


def test_intrusion_lasts_as_long_as_the_person_is_inside(tiny: SceneFactory) -> None:
    zone = Zone("yard", _SQUARE, role="restricted")
    spec = ActorSpec("a", "person", (Step("go", ((-5.0, 5.0), (15.0, 5.0)), speed_m_s=1.0),))
    (event,) = _events(tiny(actors=(spec,), zones=(zone,), seconds=30.0))
    assert (event.kind, event.zone, event.actors) == ("intrusion", "yard", (1,))
    assert event.from_s == pytest.approx(5.0, abs=0.15)
    assert event.to_s == pytest.approx(15.0, abs=0.15)


def test_a_dog_does_not_intrude(tiny: SceneFactory) -> None:
    zone = Zone("yard", _SQUARE, role="restricted")
    dog = ActorSpec("d", "dog", (Step("go", ((-5.0, 5.0), (15.0, 5.0))),))
    assert _events(tiny(actors=(dog,), zones=(zone,), seconds=20.0)) == []


def test_loitering_begins_when_the_limit_is_passed(tiny: SceneFactory) -> None:
    zone = Zone("door", _SQUARE, loiter_s=8.0)
    (event,) = _events(tiny(actors=(stander("a", 5.0, 5.0, 20.0),), zones=(zone,), seconds=30.0))
    assert event.kind == "loitering"
    assert event.from_s == pytest.approx(8.0, abs=0.2)


def test_running_is_not_walking(tiny: SceneFactory) -> None:
    runner = ActorSpec("r", "person", (Step("go", ((0.0, 0.0), (30.0, 0.0)), speed_m_s=3.5),))
    events = _events(tiny(actors=(runner, walker("w", (0, 3), (20, 3))), seconds=20.0))
    assert [(e.kind, e.actors) for e in events] == [("running", (1,))]


def test_a_fall_reaches_until_the_person_rises(tiny: SceneFactory) -> None:
    steps = (Step("go", ((0.0, 0.0), (1.35, 0.0))), Step("fall", style="side"), Step("lie", seconds=6.0), Step("rise"))
    (event,) = _events(tiny(actors=(ActorSpec("a", "person", steps),), seconds=30.0))
    assert event.kind == "fall"
    assert event.from_s == pytest.approx(1.0, abs=0.01)
    assert event.to_s == pytest.approx(event.from_s + 7.0, abs=0.01)


def test_two_who_fight_are_one_event(tiny: SceneFactory) -> None:
    def fighter(name: str, x: float) -> ActorSpec:
        return ActorSpec(name, "person", (Step("go", ((x - 1, 5.0), (x, 5.0))), Step("fight", seconds=5.0)))

    (event,) = _events(tiny(actors=(fighter("a", 2.0), fighter("b", 2.8)), seconds=15.0))
    assert (event.kind, event.actors) == ("fight", (1, 2))


def test_a_bag_is_abandoned_when_its_owner_walks_away(tiny: SceneFactory) -> None:
    steps = (
        Step("go", ((0.0, 0.0), (4.0, 0.0))),
        Step("drop", seconds=2.0),
        Step("stand", seconds=3.0),
        Step("go", ((20.0, 0.0),)),
    )
    scene = tiny(actors=(ActorSpec("a", "person", steps, 0.0, Look(carry="suitcase")),), seconds=30.0)
    (event,) = _events(scene)
    owner = compile_actors(scene, 0)[0]
    left = owner.segments[2].to_s
    assert event.kind == "abandoned_bag"
    assert event.actors == (2, 1)
    assert left + 1.0 < event.from_s < left + 4.0
    assert event.to_s == pytest.approx(30.0, abs=0.11)


def test_only_against_the_direction_is_wrong(tiny: SceneFactory) -> None:
    zone = Zone("lane", ((-20.0, 0.0), (20.0, 0.0), (20.0, 4.0), (-20.0, 4.0)), role="one_way", direction_deg=0.0)
    right = ActorSpec("ok", "car", (Step("go", ((-20.0, 2.0), (20.0, 2.0))),))
    wrong = ActorSpec("bad", "car", (Step("go", ((20.0, 2.0), (-20.0, 2.0))),), 20.0)
    (event,) = _events(tiny(actors=(right, wrong), zones=(zone,), seconds=40.0))
    assert (event.kind, event.actors) == ("wrong_way", (2,))


def test_a_vehicle_on_the_walkway(tiny: SceneFactory) -> None:
    zone = Zone("path", _SQUARE, role="walkway")
    car = ActorSpec("c", "car", (Step("go", ((-10.0, 5.0), (20.0, 5.0))),))
    events = _events(tiny(actors=(car, walker("w", (0, 5), (10, 5))), zones=(zone,), seconds=12.0))
    assert [(e.kind, e.actors) for e in events] == [("vehicle_on_walkway", (1,))]


def test_a_crowd_needs_people_close_together(tiny: SceneFactory) -> None:
    zone = Zone("square", ((-50.0, -50.0), (50.0, -50.0), (50.0, 50.0), (-50.0, 50.0)), crowd_n=4)
    close = tuple(stander(f"p{i}", 1.0 * i, 2.0, 12.0) for i in range(4))
    spread = tuple(stander(f"p{i}", 9.0 * i, 2.0, 12.0) for i in range(4))
    assert [e.kind for e in _events(tiny(actors=close, zones=(zone,), seconds=12.0))] == ["crowd"]
    assert _events(tiny(actors=spread, zones=(zone,), seconds=12.0)) == []


@pytest.mark.parametrize(("gap_s", "expected"), [(1.0, ["tailgating"]), (4.0, [])])
def test_tailgating_is_a_short_gap_in_the_same_direction(tiny: SceneFactory, gap_s: float, expected: list[str]) -> None:
    gate = Gate("door", (-1.0, 5.0), (1.0, 5.0), min_gap_s=2.0)
    pair = (walker("a", (0, 0), (0, 10)), walker("b", (0.2, 0), (0.2, 10), at_s=gap_s))
    assert [e.kind for e in _events(tiny(actors=pair, gates=(gate,), seconds=20.0))] == expected


def test_passing_each_other_is_not_tailgating(tiny: SceneFactory) -> None:
    gate = Gate("door", (-1.0, 5.0), (1.0, 5.0))
    pair = (walker("a", (0, 0), (0, 10)), walker("b", (0.3, 10), (0.3, 0)))
    assert _events(tiny(actors=pair, gates=(gate,), seconds=20.0)) == []


def test_camera_events_are_cut_to_the_recording(tiny: SceneFactory) -> None:
    events = _events(tiny(camera_events=(CameraEvent("covered", 1.0, 60.0),), seconds=5.0))
    assert [(e.kind, e.from_s, e.to_s) for e in events] == [("camera_covered", 1.0, 5.0)]
