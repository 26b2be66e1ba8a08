"""A picture that changes its size says so in the key packet, in both ways of packing H.264 and H.265."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.types import StreamInfo
from pipeline.video.container import open_media
from pipeline.video.media import MediaRequest
from pipeline.video.parameters import ParameterWatch
from tests.clips import write_clip


def key_payloads(path: Path) -> tuple[StreamInfo, list[bytes]]:
    media = open_media(MediaRequest(f"file:{path}"))
    payloads = [packet.payload for packet in media.packets() if packet.is_key]
    media.close()
    return media.stream, payloads


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_only_another_sps_is_a_change(tmp_path: Path, codec: str) -> None:
    stream, small = key_payloads(write_clip(tmp_path / "a.ts", codec=codec, gop=10))
    _, large = key_payloads(write_clip(tmp_path / "b.ts", codec=codec, gop=10, size_wh=(320, 192)))
    watch = ParameterWatch(stream)
    assert [watch.changed(payload) for payload in small] == [None] * len(small)
    changed = watch.changed(large[0])
    assert changed is not None
    assert changed in large[0].replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").replace(
        b"\x00\x00\x01", b"\x00\x00\x00\x01"
    )
    assert watch.changed(large[1]) is None


def test_other_codecs_never_change_here() -> None:
    watch = ParameterWatch(StreamInfo("mjpeg", b"", (8, 8), 1))  # type: ignore[arg-type]
    assert watch.changed(b"\x00\x00\x01\x67abc") is None


@given(st.lists(st.binary(max_size=200), max_size=5), st.sampled_from(["h264", "hevc"]), st.binary(max_size=30))
def test_random_bytes_are_survived(payloads: list[bytes], codec: str, extradata: bytes) -> None:
    watch = ParameterWatch(StreamInfo(codec, extradata, (8, 8), 1))  # type: ignore[arg-type]
    assert all(isinstance(watch.changed(payload), bytes | None) for payload in payloads)
