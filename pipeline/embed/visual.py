"""Looks: what the pixels of a frame say beyond boxes. In: analysis frames with their detections, each camera's in
order. Out: :class:`~pipeline.types.Looks`, one row per detection and a few numbers for the whole frame.

Per detection: flow (speed, direction, spread, histogram), colours of upper and lower clothing, the angle of the body,
sharpness. Per frame: light, colour, flow energy, rain, blobs that move outside every box and blobs that came to rest.
Everything is measured on a picture of about 240 pixels a side, colours at half the analysis size. What cannot be
measured is NaN: no flow without a picture of the last second, no colour in infrared, no angle of a round blob.
Next files: ``rows.py``, ``flow.py``, ``blobs.py``, ``colour.py``.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embed.appearance import DIMENSIONS, appearance
from pipeline.embed.blobs import Background
from pipeline.embed.colour import Chroma
from pipeline.embed.flow import Flow, FlowMeter
from pipeline.embed.rain import rain_share
from pipeline.embed.rows import LOOK_NAMES, look_at
from pipeline.embed.small import Small
from pipeline.embed.view import View
from pipeline.types import Detections, Frame, FrameKey, Looks

__all__ = ["LOOK_NAMES", "SCENE_NAMES", "VisualLooker"]

SCENE_NAMES = ("brightness_luma", "saturation_share", "flow_energy_px_per_s", "moving_share", "rain_share")
"""Columns of ``Looks.scene_values``: mean luma 0..255, share of the picture that carries colour, mean speed over the
whole picture in source pixels per second, moving share of the picture, share of its places where drops flashed up (see
``rain.py``: under 0.05 when it is dry)."""

_LEAST_SIDE_PX = 16
_MOST_BOXES = 64
_LEAST_BOX_PX = 3.0
_LEAST_APPEARANCE_WH = (8, 12)  # analysis pixels
_REFRESH_S = 0.5

Mask = NDArray[np.bool_]


class VisualLooker:
    """Implements :class:`~pipeline.protocols.Looker`. Bounded state per camera: eight small pictures and a background.

    Not for two threads at once. Sets OpenCV to one thread, because its flow depends on how many share the work.
    """

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        self._flow = FlowMeter()
        self._views: dict[str, View] = {}

    def look(self, frame: Frame, detections: Detections) -> tuple[Detections, Looks]:
        """``detections``, every half second with embeddings, and the looks of ``frame``.

        An embedding is :func:`~pipeline.embed.appearance.appearance`, zeros for a box too small to have one. A new
        session, another picture size or a clock that went back starts the camera over. Raises ValueError for a tick.
        """
        small = Small.of(frame)
        if frame.i420 is None or min(small.luma.shape) < _LEAST_SIDE_PX:
            return detections, _blind(len(detections))
        view, is_foreground = self._view(frame, small)
        boxes = small.boxes(detections)
        is_free = small.outside(boxes)
        flow = self._flow.measure(small.luma, view.at_s, view.past, is_free, small.source_per_px)
        rain = rain_share(small.luma, view.at_s, view.past)
        view.remember(small.luma)
        chroma = Chroma.of(frame.i420)
        values = np.full((len(detections), len(LOOK_NAMES)), np.nan, np.float32)
        for row in _looked_at(detections):
            label, box = detections.label[row], boxes[row]
            if min(box[2] - box[0], box[3] - box[1]) >= _LEAST_BOX_PX:
                values[row] = look_at(label, box, small, flow, is_foreground, chroma)
        return _with_appearance(frame.i420, detections, frame.ref.source_wh, chroma, view), Looks(
            names=LOOK_NAMES,
            values=values,
            scene_names=SCENE_NAMES,
            scene_values=_scene_values(small, flow, chroma, rain),
            moving_xyxy=small.to_source(_moving(view, flow, is_foreground, is_free)),
            still_xyxy=small.to_source(view.background.still_xyxy(small.luma, is_free)),
        )

    def forget(self, camera: str) -> None:
        """Another worker has this camera now."""
        self._views.pop(camera, None)

    def memory(self, camera: str) -> bytes:
        """What is remembered of ``camera``; empty when that is nothing."""
        view = self._views.get(camera)
        return b"" if view is None else view.to_bytes()

    def recall(self, camera: str, memory: bytes, upcoming: FrameKey) -> bool:
        """Continue ``camera`` from ``memory`` if that is from before the ``upcoming`` frame of the same session.

        A damaged memory, or one of another version, is as good as none.
        """
        try:
            view = View.from_bytes(memory)
        except ValueError:
            return False
        if (view.session, upcoming.camera) != (upcoming.session, camera) or view.seq >= upcoming.seq:
            return False
        self._views[camera] = view
        return True

    def _view(self, frame: Frame, small: Small) -> tuple[View, Mask]:
        """The camera's memory, begun anew where it does not fit, and the foreground of this picture."""
        key, at_s = frame.ref.key, frame.ref.at_s
        view = self._views.get(key.camera)
        if view is None or not view.precedes(key, at_s) or view.size_wh != frame.size_wh:
            view = View(key.session, key.seq, frame.size_wh, at_s, Background(small.luma, at_s))
            self._views[key.camera] = view
            return view, np.zeros(small.luma.shape, np.bool_)
        view.seq, view.at_s = key.seq, at_s
        return view, view.background.update(small.luma, at_s)


