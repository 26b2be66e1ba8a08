"""Native pixels of a past moment: the right frame, from any cut of the packets, or one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from pipeline.errors import SourceError
from pipeline.ingest.camera import CameraConfig, CameraReader
from pipeline.ingest.source import SourceConfig
from pipeline.types import Packet, PacketBatch
from pipeline.video.window import pixels_at
from tests.clips import numbered, read_number, write_clip


def batches(path: Path) -> list[PacketBatch]:
    reader = CameraReader(CameraConfig("cam", SourceConfig(str(path)), has_frames=False))
    return [value for value in reader if isinstance(value, PacketBatch)]


def number_at(kept: list[PacketBatch], at_s: float) -> tuple[int, float]:
    bgr, frame_at_s = pixels_at(kept, at_s)
    assert bgr.shape == (128, 192, 3)
    return read_number(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)), frame_at_s


@pytest.mark.parametrize("b_frames", [0, 2])
def test_the_frame_of_a_moment_is_found(tmp_path: Path, b_frames: int) -> None:
    kept = batches(write_clip(tmp_path / "a.mp4", frames=60, gop=20, b_frames=b_frames, paint=numbered))
    for number in (0, 1, 7, 19, 20, 21, 39, 41, 59):
        assert number_at(kept, number / 25) == (number, pytest.approx(number / 25))
        assert number_at(kept, number / 25 + 0.02)[0] == number


def test_a_moment_before_the_first_packet_gives_the_first_frame(tmp_path: Path) -> None:
    assert number_at(batches(write_clip(tmp_path / "a.mp4", paint=numbered)), -1.0)[0] == 0


def test_packets_that_begin_in_the_middle_of_a_group_wait_for_the_next_key_frame(tmp_path: Path) -> None:
    kept = batches(write_clip(tmp_path / "a.mp4", frames=60, gop=20, paint=numbered))
    cut = [batch for batch in kept if not any(packet.pts == 0 for packet in batch.packets)]
    assert number_at(cut, 0.6)[0] == 20


def test_sessions_are_not_mixed(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    write_clip(folder / "1.mp4", frames=30, gop=30, paint=numbered)
    write_clip(folder / "2.mp4", frames=30, gop=30, paint=numbered, first=100)
    kept = batches(folder)
    assert len({batch.session for batch in kept}) == 2
    assert number_at(kept, 1.0)[0] == 25
    assert number_at(kept, 1.2 + 0.2)[0] == 105


def damaged(packet: Packet) -> Packet:
    return replace(packet, payload=b"?" * 9) if packet.pts == 4 else packet


def test_one_damaged_packet_does_not_spoil_the_moment(tmp_path: Path) -> None:
    kept = batches(write_clip(tmp_path / "a.avi", frames=20, codec="mjpeg", pix_fmt="yuvj420p", paint=numbered))
    hurt = [replace(batch, packets=tuple(map(damaged, batch.packets))) for batch in kept]
    assert number_at(hurt, 6 / 25)[0] == 6


def test_far_from_every_frame_is_an_error(tmp_path: Path) -> None:
    kept = batches(write_clip(tmp_path / "a.mp4"))
    with pytest.raises(SourceError, match="no frame near"):
        pixels_at(kept, 100.0)
    with pytest.raises(SourceError, match="no key frame near"):
        pixels_at([], 1.0)
