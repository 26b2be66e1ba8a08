"""Looks as they travel inside a finding: a part of its head, and float32 numbers at the end of its blob.

    head   names, scene_names: the columns · moving, still: how many boxes of each
    blob   values (N, names) · scene values · moving boxes · still boxes, little-endian

NaN says unknown and is allowed among the values; infinity and boxes that are not finite are refused. A finding of a
writer that knew of no looks has no such part, and none. Used by ``codec.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bus.head import Head
from pipeline.errors import MessageError
from pipeline.types import Looks

__all__ = ["MAX_BLOBS", "MAX_COLUMNS", "looks_head", "looks_numbers", "looks_size", "read_looks"]

MAX_COLUMNS = 512
MAX_BLOBS = 1_000
_FLOAT = np.dtype("<f4")


def looks_head(looks: Looks) -> dict[str, object]:
    """What the head says of ``looks``. Raises MessageError when they are larger than the bounds above."""
    for what, names in (("names", looks.names), ("scene_names", looks.scene_names)):
        if len(names) > MAX_COLUMNS or len(set(names)) != len(names):
            raise MessageError(f"looks.{what} are {len(names)}; at most {MAX_COLUMNS} different ones are allowed")
    if max(len(looks.moving_xyxy), len(looks.still_xyxy)) > MAX_BLOBS:
        raise MessageError(f"looks hold more than {MAX_BLOBS} boxes")
    return {
        "names": list(looks.names),
        "scene_names": list(looks.scene_names),
        "moving": len(looks.moving_xyxy),
        "still": len(looks.still_xyxy),
    }


def looks_numbers(looks: Looks) -> NDArray[np.float32]:
    """Every number of ``looks`` in the order of the blob. Raises MessageError for infinity."""
    numbers = np.concatenate(
        [array.ravel() for array in (looks.values, looks.scene_values, looks.moving_xyxy, looks.still_xyxy)]
    )
    if np.isinf(numbers).any():
        raise MessageError("looks hold an infinite number")
    return numbers.astype(_FLOAT, copy=False)


def looks_size(head: Head, detections: int) -> int:
    """How many numbers the blob holds for the looks of ``detections`` boxes. Raises MessageError for a bad head."""
    columns, scene_columns = _names(head, "names"), _names(head, "scene_names")
    boxes = head.integer("moving", least=0, most=MAX_BLOBS) + head.integer("still", least=0, most=MAX_BLOBS)
    return detections * len(columns) + len(scene_columns) + 4 * boxes


def read_looks(head: Head, detections: int, numbers: NDArray[Any]) -> Looks:
    """The looks written in ``head`` and ``numbers`` (:func:`looks_size`,). Raises MessageError."""
    names, scene_names = _names(head, "names"), _names(head, "scene_names")
    if np.isinf(numbers).any():
        raise MessageError("finding.blob holds an infinite number among its looks")
    of_boxes = detections * len(names)
    of_scene = of_boxes + len(scene_names)
    of_moving = of_scene + 4 * head.integer("moving", least=0, most=MAX_BLOBS)
    values, scene_values = numbers[:of_boxes].reshape(detections, len(names)), numbers[of_boxes:of_scene]
    return Looks(names, values, scene_names, scene_values, numbers[of_scene:of_moving], numbers[of_moving:])


def _names(head: Head, field: str) -> tuple[str, ...]:
    names = head.optional_texts(field, MAX_COLUMNS)
    if names is None or len(set(names)) != len(names):
        raise MessageError(f"finding.looks.{field}: expected different names, got some twice or none")
    return names
