"""The sampler: a fixed grid of media time, whatever the camera's rate and jitter; a heartbeat while it is quiet."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.sampling import Sampler


def _chosen(sampler: Sampler, times: list[float], *, is_open: bool = True) -> list[float]:
    return [at_s for at_s in times if sampler.choose(at_s, is_open=is_open) is not None]


@pytest.mark.parametrize("camera_fps", [5.0, 6.0, 7.5, 12.5, 15.0, 24000 / 1001, 25.0, 30000 / 1001, 60.0])
@pytest.mark.parametrize("origin_s", [0.0, 1.7e9 + 0.123456])
def test_the_long_run_rate_is_exact(camera_fps: float, origin_s: float) -> None:
    times = [origin_s + i / camera_fps for i in range(int(600 * camera_fps))]
    assert len(_chosen(Sampler(5.0), times)) == pytest.approx(3000, abs=2)


def test_a_camera_at_the_asked_rate_loses_no_frame_to_jitter() -> None:
    rng = np.random.default_rng(0)
    times = [i * 0.2 + float(rng.uniform(-0.03, 0.03)) for i in range(1, 2000)]
    assert len(_chosen(Sampler(5.0), times)) >= 0.99 * len(times)


def test_a_slower_camera_loses_nothing() -> None:
    times = [i / 3 for i in range(100)]
    assert _chosen(Sampler(5.0), times) == times


def test_the_choice_follows_time_stamps_not_the_rhythm_of_arrival() -> None:
    times = [i / 25 for i in range(2500)]
    sampler = Sampler(5.0)
    burst = _chosen(sampler, times[:2000]) + _chosen(sampler, times[2000:])
    assert burst == _chosen(Sampler(5.0), times)


def test_variable_frame_rate_keeps_the_grid() -> None:
    rng = np.random.default_rng(1)
    times = list(np.cumsum(rng.uniform(0.005, 0.12, 20_000)))
    chosen = _chosen(Sampler(5.0), times)
    assert len(chosen) == pytest.approx((times[-1] - times[0]) * 5, abs=2)
    assert np.diff(chosen).max() < 0.2 + 2 * 0.12


def test_a_quiet_scene_gets_only_the_heartbeat() -> None:
    sampler = Sampler(5.0, heartbeat_s=2.0)
    gates = [sampler.choose(i / 25, is_open=False) for i in range(2500)]
    assert gates.count("heartbeat") == pytest.approx(50, abs=1)
    assert gates.count("open") == 0


def test_key_frames_every_two_seconds_make_every_heartbeat() -> None:
    rng = np.random.default_rng(2)
    times = [2.0 * i + float(rng.uniform(-0.02, 0.02)) for i in range(1, 100)]
    assert len(_chosen(Sampler(5.0, heartbeat_s=2.0), times, is_open=False)) == len(times)


def test_an_opening_gate_takes_the_next_slot_at_once() -> None:
    sampler = Sampler(5.0, heartbeat_s=2.0)
    quiet = [sampler.choose(i / 25, is_open=False) for i in range(26)]
    assert quiet.count("heartbeat") == 1
    assert sampler.choose(26 / 25, is_open=True) == "open"


def test_time_that_goes_back_or_stands_still_chooses_nothing() -> None:
    sampler = Sampler(5.0)
    assert sampler.choose(10.0) == "open"
    assert [sampler.choose(at_s) for at_s in (10.0, 9.0, 0.0)] == [None, None, None]
    assert sampler.choose(10.2) == "open"


def test_a_gap_is_followed_by_one_frame_not_by_a_burst() -> None:
    sampler = Sampler(5.0)
    assert sampler.choose(0.0) == "open"
    chosen = _chosen(sampler, [100 + i / 25 for i in range(25)])
    assert np.diff(chosen).min() > 0.1
    assert len(chosen) <= 6


def test_reset_begins_a_new_grid() -> None:
    sampler = Sampler(5.0)
    assert sampler.choose(1000.0) == "open"
    sampler.reset()
    assert sampler.choose(3.0) == "open"


@pytest.mark.parametrize("fps", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_that_is_no_rate_is_refused(fps: float) -> None:
    with pytest.raises(ValueError, match="fps"):
        Sampler(fps)
    with pytest.raises(ValueError, match="heartbeat_s"):
        Sampler(5.0, heartbeat_s=fps)


@pytest.mark.parametrize("at_s", [math.nan, math.inf])
def test_a_time_that_is_no_time_is_refused(at_s: float) -> None:
    with pytest.raises(ValueError, match="at_s"):
        Sampler(5.0).choose(at_s)


@given(
    steps=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=200),
    fps=st.floats(0.5, 30.0),
    opens=st.lists(st.booleans(), min_size=200, max_size=200),
)
def test_never_more_than_asked_and_always_forward(steps: list[float], fps: float, opens: list[bool]) -> None:
    sampler = Sampler(fps)
    times = [float(at_s) for at_s in np.cumsum(steps)]
    chosen = [at_s for at_s, is_open in zip(times, opens, strict=False) if sampler.choose(at_s, is_open=is_open)]
    assert chosen[0] == times[0] or not opens[0]
    assert all(later > earlier for earlier, later in itertools.pairwise(chosen))
    assert len(chosen) <= (times[-1] - times[0]) * fps + 2
