"""Box arithmetic on arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.boxes import enlarge, iou, iou_matrix, normalise

side = st.floats(-1000, 3000)


def test_iou_of_every_pair() -> None:
    a = np.array([[0, 0, 2, 2], [5, 5, 5, 5]], np.float32)
    b = np.array([[1, 0, 3, 2], [0, 0, 2, 2], [9, 9, 10, 10]], np.float32)
    np.testing.assert_allclose(iou_matrix(a, b), [[1 / 3, 1, 0], [0, 0, 0]])
    assert iou_matrix(a[:0], b).shape == (0, 3)


@given(st.lists(st.tuples(side, side, side, side), min_size=1, max_size=6))
def test_iou_is_symmetric_and_bounded(boxes: list[tuple[float, ...]]) -> None:
    array = np.array(boxes)
    overlap = iou_matrix(array, array)
    assert ((overlap >= 0) & (overlap <= 1 + 1e-9)).all()
    np.testing.assert_allclose(overlap, overlap.T)


def test_enlarge_moves_every_side() -> None:
    box = np.array([[10.0, 10.0, 20.0, 30.0]])
    np.testing.assert_allclose(enlarge(box, np.array([[1.0, 2.0]])), [[9, 8, 21, 32]])
    beside, margin = np.array([[25.0, 10.0, 35.0, 30.0]]), np.array([[5.0, 5.0]])
    assert iou(box, beside).item() == 0
    assert iou(enlarge(box, margin), enlarge(beside, margin)).item() > 0


def test_normalise_clips_to_the_picture() -> None:
    assert normalise((-10, 90, 320, 400), (640, 360)) == (0.0, 0.25, 0.5, 1.0)
    with pytest.raises(ValueError, match="picture size"):
        normalise((0, 0, 1, 1), (0, 0))


@given(side, side, side, side)
def test_normalised_boxes_are_boxes(x1: float, y1: float, x2: float, y2: float) -> None:
    a, b, c, d = normalise((x1, y1, x2, y2), (640, 360))
    assert 0 <= a <= c <= 1
    assert 0 <= b <= d <= 1
