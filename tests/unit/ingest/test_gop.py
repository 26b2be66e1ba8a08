"""Dozing and waking lose no picture that is still owed, whatever the codec holds back."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.ingest.gop import GopDecoder
from pipeline.types import Packet
from pipeline.video.container import open_media
from pipeline.video.decoder import PictureDecoder
from pipeline.video.media import MediaRequest
from tests.clips import numbered, write_clip


def packets_of(path: Path) -> tuple[GopDecoder, list[Packet]]:
    media = open_media(MediaRequest(f"file:{path}"))
    packets = [Packet(c.pts or 0, c.dts or 0, c.duration, c.is_key, c.payload) for c in media.packets()]
    media.close()
    return GopDecoder(PictureDecoder(media.stream)), packets


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_dozing_gives_exactly_the_key_frames(tmp_path: Path, codec: str, b_frames: int) -> None:
    path = write_clip(tmp_path / "a.mkv", frames=40, gop=10, codec=codec, b_frames=b_frames, paint=numbered)
    gop, packets = packets_of(path)
    gop.doze()
    seen = [picture.token for token, packet in enumerate(packets) for picture in gop.push(packet, token)]
    assert seen == [token for token, packet in enumerate(packets) if packet.is_key]


@pytest.mark.parametrize("b_frames", [0, 2])
def test_waking_gives_everything_since_the_key_frame(tmp_path: Path, b_frames: int) -> None:
    gop, packets = packets_of(write_clip(tmp_path / "a.mkv", frames=40, gop=20, b_frames=b_frames, paint=numbered))
    gop.doze()
    seen = [picture.token for token in range(15) for picture in gop.push(packets[token], token)]
    seen += [picture.token for picture in gop.wake()]
    seen += [picture.token for token in range(15, 40) for picture in gop.push(packets[token], token)]
    seen += [picture.token for picture in gop.drain()]
    assert sorted(set(seen)) == list(range(40))
    assert not gop.is_dozing


def test_going_to_rest_in_the_middle_and_waking_again_loses_nothing(tmp_path: Path) -> None:
    gop, packets = packets_of(write_clip(tmp_path / "a.mp4", frames=40, gop=40, paint=numbered))
    seen = [picture.token for token in range(10) for picture in gop.push(packets[token], token)]
    gop.doze()
    assert [picture for token in range(10, 20) for picture in gop.push(packets[token], token)] == []
    seen += [picture.token for picture in gop.wake()]
    assert seen == list(range(20))


def test_given_up_packets_are_skipped_up_to_the_next_key_frame(tmp_path: Path) -> None:
    gop, packets = packets_of(write_clip(tmp_path / "a.mp4", frames=40, gop=20, paint=numbered))
    for token in range(5):
        gop.push(packets[token], token)
    gop.give_up()
    assert [picture for token in range(5, 20) for picture in gop.push(packets[token], token)] == []
    assert [picture.token for token in range(20, 30) for picture in gop.push(packets[token], token)] == list(
        range(20, 30)
    )


def test_damaged_packets_are_counted_and_survived(tmp_path: Path) -> None:
    gop, packets = packets_of(write_clip(tmp_path / "a.mp4", frames=20, gop=10, paint=numbered))
    gop.push(packets[0], 0)
    assert gop.push(Packet(1, 1, 1, False, b"\x00\x00\x00\x02xx"), 1) == []
    assert gop.faults == 1
    assert [picture.token for token in range(10, 20) for picture in gop.push(packets[token], token)]
