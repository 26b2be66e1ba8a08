"""What the learned fusion sees: finite whatever comes, in body sizes, and the same after a restart."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.descriptions import SceneDescription
from pipeline.unusual.sight import SCENE_FEATURES, TRACK_FEATURES, Sight, SightFold
from tests.unit.unusual.life import Person, life, moment, walkers


def _of(sight: Sight, name: str, row: int = 0) -> float:
    return float(sight.tracks[row, TRACK_FEATURES.index(name)])


def _falling(at_s: float) -> list[Person]:
    """Somebody who stands for two seconds and then lies within half a second."""
    share = min(1.0, max(0.0, (at_s - 2.0) / 0.5))
    height, width = 100 - 70 * share, 35 + 65 * share
    return [(1, "person", (300 - width / 2, 250 - height, 300 + width / 2, 250), 120.0 * (0 < share < 1))]


def test_rows_are_finite_and_one_per_track_that_is_seen() -> None:
    fold = SightFold()
    for one in life(0, 4):
        sight = fold.see(one)
        assert sight.tracks.shape == (3, len(TRACK_FEATURES))
        assert sight.scene.shape == (len(SCENE_FEATURES),)
        assert np.isfinite(sight.tracks).all()
        assert np.isfinite(sight.scene).all()


def test_a_fall_drops_the_head_and_leaves_a_wide_box() -> None:
    fold = SightFold()
    standing = [fold.see(moment(at / 5, _falling(at / 5))) for at in range(10)][-1]
    fallen = [fold.see(moment(at / 5, _falling(at / 5))) for at in range(10, 16)][-1]
    lying = [fold.see(moment(at / 5, _falling(at / 5))) for at in range(16, 30)][-1]
    assert _of(standing, "head_drop") == pytest.approx(0.0, abs=0.01)
    assert _of(fallen, "head_drop") > 0.5
    assert _of(fallen, "aspect_log") < 0 < _of(standing, "aspect_log")
    assert _of(lying, "wide_for") == pytest.approx(min(1.0, (5.8 - 2.4) / 5.0), abs=0.1)
    assert _of(lying, "still_for") > _of(fallen, "still_for")


def test_lengths_are_body_sizes_so_that_distance_does_not_matter() -> None:
    near = [(1, "person", (100.0, 100.0, 140.0, 200.0), 80.0), (2, "person", (200.0, 100.0, 240.0, 200.0), 80.0)]
    far = [(1, "person", (100.0, 100.0, 120.0, 150.0), 40.0), (2, "person", (150.0, 100.0, 170.0, 150.0), 40.0)]
    one, other = SightFold().see(moment(0, near)), SightFold().see(moment(0, far))
    for name in ("flow", "flow_spread", "gap", "aspect_log"):
        assert _of(one, name) == pytest.approx(_of(other, name), abs=1e-4)
    assert _of(one, "gap") == pytest.approx(1.0)


def test_without_looks_and_without_anybody_it_is_still_finite() -> None:
    fold = SightFold()
    blind = fold.see(moment(0, walkers(0), has_looks=False))
    empty = fold.see(moment(0.2, []))
    assert np.isfinite(blind.tracks).all()
    assert empty.tracks.shape == (0, len(TRACK_FEATURES))
    assert np.isfinite(empty.scene).all()


def test_words_lose_weight_with_age_and_vectorless_words_are_none() -> None:
    now = moment(6.0, walkers(6))
    old = moment(0.0, walkers(0)).finding.ref
    words = SceneDescription(old, "t", "somebody walks", "grounded", embedding=np.ones(4, np.float32) / 2)
    sight = SightFold().see(replace(now, words=words))
    assert sight.text is not None
    assert sight.text_weight == pytest.approx(0.25)
    silent = SightFold().see(replace(now, words=replace(words, embedding=None)))
    assert (silent.text, silent.text_weight) == (None, 0.0)


def test_a_restart_changes_nothing_that_follows() -> None:
    unbroken, broken = SightFold(), SightFold()
    moments = list(life(0, 6))
    for one in moments[:17]:
        unbroken.see(one)
        broken.see(one)
    restored = SightFold()
    restored.restore(json.loads(json.dumps(broken.state())))
    for one in moments[17:]:
        expected, got = unbroken.see(one), restored.see(one)
        np.testing.assert_array_equal(expected.tracks, got.tracks)
        np.testing.assert_array_equal(expected.scene, got.scene)


def test_unobserved_time_and_a_clock_set_back_begin_anew() -> None:
    fold = SightFold()
    for at in range(16):
        sight = fold.see(moment(at / 5, _falling(at / 5)))
    assert _of(sight, "head_drop") > 0.5
    after_gap = fold.see(moment(60.0, _falling(60.0), missing_s=50.0))
    assert _of(after_gap, "head_drop") == 0.0
    back = fold.see(moment(1.0, _falling(10.0)))
    assert _of(back, "head_drop") == 0.0
