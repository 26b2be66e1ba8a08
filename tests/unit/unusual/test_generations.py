"""A generation as a file: exact, bounded, and refused with a sentence when it is not what it should be."""

from __future__ import annotations

import io

import numpy as np
import pytest

from pipeline.errors import StorageError
from pipeline.unusual.bounds import MAX_SCENE_SAMPLES, MAX_TEXT_SAMPLES, MAX_TRACK_SAMPLES
from pipeline.unusual.channels import CUES
from pipeline.unusual.generations import MAX_BYTES, from_bytes, to_bytes
from pipeline.unusual.learning import learn
from pipeline.unusual.normality import Normality
from pipeline.unusual.samples import (
    APPEARANCE_DIMENSIONS,
    COLUMNS,
    SCENE_COLUMNS,
    SceneSamples,
    TextSamples,
    TrackSamples,
)


def samples(n: int, label: str = "person", seed: int = 5) -> TrackSamples:
    random = np.random.default_rng(seed)
    rows = random.uniform(0.1, 1.0, (n, len(COLUMNS)))
    appearance = random.normal(size=(n, APPEARANCE_DIMENSIONS))
    return TrackSamples.of(rows, appearance, [label] * n, range(n), np.arange(n) * 0.5, [1] * n)


def generation(n: int = 300) -> Normality:
    random = np.random.default_rng(6)
    vectors = random.normal(size=(60, 384))
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    return learn(
        7,
        samples(n),
        SceneSamples.of(random.uniform(0, 1, (900, len(SCENE_COLUMNS))), np.arange(900.0)),
        TextSamples(vectors.astype(np.float16), tuple(f"scene {i}" for i in range(60)), np.arange(60) * 20.0),
        samples(5, seed=8),
    )


def test_a_generation_is_the_same_after_loading() -> None:
    one = generation()
    other = from_bytes(to_bytes(one))
    assert other.number == 7
    assert to_bytes(other) == to_bytes(one)
    probe = samples(20, seed=9)
    found = [g.surprise(probe.label, probe.rows, probe.appearance, 100.0) for g in (one, other)]
    assert np.array_equal(found[0], found[1], equal_nan=True)
    assert np.isfinite(found[0][:, CUES.index("appearance")]).all()
    assert other.text_surprise(np.ones(384, np.float32) / 384**0.5, 5.0) == one.text_surprise(
        np.ones(384, np.float32) / 384**0.5, 5.0
    )
    assert len(other.withheld) == 5


def test_the_largest_generation_fits_its_bound() -> None:
    groups = [
        samples(MAX_TRACK_SAMPLES + 500, label, i) for i, label in enumerate(("person", "car", "dog", "bag", "x"))
    ]
    random = np.random.default_rng(7)
    texts = TextSamples(
        random.normal(size=(MAX_TEXT_SAMPLES + 50, 384)).astype(np.float16),
        ("word " * 100,) * (MAX_TEXT_SAMPLES + 50),
        np.arange(MAX_TEXT_SAMPLES + 50) * 1.0,
    )
    scene = SceneSamples.of(
        np.ones((MAX_SCENE_SAMPLES + 9, len(SCENE_COLUMNS))), np.arange(MAX_SCENE_SAMPLES + 9) * 1.0
    )
    whole = learn(1, TrackSamples.joined(groups), scene, texts)
    content = to_bytes(whole)
    assert len(content) < MAX_BYTES
    assert len(whole.tracks) == 5 * MAX_TRACK_SAMPLES


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_one_sentence(share: float) -> None:
    content = to_bytes(generation())
    with pytest.raises(StorageError, match="damaged or incomplete"):
        from_bytes(content[: int(share * len(content))])


def test_a_file_of_a_newer_version_is_one_sentence() -> None:
    with np.load(io.BytesIO(to_bytes(generation()))) as arrays:
        fields = {name: arrays[name] for name in arrays.files}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{**fields, "version": np.array(99)})
    with pytest.raises(StorageError, match="has version 99"):
        from_bytes(buffer.getvalue())


def test_pickles_and_bombs_are_not_opened() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, version=np.array([{}], dtype=object))
    with pytest.raises(StorageError):
        from_bytes(buffer.getvalue())
    bomb = io.BytesIO()
    np.savez_compressed(bomb, version=np.zeros(100_000_000, np.uint8))
    with pytest.raises(StorageError, match="no file of ours"):
        from_bytes(bomb.getvalue())
    with pytest.raises(StorageError):
        from_bytes(b"x" * (MAX_BYTES + 1))


def test_wrong_shapes_inside_are_one_sentence() -> None:
    with np.load(io.BytesIO(to_bytes(generation()))) as arrays:
        fields = {name: arrays[name] for name in arrays.files}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{**fields, "tracks.rows": np.zeros((3, 3))})
    with pytest.raises(StorageError, match="damaged"):
        from_bytes(buffer.getvalue())
