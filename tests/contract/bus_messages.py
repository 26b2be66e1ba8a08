"""Messages for bus tests, small and told apart by their numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from pipeline.descriptions import (
    Answer,
    Claim,
    DescribeReason,
    DescribeRequest,
    Fact,
    SceneDescription,
    SceneFacts,
    SceneObject,
)
from pipeline.types import (
    Alert,
    AlertTrack,
    Detections,
    Evidence,
    Finding,
    Frame,
    FrameKey,
    FrameNote,
    FrameRef,
    Packet,
    PacketBatch,
    StreamInfo,
    utc_from_s,
)

SESSION = 1_700_000_000_000
START_S = 1_700_000_000.0


def ref(seq: int, camera: str = "gate") -> FrameRef:
    return FrameRef(
        FrameKey(camera, SESSION, seq), seq * 18_000, Fraction(1, 90_000), utc_from_s(START_S + seq / 5), (64, 48)
    )


def frame(seq: int, camera: str = "gate") -> Frame:
    return Frame(ref(seq, camera), FrameNote("open", 0.25, (), 87.5), np.full((36, 32), seq % 256, np.uint8))


def tick(seq: int, camera: str = "gate") -> Frame:
    return Frame(ref(seq, camera), FrameNote("absent", conditions=("offline",), ended=True), None)


def finding(seq: int, camera: str = "gate") -> Finding:
    boxes = np.array([[1.5, 2.25, 30.0, 40.0], [0, 0, 8, 8]], np.float32)
    detections = Detections(boxes, np.array([0.75, 0.5]), ("person", "handbag"), np.ones((2, 4), np.float32))
    return Finding(ref(seq, camera), FrameNote("open", 0.25), detections, "vedette-n/int8")


def packets(number: int, camera: str = "gate", *, n_bytes: int = 1_000, seconds: float = 1.0) -> PacketBatch:
    """Batch ``number`` of a stream whose batches last ``seconds`` and hold two packets of ``n_bytes`` together."""
    stream = StreamInfo("h264", b"\x01extra", (64, 48), Fraction(1, 1_000))
    at = round(number * seconds * 1_000)
    pair = (
        Packet(at, at, 40, True, bytes([number % 256]) * (n_bytes // 2)),
        Packet(at + 40, at + 40, 40, False, bytes(n_bytes - n_bytes // 2)),
    )
    return PacketBatch(camera, SESSION, stream, utc_from_s(START_S), 0, pair)


def alert(number: int, revision: int = 1, camera: str = "gate") -> Alert:
    at = utc_from_s(START_S + number)
    return Alert(
        id=f"a_{number:016x}",
        revision=revision,
        phase="opened" if revision == 1 else "updated",
        camera=camera,
        kind="zone",
        severity="warning",
        score=0.5,
        opened_at=at,
        updated_at=at,
        closed_at=None,
        title="Person in yard",
        text="A person stood in the yard for 3 s.",
        text_source="grounded",
        tracks=(AlertTrack(7, "person", (0.1, 0.2, 0.3, 0.4)),),
        evidence=(Evidence("zone", 1.0, "3 s", "0 s"),),
        rule="yard",
    )


def facts(seq: int, camera: str = "gate") -> SceneFacts:
    keys = tuple(FrameKey(camera, SESSION, seq + k) for k in range(3))
    return SceneFacts(
        camera,
        START_S + seq / 5 - 3,
        START_S + seq / 5,
        (
            SceneObject(7, "person", 0.875, (0.125, 0.25, 0.5, 0.75)),
            SceneObject(9, "suitcase", 0.5, (0.5, 0.5, 0.75, 1)),
        ),
        (
            Fact("count", "person", 0.875, amount=1.0, frames=keys[-1:]),
            Fact("zone", "inside", 0.5, 7, "yard", frames=keys),
            Fact("thing", "left", 0.5, 7, 9, 12.5, keys),
        ),
    )


def request(
    seq: int, reason: DescribeReason = "alert", score: float = 0.5, camera: str = "gate", alert_id: str | None = None
) -> DescribeRequest:
    return DescribeRequest(
        ref(seq, camera),
        reason,
        score,
        facts(seq, camera),
        "A person in ‘yard’",
        "One person stands in ‘yard’.",
        alert_id,
        ("a school; deliveries come in the morning",),
        ("Is somebody climbing?",),
    )


def description(seq: int, camera: str = "gate", alert_id: str | None = None) -> SceneDescription:
    return SceneDescription(
        ref(seq, camera),
        "A man with a suitcase",
        "A man in a red jacket puts a suitcase down. 一个人。",
        "server:some/model",
        (Claim("A man puts a suitcase down.", "thing", "supported", "track 9 was left"),),
        ("the suitcase has no owner",),
        (Answer("Is somebody climbing?", 0.125),),
        0.75,
        2.5,
        alert_id,
        "en",
        np.linspace(-1, 1, 8, dtype=np.float32),
    )
