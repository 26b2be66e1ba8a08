#!/usr/bin/env python3
"""Serves video files as RTSP cameras on loopback, round and round, without re-encoding. For the demo and the tests.

    /usr/bin/python3 workers/demo/rtsp_server.py --port 8554 --mount gate=gate.mp4 --mount yard=yard.mkv

Runs under the system's Python (Debian: python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good and -bad).
Each file is demuxed into memory once; its access units are then sent at their own pace for ever, with time stamps that
keep rising from loop to loop, as a camera's would. H.264, H.265 and motion JPEG (with the standard Huffman tables of
``ffmpeg -huffman default``: RTP carries none). One line of JSON on standard output says where the streams are; the
server ends with SIGTERM, SIGINT, or, with ``--with-stdin``, when its standard input closes.
"""

from __future__ import annotations

import argparse
import base64
import json
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtspServer  # noqa: E402 - GstApp teaches appsink its methods

PAYLOADERS = {
    "video/x-h264": (
        "h264parse config-interval=-1",
        "video/x-h264,stream-format=byte-stream,alignment=au",
        "rtph264pay",
    ),
    "video/x-h265": (
        "h265parse config-interval=-1",
        "video/x-h265,stream-format=byte-stream,alignment=au",
        "rtph265pay",
    ),
    "image/jpeg": ("jpegparse", "image/jpeg", "rtpjpegpay"),
}
READ_TIMEOUT_NS = 30_000_000_000


@dataclass(frozen=True)
class Clip:
    """The access units of one file: (buffer, pts, dts), times in ns from the first; ``length_ns`` is one loop's."""

    units: list[tuple[Gst.Buffer, int, int]]
    length_ns: int
    caps: Gst.Caps
    payloader: str


def first_video_caps(path: str) -> str:
    """Caps name of the first video stream that can be sent. Raises SystemExit with a sentence when there is none."""
    pipeline = Gst.parse_launch("filesrc name=file ! parsebin name=parse")
    pipeline.get_by_name("file").set_property("location", path)
    found: list[str] = []

    def on_pad(_bin: Gst.Element, pad: Gst.Pad) -> None:
        caps = pad.get_current_caps() or pad.query_caps()
        found.append(caps.get_structure(0).get_name())

    pipeline.get_by_name("parse").connect("pad-added", on_pad)
    pipeline.set_state(Gst.State.PAUSED)
    bus = pipeline.get_bus()
    until = time.monotonic() + 10
    while time.monotonic() < until and not any(name in PAYLOADERS for name in found):
        if bus.timed_pop_filtered(50 * Gst.MSECOND, Gst.MessageType.ERROR | Gst.MessageType.EOS):
            break
    pipeline.set_state(Gst.State.NULL)
    for name in found:
        if name in PAYLOADERS:
            return name
    sys.exit(f"rtsp_server: {path} holds no H.264, H.265 or motion JPEG video")


def load(path: str) -> Clip:
    """Read the video of ``path`` into memory. Raises SystemExit with a sentence when it cannot be read."""
    if not Path(path).is_file():
        sys.exit(f"rtsp_server: there is no file {path}")
    name = first_video_caps(path)
    parser, caps, payloader = PAYLOADERS[name]
    pipeline = Gst.parse_launch(
        f"filesrc name=file ! parsebin ! {name} ! {parser} ! {caps} ! appsink name=sink sync=false max-buffers=0"
    )
    pipeline.get_by_name("file").set_property("location", path)
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    units: list[tuple[Gst.Buffer, int, int]] = []
    sent_caps = None
    while (sample := sink.try_pull_sample(READ_TIMEOUT_NS)) is not None:
        sent_caps = sent_caps or sample.get_caps()
        buffer = sample.get_buffer()
        pts = buffer.pts if buffer.pts != Gst.CLOCK_TIME_NONE else buffer.dts
        if pts == Gst.CLOCK_TIME_NONE:
            pts = units[-1][1] + 40 * Gst.MSECOND if units else 0
        dts = buffer.dts if buffer.dts != Gst.CLOCK_TIME_NONE else pts
        units.append((buffer, pts, dts))
    pipeline.set_state(Gst.State.NULL)
    if not units or sent_caps is None:
        sys.exit(f"rtsp_server: no video could be read from {path}")
    first = min(dts for _, _, dts in units)
    units = [(buffer, pts - first, dts - first) for buffer, pts, dts in units]
    shown = sorted(pts for _, pts, _ in units)
    step = (shown[-1] - shown[0]) // (len(shown) - 1) if len(shown) > 1 else 40 * Gst.MSECOND
    return Clip(units, shown[-1] - shown[0] + step, sent_caps, payloader)


