"""A training recipe: one YAML file that says everything a run needs, so that a detector can be made again.

In: ``configs/train/*.yaml``. Out: a :class:`Recipe` of checked settings, one section per step; file names in it are
relative to the folder given as ``data`` or to the run's folder. Unknown keys are refused with the nearest known one.
Next: ``pipeline/train/__init__.py``.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import ConfigError, UsageError
from pipeline.train.augment import AugmentConfig
from pipeline.train.loop import Phase
from pipeline.train.loss import LossConfig
from pipeline.train.student import StudentConfig
from pipeline.train.teachers import Look

__all__ = ["LabelStep", "MixStep", "PrepareStep", "Recipe", "RenderStep", "TrainStep", "read_recipe"]


@dataclass(frozen=True, slots=True)
class PrepareStep:
    """What to gather; folders are relative to ``data``."""

    images: str | None = "images"
    footage: str | None = "footage"
    every_s: float = 0.6
    heldout_every_s: float = 1.0
    heldout_max_per_clip: int = 30
    near_copy_bits: int = 40


@dataclass(frozen=True, slots=True)
class LabelStep:
    """Teachers (relative to ``data``) and their looks at training frames and at held-out frames."""

    teachers: tuple[str, ...] = ()
    frame_looks: tuple[Look, ...] = (Look(640), Look(640, True), Look(960))
    heldout_looks: tuple[Look, ...] = (Look(640), Look(640, True), Look(960), Look(960, True), Look(640, False, 2))


@dataclass(frozen=True, slots=True)
class RenderStep:
    """Scenes to render, ``NAME`` or ``NAME:SEED``: to learn from, and others to be judged on."""

    scenes: tuple[str, ...] = ()
    test_scenes: tuple[str, ...] = ()
    frames: int = 26
    test_frames: int = 14


@dataclass(frozen=True, slots=True)
class MixStep:
    """A manifest, relative to the run's folder, and its share of the draws."""

    manifest: str
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class TrainStep:
    """The run itself; see :class:`pipeline.train.loop.TrainConfig`."""

    mix: tuple[MixStep, ...]
    phases: tuple[Phase, ...]
    budget_s: float | None = None
    steps: int | None = None
    student: StudentConfig = field(default_factory=StudentConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    seed: int = 7
    learning_rate: float = 1.2e-3
    backbone_rate: float = 0.2
    weight_decay: float = 0.02
    warm_up_steps: int = 100
    average_decay: float = 0.998
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything about one detector. ``size_wh`` is what it is judged, calibrated and exported at."""

    name: str
    train: TrainStep
    split: str = "split.yaml"
    size_wh: tuple[int, int] = (640, 384)
    prepare: PrepareStep = field(default_factory=PrepareStep)
    label: LabelStep = field(default_factory=LabelStep)
    render: RenderStep = field(default_factory=RenderStep)
    calibration: tuple[str, ...] = ("dataset/stills.jsonl",)
    heldout: str = "dataset/heldout_labelled.jsonl"
    folder: Path = field(default=Path())


def _refuse_unknown(tree: Any, kind: Any, where: str, path: Path) -> None:
    """Walk the tree along the fields of the dataclasses it fills."""
    origin = typing.get_origin(kind)
    if origin in (tuple, list) and isinstance(tree, list):
        for number, item in enumerate(tree):
            _refuse_unknown(item, typing.get_args(kind)[0], f"{where[:-1]}[{number}].", path)
        return
    if origin in (typing.Union, types.UnionType):
        for option in typing.get_args(kind):
            if dataclasses.is_dataclass(option):
                _refuse_unknown(tree, option, where, path)
        return
    if not dataclasses.is_dataclass(kind) or not isinstance(tree, dict):
        return
    kinds = typing.get_type_hints(kind)
    for key, value in tree.items():
        if key not in kinds:
            near = difflib.get_close_matches(str(key), list(kinds), 1)
            hint = f"; did you mean {near[0]}?" if near else f": expected one of {', '.join(kinds)}"
            raise ConfigError(f"{path}: unknown key {where}{key}{hint}")
        _refuse_unknown(value, kinds[key], f"{where}{key}.", path)


def read_recipe(path: Path) -> Recipe:
    """Parse and check a recipe; raises :class:`ConfigError` naming file and key."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: the recipe cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping with the keys name and train")
    _refuse_unknown(tree, Recipe, "", path)
    try:
        recipe = TypeAdapter(Recipe).validate_python(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: key {key}: {first['msg']}") from error
    except UsageError as error:
        raise ConfigError(f"{path}: {error}") from error
    return dataclasses.replace(recipe, folder=path.resolve().parent)
