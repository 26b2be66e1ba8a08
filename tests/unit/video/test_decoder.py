"""Pictures come out whole, scaled, upright and in the promised colours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.errors import SourceError, SourceRefused
from pipeline.types import StreamInfo
from pipeline.video.container import open_media
from pipeline.video.decoder import Picture, PictureDecoder, Scaler, fit_size
from pipeline.video.media import MediaRequest
from tests.clips import numbered, read_number, write_clip


def decoded(path: Path) -> list[Picture]:
    media = open_media(MediaRequest(f"file:{path}"))
    decoder = PictureDecoder(media.stream, media.rotation)
    pictures = [p for token, packet in enumerate(media.packets()) for p in decoder.decode(packet.payload, token)]
    media.close()
    return pictures + decoder.drain()


@pytest.mark.parametrize("b_frames", [0, 2])
def test_every_frame_comes_out_once_in_display_order(tmp_path: Path, b_frames: int) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=40, gop=20, b_frames=b_frames, paint=numbered)
    scaler = Scaler()
    pictures = decoded(path)
    assert [read_number(scaler.i420(picture, (192, 128))[:128]) for picture in pictures] == list(range(40))
    assert sorted(picture.token for picture in pictures) == list(range(40))


def test_scaled_picture_is_the_area_mean(tmp_path: Path) -> None:
    def ramp(_: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        i420 = np.full((size_wh[1] * 3 // 2, size_wh[0]), 128, np.uint8)
        i420[: size_wh[1]] = np.linspace(30, 220, size_wh[0]).astype(np.uint8)
        return i420

    path = write_clip(tmp_path / "a.mp4", frames=1, size_wh=(384, 256), paint=ramp, options={"crf": "1"})
    i420 = Scaler().i420(decoded(path)[0], (96, 64))
    assert i420.shape == (96, 96)
    assert i420.dtype == np.uint8
    expected = cv2.resize(ramp(0, (384, 256))[:256], (96, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(i420[:64].astype(int) - expected).max() <= 3


def test_full_range_sources_come_out_limited(tmp_path: Path) -> None:
    def white(_: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        return np.concatenate(
            [np.full((size_wh[1], size_wh[0]), 255, np.uint8), np.full((size_wh[1] // 2, size_wh[0]), 128, np.uint8)]
        )

    path = write_clip(tmp_path / "a.avi", frames=1, codec="mjpeg", pix_fmt="yuvj420p", paint=white)
    luma = Scaler().i420(decoded(path)[0], (96, 64))[:64]
    assert luma.max() <= 237
    assert luma.min() >= 233


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_turned_recordings_are_set_upright(tmp_path: Path, rotation: int) -> None:
    def corner(_: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        i420 = np.full((size_wh[1] * 3 // 2, size_wh[0]), 128, np.uint8)
        i420[: size_wh[1]] = 40
        i420[:32, :48] = 220
        return i420

    path = write_clip(tmp_path / "a.mp4", frames=2, rotation=rotation, paint=corner)
    picture = decoded(path)[0]
    upright = np.rot90(corner(0, (192, 128))[:128], rotation // 90)
    assert picture.size_wh == (upright.shape[1], upright.shape[0])
    luma = Scaler().i420(picture, picture.size_wh)[: picture.size_wh[1]]
    assert np.abs(luma.astype(int) - upright).mean() < 4
    assert np.abs(cv2.cvtColor(picture.bgr(), cv2.COLOR_BGR2GRAY)[8:16, 8:16].mean() - luma[8:16, 8:16].mean()) < 40
    assert picture.bgr().shape == (*upright.shape, 3)


def test_a_damaged_packet_raises_and_the_next_key_frame_heals(tmp_path: Path) -> None:
    media = open_media(MediaRequest(f"file:{write_clip(tmp_path / 'a.mp4', frames=20, gop=10)}"))
    packets = list(media.packets())
    decoder = PictureDecoder(media.stream)
    media.close()
    decoder.decode(packets[0].payload, 0)
    with pytest.raises(SourceError, match="cannot be decoded"):
        decoder.decode(b"\x00\x00\x00\x05garbage", 1)
    after = [p for token in range(10, 20) for p in decoder.decode(packets[token].payload, token)]
    assert {picture.token for picture in after} >= set(range(10, 20))


@given(st.binary(min_size=1, max_size=400))
def test_random_bytes_never_raise_anything_else(payload: bytes) -> None:
    decoder = PictureDecoder(StreamInfo("h264", b"", (64, 64), 1))  # type: ignore[arg-type]
    try:
        pictures = decoder.decode(payload, 1)
    except SourceError:
        pictures = []
    assert pictures == []


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(SourceRefused, match="nonsense"):
        PictureDecoder(StreamInfo("nonsense", b"", (64, 64), 1))  # type: ignore[arg-type]


@given(st.integers(2, 8000), st.integers(2, 8000), st.integers(2, 2000), st.integers(2, 2000))
def test_fitted_size_is_even_inside_and_not_larger(width: int, height: int, max_width: int, max_height: int) -> None:
    fitted = fit_size((width, height), (max_width, max_height))
    assert all(side % 2 == 0 and side >= 2 for side in fitted)
    assert fitted[0] <= max_width
    assert fitted[1] <= max_height
    assert fitted[0] <= width + 1
    assert fitted[1] <= height + 1


@pytest.mark.parametrize(
    ("source", "within", "expected"),
    [
        ((1920, 1080), (640, 384), (640, 360)),
        ((3840, 2160), (640, 640), (640, 360)),
        ((1080, 1920), (640, 384), (216, 384)),
        ((320, 240), (640, 384), (320, 240)),
        ((704, 576), (640, 384), (470, 384)),
    ],
)
def test_usual_cameras_fit_without_bars(
    source: tuple[int, int], within: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert fit_size(source, within) == expected
