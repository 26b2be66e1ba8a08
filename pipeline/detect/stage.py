"""Which waiting frames the detector looks at next, and what becomes of the others.

In: entries of each camera's ``frames`` stream, with the moment each began to wait. Out: ``Outcome`` per camera:
findings in order, and the entries that are settled by them. Live, only the newest picture of a camera is looked at,
and only while it is fresh; in replay every picture is, in order. Time is an argument. Next file: ``workers/detect.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from pipeline.protocols import Count, Detector, Entry, Looker
from pipeline.types import Detections, Finding, Frame

__all__ = ["DROPPED", "DetectStage", "Outcome", "add_looks"]

DROPPED = "dropped"
"""Name under which drops are counted. Reasons: ``superseded`` (a newer picture of the camera waits), ``stale`` (it
waited longer than the deadline), ``not_a_frame`` (something else was in the stream)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step settled for a camera: entries to take off its stream, and the findings that came of them.

    ``entry_ids`` are in the order of the stream; some left no finding because they were dropped (and counted).
    ``frames`` are those of the findings, one each, for whoever measures their pixels further.
    """

    camera: str
    entry_ids: tuple[str, ...]
    findings: tuple[Finding, ...]
    frames: tuple[Frame, ...]

    def looked_at(self, looker: Looker) -> Outcome:
        """The same with the looks of every picture in its finding. Call it once per outcome, in their order."""
        findings = (add_looks(looker, frame, one) for frame, one in zip(self.frames, self.findings, strict=True))
        return replace(self, findings=tuple(findings))


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An entry in its place; ``frame`` is None once it is dropped, ``since_s`` is None for a recording's."""

    entry_id: str
    frame: Frame | None
    since_s: float | None

    @property
    def picture(self) -> Frame | None:
        """The frame, if there is something to look at."""
        return self.frame if self.frame is not None and self.frame.i420 is not None else None


@dataclass(slots=True)
class _Queue:
    """What one camera has waiting, oldest first, and its place in the order of service (0: never served)."""

    waiting: list[_Waiting] = field(default_factory=list)
    last_turn: int = 0


class DetectStage:
    """Frames of many cameras in, findings out, one batch of at most ``max_batch`` pictures per step.

    Cameras take turns: the one served longest ago comes first, so none starves however many wait. Ticks (frames
    without a picture) and the end of a recording always become findings, in their place among the camera's pictures.

    ``max_age_s`` is how long a live picture may wait before it is dropped unseen. Pictures of a recording are never
    dropped, and a batch may hold several of one camera. Same offers and times, same outcomes.
    """

    def __init__(self, detector: Detector, count: Count, *, max_batch: int, max_age_s: float) -> None:
        if max_batch < 1:
            raise ValueError(f"max_batch: expected at least 1, got {max_batch}")
        if not max_age_s > 0:
            raise ValueError(f"max_age_s: expected more than 0, got {max_age_s}")
        self._detector = detector
        self._count = count
        self._max_batch = max_batch
        self._max_age_s = max_age_s
        self._queues: dict[str, _Queue] = {}
        self._turn = 0

    @property
    def has_waiting(self) -> bool:
        """Whether another :meth:`step` would settle something."""
        return any(queue.waiting for queue in self._queues.values())

    def offer(self, camera: str, entry: Entry, since_s: float | None) -> None:
        """Let an entry of ``camera`` wait; entries of a camera come in the order of its stream.

        ``since_s`` is the moment from which its age counts (its media time, or when it arrived), on the clock that
        :meth:`step` is given; None for a recording, which waits as long as it takes.
        """
        frame = entry.message if isinstance(entry.message, Frame) else None
        if frame is None:
            self._count(DROPPED, camera, "not_a_frame")
        self._queues.setdefault(camera, _Queue()).waiting.append(_Waiting(entry.id, frame, since_s))

    def forget(self, camera: str) -> None:
        """Leave a camera to another worker: what waits here stays on its stream."""
        self._queues.pop(camera, None)

    def step(self, now_s: float) -> list[Outcome]:
        """Drop what is due, look at one batch, and say what is settled, camera by camera; [] when nothing waits.

        Raises InferenceError when the detector fails; then everything but drops waits on unchanged.
        """
        for camera, queue in self._queues.items():
            self._shed(camera, queue, now_s)
        turns = self._turns()
        pictures = [one.picture for _, one in turns if one.picture is not None]
        found = self._detector.detect(pictures) if pictures else []
        seen: dict[tuple[str, str], Detections] = {}
        for (camera, one), detections in zip(turns, found, strict=True):
            seen[camera, one.entry_id] = detections
            self._turn += 1
            self._queues[camera].last_turn = self._turn
        outcomes = [self._settle(camera, queue, seen) for camera, queue in self._queues.items()]
        return [outcome for outcome in outcomes if outcome.entry_ids]

    def _shed(self, camera: str, queue: _Queue, now_s: float) -> None:
        """Keep at most the newest live picture, and that only while it is fresh; ticks and ends stay."""
        is_newest = True
        for place, one in reversed(list(enumerate(queue.waiting))):
            if one.picture is None or one.since_s is None:
                continue
            is_stale = now_s - one.since_s > self._max_age_s
            if (is_stale or not is_newest) and not one.picture.note.ended:
                self._count(DROPPED, camera, "stale" if is_newest else "superseded")
                queue.waiting[place] = replace(one, frame=None)
            is_newest = False

    def _turns(self) -> list[tuple[str, _Waiting]]:
        """The pictures of the next batch: cameras in turn, the one served longest ago first, then who waits longest."""
        pictures = {
            camera: [one for one in queue.waiting if one.picture is not None] for camera, queue in self._queues.items()
        }
        order = sorted(
            (camera for camera in pictures if pictures[camera]),
            key=lambda camera: (self._queues[camera].last_turn, pictures[camera][0].since_s or 0.0, camera),
        )
        return list(islice(_interleave({camera: pictures[camera] for camera in order}), self._max_batch))

    def _settle(self, camera: str, queue: _Queue, seen: Mapping[tuple[str, str], Detections]) -> Outcome:
        """Move one camera's ticks, drops and looked-at pictures into its outcome, up to the first that waits on."""
        findings: list[Finding] = []
        frames: list[Frame] = []
        entry_ids: list[str] = []
        for one in queue.waiting:
            detections = seen.get((camera, one.entry_id))
            if one.picture is not None and detections is None:
                break
            if one.frame is not None:
                findings.append(Finding(one.frame.ref, one.frame.note, detections, self._detector.name))
                frames.append(one.frame)
            entry_ids.append(one.entry_id)
        del queue.waiting[: len(entry_ids)]
        return Outcome(camera, tuple(entry_ids), tuple(findings), tuple(frames))


def add_looks(looker: Looker, frame: Frame, finding: Finding) -> Finding:
    """``finding`` of ``frame`` with its looks; a tick's as it is. Every picture of a camera has to pass, in order."""
    if finding.detections is None:
        return finding
    detections, looks = looker.look(frame, finding.detections)
    return replace(finding, detections=detections, looks=looks)


def _interleave(pictures: Mapping[str, Sequence[_Waiting]]) -> Iterator[tuple[str, _Waiting]]:
    """The first picture of each camera in turn, then the second of each that has one, and so on."""
    for place in range(max(map(len, pictures.values()), default=0)):
        for camera, waiting in pictures.items():
            if place < len(waiting):
                yield camera, waiting[place]
