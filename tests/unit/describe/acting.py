"""Scripted scenes for facts: people and things on a real ground, seen by a real pinhole camera."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pipeline.describe.facts import FactsFold
from pipeline.descriptions import COLOURS, Fact, SceneFacts
from pipeline.protocols import Moment
from pipeline.types import Detections, Finding, FrameKey, FrameNote, FrameRef, HealthCondition, Looks, Track, utc_from_s

START_S = 1_790_000_000.0
WH = (1280, 720)
FPS = 5.0
Box = tuple[float, float, float, float]
LOOK_NAMES = (
    *(f"upper_colour.{c}_share" for c in COLOURS),
    *(f"lower_colour.{c}_share" for c in COLOURS),
    "body_angle_deg",
)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera ``height_m`` above the ground that looks down by ``tilt_deg``; ``focal_px`` in pixels."""

    height_m: float = 4.5
    tilt_deg: float = 20.0
    focal_px: float = 0.65 * WH[0]

    def pixel(self, right_m: float, away_m: float, above_m: float = 0.0) -> tuple[float, float]:
        """Where a point of the world is seen."""
        sin, cos = math.sin(math.radians(self.tilt_deg)), math.cos(math.radians(self.tilt_deg))
        drop_m = self.height_m - above_m
        depth_m = away_m * cos + drop_m * sin
        return (
            WH[0] / 2 + self.focal_px * right_m / depth_m,
            WH[1] / 2 + self.focal_px * (drop_m * cos - away_m * sin) / depth_m,
        )

    def box(self, right_m: float, away_m: float, tall_m: float = 1.7, wide_m: float = 0.6) -> Box:
        """The box of something that stands at a place."""
        x, foot = self.pixel(right_m, away_m)
        head = self.pixel(right_m, away_m, tall_m)[1]
        half = abs(self.pixel(right_m + wide_m / 2, away_m)[0] - x)
        return (x - half, head, x + half, foot)


CAMERA = Camera()


@dataclass(frozen=True)
class Actor:
    """Somebody: where the box is at each instant (None: not there), and what the pixels say."""

    id: int
    box: Callable[[float], Box | None]
    label: str = "person"
    colour: str | None = None


def walker(number: int, right_m: float, away_m: float, vx: float = 0.0, vz: float = 0.0, **kwargs: float) -> Actor:
    """A person who walks with a constant velocity, metres per second to the right and away."""
    return Actor(number, lambda t: CAMERA.box(right_m + vx * t, away_m + vz * t, **kwargs))


def bystanders() -> list[Actor]:
    """People at several distances, who walk past one another and by whom the ground is learned."""
    places = ((-5.0, 9.0), (3.5, 12.5), (-7.0, 16.0), (5.0, 21.0))
    return [walker(900 + i, x, z, 1.2) for i, (x, z) in enumerate(places)]


def moments(
    actors: Sequence[Actor],
    seconds: float,
    *,
    fps: float = FPS,
    conditions: tuple[HealthCondition, ...] = (),
    session: int = 1,
    begin_s: float = 0.0,
    camera: str = "cam",
) -> Iterable[Moment]:
    """The moments of a scripted scene with perfect identities."""
    firsts: dict[int, float] = {}
    for n in range(round(seconds * fps)):
        t = begin_s + n / fps
        at_s = START_S + t
        seen = [(actor, box) for actor in actors if (box := actor.box(t)) is not None]
        for actor, _ in seen:
            firsts.setdefault(actor.id, at_s)
        boxes = np.array([box for _, box in seen], np.float32).reshape(-1, 4)
        detections = Detections(boxes, np.full(len(seen), 0.9, np.float32), tuple(a.label for a, _ in seen))
        ref = FrameRef(FrameKey(camera, session, n), n, Fraction(1, 5), utc_from_s(at_s), WH)
        finding = Finding(ref, FrameNote(conditions=conditions, brightness=120.0), detections, "t", _looks(seen))
        tracks = tuple(
            Track(a.id, a.label, 0.9, box, firsts[a.id], at_s, detection=row) for row, (a, box) in enumerate(seen)
        )
        yield Moment(finding, tracks)


def _looks(seen: Sequence[tuple[Actor, Box]]) -> Looks:
    values = np.full((len(seen), len(LOOK_NAMES)), np.nan, np.float32)
    for row, (actor, _) in enumerate(seen):
        if actor.colour is not None:
            values[row, : len(COLOURS)] = 0.0
            values[row, COLOURS.index(actor.colour)] = 0.9
    none = np.zeros((0, 4), np.float32)
    return Looks(LOOK_NAMES, values, (), np.zeros(0, np.float32), none, none)


def facts_after(actors: Sequence[Actor], seconds: float, **fold: object) -> SceneFacts:
    """The facts at the end of a scripted scene."""
    one = FactsFold("cam", **fold)  # type: ignore[arg-type]
    facts = SceneFacts("cam", 0.0, 0.0)
    for moment in moments(actors, seconds):
        facts = one.step(moment)
    return facts


def word(facts: SceneFacts, kind: str, subject: int | None) -> str | None:
    """The one word of a kind about a subject; None for none."""
    found: tuple[Fact, ...] = facts.of(kind, subject)  # type: ignore[arg-type]
    return found[0].value if found else None
