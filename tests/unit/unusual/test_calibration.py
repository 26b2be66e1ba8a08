"""From raw scores to -log p: honest in the body, never impossible in the tail."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import genpareto

from pipeline.unusual.calibration import MAX_SURPRISE, tail_of


def test_surprise_is_as_frequent_as_it_says() -> None:
    random = np.random.default_rng(1)
    tail = tail_of(random.exponential(size=2000))
    assert tail is not None
    surprise = tail.surprise(random.exponential(size=50_000))
    for level in (1.0, 3.0, 5.0):
        assert (surprise >= level).mean() == pytest.approx(np.exp(-level), rel=0.25)


def test_the_tail_is_that_of_scipy() -> None:
    random = np.random.default_rng(2)
    scores = genpareto.rvs(0.2, scale=2.0, size=20_000, random_state=random)
    tail = tail_of(scores)
    assert tail is not None
    assert tail.shape == pytest.approx(0.2, abs=0.08)
    expected = -genpareto.logsf(30.0, 0.2, scale=2.0)
    assert tail.surprise(np.array([30.0]))[0] == pytest.approx(expected, rel=0.1)


def test_few_samples_say_nothing() -> None:
    assert tail_of(np.arange(11.0)) is None
    assert tail_of(np.full(50, np.nan)) is None


def test_no_cue_is_believed_further_than_the_number_of_samples_reaches() -> None:
    few, many = tail_of(np.linspace(0, 1, 20)), tail_of(np.linspace(0, 1, 20_000))
    assert few is not None
    assert many is not None
    assert few.surprise(np.array([1e9]))[0] < many.surprise(np.array([1e9]))[0] <= MAX_SURPRISE


def test_differences_below_the_grain_mean_little() -> None:
    exact, coarse = tail_of(np.zeros(200)), tail_of(np.zeros(200), grain=0.5)
    assert exact is not None
    assert coarse is not None
    assert exact.surprise(np.array([0.01]))[0] > 6
    assert coarse.surprise(np.array([0.01]))[0] == pytest.approx(coarse.surprise(np.array([0.0]))[0], abs=2.5)
    assert coarse.surprise(np.array([5.0]))[0] > 6


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=12, max_size=80),
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=2, max_size=20),
)
def test_surprise_grows_with_the_score_and_is_finite(normal: list[float], scores: list[float]) -> None:
    tail = tail_of(np.array(normal))
    assert tail is not None
    found = tail.surprise(np.array(sorted(scores, key=lambda x: (math.isnan(x), x))))
    known = found[np.isfinite(found)]
    assert len(known) == sum(np.isfinite(scores))
    assert (known >= 0).all()
    assert (known <= MAX_SURPRISE).all()
    assert (np.diff(known) >= -1e-9).all()
