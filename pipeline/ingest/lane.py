"""From packets to frames: decodes what is worth decoding and publishes what is worth publishing.

    packet -> GopDecoder (everything, or key frames while quiet) -> Analyst -> Frame

In: packets of one session with their media time; out: ``Frame`` values. Whether to doze or wake follows from packets
and media time alone. Only a live camera on a machine that is too slow looks at the clock: old packets then go
undecoded, and are counted. Next file: ``pipeline/ingest/analysis.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from pipeline.ingest.analysis import Analyst
from pipeline.ingest.desk import Desk
from pipeline.ingest.gop import GopDecoder
from pipeline.ingest.quiet import QuietConfig, QuietWatch
from pipeline.ingest.timestamps import Session
from pipeline.protocols import Count
from pipeline.types import Frame, Packet, StreamInfo
from pipeline.video.decoder import Picture, PictureDecoder

__all__ = ["PictureLane"]

_INTRA_ONLY = frozenset({"mjpeg", "prores", "dnxhd", "ffv1", "rawvideo", "png", "jpeg2000"})
_MAX_IN_FLIGHT = 1024


class PictureLane:
    """The decoding side of one opened medium. ``pictures`` counts those that could be looked at."""

    def __init__(
        self,
        stream: StreamInfo,
        rotation: int,
        desk: Desk,
        analyst: Analyst,
        *,
        quiet: QuietConfig,
        count: Count,
        now: Callable[[], float] | None = None,
    ) -> None:
        """``now`` (UTC seconds) for live sources only. Raises SourceRefused when the codec cannot be decoded."""
        self._rotation = rotation
        self._desk = desk
        self._analyst = analyst
        self._count = count
        self._lateness = _Lateness(now) if now else None
        self._watch = QuietWatch(quiet)
        self._in_flight: dict[int, tuple[Session, Packet]] = {}
        self._token = 0
        self._is_in_doubt = False
        self._codec = stream.codec
        self._gop = GopDecoder(PictureDecoder(stream, rotation))
        self.pictures = 0

    def restate(self, stream: StreamInfo) -> Iterator[Frame]:
        """The stream goes on with other parameters: what the old decoder still holds, then a new decoder."""
        yield from self._show(self._gop.drain())
        self._codec = stream.codec
        self._gop = GopDecoder(PictureDecoder(stream, self._rotation))

    def begin_session(self) -> None:
        """A new session begins with the next packet; the decoder goes on, since the pictures do."""
        self._watch.reset()
        self._analyst.begin_session()
        if self._lateness:
            self._lateness.reset()

    def take(self, packet: Packet, session: Session, at_s: float) -> Iterator[Frame]:
        """The next packet of ``session``, at media time ``at_s``; frames that came of it."""
        self._analyst.arrived(at_s)
        if self._codec in _INTRA_ONLY and not self._analyst.wants(at_s):
            return  # every picture stands alone: those that nobody looks at need no decoding
        faults = self._gop.faults
        yield from self._show(self._decode(packet, session, at_s))
        for _ in range(self._gop.faults - faults):
            self._count("decode_errors", self._desk.camera, self._codec)
        if not self._gop.is_dozing and self._watch.may_doze(at_s):
            self._gop.doze()

    def rest(self) -> Iterator[Frame]:
        """What is left at the end of the medium."""
        if self._gop.is_dozing:
            yield from self._show(self._gop.wake())
        yield from self._show(self._gop.drain())

    def _decode(self, packet: Packet, session: Session, at_s: float) -> Iterable[Picture]:
        gop = self._gop
        is_alarm = self._watch.must_wake(len(packet.payload), at_s, is_key=packet.is_key)
        if self._lateness and self._lateness.is_late(at_s) and not packet.is_key:
            gop.give_up()
            self._count("dropped", self._desk.camera, "late")
            return []
        self._token += 1
        self._in_flight[self._token] = (session, packet)
        was_dozing = gop.is_dozing
        pictures = gop.push(packet, self._token)
        if was_dozing and packet.is_key:
            # The packets owed until now are forgotten; nothing older than these pictures can come out any more.
            coming = {picture.token for picture in pictures} | {self._token}
            self._in_flight = {token: known for token, known in self._in_flight.items() if token in coming}
        elif len(self._in_flight) > _MAX_IN_FLIGHT:
            del self._in_flight[next(iter(self._in_flight))]
        return chain(pictures, gop.wake()) if gop.is_dozing and is_alarm else pictures

    def _show(self, pictures: Iterable[Picture]) -> Iterator[Frame]:
        """Frames of ``pictures`` that are worth publishing; what is seen may wake the decoder, and give more."""
        woken: Iterator[Picture] = iter(())
        for picture in pictures:
            frame = self._frame(picture)
            if frame is not None:
                yield frame
            if self._gop.is_dozing and (self._analyst.is_open or self._is_in_doubt):
                woken = self._gop.wake()
            self._is_in_doubt = False
        for picture in woken:
            frame = self._frame(picture)
            if frame is not None:
                yield frame

    def _frame(self, picture: Picture) -> Frame | None:
        session, packet = self._in_flight.pop(picture.token, (None, None))
        if session is None or packet is None:
            return None  # the key frame of a group that was woken, coming out a second time
        at_s = session.at_s(packet.pts)
        if not self._desk.is_current(session) or packet.pts < session.origin_pts or not self._desk.is_later(at_s):
            self._count("dropped", self._desk.camera, "not_later")
            return None
        if not self._analyst.can_see(picture):
            self._count("dropped", self._desk.camera, "too_small")
            return None
        self.pictures += 1
        if self._codec not in _INTRA_ONLY and not self._analyst.wants(at_s):
            return None
        look = self._analyst.look(picture, at_s)
        self._watch.note_gate(is_open=self._analyst.is_open, at_s=at_s)
        if self._gop.is_dozing and not self._analyst.is_open:
            self._is_in_doubt = self._watch.is_doubtful(self._analyst.motion, at_s)
        if look is None:
            return None
        return Frame(self._desk.name(session, packet.pts, at_s, picture.size_wh), look.note, look.i420)


class _Lateness:
    """How far this machine is behind a live camera, against the least delay seen in the session."""

    _LATE_S = 2.0
    _CAUGHT_UP_S = 0.5

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.reset()

    def reset(self) -> None:
        """A new session: another anchor."""
        self._least_s = float("inf")
        self._was_late = False

    def is_late(self, at_s: float) -> bool:
        """Whether a packet of media time ``at_s`` is too old to be decoded; stays so until all is caught up."""
        lag_s = self._now() - at_s
        self._least_s = min(self._least_s, lag_s)
        self._was_late = lag_s - self._least_s > (self._CAUGHT_UP_S if self._was_late else self._LATE_S)
        return self._was_late
