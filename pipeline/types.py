"""The values that cross boundaries: frozen, checked once, arrays read-only. Next file: ``pipeline/protocols.py``.

Conventions: boxes are ``xyxy`` pixels of the *source* frame (the camera's native picture), ``_norm`` when 0..1;
``pts`` is counted in ``time_base``; ``_s`` is seconds; ``_at`` is a UTC instant. Media time is ``FrameRef.at_s``: UTC
seconds derived from pts and the session's anchor, never from the moment a frame was handled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "HEALTH_CONDITIONS",
    "Alert",
    "AlertTrack",
    "Detections",
    "Evidence",
    "Finding",
    "Frame",
    "FrameKey",
    "FrameNote",
    "FrameRef",
    "Gate",
    "HealthCondition",
    "Looks",
    "Packet",
    "PacketBatch",
    "Phase",
    "Severity",
    "StreamInfo",
    "Track",
    "utc_from_s",
]

HealthCondition = Literal["offline", "black", "frozen", "defocused", "covered", "moved", "low_frame_rate"]
HEALTH_CONDITIONS: tuple[HealthCondition, ...] = (
    "offline",
    "black",
    "frozen",
    "defocused",
    "covered",
    "moved",
    "low_frame_rate",
)
Gate = Literal["open", "heartbeat", "absent"]
Phase = Literal["opened", "updated", "closed"]
Severity = Literal["info", "warning", "critical"]


def _read_only(array: NDArray[Any], dtype: type) -> NDArray[Any]:
    """``array`` as a read-only view of ``dtype`` (copied only when the dtype differs)."""
    view: NDArray[Any] = np.asarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


def _require(is_ok: bool, what: str, expected: object, got: object) -> None:
    if not is_ok:
        raise ValueError(f"{what}: expected {expected}, got {got}")


@dataclass(frozen=True, slots=True, order=True)
class FrameKey:
    """Names one frame for ever: camera, session (UTC milliseconds of its anchor), sequence number within it."""

    camera: str
    session: int
    seq: int

    def __str__(self) -> str:
        return f"{self.camera}/{self.session}/{self.seq}"


@dataclass(frozen=True, slots=True)
class FrameRef:
    """When and where a frame was taken. ``source_wh`` is the native picture size in pixels (0, 0 when unknown)."""

    key: FrameKey
    pts: int
    time_base: Fraction
    captured_at: datetime
    source_wh: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        _require(self.captured_at.tzinfo is not None, "captured_at", "a time zone (UTC)", "a naive datetime")
        _require(self.time_base > 0, "time_base", "> 0", self.time_base)

    @property
    def at_s(self) -> float:
        """Media time in UTC seconds, exact to the microsecond of ``captured_at``."""
        return self.captured_at.timestamp()


@dataclass(frozen=True, slots=True)
class FrameNote:
    """What ingest knows about a moment besides its pixels; it travels with the frame to the alert stage.

    ``gate``: ``open`` (motion), ``heartbeat`` (quiet, slow sample), ``absent`` (no picture: offline or ended).
    ``motion``: moving share of the picture, 0..1. ``conditions``: health conditions holding now. ``brightness``: mean
    luma 0..255. ``ended``: the recording ended here; open incidents close.
    """

    gate: Gate = "open"
    motion: float = 0.0
    conditions: tuple[HealthCondition, ...] = ()
    brightness: float = 0.0
    ended: bool = False

    def __post_init__(self) -> None:
        unknown = set(self.conditions) - set(HEALTH_CONDITIONS)
        _require(not unknown, "conditions", HEALTH_CONDITIONS, sorted(unknown))
        _require(self.gate in ("open", "heartbeat", "absent"), "gate", "open|heartbeat|absent", self.gate)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Frame:
    """One analysis frame: planar I420, BT.601 limited range, shape (height * 3 / 2, width), uint8.

    ``i420`` is None exactly when ``note.gate == "absent"``: a tick that carries time and health but no picture.
    """

    ref: FrameRef
    note: FrameNote
    i420: NDArray[np.uint8] | None

    def __post_init__(self) -> None:
        _require(
            (self.i420 is None) == (self.note.gate == "absent"), "i420", "None only when gate is absent", self.note
        )
        if self.i420 is not None:
            shape = self.i420.shape
            _require(
                self.i420.ndim == 2 and shape[0] % 3 == 0 and shape[1] % 2 == 0,
                "i420",
                "(height*3/2, even width)",
                shape,
            )
            object.__setattr__(self, "i420", _read_only(self.i420, np.uint8))

    @property
    def size_wh(self) -> tuple[int, int]:
        """Analysis picture size (width, height) in pixels; (0, 0) for a tick."""
        if self.i420 is None:
            return (0, 0)
        return (self.i420.shape[1], self.i420.shape[0] * 2 // 3)

    def __repr__(self) -> str:
        return f"Frame({self.ref.key}, at_s={self.ref.at_s:.3f}, size_wh={self.size_wh}, gate={self.note.gate})"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Detections:
    """What a detector saw in one frame, as a struct of arrays.

    ``xyxy`` (N, 4) float32 pixels of the source frame; ``confidence`` (N,) float32 0..1; ``label`` N words;
    ``embedding`` (N, D) float32 or None.
    """

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    label: tuple[str, ...]
    embedding: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        xyxy = _read_only(np.asarray(self.xyxy, np.float32).reshape(-1, 4), np.float32)
        confidence = _read_only(self.confidence, np.float32)
        n = len(xyxy)
        _require(confidence.shape == (n,), "confidence", (n,), confidence.shape)
        _require(len(self.label) == n, "label", f"{n} words", len(self.label))
        _require(bool(np.isfinite(xyxy).all()), "xyxy", "finite numbers", "nan or inf")
        object.__setattr__(self, "xyxy", xyxy)
        object.__setattr__(self, "confidence", confidence)
        if self.embedding is not None:
            embedding = _read_only(self.embedding, np.float32)
            _require(embedding.ndim == 2 and len(embedding) == n, "embedding", f"({n}, D)", embedding.shape)
            object.__setattr__(self, "embedding", embedding)

    @classmethod
    def empty(cls) -> Detections:
        """No detections."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), ())

    def __len__(self) -> int:
        return len(self.label)

    def select(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """The detections chosen by a mask (N,) or by indices."""
        index = np.arange(len(self))[keep]
        embedding = None if self.embedding is None else self.embedding[index]
        return Detections(self.xyxy[index], self.confidence[index], tuple(self.label[i] for i in index), embedding)

    def __repr__(self) -> str:
        return f"Detections(n={len(self)}, label={self.label})"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Looks:
    """What the pixels of one frame say beyond boxes; computed where the pixels are, so that findings travel alone.

    ``values`` (N, K) float32 belongs to the finding's N detections, one column per name in ``names`` (a name ends in
    its unit); ``scene_values`` (M,) to the whole frame. NaN means unknown (no earlier frame, too small a box).
    ``moving_xyxy`` (B, 4): things that move outside every box; ``still_xyxy`` (S, 4): things that came to rest and were
    not there before; float32 pixels of the source frame.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    scene_names: tuple[str, ...]
    scene_values: NDArray[np.float32]
    moving_xyxy: NDArray[np.float32]
    still_xyxy: NDArray[np.float32]

    def __post_init__(self) -> None:
        values = _read_only(self.values, np.float32)
        scene = _read_only(self.scene_values, np.float32)
        _require(values.ndim == 2 and values.shape[1] == len(self.names), "values", "(N, names)", values.shape)
        _require(scene.shape == (len(self.scene_names),), "scene_values", "(scene_names,)", scene.shape)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "scene_values", scene)
        for name in ("moving_xyxy", "still_xyxy"):
            boxes = _read_only(np.asarray(getattr(self, name), np.float32).reshape(-1, 4), np.float32)
            _require(bool(np.isfinite(boxes).all()), name, "finite numbers", "nan or inf")
            object.__setattr__(self, name, boxes)

    def of(self, detection: int, name: str) -> float:
        """One value of one detection; NaN when unknown or when this version does not measure it."""
        return float(self.values[detection, self.names.index(name)]) if name in self.names else float("nan")

    def scene(self, name: str) -> float:
        """One value of the whole frame; NaN when unknown."""
        return float(self.scene_values[self.scene_names.index(name)]) if name in self.scene_names else float("nan")

    def __repr__(self) -> str:
        return f"Looks(n={len(self.values)}, names={self.names})"


@dataclass(frozen=True, slots=True)
class Finding:
    """What the detect stage says of one frame; ``detections`` is None for a tick (nothing was looked at)."""

    ref: FrameRef
    note: FrameNote
    detections: Detections | None
    detector: str = ""
    looks: Looks | None = None

    def __post_init__(self) -> None:
        if self.looks is not None:
            count = -1 if self.detections is None else len(self.detections)
            _require(len(self.looks.values) == count, "looks", f"{count} rows", len(self.looks.values))


@dataclass(frozen=True, slots=True)
class Track:
    """A snapshot of one tracked object at one media time. ``xyxy`` in source pixels, ``velocity_xy`` pixels/second.

    ``detection``: its row in this finding's detections; None while it is only predicted.
    """

    id: int
    label: str
    confidence: float
    xyxy: tuple[float, float, float, float]
    first_at_s: float
    last_at_s: float
    velocity_xy: tuple[float, float] = (0.0, 0.0)
    detection: int | None = None

    @property
    def foot_xy(self) -> tuple[float, float]:
        """Middle of the lower edge: where the object stands on the ground."""
        return ((self.xyxy[0] + self.xyxy[2]) / 2, self.xyxy[3])

    @property
    def age_s(self) -> float:
        """Seconds of media time since the track began."""
        return self.last_at_s - self.first_at_s


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is needed to decode or remux packets later: codec name, ``extradata``, size in pixels, time base."""

    codec: str
    extradata: bytes
    size_wh: tuple[int, int]
    time_base: Fraction


@dataclass(frozen=True, slots=True, repr=False)
class Packet:
    """One compressed video packet as the camera sent it; times in the stream's ``time_base``."""

    pts: int
    dts: int
    duration: int
    is_key: bool
    payload: bytes

    def __repr__(self) -> str:
        return f"Packet(pts={self.pts}, is_key={self.is_key}, bytes={len(self.payload)})"


@dataclass(frozen=True, slots=True, repr=False)
class PacketBatch:
    """Consecutive packets of one session. Media time of a packet = ``origin_at`` + (pts - origin_pts) * time_base."""

    camera: str
    session: int
    stream: StreamInfo
    origin_at: datetime
    origin_pts: int
    packets: tuple[Packet, ...]

    def at_s(self, pts: int) -> float:
        """Media time in UTC seconds of a presentation time stamp of this session."""
        return self.origin_at.timestamp() + float((pts - self.origin_pts) * self.stream.time_base)

    def __repr__(self) -> str:
        return f"PacketBatch({self.camera}/{self.session}, packets={len(self.packets)})"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One cue of an alert: what was observed against what is normal or allowed. Shares of an alert sum to 1."""

    cue: str
    share: float
    observed: str
    normal: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class AlertTrack:
    """A track as an alert shows it; ``xyxy_norm`` is 0..1 of the source frame."""

    id: int
    label: str
    xyxy_norm: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Alert:
    """One revision of one incident: message version 1 on ``vedette:alerts`` (schema: ``configs/alert.schema.json``)."""

    id: str
    revision: int
    phase: Phase
    camera: str
    kind: str
    severity: Severity
    score: float
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    title: str
    text: str
    text_source: str
    tracks: tuple[AlertTrack, ...]
    evidence: tuple[Evidence, ...]
    rule: str | None = None
    clip: str | None = None
    snapshot: str | None = None
    config_hash: str = ""
    models: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(self.revision >= 1, "revision", ">= 1", self.revision)
        _require((self.closed_at is not None) == (self.phase == "closed"), "closed_at", "set when closed", self.phase)


def utc_from_s(at_s: float) -> datetime:
    """UTC instant of ``at_s`` seconds since 1970, rounded to the microsecond."""
    return datetime.fromtimestamp(round(at_s, 6), UTC)
