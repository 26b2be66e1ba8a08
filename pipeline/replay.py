"""The whole product in one thread: recorded cameras in, alerts out. The executable diagram of Vedette.

    CameraReader -> Frame -> Detector -> Looker -> Finding -> AlertStage -> Alert
                                                        DescribeRequest ↓ ↑ SceneDescription
                                                            DescribeStage

Live, the arrows are streams on the bus and each box is a process; here they are function calls, in the order of media
time. Both give the same alerts, but that live a model's words arrive when they are ready, and here at the moment that
asks for them. Next files: ``pipeline/ingest/camera.py``, ``pipeline/detect/stage.py``,
``pipeline/alert/stage.py``.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from pipeline.alert.stage import AlertStage
from pipeline.descriptions import DescribeRequest, SceneDescription
from pipeline.detect.stage import add_looks
from pipeline.protocols import Detector, Looker
from pipeline.types import Alert, Detections, Finding, Frame, PacketBatch

__all__ = ["find", "in_order", "replay"]

BATCH = 8
"""Frames given to the detector at once; any number gives the same alerts."""


def replay(
    cameras: Mapping[str, Iterable[Frame | PacketBatch]],
    detector: Detector,
    stages: Mapping[str, AlertStage],
    *,
    looker: Looker | None = None,
    describe: Callable[[DescribeRequest], SceneDescription] | None = None,
    on_finding: Callable[[Finding], None] = lambda _: None,
    batch: int = BATCH,
) -> Iterator[Alert]:
    """Alert revisions of recorded ``cameras`` as media time passes; ``stages`` holds each camera's fold.

    ``describe`` answers what the stages ask; without it the grounded writer's words stand. ``on_finding`` hears of
    every finding when its stage has taken it in. Raises SourceError when a
    recording cannot be read, ModelError when the detector fails.
    """
    frames = _frames_by_media_time(cameras)
    while chunk := list(islice(frames, batch)):
        for finding in find(detector, chunk, looker):
            stage = stages[finding.ref.key.camera]
            yield from stage.step(finding)
            on_finding(finding)
            if describe is not None:
                for request in stage.requests:
                    yield from stage.describe(describe(request))


def find(detector: Detector, frames: Iterable[Frame], looker: Looker | None = None) -> Iterator[Finding]:
    """Findings of ``frames`` in order: one call of the detector for all that have a picture, ticks pass through.

    With a ``looker``, each carries its looks; it has to be shown every picture of a camera, in order.
    """
    frames = list(frames)
    seen = iter(detector.detect([frame for frame in frames if frame.i420 is not None]))
    for frame in frames:
        detections: Detections | None = None if frame.i420 is None else next(seen)
        finding = Finding(frame.ref, frame.note, detections, detector.name)
        yield finding if looker is None else add_looks(looker, frame, finding)


def in_order(alerts: Iterable[Alert]) -> list[Alert]:
    """Alert revisions in the order in which a replay writes them: media time, then camera, id and revision."""
    return sorted(alerts, key=lambda alert: (alert.updated_at, alert.camera, alert.id, alert.revision))


def _frames_by_media_time(cameras: Mapping[str, Iterable[Frame | PacketBatch]]) -> Iterator[Frame]:
    def frames(values: Iterable[Frame | PacketBatch]) -> Iterator[Frame]:
        return (value for value in values if isinstance(value, Frame))

    return heapq.merge(
        *(frames(values) for values in cameras.values()), key=lambda frame: (frame.ref.at_s, frame.ref.key.camera)
    )
