"""Moments made of facts: who is in view, what was measured of them, and what was said."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.alert.settings import AlertSettings, Zone
from pipeline.alert.watch.compile import compile_sentence
from pipeline.alert.watch.judge import WatchJudge
from pipeline.descriptions import Answer, Fact, FactKind, SceneDescription, SceneFacts, SceneObject
from pipeline.protocols import Moment, Suspicion, TextEncoder
from pipeline.types import HealthCondition, Track
from tests.unit.alert.acting import START_S, finding

ZONES = ("yard", "road")


def judge_of(*sentences: str, encoder: TextEncoder | None = None) -> WatchJudge:
    """A judge of these sentences on a camera with two zones."""
    rules = tuple(compile_sentence(one, zones=ZONES).rule for one in sentences)
    zones = tuple(Zone(name, ((0, 0), (1, 0), (1, 1))) for name in ZONES)
    return WatchJudge(AlertSettings("gate", zones=zones, rules=rules), encoder)


def fact(
    kind: FactKind,
    value: str,
    subject: int | None = 1,
    other: int | str | None = None,
    amount: float | None = None,
    sureness: float = 0.9,
) -> Fact:
    """Something measured."""
    return Fact(kind, value, sureness, subject, other, amount)


def moment(
    facts: Sequence[Fact] = (),
    *,
    them: Sequence[tuple[int, str]] = ((1, "person"),),
    t: float = 0.0,
    words: SceneDescription | None = None,
    conditions: tuple[HealthCondition, ...] = (),
    gone: Sequence[int] = (),
) -> Moment:
    """``them`` in view at ``t`` seconds, but for those ``gone``, and what was measured."""
    seen = finding(t, (), conditions=conditions)
    box = (10.0, 10.0, 40.0, 90.0)
    tracks = tuple(Track(i, label, 0.9, box, START_S, START_S + t) for i, label in them if i not in gone)
    objects = tuple(SceneObject(i, label, 0.9, (0.1, 0.1, 0.2, 0.5)) for i, label in them)
    return Moment(seen, tracks, 0.0, SceneFacts("gate", START_S, START_S + t, objects, tuple(facts)), words)


def said(text: str, *answers: Answer, t: float = 0.0, source: str = "vlm:test") -> SceneDescription:
    """A description of the moment ``t``."""
    return SceneDescription(finding(t, ()).ref, "A title", text, source, answers=answers)


def names(found: Sequence[Suspicion]) -> list[str | None]:
    """The rules that were broken."""
    return [one.rule for one in found]
