"""The steps of training a fusion: check by held-out cameras, set the level, train on everything, write weights and
card.

In: :class:`pipeline.train.fusion.Lesson` values and the captions that say something unusual. Out: ``fusion.npz`` and
``MODEL_CARD.md`` beside it. The card says what it was trained on, how well it does on cameras it has not seen, next to
the sum f0 on the same moments, and what it is not good for. Next file: ``pipeline/train/fusion.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StorageError
from pipeline.evaluate.metrics import roc_auc
from pipeline.train.fusion import FusionRecipe, Lesson, auc_by_source, cross_validate, fit, level_of
from pipeline.unusual.fusion import SumOfSurprise
from pipeline.unusual.learned import SURPRISE_CUES, SURPRISE_SCALE, load_fusion, save_fusion

__all__ = ["EDITED_CAPTIONS", "FusionReport", "train_fusion"]

EDITED_CAPTIONS: tuple[str, ...] = (
    "A person is lying on the ground.",
    "A person falls down and does not get up.",
    "Two people fight; one of them is on the ground.",
    "People push and hit each other.",
    "A person runs away fast.",
    "Several people run in all directions.",
    "A person climbs over the fence.",
    "A car drives on the pavement among the people.",
    "A motorcycle moves fast where people walk.",
)
"""What captions are edited into."""

HOLD_S = 0.3
"""How long a score has to stay above the level before an alert opens (the policy's)."""


@dataclass(frozen=True, slots=True)
class FusionReport:
    """What came of a training. AUCs are over moments of held-out cameras, by source; NaN where one kind is missing."""

    path: Path
    parameters: int
    level: float
    held_out_auc: Mapping[str, float]
    sum_auc: Mapping[str, float]
    moments: int
    cameras: int


def train_fusion(
    lessons: Sequence[Lesson],
    recipe: FusionRecipe,
    edited: NDArray[np.float32],
    out: Path,
    *,
    text_encoder: str,
    false_alerts_per_hour: float,
    command: str,
) -> FusionReport:
    """Train, and write ``fusion.npz`` and ``MODEL_CARD.md`` into ``out``.

    Raises UsageError when there is too little to learn from, StorageError when ``out`` cannot be written.
    """
    held_out = cross_validate(lessons, recipe, edited)
    level = level_of(held_out, false_alerts_per_hour, HOLD_S)
    trained = fit(lessons, recipe, edited)
    path = out / "fusion.npz"
    card = {"text_encoder": text_encoder, "level": level, "recipe": asdict(recipe)}
    try:
        save_fusion(path, trained.weights, card)
        fusion = load_fusion(path)
        report = FusionReport(
            path,
            fusion.parameters,
            level,
            auc_by_source(held_out),
            _sum_auc(lessons),
            sum(len(lesson.moments) for lesson in lessons),
            len({lesson.camera for lesson in lessons}),
        )
        (out / "MODEL_CARD.md").write_text(_card(report, lessons, recipe, fusion.name, command), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"The fusion cannot be written to {out}: {error.strerror}.") from error
    return report


def _sum_auc(lessons: Sequence[Lesson]) -> dict[str, float]:
    """AUC of f0 over the same moments, where anything was known of their camera."""
    cues = len(SURPRISE_CUES)
    f0 = SumOfSurprise()
    found: dict[str, float] = {}
    for source in sorted({lesson.source for lesson in lessons}):
        moments = [m for lesson in lessons if lesson.source == source for m in lesson.moments]
        known = [m for m in moments if m.inputs.surprise[:, cues:].any()]
        labels = np.array([m.label for m in known], np.int8)
        known_only = [
            np.where(m.inputs.surprise[:, cues:] > 0, SURPRISE_SCALE * m.inputs.surprise[:, :cues], np.nan)
            for m in known
        ]
        score = np.array([float(f0.contributions(values.astype(np.float64)).sum(1).max()) for values in known_only])
        found[source] = roc_auc(labels, score) if known else math.nan
    return found


def _card(report: FusionReport, lessons: Sequence[Lesson], recipe: FusionRecipe, name: str, command: str) -> str:
    def shown(value: float) -> str:
        return "–" if math.isnan(value) else f"{100 * value:.1f}"

    rows = []
    for source, auc in report.held_out_auc.items():
        moments = [m for lesson in lessons if lesson.source == source for m in lesson.moments]
        unusual = sum(m.label == 1 for m in moments)
        normal = sum(m.label == 0 for m in moments)
        cameras = len({lesson.camera for lesson in lessons if lesson.source == source})
        rows.append(f"| {source} | {cameras} | {normal} | {unusual} | {shown(auc)} | {shown(report.sum_auc[source])} |")
    return "\n".join(
        [
            f"# {name}",
            "",
            "Fuses what is seen, what is said and how far both are from a camera's normal life into one score",
            "(`pipeline/unusual/learned.py`).",
            "",
            f"- Made by `{command}`, seed {recipe.seed}: {report.moments} moments of {report.cameras} cameras.",
            f"- {report.parameters} parameters: hidden {recipe.hidden}, rank {recipe.rank}; {recipe.steps} steps of"
            f" {recipe.batch} moments.",
            f"- Level {report.level:.2f} (log of the odds): set on held-out cameras.",
            "- Weights are numbers in an npz, never a pickle. Footage and labels are not part of it.",
            "",
            f"Moments of cameras held out in {recipe.folds} folds; ROC AUC in points. f0 is the fusion without",
            "parameters over the same moments, unsmoothed, where the camera had been learned:",
            "",
            "| source | cameras | normal | unusual | learned | f0 |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "Known failures: the usual level differs between cameras by more than most events raise it, so that scores",
            "of cameras that were never watched are hard to compare; people the detector does not see are not judged.",
            "",
        ]
    )
