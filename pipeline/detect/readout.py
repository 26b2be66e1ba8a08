"""The last step of every detector: raw network output of one picture to ``Detections`` in source pixels.

In: one output array with its layout and the picture's letterbox. Out: what the site asked for, most confident first.
Both runtimes end here, so that they agree. Next file: ``openvino.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.heads import Head, decode, suppress
from pipeline.detect.letterbox import Letterbox
from pipeline.detect.selection import Selection
from pipeline.types import Detections

__all__ = ["Readout"]


@dataclass(frozen=True, slots=True, eq=False)
class Readout:
    """A detector's words and what the site wants of them; ``least`` (n,) is the least confidence per class."""

    labels: tuple[str, ...]
    least: NDArray[np.float32]
    max_iou: float
    min_side_px: float

    @classmethod
    def of(cls, labels: tuple[str, ...], selection: Selection) -> Readout:
        """Raises UsageError when ``selection`` names a class that is not among ``labels``."""
        return cls(labels, selection.thresholds(labels), selection.max_iou, selection.min_side_px)

    def detections(
        self, raw: NDArray[np.float32], head: Head, letterbox: Letterbox, source_wh: tuple[int, int]
    ) -> Detections:
        """Detections of one picture; ``raw`` (rows, columns) as ``head`` says, ``source_wh`` (0, 0) if unknown."""
        boxes = decode(raw, head, self.least)
        sides = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
        is_large: NDArray[np.bool_] = np.asarray(sides.min(axis=1, initial=np.inf) >= self.min_side_px)
        boxes = boxes.select(is_large)
        if head == "end_to_end":
            boxes = boxes.select(np.argsort(-boxes.confidence, kind="stable"))
        else:
            boxes = suppress(boxes, self.max_iou)
        xyxy = letterbox.to_source(boxes.xyxy, source_wh)
        is_inside = (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])
        kept = boxes.select(is_inside)
        return Detections(xyxy[is_inside], kept.confidence, tuple(self.labels[i] for i in kept.class_index))
