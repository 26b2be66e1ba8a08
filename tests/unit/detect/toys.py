"""Small true OpenVINO networks that see coloured squares, and frames to show them, so that tests need no weights.

The network averages the picture over cells of 32 x 32 pixels; each cell is an anchor point, its box is the cell, and
its class scores are the red, green and blue shares. A pure red cell is thus a ``red`` detection of confidence 1 whose
box is exactly known, in whichever of the three YOLO layouts the output is laid out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import openvino as ov
import yaml
from numpy.typing import NDArray
from openvino import opset13 as ops

from pipeline.types import Frame, FrameKey, FrameNote, FrameRef

CELL = 32
LABELS = ("red", "green", "blue")
RGB = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "dim green": (0, 153, 0)}


def network(
    head: str = "anchor_free",
    *,
    batch: int = 1,
    size_wh: tuple[int, int] = (128, 96),
    classes: int = 3,
    is_quantised: bool = False,
) -> ov.Model:
    """A toy detector; -1 for ``batch`` or a side leaves that dimension free."""
    picture = ops.parameter([batch, 3, size_wh[1], size_wh[0]], np.float32, name="images")
    cells = ops.avg_pool(picture, [CELL, CELL], [0, 0], [0, 0], [CELL, CELL], exclude_pad=False)  # (B, 3, h, w)
    if is_quantised:
        low, high = ops.constant(np.float32(0)), ops.constant(np.float32(1))
        cells = ops.fake_quantize(cells, low, high, low, high, 256)
    one = ops.reduce_max(ops.multiply(cells, ops.constant(np.float32(0))), ops.constant([1]), keep_dims=True)
    one = ops.add(one, ops.constant(np.float32(1)))  # (B, 1, h, w)
    side = ops.multiply(one, ops.constant(np.float32(CELL)))
    half = ops.constant(np.float32(CELL / 2))
    cx, cy = (ops.subtract(ops.cum_sum(side, ops.constant(axis)), half) for axis in (3, 2))
    scores = [cells] * (classes // 3)
    points = _flat(ops.concat([cx, cy, side, side, *scores], 1), 4 + classes)  # (B, 4 + n, N)
    if head == "objectness":
        only = _flat(one, 1)
        points = ops.concat([_channels(points, 0, 4), only, _channels(points, 4, 4 + classes)], 1)
        points = ops.transpose(points, ops.constant([0, 2, 1]))  # (B, N, 5 + n)
    if head == "end_to_end":
        points = _best_of_each(points, classes)
    points.output(0).set_names({"output0"})
    return ov.Model([points], [picture], "toy")


def _flat(node: ov.Node, channels: int) -> ov.Node:
    return ops.reshape(node, ops.constant([0, channels, -1]), special_zero=True)


def _channels(node: ov.Node, start: int, stop: int) -> ov.Node:
    return ops.slice(node, [start], [stop], [1], [1])


def _best_of_each(points: ov.Node, classes: int) -> ov.Node:
    """(B, 4 + n, N) -> (B, N, 6): corners, confidence and class of each point's best class."""
    cx, cy, w, h = (_channels(points, i, i + 1) for i in range(4))
    half_w, half_h = (ops.multiply(side, ops.constant(np.float32(0.5))) for side in (w, h))
    best = ops.topk(_channels(points, 4, 4 + classes), ops.constant(1), axis=1, mode="max", sort="value")
    index = ops.convert(best.output(1), np.float32)
    corners = [ops.subtract(cx, half_w), ops.subtract(cy, half_h), ops.add(cx, half_w), ops.add(cy, half_h)]
    return ops.transpose(ops.concat([*corners, best.output(0), index], 1), ops.constant([0, 2, 1]))


def save(model: ov.Model, folder: Path, *, card: Mapping[str, object] | None = None, is_fp16: bool = False) -> Path:
    """Write a model folder as exporters do; ``card`` None writes no ``metadata.yaml``."""
    folder.mkdir(parents=True, exist_ok=True)
    ov.save_model(model, folder / "toy.xml", compress_to_fp16=is_fp16)
    if card is not None:
        (folder / "metadata.yaml").write_text(yaml.safe_dump(dict(card)))
    return folder


def card(labels: Sequence[str] = LABELS, **fields: object) -> dict[str, object]:
    """The ``metadata.yaml`` of a toy, in ultralytics' form."""
    return {"task": "detect", "stride": CELL, "names": dict(enumerate(labels)), **fields}


def picture(size_wh: tuple[int, int], cells: Mapping[tuple[int, int], str]) -> NDArray[np.uint8]:
    """A black I420 picture with coloured cells, given as (column, row) -> word."""
    rgb = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    for (column, row), word in cells.items():
        rgb[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = RGB[word]
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8)


def frame(
    i420: NDArray[np.uint8] | None,
    *,
    camera: str = "gate",
    seq: int = 0,
    at_s: float = 0.0,
    source_wh: tuple[int, int] = (0, 0),
    is_end: bool = False,
) -> Frame:
    """A frame around a picture; None makes a tick."""
    ref = FrameRef(
        FrameKey(camera, 0, seq), round(at_s * 1000), Fraction(1, 1000), datetime.fromtimestamp(at_s, UTC), source_wh
    )
    return Frame(ref, FrameNote(gate="absent" if i420 is None else "open", ended=is_end), i420)
