"""Training pictures: exact size, labels that stay on their objects, the same picture for the same seed."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.train.augment import AugmentConfig, Labelled, compose
from pipeline.train.degrade import DegradeConfig, degrade
from pipeline.train.samples import CLASSES

_PLAIN = AugmentConfig(paste_chance=0.0, degrade=DegradeConfig.off())


def _scene(number: int) -> Labelled:
    """One pure red rectangle on grey, its place chosen by ``number``."""
    rng = np.random.default_rng(number)
    rgb: NDArray[np.uint8] = np.full((96, 160, 3), 114, np.uint8)
    x, y = int(rng.integers(0, 120)), int(rng.integers(0, 50))
    rgb[y : y + 40, x : x + 30] = (255, 0, 0)
    box = np.array([[x, y, x + 30, y + 40]], np.float32)
    return Labelled(rgb, box, np.array([0], np.int64), np.array([0.9], np.float32))


def _compose(seed: int, config: AugmentConfig, size_wh: tuple[int, int] = (128, 96)) -> Labelled:
    rng = np.random.default_rng(seed)
    return compose(_scene, lambda r: int(r.integers(0, 50)), size_wh, config, rng)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 1.0]))
def test_boxes_stay_on_their_objects(seed: int, mosaic_chance: float) -> None:
    picture = _compose(seed, replace(_PLAIN, mosaic_chance=mosaic_chance))
    is_red = (picture.rgb[..., 0] > 170) & (picture.rgb[..., 1] < 60)
    covered = np.zeros(is_red.shape, bool)
    for x1, y1, x2, y2 in picture.xyxy:
        assert 0 <= x1 < x2 <= 128
        assert 0 <= y1 < y2 <= 96
        covered[max(0, int(y1) - 1) : int(np.ceil(y2)) + 1, max(0, int(x1) - 1) : int(np.ceil(x2)) + 1] = True
        inner = is_red[int(y1) + 2 : max(0, int(y2) - 2), int(x1) + 2 : max(0, int(x2) - 2)]
        assert inner.size == 0 or inner.mean() > 0.9
    # a sliver thinner than a pixel of a box may remain where it was cut off
    left = (is_red & ~covered).astype(np.uint8)
    assert not cv2.erode(left, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0).any()


def test_the_same_seed_gives_the_same_picture_and_another_seed_another() -> None:
    config = AugmentConfig()
    first, again, other = _compose(3, config), _compose(3, config), _compose(4, config)
    assert np.array_equal(first.rgb, again.rgb)
    assert np.array_equal(first.xyxy, again.xyxy)
    assert not np.array_equal(first.rgb, other.rgb)


def test_an_object_mostly_outside_or_doubtful_is_marked_to_ignore() -> None:
    config = replace(_PLAIN, mosaic_chance=0.0, scale_range=(3.0, 3.0), min_visible=0.9)
    pictures = [_compose(seed, config) for seed in range(60)]
    cut = [p for p in pictures if len(p.classes) and (p.xyxy[0, 2:] - p.xyxy[0, :2]).min() < 20]
    assert cut
    assert all((p.confidence < 0).all() for p in cut)
    doubtful = _compose(1, replace(_PLAIN, mosaic_chance=0.0, min_confidence=0.95))
    assert (doubtful.confidence < 0).all()


def test_a_pasted_object_brings_its_label_and_hides_no_other() -> None:
    config = replace(_PLAIN, mosaic_chance=0.0, paste_chance=1.0, scale_range=(1.0, 1.0), aspect_range=(1.0, 1.0))
    pictures = [_compose(seed, config) for seed in range(40)]
    assert any(len(p.classes) == 2 for p in pictures)
    for p in pictures:
        assert len(p.classes) == len(p.xyxy) == len(p.confidence)
        assert all(0 <= c < len(CLASSES) for c in p.classes)


def test_pictures_without_objects_compose() -> None:
    empty = Labelled(
        np.full((50, 70, 3), 9, np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32)
    )
    picture = compose(lambda _: empty, lambda _: 0, (64, 64), AugmentConfig(paste_chance=1.0), np.random.default_rng(0))
    assert picture.rgb.shape == (64, 64, 3)
    assert picture.xyxy.shape == (0, 4)


@pytest.mark.parametrize("fault", DegradeConfig.__slots__)
def test_each_fault_changes_pixels_but_neither_shape_nor_type(fault: str) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    worse = degrade(rgb, replace(DegradeConfig.off(), **{fault: 1.0}), np.random.default_rng(1))
    assert worse.shape == rgb.shape
    assert worse.dtype == np.uint8
    assert not np.array_equal(worse, rgb)


def test_no_fault_is_the_identity() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    assert np.array_equal(degrade(rgb, DegradeConfig.off(), np.random.default_rng(1)), rgb)


@pytest.mark.parametrize("change", [{"mosaic_chance": 1.1}, {"scale_range": (0.0, 1.0)}, {"aspect_range": (2.0, 1.0)}])
def test_impossible_settings_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        replace(AugmentConfig(), **change)
