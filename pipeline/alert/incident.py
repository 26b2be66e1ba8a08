"""One incident while it lasts: what is held, since when, what was told about it, and how that reads as an alert.

In: suspicions about the same thing. Out: :class:`~pipeline.types.Alert` revisions under one id. Used by
``pipeline/alert/policy.py`` only. Next file: ``pipeline/alert/stage.py``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, cast

from pipeline.alert.explain import clean, seconds
from pipeline.boxes import Box, normalise
from pipeline.protocols import Json, Suspicion
from pipeline.types import Alert, AlertTrack, Evidence, Phase, Severity, Track, utc_from_s

__all__ = ["Incident", "alert_id", "alert_of"]

_MAX_TRACKS = 16
_MAX_REMEMBERED_TRACKS = 256
_MAX_WORDS = 1_500
_GROUNDED = "grounded"


@dataclass(slots=True)
class Incident:
    """A breach that is suspected (``id`` is empty), open or over. Times are UTC seconds of media time.

    ``text`` is the judge's own sentence. ``words`` say what the scene looked like, by ``words_source``; ``described``
    of the revisions carried nothing else that was new, and ``told_at_s`` is the last that did.
    """

    key: str
    kind: str
    rule: str | None
    severity: Severity
    score: float
    title: str
    text: str
    evidence: tuple[Evidence, ...]
    tracks: tuple[AlertTrack, ...]
    boxes: tuple[Box, ...]
    first_track: int
    last_at_s: float
    is_momentary: bool
    id: str = ""
    revision: int = 0
    opened_at_s: float = 0.0
    updated_at_s: float = 0.0
    closed_at_s: float | None = None
    held_s: float = 0.0
    was_held: bool = False
    absent_s: float = 0.0
    blind_s: float = 0.0
    told_severity: Severity = "info"
    told_tracks: list[int] = field(default_factory=list)
    told_at_s: float = 0.0
    words: str = ""
    words_source: str = ""
    words_at_s: float = 0.0
    described: int = 0

    @classmethod
    def suspected(cls, suspicion: Suspicion, at_s: float, source_wh: tuple[int, int]) -> Incident:
        """A new one; nothing has been told about it yet."""
        return cls(
            key=suspicion.key,
            kind=suspicion.kind,
            rule=suspicion.rule,
            severity=cast(Severity, suspicion.severity),
            score=suspicion.score,
            title=suspicion.title,
            text=suspicion.text,
            evidence=suspicion.evidence,
            tracks=_shown(suspicion.tracks, source_wh),
            boxes=tuple(track.xyxy for track in suspicion.tracks),
            first_track=suspicion.tracks[0].id if suspicion.tracks else 0,
            last_at_s=at_s,
            is_momentary=suspicion.is_exempt_from_hold,
        )

    @property
    def is_open(self) -> bool:
        """Whether an alert went out and no closing yet."""
        return bool(self.id)

    @property
    def news(self) -> bool:
        """Whether a track takes part that no message has named."""
        return any(track.id not in self.told_tracks for track in self.tracks)

    def take(self, suspicion: Suspicion, at_s: float, source_wh: tuple[int, int]) -> None:
        """The breach holds at ``at_s``; words and boxes are renewed, the score keeps its peak."""
        self.severity = cast(Severity, suspicion.severity)
        self.score = max(self.score, suspicion.score)
        self.title, self.text, self.evidence = suspicion.title, suspicion.text, suspicion.evidence
        shown = _shown(suspicion.tracks, source_wh)
        self.tracks = self._with_untold(shown) if self.is_momentary else shown
        self.boxes = tuple(track.xyxy for track in suspicion.tracks)
        self.last_at_s, self.absent_s, self.blind_s = max(self.last_at_s, at_s), 0.0, 0.0

    def _with_untold(self, shown: tuple[AlertTrack, ...]) -> tuple[AlertTrack, ...]:
        """``shown`` after those that took part a moment ago and that no message has named."""
        ids = {track.id for track in shown}
        untold = [track for track in self.tracks if track.id not in ids and track.id not in self.told_tracks]
        return (*untold, *shown)[:_MAX_TRACKS]

    def join(self, suspicion: Suspicion, source_wh: tuple[int, int]) -> None:
        """Another suspicion of this moment is about the same objects: one more view of one incident."""
        new = [track for track in suspicion.tracks if track.id not in {known.id for known in self.tracks}]
        self.tracks = (*self.tracks, *_shown(new, source_wh))[:_MAX_TRACKS]
        self.boxes = (*self.boxes, *(track.xyxy for track in new))
        self.score = max(self.score, suspicion.score)

    @property
    def is_described(self) -> bool:
        """Whether its words come from somebody who looked at the pictures."""
        return self.words_source not in ("", _GROUNDED)

    def note(self, words: str) -> None:
        """What the grounded writer says of the scene now; it does not replace the words of a model."""
        if words and not self.is_described:
            self.words, self.words_source = clean(words, _MAX_WORDS), _GROUNDED

    def describe(self, words: str, source: str, at_s: float, now_s: float) -> bool:
        """A model's words about the moment ``at_s`` arrive at ``now_s``; whether they are news worth a revision."""
        words = clean(words, _MAX_WORDS)
        if not words or at_s < self.words_at_s or (words, source) == (self.words, self.words_source):
            return False
        self.words, self.words_source, self.words_at_s = words, source, at_s
        self.revision, self.described = self.revision + 1, self.described + 1
        self.updated_at_s = max(self.updated_at_s, now_s)
        return True

    def tell(self, at_s: float) -> None:
        """One more message goes out at ``at_s``."""
        self.revision += 1
        self.updated_at_s = max(self.updated_at_s, at_s)
        self.told_at_s, self.told_severity = at_s, self.severity
        new = [track.id for track in self.tracks if track.id not in self.told_tracks]
        self.told_tracks = [*self.told_tracks, *new][-_MAX_REMEMBERED_TRACKS:]

    def end(self, at_s: float, closed_at_s: float, because: str) -> None:
        """It is over: decided at ``at_s``, true since ``closed_at_s``."""
        self.closed_at_s = max(self.opened_at_s, closed_at_s)
        self.tell(max(at_s, self.updated_at_s, self.closed_at_s))
        lasted_s = self.closed_at_s - self.opened_at_s
        if lasted_s > 0 or because:
            self.text = clean(f"Ended after {seconds(lasted_s)}{because}. The alert was: {self.text}")

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Incident:
        """The incident that :meth:`state` wrote."""
        known = {f.name for f in fields(cls)}
        return cls(
            **{
                **{name: value for name, value in state.items() if name in known},
                "evidence": tuple(Evidence(**entry) for entry in state["evidence"]),
                "tracks": tuple(
                    AlertTrack(entry["id"], entry["label"], _box(entry["xyxy_norm"])) for entry in state["tracks"]
                ),
                "boxes": tuple(_box(box) for box in state["boxes"]),
                "told_tracks": list(state["told_tracks"]),
            }
        )


