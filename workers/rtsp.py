"""Serves video files as RTSP cameras on loopback, with ``workers/demo/rtsp_server.py`` in a process of its own.

In: camera name -> file. Out: camera name -> URL, while the block runs. For the demo and the bench.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.errors import UsageError

__all__ = ["Served", "serve"]

SYSTEM_PYTHON = Path("/usr/bin/python3")
RTSP_SERVER = Path(__file__).resolve().parent / "demo" / "rtsp_server.py"
SERVER_ANSWERS_S = 30.0


@dataclass(frozen=True, slots=True)
class Served:
    """Where each camera is, the process that serves them, and when (UTC seconds) each sent its first picture.

    ``began_s`` fills up while the cameras are opened.
    """

    urls: Mapping[str, str]
    pid: int
    began_s: Mapping[str, float]


@contextmanager
def serve(videos: Mapping[str, Path]) -> Iterator[Served]:
    """Serve ``videos`` round and round. Raises UsageError when the server's system packages are missing."""
    mounts = [word for camera, video in videos.items() for word in ("--mount", f"{camera}={video}")]
    argv = [str(SYSTEM_PYTHON), str(RTSP_SERVER), "--port", "0", "--with-stdin", "--announce", *mounts]
    try:
        server = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError as error:
        raise UsageError(f"{SYSTEM_PYTHON} cannot be started ({error.strerror}); run deploy/demo.sh.") from error
    began_s: dict[str, float] = {}
    listener: threading.Thread | None = None
    with server:
        try:
            line = server.stdout.readline() if server.stdout is not None else ""
            if server.stdout is None or not line:
                raise UsageError("The RTSP server needs Debian's GStreamer packages; deploy/demo.sh installs them.")
            listener = threading.Thread(target=_listen, args=(server.stdout, began_s), daemon=True)
            listener.start()
            yield Served(json.loads(line)["urls"], server.pid, began_s)
        finally:
            server.terminate()
            server.wait(SERVER_ANSWERS_S)
            if listener is not None:
                listener.join(SERVER_ANSWERS_S)


def _listen(lines: IO[str], began_s: dict[str, float]) -> None:
    for line in lines:
        told = json.loads(line)
        began_s[told["began"]] = told["at_s"]
