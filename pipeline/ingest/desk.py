"""Gives the frames of one camera their names, and ticks to moments without a picture.

In: a session and a media time; out: ``FrameRef`` values whose (session, seq) and media time only ever grow, across
reconnections and restarts. Next file: ``pipeline/ingest/timestamps.py``.
"""

from __future__ import annotations

from fractions import Fraction

from pipeline.ingest.timestamps import Session, SessionLine
from pipeline.types import Frame, FrameKey, FrameNote, FrameRef, utc_from_s

__all__ = ["Desk"]


class Desk:
    """The session of one camera that is running now, and the next number in it."""

    def __init__(self, camera: str, line: SessionLine) -> None:
        self.camera = camera
        self.line = line
        self._session: Session | None = None
        self._seq = 0
        self._last_at_s: float | None = None

    def open(self, session: Session) -> None:
        """``session`` begins; its numbers start at 0."""
        self._session = session
        self._seq = 0

    def is_current(self, session: Session) -> bool:
        """Whether ``session`` is the one running: frames of an earlier one come too late to be named."""
        return session is self._session

    def is_later(self, at_s: float) -> bool:
        """Whether a frame at ``at_s`` comes after every frame named so far, to the microsecond."""
        return self._last_at_s is None or round(at_s, 6) > self._last_at_s

    def name(self, session: Session, pts: int, at_s: float, source_wh: tuple[int, int]) -> FrameRef:
        """The next reference of ``session``. Raises ValueError when another session is running."""
        if not self.is_current(session):
            raise ValueError(f"session: expected the one running, got {session.id}")
        key = FrameKey(self.camera, session.id, self._seq)
        self._seq += 1
        self._last_at_s = round(at_s, 6)
        return FrameRef(key, pts, session.time_base, utc_from_s(at_s), source_wh)

    def tick(self, at_s: float, note: FrameNote) -> Frame:
        """A frame without picture at ``at_s`` (UTC seconds), or at the media time reached when that is later."""
        at_s = max(at_s, self.line.end_s or at_s, self._last_at_s or at_s)
        if self._session is None:
            self.open(self.line.begin(0, Fraction(1, 1000), wall_s=at_s))
        session = self._session
        assert session is not None  # noqa: S101 - opened above
        self.line.reach(at_s)
        pts = session.origin_pts + round((at_s - session.origin_at.timestamp()) / session.time_base)
        return Frame(self.name(session, pts, at_s, (0, 0)), note, None)
