"""The motion gate on made pictures: it opens for people, and neither light nor weather nor coding holds it open."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.ingest.motion import GateConfig, GateReading, MotionGate

H, W = 180, 320  # cells of 4 x 4 pixels; a person of 4 x 8 here is one of 8 x 16 at 640 x 360
HOLD_S = GateConfig().hold_s
Picture = NDArray[np.float32]
Scene = Callable[[float], Picture]


def _street() -> Picture:
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:H, 0:W]
    view = 90 + 40 * np.sin(x / 19) + 30 * np.cos(y / 12) + 20 * ((x // 20 + y // 20) % 2)
    view += cv2.GaussianBlur(rng.normal(0, 60, (H, W)), (0, 0), 3)
    return np.clip(view, 25, 225).astype(np.float32)


STREET = _street()
NOISE = np.random.default_rng(3).normal(0, 3, (16, H, W)).astype(np.float32)


def _with_box(view: Picture, x: float, y: float, w: int, h: int, luma: float) -> Picture:
    view = view.copy()
    left, top = round(x), round(y)
    view[max(top, 0) : max(top + h, 0), max(left, 0) : max(left + w, 0)] = luma
    return view


def _watch(scene: Scene, until_s: float, fps: float = 10.0, gate: MotionGate | None = None) -> list[GateReading]:
    gate = gate or MotionGate()
    readings = []
    for i in range(int(until_s * fps)):
        picture = scene(i / fps) + NOISE[(i * 7) % len(NOISE)]
        readings.append(gate.update(np.clip(picture, 0, 255).astype(np.uint8), i / fps))
    return readings


def _open_share(readings: list[GateReading], fps: float, from_s: float, to_s: float) -> float:
    part = readings[int(from_s * fps) : int(to_s * fps)]
    return sum(reading.is_open for reading in part) / len(part)


def _leaves(t: float) -> Picture:
    phase = np.random.default_rng(1).uniform(0, 6, (H // 4, 20))
    view = STREET.copy()
    view[:, :80] += np.kron(40 * np.sin(3 * t + phase) * np.sin(0.4 * t + 2 * phase), np.ones((4, 4)))
    return view


def _falling(count: int, draw: Callable[[Picture, np.random.Generator], None]) -> Scene:
    def scene(t: float) -> Picture:
        rng = np.random.default_rng(round(t * 100))
        view = STREET.copy()
        for _ in range(count):
            draw(view, rng)
        return view

    return scene


def _streak(view: Picture, rng: np.random.Generator) -> None:
    x, y = int(rng.integers(W)), int(rng.integers(H))
    view[y : y + 10, x : x + 1] = 210


def _flake(view: Picture, rng: np.random.Generator) -> None:
    cv2.circle(view, (int(rng.integers(W)), int(rng.integers(H))), int(rng.integers(1, 5)), 235.0, -1)


RAIN, SNOW = _falling(120, _streak), _falling(30, _flake)


def _shaken(t: float) -> Picture:
    dy, dx = np.random.default_rng(round(t * 100)).integers(-2, 3, 2)
    return np.roll(STREET, (int(dy), int(dx)), (0, 1))


def _pulse(t: float) -> Picture:
    """A key frame every 2 s disturbs every block; the prediction frames after it smooth that out."""
    block = np.random.default_rng(int(t / 2)).normal(0, 6, (H // 4, W // 4))
    return STREET + np.kron(block, np.ones((4, 4))).astype(np.float32) * math.exp(-(t % 2) / 0.7)


def _lamp(period_s: float) -> Scene:
    return lambda t: _with_box(STREET, 150, 50, 12, 12, 230 if t % period_s < period_s / 2 else 30)


def _traffic(t: float) -> Picture:
    view = STREET
    for lane in range(4):
        view = _with_box(view, (100 * t + 175 * lane) % 700 - 50, 100, 40, 20, 225 if lane % 2 else 25)
    return view


def test_it_is_open_while_it_learns_and_then_closes_on_a_still_scene() -> None:
    readings = _watch(lambda t: STREET, 8)
    assert readings[0].is_open
    assert _open_share(readings, 10, 0, HOLD_S - 0.1) == 1.0
    assert _open_share(readings, 10, HOLD_S + 0.2, 8) == 0.0
    assert readings[-1].motion == 0.0
    assert readings[-1].boxes_norm.shape == (0, 4)


@pytest.mark.parametrize("fps", [5.0, 10.0, 25.0])
@pytest.mark.parametrize(
    ("speed", "size_wh", "luma"),
    [(4.5, (4, 8), 20), (1.5, (4, 8), 20), (30.0, (15, 45), 25), (200.0, (50, 25), 225)],
    ids=["far", "slow", "near", "car"],
)
def test_who_walks_in_opens_it_within_a_second(fps: float, speed: float, size_wh: tuple[int, int], luma: float) -> None:
    def scene(t: float) -> Picture:
        return STREET if t < 6 else _with_box(STREET, 40 + speed * (t - 6), 80, *size_wh, luma)

    readings = _watch(scene, 7.5, fps)
    assert _open_share(readings, fps, 5, 6) == 0.0
    opened = next(i / fps for i, reading in enumerate(readings) if i / fps >= 6 and reading.is_open)
    assert opened <= 7.0


def test_a_slow_walker_keeps_it_open_all_the_way() -> None:
    readings = _watch(lambda t: STREET if t < 6 else _with_box(STREET, 20 + 1.5 * (t - 6), 80, 4, 8, 20), 60)
    assert _open_share(readings, 10, 7.5, 60) == 1.0


def test_a_box_lies_on_what_moves() -> None:
    readings = _watch(lambda t: STREET if t < 6 else _with_box(STREET, 160, 88, 32, 36, 20), 6.4)
    (box,) = readings[-1].boxes_norm
    assert box == pytest.approx([160 / W, 88 / H, 192 / W, 124 / H], abs=0.001)
    assert readings[-1].motion == pytest.approx(0.1 * 0.2, rel=0.1)


def test_a_person_who_stands_lets_it_close_and_opens_it_again_by_moving() -> None:
    def scene(t: float) -> Picture:
        x = 10 + 30 * (t - 6) if t < 10 else 130 + max(0.0, 20 * (t - 45))
        return STREET if t < 6 else _with_box(STREET, x, 75, 15, 45, 25)

    readings = _watch(scene, 50)
    assert _open_share(readings, 10, 6.5, 12) == 1.0
    assert _open_share(readings, 10, 22, 45) == 0.0
    assert _open_share(readings, 10, 45.5, 50) == 1.0


@pytest.mark.parametrize(
    "scene",
    [
        lambda t: STREET * (1.0 if t < 15 else 0.35),
        lambda t: STREET * (0.4 if t < 15 else 1.0),
        lambda t: STREET * (1 + 0.35 * math.sin(t / 6)),
        lambda t: STREET * (1 + 0.25 * max(-1.0, min(1.0, 3 * math.sin(t / 3)))),
        lambda t: STREET * (1.2 if int(3 * t) % 2 else 0.8),
        lambda t: STREET + (0 if t < 15 else 4.0) * NOISE[int(t * 100) % 13],
        lambda t: STREET * np.where(np.arange(W) < W // 3, 1.0 if t < 15 else 0.4, 1.0).astype(np.float32),
        _shaken,
        _leaves,
        RAIN,
        _pulse,
        _lamp(1.0),
        _lamp(3.0),
    ],
    ids=[
        "lights off",
        "lights on",
        "clouds",
        "auto-exposure",
        "flickering lamps",
        "noise rises",
        "lights in one corner",
        "shaking pole",
        "leaves",
        "rain",
        "coding pulse",
        "blinking lamp",
        "slowly blinking lamp",
    ],
)
def test_what_is_not_a_thing_on_the_move_does_not_hold_it_open(scene: Scene) -> None:
    readings = _watch(scene, 75)
    assert _open_share(readings, 10, 55, 75) <= 0.25  # at most one false opening


def test_snow_before_the_lens_does_not_hold_it_open_for_ever() -> None:
    assert _open_share(_watch(SNOW, 120), 10, 80, 120) <= 0.5


@pytest.mark.parametrize("weather", [_leaves, RAIN, SNOW, _shaken], ids=["leaves", "rain", "snow", "shake"])
def test_a_walker_opens_it_in_any_weather(weather: Scene) -> None:
    readings = _watch(
        lambda t: weather(t) if t < 60 else _with_box(weather(t), 300 - 15 * (t - 60), 75, 15, 45, 25), 72
    )
    assert _open_share(readings, 10, 61.5, 72) == 1.0


def test_traffic_on_the_same_lane_is_never_taken_for_texture() -> None:
    assert _open_share(_watch(_traffic, 60), 10, 5, 60) == 1.0


@pytest.mark.parametrize("spacing_s", [1.0, 2.0, 4.0])
def test_key_frames_alone_are_enough_to_see_a_walker(spacing_s: float) -> None:
    fps = 1 / spacing_s
    readings = _watch(lambda t: STREET if t < 60 else _with_box(STREET, 10 + 4.5 * (t - 60), 80, 4, 8, 20), 80, fps)
    assert _open_share(readings, fps, 20, 60) == 0.0
    assert _open_share(readings, fps, 60 + spacing_s, 80) == 1.0


@pytest.mark.parametrize("scene", [_shaken, _leaves, _pulse, _lamp(1.0)], ids=["shake", "leaves", "pulse", "lamp"])
def test_key_frames_alone_do_not_hold_it_open_either(scene: Scene) -> None:
    assert _open_share(_watch(scene, 400, 0.5), 0.5, 200, 400) <= 0.15


@pytest.mark.parametrize("weather", [_leaves, RAIN, SNOW], ids=["leaves", "rain", "snow"])
def test_quiet_mode_rests_in_any_weather_and_still_sees_a_walker(weather: Scene) -> None:
    """As ingest uses it: five looks per second while open, one every two seconds while closed."""
    gate, at_s = MotionGate(), 0.0
    spans: list[tuple[float, float, bool]] = []
    while at_s < 172:
        view = weather(at_s) if at_s < 160 else _with_box(weather(at_s), 300 - 15 * (at_s - 160), 75, 15, 45, 25)
        is_open = gate.update(np.clip(view + NOISE[len(spans) % 16], 0, 255).astype(np.uint8), at_s).is_open
        spans.append((at_s, 0.2 if is_open else 2.0, is_open))
        at_s += spans[-1][1]
    resting_s = sum(span_s for began_s, span_s, is_open in spans if 100 <= began_s < 160 and not is_open)
    assert resting_s > 45
    assert all(is_open for began_s, _, is_open in spans if began_s >= 162.1)


def test_another_picture_altogether_is_global_and_opens_it_only_for_the_hold() -> None:
    other = np.ascontiguousarray(STREET[::-1, ::-1])
    readings = _watch(lambda t: STREET if t < 10 else other, 20)
    assert [i / 10 for i, reading in enumerate(readings) if reading.is_global] == [10.0]
    assert _open_share(readings, 10, 10, 13.9) == 1.0
    assert _open_share(readings, 10, 14.5, 20) == 0.0


def test_cuts_that_keep_coming_do_not_hold_it_open() -> None:
    other = np.ascontiguousarray(STREET[::-1, ::-1])
    readings = _watch(lambda t: STREET if int(t / 5) % 2 else other, 90)
    assert _open_share(readings, 10, 45, 90) <= 0.3


def test_the_same_pictures_give_the_same_readings() -> None:
    first, second = (_watch(RAIN, 10) for _ in range(2))
    assert [(r.is_open, r.motion, r.is_global) for r in first] == [(r.is_open, r.motion, r.is_global) for r in second]
    assert all(np.array_equal(a.boxes_norm, b.boxes_norm) for a, b in zip(first, second, strict=True))


def test_a_disabled_gate_is_always_open() -> None:
    readings = _watch(lambda t: STREET, 10, gate=MotionGate(GateConfig(is_enabled=False)))
    assert all(reading.is_open for reading in readings)


def test_a_new_size_and_a_reset_start_over() -> None:
    gate = MotionGate()
    _watch(lambda t: STREET, 8, gate=gate)
    assert not gate.update(STREET.astype(np.uint8), 8.0).is_open
    assert gate.update(np.full((90, 160), 80, np.uint8), 8.1).is_open
    assert not gate.update(np.full((90, 160), 80, np.uint8), 12.3).is_open
    gate.reset()
    assert gate.update(np.full((90, 160), 80, np.uint8), 12.4).is_open


@pytest.mark.parametrize("shape", [(16, 16), (17, 640), (640, 17), (241, 319), (1080, 1920)])
def test_any_picture_size_works(shape: tuple[int, int]) -> None:
    gate = MotionGate()
    picture = np.full(shape, 100, np.uint8)
    for i in range(60):
        assert gate.update(picture, i / 10).boxes_norm.shape == (0, 4)
    assert not gate.update(picture, 6.0).is_open


def test_time_that_stands_still_or_goes_back_is_survived() -> None:
    gate = MotionGate()
    picture = STREET.astype(np.uint8)
    readings = [gate.update(picture, at_s) for at_s in (5.0, 5.0, 4.0, 9.5, 9.6)]
    assert not readings[-1].is_open
    assert np.isfinite([reading.motion for reading in readings]).all()


@pytest.mark.parametrize(
    "luma",
    [np.zeros((90, 160, 3), np.uint8), np.zeros((90, 160), np.float32), np.zeros((8, 160), np.uint8)],
    ids=["three planes", "float", "too small"],
)
def test_a_picture_of_another_kind_is_refused(luma: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="luma: expected"):
        MotionGate().update(luma, 0.0)


@pytest.mark.parametrize("at_s", [math.nan, math.inf])
def test_a_time_that_is_no_time_is_refused(at_s: float) -> None:
    with pytest.raises(ValueError, match="at_s: expected"):
        MotionGate().update(np.zeros((90, 160), np.uint8), at_s)


@pytest.mark.parametrize("knobs", [{"hold_s": 0.0}, {"hold_s": math.nan}, {"min_cells": 0}])
def test_knobs_out_of_range_are_refused(knobs: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        GateConfig(**knobs)  # type: ignore[arg-type]
