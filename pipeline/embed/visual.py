"""Looks: what the pixels of a frame say beyond boxes. In: analysis frames with their detections, each camera's in
order. Out: :class:`~pipeline.types.Looks`, one row per detection and a few numbers for the whole frame.

Per detection: flow (speed, direction, spread, histogram), colours of upper and lower clothing, the angle of the body,
sharpness. Per frame: light, colour, flow energy, rain, blobs that move outside every box and blobs that came to rest.
Everything is measured on a picture of about 240 pixels a side, colours at half the analysis size. What cannot be
measured is NaN: no flow without a picture of the last second, no colour in infrared, no angle of a round blob.
Next files: ``flow.py``, ``blobs.py``, ``colour.py``, ``silhouette.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.descriptions import COLOURS
from pipeline.embed.blobs import Background, MovingBlobs
from pipeline.embed.colour import Chroma, colour_shares
from pipeline.embed.flow import Flow, FlowWatch, flow_of_box
from pipeline.embed.silhouette import body_angle_deg
from pipeline.types import Detections, Frame, Looks

__all__ = ["LOOK_NAMES", "SCENE_NAMES", "VisualLooker"]

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

SCENE_NAMES = ("brightness_luma", "saturation_share", "flow_energy_px_per_s", "moving_share", "rain_share")
"""Columns of ``Looks.scene_values``: mean luma 0..255, share of the picture that carries colour, mean speed over the
whole picture in source pixels per second, moving share of the picture, share of it in which something brief and small
flashed up, as rain and snow do."""

_LONG_SIDE_PX = 240
_LEAST_SIDE_PX = 16
_MOST_BOXES = 64
_LEAST_BOX_PX = 3.0
_AROUND = 0.15  # share of a box's sides by which it is widened before the rest counts as outside
_UPPER_BAND = (0.18, 0.47)  # of a person's box: shirt, below the face
_LOWER_BAND = (0.56, 0.86)  # trousers, above the shoes
_THING_BAND = (0.15, 0.80)
_PERSON_SIDES = (0.25, 0.75)
_THING_SIDES = (0.12, 0.88)
_LYING_ASPECT = 0.9  # width by height of a person's box above which bands say nothing of clothes
_LEAST_MASK_SHARE = 0.3

Mask = NDArray[np.bool_]


@dataclass(slots=True)
class _View:
    """What is remembered of one camera's session."""

    session: int
    size_wh: tuple[int, int]
    at_s: float
    background: Background
    flow: FlowWatch = field(default_factory=FlowWatch)
    moving: MovingBlobs = field(default_factory=MovingBlobs)


@dataclass(frozen=True, slots=True, eq=False)
class _Small:
    """The small picture: ``luma`` (h, w), and how many source pixels one of its pixels is wide and high."""

    luma: NDArray[np.uint8]
    source_per_px: tuple[float, float]


class VisualLooker:
    """Implements :class:`~pipeline.protocols.Looker`. Bounded state per camera: eight small pictures and a background.

    Not for two threads at once. Sets OpenCV to one thread, because its flow depends on how many share the work.
    """

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        self._views: dict[str, _View] = {}

    def look(self, frame: Frame, detections: Detections) -> tuple[Detections, Looks]:
        """``detections`` as they are, and the looks of ``frame``.

        A new session, another picture size or a clock that went back starts the camera over. Raises ValueError for a
        tick.
        """
        if frame.i420 is None:
            raise ValueError(f"{frame.ref.key}: a tick has no picture to look at")
        small = _small(frame)
        if min(small.luma.shape) < _LEAST_SIDE_PX:
            return detections, _blind(len(detections))
        view, is_foreground = self._view(frame, small)
        boxes = _boxes_on(small, detections)
        is_free = _outside(boxes, small.luma.shape)
        flow = view.flow.update(small.luma, frame.ref.at_s, is_free, small.source_per_px)
        chroma = Chroma.of(frame.i420)
        values = np.full((len(detections), len(LOOK_NAMES)), np.nan, np.float32)
        for row in _looked_at(detections):
            label, box = detections.label[row], boxes[row]
            if min(box[2] - box[0], box[3] - box[1]) >= _LEAST_BOX_PX:
                values[row] = _row(label, box, small, flow, is_foreground, chroma)
        return detections, Looks(
            names=LOOK_NAMES,
            values=values,
            scene_names=SCENE_NAMES,
            scene_values=_scene_values(small, flow, chroma),
            moving_xyxy=_to_source(_moving(view, flow, is_foreground, is_free), small),
            still_xyxy=_to_source(view.background.still_xyxy(small.luma, is_free), small),
        )

    def forget(self, camera: str) -> None:
        """Another worker has this camera now."""
        self._views.pop(camera, None)

    def _view(self, frame: Frame, small: _Small) -> tuple[_View, Mask]:
        """The camera's memory, begun anew where it does not fit, and the foreground of this picture."""
        key, at_s = frame.ref.key, frame.ref.at_s
        view = self._views.get(key.camera)
        fits = view is not None and (view.session, view.size_wh) == (key.session, frame.size_wh) and at_s >= view.at_s
        if view is None or not fits:
            view = _View(key.session, frame.size_wh, at_s, Background(small.luma, at_s))
            self._views[key.camera] = view
            return view, np.zeros(small.luma.shape, np.bool_)
        view.at_s = at_s
        return view, view.background.update(small.luma, at_s)


