"""Every key on the bus, in one table. Camera keys carry the camera in a hash tag, so a Redis Cluster shards by camera.

``{cam}`` streams: ingest appends packets and frames; detect turns frames into findings; alert folds those into alerts.
The global keys share one hash tag, so that an alert, its de-duplication record and its channel live in one slot; so do
those of the site's queue of requests to describe.
Next file: ``pipeline/bus/codec.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.errors import UsageError

__all__ = [
    "ALERTS",
    "ALERTS_CHANNEL",
    "ALERT_REVISIONS",
    "DEAD",
    "DESCRIBER",
    "DESCRIPTIONS",
    "DETECTIONS",
    "FRAMES",
    "MAX_ALERTS",
    "MAX_ASKED",
    "MAX_DEAD",
    "MAX_REVISIONS",
    "MAX_TRIES",
    "MAX_WAITING",
    "PACKETS",
    "REQUESTS_ASKED",
    "REQUESTS_TAKEN",
    "REQUESTS_TEXT",
    "REQUESTS_TRIES",
    "REQUESTS_WAITING",
    "TOPICS",
    "Topic",
    "exchange_key",
    "lease_key",
    "require_position",
    "state_key",
    "stream_key",
]


@dataclass(frozen=True, slots=True)
class Topic:
    """One kind of per-camera stream and its bound.

    Perishable topics drop their oldest entries when full (live) or make the producer wait (replay); durable ones keep
    every entry until its effect is recorded, within ``max_entries``. ``max_bytes`` and ``max_age_s`` (media time)
    bound a topic further; None means no such bound.
    """

    name: str
    is_durable: bool
    max_entries: int
    max_bytes: int | None = None
    max_age_s: float | None = None


PACKETS = Topic("packets", is_durable=False, max_entries=1_000, max_bytes=64 * 2**20, max_age_s=30.0)
FRAMES = Topic("frames", is_durable=False, max_entries=8)
DETECTIONS = Topic("detections", is_durable=True, max_entries=20_000)
DESCRIPTIONS = Topic("descriptions", is_durable=True, max_entries=5_000)
TOPICS: tuple[Topic, ...] = (PACKETS, FRAMES, DETECTIONS, DESCRIPTIONS)

ALERTS = "vedette:alerts"
"""Durable stream of alert revisions; bounded to the newest ``MAX_ALERTS``."""
ALERTS_CHANNEL = "vedette:alerts"
"""Pub/Sub channel of the same name: the alert's JSON, for any Redis client."""
ALERT_REVISIONS = "vedette:{vedette:alerts}:revisions"
"""Sorted set of alert id + revision by arrival, the newest ``MAX_REVISIONS``: a revision takes effect once."""
DESCRIBER = "vedette:describe"
"""Stands in place of a camera in the state of the describe role, which serves the whole site."""
REQUESTS_WAITING = f"vedette:{{{DESCRIBER}}}:waiting"
"""Sorted set of requests to describe by urgency, at most ``MAX_WAITING``: the least urgent make room."""
REQUESTS_TAKEN = f"vedette:{{{DESCRIBER}}}:taken"
"""Sorted set of requests that somebody works on, by when they are given to somebody else."""
REQUESTS_TEXT = f"vedette:{{{DESCRIBER}}}:text"
"""Hash of what each waiting or taken request says."""
REQUESTS_TRIES = f"vedette:{{{DESCRIBER}}}:tries"
"""Hash of how often each was taken; after ``MAX_TRIES`` it is given up."""
REQUESTS_ASKED = f"vedette:{{{DESCRIBER}}}:asked"
"""Sorted set of requests by arrival, the newest ``MAX_ASKED``: a request takes effect once."""
MAX_WAITING = 256
MAX_TRIES = 3
MAX_ASKED = 20_000
DEAD = "vedette:dead"
"""What could not be parsed, with the reason; bounded to the newest ``MAX_DEAD``."""
MAX_ALERTS = 100_000
MAX_REVISIONS = 200_000
MAX_DEAD = 1_000

_POSITION = re.compile(r"\d{1,19}(-\d{1,19})?", re.ASCII)


def stream_key(camera: str, topic: Topic) -> str:
    """Redis key of a camera's stream: ``vedette:{cam}:topic``."""
    return f"{_prefix(camera)}:{topic.name}"


def lease_key(camera: str, role: str) -> str:
    """Redis key of the lease that says which worker serves ``camera`` in ``role``."""
    return f"{_prefix(camera)}:lease:{role}"


def state_key(camera: str, role: str) -> str:
    """Redis key of a stage's fold: its position in its input and its state, in one value so that both move together."""
    return f"{_prefix(camera)}:state:{role}"


def exchange_key(camera: str, topic: Topic) -> str:
    """Redis key of what was last exchanged out of ``topic``, so that a repeated exchange adds nothing twice."""
    return f"{_prefix(camera)}:exchanged:{topic.name}"


def require_position(position: str) -> None:
    """Refuse what is no place in a stream. Raises UsageError, since people name the place to resume from."""
    if not _POSITION.fullmatch(position):
        raise UsageError(f"{position!r} is no position of an alert: expected one like 1700000000000-0, or 0 for all")


def _prefix(camera: str) -> str:
    """Keys of one camera share its hash tag. An empty or braced name would break the tag: ValueError."""
    if not camera or "{" in camera or "}" in camera:
        raise ValueError(f"camera name: expected one or more characters without braces, got {camera!r}")
    return f"vedette:{{{camera}}}"
