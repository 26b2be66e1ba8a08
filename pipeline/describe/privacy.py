"""Makes regions and people unrecognisable. In: BGR pixels, polygons, boxes; out: other pixels of the same shape.

Regions are filled with one colour: nothing of them is left. People's heads (or bodies) become a mosaic of at most four
by four cells, each the mean of what it covers, so that posture and colour of clothing can still be told and no face:
blur that keeps more has been undone by networks (McPherson, Shokri, Shmatikov: Defeating Image Obfuscation with Deep
Learning, 2016). Called by ``pipeline/describe/pictures.py`` on the whole native frame, before anything is cut out.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.describe.settings import HiddenPeople

__all__ = ["hidden"]

_CELLS = 4
_HEAD_HEIGHT = 0.28  # of an upright body from the top of its box: head and neck (an eighth), hat, and a box set too low
_HEAD_ABOVE = 0.1  # of the body's height, above the box
_SIDE = 0.15  # of the body's width, on either side
_UPRIGHT_ASPECT = 1.2  # height / width from which the head is surely at the top
_REGION_BGR = (96, 96, 96)

_XyxyNorm = tuple[float, float, float, float]


def hidden(
    bgr: NDArray[np.uint8],
    regions_norm: Sequence[Sequence[tuple[float, float]]],
    people_xyxy_norm: Sequence[_XyxyNorm],
    people: HiddenPeople,
) -> NDArray[np.uint8]:
    """A copy of ``bgr`` (H, W, 3) with polygons filled and, unless ``people`` is ``none``, people made a mosaic.

    Polygons and boxes are 0..1 of the picture. Of somebody who lies, bends or is cut off by the edge the whole body is
    hidden, since nobody knows at which end the head is. The picture itself comes back when there is nothing to hide.
    """
    boxes = () if people == "none" else tuple(_to_hide(box, people, bgr.shape) for box in people_xyxy_norm)
    if not boxes and not regions_norm:
        return bgr
    result = bgr.copy()
    for x0, y0, x1, y1 in boxes:
        if x1 > x0 and y1 > y0:
            result[y0:y1, x0:x1] = _mosaic(result[y0:y1, x0:x1])
    for polygon in regions_norm:
        _fill(result, polygon)
    return result


def _fill(bgr: NDArray[np.uint8], polygon_norm: Sequence[tuple[float, float]]) -> None:
    """Grey inside and on the border of the polygon, one pixel more on every side against rounding."""
    height, width = bgr.shape[:2]
    points = np.rint(np.array(polygon_norm, np.float64) * (width, height)).astype(np.int32)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [points], 255)
    cv2.polylines(mask, [points], True, 255, 3)
    bgr[mask > 0] = _REGION_BGR


def _to_hide(box: _XyxyNorm, people: HiddenPeople, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Pixels (x0, y0, x1, y1) that hold the head, or the body, of a person boxed in 0..1."""
    frame_height, frame_width = shape[:2]
    x0, y0, x1, y1 = box[0] * frame_width, box[1] * frame_height, box[2] * frame_width, box[3] * frame_height
    width, height = x1 - x0, y1 - y0
    is_whole = people == "bodies" or height < _UPRIGHT_ASPECT * width
    bottom = y1 + (0.05 * height) if is_whole else y0 + _HEAD_HEIGHT * height
    low = (int(np.floor(x0 - _SIDE * width)), int(np.floor(y0 - _HEAD_ABOVE * height)))
    high = (int(np.ceil(x1 + _SIDE * width)), int(np.ceil(bottom)))
    return max(0, low[0]), max(0, low[1]), min(frame_width, high[0]), min(frame_height, high[1])


def _mosaic(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = bgr.shape[:2]
    cells = cv2.resize(bgr, (min(_CELLS, width), min(_CELLS, height)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
