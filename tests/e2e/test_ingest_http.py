"""Web cameras: motion JPEG that never ends, and an HLS playlist."""

from __future__ import annotations

import functools
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, pairwise
from pathlib import Path

import av
import cv2
import pytest

from pipeline.errors import SourceError
from pipeline.ingest.camera import CameraConfig, CameraReader
from pipeline.ingest.motion import GateConfig
from pipeline.ingest.source import SourceConfig
from pipeline.types import Frame
from tests.clips import numbered, read_number, write_clip

pytestmark = pytest.mark.e2e


@contextmanager
def web(
    handler: type[http.server.BaseHTTPRequestHandler] | functools.partial[http.server.BaseHTTPRequestHandler],
) -> Iterator[int]:  # type: ignore[type-arg]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:  # type: ignore[arg-type]
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(5)


class MotionJpeg(http.server.BaseHTTPRequestHandler):
    """25 pictures per second as multipart/x-mixed-replace, behind a password in the query."""

    def do_GET(self) -> None:
        if "pwd=geheim" not in self.path:
            self.send_error(401)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for number in range(400):
                bgr = cv2.cvtColor(numbered(number, (192, 128)), cv2.COLOR_YUV2BGR_I420)
                jpeg = cv2.imencode(".jpg", bgr)[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                time.sleep(0.04)
        except OSError:
            return  # the reader has seen enough

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


class Files(http.server.SimpleHTTPRequestHandler):
    """Files of a folder."""

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


def config(url: str) -> CameraConfig:
    source = SourceConfig(url, open_timeout_s=5.0, read_timeout_s=3.0)
    return CameraConfig("cam", source, gate=GateConfig(is_enabled=False))


def test_motion_jpeg_is_timed_by_arrival() -> None:
    with web(MotionJpeg) as port:
        reader = CameraReader(config(f"http://127.0.0.1:{port}/video.mjpg?pwd=geheim"))
        frames = [f for f in islice((v for v in reader if isinstance(v, Frame)), 8) if f.i420 is not None]
        ages = [time.time() - frames[-1].ref.at_s]
    assert len(frames) == 8
    numbers = [read_number(frame.i420[:128]) for frame in frames if frame.i420 is not None]
    assert numbers == sorted(set(numbers))
    assert all(0.1 < b.ref.at_s - a.ref.at_s < 1.0 for a, b in pairwise(frames[1:]))
    assert -0.5 < ages[0] < 2.0


def test_a_refused_web_camera_ticks_and_tells_no_secret() -> None:
    told: list[SourceError] = []
    with web(MotionJpeg) as port:
        url = f"http://127.0.0.1:{port}/video.mjpg?pwd=falsch"
        tick = next(iter(CameraReader(config(url), tell=told.append, sleep=lambda _: None)))
    assert isinstance(tick, Frame)
    assert tick.note.gate == "absent"
    assert "401" in str(told[0])
    assert "falsch" not in str(told[0])


def test_hls_is_read(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=100, gop=25, paint=numbered)
    options = {"hls_time": "1", "hls_list_size": "0", "hls_flags": "omit_endlist"}
    with av.open(str(clip)) as source, av.open(str(tmp_path / "live.m3u8"), "w", format="hls", options=options) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    with web(functools.partial(Files, directory=str(tmp_path))) as port:
        reader = CameraReader(config(f"http://127.0.0.1:{port}/live.m3u8"))
        frames = list(islice((v for v in reader if isinstance(v, Frame) and v.i420 is not None), 5))
    numbers = [read_number(frame.i420[:128]) for frame in frames if frame.i420 is not None]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 5
