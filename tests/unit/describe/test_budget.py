"""The budget: no minute and no hour ever holds more than its cap, whatever happens to clocks and processes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.describe.budget import Budget, Caps, Cost, Price, Reservation

ONE = Cost(calls=1, tokens=500, seconds=2, money=0.01)


def admitted(budget: Budget, at_s: float, most: Cost = ONE) -> bool:
    return isinstance(budget.reserve(at_s, most), Reservation)


@pytest.mark.parametrize(
    ("caps", "name", "fits"),
    [
        (Caps(calls_per_minute=3), "calls_per_minute", 3),
        (Caps(calls_per_hour=5), "calls_per_hour", 5),
        (Caps(tokens_per_minute=1_999), "tokens_per_minute", 3),
        (Caps(tokens_per_hour=2_000), "tokens_per_hour", 4),
        (Caps(seconds_per_minute=7), "seconds_per_minute", 3),
        (Caps(seconds_per_hour=2), "seconds_per_hour", 1),
        (Caps(money_per_hour=0.025), "money_per_hour", 2),
        (Caps(money_per_minute=0), "money_per_minute", 0),
    ],
)
def test_each_cap_stops_at_its_number_and_says_its_name(caps: Caps, name: str, fits: int) -> None:
    budget = Budget(caps)
    answers = [budget.reserve(1_000.0, ONE) for _ in range(fits + 3)]
    assert all(isinstance(answer, Reservation) for answer in answers[:fits])
    assert answers[fits:] == [name] * 3


def test_who_asks_for_a_share_leaves_the_rest_to_others() -> None:
    budget = Budget(Caps(calls_per_minute=5))
    modest = [isinstance(budget.reserve(0.0, ONE, 0.5), Reservation) for _ in range(5)]
    assert modest == [True, True, False, False, False]
    assert [admitted(budget, 0.0) for _ in range(4)] == [True, True, True, False]


def test_no_cap_is_no_cap() -> None:
    budget = Budget(Caps())
    assert all(admitted(budget, 5.0) for _ in range(10_000))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 90), st.integers(0, 800), st.floats(0, 1)), min_size=1, max_size=300),
    st.integers(1, 12),
    st.integers(500, 3_000),
)
def test_a_storm_never_exceeds_a_cap_in_any_window(
    calls: list[tuple[float, int, float]], most_calls: int, most_tokens: int
) -> None:
    budget = Budget(Caps(calls_per_minute=most_calls, tokens_per_hour=most_tokens))
    made: list[tuple[float, float]] = []
    at_s = 1.7e9
    for gap_s, tokens, share in calls:
        at_s += gap_s
        reserved = budget.reserve(at_s, Cost(1, tokens))
        if isinstance(reserved, Reservation):
            spent = tokens * share
            budget.settle(reserved, Cost(1, spent))
            made.append((at_s, spent))
    for end_s, _ in made:
        assert sum(1 for when, _ in made if end_s - 60 < when <= end_s) <= most_calls
        assert sum(spent for when, spent in made if end_s - 3600 < when <= end_s) <= most_tokens + 1e-6


def test_ten_thousand_requests_in_a_second_make_no_more_calls_than_allowed() -> None:
    budget = Budget(Caps(calls_per_minute=10, calls_per_hour=30))
    assert sum(admitted(budget, 100.0 + n / 10_000) for n in range(10_000)) == 10
    assert sum(admitted(budget, 100.0 + n) for n in range(3_600)) == 20


def test_the_budget_comes_back_when_the_window_has_passed() -> None:
    budget = Budget(Caps(calls_per_minute=1))
    assert admitted(budget, 0.0)
    assert not admitted(budget, 59.9)
    assert admitted(budget, 61.0)


def test_what_was_reserved_and_not_spent_comes_back() -> None:
    budget = Budget(Caps(tokens_per_minute=1_000))
    first = budget.reserve(0.0, Cost(1, 900))
    assert isinstance(first, Reservation)
    assert budget.reserve(1.0, Cost(1, 900)) == "tokens_per_minute"
    budget.settle(first, Cost(1, 50))
    assert admitted(budget, 2.0, Cost(1, 900))
    assert budget.spent(2.0)["minute"].tokens == 950


def test_a_call_that_cost_more_than_reserved_is_held_against_the_next() -> None:
    budget = Budget(Caps(tokens_per_hour=1_000))
    first = budget.reserve(0.0, Cost(1, 100))
    assert isinstance(first, Reservation)
    budget.settle(first, Cost(1, 5_000))
    assert budget.reserve(1.0, Cost(1, 1)) == "tokens_per_hour"


def test_a_clock_that_is_set_back_gains_nothing() -> None:
    budget = Budget(Caps(calls_per_minute=1))
    assert admitted(budget, 1_000.0)
    assert not admitted(budget, 10.0)
    assert not admitted(budget, 1_059.0)
    assert admitted(budget, 1_062.0)


def test_a_restart_does_not_spend_again() -> None:
    first, caps = Budget(Caps(calls_per_hour=2, money_per_hour=1)), Caps(calls_per_hour=2, money_per_hour=1)
    assert admitted(first, 50.0)
    assert admitted(first, 51.0)
    second = Budget(caps)
    second.restore(json.loads(json.dumps(first.state())))
    assert second.reserve(52.0, ONE) == "calls_per_hour"
    assert second.spent(52.0) == first.spent(52.0)
    fresh = Budget(caps)
    fresh.restore(json.loads(json.dumps(Budget(caps).state())))
    assert admitted(fresh, 0.0)


@pytest.mark.parametrize(
    "state", [{}, {"version": 9}, {"version": 1, "at_s": 0, "windows": {}}, {"version": 1, "at_s": "x", "windows": []}]
)
def test_a_damaged_state_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="budget state"):
        Budget(Caps()).restore(state)


def test_what_is_remembered_is_bounded() -> None:
    budget = Budget(Caps(calls_per_hour=1e9))
    for n in range(20_000):
        budget.reserve(n * 1.7, ONE)
    assert len(json.dumps(budget.state())) < 20_000


def test_workers_share_the_caps() -> None:
    parts = [Budget(Caps(calls_per_minute=10, tokens_per_hour=None).shared(3)) for _ in range(3)]
    made = sum(admitted(part, 5.0) for part in parts for _ in range(100))
    assert made == 9
    with pytest.raises(ValueError, match="workers"):
        Caps().shared(0)


def test_money_is_counted_by_the_million_tokens() -> None:
    assert Price(2.5, 10).of(1_000_000, 500_000) == pytest.approx(7.5)
    assert Price().of(1e9, 1e9) == 0


@pytest.mark.parametrize("bad", [-1, float("nan"), float("inf")])
def test_impossible_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="calls_per_hour"):
        Caps(calls_per_hour=bad)
    with pytest.raises(ValueError, match="tokens"):
        Cost(tokens=bad)
    with pytest.raises(ValueError, match="price"):
        Price(per_million_reply=bad)
