"""What a bus message looks like on the wire: a value of ``pipeline/types.py`` as a small map of bytes, and back.

In: ``Frame``, ``Finding``, ``PacketBatch``, ``SceneDescription``, ``DescribeRequest`` or ``Alert``. Out: the fields of
one Redis stream entry,

    v     format version, ``1``
    type  ``frame`` | ``finding`` | ``packets`` | ``description`` | ``request`` | ``alert``
    head  one line of JSON with sorted keys (for an alert: the alert message itself)
    blob  raw bytes: I420 pixels · boxes, confidences, embeddings as little-endian float32 · extradata and packets

Nothing is ever unpickled. Whatever arrives is checked field by field before a value is built from it, so that a
hostile or newer writer costs one entry on ``vedette:dead`` and never a worker. Arrays are read-only views of the bytes
that were received: large pictures are not copied here. Next file: ``pipeline/bus/head.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.alert import message as alert_message
from pipeline.bus.head import Head, instant_us, ratio, write_head
from pipeline.bus.looks import looks_head, looks_numbers, looks_size, read_looks
from pipeline.bus.refs import read_ref, ref_head
from pipeline.bus.topics import Topic
from pipeline.bus.words import description_parts, read_description, read_request, request_parts
from pipeline.descriptions import DescribeRequest, SceneDescription
from pipeline.errors import MessageError
from pipeline.protocols import Message
from pipeline.types import (
    HEALTH_CONDITIONS,
    Alert,
    Detections,
    Finding,
    Frame,
    FrameNote,
    Gate,
    Packet,
    PacketBatch,
    StreamInfo,
)

__all__ = [
    "MAX_BLOB_BYTES",
    "MAX_DETECTIONS",
    "MAX_PACKETS",
    "VERSION",
    "Fields",
    "camera_of",
    "decode",
    "decode_alert",
    "decode_boxes",
    "decode_request",
    "encode",
    "encode_alert",
    "encode_request",
    "require_fit",
    "size_and_end",
]

VERSION = b"1"
MAX_BLOB_BYTES = 64 * 2**20
"""A 7680x4320 I420 picture is 50 MB; nothing that Vedette sends is larger than this."""
MAX_DETECTIONS = 10_000
MAX_EMBEDDING = 4_096
MAX_PACKETS = 10_000
_GATES: tuple[Gate, ...] = get_args(Gate)
_FLOAT = np.dtype("<f4")

Fields = dict[bytes, bytes | memoryview]
"""One stream entry, ready for the Redis client."""


def encode(message: Message) -> Fields:
    """The wire fields of ``message``; a contiguous picture is passed as a view, not copied.

    Raises MessageError when a number is not finite or the message is larger than the bounds above.
    """
    if isinstance(message, Frame):
        return _encode_frame(message)
    if isinstance(message, Finding):
        return _encode_finding(message)
    if isinstance(message, SceneDescription):
        return _fields(b"description", *description_parts(message))
    return _encode_packets(message)


def decode(fields: Mapping[bytes, bytes]) -> Message:
    """The message written in ``fields``; fields of other names are ignored.

    Raises MessageError, one sentence that names the field, for anything that :func:`encode` of this version cannot have
    written: unknown version or type, missing field, wrong size, a number that is not finite.
    """
    kind, head, blob = _open(fields)
    if kind not in _DECODERS:
        raise MessageError(f"message type {kind!a} is not one of {'|'.join(_DECODERS)}")
    try:
        return _DECODERS[kind](Head(head, kind), blob)
    except (ValueError, OverflowError) as error:  # the value's own checks in pipeline/types.py
        raise MessageError(f"{kind} is inconsistent: {error}") from error


def decode_boxes(fields: Mapping[bytes, bytes]) -> Finding:
    """The finding written in ``fields`` without its looks, which nobody asked for: they are most of the work.

    Raises MessageError as :func:`decode` does, save for what is wrong with the looks.
    """
    kind, head, blob = _open(fields)
    if kind != "finding":
        raise MessageError(f"message type {kind!a} is not finding")
    try:
        return _finding(Head(head, kind), blob, has_looks=False)
    except (ValueError, OverflowError) as error:
        raise MessageError(f"{kind} is inconsistent: {error}") from error


def encode_request(request: DescribeRequest) -> bytes:
    """A request to describe as one value: format version, line feed, head. Raises MessageError."""
    fields = _fields(b"request", *request_parts(request))
    return VERSION + b"\n" + bytes(fields[b"head"])


def decode_request(value: bytes) -> DescribeRequest:
    """The request written in ``value``. Raises MessageError as :func:`decode` does."""
    version, _, head = value.partition(b"\n")
    kind, head, blob = _open({b"v": version, b"type": b"request", b"head": head, b"blob": b""})
    try:
        return read_request(Head(head, kind), blob)
    except (ValueError, OverflowError) as error:
        raise MessageError(f"{kind} is inconsistent: {error}") from error


def encode_alert(alert: Alert) -> Fields:
    """The wire fields of an alert revision: its JSON is the head, there is no blob. Raises MessageError."""
    return {b"v": VERSION, b"type": b"alert", b"head": alert_message.to_json(alert).encode()}


def decode_alert(fields: Mapping[bytes, bytes]) -> Alert:
    """The alert revision written in ``fields``. Raises MessageError as :func:`decode` does."""
    kind, head, _ = _open({b"blob": b"", **fields})
    if kind != "alert":
        raise MessageError(f"message type {kind!a} is not alert")
    return alert_message.from_json(head)


def camera_of(message: Message) -> str:
    """The camera that ``message`` speaks of."""
    return message.camera if isinstance(message, PacketBatch) else message.ref.key.camera


def require_fit(camera: str, topic: Topic, message: Message) -> None:
    """Refuse a message that does not belong on ``camera``'s stream of ``topic``. Raises MessageError."""
    expected = _CARRIED.get(topic.name)
    if expected is not None and not isinstance(message, expected):
        raise MessageError(f"{topic.name} of {camera} carry {expected.__name__}, got {type(message).__name__}")
    if camera_of(message) != camera:
        raise MessageError(f"{topic.name} of {camera} got a message of camera {camera_of(message)!r}")


