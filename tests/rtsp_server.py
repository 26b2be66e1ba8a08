"""A real RTSP server for tests: ``workers/demo/rtsp_server.py`` under the system's Python, on a free loopback port.

    with serving({"gate": path}) as server:
        open(server.urls["gate"])

Skips the test, with the reason, where GStreamer's RTSP server is not installed.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

__all__ = ["RtspServer", "serving"]

_PYTHON = Path("/usr/bin/python3")
_SCRIPT = Path(__file__).resolve().parents[1] / "workers" / "demo" / "rtsp_server.py"
_PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@dataclass
class RtspServer:
    """One server process. ``urls`` by mount; started again, it serves the same mounts on the same port."""

    mounts: Mapping[str, Path]
    user: str | None = None
    password: str = ""
    port: int = 0
    urls: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start and wait until it listens. Raises AssertionError with its words when it does not."""
        command = [str(_PYTHON), str(_SCRIPT), "--port", str(self.port), "--with-stdin"]
        for name, path in self.mounts.items():
            command += ["--mount", f"{name}={path}"]
        if self.user:
            command += ["--user", self.user, "--password", self.password]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the RTSP server did not start"
        ready = json.loads(line)
        self.port, self.urls = ready["port"], ready["urls"]

    @property
    def is_running(self) -> bool:
        """Whether there is a server process."""
        return self._process is not None

    def kill(self) -> None:
        """The server dies at once, in the middle of what it sends."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """The server keeps its connections and says nothing more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        """End it, frozen or not."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(10)
        self._process = None


@contextmanager
def serving(mounts: Mapping[str, Path], *, user: str | None = None, password: str = "") -> Iterator[RtspServer]:
    """A running server with ``mounts`` (name -> video file); it is gone afterwards, whatever happened."""
    if not _PYTHON.exists() or subprocess.run([_PYTHON, "-c", _PROBE], capture_output=True, check=False).returncode:
        pytest.skip("GStreamer's RTSP server is not installed (gir1.2-gst-rtsp-server-1.0, python3-gi)")
    server = RtspServer(mounts, user, password)
    try:
        server.start()
        yield server
    finally:
        server.stop()
