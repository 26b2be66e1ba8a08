"""Geometry between frames and network inputs, there and back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect.letterbox import Letterbox, input_wh_for
from tests.unit.detect import toys

even = st.integers(1, 400).map(lambda n: 2 * n)
sizes = st.tuples(even, even)


@given(sizes, sizes, st.booleans())
def test_the_frame_fits_as_large_as_it_may_and_keeps_its_shape(frame_wh, input_wh, may_enlarge):
    box = Letterbox.fit(frame_wh, input_wh, may_enlarge=may_enlarge)
    scale = min(input_wh[0] / frame_wh[0], input_wh[1] / frame_wh[1])
    scale = scale if may_enlarge else min(scale, 1.0)
    for content, frame, whole, offset in zip(box.content_wh, frame_wh, input_wh, box.offset_xy, strict=True):
        assert abs(content - frame * scale) <= 2
        assert abs((whole - content) / 2 - offset) <= 1


@given(sizes, sizes, st.data())
def test_boxes_survive_the_round_trip(frame_wh, input_wh, data):
    source_wh = data.draw(st.sampled_from([(0, 0), (1920, 1080), frame_wh]))
    box = Letterbox.fit(frame_wh, input_wh)
    whole = np.array(source_wh if min(source_wh) else frame_wh, float)
    share = np.sort(np.array(data.draw(st.lists(st.floats(0, 1), min_size=4, max_size=4))).reshape(2, 2), axis=0)
    inside = (share * box.content_wh + box.offset_xy).reshape(1, 4).astype(np.float32)
    np.testing.assert_allclose(box.to_source(inside, source_wh), (share * whole).reshape(1, 4), atol=0.01 * whole.max())


@given(sizes, sizes)
def test_whatever_the_network_says_boxes_end_inside_the_source(frame_wh, input_wh):
    wild = np.array([[-1e9, -1e9, 1e9, 1e9], [-5, -5, 0, 0]], np.float32)
    xyxy = Letterbox.fit(frame_wh, input_wh).to_source(wild)
    assert (xyxy[0] == [0, 0, *frame_wh]).all()
    assert (xyxy >= 0).all()


@given(sizes, sizes)
def test_the_input_has_the_networks_size_and_grey_borders(frame_wh, input_wh):
    box = Letterbox.fit(frame_wh, input_wh)
    padded = box.to_input_i420(np.full((frame_wh[1] * 3 // 2, frame_wh[0]), 200, np.uint8))
    assert padded.shape == (input_wh[1] * 3 // 2, input_wh[0])
    luma = padded[: input_wh[1]]
    (x, y), (width, height) = box.offset_xy, box.content_wh
    assert (luma[y : y + height, x : x + width] == 200).all()
    assert (luma == 200).sum() == width * height
    assert set(np.unique(luma)) <= {114, 200}
    assert set(np.unique(padded[input_wh[1] :])) <= {128, 200}


def test_a_frame_that_fits_is_not_copied():
    i420 = toys.picture((128, 96), {})
    assert Letterbox.fit((128, 96), (128, 96)).to_input_i420(i420) is i420


def test_colours_stay_in_their_place():
    rgb = Letterbox.fit((128, 64), (128, 128)).to_input_rgb(toys.picture((128, 64), {(2, 0): "red"}))
    assert rgb.shape == (128, 128, 3)
    assert (rgb[36:60, 68:92] > [240, -1, -1]).all()
    assert (rgb[36:60, 68:92, 1:] < 15).all()
    assert (abs(rgb[:32].astype(int) - 114) <= 2).all()


def test_enlarging_and_shrinking_keep_the_picture():
    i420 = toys.picture((128, 96), {(1, 1): "green"})
    for input_wh in [(256, 192), (64, 48)]:
        rgb = Letterbox.fit((128, 96), input_wh).to_input_rgb(i420)
        expected = cv2.resize(cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420), input_wh, interpolation=cv2.INTER_AREA)
        assert np.abs(rgb.astype(int) - expected).mean() < 5


def test_read_only_frames_are_accepted():
    frame = toys.frame(toys.picture((64, 64), {}))
    assert frame.i420 is not None
    assert not frame.i420.flags.writeable
    assert Letterbox.fit((64, 64), (128, 96)).to_input_i420(frame.i420).shape == (144, 128)


def test_a_frame_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"expected \(144, 128\)"):
        Letterbox.fit((128, 96), (128, 96)).to_input_i420(np.zeros((96, 64), np.uint8))


@pytest.mark.parametrize("frame_wh", [(0, 0), (0, 2), (-2, 2)])
def test_a_frame_without_a_picture_is_refused(frame_wh):
    with pytest.raises(ValueError, match="tick"):
        Letterbox.fit(frame_wh, (64, 64))
    with pytest.raises(ValueError, match="tick"):
        input_wh_for(frame_wh, (64, 64), 32)


@pytest.mark.parametrize(
    ("content_wh", "offset_xy"), [((65, 64), (0, 0)), ((66, 64), (0, 0)), ((64, 64), (2, 0)), ((0, 64), (0, 0))]
)
def test_impossible_letterboxes_cannot_be_built(content_wh, offset_xy):
    with pytest.raises(ValueError, match="letterbox"):
        Letterbox((64, 64), (64, 64), content_wh, offset_xy)


@pytest.mark.parametrize(
    ("frame_wh", "limit_wh", "expected"),
    [
        ((640, 360), (640, 640), (640, 384)),
        ((640, 384), (640, 640), (640, 384)),
        ((1920, 1080), (640, 640), (640, 384)),
        ((1080, 1920), (640, 384), (384, 640)),
        ((320, 240), (640, 640), (320, 256)),
        ((2, 2), (640, 640), (32, 32)),
        ((3000, 2), (640, 640), (640, 32)),
    ],
)
def test_free_networks_get_the_smallest_input_that_holds_the_frame(frame_wh, limit_wh, expected):
    assert input_wh_for(frame_wh, limit_wh, 32) == expected


@given(sizes, st.sampled_from([16, 32, 64]))
def test_free_inputs_are_multiples_that_hold_the_frame(frame_wh, stride):
    width, height = input_wh_for(frame_wh, (640, 640), stride)
    assert width % stride == height % stride == 0
    box = Letterbox.fit(frame_wh, (width, height), may_enlarge=False)
    if max(frame_wh) <= 640:
        assert box.content_wh == frame_wh