def size_and_end(message: Message) -> tuple[int, float]:
    """Payload bytes of ``message``, and the media time (UTC seconds) of its end."""
    if isinstance(message, Finding | SceneDescription):
        return 0, message.ref.at_s
    if isinstance(message, Frame):
        return 0 if message.i420 is None else message.i420.nbytes, message.ref.at_s
    size = sum(len(packet.payload) for packet in message.packets)
    return size, max((message.at_s(packet.pts) for packet in message.packets), default=message.origin_at.timestamp())


def _open(fields: Mapping[bytes, bytes]) -> tuple[str, bytes, bytes]:
    """Type, head and blob, after version and sizes were checked."""
    for name in (b"v", b"type", b"head", b"blob"):
        if not isinstance(fields.get(name), bytes):
            raise MessageError(f"message lacks the field {name.decode()}")
    if fields[b"v"] != VERSION:
        raise MessageError(f"message has version {fields[b'v'][:20]!a}; this program reads version 1")
    if len(fields[b"blob"]) > MAX_BLOB_BYTES:
        raise MessageError(f"blob has {len(fields[b'blob'])} bytes; at most {MAX_BLOB_BYTES} are allowed")
    return fields[b"type"][:20].decode("ascii", "replace"), fields[b"head"], fields[b"blob"]


def _fields(kind: bytes, head: Mapping[str, object], blob: bytes | memoryview) -> Fields:
    size = len(blob)
    if size > MAX_BLOB_BYTES:
        raise MessageError(f"{kind.decode()} has {size} bytes; at most {MAX_BLOB_BYTES} are allowed")
    return {b"v": VERSION, b"type": kind, b"head": write_head(head), b"blob": blob}


def _bytes_of(array: NDArray[Any]) -> bytes | memoryview:
    contiguous = np.ascontiguousarray(array)
    return contiguous.data.cast("B") if contiguous.size else b""


def _note_head(note: FrameNote) -> dict[str, object]:
    return {
        "gate": note.gate,
        "motion": float(note.motion),
        "conditions": list(note.conditions),
        "brightness": float(note.brightness),
        "ended": bool(note.ended),
    }


def _note(head: Head) -> FrameNote:
    return FrameNote(
        gate=head.one_of("gate", _GATES),
        motion=head.number("motion"),
        conditions=head.some_of("conditions", HEALTH_CONDITIONS),
        brightness=head.number("brightness"),
        ended=head.flag("ended"),
    )


def _encode_frame(frame: Frame) -> Fields:
    if frame.i420 is not None and not frame.i420.size:
        raise MessageError(f"frame {frame.ref.key} has a picture without pixels")
    head = {"ref": ref_head(frame.ref), "note": _note_head(frame.note), "size_wh": list(frame.size_wh)}
    return _fields(b"frame", head, b"" if frame.i420 is None else _bytes_of(frame.i420))


