"""The values of language: facts measured in a scene, the request to describe it, and the checked description.

In: tracks, zones and pixels become :class:`SceneFacts` (``pipeline/describe/facts.py``); a :class:`DescribeRequest`
carries them to whoever writes; a :class:`SceneDescription` comes back with a verdict for each of its claims. Words in
facts are the vocabulary below, so that writers, verifiers, rules and models mean the same by them.
Next file: ``pipeline/protocols.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.types import FrameKey, FrameRef

__all__ = [
    "COLOURS",
    "FACT_KINDS",
    "Answer",
    "Claim",
    "DescribeReason",
    "DescribeRequest",
    "Fact",
    "FactKind",
    "Language",
    "Prompt",
    "Reply",
    "SceneDescription",
    "SceneFacts",
    "SceneObject",
    "Verdict",
]

COLOURS = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
"""The eleven basic colour terms of English (Berlin and Kay, 1969)."""

FactKind = Literal[
    "count",  # scene: value label, amount how many
    "colour",  # object: a person's upper clothing, a vehicle's or a thing's colour
    "lower_colour",  # person: lower clothing
    "size",  # object: small|medium|large for its class
    "posture",  # person: upright|bent|lying
    "speed",  # object: still|slow|walking|running for people and animals, still|slow|moving|fast for vehicles
    "heading",  # object: towards|away|left|right, as the camera sees it
    "zone",  # object: inside|entering|leaving, other the zone's name
    "dwell",  # object: value scene|zone, other the zone's name or None, amount seconds
    "relation",  # two objects: approaching|meeting|following|dispersing|beside, other the second track's id
    "thing",  # who did it, None when gone or unknown: carrying|left|taken, other the thing's track id, or its label
    "light",  # scene: day (bright, also by lamps: never sure)|dim|dark|infrared
    "weather",  # scene: rain|fog|clear
    "health",  # scene: a HealthCondition that held
]
FACT_KINDS: tuple[FactKind, ...] = get_args(FactKind)
Language = Literal["en", "zh"]
Verdict = Literal["supported", "unverifiable", "contradicted"]
DescribeReason = Literal["alert", "scene_change", "periodic"]


def _require_share(what: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{what}: expected 0..1, got {value}")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was measured. ``subject``: a track id, None for the scene; ``confidence`` 0..1.

    ``value`` is a word of its kind (see :data:`FactKind`), ``other`` the second track's id or a zone's name, ``amount``
    a number in the unit of the kind (how many, seconds). ``frames`` are those it was measured in, oldest first.
    """

    kind: FactKind
    value: str
    confidence: float
    subject: int | None = None
    other: int | str | None = None
    amount: float | None = None
    frames: tuple[FrameKey, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in FACT_KINDS:
            raise ValueError(f"fact kind: expected one of {', '.join(FACT_KINDS)}, got {self.kind!r}")
        _require_share("fact confidence", self.confidence)


@dataclass(frozen=True, slots=True)
class SceneObject:
    """A tracked object as it was last seen in the window; ``xyxy_norm`` is 0..1 of the source frame."""

    id: int
    label: str
    confidence: float
    xyxy_norm: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class SceneFacts:
    """Everything measured in one window of media time of one camera, ``begin_s`` to ``end_s`` (UTC seconds)."""

    camera: str
    begin_s: float
    end_s: float
    objects: tuple[SceneObject, ...] = ()
    facts: tuple[Fact, ...] = ()

    def of(self, kind: FactKind, subject: int | None = None) -> tuple[Fact, ...]:
        """Facts of one kind about one subject (None: the scene)."""
        return tuple(fact for fact in self.facts if fact.kind == kind and fact.subject == subject)

    def label(self, subject: int) -> str:
        """What track ``subject`` is. Raises KeyError for one that is not in the scene."""
        for one in self.objects:
            if one.id == subject:
                return one.label
        raise KeyError(subject)


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of a text held against the facts; ``reason`` says by which, in words."""

    text: str
    kind: str
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer to one of the site's yes/no questions; ``probability`` of yes, 0..1."""

    question: str
    probability: float

    def __post_init__(self) -> None:
        _require_share("answer probability", self.probability)


@dataclass(frozen=True, slots=True)
class DescribeRequest:
    """Asks for words about a moment. Comes out of the alert stage's fold, so it is the same in every replay.

    ``score`` 0..1 orders requests of one reason. ``title`` and ``text`` are the grounded writer's, which stand when no
    model answers. ``context`` is what the owner says of the site; ``questions`` are yes/no.
    """

    ref: FrameRef
    reason: DescribeReason
    score: float
    facts: SceneFacts
    title: str
    text: str
    alert_id: str | None = None
    context: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_share("request score", self.score)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SceneDescription:
    """Checked words about a moment. ``text`` holds no contradicted claim; ``claims`` lists those too.

    ``source`` is ``grounded``, ``vlm:NAME`` or ``server:NAME``. ``embedding`` (D,) float32 unit vector of the text, or
    None. ``confidence`` 0..1 is the writer's own; ``latency_s`` is wall time and decides nothing.
    """

    ref: FrameRef
    title: str
    text: str
    source: str
    claims: tuple[Claim, ...] = ()
    concerns: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    confidence: float = 1.0
    latency_s: float = 0.0
    alert_id: str | None = None
    language: Language = "en"
    embedding: NDArray[np.float32] | None = field(default=None)

    def __post_init__(self) -> None:
        _require_share("description confidence", self.confidence)
        if self.embedding is not None:
            embedding = np.asarray(self.embedding, np.float32).view()
            if embedding.ndim != 1 or not np.isfinite(embedding).all():
                raise ValueError(f"description embedding: expected (D,) finite numbers, got shape {embedding.shape}")
            embedding.flags.writeable = False
            object.__setattr__(self, "embedding", embedding)

    def __repr__(self) -> str:
        return f"SceneDescription({self.ref.key}, source={self.source!r}, title={self.title!r})"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Prompt:
    """What a language model is given. ``images``: RGB uint8 arrays (H, W, 3); ``schema``: JSON Schema of the reply."""

    system: str
    user: str
    images: tuple[NDArray[np.uint8], ...] = ()
    schema: dict[str, Any] | None = None
    max_tokens: int = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """What a language model said, unchecked, and what it cost."""

    text: str
    prompt_tokens: int = 0
    reply_tokens: int = 0
    latency_s: float = 0.0
