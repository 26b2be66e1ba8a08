"""A camera over real RTSP: every codec and transport, every refusal, silence, and a server that dies and comes back."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import pytest

from pipeline.errors import SourceError, SourceRefused, SourceStalled
from pipeline.ingest.camera import CameraConfig, CameraReader
from pipeline.ingest.motion import GateConfig
from pipeline.ingest.source import SourceConfig, open_source, requests
from pipeline.types import Frame, PacketBatch
from pipeline.video.container import open_media
from pipeline.video.window import pixels_at
from tests.clips import numbered, read_number, write_clip
from tests.rtsp_server import RtspServer, serving

pytestmark = pytest.mark.e2e

SECRET = "geh%40im"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {
        "h264": write_clip(folder / "h264.mp4", frames=100, gop=25, paint=numbered),
        "h265": write_clip(folder / "h265.mp4", frames=100, gop=25, codec="libx265", paint=numbered),
        "mjpeg": write_clip(
            folder / "mjpeg.avi",
            frames=50,
            codec="mjpeg",
            pix_fmt="yuvj420p",
            paint=numbered,
            options={"huffman": "default"},  # RTP carries no Huffman tables (RFC 2435)
        ),
        "bframes": write_clip(folder / "b.mp4", frames=100, gop=25, b_frames=2, paint=numbered),
    }


@pytest.fixture(scope="module")
def server(clips: dict[str, Path]) -> Iterator[RtspServer]:
    with serving(clips) as running:
        yield running


def config(url: str, **changes: object) -> CameraConfig:
    source = SourceConfig(url, open_timeout_s=5.0, read_timeout_s=2.0)
    return replace(CameraConfig("cam", source, gate=GateConfig(is_enabled=False)), **changes)  # type: ignore[arg-type]


def shown(reader: CameraReader, count: int) -> list[Frame]:
    frames = (value for value in reader if isinstance(value, Frame) and value.i420 is not None)
    return list(islice(frames, count))


@pytest.mark.parametrize("mount", ["h264", "h265", "mjpeg", "bframes"])
def test_frames_come_in_order_at_the_asked_rate(server: RtspServer, mount: str) -> None:
    frames = shown(CameraReader(config(server.urls[mount])), 15)
    assert {frame.ref.source_wh for frame in frames} == {(192, 128)}
    assert all(0.1 < b.ref.at_s - a.ref.at_s < 0.35 for a, b in pairwise(frames[1:]))
    numbers = [read_number(frame.i420[:128]) for frame in frames if frame.i420 is not None]
    length = 50 if mount == "mjpeg" else 100
    assert all((b - a) % length in (4, 5, 6) for a, b in pairwise(numbers[1:]))


def test_loops_join_without_a_new_session(server: RtspServer) -> None:
    frames = shown(CameraReader(config(server.urls["mjpeg"])), 26)
    assert len({frame.ref.key.session for frame in frames}) == 1
    assert frames[-1].ref.at_s - frames[0].ref.at_s == pytest.approx(5.0, abs=0.3)


def test_udp_works_as_well(server: RtspServer) -> None:
    source = SourceConfig(server.urls["h264"], transport="udp", open_timeout_s=5.0, read_timeout_s=2.0)
    assert len(shown(CameraReader(config(server.urls["h264"], source=source)), 8)) == 8


def test_media_time_is_the_wall_clock_and_frames_are_fresh(server: RtspServer) -> None:
    frames = (value for value in CameraReader(config(server.urls["h264"])) if isinstance(value, Frame))
    ages = [time.time() - frame.ref.at_s for frame in islice(frames, 10)]
    assert min(ages) > -0.2
    assert sorted(ages)[len(ages) // 2] < 1.0


def test_native_pixels_are_in_the_packets(server: RtspServer) -> None:
    batches: list[PacketBatch] = []
    frame: Frame | None = None
    for value in CameraReader(config(server.urls["h264"])):
        if isinstance(value, PacketBatch):
            batches.append(value)
        else:
            frame = value
        if len(batches) == 4:
            break
    assert frame is not None
    wanted = next(f for f in [frame] if f.i420 is not None)
    bgr, at_s = pixels_at(batches, batches[0].at_s(batches[0].packets[-1].pts))
    assert bgr.shape == (128, 192, 3)
    assert wanted.ref.at_s >= at_s


def refusal(url: str) -> SourceError:
    (request,) = requests(SourceConfig(url, open_timeout_s=5.0, read_timeout_s=2.0))
    with pytest.raises(SourceError) as caught:
        open_source(request, open_media).close()
    return caught.value


def test_wrong_password_missing_password_and_404_are_refused_without_a_secret(clips: dict[str, Path]) -> None:
    with serving({"gate": clips["h264"]}, user="admin", password="geh@im") as guarded:
        host = f"127.0.0.1:{guarded.port}"
        errors = {
            "password": [refusal(f"rtsp://admin:falsch@{host}/gate"), refusal(f"rtsp://{host}/gate")],
            "404": [refusal(f"rtsp://admin:{SECRET}@{host}/nowhere")],
        }
        for word, found in errors.items():
            for error in found:
                assert isinstance(error, SourceRefused)
                assert word in str(error)
                assert not any(secret in str(error) for secret in ("falsch", SECRET, "geh@im", "admin"))
        assert len(shown(CameraReader(config(f"rtsp://admin:{SECRET}@{host}/gate")), 3)) == 3


def test_a_server_that_accepts_and_says_nothing_leaves_ticks() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rtsp://admin:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/gate"
        told: list[SourceError] = []
        source = SourceConfig(url, open_timeout_s=0.5, read_timeout_s=0.5)
        began_s = time.monotonic()
        reader = CameraReader(config(url, source=source), tell=told.append, sleep=lambda _: None)
        tick = next(value for value in reader if isinstance(value, Frame))
    assert tick.note.gate == "absent"
    assert isinstance(told[0], SourceStalled)
    assert SECRET not in str(told[0])
    assert time.monotonic() - began_s < 5


def test_a_server_killed_in_the_middle_and_restarted_is_read_again(clips: dict[str, Path]) -> None:
    with serving({"gate": clips["h264"]}) as flaky:
        told: list[SourceError] = []
        reader = CameraReader(config(flaky.urls["gate"]), tell=told.append, random=lambda: 0.3)
        frames: list[Frame] = []
        for value in reader:
            if not isinstance(value, Frame):
                continue
            frames.append(value)
            with_picture = [frame for frame in frames if frame.i420 is not None]
            if len(frames) == 5:
                flaky.kill()
            if value.i420 is None and not flaky.is_running:
                flaky.start()
            if len(with_picture) == 10 or len(frames) > 200:
                break
    keys = [frame.ref.key for frame in frames]
    assert keys == sorted(set(keys))
    assert any(frame.i420 is None for frame in frames)
    sessions = {frame.ref.key.session for frame in frames if frame.i420 is not None}
    assert len(sessions) == 2
    assert all(a.ref.at_s <= b.ref.at_s for a, b in pairwise(frames))


def test_a_frozen_server_is_noticed_within_the_read_time_out(clips: dict[str, Path]) -> None:
    with serving({"gate": clips["h264"]}) as frozen:
        told: list[SourceError] = []
        source = SourceConfig(frozen.urls["gate"], open_timeout_s=1.0, read_timeout_s=1.0)
        frozen_s = float("inf")
        noticed_s = 0.0
        for value in CameraReader(config("x.mp4", source=source), tell=told.append):
            if isinstance(value, Frame) and value.i420 is None:
                noticed_s = time.monotonic()
                break
            if frozen_s == float("inf") and isinstance(value, Frame):
                frozen.freeze()
                frozen_s = time.monotonic()
    assert isinstance(told[0], SourceStalled)
    assert 0.9 < noticed_s - frozen_s < 4.0


def test_one_silent_camera_does_not_slow_another(server: RtspServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/gate"
        stalled = CameraReader(config(url), sleep=lambda _: None)
        thread = threading.Thread(target=lambda: next(iter(stalled)), daemon=True)
        thread.start()
        frames = shown(CameraReader(config(server.urls["h264"])), 10)
        assert frames[-1].ref.at_s - frames[0].ref.at_s == pytest.approx(1.8, abs=0.3)
        assert thread.is_alive() or frames
        thread.join(10)