def _decode_frame(head: Head, blob: bytes) -> Frame:
    note = _note(head.part("note"))
    width, height = head.size("size_wh")
    is_absent = note.gate == "absent"
    if (width * height == 0) != is_absent or height % 2 or len(blob) != width * height * 3 // 2:
        raise MessageError(
            f"frame.blob has {len(blob)} bytes, which is no I420 picture of {width}x{height} ({note.gate})"
        )
    i420 = None if is_absent else np.frombuffer(blob, np.uint8).reshape(height * 3 // 2, width)
    return Frame(read_ref(head.part("ref")), note, i420)


def _encode_finding(finding: Finding) -> Fields:
    seen = finding.detections
    head: dict[str, object] = {
        "ref": ref_head(finding.ref),
        "note": _note_head(finding.note),
        "detector": finding.detector,
        "labels": None if seen is None else list(seen.label),
        "embedding_size": None,
        "looks": None if finding.looks is None else looks_head(finding.looks),
    }
    if seen is None:
        return _fields(b"finding", head, b"")
    if len(seen) > MAX_DETECTIONS:
        raise MessageError(f"finding holds {len(seen)} detections; at most {MAX_DETECTIONS} are allowed")
    arrays = [seen.xyxy, seen.confidence]
    if seen.embedding is not None:
        if seen.embedding.shape[1] > MAX_EMBEDDING:
            raise MessageError(f"embedding has {seen.embedding.shape[1]} numbers; at most {MAX_EMBEDDING} are allowed")
        head["embedding_size"] = seen.embedding.shape[1]
        arrays.append(seen.embedding)
    if not all(np.isfinite(array).all() for array in arrays):
        raise MessageError("finding holds a number that is not finite")
    if finding.looks is not None:
        arrays.append(looks_numbers(finding.looks))
    return _fields(b"finding", head, b"".join(_bytes_of(array.astype(_FLOAT, copy=False)) for array in arrays))


def _decode_finding(head: Head, blob: bytes) -> Finding:
    return _finding(head, blob, has_looks=True)


def _finding(head: Head, blob: bytes, *, has_looks: bool) -> Finding:
    labels = head.optional_texts("labels", MAX_DETECTIONS)
    dims = head.optional_integer("embedding_size", most=MAX_EMBEDDING)
    n = 0 if labels is None else len(labels)
    looks_part = head.optional_part("looks") if has_looks else None
    boxes_end = n * (4 + 1 + (dims or 0))
    expected = (boxes_end + (0 if looks_part is None else looks_size(looks_part, n))) * _FLOAT.itemsize
    if len(blob) != expected and (has_looks or len(blob) < expected or len(blob) % _FLOAT.itemsize):
        raise MessageError(f"finding.blob has {len(blob)} bytes, expected {expected} for {n} detections")
    numbers = np.frombuffer(blob, _FLOAT)
    values, looks_values = numbers[:boxes_end], numbers[boxes_end:]
    if not np.isfinite(values).all():
        raise MessageError("finding.blob holds a number that is not finite")
    detections = None
    if labels is not None:
        embedding = None if dims is None else values[5 * n :].reshape(n, dims)
        detections = Detections(values[: 4 * n].reshape(n, 4), values[4 * n : 5 * n], labels, embedding)
    return Finding(
        read_ref(head.part("ref")),
        _note(head.part("note")),
        detections,
        head.text("detector", least=0),
        None if looks_part is None else read_looks(looks_part, n, looks_values),
    )


def _encode_packets(batch: PacketBatch) -> Fields:
    if len(batch.packets) > MAX_PACKETS:
        raise MessageError(f"batch holds {len(batch.packets)} packets; at most {MAX_PACKETS} are allowed")
    stream = batch.stream
    head: dict[str, object] = {
        "camera": batch.camera,
        "session": int(batch.session),
        "codec": stream.codec,
        "extradata_bytes": len(stream.extradata),
        "size_wh": [int(stream.size_wh[0]), int(stream.size_wh[1])],
        "time_base": ratio(stream.time_base),
        "origin_at_us": instant_us(batch.origin_at),
        "origin_pts": int(batch.origin_pts),
        "packets": [[int(p.pts), int(p.dts), int(p.duration), int(p.is_key), len(p.payload)] for p in batch.packets],
    }
    return _fields(b"packets", head, b"".join([stream.extradata, *(packet.payload for packet in batch.packets)]))


def _decode_packets(head: Head, blob: bytes) -> PacketBatch:
    at = head.integer("extradata_bytes", least=0, most=MAX_BLOB_BYTES)
    stream = StreamInfo(head.text("codec"), blob[:at], head.size("size_wh"), head.ratio("time_base"))
    packets = []
    for pts, dts, duration, is_key, size in head.rows("packets", 5, MAX_PACKETS):
        if size < 0 or is_key not in (0, 1):
            raise MessageError("packets.packets: a row is not [pts, dts, duration, 0|1, bytes]")
        packets.append(Packet(pts, dts, duration, bool(is_key), blob[at : at + size]))
        at += size
    if at != len(blob):
        raise MessageError(f"packets.blob has {len(blob)} bytes, expected {at}")
    return PacketBatch(
        camera=head.text("camera"),
        session=head.integer("session"),
        stream=stream,
        origin_at=head.instant("origin_at_us"),
        origin_pts=head.integer("origin_pts"),
        packets=tuple(packets),
    )


_DECODERS: Mapping[str, Callable[[Head, bytes], Message]] = {
    "frame": _decode_frame,
    "finding": _decode_finding,
    "packets": _decode_packets,
    "description": read_description,
}
_CARRIED: Mapping[str, type] = {
    "frames": Frame,
    "detections": Finding,
    "packets": PacketBatch,
    "descriptions": SceneDescription,
}
