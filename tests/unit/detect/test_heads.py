"""Layouts of YOLO outputs: telling them apart, decoding them, and suppressing doubles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pipeline.detect.heads import Boxes, decode, head_of, suppress
from pipeline.errors import ModelError

WH = (640, 384)
POINTS = 80 * 48 + 40 * 24 + 20 * 12
LEAST = np.full(2, 0.5, np.float32)


@pytest.mark.parametrize(
    ("shape", "n_classes", "says", "expected"),
    [
        ((1, 84, POINTS), 80, None, "anchor_free"),
        ((1, 84, POINTS), 80, False, "anchor_free"),
        ((1, 3 * POINTS, 85), 80, None, "objectness"),
        ((1, 300, 6), 80, None, "end_to_end"),
        ((1, 300, 6), 80, True, "end_to_end"),
        ((1, 300, 6), 1, None, "end_to_end"),
        ((1, 300, 6), 1, True, "end_to_end"),
        ((1, 3 * POINTS, 6), 1, None, "objectness"),
        ((1, 3 * POINTS, 6), 1, False, "objectness"),
        ((1, 6, POINTS), 2, None, "anchor_free"),
        ((1, 5, POINTS), 1, None, "anchor_free"),
        ((4, 13, POINTS), 9, None, "anchor_free"),
    ],
)
def test_layouts_are_told_apart(shape, n_classes, says, expected):
    assert head_of(shape, n_classes, WH, is_end_to_end=says) == expected


@pytest.mark.parametrize(
    ("shape", "n_classes", "says"),
    [
        ((1, 56, POINTS), 1, None),  # YOLOv8 pose
        ((1, 116, POINTS), 80, None),  # YOLOv8 segmentation
        ((1, 84, POINTS), 79, None),
        ((1, 84, POINTS), 80, True),
        ((1, 1, 200, 7), 80, None),  # SSD
        ((1, 1000), 1000, None),
        ((1, 300, 6), 80, False),
        ((1, POINTS, 85), 80, None),  # YOLOX
    ],
)
def test_other_shapes_are_refused_by_name(shape, n_classes, says):
    with pytest.raises(ModelError, match=r"its output has shape \(" + ", ".join(map(str, shape))):
        head_of(shape, n_classes, WH, is_end_to_end=says)


# Three boxes: class 0 at 0.9, class 1 at 0.6, and one below the threshold.
CORNERS = np.array([[0, 0, 10, 20], [30, 40, 50, 60], [5, 5, 6, 6]], np.float32)
SCORES = np.array([[0.9, 0.1], [0.2, 0.6], [0.4, 0.3]], np.float32)


def laid_out(head: str) -> NDArray[np.float32]:
    low, high = CORNERS[:, :2], CORNERS[:, 2:]
    centres = np.hstack([(low + high) / 2, high - low])
    if head == "anchor_free":
        return np.hstack([centres, SCORES]).T.copy()
    if head == "objectness":
        return np.hstack([centres, np.ones((3, 1), np.float32), SCORES]).astype(np.float32)
    best = SCORES.max(axis=1, keepdims=True)
    return np.hstack([CORNERS, best, SCORES.argmax(axis=1)[:, None]]).astype(np.float32)


@pytest.mark.parametrize("head", ["anchor_free", "objectness", "end_to_end"])
def test_layouts_decode_to_the_same_boxes(head):
    boxes = decode(laid_out(head), head, LEAST)
    np.testing.assert_allclose(boxes.xyxy, CORNERS[:2], atol=1e-5)
    np.testing.assert_allclose(boxes.confidence, [0.9, 0.6], atol=1e-6)
    assert boxes.class_index.tolist() == [0, 1]


def test_objectness_scales_the_class_score():
    raw = laid_out("objectness")
    raw[:, 4] = 0.6
    assert decode(raw, "objectness", LEAST).confidence.tolist() == pytest.approx([0.54])


@pytest.mark.parametrize("head", ["anchor_free", "objectness", "end_to_end"])
def test_leaving_classes_out_never_adds_a_box(head):
    lenient = np.array([0.05, 0.05], np.float32)
    whole = decode(laid_out(head), head, lenient)
    only_second = decode(laid_out(head), head, np.array([np.inf, 0.05], np.float32))
    assert only_second.class_index.tolist() == [1]
    np.testing.assert_array_equal(only_second.xyxy, whole.xyxy[whole.class_index == 1])
    assert len(decode(laid_out(head), head, np.full(2, np.inf, np.float32)).confidence) == 0


@pytest.mark.parametrize("head", ["anchor_free", "objectness", "end_to_end"])
def test_thresholds_hold_per_class(head):
    assert decode(laid_out(head), head, np.array([0.95, 0.5], np.float32)).class_index.tolist() == [1]
    assert decode(laid_out(head), head, np.array([0.5, 0.65], np.float32)).class_index.tolist() == [0]


@pytest.mark.parametrize("head", ["anchor_free", "objectness", "end_to_end"])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_numbers_are_left_out(head, poison):
    raw = laid_out(head)
    raw[(2, 0) if head == "anchor_free" else (0, 2)] = poison  # a side of the first box
    boxes = decode(raw, head, LEAST)
    assert boxes.class_index.tolist() == [1]
    assert np.isfinite(boxes.xyxy).all()


def test_padding_rows_and_unknown_classes_of_an_end_to_end_head_are_left_out():
    raw = np.array([[0, 0, 9, 9, 0.9, -1], [0, 0, 9, 9, 0.9, 2], [0, 0, 9, 9, 0.9, np.nan], [0, 0, 9, 9, 0.9, 1]])
    assert decode(raw.astype(np.float32), "end_to_end", LEAST).class_index.tolist() == [1]


finite = st.floats(0, 100, width=32)


@st.composite
def some_boxes(draw) -> Boxes:
    n = draw(st.integers(0, 25))
    low = draw(hnp.arrays(np.float32, (n, 2), elements=finite))
    side = draw(hnp.arrays(np.float32, (n, 2), elements=st.floats(0.5, 50, width=32)))
    confidence = draw(hnp.arrays(np.float32, n, elements=st.floats(0, 1, width=32)))
    kinds = draw(hnp.arrays(np.intp, n, elements=st.integers(0, 2)))
    return Boxes(np.hstack([low, low + side]), confidence, kinds)


def iou(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    sides = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None).astype(float)
    common = float(sides.prod())
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (one, other)]
    return common / (sum(areas) - common)


@given(some_boxes(), st.floats(0.1, 0.9))
def test_suppression_matches_its_definition(boxes, max_iou):
    expected: list[int] = []
    for i in sorted(range(len(boxes.confidence)), key=lambda i: (-boxes.confidence[i], i)):
        rivals = [j for j in expected if boxes.class_index[i] == boxes.class_index[j]]
        overlaps = [iou(boxes.xyxy[i], boxes.xyxy[j]) for j in rivals]
        if any(abs(overlap - max_iou) < 1e-4 for overlap in overlaps):
            return  # float32 may fall on either side of the limit
        if all(overlap <= max_iou for overlap in overlaps):
            expected.append(i)
    kept = suppress(boxes, max_iou)
    np.testing.assert_array_equal(kept.xyxy, boxes.xyxy[expected])
    np.testing.assert_array_equal(kept.class_index, boxes.class_index[expected])


@given(some_boxes())
def test_suppressing_twice_changes_nothing(boxes):
    once = suppress(boxes, 0.6)
    np.testing.assert_array_equal(suppress(once, 0.6).xyxy, once.xyxy)


def test_a_flood_of_boxes_is_bounded():
    n = 8400
    low = np.stack([np.arange(n) * 20.0, np.zeros(n)], axis=1)
    flood = Boxes(np.hstack([low, low + 10]).astype(np.float32), np.full(n, 0.9, np.float32), np.zeros(n, np.intp))
    assert len(suppress(flood, 0.6).confidence) == 300
