"""The looks of one detection. In: its box, and what was measured of the whole picture. Out: one row of numbers.

Used by ``visual.py``. Next files: ``flow.py``, ``colour.py``, ``silhouette.py``.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.descriptions import COLOURS
from pipeline.embed.colour import Chroma, colour_shares
from pipeline.embed.flow import Flow, flow_of_box
from pipeline.embed.silhouette import body_angle_deg
from pipeline.embed.small import Small

__all__ = ["LOOK_NAMES", "look_at"]

_FLOW_NAMES = (
    "flow_px_per_s",
    "flow_peak_px_per_s",
    "flow_angle_deg",
    "flow_spread_px_per_s",
    "moving_share",
    *(f"flow_hist_{place}_share" for place in range(8)),
)
_UPPER_NAMES = tuple(f"upper_colour.{name}_share" for name in COLOURS)
_LOWER_NAMES = tuple(f"lower_colour.{name}_share" for name in COLOURS)

LOOK_NAMES = (*_FLOW_NAMES, "body_angle_deg", "sharpness", *_UPPER_NAMES, *_LOWER_NAMES)
"""Columns of ``Looks.values``. Speeds are source pixels per second over the whole box, what does not move counting as
0; ``flow_angle_deg`` 0 right, 90 up, 180 left, 270 down; ``flow_hist_N_share`` the share of the motion that goes in
direction N * 45 degrees; ``moving_share`` of the box's pixels; ``body_angle_deg`` 90 upright, 0 lying; ``sharpness``
the standard deviation of the Laplacian in grey levels."""

_UPPER_BAND = (0.18, 0.47)  # of a person's box: shirt, below the face
_LOWER_BAND = (0.56, 0.86)  # trousers, above the shoes
_THING_BAND = (0.15, 0.80)
_PERSON_SIDES = (0.25, 0.75)
_THING_SIDES = (0.12, 0.88)
_LYING_ASPECT = 0.9  # width by height of a person's box above which bands say nothing of clothes
_LEAST_MASK_SHARE = 0.3

Mask = NDArray[np.bool_]


def look_at(
    label: str, box: NDArray[np.float64], small: Small, flow: Flow | None, is_foreground: Mask, chroma: Chroma
) -> NDArray[np.float32]:
    """The columns of ``LOOK_NAMES`` for one ``box``, given in pixels of the small picture and at least 3 of them wide
    and high."""
    x0, y0, x1, y1 = (float(value) for value in box)
    columns, rows = slice(int(x0), math.ceil(x1)), slice(int(y0), math.ceil(y1))
    flow_values = [math.nan] * len(_FLOW_NAMES) if flow is None else flow_of_box(flow, columns, rows)
    silhouette = is_foreground[rows, columns]
    if flow is not None:
        silhouette = silhouette | flow.is_moving[rows, columns]
    angle = body_angle_deg(silhouette, small.source_per_px[1] / small.source_per_px[0])
    _, sharpness = cv2.meanStdDev(cv2.Laplacian(small.luma[rows, columns], cv2.CV_16S))
    upper, lower = _clothes(label, box, small, silhouette, chroma)
    return np.asarray([*flow_values, angle, float(sharpness[0, 0]), *upper, *lower], np.float32)


def _clothes(
    label: str, box: NDArray[np.float64], small: Small, silhouette: Mask, chroma: Chroma
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colour shares (11,) of the upper and the lower part; a thing has an upper part only."""
    unknown = np.full(len(COLOURS), np.nan, np.float32)
    width, height = float(box[2] - box[0]), float(box[3] - box[1])
    if label != "person":
        return _band(box, _THING_SIDES, _THING_BAND, small, silhouette, chroma), unknown
    if width * small.source_per_px[0] > _LYING_ASPECT * height * small.source_per_px[1]:
        return unknown, unknown
    upper = _band(box, _PERSON_SIDES, _UPPER_BAND, small, silhouette, chroma)
    return upper, _band(box, _PERSON_SIDES, _LOWER_BAND, small, silhouette, chroma)


def _band(
    box: NDArray[np.float64],
    sides: tuple[float, float],
    band: tuple[float, float],
    small: Small,
    silhouette: Mask,
    chroma: Chroma,
) -> NDArray[np.float32]:
    """Colour shares (11,) of a part of a box, of the object's own pixels where enough of them are known."""
    x0, y0, x1, y1 = (float(value) for value in box)
    left, right = (x0 + share * (x1 - x0) for share in sides)
    top, bottom = (y0 + share * (y1 - y0) for share in band)
    scale_x = chroma.luma.shape[1] / small.luma.shape[1]
    scale_y = chroma.luma.shape[0] / small.luma.shape[0]
    columns = slice(int(left * scale_x), math.ceil(right * scale_x))
    rows = slice(int(top * scale_y), math.ceil(bottom * scale_y))
    inner = silhouette[
        int(top) - int(y0) : math.ceil(bottom) - int(y0), int(left) - int(x0) : math.ceil(right) - int(x0)
    ]
    part = chroma.luma[rows, columns]
    if inner.size == 0 or part.size == 0 or inner.mean() < _LEAST_MASK_SHARE:
        return colour_shares(chroma, columns, rows, None)
    mask = cv2.resize(inner.view(np.uint8), part.shape[::-1], interpolation=cv2.INTER_NEAREST).view(np.bool_)
    return colour_shares(chroma, columns, rows, mask)
