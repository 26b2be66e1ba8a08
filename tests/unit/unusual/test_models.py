"""The small models: mixture, neighbours, person-height line, and what is kept of many samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.unusual.bounds import keep
from pipeline.unusual.ground import learn_ground
from pipeline.unusual.mixture import fit_mixture
from pipeline.unusual.neighbours import fit_neighbours


def two_clouds(n: int) -> np.ndarray:
    random = np.random.default_rng(3)
    return np.concatenate([random.normal((0, 0), 0.3, (n, 2)), random.normal((5, 5), 0.3, (n, 2))])


def test_a_mixture_finds_both_clouds_and_doubts_the_gap() -> None:
    mixture = fit_mixture(two_clouds(200), 4)
    near, far = mixture.rarity(np.array([[0.0, 0.0], [5.0, 5.0]])), mixture.rarity(np.array([[2.5, 2.5]]))
    assert (near < far - 5).all()


def test_a_mixture_of_one_place_is_no_division_by_zero() -> None:
    assert np.isfinite(fit_mixture(np.ones((30, 2)), 3).rarity(np.array([[1.0, 1.0], [9.0, 9.0]]))).all()


def test_neighbours_leave_out_their_own_stretch_of_time() -> None:
    points = np.concatenate([np.zeros((20, 2)), np.full((20, 2), 10.0)])
    neighbours = fit_neighbours(points, is_scaled=False)
    assert neighbours is not None
    alone = neighbours.left_out(np.repeat([0, 1], 20), 40)
    mixed = neighbours.left_out(np.tile([0, 1], 20), 40)
    assert alone == pytest.approx(np.full(40, 200**0.5))
    assert mixed == pytest.approx(np.zeros(40), abs=1e-3)


def test_neighbours_pass_over_what_is_unknown() -> None:
    points = np.array([[0.0, 0.0], [1.0, 1.0], [np.nan, 0.0], [2.0, 2.0], [3.0, 3.0]])
    neighbours = fit_neighbours(points, is_scaled=True)
    assert neighbours is not None
    distance, nearest = neighbours.distance(np.array([[3.1, 3.0], [np.nan, 1.0]]))
    assert nearest[0] == 4
    assert np.isnan(distance[1])
    assert fit_neighbours(points[:3], is_scaled=False) is None


def test_the_person_height_line_is_found_among_bent_and_hidden_people() -> None:
    random = np.random.default_rng(4)
    foot = random.uniform(0.3, 0.95, 300)
    height = (0.05 + 0.3 * foot) * random.normal(1, 0.03, 300)
    height[:60] *= 0.5
    ground = learn_ground(foot, height)
    assert ground.height(np.array([0.9]))[0] == pytest.approx(0.32, rel=0.07)
    assert ground.height(np.array([0.4]))[0] == pytest.approx(0.17, rel=0.12)
    assert (ground.height(np.array([-5.0, 0.0])) > 0).all()


def test_without_people_there_is_still_a_height() -> None:
    assert learn_ground(np.zeros(0), np.zeros(0)).height(np.array([0.5]))[0] > 0
    assert learn_ground(np.full(50, 0.5), np.full(50, np.nan)).height(np.array([0.5]))[0] > 0


@given(st.lists(st.floats(0, 1e6), max_size=200), st.integers(1, 60))
def test_what_is_kept_is_bounded_and_in_order(times: list[float], bound: int) -> None:
    kept = keep(np.array(sorted(times)), bound)
    assert len(kept) == min(bound, len(times))
    assert (np.diff(kept) > 0).all()


def test_a_busy_hour_does_not_push_out_a_quiet_night() -> None:
    night, noon = np.linspace(0, 3599, 50), np.linspace(36_000, 39_599, 5000)
    kept = keep(np.concatenate([night, noon]), 500)
    assert (kept < 50).sum() == 50
