"""Rendered frames with exact truth as training or test pictures.

In: frames from any renderer, handed over by whoever knows it (``workers/train_cli.py`` takes ``pipeline/scenes``). Out:
pictures and a manifest like those of ``pipeline/train/prepare.py``. How much of an object is seen becomes its
confidence: truth has no doubt, but an object mostly hidden is neither to be demanded nor to be punished.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.train.samples import Sample, class_index, write_manifest
from pipeline.train.storage import write_atomically

__all__ = ["RenderedFrame", "RenderedObject", "write_rendered"]

_CLEAR, _PARTLY, _HARDLY = 1.0, 0.3, 0.1  # below 0.35: not demanded in a test; below 0.2: not learned


@dataclass(frozen=True, slots=True)
class RenderedObject:
    """One true object: a class name, its visible box in pixels, and the share of it that is seen, 0..1."""

    label: str
    xyxy: tuple[float, float, float, float]
    visible: float


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class RenderedFrame:
    """``name`` is unique among the frames of one manifest; ``source`` names the scene."""

    name: str
    source: str
    rgb: NDArray[np.uint8]
    objects: tuple[RenderedObject, ...]


def _confidence(visible: float) -> float:
    if visible >= 0.5:
        return _CLEAR
    return _PARTLY if visible >= 0.2 else _HARDLY


def _sample(frame: RenderedFrame, path: Path) -> Sample:
    height, width = frame.rgb.shape[:2]
    boxes = np.array([o.xyxy for o in frame.objects], np.float32).reshape(-1, 4)
    norm = np.clip(boxes / np.array([width, height] * 2, np.float32), 0, 1).astype(np.float32)
    keep = (norm[:, 2:] > norm[:, :2]).all(1)
    index = np.array([class_index(o.label) for o in frame.objects], np.int64)
    confidence = np.array([_confidence(o.visible) for o in frame.objects], np.float32)
    return Sample(path, frame.source, norm[keep], index[keep], confidence[keep])


def write_rendered(frames: Iterable[RenderedFrame], manifest: Path, jpeg_quality: int = 85) -> int:
    """Write pictures beside ``manifest`` and the manifest itself; returns how many.

    JPEG stands in for the camera's codec. Raises :class:`UsageError` when there is no frame, or a class is unknown.
    """
    samples: list[Sample] = []
    for frame in frames:
        path = manifest.parent / manifest.stem / f"{frame.name}.jpg"
        bgr = np.ascontiguousarray(frame.rgb[..., ::-1])
        done, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
        if not done:
            raise UsageError(f"{path}: the frame cannot be encoded")
        write_atomically(path, content.tobytes())
        samples.append(_sample(frame, path))
    if not samples:
        raise UsageError(f"{manifest}: no rendered frame: nothing to write")
    write_manifest(manifest, samples)
    return len(samples)
