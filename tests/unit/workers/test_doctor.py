"""``vedette doctor``: each thing that can be wrong on a machine is a diagnosis with its fix, and never a crash."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.config.document import parse_document
from pipeline.config.site import site_of
from pipeline.errors import UsageError
from pipeline.settings import SiteSettings
from tests.unit.embed.checkpoints import save_tiny
from workers import doctor as doctor_module
from workers import machine as machine_module
from workers.doctor import Diagnosis, doctor, exit_code, print_diagnoses
from workers.probes import PROBES, Answer, cpu_quota, run_code, run_probe

GOOD: dict[str, Answer] = {
    "av": {"version": "18", "codecs": {"h264": True, "hevc": True, "mjpeg": True}, "hardware": ["cuda"]},
    "cv2": {"version": "5.0"},
    "openvino": {"version": "2026.4", "devices": ["CPU", "GPU.0"], "flags": ["avx2"]},
    "torch": {"version": "2.13", "cuda": []},
}


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine where everything is right; the data directory is a folder of the test."""
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(doctor_module, "BUNDLED_WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(
        machine_module, "version_of", lambda name: "1.0" if "opencv" not in name or name.endswith("on-headless") else ""
    )
    monkeypatch.setattr(doctor_module, "version_of", lambda name: "1.0")
    return tmp_path


def site(folder: Path, extra: str = "") -> SiteSettings:
    text = f"cameras: {{a: x.mp4}}\ndata_dir: {folder}/state\n{extra}"
    return site_of(parse_document(text.encode(), "site.yaml", folder), {})


def probe(**changes: Answer) -> Callable[[str], Answer]:
    return lambda name: {**GOOD, **changes}[name]


def found(diagnoses: tuple[Diagnosis, ...], topic: str) -> Diagnosis:
    return next(item for item in diagnoses if item.topic == topic)


def test_a_healthy_machine_can_run(healthy: Path) -> None:
    diagnoses = doctor(site(healthy), probe())
    assert [item for item in diagnoses if item.state == "problem"] == []
    assert exit_code(diagnoses) == 0
    topics = {item.topic for item in diagnoses}
    assert topics >= {
        "python",
        "processor",
        "memory",
        "gpu",
        "opencv",
        "video",
        "inference",
        "detector",
        "redis",
        "disk",
        "open files",
        "clock",
        "time zones",
    }


@pytest.mark.parametrize(
    ("name", "answer", "topic", "state", "words"),
    [
        ("av", {"error": "ImportError: libfoo"}, "video", "problem", ["libfoo", "force-reinstall av"]),
        (
            "av",
            {**GOOD["av"], "codecs": {"h264": False, "hevc": True, "mjpeg": True}},
            "video",
            "problem",
            ["decode h264"],
        ),
        ("cv2", {"error": "ImportError: libGL.so.1"}, "opencv", "problem", ["libGL", "opencv-python-headless"]),
        ("openvino", {"error": "signal 4"}, "inference", "problem", ["signal 4", "force-reinstall openvino"]),
        ("torch", {"error": "ModuleNotFoundError: torch"}, "torch models", "note", ["vedette[models]"]),
        ("torch", {"version": "2.13", "cuda": ["NVIDIA H200"]}, "gpu", "ok", ["NVIDIA H200"]),
    ],
)
def test_what_a_probe_finds_becomes_a_diagnosis_with_its_fix(
    healthy: Path, name: str, answer: Answer, topic: str, state: str, words: list[str]
) -> None:
    diagnoses = doctor(site(healthy), probe(**{name: answer}))
    diagnosis = found(diagnoses, topic)
    assert diagnosis.state == state
    assert all(word in diagnosis.fact + diagnosis.fix for word in words)
    assert exit_code(diagnoses) == (1 if state == "problem" else 0)


def test_two_opencv_wheels_and_missing_instructions_are_notes(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_module, "version_of", lambda name: "5.0")
    monkeypatch.setattr(machine_module.platform, "machine", lambda: "x86_64")
    diagnoses = doctor(site(healthy), probe(openvino={**GOOD["openvino"], "flags": ["sse2"]}))
    assert "overwrite each other" in found(diagnoses, "opencv").fact
    assert "pip uninstall" in found(diagnoses, "opencv").fix
    assert (found(diagnoses, "processor").state, exit_code(diagnoses)) == ("note", 0)


def test_a_device_that_is_not_there(healthy: Path) -> None:
    wanted = found(doctor(site(healthy, "detector: {device: NPU}"), probe()), "inference")
    assert wanted.state == "problem"
    assert "CPU, GPU.0" in wanted.fix
    assert found(doctor(site(healthy, "detector: {device: gpu.0}"), probe()), "inference").state == "ok"


def test_missing_weights(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_module, "BUNDLED_WEIGHTS", healthy / "gone")
    assert "pip install" in found(doctor(None, probe()), "detector").fix
    named = found(doctor(site(healthy, "detector: {weights: m/none.xml}"), probe()), "detector")
    assert (named.state, named.fix) == ("problem", "mend detector.weights in the site file")
    hub = found(doctor(site(healthy, "detector: {weights: yolo26n.pt}"), probe()), "detector")
    assert hub.state == "note"
    torch = found(
        doctor(site(healthy, "detector: {weights: yolo26n.pt}"), probe(torch={"error": "gone"})), "torch models"
    )
    assert torch.state == "problem"


