"""How OpenVINO is opened: cores, streams, precision, and files that are not models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import ModelError, UsageError
from pipeline.openvino_runtime import (
    Placement,
    compile_model,
    is_quantised,
    read_model,
    stream_count,
    usable_cores,
)
from pipeline.settings import BUNDLED_WEIGHTS
from tests.unit.detect import toys


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("100000 100000", 1),
        ("150000 100000", None),
        ("1000 100000", 1),
        ("max 100000", None),
        ("", None),
        ("5 0", None),
    ],
)
def test_a_containers_quota_bounds_the_cores(tmp_path, content, expected):
    file = tmp_path / "cpu.max"
    file.write_text(content)
    everything = usable_cores(tmp_path / "absent")
    assert usable_cores(file) == (expected or min(everything, 2 if content.startswith("15") else everything))


@pytest.mark.parametrize(("threads", "streams", "expected"), [(2, 0, 2), (2, 1, 1), (1, 0, 1)])
def test_each_thread_gets_a_stream_unless_told_otherwise(threads, streams, expected):
    compiled = compile_model(toys.network(), Placement(threads=threads, streams=streams))
    assert stream_count(compiled) == expected
    assert compiled.get_property("INFERENCE_NUM_THREADS") == threads


def test_quantised_models_are_not_rounded_further():
    quantised = toys.network(is_quantised=True)
    assert is_quantised(quantised)
    assert not is_quantised(toys.network())
    compiled = compile_model(quantised, Placement(threads=1))
    assert "float" in str(compiled.get_property("INFERENCE_PRECISION_HINT"))
    assert "bfloat" not in str(compiled.get_property("INFERENCE_PRECISION_HINT"))


def test_precision_can_be_told():
    compiled = compile_model(toys.network(), Placement(threads=1, precision="f32"))
    assert "bfloat" not in str(compiled.get_property("INFERENCE_PRECISION_HINT"))


def test_a_directory_is_not_a_model(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        read_model(tmp_path)


def test_absent_devices_are_named():
    with pytest.raises(UsageError, match=r"device 'gpu\.7': OpenVINO finds only"):
        compile_model(toys.network(), Placement(device="gpu.7"))


def test_settings_out_of_range_are_refused():
    with pytest.raises(UsageError, match="0 or more"):
        Placement(streams=-2)


def test_the_cpu_is_the_default_device():
    assert Placement().runtime_device == "CPU"
    assert Placement(device="gpu.1").runtime_device == "GPU.1"
    assert Placement(cache_dir=Path("x")).cache_dir == Path("x")


def test_a_signal_does_not_kill_a_process_that_let_go_of_models_in_any_order() -> None:
    """Engines of one process each lay a signal stack over the last; see :func:`pipeline.openvino_runtime.core`."""
    script = f"""
import gc, signal, subprocess, sys
from pathlib import Path
from pipeline.openvino_runtime import Placement, compile_model, kept_signal_stack, read_model
import openvino as ov
signal.signal(signal.SIGCHLD, lambda *_: None)
path = Path({str(BUNDLED_WEIGHTS)!r})
path = next(path.glob("*.xml")) if path.is_dir() else path
ours = [compile_model(read_model(path), Placement(threads=1)) for _ in range(2)]
with kept_signal_stack():
    theirs = [ov.Core().compile_model(str(path), "CPU") for _ in range(3)]
    while theirs:
        theirs.pop(0)
        gc.collect()
while ours:
    ours.pop(0)
    gc.collect()
subprocess.run([sys.executable, "-c", ""], check=True)
print("alive")
"""
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (child.returncode, child.stdout.strip()) == (0, "alive")
