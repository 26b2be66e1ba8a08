from __future__ import annotations

import numpy as np
import pytest

from pipeline.scenes import FrameTruth, Renderer, Scene, TruthObject, vary
from pipeline.scenes.model import ActorSpec, CameraEvent, Light, Look, Prop, Step, Zone

from .conftest import SceneFactory, stander, walker


def _only(truth: FrameTruth, label: str = "person") -> TruthObject:
    (found,) = [o for o in truth.objects if o.label == label]
    return found


def _frame(scene: Scene, index: int = 5, seed: int = 0) -> tuple[np.ndarray, FrameTruth]:
    return Renderer(scene, seed).frame(index)


def test_same_scene_and_seed_give_the_same_bytes_in_any_order(tiny: SceneFactory) -> None:
    scene = tiny(actors=(walker("a", (-2, 3), (2, 3)),), props=(Prop("tree", (1.5, 6.0), size_m=(1, 1, 3)),))
    straight = list(Renderer(scene, 3))
    jumping = Renderer(scene, 3)
    for index in (7, 0, 4):
        rgb, truth = jumping.frame(index)
        assert rgb.tobytes() == straight[index][0].tobytes()
        assert truth == straight[index][1]
    assert len(straight) == 10


def test_another_seed_gives_another_picture(tiny: SceneFactory) -> None:
    scene = tiny(actors=(walker("a", (-2, 3), (2, 3)),))
    assert _frame(scene, seed=1)[0].tobytes() != _frame(scene, seed=2)[0].tobytes()


def test_the_box_of_an_actor_is_where_the_picture_changes(tiny: SceneFactory) -> None:
    scene = tiny(actors=(stander("a", 0.3, 3.0, top="red"),), light=Light(mode="overcast", wind=0.0))
    with_actor, truth = _frame(scene)
    without, _ = _frame(tiny())
    x0, y0, x1, y1 = _only(truth).xyxy
    changed = np.abs(with_actor.astype(int) - without.astype(int)).max(axis=2) > 40
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert abs(columns[0] - x0) <= 2.5
    assert abs(columns[-1] + 1 - x1) <= 2.5
    assert abs(rows[0] - y0) <= 2.5
    assert abs(rows[-1] + 1 - y1) <= 4.0  # the dark contact at the feet changes pixels too


def test_perspective_makes_the_far_one_smaller_and_higher(tiny: SceneFactory) -> None:
    scene = tiny(actors=(stander("near", -1.0, 1.0, height_m=1.8), stander("far", 1.5, 9.0, height_m=1.8)))
    near, far = sorted((o for o in _frame(scene)[1].objects), key=lambda o: o.at_m[1])
    near_h, far_h = near.full_xyxy[3] - near.full_xyxy[1], far.full_xyxy[3] - far.full_xyxy[1]
    assert far_h == pytest.approx(near_h * (5.0**2 + 2**2) ** 0.5 / (13.0**2 + 2**2) ** 0.5, rel=0.15)
    assert far.xyxy[3] < near.xyxy[3]


def test_the_nearer_hides_the_farther(tiny: SceneFactory) -> None:
    scene = tiny(actors=(stander("front", 0.0, 2.0, girth=1.3), stander("behind", 0.05, 4.5)))
    truth = _frame(scene)[1]
    seen = {o.name: o.visible for o in truth.objects}
    assert seen["front"] == pytest.approx(1.0, abs=0.01)
    assert seen.get("behind", 0.0) < 0.6


@pytest.mark.parametrize(("height_m", "low", "high"), [(0.9, 0.25, 0.75), (4.0, 0.0, 0.0)])
def test_a_wall_hides_what_is_behind_it(tiny: SceneFactory, height_m: float, low: float, high: float) -> None:
    wall = Prop("wall", (-5.0, 2.5), to_m=(5.0, 2.5), size_m=(0, 0.2, height_m))
    truth = _frame(tiny(actors=(stander("a", 0.0, 3.2, height_m=1.75),), props=(wall,)))[1]
    shares = [o.visible for o in truth.objects if o.label == "person"] or [0.0]
    assert low <= shares[0] <= high
    if shares[0]:
        person = _only(truth)
        assert person.xyxy[3] < person.full_xyxy[3] - 2


