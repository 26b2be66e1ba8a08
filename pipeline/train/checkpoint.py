"""A run on disk: everything needed to go on as if it had never stopped.

In: the state of a run. Out: one file, replaced atomically, read back with ``weights_only=True`` (it is data, never
code). Used by ``pipeline/train/loop.py`` and, for the weights alone, by ``pipeline/train/export.py``.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import ModelError
from pipeline.train.backbone import freeze_normalisation
from pipeline.train.samples import CLASSES
from pipeline.train.storage import write_atomically
from pipeline.train.student import Student, StudentConfig

__all__ = ["Checkpoint", "build_student", "load_checkpoint", "load_student", "save_checkpoint"]

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``weights`` as trained, ``average`` their running mean (what ships), optimiser state, and how far the run is."""

    student: StudentConfig
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    optimiser: dict[str, Any]
    step: int
    trained_s: float
    pictures: int


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file whole; raises :class:`pipeline.errors.StorageError` and leaves the former one when it cannot."""
    content = io.BytesIO()
    torch.save(
        {
            "version": _VERSION,
            "classes": list(CLASSES),
            "student": asdict(checkpoint.student),
            "weights": checkpoint.weights,
            "average": checkpoint.average,
            "optimiser": checkpoint.optimiser,
            "step": checkpoint.step,
            "trained_s": checkpoint.trained_s,
            "pictures": checkpoint.pictures,
        },
        content,
    )
    write_atomically(path, content.getvalue())


def load_checkpoint(path: Path) -> Checkpoint:
    """Raises :class:`ModelError` for a file that is absent, damaged, of another version or other classes."""
    try:
        tree = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such checkpoint") from error
    except Exception as error:  # torch raises zip, pickle, runtime and key errors alike for a damaged file
        raise ModelError(f"{path}: the checkpoint is damaged or not one of ours: {type(error).__name__}") from error
    if not isinstance(tree, dict) or tree.get("version") != _VERSION:
        raise ModelError(f"{path}: not a checkpoint of version {_VERSION}")
    if tree["classes"] != list(CLASSES):
        raise ModelError(f"{path}: trained for other classes: {', '.join(map(str, tree['classes']))}")
    return Checkpoint(
        StudentConfig(**tree["student"]),
        tree["weights"],
        tree["average"],
        tree["optimiser"],
        tree["step"],
        tree["trained_s"],
        tree["pictures"],
    )


def build_student(config: StudentConfig) -> Student:
    """A student as it trains: with frozen normalisation in its backbone when that is pretrained."""
    student = Student(config)
    if config.is_pretrained:
        freeze_normalisation(student.features)
    return student


def load_student(path: Path) -> Student:
    """The averaged weights of a checkpoint, in evaluation mode."""
    checkpoint = load_checkpoint(path)
    student = build_student(checkpoint.student)
    student.load_state_dict(checkpoint.average)
    return student.eval()
