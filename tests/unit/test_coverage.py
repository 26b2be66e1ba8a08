"""The coverage record: its parts always add up, gaps are gaps, and it stays bounded."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.coverage import BLIND, Coverage
from pipeline.types import HEALTH_CONDITIONS, HealthCondition

ENTRIES = st.lists(
    st.tuples(st.floats(0.0, 30.0), st.frozensets(st.sampled_from(HEALTH_CONDITIONS), max_size=3)), max_size=60
)


def _filled(
    entries: list[tuple[float, frozenset[HealthCondition]]], *, max_spans: int = 4096
) -> tuple[Coverage, float]:
    coverage, at_s = Coverage(max_spans=max_spans), 0.0
    for step_s, conditions in entries:
        at_s += step_s
        coverage.add(at_s, conditions)
    return coverage, at_s


def test_a_healthy_hour_is_seen_to_the_second() -> None:
    coverage = Coverage()
    for second in range(3601):
        coverage.add(float(second))
    report = coverage.over(0.0, 3600.0)
    assert (report.seen_s, report.gap_s, report.by_condition) == (3600.0, 0.0, ())
    assert report.seen_share == 1.0


def test_each_condition_is_counted_and_falls_into_one_part() -> None:
    coverage = Coverage()
    for second in range(101):
        held: tuple[HealthCondition, ...] = ("black", "moved") if 20 < second <= 30 else ()
        coverage.add(float(second), ("defocused",) if 50 < second <= 55 else held)
    report = coverage.over(0.0, 100.0)
    assert (report.seen_s, report.blind_s, report.impaired_s, report.gap_s) == (85.0, 10.0, 5.0, 0.0)
    assert dict(report.by_condition) == {"black": 10.0, "defocused": 5.0, "moved": 10.0}


def test_time_without_entries_is_a_gap() -> None:
    coverage = Coverage(max_step_s=10.0)
    for at_s in (0.0, 10.0, 20.1, 25.1):
        coverage.add(at_s)
    report = coverage.over(-5.0, 30.0)
    assert report.seen_s == pytest.approx(15.0)
    assert report.gap_s == pytest.approx(20.0)


def test_a_window_cuts_through_spans() -> None:
    coverage, _ = _filled([(1.0, frozenset())] * 50 + [(1.0, frozenset({"offline"}))] * 50)
    report = coverage.over(45.5, 52.5)
    assert report.seen_s == pytest.approx(4.5)
    assert report.blind_s == pytest.approx(2.5)


def test_an_entry_from_the_past_changes_nothing() -> None:
    coverage, _ = _filled([(1.0, frozenset())] * 10)
    before = coverage.over(0.0, 20.0)
    coverage.add(3.0, ("black",))
    assert coverage.over(0.0, 20.0) == before


def test_only_the_newest_spans_are_kept_and_what_is_forgotten_is_a_gap() -> None:
    entries = [(1.0, frozenset({"black"}) if i % 2 else frozenset()) for i in range(100)]
    coverage, end_s = _filled(entries, max_spans=10)
    report = coverage.over(0.0, end_s)
    assert report.gap_s == pytest.approx(end_s - 10.0)
    assert len(coverage.state()["spans"]) == 10


@given(entries=ENTRIES, window=st.tuples(st.floats(-50.0, 500.0), st.floats(0.0, 500.0)))
def test_the_parts_add_up_to_the_window(
    entries: list[tuple[float, frozenset[HealthCondition]]], window: tuple[float, float]
) -> None:
    coverage, _ = _filled(entries)
    from_s, to_s = window[0], window[0] + window[1]
    report = coverage.over(from_s, to_s)
    parts = (report.seen_s, report.impaired_s, report.blind_s, report.gap_s)
    assert min(parts) >= 0.0
    assert sum(parts) == pytest.approx(to_s - from_s, abs=1e-6)
    blind_s = sum(seconds for name, seconds in report.by_condition if name in BLIND)
    assert blind_s >= report.blind_s - 1e-6


@given(entries=ENTRIES, cut=st.integers(0, 60))
def test_saved_and_restored_is_the_same_record(
    entries: list[tuple[float, frozenset[HealthCondition]]], cut: int
) -> None:
    whole, end_s = _filled(entries)
    first, at_s = _filled(entries[:cut])
    second = Coverage()
    second.restore(json.loads(json.dumps(first.state())))
    for step_s, conditions in entries[cut:]:
        at_s += step_s
        second.add(at_s, conditions)
    assert second.over(0.0, end_s + 1.0) == whole.over(0.0, end_s + 1.0)


def test_bad_input_is_refused() -> None:
    coverage = Coverage()
    with pytest.raises(ValueError, match="conditions: expected"):
        coverage.add(0.0, ("sleepy",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at_s: expected"):
        coverage.add(math.nan)
    with pytest.raises(ValueError, match="window: expected"):
        coverage.over(2.0, 1.0)
    with pytest.raises(ValueError, match="version"):
        coverage.restore({"v": 99, "spans": []})
    with pytest.raises(ValueError, match="max_step_s"):
        Coverage(max_step_s=0.0)
    with pytest.raises(ValueError, match="max_spans"):
        Coverage(max_spans=0)