def test_leaving_the_frame_lowers_visibility(tiny: SceneFactory) -> None:
    truth = _frame(tiny(actors=(stander("a", 0.0, -1.6, height_m=1.8),)))[1]
    person = _only(truth)
    assert person.visible < 0.95
    assert person.xyxy[3] <= 90.0 < person.full_xyxy[3]


def test_behind_the_camera_is_not_in_the_truth(tiny: SceneFactory) -> None:
    assert _frame(tiny(actors=(stander("a", 0.0, -9.0),)))[1].objects == ()


def test_wire_mesh_lets_people_be_seen_and_leaves_hide_them(tiny: SceneFactory) -> None:
    fence = Prop("fence", (-4.0, 2.0), to_m=(4.0, 2.0), material="chainlink", size_m=(0, 0, 2.2))
    hedge = Prop("hedge", (-4.0, 2.0), to_m=(4.0, 2.0), size_m=(0, 1.0, 2.4))
    person = stander("a", 0.6, 3.2)
    through = [o for o in _frame(tiny(actors=(person,), props=(fence,)))[1].objects if o.label == "person"]
    hidden = [o for o in _frame(tiny(actors=(person,), props=(hedge,)))[1].objects if o.label == "person"]
    assert through[0].visible > 0.85
    assert (hidden[0].visible if hidden else 0.0) < 0.4


def test_the_sun_casts_a_shadow_away_from_itself(tiny: SceneFactory) -> None:
    light = Light(mode="day", sun_azimuth_deg=180.0, sun_elevation_deg=35.0, wind=0.0)
    with_actor, truth = _frame(tiny(actors=(stander("a", -0.5, 3.0),), light=light))
    without, _ = _frame(tiny(light=light))
    x0, _, x1, y1 = (int(v) for v in _only(truth).xyxy)
    darker = without.astype(int).mean(axis=2) - with_actor.astype(int).mean(axis=2)
    right, left = darker[y1 - 8 : y1 + 1, x1 + 2 : x1 + 22], darker[y1 - 8 : y1 + 1, x0 - 22 : x0 - 2]
    assert right.mean() > 8
    assert abs(left.mean()) < 3


@pytest.mark.parametrize("mode", ["day", "overcast", "dusk", "night", "ir"])
def test_every_light_gives_a_well_exposed_picture(tiny: SceneFactory, mode: str) -> None:
    lamp = Prop("lamp", (2.0, 4.0), size_m=(1.0, 0, 5))
    rgb, _ = _frame(tiny(light=Light(mode=mode, rain=0.6, fog=0.1), props=(lamp,)))  # type: ignore[arg-type]
    assert 25 < rgb.mean() < 200
    assert rgb.std() > 8
    if mode == "ir":
        middle = rgb[20:80, 20:140].astype(int)
        assert np.abs(middle[..., 0] - middle[..., 2]).max() == 0


def test_indoors_is_lit_by_its_ceiling(tiny: SceneFactory) -> None:
    room = Prop("room", (0.0, 2.0), size_m=(8, 14, 3.4))
    rgb, truth = _frame(
        tiny(light=Light(mode="indoor"), props=(room,), ground="tiles", actors=(stander("a", 0.0, 3.0),))
    )
    assert 60 < rgb.mean() < 210
    assert _only(truth).visible > 0.99


