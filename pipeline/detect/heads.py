"""From a YOLO network's raw output to boxes: which of the three layouts it is, decoding, and suppression of doubles.

In: one output array and the classes' least confidences. Out: boxes in input pixels with confidence and class number.
Pure numpy, the same for every runtime. Next file: ``openvino.py``.

Layouts, for ``n`` classes and ``N`` anchor points (named after what they hold):

- ``anchor_free``: (4 + n, N), centre-size boxes and class scores: YOLOv8, v9, 11, 12 and v5u exports.
- ``objectness``: (N, 5 + n), centre-size boxes, objectness, class scores: the original YOLOv5 and v7.
- ``end_to_end``: (N, 6), corner boxes, confidence, class number, doubles already gone: YOLOv10, YOLO26, exports with
  NMS inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelError

__all__ = ["Boxes", "Head", "decode", "head_of", "suppress"]

Head = Literal["anchor_free", "objectness", "end_to_end"]

_MAX_CANDIDATES = 2_000
_BLOCK = 128
"""Candidates compared with each other at once: a few large array steps instead of many small ones."""
_MAX_BOXES = 300
_STRIDE_SETS = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes of one picture in input pixels: ``xyxy`` (K, 4), ``confidence`` (K,), ``class_index`` (K,)."""

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_index: NDArray[np.intp]

    def select(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Boxes:
        """The boxes chosen by a mask or by indices."""
        return Boxes(self.xyxy[keep], self.confidence[keep], self.class_index[keep])


def head_of(shape: tuple[int, ...], n_classes: int, input_wh: tuple[int, int], *, is_end_to_end: bool | None) -> Head:
    """Which layout an output of ``shape`` (1, rows, columns) has; ``is_end_to_end`` is what the export says of itself.

    Raises ModelError when the shape fits none, naming it.
    """
    if len(shape) != 3:
        raise ModelError(f"its output has shape {shape}, and a YOLO detector's has three dimensions")
    rows, columns = shape[1:]
    points = {sum((input_wh[0] // s) * (input_wh[1] // s) for s in strides) for strides in _STRIDE_SETS}
    fits: list[Head] = []
    if columns == 6 and is_end_to_end is not False:
        fits.append("end_to_end")
    if rows == 4 + n_classes and not is_end_to_end:
        fits.append("anchor_free")
    # One row per point, where YOLOv5 and v7 have three, is YOLOX: it looks the same and means other numbers.
    if columns == 5 + n_classes and not is_end_to_end and rows not in points:
        fits.append("objectness")
    if len(fits) > 1:
        # With one or two classes the widths coincide; the number of anchor points tells them apart.
        if "anchor_free" in fits and columns in points:
            return "anchor_free"
        if "objectness" in fits and rows in {3 * n for n in points}:
            return "objectness"
    if not fits:
        raise ModelError(
            f"its output has shape {shape}, which fits no YOLO detection layout for {n_classes} classes"
            f" (1, {4 + n_classes}, N), (1, N, {5 + n_classes}) or (1, N, 6)"
        )
    return fits[0]


def decode(raw: NDArray[np.float32], head: Head, least: NDArray[np.float32]) -> Boxes:
    """Boxes of one picture whose best class reaches its least confidence, doubles not yet suppressed.

    ``raw`` is (rows, columns) of ``head``; ``least`` (n,) as from :meth:`pipeline.detect.labels.Selection.thresholds`.
    A box belongs to its best class alone, so that leaving classes out never adds a box. Rows that hold anything but
    finite numbers are left out.
    """
    boxes = _decode_end_to_end(raw, len(least)) if head == "end_to_end" else _decode_points(raw, head, least)
    is_sound = np.isfinite(boxes.xyxy).all(axis=1) & (boxes.confidence >= least[boxes.class_index])
    is_sound &= (boxes.xyxy[:, 2:] > boxes.xyxy[:, :2]).all(axis=1)
    return boxes.select(is_sound)


def _decode_end_to_end(raw: NDArray[np.float32], n_classes: int) -> Boxes:
    """(N, 6) -> boxes; class numbers the labels do not cover (padding rows say -1) are left out."""
    numbers = np.nan_to_num(raw[:, 5], nan=-1.0, posinf=-1.0, neginf=-1.0)
    rows = raw[(numbers >= 0) & (numbers < n_classes)]
    return Boxes(rows[:, :4].copy(), np.minimum(rows[:, 4], 1.0), rows[:, 5].astype(np.intp))


def _decode_points(raw: NDArray[np.float32], head: Head, least: NDArray[np.float32]) -> Boxes:
    """(4 + n, N) or (N, 5 + n) -> boxes of the points whose best class is one that is wanted."""
    wanted = np.flatnonzero(np.isfinite(least))
    floor = least[wanted].min(initial=np.inf)
    if head == "anchor_free":
        centres, scores = raw[:4], raw[4:]  # (4, N), (n, N)
        best = _rows_max(scores, wanted)
    else:
        is_object = raw[:, 4] >= floor  # class confidence is objectness * score <= objectness
        rows = raw[is_object]
        centres = rows[:, :4].T
        scores = rows[:, 5:].T * rows[:, 4]
        best = _rows_max(scores, wanted)
    points = np.flatnonzero(best >= floor)
    near = scores[:, points]  # (n, K)
    class_index = near.argmax(axis=0)
    confidence = near[class_index, np.arange(len(points))]
    cx, cy, w, h = centres[:, points]
    xyxy = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], axis=1)  # (4, K) -> (K, 4)
    return Boxes(xyxy.astype(np.float32), np.minimum(confidence, 1.0).astype(np.float32), class_index)


def _rows_max(scores: NDArray[np.float32], wanted: NDArray[np.intp]) -> NDArray[np.float32]:
    """Largest score of the wanted classes at each point, (n, N) -> (N,); not-a-number counts as none."""
    if len(wanted) == 0:
        return np.full(scores.shape[1], -np.inf, np.float32)
    best: NDArray[np.float32] = scores[wanted[0]].copy()
    for row in wanted[1:]:
        np.fmax(best, scores[row], out=best)
    return best


def suppress(boxes: Boxes, max_iou: float) -> Boxes:
    """Greedy non-maximum suppression within each class (Dalal and Triggs, CVPR 2005), most confident first.

    Of two boxes of one class that overlap by more than ``max_iou`` the less confident goes; equal confidences keep
    the order of the network's output, so the result is the same on every machine. At most 300 boxes are kept.
    """
    order = np.argsort(-boxes.confidence, kind="stable")[:_MAX_CANDIDATES]
    kept = np.zeros(0, np.intp)
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        block = block[~_rivals(boxes, kept, block, max_iou).any(axis=0)]
        is_rival = _rivals(boxes, block, block, max_iou)
        is_left = np.ones(len(block), np.bool_)
        for place in range(len(block)):
            if is_left[place]:
                is_left[place + 1 :] &= ~is_rival[place, place + 1 :]
        kept = np.concatenate([kept, block[is_left]])
        if len(kept) >= _MAX_BOXES:
            break
    return boxes.select(kept[:_MAX_BOXES])


def _rivals(boxes: Boxes, ones: NDArray[np.intp], others: NDArray[np.intp], max_iou: float) -> NDArray[np.bool_]:
    """Which of ``others`` cannot stand beside which of ``ones``, (A,), (B,) -> (A, B)."""
    area = (boxes.xyxy[:, 2] - boxes.xyxy[:, 0]) * (boxes.xyxy[:, 3] - boxes.xyxy[:, 1])
    left, top, right, bottom = boxes.xyxy[ones].T[..., None]  # (A, 1) each
    other_left, other_top, other_right, other_bottom = boxes.xyxy[others].T[:, None]  # (1, B) each
    width = np.minimum(right, other_right) - np.maximum(left, other_left)
    height = np.minimum(bottom, other_bottom) - np.maximum(top, other_top)
    common = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    is_over: NDArray[np.bool_] = common > max_iou * (area[ones][:, None] + area[others] - common)
    is_alike: NDArray[np.bool_] = boxes.class_index[ones][:, None] == boxes.class_index[others]
    return np.asarray(is_over & is_alike, np.bool_)
