"""Judges time stamps and maps them to media time. In: ``CodedPacket``; out: a ``Verdict``, and ``Session`` anchors.

Media time is the anchor of a session plus the distance in pts. A stamp that jumps, runs backwards, is missing or stands
still ends the session and begins another: time is never poisoned and never runs backwards between the sessions of a
camera. Pure: the wall clock is an argument, and only live sources use it. Next file: ``pipeline/ingest/camera.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from pipeline.types import Packet, utc_from_s
from pipeline.video.media import CodedPacket

__all__ = ["DriftWatch", "Session", "SessionLine", "StampLimits", "TimestampValidator", "Verdict", "with_first_stamps"]

_MAX_HELD = 8


@dataclass(frozen=True, slots=True)
class StampLimits:
    """What a source may do with its stamps before its session ends, in seconds of its own clock.

    ``max_gap_s``: longest step forward. ``max_reorder_s``: how far pts may lie behind the newest (B-frames).
    ``max_stuck``: packets in a row that may not advance the newest pts. ``default_step_s``: frame distance assumed
    while nothing better is known.
    """

    max_gap_s: float = 10.0
    max_reorder_s: float = 1.0
    max_stuck: int = 48
    default_step_s: float = 0.04


@dataclass(frozen=True, slots=True)
class Verdict:
    """``packet`` with usable stamps, or None when it was dropped for ``reason``.

    ``breaks`` names why a new session begins with this packet (None: the session goes on).
    """

    packet: Packet | None
    reason: str = ""
    breaks: str | None = None


def with_first_stamps(packets: Iterable[CodedPacket], step: int) -> Iterator[CodedPacket]:
    """``packets``, where those without stamps at the very beginning get theirs from the first that has some.

    libav leaves the first packets of an RTSP stream without, until it knows the time base; they hold the first key
    frame. ``step`` is the frame distance in ticks. At most 8 packets are held back.
    """
    held: list[CodedPacket] = []
    rest = iter(packets)
    for coded in rest:
        held.append(coded)
        known = coded.pts if coded.dts is None else coded.dts
        if known is not None:
            for back, early in enumerate(held[-2::-1], start=1):
                held[-1 - back] = replace(early, pts=known - back * step, dts=known - back * step)
            break
        if len(held) > _MAX_HELD:
            break
    yield from held
    yield from rest


class TimestampValidator:
    """Judges the packets of one opened medium in reading order; make a new one after every (re)open."""

    def __init__(self, time_base: Fraction, *, step_s: float = 0.0, limits: StampLimits | None = None) -> None:
        """``step_s`` is the declared frame distance (0: unknown). Raises ValueError unless ``time_base`` > 0."""
        if time_base <= 0:
            raise ValueError(f"time_base: expected > 0, got {time_base}")
        self._limits = limits or StampLimits()
        self._time_base = time_base
        self._step = self._ticks(step_s or self._limits.default_step_s)
        self._max_gap = self._ticks(self._limits.max_gap_s)
        self._newest: int | None = None
        self._stuck = 0
        self._is_counting = False

    def check(self, coded: CodedPacket) -> Verdict:
        """The next packet's verdict. Packets before the first key frame are dropped: nothing can decode them."""
        if coded.is_corrupt or not coded.payload:
            return Verdict(None, "corrupt")
        if self._newest is None and not coded.is_key:
            return Verdict(None, "before_key_frame")
        pts, dts = self._stamps(coded)
        breaks = self._break(pts)
        if breaks == "stuck":
            # From here on the stamps are worthless; count frames instead, in a session of their own.
            self._is_counting = True
            pts = dts = self._expected()
        packet = Packet(pts, dts, coded.duration, coded.is_key, coded.payload)
        if breaks or self._newest is None or pts > self._newest:
            self._learn_step(coded, pts, is_break=breaks is not None or self._newest is None)
            self._newest = pts
            self._stuck = 0
        else:
            self._stuck += 1
        return Verdict(packet, breaks=breaks)

    @property
    def step_s(self) -> float:
        """Frame distance as last seen, in seconds."""
        return float(self._step * self._time_base)

    def _stamps(self, coded: CodedPacket) -> tuple[int, int]:
        if self._is_counting or (coded.pts is None and coded.dts is None):
            at = self._expected()
            return at, at
        pts = coded.dts if coded.pts is None else coded.pts
        dts = pts if coded.dts is None else coded.dts
        return pts or 0, dts or 0  # neither is None here: one of the two was given

    def _expected(self) -> int:
        return 0 if self._newest is None else self._newest + self._step

    def _break(self, pts: int) -> str | None:
        if self._newest is None:
            return None
        if pts > self._newest + self._max_gap:
            return "jump_forward"
        # Reordering is counted in frames: at 2 fps a B-frame may lie seconds behind.
        if pts < self._newest - max(self._ticks(self._limits.max_reorder_s), 4 * self._step):
            return "jump_backward"
        return "stuck" if self._stuck >= self._limits.max_stuck else None

    def _learn_step(self, coded: CodedPacket, pts: int, *, is_break: bool) -> None:
        if coded.duration > 0:
            self._step = min(coded.duration, self._max_gap)
        elif not is_break and self._newest is not None:
            self._step = max(1, pts - self._newest)

    def _ticks(self, seconds: float) -> int:
        return max(1, round(seconds / self._time_base))


