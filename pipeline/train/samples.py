"""Labelled pictures: the values every other file of training passes around, and the manifest that stores them.

In: lines of a manifest (JSON, one picture a line) with boxes normalised to 0..1. Out: :class:`Sample` values with
arrays checked once. Who makes them: ``pipeline/train/prepare.py``; who eats them: ``pipeline/train/augment.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.train.storage import write_atomically

__all__ = [
    "ALIASES",
    "CLASSES",
    "Sample",
    "class_index",
    "read_manifest",
    "read_rgb",
    "sample_from_json",
    "write_manifest",
]

CLASSES: tuple[str, ...] = ("person", "bicycle", "car", "motorcycle", "bus", "truck", "dog", "cat", "bag")
ALIASES: dict[str, str] = {"backpack": "bag", "handbag": "bag", "suitcase": "bag"}
_MARGIN = 0.02  # labels may stick out of the picture by rounding; more is an error of the file


def class_index(word: str) -> int:
    """Index of a class name or of one of its aliases; raises :class:`UsageError` for a word that is neither."""
    name = ALIASES.get(word, word)
    if name not in CLASSES:
        raise UsageError(f"unknown class name {word!r}: expected one of {', '.join((*CLASSES, *ALIASES))}")
    return CLASSES.index(name)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Sample:
    """One picture and its objects: ``xyxy_norm`` (N, 4) 0..1, ``index`` (N,) into CLASSES, ``confidence`` (N,) in (0,
    1].

    ``source`` names the folder or camera (metrics are reported by it). Confidence 1 is a human label or rendered truth.
    """

    path: Path
    source: str
    xyxy_norm: NDArray[np.float32]
    index: NDArray[np.int64]
    confidence: NDArray[np.float32]

    def __post_init__(self) -> None:
        boxes = np.asarray(self.xyxy_norm, np.float32).reshape(-1, 4)
        n = len(boxes)
        if self.index.shape != (n,) or self.confidence.shape != (n,):
            raise UsageError(f"{self.path}: expected {n} classes and confidences, got {self.index.shape}")
        if not np.isfinite(boxes).all() or (boxes < -_MARGIN).any() or (boxes > 1 + _MARGIN).any():
            raise UsageError(f"{self.path}: a box is outside the picture: expected 0..1, got {_worst(boxes)}")
        if (boxes[:, 2:] <= boxes[:, :2]).any():
            raise UsageError(f"{self.path}: a box has no area: expected x1 < x2 and y1 < y2")
        if n and (self.index.min() < 0 or self.index.max() >= len(CLASSES)):
            raise UsageError(f"{self.path}: class index out of range: expected 0..{len(CLASSES) - 1}")
        if n and not ((self.confidence > 0) & (self.confidence <= 1)).all():
            raise UsageError(f"{self.path}: a confidence is out of range: expected above 0, at most 1")
        object.__setattr__(self, "xyxy_norm", np.clip(boxes, 0, 1))

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        return f"Sample({self.path.name}, source={self.source}, objects={len(self)})"


def _worst(boxes: NDArray[np.float32]) -> list[float]:
    badness = np.nan_to_num(np.abs(boxes - 0.5), nan=np.inf).max(1)
    return [float(round(v, 4)) for v in boxes[int(badness.argmax())]]


def sample_from_json(row: Any, root: Path) -> Sample:
    """A :class:`Sample` from one manifest row ``{"file", "source", "objects".

    [[class, confidence, x1, y1, x2, y2]]}``.
    """
    try:
        path, source, objects = root / str(row["file"]), str(row["source"]), list(row["objects"])
        words = [str(item[0]) for item in objects]
        numbers = np.array([[float(v) for v in item[1:6]] for item in objects], np.float32).reshape(-1, 5)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UsageError(f"a manifest row is not understood: expected file, source, objects; {error}") from error
    index = np.array([class_index(word) for word in words], np.int64)
    return Sample(path, source, numbers[:, 1:], index, numbers[:, 0])


def read_manifest(path: Path) -> list[Sample]:
    """All samples of a manifest; file names in it are relative to its folder.

    Raises :class:`UsageError` with the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: the manifest cannot be read: {error}") from error
    samples = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            samples.append(sample_from_json(json.loads(line), path.parent))
        except (json.JSONDecodeError, UsageError) as error:
            raise UsageError(f"{path}: line {number}: {error}") from error
    if not samples:
        raise UsageError(f"{path}: the split is empty: no picture to work with")
    return samples


def _rows(samples: Iterable[Sample], root: Path) -> Iterator[str]:
    for sample in samples:
        objects = [
            [CLASSES[i], round(float(c), 4), *(round(float(v), 5) for v in box)]
            for i, c, box in zip(sample.index, sample.confidence, sample.xyxy_norm, strict=True)
        ]
        file = str(sample.path.relative_to(root)) if sample.path.is_relative_to(root) else str(sample.path)
        yield json.dumps({"file": file, "source": sample.source, "objects": objects})


def write_manifest(path: Path, samples: Iterable[Sample]) -> None:
    """Write atomically; raises :class:`pipeline.errors.StorageError` when the disk refuses."""
    write_atomically(path, ("\n".join(_rows(samples, path.parent)) + "\n").encode())


def read_rgb(path: Path) -> NDArray[np.uint8] | None:
    """The picture as (H, W, 3) uint8 RGB, or None when it does not decode."""
    try:
        content = np.fromfile(path, np.uint8)
    except OSError:
        return None
    if not len(content):
        return None
    try:
        bgr = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if bgr is None else np.ascontiguousarray(bgr[..., ::-1]).astype(np.uint8, copy=False)
