"""The wire form of language: requests to describe a moment, and the checked descriptions that come back.

In: :class:`~pipeline.descriptions.DescribeRequest` or :class:`~pipeline.descriptions.SceneDescription`. Out: the head
and blob of a bus message (the blob is the embedding as little-endian float32), and back, every field checked; sets of
frames that facts share are written once. Next file: ``pipeline/bus/codec.py``.
"""

from __future__ import annotations

from typing import get_args

import numpy as np

from pipeline.bus.head import Head
from pipeline.bus.refs import read_ref, ref_head
from pipeline.descriptions import (
    FACT_KINDS,
    Answer,
    Claim,
    DescribeReason,
    DescribeRequest,
    Fact,
    Language,
    SceneDescription,
    SceneFacts,
    SceneObject,
    Verdict,
)
from pipeline.errors import MessageError
from pipeline.types import FrameKey

__all__ = ["description_parts", "read_description", "read_request", "request_parts"]

MAX_WORDS = 8_000
MAX_OBJECTS = 2_000
MAX_FACTS = 20_000
MAX_FRAMES = 1_000
MAX_LINES = 256
MAX_EMBEDDING = 4_096
_FLOAT = np.dtype("<f4")
_LANGUAGES: tuple[Language, ...] = get_args(Language)
_REASONS: tuple[DescribeReason, ...] = get_args(DescribeReason)
_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


def request_parts(request: DescribeRequest) -> tuple[dict[str, object], bytes]:
    """Head and blob of ``request``. Raises MessageError when it is larger than the bounds above."""
    facts = request.facts
    runs = {frames: number for number, frames in enumerate(dict.fromkeys(fact.frames for fact in facts.facts))}
    if len(facts.objects) > MAX_OBJECTS or len(facts.facts) > MAX_FACTS or any(len(r) > MAX_FRAMES for r in runs):
        raise MessageError(f"request holds {len(facts.objects)} objects and {len(facts.facts)} facts: too many")
    head: dict[str, object] = {
        "ref": ref_head(request.ref),
        "reason": request.reason,
        "score": float(request.score),
        "title": request.title,
        "text": request.text,
        "alert_id": request.alert_id,
        "context": list(request.context),
        "questions": list(request.questions),
        "facts": {
            "camera": facts.camera,
            "begin_s": float(facts.begin_s),
            "end_s": float(facts.end_s),
            "objects": [_object_head(one) for one in facts.objects],
            "facts": [_fact_head(fact, runs[fact.frames]) for fact in facts.facts],
            "runs": [{"frames": [[key.session, key.seq] for key in frames]} for frames in runs],
        },
    }
    return head, b""


def read_request(head: Head, blob: bytes) -> DescribeRequest:
    """The request written in ``head``. Raises MessageError, ValueError."""
    if blob:
        raise MessageError(f"request.blob has {len(blob)} bytes, expected 0")
    return DescribeRequest(
        ref=read_ref(head.part("ref")),
        reason=head.one_of("reason", _REASONS),
        score=head.number("score"),
        facts=_read_facts(head.part("facts")),
        title=head.text("title", least=0, most=MAX_WORDS),
        text=head.text("text", least=0, most=MAX_WORDS),
        alert_id=head.optional_text("alert_id"),
        context=head.texts("context", MAX_LINES, most_characters=MAX_WORDS),
        questions=head.texts("questions", MAX_LINES, most_characters=MAX_WORDS),
    )


def description_parts(description: SceneDescription) -> tuple[dict[str, object], bytes]:
    """Head and blob of ``description``. Raises MessageError for an embedding of more than ``MAX_EMBEDDING`` numbers."""
    vector = description.embedding
    if vector is not None and len(vector) > MAX_EMBEDDING:
        raise MessageError(f"embedding has {len(vector)} numbers; at most {MAX_EMBEDDING} are allowed")
    head: dict[str, object] = {
        "ref": ref_head(description.ref),
        "title": description.title,
        "text": description.text,
        "source": description.source,
        "claims": [
            {"text": claim.text, "kind": claim.kind, "verdict": claim.verdict, "reason": claim.reason}
            for claim in description.claims
        ],
        "concerns": list(description.concerns),
        "answers": [{"question": a.question, "probability": float(a.probability)} for a in description.answers],
        "confidence": float(description.confidence),
        "latency_s": float(description.latency_s),
        "alert_id": description.alert_id,
        "language": description.language,
        "embedding_size": None if vector is None else len(vector),
    }
    return head, b"" if vector is None else vector.astype(_FLOAT, copy=False).tobytes()


