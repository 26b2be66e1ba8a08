"""Tries native libraries where their failure does no harm: each probe is a few lines run by a child of this Python.

In: a probe's name. Out: its answer, a small map, or ``{"error": sentence}`` when it died, hung or could not import.
Next file: ``workers/doctor.py``.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

__all__ = ["PROBES", "Answer", "clock_is_synchronised", "cpu_quota", "run_probe"]

Answer = dict[str, Any]

PROBE_TIMEOUT_S = 90.0
_TIMEX_BYTES = 512
_CLOCK_UNSYNCHRONISED = 5

PROBES: Mapping[str, str] = MappingProxyType(
    {
        "av": """
import av
from av.codec import hwaccel
codecs = {name: name in av.codecs_available for name in ("h264", "hevc", "mjpeg")}
answer = {"version": av.__version__, "codecs": codecs, "hardware": sorted(hwaccel.hwdevices_available())}
""",
        "cv2": """
import cv2
answer = {"version": cv2.__version__}
""",
        "openvino": """
import pipeline, openvino, pathlib  # in this order: pipeline keeps OpenVINO from reporting its use
info = pathlib.Path("/proc/cpuinfo")
lines = info.read_text().splitlines() if info.exists() else []
flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features"))), [])
devices = openvino.Core().available_devices
answer = {"version": openvino.__version__.split("-")[0], "devices": list(devices), "flags": flags}
""",
        "torch": """
import torch
cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
answer = {"version": torch.__version__, "cuda": cuda}
""",
    }
)
"""What each probe runs; it leaves its answer in ``answer``."""

_WRAPPER = """
import json
try:
{body}
except Exception as error:
    answer = {{"error": f"{{type(error).__name__}}: {{str(error).splitlines()[0] if str(error) else ''}}"}}
print("\\n" + json.dumps(answer))
"""


def run_probe(name: str, timeout_s: float = PROBE_TIMEOUT_S) -> Answer:
    """The answer of the probe called ``name``. Raises KeyError for a name that is not in :data:`PROBES`."""
    return run_code(PROBES[name], timeout_s)


def run_code(code: str, timeout_s: float) -> Answer:
    """What ``code`` leaves in ``answer``, run by a child process that may crash or hang."""
    body = "\n".join(f"    {line}" for line in code.strip().splitlines())
    try:
        child = subprocess.run(
            [sys.executable, "-c", _WRAPPER.format(body=body)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {timeout_s:g} s"}
    except OSError as error:
        return {"error": f"no child process could be started: {error.strerror}"}
    lines = child.stdout.strip().splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        how = f"signal {-child.returncode}" if child.returncode < 0 else f"exit {child.returncode}"
        return {"error": f"the library ended the process ({how})"}
    return answer if isinstance(answer, dict) else {"error": "gave no answer"}


def cpu_quota(path: Path = Path("/sys/fs/cgroup/cpu.max")) -> float | None:
    """Processors that the container may use (cgroup v2), None when it is not limited."""
    try:
        quota, period = path.read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def clock_is_synchronised() -> bool | None:
    """Whether a time service keeps the clock right (adjtimex(2), read only); None where the kernel does not tell."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != _CLOCK_UNSYNCHRONISED)
