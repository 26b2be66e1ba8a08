"""Pictures for people: a sheet of hits and misses, and the curves of a run.

In: a manifest and a forward function, or ``log.csv`` files and AP points. Out: a JPEG, a PNG. Colours on the sheet:
green found, red missed, orange found where the labels have nothing, grey ignored.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StorageError, UsageError
from pipeline.evaluate.detection import Judged
from pipeline.train.decode import Forward, iou_matrix
from pipeline.train.evaluation import EvaluateConfig, judge
from pipeline.train.samples import CLASSES, read_manifest, read_rgb
from pipeline.train.storage import write_atomically

__all__ = ["draw_sheet", "plot_curves"]

_GREEN, _RED, _ORANGE, _GREY = (60, 200, 60), (230, 40, 40), (250, 160, 20), (140, 140, 140)


def _frame(
    picture: NDArray[np.uint8], box: NDArray[np.float32], colour: tuple[int, int, int], text: str, ratio: float
) -> None:
    x1, y1, x2, y2 = (round(float(v) * ratio) for v in box)
    cv2.rectangle(picture, (x1, y1), (x2, y2), colour, 1)
    if text:
        cv2.putText(picture, text, (x1, max(9, y1 - 2)), cv2.FONT_HERSHEY_SIMPLEX, 0.35, colour, 1, cv2.LINE_AA)


def _tile(rgb: NDArray[np.uint8], judged: Judged, threshold: float, width: int) -> tuple[NDArray[np.uint8], int]:
    """One picture with its boxes drawn, and how many mistakes it holds."""
    ratio = width / rgb.shape[1]
    picture = np.ascontiguousarray(cv2.resize(rgb, (width, round(rgb.shape[0] * ratio))), np.uint8)
    sure = judged.confidence >= threshold
    xyxy, index, confidence = judged.xyxy[sure], judged.index[sure], judged.confidence[sure]
    overlap = iou_matrix(judged.true_xyxy, xyxy) * (judged.true_index[:, None] == index[None])
    is_found = overlap.max(1, initial=0) >= 0.5
    is_right = overlap.max(0, initial=0) >= 0.5
    mistakes = 0
    for box, found, ignored in zip(judged.true_xyxy, is_found, judged.is_ignored, strict=True):
        if ignored:
            _frame(picture, box, _GREY, "", ratio)
        elif not found:
            _frame(picture, box, _RED, "", ratio)
            mistakes += 1
    for box, label, value, right in zip(xyxy, index, confidence, is_right, strict=True):
        _frame(picture, box, _GREEN if right else _ORANGE, f"{CLASSES[label]} {value:.2f}", ratio)
        mistakes += int(not right)
    return picture, mistakes


def draw_sheet(
    out: Path,
    config: EvaluateConfig,
    forward: Forward,
    threshold: float,
    columns: int = 4,
    rows: int = 6,
    tile_px: int = 400,
) -> int:
    """Write a JPEG of evenly spread pictures of the manifest, the worst of each source first.

    Returns mistakes drawn.
    """
    per_source: dict[str, list[tuple[int, NDArray[np.uint8]]]] = {}
    for sample in read_manifest(config.manifest):
        rgb = read_rgb(sample.path)
        if rgb is not None:
            picture, mistakes = _tile(rgb, judge(sample, rgb, forward, config), threshold, tile_px)
            per_source.setdefault(sample.source, []).append((mistakes, picture))
    if not per_source:
        raise UsageError(f"{config.manifest}: no picture decodes: nothing to draw")
    for pictures in per_source.values():
        pictures.sort(key=lambda item: -item[0])
    chosen: list[tuple[int, NDArray[np.uint8]]] = []
    depth = 0
    while len(chosen) < columns * rows and any(len(p) > depth for p in per_source.values()):
        chosen.extend(pictures[depth] for pictures in per_source.values() if len(pictures) > depth)
        depth += 1
    chosen = chosen[: columns * rows]
    height = tile_px * 3 // 4
    sheet = np.full((-(-len(chosen) // columns) * height, columns * tile_px, 3), 30, np.uint8)
    for place, (_, picture) in enumerate(chosen):
        y, x = place // columns * height, place % columns * tile_px
        part = picture[:height]
        sheet[y : y + part.shape[0], x : x + tile_px] = part
    done, content = cv2.imencode(".jpg", np.ascontiguousarray(sheet[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not done:
        raise StorageError(f"{out}: the sheet cannot be encoded")
    write_atomically(out, content.tobytes())
    return sum(mistakes for mistakes, _ in chosen)


def _read_log(path: Path) -> tuple[list[float], list[float]]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row.get("loss")]
    except OSError as error:
        raise UsageError(f"{path}: the log cannot be read: {error.strerror}") from error
    return [float(row["pictures"]) for row in rows], [float(row["loss"]) for row in rows]


def plot_curves(out: Path, logs: Mapping[str, Path], points: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Write a PNG: loss against pictures of each named log, and named series of (pictures, AP50) points."""
    import io

    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, path in logs.items():
        pictures, losses = _read_log(path)
        if losses:
            window = max(1, len(losses) // 40)
            smooth = np.convolve(losses, np.ones(window) / window, "valid")
            left.plot(pictures[window - 1 :], smooth, label=name)
    for name, series in points.items():
        right.plot([p[0] for p in series], [p[1] for p in series], marker="o", label=name)
    left.set(xlabel="pictures seen", ylabel="loss", title="training loss")
    right.set(xlabel="pictures seen", ylabel="AP50", ylim=(0, 1), title="held-out cameras")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    write_atomically(out, content.getvalue())
