"""The training run: phases of growing pictures, one cosine of learning rate, running-mean weights, checkpoints.

In: a :class:`TrainConfig`. Out: ``last.pt`` and ``log.csv`` in the run's folder, and a :class:`TrainReport`. The
length of a run is a number of steps (exactly repeatable) or a budget of seconds (ends on time on a busy machine);
either way the learning rate reaches its floor at the end. Stop it at any moment and start it again: it goes on from
its checkpoint. Next: ``pipeline/train/evaluation.py``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from pipeline.errors import ModelError, StorageError, UsageError
from pipeline.train.augment import AugmentConfig
from pipeline.train.loader import Batch, BatchSource, Mixture, endless_batches
from pipeline.train.log import RunLog
from pipeline.train.loss import LossConfig, LossParts
from pipeline.train.samples import read_manifest
from pipeline.train.shards import Shards
from pipeline.train.state import OptimiserConfig, RunState, begin_run
from pipeline.train.student import StudentConfig

__all__ = ["Phase", "TrainConfig", "TrainProgress", "TrainReport", "train"]


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the run, up to the share ``until`` of it: picture size, batch and how far pictures are zoomed."""

    until: float
    size_wh: tuple[int, int]
    batch_size: int
    scale_range: tuple[float, float] = (0.6, 1.7)
    mosaic_chance: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.until <= 1 or self.batch_size < 1 or any(v < 64 or v % 32 for v in self.size_wh):
            raise UsageError(f"phase: expected 0 < until <= 1, batch_size >= 1, sizes of 64 or more by 32; got {self}")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One run. Exactly one of ``steps`` and ``budget_s`` (seconds of training, all resumed parts together) is set.

    ``start``: a checkpoint of ours to fine-tune from instead of the ImageNet backbone (``backbone``: its file, None
    finds the installed package). ``backbone_rate`` multiplies the learning rate of pretrained layers.
    """

    out: Path
    mix: tuple[Mixture, ...]
    phases: tuple[Phase, ...]
    steps: int | None = None
    budget_s: float | None = None
    student: StudentConfig = field(default_factory=StudentConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    start: Path | None = None
    backbone: Path | None = None
    seed: int = 7
    learning_rate: float = 1.5e-3
    backbone_rate: float = 0.2
    weight_decay: float = 0.02
    warm_up_steps: int = 100
    average_decay: float = 0.998
    checkpoint_every_s: float = 240.0
    log_every_steps: int = 20
    is_bfloat16: bool = True
    has_worker: bool = True
    threads: int = 2
    cache_bytes: int = 4 * 2**30

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.budget_s is None):
            raise UsageError("a run needs either steps or budget_s, not both")
        if (self.steps or self.budget_s or 0) <= 0:
            raise UsageError("steps and budget_s must be above 0")
        if (
            not self.phases
            or self.phases[-1].until != 1
            or any(a.until >= b.until for a, b in zip(self.phases, self.phases[1:], strict=False))
        ):
            raise UsageError("phases: expected growing values of until, the last one 1")
        if not self.mix:
            raise UsageError("mix: the training split is empty: name at least one manifest")


@dataclass(frozen=True, slots=True)
class TrainProgress:
    """What a person watching wants to know; given to the ``watch`` callable now and then."""

    share: float
    step: int
    pictures: int
    loss: float
    pictures_per_s: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class TrainReport:
    """How a run ended: ``is_finished`` is false when it was asked to stop before its end."""

    checkpoint: Path
    step: int
    pictures: int
    trained_s: float
    last_loss: float
    is_finished: bool


def _rate(share: float, step: int, config: TrainConfig) -> float:
    """Learning rate: linear warm-up, then a cosine to a hundredth."""
    cosine = 0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, share))) / 2
    return config.learning_rate * cosine * min(1.0, (step + 1) / config.warm_up_steps)


def _learn(run: RunState, batch: Batch, shards: Shards, share: float, config: TrainConfig) -> LossParts:
    """One step of gradient descent."""
    for group in run.optimiser.param_groups:
        group["lr"] = _rate(share, run.step, config) * group["rate"]
    parts = shards.gradients(batch)
    if not bool(torch.isfinite(parts.total)):
        raise ModelError(f"the loss is not finite at step {run.step}: lower learning_rate, or set is_bfloat16 to false")
    torch.nn.utils.clip_grad_norm_([p for g in run.optimiser.param_groups for p in g["params"]], 10.0)
    run.optimiser.step()
    run.step += 1
    run.pictures += len(batch.rgb)
    run.last_loss = float(parts.total)
    run.average_in(config.average_decay)
    return parts


def _share(run: RunState, config: TrainConfig) -> float:
    if config.steps is not None:
        return run.step / config.steps
    return run.trained_s / float(config.budget_s or 1)


def _source(config: TrainConfig, phase: Phase) -> BatchSource:
    parts = [(read_manifest(mixture.manifest), mixture.share) for mixture in config.mix]
    augment = replace(config.augment, scale_range=phase.scale_range, mosaic_chance=phase.mosaic_chance)
    return BatchSource(parts, phase.size_wh, phase.batch_size, augment, config.seed, config.cache_bytes)


def _try_save(run: RunState, config: TrainConfig, log: RunLog) -> str:
    """Save in passing; a full disk is reported and tried again later, the run and the former checkpoint go on."""
    try:
        run.save(config.out / "last.pt")
    except StorageError as error:
        log.note(run.step, str(error))
        return str(error)
    return ""


def train(
    config: TrainConfig,
    watch: Callable[[TrainProgress], None],
    should_stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> TrainReport:
    """Run (or resume) to the end, or until ``should_stop`` answers true after some step; always leaves a checkpoint.

    Raises :class:`UsageError` (an empty or bad manifest), :class:`ModelError` (weights), :class:`StorageError` (the
    last checkpoint cannot be written; the former one is whole).
    """
    run = begin_run(
        config.out / "last.pt",
        config.student,
        start=config.start,
        backbone=config.backbone,
        seed=config.seed,
        rates=OptimiserConfig(config.learning_rate, config.backbone_rate, config.weight_decay),
    )
    log = RunLog(config.out / "log.csv")
    run.student.train()
    shards = Shards(run.student, config.loss, config.threads, config.is_bfloat16)
    is_stopped = False
    for phase in config.phases:
        if is_stopped or _share(run, config) >= phase.until:
            continue
        batches: Iterator[Batch] = endless_batches(_source(config, phase), run.step, config.has_worker)
        is_stopped = _run_phase(run, phase, batches, shards, config, log, watch, should_stop, clock)
        del batches  # ends the worker process
    path = config.out / "last.pt"
    run.save(path)
    return TrainReport(path, run.step, run.pictures, run.trained_s, run.last_loss, not is_stopped)


def _run_phase(
    run: RunState,
    phase: Phase,
    batches: Iterator[Batch],
    shards: Shards,
    config: TrainConfig,
    log: RunLog,
    watch: Callable[[TrainProgress], None],
    should_stop: Callable[[], bool],
    clock: Callable[[], float],
) -> bool:
    """Steps until the phase is over; true when asked to stop."""
    saved_at = counted_at = ticked_at = clock()
    counted = run.pictures
    for batch in batches:
        share = _share(run, config)
        parts = _learn(run, batch, shards, share, config)
        now = clock()
        run.trained_s, ticked_at = run.trained_s + now - ticked_at, now
        note = ""
        if now - saved_at >= config.checkpoint_every_s:
            note, saved_at = _try_save(run, config, log), now
        if note or run.step % config.log_every_steps == 0:
            rate = (run.pictures - counted) / max(now - counted_at, 1e-9)
            counted, counted_at = run.pictures, now
            log.row(run.step, run.pictures, run.trained_s, phase.size_wh, _rate(share, run.step, config), parts, rate)
            watch(TrainProgress(min(1.0, _share(run, config)), run.step, run.pictures, run.last_loss, rate, note))
        if should_stop():
            return True
        if _share(run, config) >= phase.until:
            return False
    return False
