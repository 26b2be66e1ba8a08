"""How right the facts and words are: rendered scenes, whose truth is exact, held against what was measured of them.

In: scenes, and who finds their objects: the truth itself, the truth's boxes behind our tracker, or a detector with our
tracker. Out: a :class:`~pipeline.evaluate.facts_scores.Tally` for each, one look per second. Next files:
``facts_scores.py`` (what is right), ``planting.py`` (lies for the verifier), ``workers/facts_cli.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from random import Random
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.alert.continuity import Continuity
from pipeline.boxes import iou_matrix
from pipeline.describe.facts import FactsFold
from pipeline.evaluate.facts_scores import Look, Past, Tally, is_counted, score
from pipeline.protocols import Detector, Looker, Moment
from pipeline.scenes import FrameTruth, Renderer, Scene, TruthObject
from pipeline.track.bytetrack import ByteTracker
from pipeline.types import Detections, Finding, Frame, FrameKey, FrameNote, FrameRef, HealthCondition, Track, utc_from_s

__all__ = ["Arm", "measure_scene"]

Arm = Literal["truth", "tracked", "detected"]
"""Who finds the objects: exact boxes and identities, exact boxes and our tracker, or a detector and our tracker."""

_FPS = 5.0
_BEGIN_S = 1_790_000_000.0
_ANALYSIS_WIDTH = 640


class _Course:
    """One arm's way through a scene. ``detector`` None: the true boxes."""

    def __init__(
        self,
        scene: Scene,
        renderer: Renderer,
        seed: int,
        looker: Looker,
        detector: Detector | None,
        *,
        is_tracked: bool,
    ) -> None:
        self.tally = Tally()
        self._zones = {zone.name: zone.points_norm for zone in renderer.zones() if len(zone.points_norm) >= 3}
        self._fold = FactsFold(scene.name, self._zones)
        self._past = Past(renderer, scene)
        self._chance = Random(seed)  # noqa: S311  # plants sentences, guards nothing
        self._tracking = (ByteTracker(), Continuity()) if is_tracked else None
        self._detector, self._looker = detector, looker
        self._first_at_s: dict[int, float] = {}
        self._scene = scene

    def step(self, frame: Frame, truth: FrameTruth) -> None:
        """Measure the facts of one frame, and once per second hold them against ``truth``."""
        objects = tuple(one for one in truth.objects if is_counted(one, self._scene.size_wh))
        seen = _detections(objects) if self._detector is None else self._detector.detect([frame])[0]
        seen, looks = self._looker.look(frame, seen)
        finding = Finding(frame.ref, frame.note, seen, "", looks)
        tracks = self._tracks(finding, objects)
        begin = time.process_time()
        facts = self._fold.step(Moment(finding, tracks))
        self.tally.seconds.append(time.process_time() - begin)
        whose = _whose(tracks, objects)
        look = Look(truth, objects, Moment(finding, tracks), whose, is_by_kind=self._detector is not None)
        self._past.add(look)
        if truth.index % self._scene.fps == 0 and truth.camera == "clear":
            score(facts, look, self._past, tuple(self._zones), self._chance, self.tally)

    def _tracks(self, finding: Finding, objects: Sequence[TruthObject]) -> tuple[Track, ...]:
        at_s = finding.ref.at_s
        if finding.note.conditions:
            return ()
        if self._tracking is not None:
            tracker, continuity = self._tracking
            return continuity.follow(tracker.update(finding), at_s, finding.ref.source_wh)
        for one in objects:
            self._first_at_s.setdefault(one.id, at_s)
        return tuple(
            Track(one.id, one.label, 0.9, one.xyxy, self._first_at_s[one.id], at_s, detection=row)
            for row, one in enumerate(objects)
        )


def measure_scene(
    scene: Scene,
    seed: int,
    arms: Sequence[Arm],
    new_looker: Callable[[], Looker],
    detector: Detector | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Mapping[Arm, Tally]:
    """Render ``scene`` at five frames per second, once for all ``arms``; the answers of each.

    ``progress`` is called with (frames done, frames in all). Raises ValueError for arm ``detected`` without a detector.
    """
    if "detected" in arms and detector is None:
        raise ValueError("arm detected: expected a detector")
    renderer = Renderer(scene, seed)
    courses = {
        arm: _Course(
            scene,
            renderer,
            seed,
            new_looker(),
            detector if arm == "detected" else None,
            is_tracked=arm != "truth",
        )
        for arm in arms
    }
    for index in range(0, renderer.frame_count, max(1, round(scene.fps / _FPS))):
        rgb, truth = renderer.frame(index)
        frame = _frame(rgb, truth, scene)
        for course in courses.values():
            course.step(frame, truth)
        if progress is not None:
            progress(index, renderer.frame_count)
    return {arm: course.tally for arm, course in courses.items()}


def _frame(rgb: NDArray[np.uint8], truth: FrameTruth, scene: Scene) -> Frame:
    width = min(_ANALYSIS_WIDTH, rgb.shape[1]) // 4 * 4
    height = round(rgb.shape[0] * width / rgb.shape[1] / 4) * 4
    small = rgb if rgb.shape[:2] == (height, width) else cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    i420 = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2YUV_I420), np.uint8)
    at_s = _BEGIN_S + truth.at_s
    key = FrameKey(scene.name, 1, truth.index)
    ref = FrameRef(key, truth.index, Fraction(1, scene.fps), utc_from_s(at_s), scene.size_wh)
    conditions: tuple[HealthCondition, ...] = (
        ("covered",) if truth.camera == "covered" else ("moved",) if truth.camera == "moved" else ()
    )
    return Frame(ref, FrameNote(conditions=conditions), i420)


def _detections(objects: Sequence[TruthObject]) -> Detections:
    boxes = np.array([one.xyxy for one in objects], np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(len(objects), 0.9, np.float32), tuple(one.label for one in objects))


def _whose(tracks: Sequence[Track], objects: Sequence[TruthObject]) -> dict[int, TruthObject]:
    """Which true object each track is of: the one it covers best, by half at least."""
    if not tracks or not objects:
        return {}
    overlap = iou_matrix(np.array([track.xyxy for track in tracks]), np.array([one.xyxy for one in objects]))
    best = overlap.argmax(axis=1)
    return {
        t.id: objects[best[i]] for i, t in enumerate(tracks) if overlap[i, best[i]] >= 0.5 and t.detection is not None
    }
