"""Waiting grows, is bounded, is drawn, and is forgotten after a healthy minute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.backoff import Backoff


def test_bound_doubles_up_to_the_longest() -> None:
    backoff = Backoff(lambda: 1.0, first_s=1.0, longest_s=30.0)
    assert [backoff.after_failure(lived_s=0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_short_life_does_not_reset_but_a_healthy_minute_does() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.after_failure(lived_s=59.9) for _ in range(4)] == [1, 2, 4, 8]
    assert backoff.after_failure(lived_s=60.0) == 1.0
    assert backoff.after_failure(lived_s=0) == 2.0


def test_a_refusal_waits_longer_from_the_first_time() -> None:
    assert Backoff(lambda: 1.0).after_failure(lived_s=0, is_refusal=True) == 10.0


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=80))
def test_jitter_is_full_and_never_beyond_the_bound(draws: list[float]) -> None:
    queue = iter(draws)
    backoff = Backoff(lambda: next(queue))
    for number, draw in enumerate(draws):
        assert backoff.after_failure(lived_s=0) == pytest.approx(min(30.0, 2.0**number) * draw)


@pytest.mark.parametrize("bad", [{"first_s": 0.0}, {"longest_s": 0.5}, {"healthy_s": 0.0}, {"refused_s": 99.0}])
def test_bounds_out_of_order_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected 0 < first_s"):
        Backoff(lambda: 1.0, **bad)
