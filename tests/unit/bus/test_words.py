"""Requests and descriptions on the wire: exact there and back, and nothing hostile comes through."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.bus import codec
from pipeline.descriptions import (
    COLOURS,
    FACT_KINDS,
    Answer,
    Claim,
    DescribeRequest,
    Fact,
    SceneDescription,
    SceneFacts,
    SceneObject,
)
from pipeline.errors import MessageError
from pipeline.types import FrameKey
from tests.contract.bus_messages import description, facts, ref, request

WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
SHARES = st.floats(0, 1, allow_nan=False)
NAMES = WORDS.filter(bool)
KEYS = st.builds(FrameKey, st.just("gate"), st.integers(0, 2**40), st.integers(0, 2**40))
FACTS = st.builds(
    Fact,
    st.sampled_from(FACT_KINDS),
    st.sampled_from(COLOURS),
    SHARES,
    st.none() | st.integers(0, 2**53),
    st.none() | st.integers(0, 2**53) | NAMES,
    st.none() | st.floats(-1e9, 1e9),
    st.lists(KEYS, max_size=4).map(tuple),
)
BOX = st.tuples(SHARES, SHARES, SHARES, SHARES)
OBJECTS = st.builds(SceneObject, st.integers(0, 2**53), NAMES, SHARES, BOX)
SCENES = st.builds(
    SceneFacts,
    st.just("gate"),
    st.floats(0, 2e9),
    st.floats(0, 2e9),
    st.lists(OBJECTS, max_size=4).map(tuple),
    st.lists(FACTS, max_size=6).map(tuple),
)
REQUESTS = st.builds(
    DescribeRequest,
    st.just(ref(3)),
    st.sampled_from(("alert", "scene_change", "periodic")),
    SHARES,
    SCENES,
    WORDS,
    WORDS,
    st.none() | NAMES,
    st.lists(WORDS, max_size=3).map(tuple),
    st.lists(WORDS, max_size=3).map(tuple),
)
CLAIMS = st.builds(Claim, WORDS, WORDS, st.sampled_from(("supported", "unverifiable", "contradicted")), WORDS)
DESCRIPTIONS = st.builds(
    SceneDescription,
    st.just(ref(3)),
    WORDS,
    WORDS,
    NAMES,
    st.lists(CLAIMS, max_size=3).map(tuple),
    st.lists(WORDS, max_size=3).map(tuple),
    st.lists(st.builds(Answer, NAMES, SHARES), max_size=3).map(tuple),
    SHARES,
    st.floats(0, 1e6),
    st.none() | NAMES,
    st.sampled_from(("en", "zh")),
    st.none() | st.lists(st.floats(-1, 1, width=32), max_size=8).map(lambda v: np.array(v, np.float32)),
)


def as_received(fields: codec.Fields) -> dict[bytes, bytes]:
    return {name: bytes(value) for name, value in fields.items()}


@settings(max_examples=80, deadline=None)
@given(REQUESTS)
def test_a_request_comes_back_exactly(sent: DescribeRequest) -> None:
    assert codec.decode_request(codec.encode_request(sent)) == sent


@settings(max_examples=80, deadline=None)
@given(DESCRIPTIONS)
def test_a_description_comes_back_exactly(sent: SceneDescription) -> None:
    got = codec.decode(as_received(codec.encode(sent)))
    assert isinstance(got, SceneDescription)
    for name in SceneDescription.__dataclass_fields__:
        if name != "embedding":
            assert getattr(got, name) == getattr(sent, name)
    assert (got.embedding is None) == (sent.embedding is None)
    if sent.embedding is not None and got.embedding is not None:
        np.testing.assert_array_equal(got.embedding, sent.embedding)
        assert not got.embedding.flags.writeable


def test_frames_that_facts_share_are_written_once() -> None:
    keys = tuple(FrameKey("gate", 1_700_000_000_000, seq) for seq in range(15))
    many = tuple(Fact("speed", "still", 0.5, subject, frames=keys) for subject in range(100))
    sent = replace(request(1), facts=SceneFacts("gate", 0, 3, (), many))
    value = codec.encode_request(sent)
    assert len(value) < 20_000
    assert codec.decode_request(value) == sent


def _changed(part: str, change: Any) -> bytes:
    version, _, head = codec.encode_request(request(1)).partition(b"\n")
    value = json.loads(head)
    *path, last = part.split(".")
    place = value
    for step in path:
        place = place[int(step)] if step.isdigit() else place[step]
    if change is ...:
        del place[last]
    else:
        place[last] = change
    return version + b"\n" + json.dumps(value).encode()


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("reason", "bored"),
        ("score", 1.5),
        ("score", None),
        ("title", "x" * 8_001),
        ("alert_id", ""),
        ("alert_id", 7),
        ("context", "a school"),
        ("context", ["x"] * 300),
        ("questions", ...),
        ("facts", []),
        ("facts.begin_s", "now"),
        ("facts.objects", [[]]),
        ("facts.objects.0.xyxy_norm", [0, 1]),
        ("facts.objects.0.id", -1.5),
        ("facts.facts.0.kind", "mood"),
        ("facts.facts.0.confidence", 2),
        ("facts.facts.0.run", 99),
        ("facts.facts.0.run", -1),
        ("facts.facts.0.subject", -3),
        ("facts.facts.0.other_name", 5),
        ("facts.runs", [{"frames": [[1]]}]),
        ("facts.runs", {}),
        ("ref.captured_at_us", 10**30),
        ("ref", None),
    ],
)
def test_a_hostile_request_is_refused(part: str, change: Any) -> None:
    with pytest.raises(MessageError):
        codec.decode_request(_changed(part, change))


@pytest.mark.parametrize("value", [b"", b"1", b"1\n", b"2\n{}", b"1\n[]", b"1\nnull", b"\xff\n{}", b'1\n{"ref":{}}'])
def test_bytes_that_are_no_request_are_refused(value: bytes) -> None:
    with pytest.raises(MessageError):
        codec.decode_request(value)


def test_a_description_with_a_blob_of_another_size_is_refused() -> None:
    fields = as_received(codec.encode(description(1)))
    for blob in (b"", fields[b"blob"][:-1], fields[b"blob"] + b"0000"):
        with pytest.raises(MessageError, match="blob"):
            codec.decode({**fields, b"blob": blob})


def test_a_description_of_numbers_that_are_none_is_refused() -> None:
    fields = as_received(codec.encode(description(1)))
    bad = np.full(8, np.nan, "<f4").tobytes()
    with pytest.raises(MessageError, match="finite"):
        codec.decode({**fields, b"blob": bad})


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), st.binary(max_size=64))
def test_no_bytes_crash_the_reader(head: bytes, blob: bytes) -> None:
    for kind in (b"description", b"request"):
        with pytest.raises(MessageError):
            codec.decode({b"v": b"1", b"type": kind, b"head": head, b"blob": blob})
    with pytest.raises(MessageError):
        codec.decode_request(b"1\n" + head)


def test_too_much_is_not_written() -> None:
    many = tuple(SceneObject(number, "person", 0.5, (0, 0, 1, 1)) for number in range(3_000))
    with pytest.raises(MessageError, match="too many"):
        codec.encode_request(replace(request(1), facts=replace(facts(1), objects=many)))
    with pytest.raises(MessageError, match="embedding"):
        codec.encode(replace(description(1), embedding=np.zeros(5_000, np.float32)))
