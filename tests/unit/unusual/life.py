"""A small made-up life for the judge of the unusual: people who walk to and fro, and whatever else is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np

from pipeline.protocols import Moment
from pipeline.types import Detections, Finding, FrameKey, FrameNote, FrameRef, HealthCondition, Looks, Track

WIDTH, HEIGHT = 640, 360
BEGIN_S = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
LOOK_NAMES = (
    "flow_px_per_s",
    "flow_spread_px_per_s",
    "moving_share",
    "body_angle_deg",
    *(f"flow_hist_{i}_share" for i in range(8)),
)
SCENE_NAMES = ("brightness_luma", "flow_energy_px_per_s")

Person = tuple[int, str, tuple[float, float, float, float], float]
"""id, label, box in pixels, speed in pixels per second."""


def walkers(at_s: float) -> list[Person]:
    """Three people who walk to and fro on ways of their own; a new id at every turn."""
    people = []
    for number in range(3):
        period_s = 16.0 + 3 * number
        turn, phase = divmod(at_s + 5 * number, period_s / 2)
        share = phase / (period_s / 2)
        x = 60 + 500 * (share if int(turn) % 2 == 0 else 1 - share)
        foot = 180 + 50 * number + 3 * math.sin(at_s)
        height = 40 + 0.2 * foot
        width = height * (0.4 + 0.03 * math.sin(5 * at_s + number))
        box = (x - width / 2, foot - height, x + width / 2, foot)
        people.append((100 * number + int(turn) % 90, "person", box, 500 / (period_s / 2)))
    return people


def moment(
    at_s: float,
    people: list[Person],
    *,
    session: int = 1,
    conditions: tuple[HealthCondition, ...] = (),
    has_looks: bool = True,
    brightness: float = 120.0,
    missing_s: float = 0.0,
) -> Moment:
    """What the judge is shown at ``at_s`` seconds after the beginning."""
    boxes = np.array([person[2] for person in people], np.float32).reshape(-1, 4)
    now_s = BEGIN_S + at_s
    key = FrameKey("gate", session, round(at_s * 1000))
    ref = FrameRef(key, 0, Fraction(1, 1000), datetime.fromtimestamp(now_s, UTC), (WIDTH, HEIGHT))
    looks = None
    if has_looks:
        values = [[person[3], person[3] * 0.3, 0.5, 85.0, *([0.125] * 8)] for person in people]
        none = np.zeros((0, 4), np.float32)
        looks = Looks(
            LOOK_NAMES,
            np.array(values, np.float32).reshape(-1, len(LOOK_NAMES)),
            SCENE_NAMES,
            np.array([brightness, 3.0], np.float32),
            none,
            none,
        )
    confidence = np.full(len(people), 0.8, np.float32)
    detections = Detections(boxes, confidence, tuple(person[1] for person in people))
    finding = Finding(ref, FrameNote(conditions=conditions, brightness=brightness), detections, "test", looks)
    tracks = tuple(
        Track(person[0], person[1], 0.8, person[2], now_s - 1, now_s, detection=i) for i, person in enumerate(people)
    )
    return Moment(finding, tracks, missing_s)


def life(
    begin_s: float, end_s: float, who: Callable[[float], list[Person]] = walkers, step_s: float = 0.2, **kwargs: object
) -> Iterator[Moment]:
    """Moments of ``who`` from ``begin_s`` to ``end_s``."""
    for step in range(round((end_s - begin_s) / step_s)):
        at_s = begin_s + step * step_s
        yield moment(at_s, who(at_s), **kwargs)  # type: ignore[arg-type]
