"""``vedette eval`` from the command line, on UCSD Ped2 made small: real reader, detector, looker and stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.evaluate.datasets import LOADERS
from tests.unit.evaluate.sets import walkway, write_ped2, write_stills
from workers.cli import main


@pytest.fixture(scope="module")
def ped2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ped2(tmp_path_factory.mktemp("UCSD_Anomaly_Dataset.v1p2"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_ped2_in_its_official_layout_gives_numbers_and_a_report(
    ped2: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", "ped2", str(ped2), "--arms", "visual", "--cache", str(cache), "--json"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    written = json.loads(capsys.readouterr().out)
    (arm,) = written["arms"]
    assert (written["train_clips"], written["test_clips"], arm["frames"]["frames"]) == (2, 2, 80)
    assert arm["frames"]["abnormal_frames"] == 34
    assert 0.0 <= arm["frames"]["micro_auc"] <= 1.0
    assert arm["events"]["events"] == 2
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == written


def test_labels_that_do_not_match_are_one_sentence_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ped2(tmp_path, frames=8, event_at=(4, 5))
    next((tmp_path / "UCSDped2" / "Test" / "Test001_gt").glob("*.bmp")).unlink()
    assert main(["eval", "ped2", str(tmp_path), "--arms", "visual"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip() == ("vedette: Test001 has 8 frames and 7 labels; one label per frame is needed.")


def test_a_leak_is_refused_with_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_ped2(tmp_path, frames=8, event_at=(4, 5))
    train, test = tmp_path / "UCSDped2" / "Train" / "Train001", tmp_path / "UCSDped2" / "Test" / "Test002"
    for still in sorted(train.iterdir())[:6]:
        (test / still.name).write_bytes(still.read_bytes())
    assert main(["eval", "ped2", str(tmp_path), "--arms", "visual"]) == 2
    assert "Test002 shares 6 frames with Train001" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ped2", "/nowhere"], "/nowhere is not a folder."),
        (["own", ".", "--arms", "fused"], "There is no arm 'fused'"),
        (["own", ".", "--arms", ","], "--arms names no arm."),
    ],
)
def test_bad_usage_is_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["eval", *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert sentence in said[-1]


def test_a_set_of_nothing_normal_is_measured_without_inventing_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos").mkdir()
    write_stills(tmp_path / "videos" / "gate", 6, walkway)
    (tmp_path / "intervals.json").write_text('{"gate": [[0.0, 0.55]]}')
    assert main(["eval", "own", str(tmp_path), "--arms", "visual", "--json"]) == 0
    (arm,) = json.loads(capsys.readouterr().out)["arms"]
    assert arm["frames"]["micro_auc"] is None
    assert arm["events"]["false_alerts_per_hour"] is None
    assert arm["threshold"] is None


def test_every_set_and_the_facts_have_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--help"]) == 0
    said = capsys.readouterr().out
    for name in (*LOADERS, "facts"):
        assert f"\n  {name} " in said