def test_posture_direction_zone_and_colours_are_told(tiny: SceneFactory) -> None:
    zone = Zone("mat", ((-3.0, 2.0), (3.0, 2.0), (3.0, 4.0), (-3.0, 4.0)))
    steps = (Step("go", ((1.0, 3.0), (1.1, 3.0))), Step("fall", style="side"), Step("lie"))
    lying = ActorSpec("l", "person", steps, 0.0, Look(carry="none"))
    scene = tiny(actors=(walker("w", (-2, 3), (2, 3), top="red", legs="navy"), lying), zones=(zone,), seconds=4.0)
    truth = Renderer(scene, 0).frame(10)[1]
    by_name = {o.name: o for o in truth.objects}
    assert by_name["w"].direction == "right"
    assert by_name["w"].zones == ("mat",)
    assert by_name["w"].colors == {"top": "red", "legs": "navy"}
    assert (by_name["w"].action, by_name["w"].posture) == ("walk", "upright")
    assert by_name["l"].posture == "lying"
    box = by_name["l"].xyxy
    assert box[2] - box[0] > box[3] - box[1]


@pytest.mark.parametrize(("to", "word"), [((0.0, 9.0), "away"), ((0.0, -2.0), "towards"), ((-6.0, 3.0), "left")])
def test_direction_is_as_the_camera_sees_it(tiny: SceneFactory, to: tuple[float, float], word: str) -> None:
    truth = _frame(tiny(actors=(walker("a", (0.0, 3.0), to),)), index=3)[1]
    assert _only(truth).direction == word


def test_a_rider_and_the_machine_are_two_objects(tiny: SceneFactory) -> None:
    cyclist = ActorSpec("c", "bicycle", (Step("go", ((-4.0, 4.0), (6.0, 4.0)), speed_m_s=4.0),))
    truth = _frame(tiny(actors=(cyclist,)))[1]
    person, machine = _only(truth), _only(truth, "bicycle")
    assert person.id != machine.id
    assert person.action == "ride"
    assert person.xyxy[1] < machine.xyxy[1]


def test_a_carried_bag_is_an_object_of_its_own(tiny: SceneFactory) -> None:
    truth = _frame(tiny(actors=(walker("a", (-1, 2), (2, 2), carry="suitcase"),)))[1]
    bag = _only(truth, "bag")
    assert bag.is_carried
    assert bag.id != _only(truth).id


@pytest.mark.parametrize("kind", ["car", "van", "truck", "bus", "motorcycle", "dog"])
def test_every_kind_of_actor_is_drawn(tiny: SceneFactory, kind: str) -> None:
    spec = ActorSpec("x", kind, (Step("go", ((-0.5, 6.0),)), Step("stand", seconds=9.0)))  # type: ignore[arg-type]
    found = _only(_frame(tiny(actors=(spec,)))[1], kind)
    assert found.visible > 0.3
    assert found.colors["body"]


def test_parked_cars_are_in_the_truth_and_hidden_by_passers(tiny: SceneFactory) -> None:
    car = Prop("car", (0.0, 6.0), color="red", seed=1)
    alone = _only(_frame(tiny(props=(car,)))[1], "car")
    behind = _only(_frame(tiny(props=(car,), actors=(stander("a", 0.0, 3.5),)))[1], "car")
    assert alone.is_parked
    assert alone.colors == {"body": "red"}
    assert alone.visible > 0.99
    assert behind.visible < alone.visible - 0.03


def test_a_covered_lens_is_dark_and_shows_nobody(tiny: SceneFactory) -> None:
    scene = tiny(actors=(stander("a", 0, 3.0),), camera_events=(CameraEvent("covered", 0.4, 5.0),), seconds=4.0)
    renderer = Renderer(scene, 0)
    clear, truth_before = renderer.frame(0)
    dark, truth = renderer.frame(10)
    assert truth_before.objects
    assert truth.objects == ()
    assert truth.camera == "covered"
    assert dark[20:70].mean() < 0.5 * clear[20:70].mean()


