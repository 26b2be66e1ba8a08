"""Opening and reading: what is there comes out, and every way a file can be wrong ends in one clear sentence."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import SourceError, SourceRefused, SourceStalled
from pipeline.video.container import open_media
from pipeline.video.media import Media, MediaRequest
from tests.clips import write_audio, write_clip


@contextmanager
def opened(path: Path) -> Iterator[Media]:
    media = open_media(MediaRequest(f"file:{path}"))
    try:
        yield media
    finally:
        media.close()


@pytest.mark.parametrize(
    ("name", "codec", "shown"),
    [
        ("a.mp4", "libx264", "h264"),
        ("a.mkv", "libx265", "hevc"),
        ("a.avi", "mjpeg", "mjpeg"),
        ("a.ts", "libx264", "h264"),
    ],
)
def test_packets_of_every_usual_codec_come_out(tmp_path: Path, name: str, codec: str, shown: str) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_clip(tmp_path / name, frames=30, codec=codec, gop=10, pix_fmt=pix_fmt)
    with opened(path) as media:
        packets = list(media.packets())
        assert media.stream.codec == shown
        assert media.stream.size_wh == (192, 128)
        assert media.frame_rate == pytest.approx(25, rel=0.05)
        assert media.duration_s == pytest.approx(1.2, abs=0.1)
    assert len(packets) == 30
    assert packets[0].is_key
    assert all(packet.payload and packet.pts is not None for packet in packets)


def test_creation_time_and_rotation_are_read(tmp_path: Path) -> None:
    made = {"creation_time": "2024-05-01T12:00:00Z"}
    with opened(write_clip(tmp_path / "a.mp4", frames=3, rotation=90, metadata=made)) as media:
        assert media.created_at == datetime(2024, 5, 1, 12, tzinfo=UTC)
        assert media.rotation == 90


@pytest.mark.parametrize("time", ["1904-01-01T00:00:00Z", "yesterday", ""])
def test_a_clock_that_was_never_set_is_no_creation_time(tmp_path: Path, time: str) -> None:
    with opened(write_clip(tmp_path / "a.mkv", frames=3, metadata={"creation_time": time})) as media:
        assert media.created_at is None


def broken(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "a.mp4"
    if kind == "missing":
        return path
    if kind == "audio only":
        return write_audio(tmp_path / "a.wav")
    if kind == "directory":
        path.mkdir()
        return path
    if kind == "cut before its index":
        write_clip(path)
        path.write_bytes(path.read_bytes()[:2000])
        return path
    path.write_bytes({"empty": b"", "garbage": bytes(range(256)) * 40, "text": b"not a video\n" * 50}[kind])
    return path


@pytest.mark.parametrize(
    "kind", ["missing", "empty", "garbage", "text", "audio only", "directory", "cut before its index"]
)
def test_a_file_without_video_is_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    path = broken(tmp_path, kind)
    with pytest.raises(SourceRefused) as caught:
        open_media(MediaRequest(f"file:{path}"))
    sentence = str(caught.value)
    assert str(path) in sentence
    assert sentence.endswith(".")
    assert "Errno" not in sentence


def test_a_truncated_file_gives_what_it_holds(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ts", frames=50)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with opened(path) as media:
        count = sum(1 for _ in media.packets())
    assert 20 < count < 50


def test_a_local_playlist_cannot_reach_out_to_the_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n"
        (tmp_path / "a.m3u8").write_text(playlist)
        request = MediaRequest(f"file:{tmp_path / 'a.m3u8'}", options={"protocol_whitelist": "file,crypto,data"})
        with pytest.raises(SourceError):
            list(open_media(request).packets())
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_accepts_and_says_nothing_stalls_within_its_time_out(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"{scheme}://admin:geheim@127.0.0.1:{server.getsockname()[1]}/live"
        with pytest.raises(SourceStalled, match=r"did not answer within 0\.3 s") as caught:
            open_media(MediaRequest(url, open_timeout_s=0.3, read_timeout_s=0.3, is_live=True))
    assert "geheim" not in str(caught.value)


def test_a_refused_connection_is_an_error_that_may_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SourceError, match="refused") as caught:
        open_media(MediaRequest(f"rtsp://a:b1@127.0.0.1:{port}/x", open_timeout_s=2.0, is_live=True))
    assert not isinstance(caught.value, SourceRefused)


@pytest.mark.parametrize(("status", "word"), [("401 Unauthorized", "password"), ("404 Not Found", "404")])
def test_http_refusals_say_what_to_do(status: str, word: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        url = f"http://admin:geheim@127.0.0.1:{server.getsockname()[1]}/a.mjpg"
        with pytest.raises(SourceRefused, match=word) as caught:
            open_media(MediaRequest(url, open_timeout_s=3.0, is_live=True))
        thread.join(3)
    assert "geheim" not in str(caught.value)


def test_a_request_never_shows_its_secret() -> None:
    assert "geheim" not in repr(MediaRequest("rtsp://admin:geheim@cam/1"))


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e9])
def test_absurd_time_outs_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="open_timeout_s"):
        MediaRequest("file:/x", open_timeout_s=seconds)
