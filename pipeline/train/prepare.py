"""Gathers a data set: stills with their labels, frames of clips, rendered frames; keeps the held-out cameras apart.

In: folders of pictures and clips and ``configs/train/split.yaml``. Out: manifests under one folder: ``stills.jsonl``
(labelled), ``frames.jsonl`` (training clips, to be labelled by ``pipeline/train/teachers.py``), ``heldout.jsonl``
(frames
of held-out cameras at least a second apart, likewise). Pictures that do not decode are counted and left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.train.samples import Sample, class_index, read_rgb, write_manifest
from pipeline.train.split import NearCopies, Split, difference_hash, read_split
from pipeline.train.storage import write_atomically

__all__ = ["PrepareConfig", "Prepared", "merge_labels", "prepare", "sample_clip"]

Progress = Callable[[str, int, int], None]
_CLIP_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov")


@dataclass(frozen=True, slots=True)
class PrepareConfig:
    """Where things are. ``every_s``: distance of training frames; ``heldout_every_s``: of frames to judge on."""

    out: Path
    split: Path
    images: Path | None = None
    footage: Path | None = None
    every_s: float = 0.6
    heldout_every_s: float = 1.0
    heldout_max_per_clip: int = 30
    near_copy_bits: int = 40
    still_min_confidence: float = 0.1

    def __post_init__(self) -> None:
        if self.images is None and self.footage is None:
            raise UsageError("nothing to prepare: name a folder of images, of footage, or both")
        if self.every_s <= 0 or self.heldout_every_s < 1.0:
            raise UsageError("expected every_s above 0 and heldout_every_s of at least 1 second")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was written and what was left out, by reason."""

    stills: int
    frames: int
    heldout: int
    undecodable: int
    of_heldout_cameras: int
    near_copies: int