@dataclass(frozen=True, slots=True)
class Session:
    """A stretch of one camera with one mapping: media time = ``origin_at`` + (pts - origin_pts) * time_base."""

    id: int
    origin_at: datetime
    origin_pts: int
    time_base: Fraction

    def at_s(self, pts: int) -> float:
        """Media time of ``pts`` in UTC seconds."""
        # Whole numbers first: exact like Fraction, and ten times as fast.
        base = self.time_base
        return self.origin_at.timestamp() + (pts - self.origin_pts) * base.numerator / base.denominator


class SessionLine:
    """All sessions of one camera, one after another; ids and media time only ever grow.

    Live: a session is anchored at the wall clock of its first packet. Recording: at ``start_at_s`` when given, else at
    the container's creation time, else at 1970-01-01T00:00:00Z; further sessions, and files without a later creation
    time of their own, follow on directly, so a gap in a damaged file's stamps does not become hours of silence.
    """

    def __init__(self, *, start_at_s: float | None = None, after: tuple[int, float] | None = None) -> None:
        """``after`` is the last session id and media time of an earlier process of this camera."""
        self._start_at_s = start_at_s
        self._last_id: int | None = after[0] if after else None
        self._end_s: float | None = after[1] if after else None

    @property
    def end_s(self) -> float | None:
        """Latest media time reached (UTC seconds); None before the first."""
        return self._end_s

    def begin(
        self, pts: int, time_base: Fraction, *, wall_s: float | None = None, created_at: datetime | None = None
    ) -> Session:
        """Begin a session whose first packet is ``pts``; ``wall_s`` (UTC seconds) for live sources."""
        if wall_s is not None:
            anchor_s = wall_s
        elif self._start_at_s is not None:
            anchor_s = self._start_at_s
        else:
            anchor_s = created_at.timestamp() if created_at else 0.0
        if self._end_s is not None:
            anchor_s = max(anchor_s, self._end_s)
        anchor_s = round(anchor_s, 6)
        session_id = math.floor(anchor_s * 1000)
        if self._last_id is not None and session_id <= self._last_id:
            session_id = self._last_id + 1
        self._last_id = session_id
        self._end_s = anchor_s
        return Session(session_id, utc_from_s(anchor_s), pts, time_base)

    def reach(self, at_s: float) -> None:
        """Media time has come to ``at_s`` (a packet's end, or a tick while the camera was away)."""
        if self._end_s is None or at_s > self._end_s:
            self._end_s = at_s


class DriftWatch:
    """Notices that a live camera's clock has run away from ours: its media time no longer fits arrival.

    Arrival minus media time is the lag. Its minimum over a window is free of network jitter and bursts; when that
    minimum has left ``-max_ahead_s .. max_behind_s`` the session has to be anchored anew. A camera whose crystal is
    off by 50 ppm drifts 4 s in a day.
    """

    def __init__(self, *, window_s: float = 60.0, max_ahead_s: float = 5.0, max_behind_s: float = 10.0) -> None:
        self._window_s = window_s
        self._max_ahead_s = max_ahead_s
        self._max_behind_s = max_behind_s
        self._began_s: float | None = None
        self._least_s = math.inf

    def has_drifted(self, at_s: float, wall_s: float) -> bool:
        """Note one packet of media time ``at_s`` that arrived at ``wall_s``; True when a window ended out of bounds."""
        self._least_s = min(self._least_s, wall_s - at_s)
        if self._began_s is None:
            self._began_s = wall_s
        if 0 <= wall_s - self._began_s < self._window_s:
            return False
        least_s = self._least_s
        self._began_s, self._least_s = wall_s, math.inf
        return not -self._max_ahead_s <= least_s <= self._max_behind_s

    def reset(self) -> None:
        """A new session began."""
        self._began_s, self._least_s = None, math.inf
