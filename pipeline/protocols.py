"""The seams: what a stage asks of the outside. Adapters implement these; ``workers/wiring.py`` picks which.

A frame's way: ``Bus`` (frames) -> ``Detector`` -> ``Bus`` (findings) -> ``Tracker`` -> ``Judge`` -> policy -> ``Bus``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.bus.topics import Topic
from pipeline.descriptions import DescribeRequest, Prompt, Reply, SceneDescription, SceneFacts
from pipeline.types import Alert, Detections, Evidence, Finding, Frame, Looks, PacketBatch, Track

__all__ = [
    "Bus",
    "Count",
    "Detector",
    "Entry",
    "Json",
    "Judge",
    "LanguageModel",
    "Lease",
    "Looker",
    "Message",
    "Moment",
    "Narrator",
    "Suspicion",
    "TextEncoder",
    "Tracker",
]

Message = Frame | Finding | PacketBatch | SceneDescription
"""What a per-camera stream carries."""

Json = dict[str, Any]
"""A JSON object: the form in which a stage's state is saved."""

Count = Callable[[str, str, str], None]
"""``count(name, camera, reason)``: a stage reports a drop or an event; the worker turns it into a metric."""


class Detector(Protocol):
    """Finds objects in analysis frames; holds weights, never history."""

    @property
    def name(self) -> str:
        """Model name with its precision, e.g. ``vedette-n/int8``."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Every word this detector can say."""
        ...

    @property
    def input_wh(self) -> tuple[int, int]:
        """Preferred analysis size (width, height) in pixels."""
        ...

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Detections of each frame, in order, boxes in source pixels. Every frame has a picture.

        Raises ModelError when the runtime fails.
        """
        ...


class Looker(Protocol):
    """Measures what the pixels say of detections; remembers the last frames of each camera and nothing else."""

    def look(self, frame: Frame, detections: Detections) -> tuple[Detections, Looks]:
        """``detections`` with embeddings where they were refreshed (a row of zeros where not), and their looks.

        Frames of one camera come in order. Same frames, same looks.
        """
        ...

    def forget(self, camera: str) -> None:
        """Another worker has this camera now."""
        ...


class TextEncoder(Protocol):
    """Turns sentences into vectors whose inner product says how alike they mean."""

    @property
    def name(self) -> str:
        """Model name, e.g. ``all-MiniLM-L6-v2``; vectors of different names cannot be compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Length D of a vector."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors (N, D) of ``texts``, in order. Raises ModelError when the runtime fails."""
        ...