def _looked_at(detections: Detections) -> NDArray[np.intp]:
    """Rows of the detections that are looked at: the most confident ones, when there are very many."""
    return np.argsort(-detections.confidence, kind="stable")[:_MOST_BOXES]


def _with_appearance(
    i420: NDArray[np.uint8], detections: Detections, source_wh: tuple[int, int], chroma: Chroma, view: View
) -> Detections:
    """``detections`` with embeddings when it is time for them; a detector's own are kept."""
    is_due = view.at_s - view.refreshed_at_s >= _REFRESH_S
    if not is_due or detections.embedding is not None or len(detections) == 0:
        return detections
    view.refreshed_at_s = view.at_s
    width, height = view.size_wh
    scale_x, scale_y = (side / whole if whole > 0 else 1.0 for side, whole in zip(view.size_wh, source_wh, strict=True))
    boxes = (detections.xyxy * (scale_x, scale_y, scale_x, scale_y)).clip(0.0, (width, height, width, height))
    embedding = np.zeros((len(detections), DIMENSIONS), np.float32)
    for row in _looked_at(detections):
        x0, y0, x1, y1 = (int(side) for side in np.rint(boxes[row]))
        if x1 - x0 >= _LEAST_APPEARANCE_WH[0] and y1 - y0 >= _LEAST_APPEARANCE_WH[1]:
            embedding[row] = appearance(i420[:height], chroma, slice(x0, x1), slice(y0, y1))
    return replace(detections, embedding=embedding)


def _moving(view: View, flow: Flow | None, is_foreground: Mask, is_free: Mask) -> NDArray[np.float32]:
    if flow is None:
        view.moving.forget()
        return np.zeros((0, 4), np.float32)
    return view.moving.update(flow.is_moving, is_foreground, is_free)


def _scene_values(small: Small, flow: Flow | None, chroma: Chroma, rain: float) -> NDArray[np.float32]:
    """The columns of ``SCENE_NAMES``."""
    energy = moving = math.nan
    if flow is not None:
        energy, moving = float(flow.speed.mean()), float(flow.is_moving.mean())
    return np.asarray([float(small.luma.mean()), chroma.saturation_share, energy, moving, rain], np.float32)


def _blind(count: int) -> Looks:
    """Looks of a picture too small to say anything."""
    none = np.zeros((0, 4), np.float32)
    unknown = np.full((count, len(LOOK_NAMES)), np.nan, np.float32)
    return Looks(LOOK_NAMES, unknown, SCENE_NAMES, np.full(len(SCENE_NAMES), np.nan, np.float32), none, none)