def test_a_moved_camera_sees_something_else(tiny: SceneFactory) -> None:
    car = Prop("car", (0.0, 6.0), color="red", seed=1)
    renderer = Renderer(tiny(props=(car,), camera_events=(CameraEvent("moved", 0.4, 9.0),), seconds=4.0), 0)
    before, after = renderer.frame(0)[1], renderer.frame(12)[1]
    assert after.camera == "moved"
    boxes = [o.xyxy[0] for o in after.objects]
    assert not boxes or abs(boxes[0] - before.objects[0].xyxy[0]) > 20


def test_people_stand_on_raised_pavements(tiny: SceneFactory) -> None:
    slab = Prop("slab", points_m=((-6.0, 2.0), (6.0, 2.0), (6.0, 5.0), (-6.0, 5.0)), size_m=(0, 0, 0.4))
    on_ground = _only(_frame(tiny(actors=(stander("a", 0, 3.0),)))[1])
    on_slab = _only(_frame(tiny(actors=(stander("a", 0, 3.0),), props=(slab,)))[1])
    assert on_slab.xyxy[3] < on_ground.xyxy[3] - 2
    assert on_slab.visible > 0.97


def test_wind_moves_the_leaves_and_nothing_else(tiny: SceneFactory) -> None:
    tree = Prop("tree", (0.0, 6.0), size_m=(1.4, 0, 3.6))
    calm = Renderer(tiny(props=(tree,), light=Light(mode="overcast", wind=0.0)), 0)
    windy = Renderer(tiny(props=(tree,), light=Light(mode="overcast", wind=1.0)), 0)

    def change(renderer: Renderer) -> np.ndarray:
        first, second = (renderer.frame(i)[0].astype(float) for i in (2, 7))
        return np.abs(first - second).mean(axis=2)

    moved, still = change(windy), change(calm)
    assert moved[10:50, 60:100].mean() > 1.25 * still[10:50, 60:100].mean()
    assert moved[70:85].mean() == pytest.approx(still[70:85].mean(), abs=1.0)


def test_zones_are_told_in_picture_coordinates(tiny: SceneFactory) -> None:
    zone = Zone("mat", ((-1.0, 2.0), (1.0, 2.0), (1.0, 4.0), (-1.0, 4.0)), role="restricted")
    (seen,) = Renderer(tiny(zones=(zone,)), 0).zones()
    assert (seen.name, seen.role) == ("mat", "restricted")
    points = np.array(seen.points_norm)
    assert len(points) >= 4
    assert 0.2 < points[:, 0].mean() < 0.8


def test_varied_scenes_differ_but_repeat(tiny: SceneFactory) -> None:
    scene = (
        tiny(props=(Prop("car", (0.0, 6.0), color="red"),), look=None)
        if False
        else tiny(props=(Prop("car", (0.0, 6.0)),))
    )
    assert vary(scene, 4) == vary(scene, 4)
    assert vary(scene, 4).camera != vary(scene, 5).camera
    rgb, _ = _frame(vary(scene, 4))
    assert rgb.shape == (90, 160, 3)


def test_looks_reach_the_pixels(tiny: SceneFactory) -> None:
    def shirt(color: str) -> np.ndarray:
        look = Look(top=color, top_style="jacket", carry="none", height_m=1.8)
        steps = (Step("go", ((0.0, 1.4),)), Step("stand", seconds=9.0, face_deg=270.0))
        rgb, truth = _frame(tiny(actors=(ActorSpec("a", "person", steps, 0.0, look),)), index=9)
        x0, y0, x1, y1 = _only(truth).xyxy
        top, bottom, middle = int(y0 + 0.30 * (y1 - y0)), int(y0 + 0.42 * (y1 - y0)), int((x0 + x1) / 2)
        return np.asarray(rgb[top:bottom, middle - 2 : middle + 3].mean(axis=(0, 1)))

    red, blue, white = shirt("red"), shirt("blue"), shirt("white")
    assert red[0] > red[2] + 25
    assert blue[2] > blue[0] + 20
    assert white.min() > 110
