"""The shell of training: what it refuses, how it stops, and that its steps reach the library."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from pipeline.errors import ConfigError, ModelError, UsageError
from pipeline.scenes import FrameTruth, TruthObject
from workers import train_cli
from workers.train_cli import app

pytest.importorskip("torch", reason="training needs the extra 'models' (torch)")


def _run(*arguments: str) -> tuple[int, BaseException | None, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.exception, result.output


def test_every_step_has_its_command_and_a_line_of_help() -> None:
    code, _, text = _run("--help")
    assert code == 0
    for command in ("detector", "prepare", "label", "rendered", "evaluate", "export"):
        assert command in text


def test_a_missing_recipe_is_one_sentence(tmp_path: Path) -> None:
    _, error, _ = _run("prepare", str(tmp_path / "none.yaml"), "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert isinstance(error, ConfigError)
    assert "none.yaml" in str(error)


def test_exporting_before_training_says_what_is_missing(tmp_path: Path) -> None:
    recipe = Path(__file__).resolve().parents[3] / "configs" / "train" / "vedette-n.yaml"
    _, error, _ = _run("export", str(recipe), "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert isinstance(error, ModelError)
    assert "no such checkpoint" in str(error)


@pytest.mark.parametrize("text", ["noon", "25:00", "12", "12:61", "-1:00"])
def test_a_time_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected HH:MM"):
        train_cli._until_s(text)


def test_a_time_already_past_means_tomorrow() -> None:
    now = datetime.now(UTC)
    then = train_cli._until_s(f"{now.hour:02d}:{now.minute:02d}")
    assert then is not None
    assert 86400 - 120 <= then - now.timestamp() <= 86400


def test_signals_ask_to_stop_and_the_former_handlers_come_back() -> None:
    former = signal.getsignal(signal.SIGTERM)
    with train_cli._stop_requests() as should_stop:
        assert not should_stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert should_stop()
    assert signal.getsignal(signal.SIGTERM) is former


def test_progress_is_json_lines_when_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with train_cli._watching() as watch:
        watch.count("label", 3, 12)
    assert json.loads(capsys.readouterr().err) == {"step": "label", "share": 0.25, "text": ""}


class _TinyRenderer:
    """Ten frames: a person, half of a backpack behind it, a ball nobody detects; the camera is covered in frame 7."""

    frame_count = 10

    def __init__(self, scene: str, seed: int) -> None:
        assert (scene, seed) == ("scene of yard", 3)

    def frame(self, index: int) -> tuple[NDArray[np.uint8], FrameTruth]:
        objects = tuple(
            TruthObject(
                id=number,
                name=label,
                label=label,
                xyxy=(10.0, 10.0, 40.0, 60.0),
                full_xyxy=(10.0, 10.0, 40.0, 60.0),
                visible=visible,
                at_m=(0.0, 0.0),
                speed_m_s=0.0,
                heading_deg=0.0,
                direction="still",
                action="stand",
                posture="upright",
                zones=(),
                colors={},
            )
            for number, (label, visible) in enumerate((("person", 1.0), ("backpack", 0.3), ("ball", 1.0)))
        )
        camera = "covered" if index == 7 else "clear"
        return np.full((90, 160, 3), 80, np.uint8), FrameTruth(index, index / 5, objects, camera)


def test_rendered_frames_are_written_with_their_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.scenes.Renderer", _TinyRenderer)
    monkeypatch.setattr("pipeline.scenes.load_scene", lambda name: f"scene of {name}")
    manifest = tmp_path / "rendered.jsonl"
    code, error, _ = _run("rendered", "yard:3", "--manifest", str(manifest), "--frames", "2")
    assert (code, error) == (0, None)
    (row,) = (json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines())
    assert (row["file"], row["source"]) == ("rendered/yard_3_00002.jpg", "yard")
    assert [(word, confidence) for word, confidence, *_ in row["objects"]] == [("person", 1.0), ("bag", 0.3)]


def test_a_recipe_renders_what_it_asks_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.train.course import Course
    from pipeline.train.recipe import read_recipe

    monkeypatch.setattr("pipeline.scenes.Renderer", _TinyRenderer)
    monkeypatch.setattr("pipeline.scenes.load_scene", lambda name: f"scene of {name}")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "name: toy\nrender: {scenes: ['yard:3'], test_scenes: ['yard:3'], frames: 5, test_frames: 1}\n"
        "train: {steps: 1, mix: [{manifest: dataset/rendered.jsonl}], "
        "phases: [{until: 1.0, size_wh: [64, 64], batch_size: 1}]}\n",
        encoding="utf-8",
    )
    course = Course(read_recipe(recipe), tmp_path, tmp_path / "run")
    steps: list[str] = []
    for _ in range(2):
        train_cli._render(course, lambda what, _done, _total: steps.append(what))
    assert steps == ["render", "render"]
    counts = {
        n: len((tmp_path / "run" / "dataset" / n).read_text().splitlines())
        for n in ("rendered.jsonl", "rendered_test.jsonl")
    }
    assert counts == {"rendered.jsonl": 4, "rendered_test.jsonl": 1}


def test_a_seed_that_is_no_number_is_refused(tmp_path: Path) -> None:
    _, error, _ = _run("rendered", "gate_day:x", "--manifest", str(tmp_path / "m.jsonl"))
    assert isinstance(error, UsageError)
    assert "SCENE:SEED" in str(error)
