"""OpenVINO, opened the same way by everybody: reading models, and compiling them for the machine at hand.

In: a model file and a ``Placement``. Out: ``ov.Model`` and ``ov.CompiledModel``. Next file:
``pipeline/detect/openvino.py``; whatever else runs a network on this runtime starts here too.
"""

from __future__ import annotations

import ctypes
import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import openvino as ov

from pipeline.errors import ModelError, UsageError

__all__ = [
    "Placement",
    "Precision",
    "compile_model",
    "core",
    "is_quantised",
    "kept_signal_stack",
    "read_model",
    "stream_count",
    "usable_cores",
]

Precision = Literal["auto", "f32", "bf16", "f16"]

_MAX_DEFAULT_STREAMS = 8
"""Streams beyond the frames of one batch would have nothing to do."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a network runs.

    ``device`` is OpenVINO's word in any case (``cpu``, ``gpu``, ``npu``, ``gpu.1``; ``auto`` is the CPU, whose results
    do not depend on drivers). ``threads`` 0 takes every core this process may use. ``streams`` inferences run side by
    side, each with its share of the threads; 0 gives each thread its own stream, which measured +20 to +30 % images/s
    over one stream with both threads on two cores. ``precision`` is the arithmetic of layers that are not quantised:
    ``auto`` takes bfloat16 where the CPU computes it (half the time of float32), but not for a quantised model, whose
    few float layers gained no time from it and lost exactness. Compiled models are kept in ``cache_dir`` for faster
    starts.
    """

    device: str = "auto"
    threads: int = 0
    streams: int = 0
    precision: Precision = "auto"
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        if self.threads < 0 or self.streams < 0:
            raise UsageError(f"threads and streams: expected 0 or more, got {self.threads} and {self.streams}")

    @property
    def runtime_device(self) -> str:
        """The device in OpenVINO's own spelling."""
        return "CPU" if self.device.lower() == "auto" else self.device.upper()


@cache
def core() -> ov.Core:
    """The one OpenVINO of this process, which is never let go.

    On processors with AMX each engine lays a signal stack of its own over the one it finds, and on leaving puts back
    what it found. Two that leave in another order than they came leave a stack that is gone, and the next signal kills
    the process (OpenVINO 2026.4).
    """
    return ov.Core()


class _SignalStack(ctypes.Structure):
    """``stack_t`` of POSIX <signal.h>."""

    _fields_ = (("pointer", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Puts this thread's signal stack back afterwards: around libraries that open OpenVINOs of their own."""
    if not sys.platform.startswith("linux"):
        yield
        return
    libc, before = ctypes.CDLL(None), _SignalStack()
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)


def read_model(path: Path) -> ov.Model:
    """The network in an OpenVINO ``.xml`` (its ``.bin`` beside it) or ``.onnx`` file.

    Raises ModelError when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    if path.suffix == ".xml":
        if not re.search(rb"<net\s[^>]*version=", head):
            raise ModelError(f"{path}: not an OpenVINO model")
        if not path.with_suffix(".bin").is_file():
            raise ModelError(f"{path.with_suffix('.bin')}: the weights that belong to {path.name} are missing")
    try:
        return core().read_model(path)
    except RuntimeError as error:
        raise ModelError(f"{path}: OpenVINO cannot read this model ({_reason(error)})") from error


def compile_model(model: ov.Model, placement: Placement) -> ov.CompiledModel:
    """``model`` ready to run.

    Raises UsageError for a device this machine does not have, ModelError when the model cannot be compiled.
    """
    device, present = placement.runtime_device, core().available_devices
    if device.split(".")[0] not in {name.split(".")[0] for name in present}:
        raise UsageError(f"device '{placement.device}': OpenVINO finds only {', '.join(present)} here")
    try:
        return core().compile_model(model, device, _settings(model, placement))
    except RuntimeError as error:
        raise ModelError(f"OpenVINO cannot compile this model for {device} ({_reason(error)})") from error


def is_quantised(model: ov.Model) -> bool:
    """Whether a model computes in 8-bit integers."""
    return any(operation.get_type_name() == "FakeQuantize" for operation in model.get_ops())


def stream_count(compiled: ov.CompiledModel) -> int:
    """How many inferences a compiled model runs side by side."""
    return max(1, int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")))


def usable_cores(cpu_max: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores this process may keep busy: those it is allowed to run on, within the quota of its container (cgroup v2).

    A container limited to two of 64 cores still sees all 64; as many threads would spend their time being throttled.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    try:
        quota, period = cpu_max.read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or no limit: "max 100000"
        return cores


def _settings(model: ov.Model, placement: Placement) -> dict[str, Any]:
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "THROUGHPUT"}
    if placement.cache_dir is not None:
        settings["CACHE_DIR"] = str(placement.cache_dir)
    if placement.precision != "auto":
        settings["INFERENCE_PRECISION_HINT"] = placement.precision
    if placement.runtime_device != "CPU":
        return settings
    threads = placement.threads or usable_cores()
    settings["INFERENCE_NUM_THREADS"] = threads
    settings["NUM_STREAMS"] = str(placement.streams or min(threads, _MAX_DEFAULT_STREAMS))
    # Decoders and other workers share these cores; a pinned inference thread would queue behind them.
    settings["ENABLE_CPU_PINNING"] = False
    if placement.precision == "auto":
        has_bf16 = "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        settings["INFERENCE_PRECISION_HINT"] = "bf16" if has_bf16 and not is_quantised(model) else "f32"
    return settings


def _reason(error: RuntimeError) -> str:
    """The last telling line of OpenVINO's several-line message, without its source positions."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "FrontEnd API failed"))]
    return (telling or lines or ["no reason given"])[-1][:200]
