"""What of the machine itself can be told: Python, processor, memory, GPU, OpenCV, decoders, limits, clock.

In: answers of probes. Out: :class:`Diagnosis` values. Next file: ``workers/doctor.py``, which adds the site's own.
"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sys
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil

from workers.probes import Answer, clock_is_synchronised, cpu_quota

__all__ = ["Diagnosis", "State", "machine", "version_of"]

State = Literal["ok", "note", "problem"]
MIN_OPEN_FILES = 1024
MIN_MEMORY_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing looked at. A ``problem`` keeps the main job from running; a ``note`` costs something. Both say how to
    mend it in ``fix``."""

    topic: str
    state: State
    fact: str
    fix: str = ""


def machine(answers: Mapping[str, Answer]) -> tuple[Diagnosis, ...]:
    """Everything about this machine that does not depend on a site."""
    return (
        *_python(),
        *_processor(answers["openvino"]),
        *_memory(),
        *_gpu(answers["torch"]),
        *_opencv(answers["cv2"]),
        *_video(answers["av"]),
        *_limits(),
        *_time(),
    )


def version_of(package: str) -> str:
    """The installed version of ``package``, empty when it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _python() -> Iterator[Diagnosis]:
    version = platform.python_version()
    if sys.version_info < (3, 11):  # noqa: UP036 - started from a checkout, nothing has checked it before
        yield Diagnosis("python", "problem", f"{version} is too old", "install Python 3.11 or newer")
    else:
        yield Diagnosis("python", "ok", f"{version} on {platform.system()} {platform.machine()}")


def _processor(openvino: Answer) -> Iterator[Diagnosis]:
    cores = len(os.sched_getaffinity(0))
    quota = cpu_quota()
    limit = f", limited to {quota:g} by its container" if quota is not None and quota < cores else ""
    flags = openvino.get("flags", [])
    fast = [flag for flag in ("avx2", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimd") if flag in flags]
    fact = f"{cores} cores{limit}; {', '.join(fast) or 'no vector instructions known'}"
    if platform.machine() in ("x86_64", "AMD64") and "avx2" not in flags:
        yield Diagnosis("processor", "note", fact, "without AVX2 detection is several times slower: use fewer cameras")
    else:
        yield Diagnosis("processor", "ok", fact)


def _memory() -> Iterator[Diagnosis]:
    memory = psutil.virtual_memory()
    fact = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    if memory.available < MIN_MEMORY_BYTES:
        yield Diagnosis("memory", "note", fact, "leave 2 GiB: about 0.15 per camera and 0.5 for the detector")
    else:
        yield Diagnosis("memory", "ok", fact)


def _gpu(torch: Answer) -> Iterator[Diagnosis]:
    has_driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
    if torch.get("cuda"):
        yield Diagnosis("gpu", "ok", f"{', '.join(torch['cuda'])} (torch {torch['version']})")
    elif has_driver and "version" in torch:
        fix = "pip install a torch that is built for this driver's CUDA"
        yield Diagnosis("gpu", "note", f"an NVIDIA driver is here, but torch {torch['version']} cannot use it", fix)
    elif has_driver:
        yield Diagnosis("gpu", "note", "an NVIDIA driver is here, but torch is not", "pip install 'vedette[models]'")
    else:
        yield Diagnosis("gpu", "ok", "none; the processor does the work")


def _opencv(cv2: Answer) -> Iterator[Diagnosis]:
    names = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
    wheels = [name for name in names if version_of(name)]
    if "error" in cv2:
        fix = f"pip uninstall -y {' '.join(wheels)}; pip install --force-reinstall opencv-python-headless"
        yield Diagnosis("opencv", "problem", f"cannot be imported: {cv2['error']}", fix)
    elif len(wheels) > 1:
        fix = f"pip uninstall -y {' '.join(wheels)}; pip install opencv-python-headless"
        yield Diagnosis("opencv", "note", f"{' and '.join(wheels)} overwrite each other's files", fix)
    else:
        yield Diagnosis("opencv", "ok", f"{cv2['version']} ({wheels[0] if wheels else 'not from a wheel'})")


def _video(av: Answer) -> Iterator[Diagnosis]:
    if "error" in av:
        yield Diagnosis(
            "video", "problem", f"PyAV cannot be imported: {av['error']}", "pip install --force-reinstall av"
        )
        return
    missing = [codec for codec, is_there in av["codecs"].items() if not is_there]
    hardware = ", ".join(av["hardware"]) or "none"
    fact = f"PyAV {av['version']}: h264, hevc, mjpeg; hardware decoding built in: {hardware}"
    if missing:
        fix = "pip install --force-reinstall --only-binary=:all: av"
        yield Diagnosis("video", "problem", f"PyAV {av['version']} cannot decode {', '.join(missing)}", fix)
    else:
        yield Diagnosis("video", "ok", fact)


def _limits() -> Iterator[Diagnosis]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < MIN_OPEN_FILES:
        fix = f"ulimit -n {MIN_OPEN_FILES} (LimitNOFILE= under systemd)"
        yield Diagnosis("open files", "note", f"at most {soft} at once", fix)
    else:
        yield Diagnosis("open files", "ok", f"at most {soft} at once")


def _time() -> Iterator[Diagnosis]:
    now = datetime.now(UTC)
    if now.year < 2024:
        yield Diagnosis("clock", "problem", f"says {now:%Y-%m-%d}", "set it; alerts carry its time")
    elif clock_is_synchronised() is False:
        fix = "start a time service (chrony, systemd-timesyncd), so that cameras and alerts agree on the time"
        yield Diagnosis("clock", "note", "runs by itself, no time service keeps it right", fix)
    else:
        yield Diagnosis("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC")
    try:
        zoneinfo.ZoneInfo("Europe/Berlin")
        yield Diagnosis("time zones", "ok", f"{len(zoneinfo.available_timezones())} known")
    except zoneinfo.ZoneInfoNotFoundError:
        yield Diagnosis("time zones", "problem", "no time zone data", "install tzdata (system package or pip)")