def read_description(head: Head, blob: bytes) -> SceneDescription:
    """The description written in ``head`` and ``blob``. Raises MessageError, ValueError."""
    size = head.optional_integer("embedding_size", most=MAX_EMBEDDING)
    expected = (size or 0) * _FLOAT.itemsize
    if len(blob) != expected:
        raise MessageError(f"description.blob has {len(blob)} bytes, expected {expected}")
    return SceneDescription(
        ref=read_ref(head.part("ref")),
        title=head.text("title", least=0, most=MAX_WORDS),
        text=head.text("text", least=0, most=MAX_WORDS),
        source=head.text("source"),
        claims=tuple(
            Claim(
                claim.text("text", least=0, most=MAX_WORDS),
                claim.text("kind", least=0),
                claim.one_of("verdict", _VERDICTS),
                claim.text("reason", least=0, most=MAX_WORDS),
            )
            for claim in head.parts("claims", MAX_LINES)
        ),
        concerns=head.texts("concerns", MAX_LINES, most_characters=MAX_WORDS),
        answers=tuple(
            Answer(answer.text("question", most=MAX_WORDS), answer.number("probability"))
            for answer in head.parts("answers", MAX_LINES)
        ),
        confidence=head.number("confidence"),
        latency_s=head.number("latency_s"),
        alert_id=head.optional_text("alert_id"),
        language=head.one_of("language", _LANGUAGES),
        embedding=None if size is None else np.frombuffer(blob, _FLOAT),
    )


def _object_head(one: SceneObject) -> dict[str, object]:
    xyxy_norm = [float(value) for value in one.xyxy_norm]
    return {"id": int(one.id), "label": one.label, "confidence": float(one.confidence), "xyxy_norm": xyxy_norm}


def _fact_head(fact: Fact, run: int) -> dict[str, object]:
    return {
        "kind": fact.kind,
        "value": fact.value,
        "confidence": float(fact.confidence),
        "subject": fact.subject,
        "other_track": fact.other if isinstance(fact.other, int) else None,
        "other_name": fact.other if isinstance(fact.other, str) else None,
        "amount": None if fact.amount is None else float(fact.amount),
        "run": run,
    }


def _read_facts(head: Head) -> SceneFacts:
    camera = head.text("camera")
    runs = [
        tuple(FrameKey(camera, session, seq) for session, seq in run.rows("frames", 2, MAX_FRAMES))
        for run in head.parts("runs", MAX_FACTS)
    ]
    return SceneFacts(
        camera,
        head.number("begin_s"),
        head.number("end_s"),
        tuple(_read_object(one) for one in head.parts("objects", MAX_OBJECTS)),
        tuple(_read_fact(fact, runs) for fact in head.parts("facts", MAX_FACTS)),
    )


def _read_object(head: Head) -> SceneObject:
    x1, y1, x2, y2 = head.numbers("xyxy_norm", 4)
    return SceneObject(head.integer("id"), head.text("label"), head.number("confidence"), (x1, y1, x2, y2))


def _read_fact(head: Head, runs: list[tuple[FrameKey, ...]]) -> Fact:
    other_track = head.optional_integer("other_track", most=2**53)
    return Fact(
        kind=head.one_of("kind", FACT_KINDS),
        value=head.text("value", least=0),
        confidence=head.number("confidence"),
        subject=head.optional_integer("subject", most=2**53),
        other=head.optional_text("other_name") if other_track is None else other_track,
        amount=head.optional_number("amount"),
        frames=runs[head.integer("run", least=0, most=max(0, len(runs) - 1))] if runs else (),
    )
