"""Plane geometry against truths that can be checked by hand or by counting."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.alert.geometry import (
    angle_between_deg,
    area,
    bearing_words,
    has_crossed_segment,
    iou,
    is_simple,
    overlap_share,
    signed_distance,
)
from pipeline.boxes import is_inside

UNIT = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
LETTER_U = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.7, 1.0), (0.7, 0.3), (0.3, 0.3), (0.3, 1.0), (0.0, 1.0))
share = st.floats(0.01, 0.99)


@pytest.mark.parametrize(
    ("point", "inside"), [((0.5, 0.1), True), ((0.5, 0.6), False), ((0.1, 0.9), True), ((2, 2), False)]
)
def test_inside_a_concave_polygon(point: tuple[float, float], inside: bool) -> None:
    assert is_inside(point, LETTER_U) is inside


@given(share, share, st.integers(0, 3), st.booleans())
def test_inside_does_not_depend_on_where_or_which_way_a_polygon_begins(
    x: float, y: float, turn: int, back: bool
) -> None:
    polygon = UNIT[turn:] + UNIT[:turn]
    assert is_inside((x, y), polygon[::-1] if back else polygon)
    assert not is_inside((x + 1, y), polygon)


def test_two_polygons_that_share_a_side_share_no_point_on_it() -> None:
    left, right = ((0, 0), (0.5, 0), (0.5, 1), (0, 1)), ((0.5, 0), (1, 0), (1, 1), (0.5, 1))
    assert is_inside((0.5, 0.5), left) != is_inside((0.5, 0.5), right)


def test_area() -> None:
    assert area(UNIT) == 1
    assert area(LETTER_U) == pytest.approx(1 - 0.4 * 0.7)
    assert area(UNIT[::-1]) == 1


@pytest.mark.parametrize(
    ("polygon", "simple"),
    [
        (UNIT, True),
        (LETTER_U, True),
        (((0, 0), (1, 1), (1, 0), (0, 1)), False),  # a bow tie
        (((0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)), False),  # a corner on a side
        (((0, 0), (1, 0), (0.5, 0), (0.5, 1)), False),  # folds back along itself
        (((0, 0), (0.5, 0), (1, 0), (1, 1)), True),  # a corner of 180 degrees is harmless
        (((0, 0), (1, 0)), False),
        (((0, 0), (1, 0), (0, 0), (1, 1)), False),
    ],
)
def test_simple_polygons(polygon: tuple[tuple[float, float], ...], simple: bool) -> None:
    assert is_simple(polygon) is simple


@given(st.lists(st.tuples(share, share), min_size=3, max_size=9, unique=True))
def test_points_in_order_of_their_angle_make_a_simple_polygon(points: list[tuple[float, float]]) -> None:
    cx, cy = sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
    angles = sorted((math.atan2(y - cy, x - cx), (x, y)) for x, y in points)
    steps = [
        b[0] - a[0] for a, b in zip(angles, [*angles[1:], (angles[0][0] + 2 * math.pi, angles[0][1])], strict=True)
    ]
    assume(min(steps) > 1e-3 and max(steps) < math.pi - 1e-3)
    assume(all(math.dist((cx, cy), point) > 1e-3 for point in points))
    assert is_simple([point for _, point in angles])


def test_the_side_of_a_line() -> None:
    assert signed_distance((0.7, 0.5), (0.5, 1.0), (0.5, 0.0)) == pytest.approx(0.2)  # upwards: right is right
    assert signed_distance((0.3, 0.5), (0.5, 1.0), (0.5, 0.0)) == pytest.approx(-0.2)
    assert signed_distance((0.7, 0.5), (0.5, 0.0), (0.5, 1.0)) == pytest.approx(-0.2)


@pytest.mark.parametrize(
    ("before", "after", "crossed"),
    [
        ((0.4, 0.5), (0.6, 0.5), True),
        ((0.4, 1.5), (0.6, 1.5), False),
        ((0.4, 0.2), (0.45, 0.2), False),
        ((0.4, 0), (0.4, 1), False),
    ],
)
def test_crossing_a_segment(before: tuple[float, float], after: tuple[float, float], crossed: bool) -> None:
    assert has_crossed_segment(before, after, (0.5, 0.0), (0.5, 1.0)) is crossed


def test_angles_and_bearings() -> None:
    assert angle_between_deg((1, 0), (0, 3)) == pytest.approx(90)
    assert angle_between_deg((1, 0), (-2, 0)) == pytest.approx(180)
    words = [bearing_words(way) for way in ((1, 0), (1, 1), (0, 1), (-1, 0.1), (-1, -1), (0, -1))]
    assert words == ["right", "down and right", "down", "left", "up and left", "up"]


def test_overlaps() -> None:
    assert iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0
    assert overlap_share((0, 0, 2, 2), (1, 0, 30, 20)) == pytest.approx(0.5)
    assert overlap_share((0, 0, 0, 2), (0, 0, 9, 9)) == 0