def test_a_redis_that_does_not_answer_is_a_problem_without_its_password(healthy: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    diagnosis = found(doctor(site(healthy, f"redis: {{url: 'redis://u:hush@127.0.0.1:{port}/0'}}"), probe()), "redis")
    assert diagnosis.state == "problem"
    assert str(port) in diagnosis.fact
    assert "hush" not in diagnosis.fact + diagnosis.fix


def test_no_redis_server(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_none() -> None:
        raise UsageError("There is no Redis server 6.2 or newer on this machine.")

    monkeypatch.setattr("pipeline.bus.server.find_server", find_none)
    diagnosis = found(doctor(None, probe()), "redis")
    assert (diagnosis.state, diagnosis.fact) == ("problem", "There is no Redis server 6.2 or newer on this machine.")
    assert "install redis-server" in diagnosis.fix


def test_a_port_in_use_and_a_folder_that_cannot_be_written(healthy: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        busy = found(doctor(site(healthy, f"telemetry: {{port: {port}}}"), probe()), "telemetry")
    assert (busy.state, str(port) in busy.fact) == ("problem", True)
    (healthy / "file").touch()
    blocked = replace(site(healthy), data_dir=healthy / "file" / "state")
    assert found(doctor(blocked, probe()), "disk").state == "problem"


def test_little_room_few_files_and_an_unset_clock_are_said(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage: Any = type("usage", (), {"free": 1000})
    monkeypatch.setattr(doctor_module.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(machine_module.resource, "getrlimit", lambda _: (256, 256))
    monkeypatch.setattr(machine_module, "clock_is_synchronised", lambda: False)
    diagnoses = doctor(site(healthy), probe())
    for topic, fix in (("disk", "make room"), ("open files", "ulimit -n"), ("clock", "time service")):
        assert found(diagnoses, topic).state == "note"
        assert fix in found(diagnoses, topic).fix


def test_rendering_for_people_and_programs() -> None:
    diagnoses = (Diagnosis("redis", "problem", "[bold]away[/bold]", "start it"), Diagnosis("python", "ok", "3.11"))
    text = io.StringIO()
    assert print_diagnoses(diagnoses, Console(file=text, width=100)) == 1
    assert "✗ redis  [bold]away[/bold]\n    → start it\n" in text.getvalue()
    assert "cannot run here" in text.getvalue()
    line = io.StringIO()
    assert print_diagnoses(diagnoses[1:], Console(file=line), is_json=True) == 0
    assert json.loads(line.getvalue()) == {
        "ok": True,
        "diagnoses": [{"topic": "python", "state": "ok", "fact": "3.11", "fix": ""}],
    }


def test_probes_survive_what_they_try() -> None:
    assert run_code("answer = {'a': 1}", 30) == {"a": 1}
    assert run_code("print('noise', end=''); answer = {'a': 1}", 30) == {"a": 1}
    assert run_code("raise ImportError('no\\nsecond line')", 30) == {"error": "ImportError: no"}
    assert "signal 11" in run_code("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 30)["error"]
    assert "exit 3" in run_code("import os; os._exit(3)", 30)["error"]
    assert run_code("while True: pass", 0.3) == {"error": "no answer within 0.3 s"}
    with pytest.raises(KeyError):
        run_probe("nothing")


def test_the_av_probe_answers_on_this_machine() -> None:
    answer = run_probe("av")
    assert answer["codecs"] == {"h264": True, "hevc": True, "mjpeg": True}
    assert set(PROBES) == set(GOOD)


def test_the_quota_of_a_container(tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    for content, quota in (("150000 100000\n", 1.5), ("max 100000\n", None), ("nonsense", None)):
        file.write_text(content)
        assert cpu_quota(file) == quota
    assert cpu_quota(tmp_path / "absent") is None


def test_every_fix_is_given_where_something_is_wrong() -> None:
    broken = {name: {"error": "broken"} for name in PROBES}
    for item in doctor(None, lambda name: broken[name]):
        assert (item.state == "ok") == (item.fix == ""), item


def test_the_text_encoder_is_found_missing_broken_or_switched_off(
    healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encoder(extra: str) -> Diagnosis:
        return found(doctor(site(healthy, extra), probe()), "text encoder")

    monkeypatch.setattr(doctor_module, "find_folder", lambda setting: None)
    assert encoder("").state == "note"
    assert "--no-deps" in encoder("").fix
    assert encoder("text_encoder: none").state == "note"
    assert "owner/name" in encoder("text_encoder: owner/name").fact
    monkeypatch.undo()
    save_tiny(healthy / "tiny")
    assert encoder("text_encoder: tiny") == Diagnosis("text encoder", "ok", f"tiny in {healthy / 'tiny'}")
    (healthy / "tiny" / "config.json").write_text("{}")
    assert encoder("text_encoder: tiny").state == "problem"
