"""Average precision against values worked out by hand, and against its own definition under hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluate.detection import Judged, evaluate_detection

_LABELS = ("person", "car")
_Row = tuple[float, float, float, float]


def _judged(
    truth: list[tuple[_Row, int]],
    found: list[tuple[_Row, int, float]],
    ignored: tuple[int, ...] = (),
    source: str = "gate",
) -> Judged:
    is_ignored = np.zeros(len(truth), bool)
    is_ignored[list(ignored)] = True
    return Judged(
        source,
        np.array([t[0] for t in truth], np.float32).reshape(-1, 4),
        np.array([t[1] for t in truth], np.int64),
        is_ignored,
        np.array([f[0] for f in found], np.float32).reshape(-1, 4),
        np.array([f[1] for f in found], np.int64),
        np.array([f[2] for f in found], np.float32),
    )


_XY, _SIDE = st.floats(0, 80), st.floats(4, 20)
_A, _B, _FAR = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0), (80.0, 80.0, 90.0, 90.0)


def test_a_perfect_detector_scores_one_everywhere() -> None:
    report = evaluate_detection([_judged([(_A, 0), (_B, 1)], [(_A, 0, 0.9), (_B, 1, 0.8)])], _LABELS)
    assert [s.label for s in report.classes] == ["person", "car"]
    for score in report.classes:
        assert (score.ap50, score.ap50_95, score.precision, score.recall, score.f1) == pytest.approx((1, 1, 1, 1, 1))
    assert report.mean_ap50 == pytest.approx(1.0)


def test_a_false_alarm_above_a_hit_halves_precision() -> None:
    score = evaluate_detection([_judged([(_A, 0)], [(_FAR, 0, 0.9), (_A, 0, 0.5)])], _LABELS).score("person")
    assert score is not None
    assert score.ap50 == pytest.approx(0.5)
    assert (score.precision, score.recall, score.threshold) == pytest.approx((0.5, 1.0, 0.5))


def test_a_false_alarm_below_every_hit_costs_nothing() -> None:
    score = evaluate_detection([_judged([(_A, 0)], [(_A, 0, 0.9), (_FAR, 0, 0.1)])], _LABELS).score("person")
    assert score is not None
    assert score.ap50 == pytest.approx(1.0)


def test_half_the_objects_found_gives_half_the_recall_points() -> None:
    score = evaluate_detection([_judged([(_A, 0), (_B, 0)], [(_A, 0, 0.9)])], _LABELS).score("person")
    assert score is not None
    assert score.ap50 == pytest.approx(51 / 101)  # recall points 0.00 … 0.50


def test_a_second_box_on_the_same_object_is_a_false_alarm() -> None:
    score = evaluate_detection(
        [_judged([(_A, 0), (_B, 0)], [(_A, 0, 0.9), (_A, 0, 0.8), (_B, 0, 0.7)])], _LABELS
    ).score("person")
    assert score is not None
    assert score.precision < 1.0
    assert score.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_sloppy_box_counts_at_half_overlap_only() -> None:
    sloppy = (0.0, 0.0, 10.0, 16.0)  # IoU 0.625: levels 0.50, 0.55, 0.60
    score = evaluate_detection([_judged([(_A, 0)], [(sloppy, 0, 0.9)])], _LABELS).score("person")
    assert score is not None
    assert (score.ap50, score.ap50_95) == pytest.approx((1.0, 0.3))


def test_what_matches_an_ignored_object_counts_neither_way() -> None:
    with_it = evaluate_detection([_judged([(_A, 0), (_B, 0)], [(_B, 0, 0.9), (_A, 0, 0.5)], ignored=(1,))], _LABELS)
    score = with_it.score("person")
    assert score is not None
    assert (score.truths, score.ap50, score.precision) == (1, pytest.approx(1.0), pytest.approx(1.0))


def test_the_wrong_class_is_a_miss_and_classes_without_truth_are_left_out() -> None:
    report = evaluate_detection([_judged([(_A, 0)], [(_A, 1, 0.9)])], _LABELS)
    assert [(s.label, s.ap50) for s in report.classes] == [("person", 0.0)]
    assert report.score("car") is None


def test_sources_are_scored_apart() -> None:
    good = _judged([(_A, 0)], [(_A, 0, 0.9)], source="gate")
    bad = _judged([(_A, 0)], [], source="yard")
    report = evaluate_detection([good, bad], _LABELS)
    assert [(s, scores[0].ap50) for s, scores in report.by_source] == [("gate", pytest.approx(1.0)), ("yard", 0.0)]


def test_nothing_to_judge_on_and_ragged_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        evaluate_detection([], _LABELS)
    with pytest.raises(ValueError, match="found: expected"):
        Judged(
            "s",
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.int64),
            np.zeros(0, bool),
            np.zeros((2, 4), np.float32),
            np.zeros(2, np.int64),
            np.zeros(1, np.float32),
        )


@given(
    st.lists(st.tuples(_XY, _XY, _SIDE, st.integers(0, 1)), max_size=6),
    st.lists(st.tuples(_XY, _XY, _SIDE, st.integers(0, 1), st.floats(0, 1)), max_size=8),
)
def test_scores_stay_between_zero_and_one(
    truth: list[tuple[float, float, float, int]], found: list[tuple[float, float, float, int, float]]
) -> None:
    judged = _judged(
        [((x, y, x + s, y + s), c) for x, y, s, c in truth], [((x, y, x + s, y + s), c, p) for x, y, s, c, p in found]
    )
    report = evaluate_detection([judged], _LABELS)
    for score in report.classes:
        for value in (score.ap50, score.ap50_95, score.precision, score.recall, score.f1):
            assert 0.0 <= value <= 1.0 + 1e-9
        assert score.ap50_95 <= score.ap50 + 1e-9