class Feeder(threading.Thread):
    """Sends one clip into one appsrc at its own pace until the media is torn down."""

    def __init__(self, clip: Clip, appsrc: GstApp.AppSrc, announced: str | None) -> None:
        super().__init__(daemon=True)
        self._clip = clip
        self._appsrc = appsrc
        self._announced = announced
        self.stop = threading.Event()

    def run(self) -> None:
        """Push access units until stopped; the loop's length is added to every stamp on each round."""
        began = time.monotonic_ns()
        if self._announced is not None:
            print(json.dumps({"began": self._announced, "at_s": time.time()}), flush=True)
        offset = 0
        while not self.stop.is_set():
            for stored, pts, dts in self._clip.units:
                wait_ns = began + offset + dts - time.monotonic_ns()
                if wait_ns > 0 and self.stop.wait(wait_ns / 1e9):
                    return
                buffer = stored.copy()
                buffer.pts, buffer.dts = pts + offset, dts + offset
                if self._appsrc.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return
            offset += self._clip.length_ns


class ClipFactory(GstRtspServer.RTSPMediaFactory):
    """Builds the pipeline of one mount; all clients share one, and join it where it is, as with a camera."""

    def __init__(self, clip: Clip, announced: str | None) -> None:
        super().__init__()
        self._clip = clip
        self._announced = announced
        self.set_shared(True)
        self.set_launch(
            "( appsrc name=src is-live=true format=time do-timestamp=false max-bytes=0 block=false "
            f"! {clip.payloader} name=pay0 pt=96 )"
        )
        self.connect("media-configure", self._on_media)

    def _on_media(self, _factory: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
        appsrc = media.get_element().get_by_name("src")
        appsrc.set_property("caps", self._clip.caps)
        feeder = Feeder(self._clip, appsrc, self._announced)
        media.connect("unprepared", lambda _media: feeder.stop.set())
        feeder.start()


def secure(server: GstRtspServer.RTSPServer, factories: list[ClipFactory], user: str, password: str) -> None:
    """Let only ``user`` with ``password`` in (RTSP basic authentication)."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(base64.b64encode(f"{user}:{password}".encode()).decode(), token)
    server.set_auth(auth)
    for factory in factories:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)


def main() -> int:
    """Parse the arguments and serve until told to stop."""
    parser = argparse.ArgumentParser(description="Serve video files as RTSP cameras on loopback.")
    parser.add_argument("--port", type=int, default=8554, help="0 takes a free one")
    parser.add_argument("--mount", action="append", required=True, metavar="NAME=FILE")
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--with-stdin", action="store_true", help="end when standard input closes")
    parser.add_argument("--announce", action="store_true", help="say when a mount's first picture is sent, as JSON")
    arguments = parser.parse_args()
    Gst.init(None)
    mounts = dict(mount.split("=", 1) for mount in arguments.mount if "=" in mount)
    if len(mounts) != len(arguments.mount):
        parser.error("every --mount is NAME=FILE, each name once")
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(arguments.port))
    is_announced = arguments.announce
    factories = [ClipFactory(load(path), name if is_announced else None) for name, path in mounts.items()]
    for name, factory in zip(mounts, factories, strict=True):
        server.get_mount_points().add_factory(f"/{name}", factory)
    if arguments.user:
        secure(server, factories, arguments.user, arguments.password)
    loop = GLib.MainLoop()
    if not server.attach(None):
        sys.exit(f"rtsp_server: port {arguments.port} is taken")
    for number in (signal.SIGTERM, signal.SIGINT):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, loop.quit)
    if arguments.with_stdin:
        GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, lambda *_: loop.quit())
    port = server.get_bound_port()
    urls = {name: f"rtsp://127.0.0.1:{port}/{name}" for name in mounts}
    print(json.dumps({"ready": True, "port": port, "urls": urls}), flush=True)
    loop.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
