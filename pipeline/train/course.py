"""A whole course from a recipe: prepare, label, train, evaluate, export; each step alone, or all of them in order.

In: a :class:`Recipe`, the folder of the data, the folder of the run. Out: everything below the run's folder and a
:class:`CourseReport`. A step whose result is there already is not done again, so a stopped course goes on where it
stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.evaluate.detection import DetectionReport
from pipeline.train.checkpoint import load_checkpoint, load_student
from pipeline.train.decode import Forward
from pipeline.train.evaluation import EvaluateConfig, evaluate, student_forward, table
from pipeline.train.export import ExportConfig, Exported, export, openvino_forward
from pipeline.train.loader import Mixture
from pipeline.train.log import PointLog
from pipeline.train.loop import TrainConfig, TrainProgress, TrainReport, train
from pipeline.train.prepare import PrepareConfig, Prepared, prepare
from pipeline.train.recipe import Recipe
from pipeline.train.sheets import draw_sheet, plot_curves
from pipeline.train.storage import write_atomically
from pipeline.train.teachers import Labelled, PseudoLabelConfig, UltralyticsTeacher, pseudo_label

__all__ = ["RENDERED", "RENDERED_TEST", "Course", "CourseReport"]

RENDERED, RENDERED_TEST = "dataset/rendered.jsonl", "dataset/rendered_test.jsonl"

Progress = Callable[[str, int, int], None]
_KINDS = ("onnx", "fp16", "int8")


@dataclass(frozen=True, slots=True)
class CourseReport:
    """What a course produced; ``exports`` is empty when training was stopped before its end."""

    trained: TrainReport
    reports: dict[str, DetectionReport] = field(default_factory=dict)
    exports: tuple[Exported, ...] = ()


def _quiet(_share: TrainProgress) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Course:
    """One run of one recipe. ``data``: where footage, images and teachers lie; ``out``: the run's folder."""

    recipe: Recipe
    data: Path
    out: Path
    backbone: Path | None = None
    start: Path | None = None

    @property
    def checkpoint(self) -> Path:
        """The run's one checkpoint."""
        return self.out / "run" / "last.pt"

    def prepare(self, progress: Progress) -> Prepared:
        """Gather pictures below ``out/dataset``."""
        step = self.recipe.prepare
        return prepare(
            PrepareConfig(
                out=self.out / "dataset",
                split=self.recipe.folder / self.recipe.split,
                images=self.data / step.images if step.images else None,
                footage=self.data / step.footage if step.footage else None,
                every_s=step.every_s,
                heldout_every_s=step.heldout_every_s,
                heldout_max_per_clip=step.heldout_max_per_clip,
                near_copy_bits=step.near_copy_bits,
            ),
            progress,
        )

    def label(self, progress: Progress) -> dict[str, Labelled]:
        """Label the frames of training clips and of held-out clips with the recipe's teachers."""
        step, folder = self.recipe.label, self.out / "dataset"
        teachers = [UltralyticsTeacher(self.data / name) for name in step.teachers]
        done: dict[str, Labelled] = {}
        for name, looks in (("frames", step.frame_looks), ("heldout", step.heldout_looks)):
            if (folder / f"{name}.jsonl").exists():
                target = folder / f"{name}_labelled.jsonl"
                done[name] = pseudo_label(
                    folder / f"{name}.jsonl", target, teachers, PseudoLabelConfig(looks), progress
                )
        return done

    def train_config(self, ends_in_s: float | None = None) -> TrainConfig:
        """The run's settings; ``ends_in_s`` replaces the recipe's budget by a deadline from now."""
        step = self.recipe.train
        budget_s, steps = step.budget_s, step.steps
        if ends_in_s is not None:
            trained_s = load_checkpoint(self.checkpoint).trained_s if self.checkpoint.exists() else 0.0
            budget_s, steps = trained_s + ends_in_s, None
        return TrainConfig(
            out=self.checkpoint.parent,
            mix=tuple(Mixture(self.out / part.manifest, part.share) for part in step.mix),
            phases=step.phases,
            steps=steps,
            budget_s=budget_s,
            student=step.student,
            augment=step.augment,
            loss=step.loss,
            start=self.start,
            backbone=self.backbone,
            seed=step.seed,
            learning_rate=step.learning_rate,
            backbone_rate=step.backbone_rate,
            weight_decay=step.weight_decay,
            warm_up_steps=step.warm_up_steps,
            average_decay=step.average_decay,
            threads=step.threads,
        )

    def train(
        self,
        watch: Callable[[TrainProgress], None] = _quiet,
        should_stop: Callable[[], bool] = lambda: False,
        ends_in_s: float | None = None,
    ) -> TrainReport:
        """Train or go on training."""
        return train(self.train_config(ends_in_s), watch, should_stop)

    def baselines(self) -> dict[str, Forward]:
        """The recipe's teachers as detectors to compare with, one pass at the same input size."""
        teachers = self.recipe.label.teachers
        return {Path(name).stem: UltralyticsTeacher(self.data / name).forward for name in teachers}

    def evaluate(self, progress: Progress, models: Mapping[str, Path] | None = None) -> dict[str, DetectionReport]:
        """Judge the student, its exports, ``models`` and the teachers on held-out cameras.

        Writes table, sheet and plot; each call adds a point to the curve of AP against pictures seen.
        """
        size_wh = self.recipe.size_wh
        config = EvaluateConfig(self.out / self.recipe.heldout, size_wh)
        forwards: dict[str, Forward] = {f"{self.recipe.name} (torch)": student_forward(self.checkpoint, size_wh)}
        for kind in ("fp16", "int8"):
            xml = self.out / "export" / kind / f"{self.recipe.name}.xml"
            if xml.exists():
                forwards[f"{self.recipe.name} ({kind})"] = openvino_forward(xml)
        for name, path in (models or {}).items():
            forwards[name] = student_forward(path, size_wh) if path.suffix == ".pt" else openvino_forward(path)
        student = next(iter(forwards))
        against = forwards | self.baselines()
        reports = evaluate(config, against, progress)
        write_atomically(self.out / "evaluation.md", table(reports).encode())
        rendered = self.out / RENDERED_TEST
        if rendered.exists():
            on_rendered = evaluate(replace(config, manifest=rendered), against, progress)
            write_atomically(self.out / "evaluation_rendered.md", table(on_rendered).encode())
        person = reports[student].score("person")
        draw_sheet(self.out / "sheet.jpg", config, forwards[student], person.threshold if person else 0.3)
        saved = load_checkpoint(self.checkpoint)
        history = PointLog(self.out / "history.csv")
        history.add(saved.pictures, {score.label: score.ap50 for score in reports[student].classes})
        logs = {self.recipe.name: self.checkpoint.parent / "log.csv"}
        plot_curves(self.out / "curves.png", logs, history.series(("person", "car")))
        return reports

    def export(self) -> tuple[Exported, ...]:
        """Write ONNX, FP16 and INT8 below ``out/export``, each checked against torch."""
        student = load_student(self.checkpoint)
        calibration = tuple(self.out / manifest for manifest in self.recipe.calibration)
        config = ExportConfig(self.out / "export", calibration, self.recipe.name, self.recipe.size_wh)
        return export(student, config, _KINDS)

    def run(
        self,
        progress: Progress,
        watch: Callable[[TrainProgress], None] = _quiet,
        should_stop: Callable[[], bool] = lambda: False,
        until_s: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> CourseReport:
        """All steps in order; ``until_s`` is the UTC second at which training has to end."""
        folder = self.out / "dataset"
        if not (folder / "stills.jsonl").exists() and not (folder / "frames.jsonl").exists():
            self.prepare(progress)
        wanted = [name for name in ("frames", "heldout") if (folder / f"{name}.jsonl").exists()]
        if any(not (folder / f"{name}_labelled.jsonl").exists() for name in wanted):
            self.label(progress)
        ends_in_s = None if until_s is None else until_s - clock()
        if ends_in_s is not None and ends_in_s <= 0:
            raise UsageError("the time at which training has to end has passed")
        trained = self.train(watch, should_stop, ends_in_s)
        if not trained.is_finished:
            return CourseReport(trained)
        exports = self.export()
        has_heldout = (self.out / self.recipe.heldout).exists()
        return CourseReport(trained, self.evaluate(progress) if has_heldout else {}, exports)
