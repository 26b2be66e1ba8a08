"""What is hidden cannot be told from any other picture that differs only there."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.describe.privacy import hidden

SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))


def noise(seed: int, height: int = 120, width: int = 200) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_nothing_of_a_region_is_left() -> None:
    first, second = noise(1), noise(1)
    second[31:89, 51:149] = noise(2)[31:89, 51:149]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(hidden(first, [SQUARE], (), "none"), hidden(second, [SQUARE], (), "none"))


def test_outside_of_a_region_nothing_changes_and_the_source_is_left_alone() -> None:
    picture = noise(1)
    before = picture.copy()
    result = hidden(picture, [SQUARE], (), "none")
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(result[:26], picture[:26])
    np.testing.assert_array_equal(result[:, :46], picture[:, :46])
    assert (result[60, 100] == result[40, 70]).all()


def test_with_nothing_to_hide_the_picture_itself_comes_back() -> None:
    picture = noise(1)
    assert hidden(picture, (), [(0.1, 0.1, 0.2, 0.4)], "none") is picture
    assert hidden(picture, (), (), "heads") is picture


def cells(area: np.ndarray) -> int:
    """Different colours in ``area``."""
    return len(np.unique(area.reshape(-1, 3), axis=0))


def test_an_upright_head_becomes_a_mosaic_and_the_legs_stay() -> None:
    picture = noise(1)
    result = hidden(picture, (), [(0.4, 0.2, 0.6, 0.9)], "heads")
    head = result[20:42, 76:124]
    assert cells(head) <= 16
    np.testing.assert_array_equal(result[60:108], picture[60:108])


@pytest.mark.parametrize(
    ("box", "people"),
    [((0.2, 0.5, 0.7, 0.8), "heads"), ((0.4, 0.2, 0.6, 0.9), "bodies"), ((0.0, 0.0, 1.0, 1.0), "heads")],
)
def test_the_whole_body_is_hidden_when_asked_or_when_the_head_may_be_anywhere(
    box: tuple[float, float, float, float], people: str
) -> None:
    result = hidden(noise(1), (), [box], people)  # type: ignore[arg-type]
    y0, y1 = round(box[1] * 120), round(box[3] * 120)
    x0, x1 = round(box[0] * 200), round(box[2] * 200)
    assert cells(result[y0:y1, x0:x1]) <= 16


def test_a_face_cannot_be_told_from_its_mirror_image_of_the_same_cells() -> None:
    """Fine detail is gone: a checkerboard and grey of the same mean become the same picture."""
    board = np.kron(np.indices((60, 100)).sum(0) % 2, np.ones((2, 2)))[:, :, None].repeat(3, 2).astype(np.uint8) * 254
    grey = np.full_like(board, 127)
    box = (0.4, 0.2, 0.6, 0.9)
    first, second = hidden(board, (), [box], "bodies"), hidden(grey, (), [box], "bodies")
    inside = (slice(26, 106), slice(82, 118))
    assert np.abs(first[inside].astype(int) - second[inside]).max() <= 16


@given(
    st.lists(st.tuples(*[st.floats(-0.5, 1.5)] * 4), max_size=4),
    st.sampled_from(["heads", "bodies"]),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_boxes_outside_or_turned_round_hide_without_failing(
    boxes: list[tuple[float, float, float, float]], people: str, height: int, width: int
) -> None:
    cv2.setNumThreads(1)
    picture = noise(3, height, width)
    assert hidden(picture, [SQUARE], boxes, people).shape == picture.shape  # type: ignore[arg-type]
