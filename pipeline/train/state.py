"""The state of a run that moves: weights, their running mean, the optimiser, and how far it is.

In: a checkpoint to go on from, a checkpoint to fine-tune, or the ImageNet backbone. Out: a :class:`RunState` that can
be saved at any step. Used by ``pipeline/train/loop.py``; the file format is in ``pipeline/train/checkpoint.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import ModelError
from pipeline.train.backbone import find_backbone, freeze_normalisation, load_pretrained
from pipeline.train.checkpoint import Checkpoint, build_student, load_checkpoint, save_checkpoint
from pipeline.train.student import Student, StudentConfig

__all__ = ["OptimiserConfig", "RunState", "begin_run"]


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """AdamW: peak learning rate, its multiple for pretrained layers, decay of matrices."""

    learning_rate: float
    backbone_rate: float
    weight_decay: float


@dataclass(slots=True)
class RunState:
    """What a checkpoint holds, live. ``average`` is the running mean of the weights, which is what ships."""

    student: Student
    average: dict[str, Tensor]
    optimiser: torch.optim.Optimizer
    step: int = 0
    trained_s: float = 0.0
    pictures: int = 0
    last_loss: float = math.nan

    @torch.no_grad()
    def average_in(self, decay: float) -> None:
        """Move the running mean towards the weights; faster while there are few steps to average over."""
        decay = min(decay, (1 + self.step) / (10 + self.step))
        for name, value in self.student.state_dict().items():
            mean = self.average[name]
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def save(self, path: Path) -> None:
        """Replace the checkpoint; raises :class:`pipeline.errors.StorageError` and leaves the former one whole."""
        weights, optimiser = self.student.state_dict(), self.optimiser.state_dict()
        counts = (self.step, self.trained_s, self.pictures)
        save_checkpoint(path, Checkpoint(self.student.config, weights, self.average, optimiser, *counts))


def _optimiser(student: Student, rates: OptimiserConfig) -> torch.optim.Optimizer:
    """AdamW; no decay on vectors (biases, norms); each group knows its multiple of the learning rate."""
    slow = rates.backbone_rate if student.config.is_pretrained else 1.0
    groups = []
    for module, rate in ((student.features, slow), (student.neck, 1.0), (student.heads, 1.0)):
        trained = [p for p in module.parameters() if p.requires_grad]
        for is_matrix in (True, False):
            chosen = [p for p in trained if (p.ndim > 1) == is_matrix]
            if chosen:
                decay = rates.weight_decay if is_matrix else 0.0
                groups.append({"params": chosen, "weight_decay": decay, "lr": 0.0, "rate": rate})
    return torch.optim.AdamW(groups, lr=rates.learning_rate)


def _fresh(student: Student, rates: OptimiserConfig) -> RunState:
    student = student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = {name: value.detach().clone() for name, value in student.state_dict().items()}
    return RunState(student, average, _optimiser(student, rates))


def _resumed(path: Path, config: StudentConfig, rates: OptimiserConfig) -> RunState:
    saved = load_checkpoint(path)
    if saved.student != config:
        raise ModelError(f"{path}: the run in this folder has another student: {saved.student}; choose another folder")
    student = build_student(saved.student)
    student.load_state_dict(saved.weights)
    state = _fresh(student, rates)
    state.optimiser.load_state_dict(saved.optimiser)
    state.average = dict(saved.average)
    state.step, state.trained_s, state.pictures = saved.step, saved.trained_s, saved.pictures
    return state


def begin_run(
    last: Path, config: StudentConfig, *, start: Path | None, backbone: Path | None, seed: int, rates: OptimiserConfig
) -> RunState:
    """The run whose checkpoint is ``last``; or a new one, from ``start``, from the backbone, or from random weights.

    Raises :class:`ModelError` for weights that are missing, damaged or of another student.
    """
    torch.manual_seed(seed)
    if last.exists():
        return _resumed(last, config, rates)
    if start is not None:
        saved = load_checkpoint(start)
        if saved.student != config:
            raise ModelError(f"{start}: holds another student than the recipe asks for: {saved.student}")
        student = build_student(saved.student)
        student.load_state_dict(saved.average)
        return _fresh(student, rates)
    student = Student(config)
    if config.is_pretrained:
        load_pretrained(student, backbone or find_backbone())
        freeze_normalisation(student.features)
    return _fresh(student, rates)