class LanguageModel(Protocol):
    """Answers prompts with pictures: in process or over the network. Its words are hostile until they are checked."""

    @property
    def name(self) -> str:
        """``vlm:NAME`` or ``server:NAME``."""
        ...

    def reply(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply per prompt, in order. Raises ModelError when the model fails or its server does not answer."""
        ...


class Tracker(Protocol):
    """Gives objects of one camera an identity over media time. Same findings, same tracks, on any machine."""

    def update(self, finding: Finding) -> tuple[Track, ...]:
        """Snapshots of the tracks visible at this finding's media time."""
        ...

    def state(self) -> Json:
        """Everything needed to go on elsewhere; ``restore(state())`` changes nothing that follows."""
        ...

    def restore(self, state: Json) -> None:
        """Continue from a saved state. Raises ValueError for a state of another version."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """What judges look at: one finding of one camera with its tracks. ``missing_s`` is unobserved time before it.

    ``facts``: what was measured over the last seconds; ``words``: the newest description of this camera, whose age is
    the difference of media times. Both are None where nobody narrates.
    """

    finding: Finding
    tracks: tuple[Track, ...]
    missing_s: float = 0.0
    facts: SceneFacts | None = None
    words: SceneDescription | None = None


class Narrator(Protocol):
    """Puts one camera into facts and words as media time passes. Same moments and descriptions, same words."""

    def narrate(self, moment: Moment) -> tuple[SceneFacts | None, SceneDescription | None]:
        """The facts of the window that ends at ``moment``, and the newest words."""
        ...

    def write(self, facts: SceneFacts) -> tuple[str, str]:
        """The grounded writer's title and text of ``facts``; changes nothing."""
        ...

    def hear(self, description: SceneDescription) -> None:
        """A model described an earlier moment of this camera: its words are the newest until they age."""
        ...

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        ...

    def restore(self, state: Json) -> None:
        """Continue from a saved state. Raises ValueError for a state of another version."""
        ...


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a judge holds against a moment, for policy to turn into an incident.

    ``key`` tells incidents of one kind apart within a camera (rule name and track id, say); ``score`` is 0..1;
    ``is_exempt_from_hold`` marks facts that need no persistence (a line was crossed).
    """

    kind: str
    key: str
    rule: str | None
    severity: str
    score: float
    title: str
    text: str
    tracks: tuple[Track, ...]
    evidence: tuple[Evidence, ...]
    is_exempt_from_hold: bool = False


class Judge(Protocol):
    """Decides what is suspicious about a moment: the explicit rules, camera health, the learned score."""

    def judge(self, moment: Moment) -> Sequence[Suspicion]:
        """Every suspicion that holds at this moment; an empty sequence when all is well."""
        ...

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        ...

    def restore(self, state: Json) -> None:
        """Continue from a saved state."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as read from a stream; ``id`` is its place there."""

    id: str
    message: Message


@dataclass(frozen=True, slots=True)
class Lease:
    """Ownership of a camera in a role until it expires; renewed by its holder, taken over when the holder dies."""

    camera: str
    role: str
    owner: str


class Bus(Protocol):
    """Streams between stages. Redis in production, memory in tests and single-process replay; one contract suite.

    Every method raises BusError when the bus is away; a caller waits and tries again. Positions are opaque,
    increasing strings; ``"0"`` is the beginning.
    """

    def append(self, camera: str, topic: Topic, message: Message, *, wait_s: float | None = None) -> bool:
        """Add a message within the topic's bound.

        ``wait_s`` None: drop the oldest entries to make room (live). Otherwise wait up to that long for readers to
        make room (replay); False when there was none, nothing was added.
        """
        ...

    def read(
        self, positions: Mapping[tuple[str, Topic], str], *, max_entries: int, block_s: float
    ) -> dict[tuple[str, Topic], list[Entry]]:
        """At most ``max_entries`` after each position, oldest first; waits up to ``block_s`` for the first.

        What cannot be parsed goes to ``dead`` and is left out.
        """
        ...

    def newest(self, camera: str, topic: Topic) -> str:
        """Position of the newest entry (``"0"`` when there is none), to begin reading only what comes next."""
        ...

    def depth(self, camera: str, topic: Topic) -> int:
        """Entries now in the stream."""
        ...

    def exchange(
        self, camera: str, consumed: Sequence[tuple[Topic, str]], produced: Sequence[tuple[Topic, Message]]
    ) -> None:
        """Remove what was consumed and add what came of it, as one atomic step (same camera, same slot)."""
        ...

    def trim(self, camera: str, topic: Topic, before: str) -> None:
        """Forget entries up to and including position ``before``."""
        ...

    def save_state(self, camera: str, role: str, state: bytes, *, lease: Lease | None = None) -> bool:
        """Replace the saved fold of ``role`` for ``camera`` (it holds its own input position).

        With ``lease``, only while that is held: a process that slept through its successor's work must not put it
        back. False when it is not; nothing was saved.
        """
        ...

    def load_state(self, camera: str, role: str) -> bytes | None:
        """The saved fold, or None."""
        ...

    def acquire(self, lease: Lease, ttl_s: float) -> bool:
        """Take or renew a lease; False while somebody else holds it."""
        ...

    def release(self, lease: Lease) -> None:
        """Give a lease back if it is ours."""
        ...

    def publish_alert(self, alert: Alert) -> bool:
        """Put an alert revision on the durable stream and the channel, once; False when it was already there."""
        ...

    def alerts(self, since: str, *, max_entries: int, block_s: float) -> list[tuple[str, Alert]]:
        """Alert revisions after position ``since``, oldest first, each with its position."""
        ...

    def newest_alert(self) -> str:
        """Position of the newest alert revision (``"0"`` when there is none), to hear only what comes next."""
        ...

    def request(self, request: DescribeRequest) -> bool:
        """Ask for words about a moment, once; the queue is one for the whole site.

        When it is full the least urgent make room and are counted. False when this was asked before, or is itself the
        least urgent.
        """
        ...

    def next_requests(self, count: int, *, hold_s: float) -> list[DescribeRequest]:
        """At most ``count`` requests, most urgent first, for the caller to describe within ``hold_s``.

        One that is not finished by then is given to somebody else, and given up (counted) when that happens too often.
        """
        ...

    def finish_request(self, request: DescribeRequest) -> None:
        """It has been described, or never will be."""
        ...

    def requests_waiting(self) -> int:
        """How many requests nobody works on yet."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
