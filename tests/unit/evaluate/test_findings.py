"""What is found in a clip is kept, found again when anything changed, and survives a damaged cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import StorageError
from pipeline.evaluate.clips import Clip
from pipeline.evaluate.findings import EPOCH, Finder, FinderSettings
from pipeline.types import Detections, Finding, Frame
from tests.clips import write_clip
from tests.unit.evaluate.sets import walkway, write_stills


class _Detector:
    """Finds one person in every frame and counts how often it was asked."""

    name, labels, input_wh = "fake", ("person",), (640, 384)

    def __init__(self) -> None:
        self.seen = 0

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.seen += len(frames)
        box = np.array([[10, 10, 30, 60]], np.float32)
        return [Detections(box, np.array([0.9], np.float32), ("person",)) for _ in frames]


def _finder(detector: _Detector, cache: Path | None, **settings: float | bool) -> Finder:
    return Finder(lambda: detector, lambda: None, FinderSettings("fake", **settings), cache)  # type: ignore[arg-type]


def _same(one: Sequence[Finding], other: Sequence[Finding]) -> bool:
    return [(f.ref, f.note) for f in one] == [(f.ref, f.note) for f in other] and all(
        (a.detections is None) == (b.detections is None)
        and (a.detections is None or b.detections is None or np.array_equal(a.detections.xyxy, b.detections.xyxy))
        for a, b in zip(one, other, strict=True)
    )


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return Clip("a", "gate", "test", write_clip(tmp_path / "a.mp4", frames=20, fps=10))


def test_findings_begin_at_the_epoch_and_end_with_a_tick(clip: Clip) -> None:
    found = _finder(_Detector(), None).findings(clip)
    assert found[0].ref.at_s == EPOCH.timestamp()
    assert found[-1].note.ended
    assert [f.detections is None for f in found] == [False] * (len(found) - 1) + [True]
    assert {f.ref.key.camera for f in found} == {"gate"}


def test_the_second_time_nothing_is_detected(clip: Clip, tmp_path: Path) -> None:
    first, again = _Detector(), _Detector()
    found = _finder(first, tmp_path / "cache").findings(clip)
    kept = _finder(again, tmp_path / "cache").findings(clip)
    assert (first.seen, again.seen) == (len(found) - 1, 0)
    assert _same(found, kept)


def test_other_settings_and_other_footage_are_found_anew(clip: Clip, tmp_path: Path) -> None:
    _finder(_Detector(), tmp_path / "cache").findings(clip)
    faster, changed = _Detector(), _Detector()
    _finder(faster, tmp_path / "cache", detect_fps=10.0).findings(clip)
    assert faster.seen > 0
    write_clip(clip.path, frames=12, fps=10)
    _finder(changed, tmp_path / "cache").findings(clip)
    assert changed.seen > 0


@pytest.mark.parametrize("damage", [b"", b"something else", b"cut"])
def test_a_damaged_cache_is_as_good_as_none(clip: Clip, tmp_path: Path, damage: bytes) -> None:
    found = _finder(_Detector(), tmp_path / "cache").findings(clip)
    (file,) = (tmp_path / "cache").glob("*.findings")
    file.write_bytes(file.read_bytes()[:-7] if damage == b"cut" else damage)
    again = _Detector()
    assert _same(_finder(again, tmp_path / "cache").findings(clip), found)
    assert again.seen > 0


def test_a_cache_that_cannot_be_written_is_said(clip: Clip, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="cannot be written"):
        _finder(_Detector(), tmp_path / "cache").findings(clip)


def test_stills_are_found_like_a_video(tmp_path: Path) -> None:
    write_stills(tmp_path / "Test001", 20, walkway)
    clip = Clip("Test001", "ped2", "test", tmp_path / "Test001", stills_fps=10.0)
    found = _finder(_Detector(), None, is_gated=False).findings(clip)
    assert len(found) == 11
    assert found[0].ref.source_wh == (360, 240)
