"""Scripted scenes for the alert stage: things with known identities in, the messages of a real stage out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pipeline.alert.settings import AlertSettings
from pipeline.alert.stage import AlertStage, standard_judges
from pipeline.protocols import Json
from pipeline.types import (
    Alert,
    Detections,
    Finding,
    FrameKey,
    FrameNote,
    FrameRef,
    Gate,
    HealthCondition,
    Track,
    utc_from_s,
)

START_S = 1_790_000_000.0  # Monday 2026-09-21 14:13:20 UTC
WH = (640, 360)


@dataclass(frozen=True)
class Thing:
    """Something in view: who it is, what it is, where its box is (source pixels)."""

    id: int
    label: str
    xyxy: tuple[float, float, float, float]
    confidence: float = 0.9


def person(number: int, x: float, foot_y: float = 300, height: float = 100, confidence: float = 0.9) -> Thing:
    """A person whose foot point is (x, foot_y)."""
    return Thing(number, "person", (x - height * 0.2, foot_y - height, x + height * 0.2, foot_y), confidence)


def thing(number: int, label: str, x: float, foot_y: float = 300, size: float = 30, confidence: float = 0.8) -> Thing:
    """A square thing whose foot point is (x, foot_y)."""
    return Thing(number, label, (x - size / 2, foot_y - size, x + size / 2, foot_y), confidence)


def finding(
    t: float,
    things: Sequence[Thing] | None = (),
    *,
    seq: int | None = None,
    session: int = 1,
    gate: Gate = "open",
    conditions: tuple[HealthCondition, ...] = (),
    ended: bool = False,
    source_wh: tuple[int, int] = WH,
    brightness: float = 100.0,
) -> Finding:
    """What detect says at ``t`` seconds after ``START_S``; ``things`` None is a tick. Identities ride in embeddings."""
    seen = None
    if things is not None:
        seen = Detections(
            np.array([each.xyxy for each in things], np.float32).reshape(-1, 4),
            np.array([each.confidence for each in things], np.float32),
            tuple(each.label for each in things),
            np.array([[each.id] for each in things], np.float32).reshape(-1, 1),
        )
    note = FrameNote(
        gate="absent" if things is None else gate, conditions=conditions, ended=ended, brightness=brightness
    )
    key = FrameKey("gate", session, round(t * 100) if seq is None else seq)
    return Finding(
        FrameRef(key, round(t * 90_000), Fraction(1, 90_000), utc_from_s(START_S + t), source_wh), note, seen, "fake/1"
    )


class KnowingTracker:
    """A Tracker that reads identities from the embeddings, so that a test decides who is who."""

    def __init__(self) -> None:
        self._first: dict[int, float] = {}

    def update(self, finding: Finding) -> tuple[Track, ...]:
        seen = finding.detections
        if seen is None or seen.embedding is None:
            return ()
        at_s = finding.ref.at_s
        return tuple(
            Track(
                id=int(seen.embedding[i, 0]),
                label=seen.label[i],
                confidence=float(seen.confidence[i]),
                xyxy=(x1, y1, x2, y2),
                first_at_s=self._first.setdefault(int(seen.embedding[i, 0]), at_s),
                last_at_s=at_s,
            )
            for i, (x1, y1, x2, y2) in enumerate(seen.xyxy.tolist())
        )

    def state(self) -> Json:
        return {"first": {str(i): at_s for i, at_s in self._first.items()}}

    def restore(self, state: Json) -> None:
        self._first = {int(i): at_s for i, at_s in state["first"].items()}


def stage_of(settings: AlertSettings) -> AlertStage:
    """A stage with the standard judges and a knowing tracker."""
    return AlertStage(settings, KnowingTracker(), standard_judges(settings), "cafe", {"describer": "grounded"})


def play(stage: AlertStage, findings: Iterable[Finding]) -> list[Alert]:
    """Every message of ``stage`` over ``findings``."""
    return [alert for each in findings for alert in stage.step(each)]


def scene(
    things_at: Callable[[float], Sequence[Thing]], until_s: float, fps: float = 5.0, from_s: float = 0.0
) -> list[Finding]:
    """Findings at ``fps`` of what ``things_at(t)`` shows from ``from_s`` up to ``until_s``, numbered one by one."""
    first, last = round(from_s * fps), round(until_s * fps)
    return [finding(k / fps, things_at(k / fps), seq=k) for k in range(first, last + 1)]


def shown(alerts: Iterable[Alert]) -> list[tuple[str, str, float]]:
    """(phase, kind, seconds after the start) of each message, at the media time it was decided."""
    return [(a.phase, a.kind, round(a.updated_at.timestamp() - START_S, 3)) for a in alerts]


def phases(alerts: Iterable[Alert]) -> list[tuple[str, str]]:
    """(phase, kind) of the opened and closed messages."""
    return [(a.phase, a.kind) for a in alerts if a.phase != "updated"]
