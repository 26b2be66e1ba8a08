"""Labels for real pictures from any detectors a person names: several looks at each picture, fused, confidence kept.

In: a manifest and teacher weights (``.pt`` files that ultralytics understands). Out: the same
manifest with objects. A look is the picture at one size, mirrored, or cut into overlapping tiles; looks of all teachers
are fused by weighted boxes, and what only some looks saw keeps a lower confidence. The only door to ``ultralytics``
in training. Next: ``pipeline/train/loader.py``.

Source: weighted boxes fusion (Solovyev, Wang, Gabruseva 2021).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import ModelError, UsageError
from pipeline.train.decode import Seen, detect, iou_matrix
from pipeline.train.samples import ALIASES, CLASSES, Sample, read_manifest, read_rgb, write_manifest

__all__ = ["Labelled", "Look", "PseudoLabelConfig", "Teacher", "UltralyticsTeacher", "fuse", "look_at", "pseudo_label"]

Progress = Callable[[str, int, int], None]


class Teacher(Protocol):
    """Anything that finds objects of CLASSES in an RGB picture at a given input size (longest side, pixels)."""

    def __call__(self, rgb: NDArray[np.uint8], input_px: int) -> Seen:
        """Objects of one picture, boxes in its pixels."""


@dataclass(frozen=True, slots=True)
class Look:
    """One way to look: the longest side shown to the teacher, mirrored or not, whole or as ``tiles`` x ``tiles``."""

    input_px: int = 640
    is_mirrored: bool = False
    tiles: int = 1

    def __post_init__(self) -> None:
        if self.input_px < 64 or self.tiles < 1:
            raise ValueError(f"look: expected input_px >= 64 and tiles >= 1, got {self}")


@dataclass(frozen=True, slots=True)
class PseudoLabelConfig:
    """Which looks, and which objects are worth keeping (fused confidence)."""

    looks: tuple[Look, ...] = (Look(640), Look(640, True), Look(960), Look(640, False, 2))
    min_confidence: float = 0.05
    fuse_iou: float = 0.55

    def __post_init__(self) -> None:
        if not self.looks:
            raise UsageError("a teacher needs at least one look: the list of looks is empty")


@dataclass(frozen=True, slots=True)
class Labelled:
    """Outcome: pictures labelled, objects found, pictures that did not decode."""

    pictures: int
    objects: int
    undecodable: int


class UltralyticsTeacher:
    """A detection checkpoint (``.pt``) that ultralytics opens; its class names must include some of ours.

    Only the network is taken from it: fitting, decoding and suppression are ours (``pipeline/train/decode.py``),
    because the library's own path imports torchvision, which need not match the installed torch.
    """

    def __init__(self, weights: Path) -> None:
        if not weights.is_file():
            raise ModelError(f"{weights}: no such teacher weights")
        os.environ.setdefault("YOLO_OFFLINE", "1")
        os.environ.setdefault("YOLO_AUTOINSTALL", "false")
        try:
            from ultralytics import YOLO
        except ImportError as error:
            raise ModelError("a teacher needs ultralytics: install vedette with the extra 'models'") from error
        try:
            model: Any = YOLO(str(weights), task="detect", verbose=False)
            self._network: Any = model.model.float().eval()
        except Exception as error:  # the library raises anything, down to pickle errors, for a file it cannot read
            raise ModelError(f"{weights}: not a detector that ultralytics can open: {error}") from error
        self._index = _columns(dict(model.names), weights)

    def __call__(self, rgb: NDArray[np.uint8], input_px: int) -> Seen:
        """Objects of one picture, letterboxed so that its longest side is ``input_px``."""
        height, width = rgb.shape[:2]
        ratio = input_px / max(height, width)
        size_wh = (-(-round(width * ratio) // 32) * 32, -(-round(height * ratio) // 32) * 32)
        return detect(self.forward, rgb, size_wh, 0.02)

    def forward(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 3, H, W) 0..1 -> (B, 4 + our classes, N), the teacher's classes mapped onto ours."""
        with torch.inference_mode():
            output = self._network(torch.from_numpy(planes))
        raw = (output[0] if isinstance(output, (tuple, list)) else output).numpy()
        mapped = np.zeros((raw.shape[0], 4 + len(CLASSES), raw.shape[2]), np.float32)
        mapped[:, :4] = raw[:, :4]
        for theirs, ours in self._index.items():
            np.maximum(mapped[:, 4 + ours], raw[:, 4 + theirs], out=mapped[:, 4 + ours])
        return mapped


def _columns(names: dict[int, str], weights: Path) -> dict[int, int]:
    known = {int(i): ALIASES.get(name, name) for i, name in names.items()}
    columns = {i: CLASSES.index(name) for i, name in known.items() if name in CLASSES}
    if not columns:
        raise ModelError(f"{weights}: none of its classes is one of {', '.join(CLASSES)}")
    return columns


