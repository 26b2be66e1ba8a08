"""The detector in the wheel: its files, its words, its input, and that it sees; no torch needed for any of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from pipeline.detect.openvino import OpenVinoDetector
from pipeline.detect.selection import Selection
from pipeline.openvino_runtime import is_quantised, read_model
from pipeline.train.prepare import sample_clip
from pipeline.train.samples import CLASSES
from pipeline.types import Frame, FrameKey, FrameNote, FrameRef

_WEIGHTS = Path(__file__).resolve().parents[3] / "pipeline" / "detect" / "weights" / "vedette-n"
_FOOTAGE = Path(__file__).resolve().parents[3] / "../shared/data/footage"


def _frame(rgb: NDArray[np.uint8]) -> Frame:
    even = rgb[: rgb.shape[0] // 2 * 2, : rgb.shape[1] // 2 * 2]
    ref = FrameRef(FrameKey("gate", 0, 0), 0, Fraction(1, 1000), datetime.fromtimestamp(0, UTC))
    return Frame(ref, FrameNote(), np.asarray(cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420), np.uint8))


def test_the_package_is_small_enough_for_the_wheel() -> None:
    sizes = {p.suffix: p.stat().st_size for p in _WEIGHTS.iterdir()}
    assert sizes[".xml"] + sizes[".bin"] <= 4 * 2**20
    assert sizes[".onnx"] <= 12 * 2**20


def test_it_says_what_it_is() -> None:
    said = yaml.safe_load((_WEIGHTS / "metadata.yaml").read_text(encoding="utf-8"))
    assert list(said["names"].values()) == list(CLASSES)
    assert (said["task"], said["imgsz"], said["stride"]) == ("detect", [384, 640], 32)
    model = read_model(_WEIGHTS / "vedette-n.xml")
    assert is_quantised(model)
    assert model.input(0).partial_shape.to_string() == "[?,3,384,640]"
    assert model.output(0).partial_shape.to_string() == "[?,13,5040]"


def test_the_card_states_sources_results_and_failures() -> None:
    card = (_WEIGHTS / "MODEL_CARD.md").read_text(encoding="utf-8")
    for heading in ("## Data", "## Recipe", "## Results", "## Known failures", "## Licence"):
        assert heading in card


def test_it_loads_as_the_detect_stage_loads_it_and_reports_an_empty_picture_as_empty() -> None:
    began = time.process_time()
    detector = OpenVinoDetector(_WEIGHTS, Selection(min_confidence=0.3))
    assert time.process_time() - began < 60  # a hang, not a benchmark
    assert detector.name == "vedette-n/int8"
    assert set(detector.labels) >= set(CLASSES)
    grey: NDArray[np.uint8] = np.full((384, 640, 3), 120, np.uint8)
    assert [len(found) for found in detector.detect([_frame(grey)])] == [0]


def test_batch_and_single_answers_agree() -> None:
    detector = OpenVinoDetector(_WEIGHTS, Selection(min_confidence=0.3))
    noise = [np.random.default_rng(seed).integers(0, 255, (384, 640, 3)).astype(np.uint8) for seed in range(3)]
    together = detector.detect([_frame(rgb) for rgb in noise])
    for rgb, found in zip(noise, together, strict=True):
        (alone,) = detector.detect([_frame(rgb)])
        np.testing.assert_allclose(alone.confidence, found.confidence, atol=1e-3)


def test_it_finds_people_and_cars_of_cameras_it_never_saw() -> None:
    clips = {"person": _FOOTAGE / "corridor_white.mp4", "car": _FOOTAGE / "parking_entrance.mp4"}
    if not all(clip.exists() for clip in clips.values()):
        pytest.skip("the shared footage is not on this machine")
    detector = OpenVinoDetector(_WEIGHTS, Selection(min_confidence=0.3))
    for label, clip in clips.items():
        found = detector.detect([_frame(rgb) for _, rgb in sample_clip(clip, 2.0)])
        assert any(label in detections.label for detections in found), label
