from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.scenes.camera import Lens
from pipeline.scenes.model import Camera


def _lens(roll_deg: float = 0.0, distortion: float = -0.08, fov_deg: float = 80.0) -> Lens:
    return Lens(Camera((1.0, -3.0, 4.0), (0.0, 6.0, 0.0), fov_deg, roll_deg, distortion), (640, 360))


@settings(max_examples=40, deadline=None)
@given(
    x=st.floats(1, 639),
    y=st.floats(1, 359),
    roll=st.floats(-20, 20),
    k1=st.floats(-0.12, 0.0),
    far=st.floats(1.0, 80.0),
)
def test_a_point_along_a_pixels_ray_projects_back_to_that_pixel(
    x: float, y: float, roll: float, k1: float, far: float
) -> None:
    lens = _lens(roll, k1)
    direction = lens.directions(np.float32([[x, y]]))
    xy, depth = lens.project(lens.position + direction * np.float32(far))
    assert depth[0] > 0
    assert xy[0] == pytest.approx((x, y), abs=0.25)


def test_directions_are_unit_and_up_is_up() -> None:
    lens = _lens()
    top, bottom = lens.directions(np.float32([[320, 5], [320, 355]]))
    assert np.linalg.norm(top) == pytest.approx(1.0, abs=1e-5)
    assert top[2] > bottom[2]


def test_roll_tilts_the_horizon() -> None:
    level, tilted = _lens(0.0), _lens(10.0)
    far = np.float32([[-40.0, 60.0, 4.0], [40.0, 60.0, 4.0]])
    assert abs(np.diff(level.project(far)[0][:, 1])[0]) < abs(np.diff(tilted.project(far)[0][:, 1])[0])


def test_a_zone_that_passes_under_the_camera_is_cut_to_the_picture() -> None:
    outline = _lens().outline(((-2.0, -20.0), (2.0, -20.0), (2.0, 30.0), (-2.0, 30.0)))
    points = np.array(outline)
    assert len(points) >= 4
    assert points.min() >= 0.0
    assert points.max() <= 1.0
    assert points[:, 1].max() == pytest.approx(1.0, abs=1e-3)


def test_a_zone_behind_the_camera_has_no_outline() -> None:
    assert _lens().outline(((-5.0, -40.0), (5.0, -40.0), (0.0, -30.0))) == ()
