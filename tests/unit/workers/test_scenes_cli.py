from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.scenes import Renderer
from pipeline.scenes.model import Camera, Light, Scene
from workers import scenes_cli
from workers.scenes_cli import app, shared_pictures

_TINY = """
name: tiny
title: t
family: f
camera: {position_m: [0, -4, 3], look_at_m: [0, 5, 0]}
light: {mode: overcast, wind: 0}
size_wh: [160, 90]
fps: 5
seconds: 1
actors: [{name: a, kind: person, steps: [{go: [[-2, 3], [2, 3]]}]}]
"""


def test_list_tells_the_ready_scenes_as_json_lines() -> None:
    result = CliRunner().invoke(app, ["list", "--json"])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert {"gate_day", "yard_ir_climb"} <= {row["name"] for row in rows}


def test_render_writes_video_and_truth_and_reports_progress(tmp_path: Path) -> None:
    script, out, truth = tmp_path / "tiny.yaml", tmp_path / "o.mp4", tmp_path / "o.json"
    script.write_text(_TINY)
    result = CliRunner().invoke(
        app, ["render", str(script), "--out", str(out), "--truth", str(truth), "--seed", "3", "--seconds", "0.6"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["frames"] == 3
    assert '"frames": 3' in result.stderr
    assert out.stat().st_size > 500
    assert len(json.loads(truth.read_text())["frames"]) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["render", "gate_dya", "--out", "o.mp4"], 2, "'gate_day'"),
        (["render", "gate_day", "--out", "o.mp4", "--seconds", "-4"], 2, "--seconds"),
        (["render", "no.yaml", "--out", "o.mp4"], 2, "no such scene file"),
        (["render", "gate_day"], 2, "--out"),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_two(arguments: list[str], code: int, words: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_a_place_that_cannot_be_written_is_exit_one(tmp_path: Path) -> None:
    script = tmp_path / "tiny.yaml"
    script.write_text(_TINY)
    result = CliRunner().invoke(app, ["render", str(script), "--out", str(tmp_path / "no" / "o.mp4")])
    assert result.exit_code == 1
    assert "cannot write a video" in result.stderr


def test_several_processes_give_the_same_frames_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes_cli, "_ALONE_BELOW", 1)
    scene = Scene(
        "t", "t", "f", Camera((0, -4, 3), (0, 5, 0)), Light(mode="overcast"), seconds=4.0, fps=5, size_wh=(160, 90)
    )
    alone = list(Renderer(scene, 1))
    shared = list(shared_pictures(scene, 1, 2))
    assert [rgb.tobytes() for rgb, _ in shared] == [rgb.tobytes() for rgb, _ in alone]
    assert [truth for _, truth in shared] == [truth for _, truth in alone]
