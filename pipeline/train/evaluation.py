"""Judges detectors side by side on one labelled manifest: students, their exports, teachers; one table, one sheet.

In: a manifest (labels with confidence) and named forward functions, all at the same input size. Out: a
:class:`pipeline.evaluate.detection.DetectionReport` for each, and a Markdown table. Next: ``pipeline/train/sheets.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.evaluate.detection import DetectionReport, Judged, evaluate_detection
from pipeline.train.checkpoint import load_student
from pipeline.train.decode import Forward, detect
from pipeline.train.samples import CLASSES, Sample, read_manifest, read_rgb
from pipeline.train.student import Student, deployable

__all__ = ["EvaluateConfig", "evaluate", "judge", "student_forward", "table", "torch_forward"]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class EvaluateConfig:
    """What to judge on. Objects of at least ``true_confidence`` are the truth; doubtful ones are ignored.

    Objects whose shorter side is below ``min_side_px`` pixels of the input are ignored too: at that size not even the
    labels are to be trusted.
    """

    manifest: Path
    size_wh: tuple[int, int] = (640, 384)
    true_confidence: float = 0.35
    min_side_px: float = 4.0
    min_confidence: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.true_confidence <= 1:
            raise UsageError(f"true_confidence: expected above 0, at most 1, got {self.true_confidence}")


def torch_forward(network: torch.nn.Module) -> Forward:
    """A numpy function over a network whose output is already ``(B, 4 + classes, N)``; one core, as in training."""
    torch.set_num_threads(1)

    def forward(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(planes)).float().numpy(), np.float32)

    return forward


def student_forward(student: Student | Path, size_wh: tuple[int, int]) -> Forward:
    """The forward function of a student or of the averaged weights of a checkpoint."""
    network = load_student(student) if isinstance(student, Path) else student
    return torch_forward(deployable(network, size_wh))


def judge(sample: Sample, rgb: NDArray[np.uint8], forward: Forward, config: EvaluateConfig) -> Judged:
    """One picture: its truth in pixels, and what ``forward`` finds in it."""
    height, width = rgb.shape[:2]
    xyxy = sample.xyxy_norm * np.array([width, height] * 2, np.float32)
    ratio = min(config.size_wh[0] / width, config.size_wh[1] / height)
    is_tiny = (xyxy[:, 2:] - xyxy[:, :2]).min(1, initial=np.inf) * ratio < config.min_side_px
    seen = detect(forward, rgb, config.size_wh, config.min_confidence)
    is_ignored = (sample.confidence < config.true_confidence) | is_tiny
    return Judged(sample.source, xyxy, sample.index, is_ignored, seen.xyxy, seen.classes, seen.confidence)


def evaluate(config: EvaluateConfig, forwards: Mapping[str, Forward], progress: Progress) -> dict[str, DetectionReport]:
    """A report for each named forward function.

    Raises :class:`UsageError` when the manifest holds no readable picture.
    """
    samples = read_manifest(config.manifest)
    judged: dict[str, list[Judged]] = {name: [] for name in forwards}
    for done, sample in enumerate(samples):
        progress("evaluate", done, len(samples))
        rgb = read_rgb(sample.path)
        if rgb is None:
            continue
        for name, forward in forwards.items():
            judged[name].append(judge(sample, rgb, forward, config))
    if not any(judged.values()):
        raise UsageError(f"{config.manifest}: no picture decodes: nothing to judge on")
    return {name: evaluate_detection(pictures, CLASSES) for name, pictures in judged.items()}


def _row(name: str, what: str, report: DetectionReport, label: str) -> str:
    score = report.score(label)
    if score is None:
        return ""
    numbers = (score.ap50, score.ap50_95, score.precision, score.recall, score.f1)
    return f"| {name} | {what} | {label} | {score.truths} | " + " | ".join(f"{n:.3f}" for n in numbers) + " |"


def table(reports: Mapping[str, DetectionReport], labels: Sequence[str] = CLASSES) -> str:
    """A Markdown table: every detector, all sources together and each apart, every class that occurs."""
    lines = [
        "| detector | source | class | objects | AP50 | AP50-95 | precision | recall | F1 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, report in reports.items():
        lines.extend(filter(None, (_row(name, "all", report, label) for label in labels)))
        lines.append(f"| {name} | all | mean | | {report.mean_ap50:.3f} | {report.mean_ap50_95:.3f} | | | |")
    for name, report in reports.items():
        for source, scores in report.by_source:
            part = DetectionReport(report.pictures, scores, ())
            lines.extend(filter(None, (_row(name, source, part, label) for label in labels)))
    return "\n".join(lines) + "\n"
