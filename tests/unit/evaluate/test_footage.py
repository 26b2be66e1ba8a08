"""Stills behave like a video: times, sampling, damaged files; and leaks between parts are found."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import SourceError, UsageError
from pipeline.evaluate.clips import Clip, DataSet
from pipeline.evaluate.footage import frame_times_s, opener, pictures, stills_in
from pipeline.evaluate.leaks import MIN_SHARED, Leak, find_leaks, frame_digests, refuse_leaks
from pipeline.ingest.camera import CameraConfig, CameraReader
from pipeline.ingest.source import SourceConfig
from pipeline.types import Frame
from tests.clips import write_clip
from tests.unit.evaluate.sets import walkway, write_stills


def test_stills_are_sorted_by_number_and_strays_left_out(tmp_path: Path) -> None:
    write_stills(tmp_path / "clip", 12, walkway, suffix=".png")
    for number in range(1, 13):
        (tmp_path / "clip" / f"{number:03d}.png").rename(tmp_path / "clip" / f"{number}.png")
    (tmp_path / "clip" / "._3.png").write_bytes(b"")
    (tmp_path / "clip" / "Thumbs.db").write_bytes(b"")
    assert [path.stem for path in stills_in(tmp_path / "clip")] == [str(number) for number in range(1, 13)]


def test_folders_without_pictures_or_of_several_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no picture"):
        stills_in(tmp_path)
    (tmp_path / "a.tif").write_bytes(b"")
    (tmp_path / "b.bmp").write_bytes(b"")
    with pytest.raises(UsageError, match="several kinds"):
        stills_in(tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        stills_in(tmp_path / "nowhere")


@pytest.mark.parametrize("suffix", [".tif", ".bmp", ".png", ".jpg"])
def test_a_reader_takes_stills_for_a_recording(tmp_path: Path, suffix: str) -> None:
    write_stills(tmp_path / "clip", 10, walkway, suffix=suffix)
    config = CameraConfig(
        "gate", SourceConfig("clip.mp4"), detect_fps=5, start_at=datetime(2026, 1, 1, tzinfo=UTC), batch_s=0
    )
    values = list(CameraReader(config, open_media=opener(tmp_path / "clip", 10.0)))
    frames = [value for value in values if isinstance(value, Frame)]
    start_s = config.start_at.timestamp() if config.start_at else 0.0
    assert [round(frame.ref.at_s - start_s, 3) for frame in frames[:-1]] == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert frames[0].size_wh == (360, 240)
    assert frames[-1].note.ended
    assert frames[0].i420 is not None
    luma = frames[0].i420[:240].astype(float)
    assert luma[140, 49] < 90 < luma[140, 200]  # the dark figure, the bright walkway


def test_times_of_stills_follow_their_rate_and_those_of_a_video_its_stamps(tmp_path: Path) -> None:
    write_stills(tmp_path / "clip", 4, walkway)
    np.testing.assert_allclose(frame_times_s(tmp_path / "clip", 10.0), [0.0, 0.1, 0.2, 0.3], atol=1e-6)
    write_clip(tmp_path / "v.mp4", frames=4, pts=[0, 40, 100, 500], b_frames=0)
    np.testing.assert_allclose(frame_times_s(tmp_path / "v.mp4"), [0.0, 0.04, 0.1, 0.5], atol=1e-6)


def test_times_of_reordered_frames_are_those_of_display(tmp_path: Path) -> None:
    write_clip(tmp_path / "v.mp4", frames=12, fps=10, b_frames=2)
    np.testing.assert_allclose(frame_times_s(tmp_path / "v.mp4"), np.arange(12) / 10, atol=1e-6)


def test_a_damaged_still_costs_its_own_picture(tmp_path: Path) -> None:
    write_stills(tmp_path / "clip", 5, walkway)
    (tmp_path / "clip" / "003.tif").write_bytes(b"II*\0 nothing of a picture")
    assert len(list(pictures(tmp_path / "clip", 10.0))) == 4
    assert len(frame_times_s(tmp_path / "clip", 10.0)) == 5
    (tmp_path / "clip" / "001.tif").write_bytes(b"")
    assert len(list(pictures(tmp_path / "clip", 10.0))) == 3


def test_footage_without_any_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "001.tif").write_bytes(b"nothing")
    with pytest.raises(SourceError, match="No picture in"):
        frame_times_s(tmp_path / "clip", 10.0)
    with pytest.raises(UsageError, match="frames per second"):
        frame_times_s(tmp_path / "clip", 0.0)
    (tmp_path / "v.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError):
        frame_times_s(tmp_path / "v.mp4")


def test_frames_in_both_parts_are_refused_with_the_list(tmp_path: Path) -> None:
    write_stills(tmp_path / "a", 12, walkway, seed=1)
    write_stills(tmp_path / "b", 12, walkway, seed=2)
    write_stills(tmp_path / "c", 12, walkway, seed=3)
    for number in range(1, 9):  # a copy under other names, as a set cut twice from one recording has it
        (tmp_path / "c" / f"{number + 2:03d}.tif").write_bytes((tmp_path / "a" / f"{number:03d}.tif").read_bytes())
    clips = [Clip(n, "cam", "train" if n == "a" else "test", tmp_path / n, stills_fps=10.0) for n in "abc"]
    refuse_leaks(DataSet("own", tuple(clips[:2])))
    seen: list[str] = []
    with pytest.raises(
        UsageError, match=r"own: the test part leaks into the training part: c shares 8 frames with a\."
    ):
        refuse_leaks(DataSet("own", tuple(clips)), lambda clip: seen.append(clip.name))
    assert seen == ["a", "b", "c"]


def test_the_largest_leak_comes_first_and_a_few_frames_are_none() -> None:
    frames = [bytes([index]) for index in range(30)]
    digests = {
        ("train", "a"): frozenset(frames[:10]),
        ("train", "b"): frozenset(frames[10:]),
        ("test", "x"): frozenset(frames[: MIN_SHARED - 1] + frames[10:17]),
        ("test", "y"): frozenset(frames[12:30]),
    }
    assert find_leaks(digests) == [Leak("b", "y", 18), Leak("b", "x", 7)]


def test_a_frame_that_repeats_within_its_clip_counts_once(tmp_path: Path) -> None:
    write_stills(tmp_path / "a", 3, walkway)
    for name in ("004", "005"):
        (tmp_path / "a" / f"{name}.tif").write_bytes((tmp_path / "a" / "001.tif").read_bytes())
    assert len(frame_digests(Clip("a", "cam", "test", tmp_path / "a", stills_fps=10.0))) == 3