def _small(frame: Frame) -> _Small:
    """The luma averaged over squares of whole pixels, its long side about 240."""
    width, height = frame.size_wh
    side = max(1, math.ceil(max(width, height) / _LONG_SIDE_PX))
    columns, rows = max(width // side, 1), max(height // side, 1)
    i420 = frame.i420
    assert i420 is not None  # the caller has looked  # noqa: S101
    luma = i420[: rows * side, : columns * side]
    small = cv2.resize(luma, (columns, rows), interpolation=cv2.INTER_AREA) if side > 1 else luma
    source_w, source_h = frame.ref.source_wh
    if min(source_w, source_h) <= 0:
        source_w, source_h = width, height
    return _Small(np.ascontiguousarray(small), (side * source_w / width, side * source_h / height))


def _boxes_on(small: _Small, detections: Detections) -> NDArray[np.float64]:
    """Boxes (N, 4) in pixels of the small picture, cut to it."""
    height, width = small.luma.shape
    scale = np.asarray([*small.source_per_px, *small.source_per_px])
    boxes: NDArray[np.float64] = (detections.xyxy / scale).clip(0.0, (width, height, width, height))
    return boxes


def _looked_at(detections: Detections) -> NDArray[np.intp]:
    """Rows of the detections that are looked at: the most confident ones, when there are very many."""
    return np.argsort(-detections.confidence, kind="stable")[:_MOST_BOXES]


def _outside(boxes: NDArray[np.float64], shape: tuple[int, ...]) -> Mask:
    """Pixels (h, w) outside every box and its surroundings."""
    is_free = np.ones(shape, np.bool_)
    for x0, y0, x1, y1 in boxes:
        around_x, around_y = 1.0 + _AROUND * (x1 - x0), 1.0 + _AROUND * (y1 - y0)
        rows = slice(max(int(y0 - around_y), 0), math.ceil(y1 + around_y))
        is_free[rows, max(int(x0 - around_x), 0) : math.ceil(x1 + around_x)] = False
    return is_free


def _row(
    label: str, box: NDArray[np.float64], small: _Small, flow: Flow | None, is_foreground: Mask, chroma: Chroma
) -> NDArray[np.float32]:
    """The columns of ``LOOK_NAMES`` for one box, given in pixels of the small picture."""
    x0, y0, x1, y1 = (float(value) for value in box)
    columns, rows = slice(int(x0), math.ceil(x1)), slice(int(y0), math.ceil(y1))
    flow_values = [math.nan] * len(_FLOW_NAMES) if flow is None else flow_of_box(flow, columns, rows)
    silhouette = is_foreground[rows, columns]
    if flow is not None:
        silhouette = silhouette | flow.is_moving[rows, columns]
    angle = body_angle_deg(silhouette, small.source_per_px[1] / small.source_per_px[0])
    sharpness = float(cv2.Laplacian(small.luma[rows, columns], cv2.CV_16S).std())
    upper, lower = _clothes(label, box, small, silhouette, chroma)
    return np.asarray([*flow_values, angle, sharpness, *upper, *lower], np.float32)


def _clothes(
    label: str, box: NDArray[np.float64], small: _Small, silhouette: Mask, chroma: Chroma
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
    small: _Small,
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


def _moving(view: _View, flow: Flow | None, is_foreground: Mask, is_free: Mask) -> NDArray[np.float32]:
    if flow is None:
        view.moving.forget()
        return np.zeros((0, 4), np.float32)
    return view.moving.update(flow.is_moving, is_foreground, is_free)


def _scene_values(small: _Small, flow: Flow | None, chroma: Chroma) -> NDArray[np.float32]:
    """The columns of ``SCENE_NAMES``."""
    energy = moving = rain = math.nan
    if flow is not None:
        energy, moving = float(flow.speed.mean()), float(flow.is_moving.mean())
    return np.asarray([float(small.luma.mean()), chroma.saturation_share, energy, moving, rain], np.float32)


def _to_source(xyxy: NDArray[np.float32], small: _Small) -> NDArray[np.float32]:
    return xyxy * np.asarray([*small.source_per_px, *small.source_per_px], np.float32)


def _blind(count: int) -> Looks:
    """Looks of a picture too small to say anything."""
    none = np.zeros((0, 4), np.float32)
    unknown = np.full((count, len(LOOK_NAMES)), np.nan, np.float32)
    return Looks(LOOK_NAMES, unknown, SCENE_NAMES, np.full(len(SCENE_NAMES), np.nan, np.float32), none, none)