def _edges(length: int, tiles: int) -> list[tuple[int, int]]:
    """Tile borders along one axis, overlapping by a fifth of a tile."""
    size = length / (tiles - 0.2 * (tiles - 1))
    return [(round(i * 0.8 * size), min(length, round(i * 0.8 * size + size))) for i in range(tiles)]


def look_at(rgb: NDArray[np.uint8], teacher: Teacher, look: Look) -> Seen:
    """What ``teacher`` sees in one look, in pixels of the whole upright picture.

    Objects cut by an inner tile border are dropped: the tile next door, or another look, sees them whole.
    """
    height, width = rgb.shape[:2]
    parts: list[Seen] = []
    for top, bottom in _edges(height, look.tiles):
        for left, right in _edges(width, look.tiles):
            tile = rgb[top:bottom, left:right]
            seen = teacher(np.ascontiguousarray(tile[:, ::-1] if look.is_mirrored else tile), look.input_px)
            xyxy = seen.xyxy.reshape(-1, 4)
            if look.is_mirrored:
                x = (right - left) - xyxy[:, [2, 0]]
                xyxy = np.stack((x[:, 0], xyxy[:, 1], x[:, 1], xyxy[:, 3]), 1)
            xyxy = xyxy + np.array([left, top, left, top], np.float32)
            cut = (xyxy[:, 0] < left + 2) & (left > 0) | (xyxy[:, 1] < top + 2) & (top > 0)
            cut |= (xyxy[:, 2] > right - 2) & (right < width) | (xyxy[:, 3] > bottom - 2) & (bottom < height)
            parts.append(Seen(xyxy[~cut].astype(np.float32), seen.classes[~cut], seen.confidence[~cut]))
    return Seen(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def fuse(looks: Sequence[Seen], min_iou: float) -> Seen:
    """Weighted boxes fusion: same-class boxes that overlap become their confidence-weighted mean.

    The fused confidence is the mean over all looks of the best member of each; a look that saw nothing counts as 0.
    """
    if not looks:
        raise ValueError("looks: expected at least one, got none")
    origin = np.concatenate([np.full(len(seen.classes), number) for number, seen in enumerate(looks)])
    xyxy, index, confidence = (np.concatenate(column) for column in zip(*looks, strict=True))
    boxes: list[NDArray[np.float32]] = []
    members: list[list[int]] = []
    for item in np.argsort(-confidence, kind="stable"):
        same = [c for c in range(len(boxes)) if index[members[c][0]] == index[item]]
        overlap = (
            iou_matrix(xyxy[item][None], np.stack([boxes[c] for c in same]))[0] if same else np.zeros(0, np.float32)
        )
        if len(overlap) and overlap.max() > min_iou:
            cluster = same[int(overlap.argmax())]
            members[cluster].append(int(item))
            chosen = members[cluster]
            boxes[cluster] = np.average(xyxy[chosen], axis=0, weights=confidence[chosen]).astype(np.float32)
        else:
            boxes.append(xyxy[item])
            members.append([int(item)])
    fused = [
        sum(max(confidence[m] for m in group if origin[m] == o) for o in {int(origin[m]) for m in group})
        for group in members
    ]
    return Seen(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([index[group[0]] for group in members], np.int64),
        (np.array(fused) / len(looks)).astype(np.float32),
    )


def _label(sample: Sample, rgb: NDArray[np.uint8], teachers: Sequence[Teacher], config: PseudoLabelConfig) -> Sample:
    seen = fuse([look_at(rgb, teacher, look) for teacher in teachers for look in config.looks], config.fuse_iou)
    height, width = rgb.shape[:2]
    norm = np.clip(seen.xyxy / np.array([width, height] * 2, np.float32), 0, 1).astype(np.float32)
    keep = (seen.confidence >= config.min_confidence) & (norm[:, 2:] > norm[:, :2]).all(1)
    confidence = np.minimum(seen.confidence[keep], 1.0).astype(np.float32)
    return Sample(sample.path, sample.source, norm[keep], seen.classes[keep], confidence)


def pseudo_label(
    manifest: Path, out: Path, teachers: Sequence[Teacher], config: PseudoLabelConfig, progress: Progress
) -> Labelled:
    """Label every picture of ``manifest`` into ``out``; pictures without objects stay, as background.

    Raises :class:`UsageError` when no picture decodes, or when the teachers find nothing in any of them.
    """
    if not teachers:
        raise UsageError("pseudo-labels need at least one teacher: name its weights")
    samples = read_manifest(manifest)
    labelled: list[Sample] = []
    for done, sample in enumerate(samples):
        progress("label", done, len(samples))
        rgb = read_rgb(sample.path)
        if rgb is not None:
            labelled.append(_label(sample, rgb, teachers, config))
    objects = sum(len(sample) for sample in labelled)
    if not labelled:
        raise UsageError(f"{manifest}: no picture decodes")
    if not objects:
        raise UsageError(
            f"{manifest}: the teacher finds nothing in any of {len(labelled)} pictures: nothing to learn from"
        )
    write_manifest(out, labelled)
    return Labelled(len(labelled), objects, len(samples) - len(labelled))
