"""Events and alerts against cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.evaluate.clips import runs_of
from pipeline.evaluate.events import event_metrics, match_events
from pipeline.evaluate.metrics import AlertSpan, ScoredClip


def _clip(labels: list[int], *opened_s: float, events: tuple[tuple[int, int], ...] | None = None) -> ScoredClip:
    """Ten frames a second; every alert lasts a second."""
    alerts = tuple(AlertSpan("unusual", "", at, at + 1) for at in opened_s)
    times_s = np.arange(len(labels)) / 10
    return ScoredClip("clip", np.array(labels, np.int8), times_s, np.zeros(len(labels)), alerts, events)


_TEN_S = [0] * 50 + [1] * 20 + [0] * 130  # the event is 5.0 .. 7.0 s of 20 s


@pytest.mark.parametrize(("opened_s", "is_hit"), [(3.9, False), (4.0, True), (6.0, True), (9.0, True), (9.1, False)])
def test_an_alert_hits_from_one_second_before_to_two_after(opened_s: float, is_hit: bool) -> None:
    found = event_metrics([_clip(_TEN_S, opened_s)])
    assert found.found == int(is_hit)
    assert len(found.false_alerts) == int(not is_hit)


def test_delay_counts_from_the_start_and_an_early_alert_has_none() -> None:
    assert event_metrics([_clip(_TEN_S, 5.6)]).delay_s(0.5) == pytest.approx(0.6)
    assert event_metrics([_clip(_TEN_S, 4.5)]).delay_s(0.5) == 0.0


def test_several_alerts_of_one_event_are_all_right_and_the_first_sets_the_delay() -> None:
    found = event_metrics([_clip(_TEN_S, 6.5, 5.5)])
    assert (found.alerts, found.found, found.precision, found.recall) == (2, 1, 1.0, 1.0)
    assert found.delay_s(0.5) == pytest.approx(0.5)


def test_an_alert_among_ignored_frames_counts_neither_way() -> None:
    labels = [0] * 50 + [-1] * 50 + [0] * 50
    found = event_metrics([_clip(labels, 7.0)])
    assert (found.alerts, found.false_alerts) == (0, ())


def test_exposure_is_normal_time_outside_every_window() -> None:
    found = event_metrics([_clip(_TEN_S, 15.0)])
    # 20 s less the event with a second before it and two after it, borders included: 4.0 .. 9.0 s.
    assert found.normal_s == pytest.approx(14.9)
    assert found.false_per_hour == pytest.approx(3600 / 14.9)


def test_listed_events_may_overlap_and_one_alert_can_meet_both() -> None:
    found = event_metrics([_clip(_TEN_S, 6.0, events=((50, 60), (55, 70)))])
    assert (found.found, len(found.events), found.alerts) == (2, 2, 1)


def test_without_events_there_is_no_recall_and_no_f1() -> None:
    found = event_metrics([_clip([0] * 50, 1.0)])
    assert math.isnan(found.recall)
    assert math.isnan(found.f1)
    assert found.precision == 0.0


def test_silence_finds_nothing_and_has_no_precision() -> None:
    found = event_metrics([_clip(_TEN_S)])
    assert (found.recall, found.f1) == (0.0, 0.0)
    assert math.isnan(found.precision)


def test_f1_over_clips_is_over_all_events_and_alerts() -> None:
    found = event_metrics([_clip(_TEN_S, 5.5), _clip(_TEN_S, 15.0)])
    assert (found.precision, found.recall, found.f1) == pytest.approx((0.5, 0.5, 0.5))


def test_runs_join_over_ignored_frames_and_part_over_normal_ones() -> None:
    assert runs_of(np.array([1, 1, -1, 1, 0, 1], np.int8)) == [(0, 4), (5, 6)]
    assert runs_of(np.array([0, 0], np.int8)) == []


def test_events_of_a_clip_keep_their_own_delay() -> None:
    labels = [0] * 20 + [1] * 10 + [0] * 60 + [1] * 10
    events, _, false = match_events(_clip(labels, 2.5, 9.5))
    assert [event.delay_s for event in events] == pytest.approx([0.5, 0.5])
    assert false == []
