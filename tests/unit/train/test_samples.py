"""Manifests: what is refused, and that nothing is lost between writing and reading."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StorageError, UsageError
from pipeline.train.samples import CLASSES, Sample, class_index, read_manifest, read_rgb, write_manifest
from pipeline.train.storage import write_atomically


def _manifest(folder: Path, *objects: list[object]) -> Path:
    path = folder / "m.jsonl"
    path.write_text(json.dumps({"file": "a.png", "source": "s", "objects": list(objects)}) + "\n", encoding="utf-8")
    return path


def test_bags_of_all_kinds_are_one_class() -> None:
    assert {class_index(word) for word in ("backpack", "handbag", "suitcase", "bag")} == {CLASSES.index("bag")}


def test_an_unknown_class_is_named_with_file_and_line(tmp_path: Path) -> None:
    path = _manifest(tmp_path, ["zebra", 0.9, 0, 0, 0.5, 0.5])
    with pytest.raises(UsageError, match=r"m\.jsonl: line 1: unknown class name 'zebra'"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ([0.9, 0, 0, 1.5, 0.5], "outside the picture"),
        ([0.9, -0.3, 0, 0.5, 0.5], "outside the picture"),
        ([0.9, float("nan"), 0, 0.5, 0.5], "outside the picture"),
        ([0.9, 0.5, 0.5, 0.5, 0.6], "no area"),
        ([1.7, 0, 0, 0.5, 0.5], "confidence is out of range"),
        ([0.0, 0, 0, 0.5, 0.5], "confidence is out of range"),
        (["x", 0, 0, 0.5, 0.5], "not understood"),
        ([0.9, 0, 0], "not understood"),
    ],
)
def test_labels_out_of_range_are_refused(tmp_path: Path, numbers: list[object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_manifest(_manifest(tmp_path, ["person", *numbers]))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe", b"{", b'{"file": 1}\n'])
def test_an_empty_or_damaged_manifest_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"m\.jsonl"):
        read_manifest(path)


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(CLASSES) - 1),
            st.floats(0.01, 1),
            st.floats(0, 0.8),
            st.floats(0, 0.8),
            st.floats(0.01, 0.2),
        ),
        max_size=6,
    )
)
def test_a_manifest_comes_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("round")
    boxes = np.array([(x, y, x + side, y + side) for _, _, x, y, side in rows], np.float32).reshape(-1, 4)
    index, confidence = np.array([r[0] for r in rows], np.int64), np.array([r[1] for r in rows], np.float32)
    write_manifest(folder / "m.jsonl", [Sample(folder / "a.png", "s", boxes, index, confidence)])
    back = read_manifest(folder / "m.jsonl")[0]
    np.testing.assert_allclose(back.xyxy_norm, boxes, atol=1e-5)
    assert back.index.tolist() == index.tolist()
    assert back.path == folder / "a.png"


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_picture_that_does_not_decode_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert read_rgb(tmp_path / "a.png") is None
    assert read_rgb(tmp_path / "absent.png") is None


def test_a_full_disk_leaves_the_former_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept.bin"
    write_atomically(path, b"former")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"former"
    assert [p.name for p in tmp_path.iterdir()] == ["kept.bin"]
