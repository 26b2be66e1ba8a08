from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import StorageError, UsageError
from pipeline.video.writer import VideoWriter

_SIZE = (64, 48)


def _picture(value: int) -> np.ndarray:
    picture = np.full((48, 64, 3), 40, np.uint8)
    picture[:, : 32 + value % 16] = (200, 60, 30)
    return picture


def _noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (240, 320, 3), np.uint8)


@pytest.mark.parametrize(
    ("codec", "suffix", "name"), [("h264", "mp4", "h264"), ("hevc", "mkv", "hevc"), ("mjpeg", "avi", "mjpeg")]
)
def test_pictures_come_back_in_order_with_their_times(tmp_path: Path, codec: str, suffix: str, name: str) -> None:
    path = tmp_path / f"o.{suffix}"
    with VideoWriter(path, size_wh=_SIZE, fps=Fraction(25, 2), codec=codec, crf=18) as writer:  # type: ignore[arg-type]
        for i in range(9):
            writer.write(_picture(i))
        assert writer.frame_count == 9
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.codec_context.name == name
    assert len(frames) == 9
    times = [float(frame.pts * frame.time_base) for frame in frames]
    assert np.diff(times) == pytest.approx([2 / 25] * 8, abs=1e-3)
    back = frames[8].to_ndarray(format="rgb24").astype(int)
    assert abs(back - _picture(8).astype(int)).mean() < 14


def test_key_frames_come_every_gop_and_nothing_is_reordered(tmp_path: Path) -> None:
    path = tmp_path / "o.mp4"
    with VideoWriter(path, size_wh=(320, 240), fps=10, gop=4) as writer:
        for i in range(12):
            writer.write(_noise(i))
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    assert [i for i, p in enumerate(packets) if p.is_keyframe] == [0, 4, 8]
    assert all(p.pts == p.dts for p in packets)


def test_the_bit_rate_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "o.mp4"
    with VideoWriter(path, size_wh=(320, 240), fps=10, bit_rate_kbps=300) as writer:
        for i in range(50):
            writer.write(_noise(i))
    assert path.stat().st_size * 8 / 5 / 1000 == pytest.approx(300, rel=0.35)


@pytest.mark.parametrize("pixels", ["rgb", "bgr", "i420"])
def test_every_pixel_order_means_the_same_picture(tmp_path: Path, pixels: str) -> None:
    path = tmp_path / "o.mp4"
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    given = {
        "rgb": red,
        "bgr": red[..., ::-1],
        "i420": av.VideoFrame.from_ndarray(red, format="rgb24").to_ndarray(format="yuv420p"),
    }[pixels]
    with VideoWriter(path, size_wh=_SIZE, fps=5, pixels=pixels, crf=10) as writer:  # type: ignore[arg-type]
        writer.write(given)
    with av.open(str(path)) as container:
        back = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert back.mean(axis=(0, 1)) == pytest.approx((200, 0, 0), abs=12)


@pytest.mark.parametrize("size_wh", [(63, 48), (64, 47), (0, 0), (8, 8)])
def test_sizes_that_cannot_be_encoded_are_refused(tmp_path: Path, size_wh: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="even size"):
        VideoWriter(tmp_path / "o.mp4", size_wh=size_wh, fps=10)


def test_an_unknown_codec_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown video codec 'vp9'"):
        VideoWriter(tmp_path / "o.mp4", size_wh=_SIZE, fps=10, codec="vp9")  # type: ignore[arg-type]


def test_a_picture_of_another_shape_is_refused_and_the_file_still_closes(tmp_path: Path) -> None:
    path = tmp_path / "o.mp4"
    with VideoWriter(path, size_wh=_SIZE, fps=10) as writer:
        writer.write(_picture(0))
        with pytest.raises(UsageError, match=r"expected a rgb picture \(48, 64, 3\)"):
            writer.write(np.zeros((48, 60, 3), np.uint8))
        writer.write(_picture(1))
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 2


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write a video"):
        VideoWriter(tmp_path / "no" / "o.mp4", size_wh=_SIZE, fps=10)


def test_a_full_disk_is_a_storage_error(tmp_path: Path) -> None:
    path = tmp_path / "o.mkv"
    path.symlink_to("/dev/full")

    def fill() -> None:
        with VideoWriter(path, size_wh=(320, 240), fps=10, bit_rate_kbps=4000) as writer:
            for i in range(60):
                writer.write(_noise(i))

    with pytest.raises(StorageError, match=r"o\.mkv"):
        fill()


def test_closing_twice_does_nothing(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "o.mp4", size_wh=_SIZE, fps=10)
    writer.write(_picture(0))
    writer.close()
    before = (tmp_path / "o.mp4").read_bytes()
    writer.close()
    assert (tmp_path / "o.mp4").read_bytes() == before