def alert_id(camera: str, incident: Incident, at_s: float) -> str:
    """``a_`` and 16 hex digits of a SHA-256: the same incident has the same id on every replay and every machine."""
    identity = "\x1f".join(
        (camera, incident.kind, incident.rule or "", incident.key, f"{at_s:.6f}", str(incident.first_track))
    )
    return "a_" + hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def alert_of(incident: Incident, phase: Phase, camera: str, config_hash: str, models: Mapping[str, str]) -> Alert:
    """The message about ``incident`` as it stands."""
    return Alert(
        id=incident.id,
        revision=incident.revision,
        phase=phase,
        camera=camera,
        kind=incident.kind,
        severity=incident.severity,
        score=min(1.0, max(0.0, incident.score)),
        opened_at=utc_from_s(incident.opened_at_s),
        updated_at=utc_from_s(incident.updated_at_s),
        closed_at=None if incident.closed_at_s is None else utc_from_s(incident.closed_at_s),
        title=incident.title,
        text=f"{incident.text} {incident.words}".strip(),
        text_source=incident.words_source or _GROUNDED,
        tracks=incident.tracks,
        evidence=incident.evidence,
        rule=incident.rule,
        config_hash=config_hash,
        models={**models, "describer": incident.words_source} if incident.words else dict(models),
    )


def _shown(tracks: tuple[Track, ...] | list[Track], source_wh: tuple[int, int]) -> tuple[AlertTrack, ...]:
    if min(source_wh) <= 0:
        return ()
    return tuple(AlertTrack(track.id, track.label, normalise(track.xyxy, source_wh)) for track in tracks[:_MAX_TRACKS])


def _box(values: list[float]) -> Box:
    x1, y1, x2, y2 = values
    return (x1, y1, x2, y2)
