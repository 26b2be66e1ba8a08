"""From raw output to detections: the order of things, small boxes, and boxes in the border."""

from __future__ import annotations

import numpy as np

from pipeline.detect.letterbox import Letterbox
from pipeline.detect.readout import Readout
from pipeline.detect.selection import Selection

LABELS = ("person", "car")
BOX = Letterbox.fit((64, 32), (64, 64))  # the frame lies 16 pixels down


def read(rows: list[list[float]], **arguments: object):
    readout = Readout.of(LABELS, Selection(0.3, **arguments))
    return readout.detections(np.array(rows, np.float32).reshape(-1, 6), "end_to_end", BOX, (128, 64))


def test_detections_come_most_confident_first_in_source_pixels():
    found = read([[0, 16, 10, 26, 0.4, 0], [20, 20, 40, 40, 0.9, 1]])
    assert found.label == ("car", "person")
    np.testing.assert_allclose(found.xyxy, [[40, 8, 80, 48], [0, 0, 20, 20]])
    np.testing.assert_allclose(found.confidence, [0.9, 0.4])


def test_specks_are_noise():
    rows = [[0, 20, 3.9, 40, 0.9, 0], [0, 20, 4.0, 40, 0.9, 0]]
    assert len(read(rows, min_side_px=4.0)) == 1
    assert len(read(rows, min_side_px=0.0)) == 2


def test_boxes_wholly_in_the_border_are_dropped_and_others_cut():
    found = read([[0, 0, 10, 15, 0.9, 0], [0, 0, 10, 20, 0.9, 0]])
    np.testing.assert_allclose(found.xyxy, [[0, 0, 20, 8]])


def test_nothing_found_is_an_empty_result():
    found = read([])
    assert (len(found), found.xyxy.shape) == (0, (0, 4))
