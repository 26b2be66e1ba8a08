"""Camera health on made pictures: each fault opens within 10 s and closes; light, weather and traffic are no fault."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.ingest.health import HealthConfig, HealthMonitor
from pipeline.types import HealthCondition

H, W = 180, 320
FAULT_S, MENDED_S, END_S = 30.0, 50.0, 62.0
Picture = NDArray[np.float32]
Fault = Callable[[Picture, float], Picture]
Timeline = list[tuple[float, tuple[HealthCondition, ...]]]


def _yard() -> Picture:
    rng = np.random.default_rng(11)
    view = cv2.GaussianBlur(rng.normal(0, 110, (H, W)), (0, 0), 9) + 110
    for _ in range(70):
        x, y, w, h = (int(v) for v in rng.integers((0, 0, 8, 8), (W, H, 60, 60)))
        cv2.rectangle(view, (x, y), (x + w, y + h), float(rng.integers(30, 220)), -1)
    return np.clip(cv2.GaussianBlur(view, (0, 0), 0.6), 20, 230).astype(np.float32)


YARD = _yard()
NOISE = np.random.default_rng(5).normal(0, 2, (H + 64, W + 64)).astype(np.float32)


def _uint8(view: Picture) -> NDArray[np.uint8]:
    return np.clip(view, 0, 255).astype(np.uint8)


def _noise(i: int) -> Picture:
    """Sensor noise of picture ``i``: another cut of one large field, never the same twice within 4096 pictures."""
    top, left = (37 * i) % 64, (i // 64 + 11 * i) % 64
    return NOISE[top : top + H, left : left + W]


def _watch(fault: Fault, fps: float = 5.0, monitor: HealthMonitor | None = None) -> Timeline:
    """The conditions at each look: well until FAULT_S, then the fault, mended at MENDED_S."""
    monitor = monitor or HealthMonitor()
    timeline: Timeline = []
    for i in range(int(END_S * fps)):
        at_s = i / fps
        view = YARD + _noise(i)
        if FAULT_S <= at_s < MENDED_S:
            view = fault(view, at_s - FAULT_S)
        monitor.arrived(at_s)
        timeline.append((at_s, monitor.update(_uint8(view), at_s).conditions))
    return timeline


def _first(timeline: Timeline, condition: HealthCondition) -> float:
    return next((at_s for at_s, held in timeline if condition in held), math.inf)


def _blur(view: Picture, sigma: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(view, (0, 0), sigma), np.float32)


def _hand(view: Picture, t: float) -> Picture:
    return (60 + 25 * np.sin(np.arange(W) / 80)[None] + 0.5 * (view - YARD)).astype(np.float32)


def _dark(view: Picture, t: float) -> Picture:
    return 16 + np.abs(view - YARD) / 2


def _truck(view: Picture, t: float) -> Picture:
    view = view.copy()
    left = int(W * (t / 5 - 0.7))
    view[H // 5 :, max(left, 0) : max(left + int(0.7 * W), 0)] = 170
    return view


FAULTS: dict[HealthCondition, Fault] = {
    "black": _dark,
    "frozen": lambda view, t: YARD + _noise(3),
    "defocused": lambda view, t: _blur(view, 2.5),
    "covered": _hand,
    "moved": lambda view, t: np.roll(view, (int(0.05 * H), int(0.15 * W)), (0, 1)),
}


@pytest.mark.parametrize("fps", [0.25, 0.5, 5.0])
@pytest.mark.parametrize("condition", FAULTS)
def test_a_fault_opens_within_ten_seconds_and_closes_when_mended(condition: HealthCondition, fps: float) -> None:
    timeline = _watch(FAULTS[condition], fps)
    assert FAULT_S <= _first(timeline, condition) <= FAULT_S + 10.0
    assert timeline[-1][1] == ()
    assert {held for _, held in timeline} <= {(), (condition,)}


def test_focus_that_drifts_away_slowly_is_noticed() -> None:
    timeline = _watch(lambda view, t: _blur(view, max(0.3, t / 4)))
    assert _first(timeline, "defocused") < FAULT_S + 15


def test_a_cloth_over_half_the_lens_counts_as_covered() -> None:
    def cloth(view: Picture, t: float) -> Picture:
        view = view.copy()
        view[:, : W // 2] = 70
        return view

    assert _first(_watch(cloth), "covered") <= FAULT_S + 10


@pytest.mark.parametrize(
    "change",
    [
        lambda view, t: view,
        lambda view, t: 16 + 0.25 * (view - 16),
        lambda view, t: view * 1.6 + 10,
        lambda view, t: view * (1 - 0.7 * min(t / 5, 1)) + 120 * min(t / 5, 1),
        lambda view, t: view + 4 * (view - YARD),
        lambda view, t: np.roll(
            view, tuple(int(v) for v in np.random.default_rng(int(t * 100)).integers(-2, 3, 2)), (0, 1)
        ),
        _truck,
    ],
    ids=["nothing", "lights off", "lights on", "fog", "noise", "shake", "truck passes"],
)
def test_what_is_no_fault_is_not_called_one(change: Fault) -> None:
    assert [held for _, held in _watch(change) if held] == []


def test_a_clock_in_the_picture_does_not_hide_a_freeze() -> None:
    def ticking(view: Picture, t: float) -> Picture:
        frozen = YARD + _noise(3)
        frozen[4:12, 4:36] = 16 + 200 * (np.random.default_rng(int(t)).random((8, 32)) > 0.5)
        return frozen

    assert _first(_watch(ticking), "frozen") <= FAULT_S + 10


def test_a_rendered_scene_without_noise_is_never_frozen() -> None:
    monitor = HealthMonitor()
    for i in range(600):
        view = YARD.copy()
        if i < 200:
            view[60:120, 5 + i : 45 + i] = 30  # something walks through, then nothing ever moves again
        assert monitor.update(_uint8(view), i / 5).conditions == ()


def test_a_hung_sensor_behind_a_working_encoder_is_frozen() -> None:
    def hung(view: Picture, t: float) -> Picture:
        return YARD + _noise(3) + 0.15 * (view - YARD)  # coding errors differ, the noise of the sensor does not

    assert _first(_watch(hung), "frozen") <= FAULT_S + 10


def test_a_scene_that_grows_calm_is_not_frozen() -> None:
    monitor = HealthMonitor()
    for i in range(300):
        view = YARD + (3 if i < 150 else 1) * _noise(i)  # the night gain goes back with the light
        assert monitor.update(_uint8(view * (0.5 if i < 150 else 1.0)), i / 2).conditions == ()


def test_an_encoder_that_skips_between_key_frames_is_not_frozen() -> None:
    monitor = HealthMonitor()
    for i in range(600):
        view = YARD + _noise(i // 20)  # all pixels stand still for 4 s, then all change
        assert monitor.update(_uint8(view), i / 5).conditions == ()


def test_a_camera_that_starts_covered_or_black_says_so() -> None:
    for picture, condition in ((np.full((H, W), 90, np.uint8), "covered"), (np.full((H, W), 17, np.uint8), "black")):
        monitor = HealthMonitor()
        held = [monitor.update(picture, i / 5).conditions for i in range(50)]
        assert condition in held[-1]


def test_a_view_that_moved_for_good_is_learned_in_the_end() -> None:
    monitor = HealthMonitor(HealthConfig(relearn_after_s=60.0))
    held = {}
    for i in range(400):
        view = YARD + _noise(i)
        held[i] = monitor.update(_uint8(view if i < 60 else np.roll(view, W // 5, 1)), i / 2).conditions
    assert held[80] == ("moved",)
    assert held[140] == ("moved",)
    assert held[399] == ()
    back = [monitor.update(_uint8(YARD + _noise(i)), 200 + i / 2).conditions for i in range(20)]
    assert back[-1] == ("moved",)


def test_a_person_can_accept_the_new_view() -> None:
    monitor = HealthMonitor()
    for i in range(80):
        view = YARD + _noise(i)
        held = monitor.update(_uint8(view if i < 60 else np.roll(view, W // 5, 1)), i / 2).conditions
    assert held == ("moved",)
    monitor.accept_view()
    after = [monitor.update(_uint8(np.roll(YARD + _noise(i), W // 5, 1)), 40 + i / 2).conditions for i in range(40)]
    assert set(after) == {()}


def test_sabotage_by_small_steps_is_not_learned_while_it_is_suspected() -> None:
    monitor = HealthMonitor()
    for i in range(120):
        monitor.update(_uint8(YARD + _noise(i)), i / 2)
    held = [monitor.update(_uint8(_blur(YARD, 2.5) + _noise(i)), 60 + 2 * i).conditions for i in range(600)]
    assert held[30] == ("defocused",)
    assert held[-1] == ("defocused",)  # still, twenty minutes later


def test_low_frame_rate_is_measured_by_media_time_and_against_what_is_usual() -> None:
    monitor, picture = HealthMonitor(), _uint8(YARD)
    at_s, held = 0.0, {}
    for fps, until_s in ((25.0, 60.0), (4.0, 90.0), (25.0, 120.0)):
        while at_s < until_s:
            at_s += 1 / fps
            monitor.arrived(at_s)
            held[at_s] = monitor.update(picture, at_s).conditions
    opened = next(at_s for at_s, conditions in held.items() if "low_frame_rate" in conditions)
    assert 60 < opened <= 70
    assert held[at_s] == ()


def test_a_declared_rate_is_held_from_the_beginning() -> None:
    monitor = HealthMonitor(HealthConfig(declared_fps=25.0))
    for i in range(60):
        monitor.arrived(i / 5)
        held = monitor.update(_uint8(YARD + _noise(i)), i / 5).conditions
    assert held == ("low_frame_rate",)


def test_key_frames_alone_are_no_low_frame_rate_when_all_packets_arrive() -> None:
    monitor = HealthMonitor(HealthConfig(declared_fps=25.0))
    for i in range(1500):
        monitor.arrived(i / 25)
        if i % 50 == 0:
            assert monitor.update(_uint8(YARD + _noise(i)), i / 25).conditions == ()


def test_offline_opens_after_a_grace_and_closes_after_pictures_stay() -> None:
    monitor = HealthMonitor()
    monitor.arrived(100.0)
    assert monitor.missing(101.0).conditions == ()
    assert monitor.missing(103.5).conditions == ("offline",)
    monitor.new_session()
    monitor.arrived(110.0)
    assert monitor.update(_uint8(YARD), 110.0).conditions == ("offline",)
    for i in range(1, 30):
        monitor.arrived(110 + i / 10)
        held = monitor.update(_uint8(YARD), 110 + i / 10).conditions
    assert held == ()


def test_a_camera_that_never_answered_is_offline() -> None:
    monitor = HealthMonitor()
    held = [monitor.missing(float(at_s)).conditions for at_s in range(10)]
    assert held[0] == ()
    assert held[-1] == ("offline",)


def test_a_short_life_between_two_losses_does_not_flap() -> None:
    monitor = HealthMonitor()
    held = []
    for i in range(40):
        at_s = float(i)
        if i % 8 == 7:
            monitor.arrived(at_s)
        else:
            held.append(monitor.missing(at_s).conditions)
    opened = held.index(("offline",))
    assert set(held[opened:]) == {("offline",)}


def test_what_was_learned_survives_a_new_session_of_another_size() -> None:
    monitor = HealthMonitor()
    for i in range(100):
        monitor.update(_uint8(YARD + _noise(i)), i / 5)
    monitor.new_session()
    larger = [_uint8(cv2.resize(YARD + _noise(i), (2 * W, 2 * H))) for i in range(60)]
    same = [monitor.update(larger[i], 20.0 + i / 2).conditions for i in range(30)]
    assert set(same) == {()}
    turned = [monitor.update(np.roll(larger[i], W // 2, 1), 20.0 + i / 2).conditions for i in range(30, 60)]
    assert turned[-1] == ("moved",)


def test_brightness_and_sharpness_are_reported() -> None:
    reading = HealthMonitor().update(_uint8(YARD), 0.0)
    assert reading.brightness == pytest.approx(float(YARD.mean()), abs=1.0)
    blurred = HealthMonitor().update(_uint8(_blur(YARD, 3)), 0.0)
    assert blurred.sharpness < 0.6 * reading.sharpness


def test_the_same_pictures_give_the_same_timeline() -> None:
    assert _watch(FAULTS["moved"]) == _watch(FAULTS["moved"])


@pytest.mark.parametrize("shape", [(16, 16), (17, 640), (640, 17), (241, 319)])
def test_any_picture_size_works(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    monitor = HealthMonitor()
    for i in range(30):
        reading = monitor.update(rng.integers(60, 200, shape, np.uint8), i / 2)
    assert math.isfinite(reading.brightness)
    assert math.isfinite(reading.sharpness)


def test_bad_input_is_refused() -> None:
    monitor = HealthMonitor()
    with pytest.raises(ValueError, match="luma: expected"):
        monitor.update(np.zeros((90, 160, 3), np.uint8), 0.0)
    with pytest.raises(ValueError, match="luma: expected"):
        monitor.update(np.zeros((8, 8), np.uint8), 0.0)
    for call in (monitor.arrived, monitor.missing):
        with pytest.raises(ValueError, match="at_s: expected"):
            call(math.nan)


@pytest.mark.parametrize(
    "knobs",
    [{"declared_fps": -1.0}, {"declared_fps": math.nan}, {"min_fps_share": 1.5}, {"recover_s": 0.0}],
)
def test_knobs_out_of_range_are_refused(knobs: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        HealthConfig(**knobs)
