"""How good a detector is: average precision, precision, recall and F1, per class and per source. Pure numpy.

In: for each picture the true objects (some marked to ignore) and the found ones. Out: :class:`DetectionReport`. Knows
no network and no file; ``pipeline/train/evaluation.py`` feeds it.

Average precision is COCO's: greedy matching by confidence at a given IoU, 101-point interpolated precision; what
matches an ignored object counts neither for nor against. AP50-95 is the mean over IoU 0.50, 0.55, …, 0.95.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClassScore", "DetectionReport", "Judged", "evaluate_detection"]

_IOUS = np.arange(0.5, 0.96, 0.05)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Judged:
    """One picture: truth ``true_xyxy`` (M, 4), ``true_index``, ``is_ignored`` (M,).

    Found ``xyxy`` (N, 4), ``index``, ``confidence``.
    """

    source: str
    true_xyxy: NDArray[np.float32]
    true_index: NDArray[np.int64]
    is_ignored: NDArray[np.bool_]
    xyxy: NDArray[np.float32]
    index: NDArray[np.int64]
    confidence: NDArray[np.float32]

    def __post_init__(self) -> None:
        n, m = len(self.index), len(self.true_index)
        if self.xyxy.shape != (n, 4) or self.confidence.shape != (n,):
            raise ValueError(f"found: expected ({n}, 4) boxes and ({n},) confidences, got {self.xyxy.shape}")
        if self.true_xyxy.shape != (m, 4) or self.is_ignored.shape != (m,):
            raise ValueError(f"truth: expected ({m}, 4) boxes and ({m},) marks, got {self.true_xyxy.shape}")


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Scores of one class. Precision and recall are taken at ``threshold``, the confidence where F1 peaks (IoU 0.5)."""

    label: str
    truths: int
    ap50: float
    ap50_95: float
    precision: float
    recall: float
    f1: float
    threshold: float


@dataclass(frozen=True, slots=True)
class DetectionReport:
    """All pictures, and the same per source. ``classes`` lists only classes that occur in the truth."""

    pictures: int
    classes: tuple[ClassScore, ...]
    by_source: tuple[tuple[str, tuple[ClassScore, ...]], ...]

    def score(self, label: str) -> ClassScore | None:
        """The scores of one class, None when the truth has none of it."""
        return next((s for s in self.classes if s.label == label), None)

    @property
    def mean_ap50(self) -> float:
        """Mean AP50 over the classes that occur; 0 when none does."""
        return float(np.mean([s.ap50 for s in self.classes])) if self.classes else 0.0

    @property
    def mean_ap50_95(self) -> float:
        """Mean AP50-95 over the classes that occur; 0 when none does."""
        return float(np.mean([s.ap50_95 for s in self.classes])) if self.classes else 0.0


def _overlaps(found: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, 4), (M, 4) -> (N, M) intersection over union."""
    corner = np.maximum(found[:, None, :2], truth[None, :, :2])
    overlap = np.clip(np.minimum(found[:, None, 2:], truth[None, :, 2:]) - corner, 0, None).prod(-1)
    areas = (found[:, 2:] - found[:, :2]).prod(-1)[:, None] + (truth[:, 2:] - truth[:, :2]).prod(-1)[None]
    return np.asarray(overlap / np.maximum(areas - overlap, 1e-9), np.float64)


def _match(picture: Judged, label_index: int) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], int]:
    """Of one class in one picture: confidences (N,), hits (T, N), ignored (T, N) for the T IoU thresholds, truths."""
    mine, true = picture.index == label_index, picture.true_index == label_index
    order = np.argsort(-picture.confidence[mine], kind="stable")
    confidence = np.asarray(picture.confidence[mine][order], np.float64)
    ignored = picture.is_ignored[true]
    overlap = _overlaps(picture.xyxy[mine][order], picture.true_xyxy[true])
    hits = np.zeros((len(_IOUS), len(confidence)), bool)
    skipped = np.zeros_like(hits)
    for level, min_iou in enumerate(_IOUS):
        taken = np.zeros(len(ignored), bool)
        for item in range(len(confidence)):
            free = np.where(taken | ignored, -1.0, overlap[item]) if len(ignored) else np.zeros(0)
            if len(free) and free.max() >= min_iou:
                taken[int(free.argmax())] = True
                hits[level, item] = True
            elif len(free) and np.where(ignored, overlap[item], -1.0).max() >= min_iou:
                skipped[level, item] = True
    return confidence, hits, skipped, int((~ignored).sum())


def _average_precision(hits: NDArray[np.bool_], truths: int) -> float:
    """``hits`` (N,) in falling confidence -> 101-point interpolated average precision."""
    good = np.cumsum(hits)
    recall, precision = good / truths, good / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
    return float(np.where(place < len(hits), np.append(envelope, 0)[np.minimum(place, len(hits))], 0).mean())


def _score(pictures: Sequence[Judged], label_index: int, label: str) -> ClassScore | None:
    parts = [_match(picture, label_index) for picture in pictures]
    truths = sum(part[3] for part in parts)
    if not truths:
        return None
    confidence = np.concatenate([part[0] for part in parts])
    order = np.argsort(-confidence, kind="stable")
    confidence = confidence[order]
    hits = np.concatenate([part[1] for part in parts], 1)[:, order]
    skipped = np.concatenate([part[2] for part in parts], 1)[:, order]
    precisions = [_average_precision(hits[level][~skipped[level]], truths) for level in range(len(_IOUS))]
    counted = ~skipped[0]
    good, confidence = np.cumsum(hits[0][counted]), confidence[counted]
    if not len(good):
        return ClassScore(label, truths, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    precision, recall = good / np.arange(1, len(good) + 1), good / truths
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = int(f1.argmax())
    numbers = (precision[best], recall[best], f1[best], confidence[best])
    return ClassScore(label, truths, precisions[0], float(np.mean(precisions)), *(float(v) for v in numbers))


def _scores(pictures: Sequence[Judged], labels: Sequence[str]) -> tuple[ClassScore, ...]:
    scores = (_score(pictures, index, label) for index, label in enumerate(labels))
    return tuple(score for score in scores if score is not None)


def evaluate_detection(pictures: Sequence[Judged], labels: Sequence[str]) -> DetectionReport:
    """Judge a detector on ``pictures``; raises ValueError when there are none."""
    if not pictures:
        raise ValueError("pictures: expected at least one to judge on, got none")
    sources = sorted({picture.source for picture in pictures})
    by_source = tuple((s, _scores([p for p in pictures if p.source == s], labels)) for s in sources)
    return DetectionReport(len(pictures), _scores(pictures, labels), by_source)
