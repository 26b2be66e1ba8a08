"""The run: it learns, it goes on exactly where it stopped, and no failure harms its checkpoint."""

from __future__ import annotations

import csv
import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra 'models' (torch)")

import torch

from pipeline.errors import ModelError, StorageError, UsageError
from pipeline.train.augment import AugmentConfig
from pipeline.train.checkpoint import load_checkpoint
from pipeline.train.degrade import DegradeConfig
from pipeline.train.loader import Mixture
from pipeline.train.loop import Phase, TrainConfig, TrainProgress, train
from pipeline.train.student import StudentConfig

_STUDENT = StudentConfig(width=16, frozen_blocks=0, is_pretrained=False)


def _config(out: Path, manifest: Path, steps: int = 4, **changes: object) -> TrainConfig:
    base = TrainConfig(
        out=out,
        mix=(Mixture(manifest),),
        phases=(Phase(0.5, (64, 64), 4), Phase(1.0, (96, 64), 4)),
        steps=steps,
        student=_STUDENT,
        augment=AugmentConfig(),
        warm_up_steps=2,
        log_every_steps=1,
        is_bfloat16=False,
        has_worker=False,
        threads=1,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def _quiet(_: TrainProgress) -> None:
    return None


def test_a_run_leaves_a_checkpoint_a_log_and_a_report(stills: Path, tmp_path: Path) -> None:
    seen: list[TrainProgress] = []
    report = train(_config(tmp_path / "run", stills), seen.append)
    assert (report.step, report.pictures, report.is_finished) == (4, 16, True)
    assert load_checkpoint(report.checkpoint).step == 4
    with (tmp_path / "run" / "log.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["step"], row["width"]) for row in rows] == [("1", "64"), ("2", "64"), ("3", "96"), ("4", "96")]
    assert seen[-1].share == 1.0


def test_the_loss_falls(stills: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    plain = AugmentConfig(0.0, 0.0, 0.0, aspect_range=(1.0, 1.0), degrade=DegradeConfig.off())
    phases = (Phase(1.0, (96, 64), 8, (1.0, 1.0), 0.0),)
    config = _config(tmp_path / "run", stills, steps=36, phases=phases, learning_rate=1e-2, augment=plain)
    train(config, lambda p: seen.append(p.loss))
    assert sum(seen[-5:]) < 0.75 * sum(seen[:5])


def test_a_killed_run_goes_on_exactly_where_it_stopped(stills: Path, tmp_path: Path) -> None:
    whole = train(_config(tmp_path / "whole", stills), _quiet)
    steps = iter((False, True))
    first = train(_config(tmp_path / "parts", stills), _quiet, lambda: next(steps))
    assert (first.step, first.is_finished) == (2, False)
    second = train(_config(tmp_path / "parts", stills), _quiet)
    assert second.is_finished
    one, two = load_checkpoint(whole.checkpoint), load_checkpoint(second.checkpoint)
    for name, tensor in one.average.items():
        assert torch.equal(tensor, two.average[name]), name


def test_one_core_and_a_worker_process_draw_the_same_pictures(stills: Path, tmp_path: Path) -> None:
    alone = train(_config(tmp_path / "alone", stills, steps=2), _quiet)
    helped = train(_config(tmp_path / "helped", stills, steps=2, has_worker=True), _quiet)
    assert alone.last_loss == helped.last_loss


def test_two_shards_learn_and_leave_all_gradients(stills: Path, tmp_path: Path) -> None:
    report = train(_config(tmp_path / "run", stills, steps=2, threads=2), _quiet)
    again = train(_config(tmp_path / "again", stills, steps=2, threads=2), _quiet)
    assert report.last_loss == again.last_loss


def test_a_budget_of_seconds_ends_on_time(stills: Path, tmp_path: Path) -> None:
    ticks = iter(range(10**6))
    config = _config(tmp_path / "run", stills, steps=4)
    report = train(replace(config, steps=None, budget_s=6.0), _quiet, clock=lambda: float(next(ticks)))
    assert report.is_finished
    assert 6.0 <= report.trained_s < 9.0


def _full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)


def test_a_disk_full_at_the_last_checkpoint_keeps_the_former(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = train(_config(tmp_path / "run", stills, steps=2), _quiet)
    _full_disk(monkeypatch)
    with pytest.raises(StorageError, match=r"last\.pt: cannot be written: No space left"):
        train(_config(tmp_path / "run", stills, steps=3), _quiet)
    assert load_checkpoint(former.checkpoint).step == 2


def test_a_disk_full_in_passing_is_noted_and_the_run_goes_on(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[TrainProgress] = []

    def watch(progress: TrainProgress) -> None:
        seen.append(progress)
        if progress.step == 3:
            monkeypatch.undo()

    _full_disk(monkeypatch)
    report = train(_config(tmp_path / "run", stills, checkpoint_every_s=0.0), watch)
    assert "No space left" in seen[0].note
    assert load_checkpoint(report.checkpoint).step == 4


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_damaged_checkpoint_is_refused_and_left_alone(stills: Path, tmp_path: Path, keep: int) -> None:
    path = train(_config(tmp_path / "run", stills, steps=1), _quiet).checkpoint
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"last\.pt: the checkpoint is damaged"):
        train(_config(tmp_path / "run", stills), _quiet)
    assert path.stat().st_size == keep


def test_another_student_in_the_same_folder_is_refused(stills: Path, tmp_path: Path) -> None:
    train(_config(tmp_path / "run", stills, steps=1), _quiet)
    other = replace(_STUDENT, width=24)
    with pytest.raises(ModelError, match="another student"):
        train(_config(tmp_path / "run", stills, student=other), _quiet)


def test_fine_tuning_starts_from_the_averaged_weights_of_another_run(stills: Path, tmp_path: Path) -> None:
    base = train(_config(tmp_path / "base", stills, steps=2), _quiet)
    tuned = train(_config(tmp_path / "tuned", stills, steps=1, start=base.checkpoint, learning_rate=1e-9), _quiet)
    one, two = load_checkpoint(base.checkpoint).average, load_checkpoint(tuned.checkpoint).weights
    name = "heads.0.logits.weight"
    torch.testing.assert_close(two[name], one[name], rtol=0, atol=1e-6)
    assert load_checkpoint(tuned.checkpoint).step == 1
    other = replace(_STUDENT, width=24)
    with pytest.raises(ModelError, match="another student than the recipe"):
        train(_config(tmp_path / "other", stills, start=base.checkpoint, student=other), _quiet)


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "none.jsonl"
    empty.write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="the split is empty"):
        train(_config(tmp_path / "run", empty), _quiet)


def test_a_picture_gone_since_prepare_is_named(stills: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    manifest.write_text('{"file": "gone.png", "source": "s", "objects": []}\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"gone\.png: the picture does not decode"):
        train(_config(tmp_path / "run", manifest), _quiet)


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": None},
        {"budget_s": 3.0},
        {"steps": 0},
        {"mix": ()},
        {"phases": ()},
        {"phases": (Phase(0.5, (64, 64), 1),)},
    ],
)
def test_settings_that_make_no_run_are_refused(stills: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        _config(tmp_path, stills, **changes)
    with pytest.raises(UsageError, match="phase"):
        Phase(1.0, (65, 64), 1)
