"""The wire format: what is sent comes back exactly, and nothing that arrives raises anything but MessageError."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pipeline.bus import codec
from pipeline.bus.head import Head, write_head
from pipeline.errors import MessageError
from pipeline.protocols import Message
from pipeline.types import (
    HEALTH_CONDITIONS,
    Detections,
    Finding,
    Frame,
    FrameKey,
    FrameNote,
    FrameRef,
    Looks,
    Packet,
    PacketBatch,
    StreamInfo,
)
from tests.contract.bus_messages import alert, finding, frame, packets, ref, tick

INT64 = st.integers(-(2**63) + 1, 2**63 - 1)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
SIDES = st.integers(0, 2**15)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))
TIME_BASES = st.builds(Fraction, st.integers(1, 10_000), st.integers(1, 10_000_000))
REFS = st.builds(
    FrameRef,
    st.builds(FrameKey, NAMES, INT64, st.integers(0, 2**63 - 1)),
    INT64,
    TIME_BASES,
    INSTANTS,
    st.tuples(SIDES, SIDES),
)
CONDITIONS = st.lists(st.sampled_from(HEALTH_CONDITIONS), unique=True).map(tuple)
NOTES = st.builds(FrameNote, st.sampled_from(["open", "heartbeat"]), FLOATS, CONDITIONS, FLOATS, st.booleans())
TICK_NOTES = st.builds(FrameNote, st.just("absent"), FLOATS, CONDITIONS, FLOATS, st.booleans())
PICTURES = st.tuples(st.integers(1, 8), st.integers(1, 8)).flatmap(
    lambda size: npst.arrays(np.uint8, (size[0] * 3, size[1] * 2))
)
FRAMES = st.one_of(st.builds(Frame, REFS, NOTES, PICTURES), st.builds(Frame, REFS, TICK_NOTES, st.none()))
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def detections(draw: st.DrawFn) -> Detections:
    n = draw(st.integers(0, 6))
    dims = draw(st.none() | st.integers(0, 5))
    return Detections(
        draw(npst.arrays(np.float32, (n, 4), elements=FLOAT32)),
        draw(npst.arrays(np.float32, n, elements=FLOAT32)),
        tuple(draw(st.lists(NAMES, min_size=n, max_size=n))),
        None if dims is None else draw(npst.arrays(np.float32, (n, dims), elements=FLOAT32)),
    )


NUMBERS = st.floats(width=32, allow_infinity=False)


@st.composite
def looks_of(draw: st.DrawFn, n: int) -> Looks:
    names, scene_names = (tuple(draw(st.lists(NAMES, max_size=4, unique=True))) for _ in range(2))
    boxes = npst.arrays(np.float32, st.tuples(st.integers(0, 3), st.just(4)), elements=FLOAT32)
    return Looks(
        names,
        draw(npst.arrays(np.float32, (n, len(names)), elements=NUMBERS)),
        scene_names,
        draw(npst.arrays(np.float32, len(scene_names), elements=NUMBERS)),
        draw(boxes),
        draw(boxes),
    )


@st.composite
def findings_with_looks(draw: st.DrawFn) -> Finding:
    seen = draw(detections())
    return Finding(draw(REFS), draw(NOTES), seen, "vedette-n", draw(looks_of(len(seen))))


BARE_FINDINGS = st.builds(
    Finding, REFS, NOTES, st.none() | detections(), st.text(st.characters(codec="utf-8"), max_size=9)
)
FINDINGS = BARE_FINDINGS | findings_with_looks()
STREAMS = st.builds(StreamInfo, NAMES, st.binary(max_size=40), st.tuples(SIDES, SIDES), TIME_BASES)
PACKETS = st.builds(Packet, INT64, INT64, INT64, st.booleans(), st.binary(max_size=60))
BATCHES = st.builds(PacketBatch, NAMES, INT64, STREAMS, INSTANTS, INT64, st.lists(PACKETS, max_size=5).map(tuple))


def over_the_wire(message: Message) -> Message:
    return codec.decode({name: bytes(value) for name, value in codec.encode(message).items()})


@given(FRAMES)
def test_frames_round_trip(before: Frame) -> None:
    after = over_the_wire(before)
    assert isinstance(after, Frame)
    assert (after.ref, after.note, after.size_wh) == (before.ref, before.note, before.size_wh)
    if before.i420 is None or after.i420 is None:
        assert before.i420 is after.i420
    else:
        np.testing.assert_array_equal(after.i420, before.i420)


@given(FINDINGS)
def test_findings_round_trip(before: Finding) -> None:
    after = over_the_wire(before)
    assert isinstance(after, Finding)
    assert (after.ref, after.note, after.detector) == (before.ref, before.note, before.detector)
    if before.detections is None or after.detections is None:
        assert before.detections is after.detections
        return
    assert after.detections.label == before.detections.label
    for name in ("xyxy", "confidence", "embedding"):
        mine, theirs = getattr(before.detections, name), getattr(after.detections, name)
        if mine is None:
            assert theirs is None
        else:
            assert theirs.dtype == np.float32
            np.testing.assert_array_equal(theirs, mine)


@given(findings_with_looks())
def test_looks_round_trip(before: Finding) -> None:
    after = over_the_wire(before)
    assert isinstance(after, Finding)
    assert before.looks is not None
    assert after.looks is not None
    assert (after.looks.names, after.looks.scene_names) == (before.looks.names, before.looks.scene_names)
    for name in ("values", "scene_values", "moving_xyxy", "still_xyxy"):
        np.testing.assert_array_equal(getattr(after.looks, name), getattr(before.looks, name))


LOOKED = replace(
    finding(0),
    looks=Looks(
        ("flow_px_per_s", "sharpness"),
        np.array([[1.5, np.nan], [2.5, 3.5]]),
        ("rain_share",),
        np.array([np.nan]),
        np.array([[1.0, 2, 3, 4]]),
        np.zeros((0, 4)),
    ),
)


@given(FINDINGS)
def test_a_finding_can_be_read_without_its_looks(before: Finding) -> None:
    fields = {name: bytes(value) for name, value in codec.encode(before).items()}
    expected = codec.encode(replace(before, looks=None))
    assert {**codec.encode(codec.decode_boxes(fields)), b"head": b""} == {**expected, b"head": b""}
    assert codec.decode_boxes(fields).ref == before.ref


def test_what_is_no_finding_has_no_boxes() -> None:
    fields = {name: bytes(value) for name, value in codec.encode(finding(1)).items()}
    for broken, says in (
        ({b"type": b"frame"}, "is not finding"),
        ({b"blob": fields[b"blob"] + b"x"}, "finding.blob has"),
        ({b"blob": fields[b"blob"][:-1]}, "finding.blob has"),
        ({b"v": b"9"}, "version"),
    ):
        with pytest.raises(MessageError, match=says):
            codec.decode_boxes({**fields, **broken})


def test_a_finding_of_a_writer_without_looks_has_none() -> None:
    fields = {name: bytes(value) for name, value in codec.encode(finding(0)).items()}
    head = json.loads(fields[b"head"])
    del head["looks"]
    after = codec.decode({**fields, b"head": json.dumps(head).encode()})
    assert isinstance(after, Finding)
    assert after.looks is None


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("names", ["a", "a"], "different names"),
        ("names", None, "different names"),
        ("names", ["flow_px_per_s"], "bytes, expected"),
        ("names", ["x"] * 513, "names"),
        ("names", [1, 2], "names"),
        ("scene_names", [], "bytes, expected"),
        ("moving", -1, "moving"),
        ("moving", 10**9, "moving"),
        ("moving", True, "moving"),
        ("still", 1, "bytes, expected"),
        ("still", "1", "still"),
    ],
)
def test_hostile_looks_are_refused(part: str, value: object, says: str) -> None:
    fields = {name: bytes(field) for name, field in codec.encode(LOOKED).items()}
    head = json.loads(fields[b"head"])
    head["looks"][part] = value
    with pytest.raises(MessageError, match=says):
        codec.decode({**fields, b"head": json.dumps(head).encode()})


@pytest.mark.parametrize("looks", [[], "looks", 1, {}, {"names": []}])
def test_looks_of_another_kind_are_refused(looks: object) -> None:
    fields = {name: bytes(field) for name, field in codec.encode(LOOKED).items()}
    head = {**json.loads(fields[b"head"]), "looks": looks}
    with pytest.raises(MessageError):
        codec.decode({**fields, b"head": json.dumps(head).encode()})


def test_infinite_looks_are_refused_both_ways() -> None:
    assert LOOKED.looks is not None
    with pytest.raises(MessageError, match="infinite"):
        codec.encode(replace(LOOKED, looks=replace(LOOKED.looks, scene_values=np.array([np.inf]))))
    fields = {name: bytes(field) for name, field in codec.encode(LOOKED).items()}
    place = fields[b"blob"].index(np.float32(2.5).tobytes())
    blob = fields[b"blob"][:place] + np.float32(np.inf).tobytes() + fields[b"blob"][place + 4 :]
    with pytest.raises(MessageError, match="infinite"):
        codec.decode({**fields, b"blob": blob})


def test_looks_at_nothing_are_refused() -> None:
    fields = {name: bytes(field) for name, field in codec.encode(LOOKED).items()}
    head = {**json.loads(fields[b"head"]), "labels": None, "embedding_size": None}
    blob = fields[b"blob"][-4 * 5 :]  # the scene's number and the one box
    with pytest.raises(MessageError, match="looks"):
        codec.decode({**fields, b"head": json.dumps(head).encode(), b"blob": blob})


@given(BATCHES)
def test_packets_round_trip(before: PacketBatch) -> None:
    assert over_the_wire(before) == before


@given(FRAMES | FINDINGS | BATCHES)
def test_the_same_message_has_the_same_bytes(message: Message) -> None:
    once = {name: bytes(value) for name, value in codec.encode(message).items()}
    again = {name: bytes(value) for name, value in codec.encode(over_the_wire(message)).items()}
    assert once == again


FIELD_NAMES = st.sampled_from([b"v", b"type", b"head", b"blob"])
TYPES = st.sampled_from([b"frame", b"finding", b"packets", b"alert"])


@given(st.dictionaries(FIELD_NAMES | st.binary(max_size=5), st.just(b"1") | TYPES | st.binary(max_size=50)))
def test_random_fields_raise_only_message_errors(fields: dict[bytes, bytes]) -> None:
    with pytest.raises(MessageError):
        codec.decode(fields)
    with pytest.raises(MessageError):
        codec.decode_alert(fields)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["open", "gate"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=400)
@given(st.sampled_from([frame(1), tick(2), finding(3), packets(4)]), st.data())
def test_a_good_message_with_one_bad_value_never_raises_anything_else(message: Message, data: st.DataObject) -> None:
    fields = {name: bytes(value) for name, value in codec.encode(message).items()}
    head = json.loads(fields[b"head"])
    _replace_somewhere(head, data)
    fields[b"head"] = json.dumps(head).encode()
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(0, 10))
        fields[b"blob"] = fields[b"blob"][cut:] + data.draw(st.binary(max_size=cut))
    complaint = ""
    try:
        codec.encode(codec.decode(fields))
    except MessageError as error:
        complaint = str(error)
    assert "\n" not in complaint
    assert len(complaint) < 600


def _replace_somewhere(value: Any, data: st.DataObject) -> None:
    places = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not places:
        return
    place = data.draw(st.sampled_from(places))
    if isinstance(value[place], dict | list) and data.draw(st.booleans()):
        _replace_somewhere(value[place], data)
    else:
        value[place] = data.draw(JSON)


def bad_head(message: Message, change: dict[str, Any]) -> dict[bytes, bytes]:
    fields = {name: bytes(value) for name, value in codec.encode(message).items()}
    return {**fields, b"head": json.dumps({**json.loads(fields[b"head"]), **change}).encode()}


def test_complaints_name_the_field() -> None:
    good = {name: bytes(value) for name, value in codec.encode(frame(1)).items()}
    cases: list[tuple[dict[bytes, bytes], str]] = [
        ({**good, b"v": b"2"}, "version b'2'; this program reads version 1"),
        ({**good, b"type": b"cat"}, "message type 'cat' is not one of frame|finding|packets"),
        ({name: value for name, value in good.items() if name != b"blob"}, "lacks the field blob"),
        ({**good, b"blob": good[b"blob"][1:]}, "no I420 picture of 32x24"),
        ({**good, b"head": b"[]"}, "frame: expected an object, got []"),
        ({**good, b"head": b"[" * 100_000}, "frame.head is not JSON"),
        ({**good, b"head": good[b"head"].replace(b"87.5", b"Infinity")}, "Infinity is not JSON"),
        ({**good, b"head": good[b"head"].replace(b"87.5", b"1e999")}, "frame.note.brightness: expected a finite"),
        ({**good, b"head": good[b"head"].replace(b'"seq":1', b'"seq":' + b"9" * 5_000)}, "frame.head is not JSON"),
        ({**good, b"head": good[b"head"].replace(b'"seq":1', b'"seq":-1')}, "frame.ref.seq: expected a whole number"),
        ({**good, b"head": good[b"head"].replace(b':"gate"', b':"\\ud800"')}, "frame.ref.camera: expected whole"),
        ({**good, b"head": good[b"head"].replace(b"90000", b"0")}, "frame.ref.time_base: expected a whole number"),
        (bad_head(frame(1), {"size_wh": [0, 0]}), "no I420 picture of 0x0 (open)"),
        (bad_head(tick(1), {"size_wh": [32, 24]}), "no I420 picture of 32x24 (absent)"),
        (bad_head(frame(1), {"note": {}}), "frame.note.gate: missing"),
        (bad_head(finding(1), {"labels": ["person"]}), "expected 36 for 1 detections"),
        (bad_head(finding(1), {"labels": None}), "expected 0 for 0 detections"),
        (bad_head(finding(1), {"embedding_size": 10**6}), "finding.embedding_size: expected a whole number"),
        (bad_head(packets(1), {"packets": [[0, 0, 0, 2, 1_005]]}), "a row is not [pts, dts, duration, 0|1, bytes]"),
        (bad_head(packets(1), {"packets": [[0, 0, 0, 1, 10**9]]}), "packets.blob has 1006 bytes"),
        (bad_head(packets(1), {"origin_at_us": 2**62}), "packets.origin_at_us: expected microseconds"),
    ]
    for fields, sentence in cases:
        with pytest.raises(MessageError) as caught:
            codec.decode(fields)
        assert sentence in str(caught.value)


def test_numbers_that_are_not_finite_are_not_sent() -> None:
    seen = finding(0).detections
    assert seen is not None
    for bad in (float("nan"), float("inf")):
        with pytest.raises(MessageError, match="cannot be written"):
            codec.encode(replace(frame(0), note=FrameNote(motion=bad)))
        spoiled = replace(seen, confidence=np.array([bad, 0.5], np.float32))
        with pytest.raises(MessageError, match="not finite"):
            codec.encode(replace(finding(0), detections=spoiled))
        fields = {name: bytes(value) for name, value in codec.encode(finding(0)).items()}
        fields[b"blob"] = fields[b"blob"][:-4] + np.float32(bad).tobytes()
        with pytest.raises(MessageError, match="not finite"):
            codec.decode(fields)


def test_what_is_too_large_is_neither_sent_nor_read(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {name: bytes(value) for name, value in codec.encode(frame(0)).items()}
    many = {name: bytes(value) for name, value in codec.encode(finding(0)).items()}
    monkeypatch.setattr(codec, "MAX_BLOB_BYTES", 100)
    monkeypatch.setattr(codec, "MAX_DETECTIONS", 1)
    monkeypatch.setattr(codec, "MAX_PACKETS", 1)
    for message in (frame(0), finding(0), packets(0)):
        with pytest.raises(MessageError, match="at most"):
            codec.encode(message)
    for raw in (fields, many):
        with pytest.raises(MessageError, match="at most"):
            codec.decode(raw)


def test_a_picture_without_pixels_is_not_sent() -> None:
    with pytest.raises(MessageError, match="without pixels"):
        codec.encode(Frame(ref(0), FrameNote(), np.zeros((0, 0), np.uint8)))


def test_pictures_are_views_that_nobody_can_write() -> None:
    picture = np.arange(36 * 32, dtype=np.uint8).reshape(36, 32)
    fields = codec.encode(Frame(ref(0), FrameNote(), picture))
    assert np.shares_memory(np.frombuffer(fields[b"blob"], np.uint8), picture)
    raw = {name: bytes(value) for name, value in fields.items()}
    decoded = codec.decode(raw)
    assert isinstance(decoded, Frame)
    assert decoded.i420 is not None
    assert np.shares_memory(decoded.i420, np.frombuffer(raw[b"blob"], np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        decoded.i420[0, 0] = 1


def test_a_picture_that_is_a_crop_is_sent_whole() -> None:
    crop = np.arange(72 * 64, dtype=np.int64).astype(np.uint8).reshape(72, 64)[:36, 8:40]
    after = over_the_wire(Frame(ref(0), FrameNote(), crop))
    assert isinstance(after, Frame)
    assert after.i420 is not None
    np.testing.assert_array_equal(after.i420, crop)


def test_instants_keep_their_moment_in_another_time_zone() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    moved = replace(ref(1), captured_at=ref(1).captured_at.astimezone(there))
    after = over_the_wire(replace(frame(1), ref=moved))
    assert isinstance(after, Frame)
    assert after.ref == ref(1)
    assert after.ref.captured_at.utcoffset() == timedelta(0)


def test_fields_of_a_later_writer_are_ignored() -> None:
    fields = {name: bytes(value) for name, value in codec.encode(frame(1)).items()}
    fields[b"trace"] = b"abc"
    fields[b"head"] = fields[b"head"].replace(b"{", b'{"later":1,', 1)
    decoded = codec.decode(fields)
    assert isinstance(decoded, Frame)
    assert decoded.ref == ref(1)


def test_alerts_round_trip_and_are_not_other_messages() -> None:
    fields = {name: bytes(value) for name, value in codec.encode_alert(alert(3)).items()}
    assert codec.decode_alert(fields) == alert(3)
    with pytest.raises(MessageError, match="not one of frame"):
        codec.decode({**fields, b"blob": b""})
    with pytest.raises(MessageError, match="is not alert"):
        codec.decode_alert({name: bytes(value) for name, value in codec.encode(frame(0)).items()})


def test_size_and_end_of_messages() -> None:
    assert codec.size_and_end(frame(5)) == (36 * 32, ref(5).at_s)
    assert codec.size_and_end(tick(5)) == (0, ref(5).at_s)
    assert codec.size_and_end(finding(5)) == (0, ref(5).at_s)
    batch = packets(3, n_bytes=500)
    assert codec.size_and_end(batch) == (500, batch.at_s(3_040))
    assert codec.size_and_end(replace(batch, packets=())) == (0, batch.origin_at.timestamp())


def test_heads_are_canonical_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert write_head({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'.encode()
    with pytest.raises(MessageError, match="cannot be written"):
        write_head({"a": "\ud800"})
    monkeypatch.setattr("pipeline.bus.head.MAX_HEAD_BYTES", 5)
    with pytest.raises(MessageError, match="at most 5"):
        write_head({"a": "long"})
    with pytest.raises(MessageError, match="at most 5"):
        Head(b'{"a":1}', "frame")
