"""Chooses the one to four pictures a language model sees. In: a request and native frames; out: small RGB pictures.

First the things the request is about, cut from the native picture, where a face or a hand still has pixels; then the
whole scene, for place and company; then, if more are wanted, the same cut earlier in the window, for what changed. What
the owner hides is made unrecognisable (``pipeline/describe/privacy.py``) in the whole native frame, before anything is
cut or scaled. :func:`take` gets the frames from the packets on the bus, :func:`choose` works on frames already there.
Next file: ``pipeline/describe/prompts.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.describe.privacy import hidden
from pipeline.describe.settings import PictureSettings, PrivacySettings
from pipeline.descriptions import DescribeRequest, SceneObject
from pipeline.errors import SourceError
from pipeline.types import PacketBatch
from pipeline.video.window import pixels_at

__all__ = ["ModelPicture", "Shot", "choose", "moments", "take"]

_Box = tuple[int, int, int, int]

_MARGIN = 0.35  # of the longer edge, around what is cut out: hands, what is carried, the ground stood on
_MIN_CUT_NORM = 0.12  # of the frame's edges; a tinier cut is a blur without surroundings
_MAX_CUT_NORM = 0.7  # of both edges; a larger cut shows what the whole scene shows
_MAX_OBJECTS = 6  # in one cut; with more the cut is about the surest ones
_MAX_DRIFT_S = 0.25  # between the boxes and the pixels that people are hidden in
_MIN_STEP_S = 0.4  # between two cuts; closer ones show the same


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Shot:
    """A native frame (H, W, 3) uint8 BGR, upright, and its media time in UTC seconds."""

    bgr: NDArray[np.uint8]
    at_s: float

    def __post_init__(self) -> None:
        if self.bgr.ndim != 3 or self.bgr.shape[2] != 3 or 0 in self.bgr.shape:
            raise ValueError(f"shot: expected (H, W, 3) BGR pixels, got shape {self.bgr.shape}")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ModelPicture:
    """What a model sees: (H, W, 3) uint8 RGB with everything hidden that has to be, and what it is, in words."""

    rgb: NDArray[np.uint8]
    caption: str
    at_s: float

    def __repr__(self) -> str:
        return f"ModelPicture({self.caption!r}, {self.rgb.shape[1]}x{self.rgb.shape[0]})"


def moments(request: DescribeRequest, pictures: PictureSettings, privacy: PrivacySettings) -> tuple[float, ...]:
    """Media times of the frames wanted, the request's own first, then earlier ones of its window, newest first.

    Where people are hidden there is only the first: of earlier frames nobody knows where they were.
    """
    now_s = request.ref.at_s
    window_s = now_s - request.facts.begin_s
    extra = pictures.max_pictures - 2
    if extra < 1 or privacy.people != "none" or window_s < _MIN_STEP_S or not _objects(request):
        return (now_s,)
    count = min(extra, int(window_s / _MIN_STEP_S))
    return (now_s, *(now_s - window_s * step / count for step in range(1, count + 1)))


def take(
    batches: Sequence[PacketBatch],
    request: DescribeRequest,
    pictures: PictureSettings,
    privacy: PrivacySettings,
    *,
    rotation: int = 0,
) -> tuple[ModelPicture, ...]:
    """Pictures for ``request`` out of the camera's packets (oldest first, back to a key frame before the moment).

    Earlier moments that the packets no longer hold are left out. Raises SourceError when the moment itself is gone, or
    when people are to be hidden and no frame is near enough to their boxes.
    """
    shots: list[Shot] = []
    for at_s in moments(request, pictures, privacy):
        try:
            bgr, frame_at_s = pixels_at(batches, at_s, rotation=rotation, max_distance_s=1.0)
        except SourceError:
            if not shots:
                raise
            continue
        if all(abs(frame_at_s - shot.at_s) >= _MIN_STEP_S / 2 for shot in shots):
            shots.append(Shot(bgr, frame_at_s))
    return choose(shots, request, pictures, privacy)


def choose(
    shots: Sequence[Shot], request: DescribeRequest, pictures: PictureSettings, privacy: PrivacySettings
) -> tuple[ModelPicture, ...]:
    """One to ``max_pictures`` pictures of ``shots`` (the request's moment first), nothing hidden left in them.

    With room for one picture only, it is the whole scene. Raises SourceError for no shots, and when people are to be
    hidden in a frame too far in time from where they were.
    """
    if not shots:
        raise SourceError("There is no frame to describe.")
    now, *earlier = shots
    objects = _objects(request)
    frames = [_private(now, request, privacy, 0.0)]
    cut = _cut_around(objects, now) if pictures.max_pictures > 1 else None
    chosen: list[ModelPicture] = []
    if cut is not None:
        chosen.append(_picture(frames[0], cut, f"{_names(objects)}, enlarged from the whole scene", now.at_s, pictures))
    chosen.append(_picture(frames[0], None, "the whole scene", now.at_s, pictures))
    for shot in earlier[: pictures.max_pictures - len(chosen)]:
        before_s = now.at_s - shot.at_s
        caption = f"the enlarged part {before_s:.1f} s earlier" if cut else f"the whole scene {before_s:.1f} s earlier"
        chosen.append(_picture(_private(shot, request, privacy, before_s), cut, caption, shot.at_s, pictures))
    return tuple(chosen)


def _private(shot: Shot, request: DescribeRequest, privacy: PrivacySettings, before_s: float) -> NDArray[np.uint8]:
    regions = [region.polygon_norm for region in privacy.regions if region.camera == request.facts.camera]
    if privacy.people == "none":
        return hidden(shot.bgr, regions, (), privacy.people)
    if before_s > 0 or abs(shot.at_s - request.ref.at_s) > _MAX_DRIFT_S:
        raise SourceError("The frame is too far in time from the people who have to be hidden in it.")
    people = [one.xyxy_norm for one in request.facts.objects if one.label == "person"]
    return hidden(shot.bgr, regions, people, privacy.people)


def _objects(request: DescribeRequest) -> tuple[SceneObject, ...]:
    """What the pictures are about: people first, then the surest."""
    ranked = sorted(request.facts.objects, key=lambda one: (one.label != "person", -one.confidence, one.id))
    return tuple(ranked[:_MAX_OBJECTS])


def _names(objects: Sequence[SceneObject]) -> str:
    counts: dict[str, int] = {}
    for one in objects:
        counts[one.label] = counts.get(one.label, 0) + 1
    return ", ".join(f"{count} x {label}" if count > 1 else label for label, count in counts.items())


def _cut_around(objects: Sequence[SceneObject], shot: Shot) -> _Box | None:
    """Pixels (x0, y0, x1, y1) around all of ``objects``, or the first, or None where a cut would show nothing more."""
    for group in (objects, objects[:1]):
        if not group:
            return None
        cut = _widened(np.array([one.xyxy_norm for one in group], np.float64), shot)
        width, height = cut[2] - cut[0], cut[3] - cut[1]
        if max(width / shot.bgr.shape[1], height / shot.bgr.shape[0]) <= _MAX_CUT_NORM:
            return cut
    return None


def _widened(xyxy_norm: NDArray[np.float64], shot: Shot) -> _Box:
    height, width = shot.bgr.shape[:2]
    size = np.array([width, height], np.float64)
    low, high = xyxy_norm[:, :2].min(axis=0) * size, xyxy_norm[:, 2:].max(axis=0) * size  # (N, 4) -> (2,), (2,)
    half = (high - low) / 2 + _MARGIN * (high - low).max() / 2
    half = np.maximum(half, _MIN_CUT_NORM * size.max() / 2)
    half = np.minimum(half, size / 2)
    middle = np.clip((low + high) / 2, half, size - half)
    x0, y0 = np.floor(middle - half).astype(int)
    x1, y1 = np.ceil(middle + half).astype(int)
    return max(0, x0), max(0, y0), min(width, x1), min(height, y1)


def _picture(
    bgr: NDArray[np.uint8], cut: _Box | None, caption: str, at_s: float, pictures: PictureSettings
) -> ModelPicture:
    if cut is not None:
        bgr = bgr[cut[1] : cut[3], cut[0] : cut[2]]
    height, width = bgr.shape[:2]
    scale = min(1.0, pictures.max_edge / max(height, width))
    if scale < 1:
        size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
        bgr = np.asarray(cv2.resize(bgr, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    rgb = np.ascontiguousarray(bgr[:, :, ::-1])
    rgb.flags.writeable = False
    return ModelPicture(rgb, caption, at_s)
