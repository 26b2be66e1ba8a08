"""What a person types becomes the right request, and nothing of a password is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import SourceRefused, UsageError
from pipeline.ingest.source import SourceConfig, SourceKind, open_source, requests
from pipeline.types import StreamInfo
from pipeline.video.media import MediaRequest


@pytest.mark.parametrize(
    ("url", "kind", "is_live"),
    [
        ("rtsp://cam/1", "rtsp", True),
        ("RTSPS://cam/1", "rtsp", True),
        ("http://cam/video.mjpg", "http", True),
        ("https://cam/live/index.m3u8", "http", True),
        ("https://host/recording.mp4", "http", False),
        ("/dev/video0", "device", True),
        ("clip.mp4", "file", False),
        ("file:///tmp/a%20b.mp4", "file", False),
        ("-", "stdin", False),
    ],
)
def test_kinds(url: str, kind: SourceKind, is_live: bool) -> None:
    config = SourceConfig(url)
    assert (config.kind, config.is_live) == (kind, is_live)


@pytest.mark.parametrize("url", ["", "ftp://host/a", "rtsp://", "http:///x", "a\0b", "a\nb", "gopher://x"])
def test_addresses_of_no_known_kind_are_refused(url: str) -> None:
    with pytest.raises(UsageError):
        SourceConfig(url)


@pytest.mark.parametrize("bad", [{"open_timeout_s": 0}, {"read_timeout_s": 601}, {"transport": "carrier-pigeon"}])
def test_bad_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        SourceConfig("rtsp://cam/1", **bad)  # type: ignore[arg-type]


def test_nothing_shows_the_password() -> None:
    config = SourceConfig("rtsp://admin:geheim@cam/1?token=abc123")
    (request,) = requests(config)
    shown = f"{config!r} {config.shown} {request!r} {request.shown}"
    assert "geheim" not in shown
    assert "abc123" not in shown
    assert "geheim" in request.location


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp_asks_for_the_transport_and_time_outs(transport: str) -> None:
    (request,) = requests(SourceConfig("rtsp://cam/1", transport=transport, open_timeout_s=3, read_timeout_s=2))  # type: ignore[arg-type]
    assert request.options["rtsp_transport"] == transport
    assert (request.open_timeout_s, request.read_timeout_s, request.is_live) == (3, 2, True)


def test_a_directory_is_its_video_files_by_name(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.MKV", "c.txt", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "d.mp4").mkdir()
    names = [Path(request.location).name for request in requests(SourceConfig(str(tmp_path)))]
    assert names == ["a.MKV", "b.mp4"]


def test_a_directory_without_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="no video file"):
        requests(SourceConfig(str(tmp_path)))


def test_names_that_look_like_addresses_stay_files() -> None:
    (request,) = requests(SourceConfig("pipe:0.mp4"))
    assert request.location.startswith("file:/")
    assert "http" not in request.options["protocol_whitelist"]


class FakeMedia:
    """A medium of a given codec, to see how it is opened."""

    def __init__(self, codec: str) -> None:
        self.stream = StreamInfo(codec, b"", (64, 64), 1)  # type: ignore[arg-type]
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_motion_jpeg_over_http_is_stamped_by_arrival() -> None:
    asked: list[MediaRequest] = []
    media = [FakeMedia("mjpeg"), FakeMedia("mjpeg")]

    def open_media(request: MediaRequest) -> FakeMedia:
        asked.append(request)
        return media[len(asked) - 1]

    (request,) = requests(SourceConfig("http://cam/video.mjpg"))
    opened = open_source(request, open_media)  # type: ignore[arg-type]
    assert asked[-1].options["use_wallclock_as_timestamps"] == "1"
    assert opened is media[1]
    assert media[0].is_closed


def test_a_device_without_mjpeg_is_asked_for_h264() -> None:
    asked: list[str] = []

    def open_media(request: MediaRequest) -> FakeMedia:
        asked.append(request.options["input_format"])
        if len(asked) == 1:
            raise SourceRefused("no such format")
        return FakeMedia("h264")

    (request,) = requests(SourceConfig("/dev/video0"))
    assert open_source(request, open_media).stream.codec == "h264"  # type: ignore[arg-type]
    assert asked == ["mjpeg", "h264"]