def _iou_to(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    overlap = np.clip(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0, None).prod(1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - overlap
    return np.asarray(overlap / np.maximum(union, 1e-9), np.float32)


def merge_labels(
    teacher: list[tuple[int, float, NDArray[np.float32]]],
    boxes: list[tuple[int, NDArray[np.float32]]],
    min_confidence: float,
) -> list[tuple[int, float, NDArray[np.float32]]]:
    """One list of (class, confidence, xyxy_norm): the teacher's objects, raised or joined by chosen and human boxes.

    A box without a teacher's object of its class on it is somebody's addition and gets confidence 0.8; one that
    chooses a weak object lifts it to 0.35. Bags that were one bag twice (backpack and handbag) are merged, the surer
    one stays.
    """
    merged: list[tuple[int, float, NDArray[np.float32]]] = []
    for index, confidence, box in sorted(teacher, key=lambda item: -item[1]):
        same = [other for other in merged if other[0] == index]
        doubled = bool(same) and float(_iou_to(box, np.stack([o[2] for o in same])).max()) > 0.7
        if confidence >= min_confidence and not doubled:
            merged.append((index, confidence, box))
    for index, box in boxes:
        rivals = [i for i, other in enumerate(merged) if other[0] == index]
        overlap = _iou_to(box, np.stack([merged[i][2] for i in rivals])) if rivals else np.zeros(0)
        if len(overlap) and overlap.max() > 0.6:
            chosen = rivals[int(overlap.argmax())]
            merged[chosen] = (index, max(0.35, merged[chosen][1]), merged[chosen][2])
        elif not len(overlap) or overlap.max() < 0.45:
            merged.append((index, 0.8, box))
    return merged


def _still(row: Any, folder: Path, min_confidence: float) -> Sample:
    """A sample from a row of ``labels.jsonl``.

    ``boxes`` [class, cx, cy, w, h], ``teacher`` [class, confidence, x1 …].
    """
    try:
        file, source = str(row["file"]), str(row["source"])
        teacher = [
            (class_index(str(t[0])), float(t[1]), np.clip(np.array(t[2:6], np.float32), 0, 1))
            for t in row.get("teacher", [])
        ]
        centred = [(class_index(str(b[0])), np.array(b[1:5], np.float32)) for b in row.get("boxes", [])]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UsageError(f"expected file, source, boxes, teacher; {error}") from error
    boxes = [(i, np.concatenate((b[:2] - b[2:] / 2, b[:2] + b[2:] / 2)).astype(np.float32)) for i, b in centred]
    merged = [m for m in merge_labels(teacher, boxes, min_confidence) if (m[2][2:] > m[2][:2]).all()]
    return Sample(
        folder / file,
        source,
        np.array([m[2] for m in merged], np.float32).reshape(-1, 4),
        np.array([m[0] for m in merged], np.int64),
        np.array([min(1.0, m[1]) for m in merged], np.float32),
    )


def _read_stills(config: PrepareConfig) -> Iterator[Sample]:
    if config.images is None:
        return
    path = config.images / "labels.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: the labels cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        try:
            yield _still(json.loads(line), config.images, config.still_min_confidence)
        except (json.JSONDecodeError, UsageError) as error:
            raise UsageError(f"{path}: line {number}: {error}") from error


def sample_clip(path: Path, every_s: float, limit: int | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(frame number, RGB) of a clip, ``every_s`` seconds of its nominal rate apart, at most ``limit``, spread evenly.

    Raises :class:`UsageError` when the file is no video.
    """
    capture = cv2.VideoCapture(str(path))
    try:
        rate, count = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if not capture.isOpened() or rate <= 0:
            raise UsageError(f"{path}: not a video that can be read")
        step = max(1, int(np.ceil(rate * every_s)))
        if limit is not None and count > step * limit:
            step = -(-count // limit)
        number = 0
        while capture.grab():
            if number % step == 0:
                done, bgr = capture.retrieve()
                if done:
                    yield number, np.ascontiguousarray(bgr[..., ::-1]).astype(np.uint8, copy=False)
            number += 1
    finally:
        capture.release()


def _write_frame(path: Path, rgb: NDArray[np.uint8]) -> None:
    done, content = cv2.imencode(".webp", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_WEBP_QUALITY, 95])
    if not done:
        raise UsageError(f"{path}: the frame cannot be encoded")
    write_atomically(path, content.tobytes())


def _empty(path: Path, source: str) -> Sample:
    return Sample(path, source, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))


def _extract(
    config: PrepareConfig, split: Split, seen: NearCopies, progress: Progress
) -> tuple[list[Sample], list[Sample], int]:
    """Frames of all clips: (training, held out, near copies left out).

    Held-out clips first, so that copies of them show.
    """
    if config.footage is None:
        return [], [], 0
    clips = sorted(p for p in config.footage.rglob("*") if p.suffix.lower() in _CLIP_SUFFIXES)
    names = {p: p.relative_to(config.footage).as_posix() for p in clips}
    absent = sorted(set(split.clips) - set(names.values()))
    if absent:
        raise UsageError(f"{config.footage}: held-out clips are missing: {', '.join(absent)}")
    clips.sort(key=lambda p: not split.is_held_out_clip(names[p]))
    training: list[Sample] = []
    heldout: list[Sample] = []
    copies = 0
    for done, clip in enumerate(clips):
        progress("frames", done, len(clips))
        is_held_out = split.is_held_out_clip(names[clip])
        every_s, limit = (
            (config.heldout_every_s, config.heldout_max_per_clip) if is_held_out else (config.every_s, None)
        )
        for number, rgb in sample_clip(clip, every_s, limit):
            bits = difference_hash(rgb)
            if is_held_out:
                seen.add(bits)
            elif seen.holds(bits):
                copies += 1
                continue
            path = config.out / ("heldout" if is_held_out else "frames") / f"{clip.stem}_{number:05d}.webp"
            _write_frame(path, rgb)
            (heldout if is_held_out else training).append(_empty(path, clip.stem))
    return training, heldout, copies


def prepare(config: PrepareConfig, progress: Progress) -> Prepared:
    """Write the manifests; raises :class:`UsageError` when nothing is left to train on."""
    split = read_split(config.split)
    heldout_looks = NearCopies(config.near_copy_bits)
    frames, heldout, copies = _extract(config, split, heldout_looks, progress)
    stills: list[Sample] = []
    undecodable = of_heldout = 0
    candidates = list(_read_stills(config))
    for done, sample in enumerate(candidates):
        if done % 100 == 0:
            progress("stills", done, len(candidates))
        if split.is_held_out_image(sample.path.name):
            of_heldout += 1
            continue
        rgb = read_rgb(sample.path)
        if rgb is None:
            undecodable += 1
        elif heldout_looks.holds(difference_hash(rgb)):
            copies += 1
        else:
            stills.append(sample)
    if not stills and not frames:
        raise UsageError("the training split is empty: every picture was held out, a copy, or did not decode")
    for name, samples in (("stills", stills), ("frames", frames), ("heldout", heldout)):
        if samples:
            write_manifest(config.out / f"{name}.jsonl", samples)
    return Prepared(len(stills), len(frames), len(heldout), undecodable, of_heldout, copies)
