"""AUC, AP and rates against values worked out by hand, and against their definitions under hypothesis."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluate.metrics import (
    AlertSpan,
    ScoredClip,
    average_precision,
    clip_auc,
    frame_metrics,
    macro_auc,
    micro_auc,
    paired_bootstrap,
    rates_at,
    rates_of_alerts,
    roc_auc,
    time_in_clip,
)


def _clip(
    labels: Sequence[int], score: Sequence[float], name: str = "a", alerts: tuple[AlertSpan, ...] = ()
) -> ScoredClip:
    times_s = np.arange(len(labels)) / 10
    return ScoredClip(name, np.array(labels, np.int8), times_s, np.array(score, np.float64), alerts)


def _auc(labels: Sequence[int], score: Sequence[float]) -> float:
    return roc_auc(np.array(labels, np.int8), np.array(score, np.float64))


def test_auc_of_a_known_order() -> None:
    # 3 of the 4 pairs are right: (0.8 > 0.1), (0.8 > 0.4), (0.35 > 0.1), not (0.35 > 0.4).
    assert _auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == pytest.approx(0.75)


def test_ties_count_half_and_ignored_frames_not_at_all() -> None:
    assert _auc([0, 1], [0.5, 0.5]) == pytest.approx(0.5)
    assert _auc([0, 1, -1, -1], [0.1, 0.2, 9.0, -9.0]) == pytest.approx(1.0)


def test_auc_needs_both_kinds() -> None:
    assert math.isnan(_auc([0, 0], [0.1, 0.2]))
    assert math.isnan(_auc([1, 1], [0.1, 0.2]))


@given(st.lists(st.tuples(st.sampled_from([0, 1, -1]), st.integers(0, 5)), min_size=1, max_size=40))
def test_auc_is_the_share_of_right_pairs(rows: list[tuple[int, int]]) -> None:
    labels, score = [row[0] for row in rows], [float(row[1]) for row in rows]
    pairs = [
        1.0 if s > t else 0.5 if s == t else 0.0
        for s, one in zip(score, labels, strict=True)
        if one == 1
        for t, zero in zip(score, labels, strict=True)
        if zero == 0
    ]
    found = _auc(labels, score)
    assert math.isnan(found) if not pairs else found == pytest.approx(sum(pairs) / len(pairs))


def test_average_precision_by_hand() -> None:
    labels, score = np.array([1, 0, 1, 0], np.int8), np.array([0.9, 0.8, 0.7, 0.1])
    assert average_precision(labels, score) == pytest.approx(0.5 * 1.0 + 0.5 * 2 / 3)


@given(st.permutations(range(6)))
def test_average_precision_does_not_depend_on_the_order_of_equals(order: list[int]) -> None:
    labels = np.array([1, 0, 1, 0, 0, 1], np.int8)
    score = np.array([0.5, 0.5, 0.5, 0.2, 0.9, 0.2])
    assert average_precision(labels[order], score[order]) == pytest.approx(average_precision(labels, score))


def test_always_alarm_has_the_precision_of_the_labels() -> None:
    clip = _clip([0, 1, 1, 1], [0.0, 0.0, 0.0, 0.0])
    rates = rates_at([clip], -1.0)
    assert (rates.precision, rates.recall, rates.f1) == pytest.approx((0.75, 1.0, 6 / 7))


def test_nothing_said_has_no_precision() -> None:
    rates = rates_at([_clip([0, 1], [0.1, 0.2])], 1.0)
    assert math.isnan(rates.precision)
    assert (rates.recall, rates.f1) == (0.0, 0.0)


def test_rates_of_alerts_count_the_frames_of_open_alerts() -> None:
    clip = _clip([0, 0, 1, 1, 0], [0.0] * 5, alerts=(AlertSpan("unusual", "", 0.1, 0.2),))
    rates = rates_of_alerts([clip])
    assert (rates.precision, rates.recall) == pytest.approx((0.5, 0.5))


def test_macro_takes_mixed_clips_only_and_padding_flatters() -> None:
    mixed = _clip([0, 1, 0, 1], [0.3, 0.2, 0.1, 0.4])
    normal = _clip([0, 0], [0.2, 0.3], "b")
    assert macro_auc([mixed, normal]) == pytest.approx(0.75)
    assert macro_auc([mixed, normal], is_padded=True) > 0.85
    assert math.isnan(macro_auc([normal]))


def test_micro_ranks_all_frames_together() -> None:
    quiet = _clip([0, 1], [0.1, 0.2])
    loud = _clip([0, 1], [0.8, 0.9], "b")
    assert macro_auc([quiet, loud]) == 1.0
    assert micro_auc([quiet, loud]) == pytest.approx(0.75)


def test_whole_clips_are_ranked_by_their_highest_score() -> None:
    clips = [_clip([1, 1], [0.1, 0.9]), _clip([0, 0], [0.5, 0.5], "b"), _clip([0, 0], [0.2, 0.95], "c")]
    assert clip_auc(clips) == pytest.approx(0.5)


def test_frame_metrics_without_a_threshold_say_so() -> None:
    found = frame_metrics([_clip([0, 1], [0.1, 0.2])], float("nan"))
    assert math.isnan(found.at_normal_quantile.f1)
    assert (found.frames, found.abnormal_frames, found.mixed_clips) == (2, 1, 1)


def test_time_in_clip_scores_late_events_high() -> None:
    assert micro_auc(time_in_clip([_clip([0, 0, 1, 1], [0.0] * 4)])) == 1.0


def test_bootstrap_of_an_arm_against_itself_is_zero() -> None:
    clips = [_clip([0, 1, 0], [0.3, 0.2, 0.1], str(i)) for i in range(4)]
    found = paired_bootstrap(("one", clips), ("other", clips), draws=50)
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)
    assert not found.excludes_zero


def test_bootstrap_sees_a_clear_difference_and_is_repeatable() -> None:
    good = [_clip([0, 0, 1], [0.1, 0.2, 0.9], str(i)) for i in range(6)]
    bad = [_clip([0, 0, 1], [0.8, 0.9, 0.1], str(i)) for i in range(6)]
    found = paired_bootstrap(("good", good), ("bad", bad), draws=50)
    assert found.mean == pytest.approx(1.0)
    assert found.excludes_zero
    assert found == paired_bootstrap(("good", good), ("bad", bad), draws=50)


def test_bootstrap_refuses_arms_over_different_clips() -> None:
    with pytest.raises(ValueError, match="same clips"):
        paired_bootstrap(("a", [_clip([0, 1], [0, 1], "x")]), ("b", [_clip([0, 1], [0, 1], "y")]))


def test_scores_have_to_be_finite_and_one_per_frame() -> None:
    with pytest.raises(ValueError, match="finite"):
        _clip([0, 1], [0.0, math.nan])
    with pytest.raises(ValueError, match="times and scores"):
        _clip([0, 1], [0.0])
