"""Looks of painted scenes, where speed, direction, colour and posture are known exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.descriptions import COLOURS
from pipeline.embed.visual import LOOK_NAMES, SCENE_NAMES, VisualLooker
from pipeline.types import Detections, Frame, Looks
from tests.unit.embed.stage_set import SIZE_WH, Box, Rgb, detections, frame, pasted, texture

THING = texture((40, 80), seed=3, low=20, high=240)


def walk(velocity_xy: tuple[float, float], dt_s: float, looks: int = 6, *, drift_xy: tuple[float, float] = (0.0, 0.0)):
    """(picture, box, time) of a thing that moves at ``velocity_xy`` pixels per second before a wall that drifts."""
    wall = texture((480, 352))
    for look in range(looks):
        at_s = look * dt_s
        x, y = 120 + velocity_xy[0] * at_s, 60 + velocity_xy[1] * at_s
        shift = np.float32([[1, 0, -80 + drift_xy[0] * at_s], [0, 1, -80 + drift_xy[1] * at_s]])
        seen = cv2.warpAffine(wall, shift, SIZE_WH)
        yield pasted(seen, THING, x, y), (x, y, x + 40, y + 80), at_s


def last_looks(steps: Iterator[tuple[Rgb, Box, float]], source_wh: tuple[int, int] = SIZE_WH) -> Looks:
    looker, scale = VisualLooker(), source_wh[0] / SIZE_WH[0]
    for rgb, box, at_s in steps:
        boxes = [tuple(scale * side for side in box)]
        _, looks = looker.look(frame(rgb, at_s, source_wh=source_wh), detections(boxes))
    return looks


@pytest.mark.parametrize("dt_s", [0.04, 0.1, 0.2, 0.5])
@pytest.mark.parametrize(("vx", "vy", "angle"), [(60, 0, 0), (-60, 0, 180), (0, -40, 90), (0, 40, 270), (40, 40, 315)])
def test_flow_has_speed_and_direction_at_any_spacing_of_looks(vx, vy, angle, dt_s):
    if math.hypot(vx, vy) * dt_s > 25:
        vx, vy = vx / 2, vy / 2
    looks = last_looks(walk((vx, vy), dt_s, looks=5))
    off = (looks.of(0, "flow_angle_deg") - angle + 180) % 360 - 180
    assert abs(off) < 15
    moving = looks.of(0, "flow_px_per_s") / looks.of(0, "moving_share")
    assert moving == pytest.approx(math.hypot(vx, vy), rel=0.35)
    assert looks.of(0, "flow_peak_px_per_s") >= looks.of(0, "flow_px_per_s")
    shares = [looks.of(0, f"flow_hist_{place}_share") for place in range(8)]
    assert sum(shares) == pytest.approx(1.0, abs=1e-4)
    assert shares[round(angle / 45) % 8] > 0.6


def test_speeds_are_in_source_pixels():
    small = last_looks(walk((60, 0), 0.2))
    large = last_looks(walk((60, 0), 0.2), source_wh=(1920, 1152))
    assert large.of(0, "flow_px_per_s") == pytest.approx(6 * small.of(0, "flow_px_per_s"), rel=0.02)
    assert large.of(0, "flow_angle_deg") == pytest.approx(small.of(0, "flow_angle_deg"), abs=1.0)


def test_the_cameras_own_motion_is_taken_out():
    looks = last_looks(walk((0, 0), 0.2, drift_xy=(25, 10)))
    thing = looks.of(0, "flow_px_per_s")
    assert thing == pytest.approx(math.hypot(25, 10), rel=0.4)  # the thing stays while everything else passes
    assert looks.scene("moving_share") < 0.2
    still = last_looks(walk((25, 10), 0.2, drift_xy=(25, 10)))
    assert still.of(0, "flow_px_per_s") < 0.25 * thing


def test_what_stands_has_no_flow_and_no_direction():
    looks = last_looks(walk((0, 0), 0.2))
    assert looks.of(0, "flow_px_per_s") == 0.0
    assert math.isnan(looks.of(0, "flow_angle_deg"))
    assert [looks.of(0, f"flow_hist_{place}_share") for place in range(8)] == [0.0] * 8
    assert looks.scene("flow_energy_px_per_s") == 0.0


def test_noise_is_not_motion():
    looker, rng = VisualLooker(), np.random.default_rng(1)
    wall = texture().astype(np.float32)
    energy, blobs = [], 0
    for look in range(12):
        noisy = np.clip(wall + rng.normal(0, 6, (*wall.shape[:2], 1)), 0, 255).astype(np.uint8)
        _, looks = looker.look(frame(noisy, look / 5), detections([(100, 50, 150, 150)]))
        energy.append(looks.of(0, "flow_px_per_s"))
        blobs += len(looks.moving_xyxy) + len(looks.still_xyxy)
    assert np.nanmax(energy) < 2.0
    assert blobs == 0


@pytest.mark.parametrize("change", ["first", "session", "gap", "size", "backwards", "tick between"])
def test_flow_is_unknown_without_a_picture_of_the_last_second(change):
    looker, steps = VisualLooker(), list(walk((40, 0), 0.2))
    for rgb, box, at_s in steps[:4]:
        if change != "first":
            looker.look(frame(rgb, at_s), detections([box]))
    rgb, box, at_s = steps[4]
    late = {"gap": 5.0, "backwards": 0.1}.get(change, at_s)
    if change == "size":
        rgb = cv2.resize(rgb, (256, 160))
    now = frame(rgb, late, session=2 if change == "session" else 1)
    _, looks = looker.look(now, detections([box]))
    known = not math.isnan(looks.of(0, "flow_px_per_s"))
    assert known == (change == "tick between")
    assert math.isnan(looks.scene("flow_energy_px_per_s")) != known


PAINT = {
    "red": (170, 30, 30),
    "green": (40, 110, 50),
    "blue": (40, 70, 170),
    "yellow": (220, 200, 50),
    "orange": (235, 120, 25),
    "purple": (110, 50, 130),
    "pink": (235, 150, 170),
    "brown": (95, 65, 40),
    "black": (22, 22, 24),
    "white": (235, 235, 232),
    "grey": (120, 121, 122),
}


def dressed(upper: str, lower: str) -> Rgb:
    """Somebody of 40 x 100 pixels in two colours, with a head."""
    body = np.empty((100, 40, 3), np.uint8)
    body[:15] = (190, 140, 110)
    body[15:52], body[52:] = PAINT[upper], PAINT[lower]
    return body


def colour_of(looks: Looks, part: str) -> str:
    shares = [looks.of(0, f"{part}_colour.{name}_share") for name in COLOURS]
    assert sum(shares) == pytest.approx(1.0, abs=1e-4)
    return COLOURS[int(np.argmax(shares))]


def look_once(rgb: Rgb, boxes: list[Box], label: str = "person") -> Looks:
    return VisualLooker().look(frame(rgb, 0.0), detections(boxes, label))[1]


@pytest.mark.parametrize("upper", PAINT)
def test_every_colour_word_is_told_apart_on_both_halves_of_a_person(upper):
    lower = "blue" if upper != "blue" else "yellow"
    looks = look_once(pasted(texture(), dressed(upper, lower), 100, 50), [(100, 50, 140, 150)])
    assert colour_of(looks, "upper") == upper
    assert colour_of(looks, "lower") == lower


@pytest.mark.parametrize("light", [(1.0, 0.9, 0.75), (0.82, 0.92, 1.0)])
def test_the_colour_of_the_light_is_taken_out(light):
    for name in ("white", "grey", "red", "blue"):
        scene = pasted(texture(), dressed(name, "black"), 100, 50)
        lit = np.clip(scene * np.array(light), 0, 255).astype(np.uint8)
        assert colour_of(look_once(lit, [(100, 50, 140, 150)]), "upper") == name


def test_infrared_and_night_have_no_colour():
    grey = cv2.merge([cv2.cvtColor(pasted(texture(), dressed("red", "blue"), 100, 50), cv2.COLOR_RGB2GRAY)] * 3)
    dark = (pasted(texture(), dressed("red", "blue"), 100, 50) * 0.06).astype(np.uint8)
    for rgb in (grey, dark):
        looks = look_once(rgb, [(100, 50, 140, 150)])
        assert all(math.isnan(looks.of(0, f"upper_colour.{name}_share")) for name in COLOURS)
    assert look_once(grey, []).scene("saturation_share") == 0.0


def test_a_thing_has_one_colour_and_somebody_lying_none():
    scene = pasted(texture(), dressed("red", "red"), 100, 50)
    car = look_once(scene, [(100, 50, 140, 150)], "car")
    assert colour_of(car, "upper") == "red"
    assert math.isnan(car.of(0, "lower_colour.red_share"))
    lying = look_once(scene, [(60, 90, 180, 140)])
    assert math.isnan(lying.of(0, "upper_colour.red_share"))


@pytest.mark.parametrize(("size_wh", "angle"), [((30, 90), 90), ((90, 30), 0)])
def test_the_body_is_upright_or_lying(size_wh, angle):
    looker, wall = VisualLooker(), texture()
    body = np.full((size_wh[1], size_wh[0], 3), 15, np.uint8)
    for look in range(5):
        looker.look(frame(wall, look / 5), Detections.empty())
    box = (100, 60, 100 + size_wh[0], 60 + size_wh[1])
    _, looks = looker.look(frame(pasted(wall, body, 100, 60), 1.0), detections([box]))
    assert looks.of(0, "body_angle_deg") == pytest.approx(angle, abs=3)


def test_a_slanting_body_and_a_round_one():
    looker, wall = VisualLooker(), texture()
    for look in range(5):
        looker.look(frame(wall, look / 5), Detections.empty())
    slanting, rounded = wall.copy(), wall.copy()
    cv2.line(slanting, (100, 150), (160, 60), (10, 10, 10), 18)
    cv2.circle(rounded, (130, 100), 35, (10, 10, 10), -1)
    memory = looker.memory("gate")
    seen = []
    for rgb in (slanting, rounded):
        one = VisualLooker()
        now = frame(rgb, 1.0)
        assert one.recall("gate", memory, now.ref.key)
        seen.append(one.look(now, detections([(90, 50, 170, 160)]))[1].of(0, "body_angle_deg"))
    assert seen[0] == pytest.approx(math.degrees(math.atan2(90, 60)), abs=6)
    assert math.isnan(seen[1])


def test_what_moves_outside_every_box_is_a_blob():
    bare, boxed = VisualLooker(), VisualLooker()
    empty = cv2.warpAffine(texture((480, 352)), np.float32([[1, 0, -80], [0, 1, -80]]), SIZE_WH)
    for rgb, box, at_s in [
        (empty, (0, 0, 1, 1), 0.0),
        *((rgb, box, 1 + at_s) for rgb, box, at_s in walk((50, 0), 0.2)),
    ]:
        _, without = bare.look(frame(rgb, at_s), Detections.empty())
        _, within = boxed.look(frame(rgb, at_s), detections([box]))
    assert len(without.moving_xyxy) == 1
    np.testing.assert_allclose(without.moving_xyxy[0], box, atol=20)
    assert len(within.moving_xyxy) == 0


def bag_scene(seconds: float, left_at_s: float, taken_at_s: float = 1e9) -> Iterator[tuple[float, Looks]]:
    """A bag that lies at (200, 120) between two moments."""
    looker, wall = VisualLooker(), texture()
    bag = texture((24, 20), seed=9, low=5, high=60)
    for look in range(round(seconds * 5)):
        at_s = look / 5
        rgb = pasted(wall, bag, 200, 120) if left_at_s <= at_s < taken_at_s else wall
        yield at_s, looker.look(frame(rgb, at_s), Detections.empty())[1]


def test_a_thing_left_behind_is_still_until_it_is_taken():
    found = {at_s: looks.still_xyxy for at_s, looks in bag_scene(30.0, 5.0, 20.0)}
    assert all(len(boxes) == 0 for at_s, boxes in found.items() if at_s < 7.5 or at_s > 23.0)
    lying = [boxes for at_s, boxes in found.items() if 10.4 <= at_s < 20.0]
    assert all(len(boxes) == 1 for boxes in lying)
    np.testing.assert_allclose(lying[0][0], (200, 120, 224, 140), atol=3)


def test_a_thing_that_was_there_from_the_start_and_is_taken_is_no_thing():
    assert all(len(looks.still_xyxy) == 0 for _, looks in bag_scene(20.0, 0.0, 5.0))


def test_a_thing_that_stays_for_minutes_becomes_the_scene():
    looker, wall = VisualLooker(), texture()
    bag = texture((24, 20), seed=9, low=5, high=60)
    counts = []
    for look in range(130):
        rgb = wall if look < 5 else pasted(wall, bag, 200, 120)
        counts.append(len(looker.look(frame(rgb, 2.0 * look), Detections.empty())[1].still_xyxy))
    assert counts[10] == 1
    assert counts[-1] == 0


def test_lights_switched_on_are_neither_motion_nor_things():
    looker, wall = VisualLooker(), texture()
    for look in range(40):
        rgb = wall if look < 10 else np.clip(wall * 1.5 + 20, 0, 255).astype(np.uint8)
        _, looks = looker.look(frame(rgb, look / 5), Detections.empty())
        assert len(looks.still_xyxy) == 0
    assert looks.scene("moving_share") < 0.02


def test_rain_flashes_and_dry_weather_does_not():
    def mean_rain(drops: int) -> float:
        looker, rng, wall, found = VisualLooker(), np.random.default_rng(5), texture(), []
        for look in range(20):
            rgb = wall.copy()
            for x, y in zip(rng.integers(0, 319, drops), rng.integers(0, 180, drops), strict=True):
                cv2.line(rgb, (int(x), int(y)), (int(x), int(y) + 8), (235, 235, 235), 1)
            found.append(looker.look(frame(rgb, look / 5), Detections.empty())[1].scene("rain_share"))
        assert math.isnan(found[0])
        assert math.isnan(found[1])
        return float(np.mean(found[2:]))

    assert mean_rain(120) > 0.1
    assert mean_rain(0) == 0.0


def test_brightness_is_the_mean_luma():
    assert look_once(np.full((192, 320, 3), 255, np.uint8), []).scene("brightness_luma") == pytest.approx(235, abs=1)


def test_rows_belong_to_detections_and_columns_to_names():
    scene = pasted(texture(), dressed("red", "blue"), 100, 50)
    boxes = [(100, 50, 140, 150), (-50, -50, -10, -10), (100, 100, 100, 100), (0, 0, 1e7, 1e7), (9e6, 9e6, 1e7, 1e7)]
    seen, looks = VisualLooker().look(frame(scene, 0.0), detections(boxes))
    assert seen.xyxy.tolist() == detections(boxes).xyxy.tolist()
    assert looks.values.shape == (5, len(LOOK_NAMES))
    assert (looks.names, looks.scene_names) == (LOOK_NAMES, SCENE_NAMES)
    for row in (1, 2, 4):
        assert np.isnan(looks.values[row]).all()
    assert looks.of(0, "sharpness") > 0


def test_of_very_many_boxes_the_most_confident_are_looked_at():
    many = Detections(np.tile([100.0, 50, 140, 150], (500, 1)), np.linspace(0, 1, 500), ("person",) * 500)
    _, looks = VisualLooker().look(frame(texture(), 0.0), many)
    assert np.flatnonzero(~np.isnan(looks.values[:, LOOK_NAMES.index("sharpness")])).tolist() == list(range(436, 500))


def test_a_tick_is_refused():
    with pytest.raises(ValueError, match="no picture"):
        VisualLooker().look(frame(None, 0.0), Detections.empty())


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.lists(st.tuples(*[st.floats(-1e9, 1e9, width=32)] * 4), max_size=4),
    st.lists(st.floats(0.0, 3.0), min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_no_picture_or_box_makes_it_fail(half_wh, boxes, spacings, seed):
    looker, rng = VisualLooker(), np.random.default_rng(seed)
    at_s = 0.0
    for spacing in spacings:
        at_s += spacing
        rgb = rng.integers(0, 256, (2 * half_wh[1], 2 * half_wh[0], 3), np.uint8)
        _, looks = looker.look(frame(rgb, at_s), detections(boxes))
        assert len(looks.values) == len(boxes)
        assert not np.isinf(looks.values).any()


def test_cameras_do_not_know_of_each_other():
    steps = list(walk((50, 0), 0.2))
    looker = VisualLooker()
    mixed = []
    for rgb, box, at_s in steps:
        mixed.append(looker.look(frame(rgb, at_s), detections([box]))[1])
        looker.look(frame(255 - rgb, at_s, camera="yard"), detections([box]))
    alone = VisualLooker()
    for (rgb, box, at_s), one in zip(steps, mixed, strict=True):
        assert_same(alone.look(frame(rgb, at_s), detections([box]))[1], one)


def assert_same(one: Looks, other: Looks) -> None:
    for name in ("values", "scene_values", "moving_xyxy", "still_xyxy"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_memory_goes_on_exactly_where_it_stopped():
    steps = [frame(rgb, at_s) for rgb, _, at_s in walk((50, 3), 0.2, looks=9)]
    unbroken = VisualLooker()
    expected = [unbroken.look(step, detections([(100, 50, 180, 150)]))[1] for step in steps]
    for broken_at in range(1, 8):
        first, second = VisualLooker(), VisualLooker()
        for step in steps[:broken_at]:
            first.look(step, detections([(100, 50, 180, 150)]))
        assert second.recall("gate", first.memory("gate"), steps[broken_at].ref.key)
        for step, looks in zip(steps[broken_at:], expected[broken_at:], strict=True):
            assert_same(second.look(step, detections([(100, 50, 180, 150)]))[1], looks)


def remembered() -> tuple[bytes, Frame]:
    looker = VisualLooker()
    for rgb, _, at_s in walk((50, 0), 0.2, looks=4):
        looker.look(frame(rgb, at_s), Detections.empty())
    return looker.memory("gate"), frame(texture(), 1.0)


def test_a_memory_of_the_future_or_of_another_session_is_not_taken():
    memory, upcoming = remembered()
    looker = VisualLooker()
    assert not looker.recall("gate", memory, frame(texture(), 0.6).ref.key)
    assert not looker.recall("gate", memory, frame(texture(), 1.0, session=2).ref.key)
    assert not looker.recall("gate", memory, frame(texture(), 1.0, camera="yard").ref.key)
    assert looker.memory("gate") == b""
    assert looker.recall("gate", memory, upcoming.ref.key)
    looker.forget("gate")
    assert looker.memory("gate") == b""


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_memory_is_as_good_as_none(data):
    memory, upcoming = remembered()
    head = memory.index(b"\n")
    damage = data.draw(st.sampled_from(["cut", "head", "random", "longer", "version"]))
    if damage == "cut":
        memory = memory[: data.draw(st.integers(0, len(memory) - 1))]
    elif damage == "head":
        place = data.draw(st.integers(0, head - 1))
        memory = memory[:place] + data.draw(st.binary(min_size=1, max_size=6)) + memory[place + 2 :]
    elif damage == "random":
        memory = data.draw(st.binary(max_size=400))
    elif damage == "longer":
        memory += b"x"
    else:
        memory = memory.replace(b'"v": 1', b'"v": 2', 1)
    looker = VisualLooker()
    if looker.recall("gate", memory, upcoming.ref.key):  # a digit of a number may have changed into another one
        looker.look(upcoming, Detections.empty())
    assert looker.look(frame(texture(), 2.0), detections([(0, 0, 50, 50)]))[1].values.shape == (1, len(LOOK_NAMES))


def test_appearance_is_measured_every_half_second():
    looker, rgb = VisualLooker(), pasted(texture(), dressed("red", "blue"), 100, 50)
    times = []
    for look in range(15):
        seen, _ = looker.look(frame(rgb, look / 10), detections([(100, 50, 140, 150), (0, 0, 4, 4)]))
        if seen.embedding is not None:
            times.append(look / 10)
            assert np.linalg.norm(seen.embedding[0]) == pytest.approx(1.0, abs=1e-5)
            assert not seen.embedding[1].any()  # too small a box
    assert times == [0.0, 0.5, 1.0]


def appearance_of(rgb: Rgb, box: Box) -> np.ndarray:
    seen, _ = VisualLooker().look(frame(rgb, 0.0), detections([box]))
    assert seen.embedding is not None
    return seen.embedding[0]


def test_things_look_like_themselves_and_unlike_others():
    wall = texture()
    first = appearance_of(pasted(wall, dressed("red", "blue"), 40, 50), (40, 50, 80, 150))
    moved = appearance_of(pasted(wall, dressed("red", "blue"), 203, 71), (203, 71, 243, 171))
    other = appearance_of(pasted(wall, dressed("yellow", "black"), 40, 50), (40, 50, 80, 150))
    thing = appearance_of(pasted(wall, texture((40, 100), seed=3, low=20, high=240), 40, 50), (40, 50, 80, 150))
    assert first @ moved > 0.9
    assert first @ other < 0.6
    assert first @ thing < 0.5


def test_a_detectors_own_embedding_is_kept():
    mine = np.ones((1, 3), np.float32)
    given_ones = Detections(np.array([[100, 50, 140, 150]]), np.ones(1), ("person",), mine)
    seen, _ = VisualLooker().look(frame(texture(), 0.0), given_ones)
    assert seen.embedding is not None
    np.testing.assert_array_equal(seen.embedding, mine)
