"""Requests to describe, as the alert stage would make them."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from pipeline.descriptions import DescribeRequest, Fact, SceneFacts, SceneObject
from pipeline.types import FrameKey, FrameRef

__all__ = ["AT", "person", "request"]

AT = datetime(2026, 11, 24, 3, 15, 12, tzinfo=UTC)


def person(track: int = 7, xyxy_norm: tuple[float, float, float, float] = (0.4, 0.3, 0.5, 0.8)) -> SceneObject:
    return SceneObject(track, "person", 0.9, xyxy_norm)


def request(
    *objects: SceneObject,
    facts: tuple[Fact, ...] = (),
    camera: str = "gate",
    window_s: float = 3.0,
    at: datetime = AT,
    **changes: Any,
) -> DescribeRequest:
    ref = FrameRef(FrameKey(camera, 1, 42), 0, Fraction(1, 90_000), at, (640, 360))
    scene = SceneFacts(camera, ref.at_s - window_s, ref.at_s, objects, facts)
    asked: dict[str, Any] = {
        "ref": ref,
        "reason": "alert",
        "score": 0.9,
        "facts": scene,
        "title": "A person in the yard",
        "text": "One person is in the yard.",
    }
    return DescribeRequest(**{**asked, **changes})
