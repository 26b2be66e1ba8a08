"""Reads one opened medium of a camera: packets in; ``PacketBatch`` and ``Frame`` values out, in the order of time.

    packet -> TimestampValidator -> Session -> batch of packets
                                       └────> GopDecoder (all, or key frames while quiet) -> Analyst -> Frame

Numbers, sessions and the analyst belong to the camera and outlive the medium. Next file: ``pipeline/ingest/camera.py``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

from pipeline.errors import SourceError
from pipeline.ingest.analysis import Analyst
from pipeline.ingest.gop import GopDecoder
from pipeline.ingest.quiet import QuietConfig, SizeWatch
from pipeline.ingest.timestamps import DriftWatch, Session, SessionLine, TimestampValidator, with_first_stamps
from pipeline.protocols import Count
from pipeline.types import Frame, FrameKey, FrameNote, FrameRef, Packet, PacketBatch, StreamInfo, utc_from_s
from pipeline.video.decoder import Picture, PictureDecoder
from pipeline.video.media import CodedPacket, Media
from pipeline.video.parameters import ParameterWatch

__all__ = ["Desk", "StreamReader"]

_INTRA_ONLY = frozenset({"mjpeg", "prores", "dnxhd", "ffv1", "rawvideo", "png", "jpeg2000"})
_MAX_IN_FLIGHT = 4096
_LATE_S = 2.0
_CAUGHT_UP_S = 0.5
_MAX_EDGE_S = 0.5
_MAX_EDGE_PACKETS = 256
_MAX_BURST_S = 10.0


class Desk:
    """Gives the frames of one camera their names: the session now running and the next number in it."""

    def __init__(self, camera: str, line: SessionLine) -> None:
        self.camera = camera
        self.line = line
        self._session: Session | None = None
        self._seq = 0
        self._last_at_s: float | None = None

    @property
    def session(self) -> Session:
        """The session now running; before the first, one at the media time reached so far."""
        if self._session is None:
            self.open(self.line.begin(0, Fraction(1, 1000), wall_s=self.line.end_s))
        assert self._session is not None  # noqa: S101 - opened above
        return self._session

    def open(self, session: Session) -> None:
        """``session`` begins; its numbers start at 0."""
        self._session = session
        self._seq = 0

    def is_later(self, at_s: float) -> bool:
        """Whether a frame at ``at_s`` comes after every frame named so far, to the microsecond."""
        return self._last_at_s is None or round(at_s, 6) > self._last_at_s

    def name(self, session: Session, pts: int, at_s: float, source_wh: tuple[int, int]) -> FrameRef:
        """The next reference of ``session`` (which has to be the running one)."""
        key = FrameKey(self.camera, session.id, self._seq)
        self._seq += 1
        self._last_at_s = round(at_s, 6)
        return FrameRef(key, pts, session.time_base, utc_from_s(at_s), source_wh)

    def tick(self, at_s: float, note: FrameNote, source_wh: tuple[int, int] = (0, 0)) -> Frame:
        """A frame without picture at ``at_s``, or at the media time reached when that is later."""
        session = self.session
        at_s = max(at_s, self.line.end_s or at_s, self._last_at_s or at_s)
        self.line.reach(at_s)
        pts = session.origin_pts + round((at_s - session.origin_at.timestamp()) / session.time_base)
        return Frame(self.name(session, pts, at_s, source_wh), note, None)


class StreamReader:
    """Reads one medium to its end or its error. ``frames`` and ``pictures`` say what came of it."""

    def __init__(
        self,
        media: Media,
        desk: Desk,
        analyst: Analyst | None,
        *,
        quiet: QuietConfig,
        batch_s: float,
        count: Count,
        now: Callable[[], float] | None = None,
    ) -> None:
        """``analyst`` None: packets only. ``batch_s`` 0: frames only. ``now`` (UTC seconds) for live sources only.

        Raises SourceRefused when the codec cannot be decoded.
        """
        self._media = media
        self._desk = desk
        self._analyst = analyst
        self._count = count
        self._now = now
        self._stream = media.stream
        self._validator = TimestampValidator(
            self._stream.time_base, step_s=1 / media.frame_rate if media.frame_rate else 0.0
        )
        self._parameters = ParameterWatch(self._stream)
        self._sizes = SizeWatch(quiet)
        self._drift = DriftWatch()
        self._gop = GopDecoder(PictureDecoder(self._stream, media.rotation)) if analyst else None
        self._batch = _Batch(desk.camera, batch_s)
        self._session: Session | None = None
        self._in_flight: dict[int, tuple[Session, Packet]] = {}
        self._token = 0
        self._source_wh = self._stream.size_wh
        self._least_lag_s: float | None = None
        self._is_late = False
        self._burst_s = 0.0
        self.packets = 0
        self.pictures = 0

    def read(self) -> Iterator[Frame | PacketBatch]:
        """Everything of the medium. Raises what ``Media.packets`` raises, after giving out what came before."""
        failure: SourceError | None = None
        step = max(1, round(1 / (self._media.frame_rate or 25) / self._stream.time_base))
        packets = with_first_stamps(self._media.packets(), step)
        try:
            for coded in packets if self._now is None else self._from_live_edge(packets, self._now):
                yield from self._take(coded)
        except SourceError as error:
            failure = error  # the packets up to the fault are what a clip of the incident needs
        yield from self._rest()
        if failure:
            raise failure

    def _from_live_edge(self, packets: Iterator[CodedPacket], now: Callable[[], float]) -> Iterator[CodedPacket]:
        """``packets``, the first ones held until they arrive at their own pace.

        Many servers begin with a burst, from the last key frame on. Its first picture is older than it looks: anchored
        at its arrival, media time would run ahead of the clock for the whole session.
        """
        held: list[CodedPacket] = []
        began_s = asked_s = now()
        for coded in packets:
            held.append(coded)
            came_s = now()
            first = next((early.pts for early in held if early.is_key and early.pts is not None), None)
            span_s = 0.0 if first is None or coded.pts is None else float((coded.pts - first) * self._stream.time_base)
            if came_s - asked_s >= 0.5 * self._validator.step_s or came_s - began_s >= _MAX_EDGE_S:
                break
            if len(held) >= _MAX_EDGE_PACKETS or not 0 <= span_s <= _MAX_BURST_S:
                break
            asked_s = now()
        self._burst_s = min(max(span_s, 0.0), _MAX_BURST_S) if held else 0.0
        yield from held
        yield from packets

    def _take(self, coded: CodedPacket) -> Iterator[Frame | PacketBatch]:
        verdict = self._validator.check(coded)
        packet = verdict.packet
        if packet is None:
            self._count("dropped", self._desk.camera, verdict.reason)
            return
        self.packets += 1
        parameters = coded.extradata or (self._parameters.changed(packet.payload) if packet.is_key else None)
        why = verdict.breaks or ("parameters" if parameters else None) or self._drifted(packet)
        if self._session is None or why:
            yield from self._begin(packet, why or "opened", parameters)
        session = self._running
        at_s = session.at_s(packet.pts)
        self._desk.line.reach(at_s + self._validator.step_s)
        yield from self._batch.add(packet, session, self._stream)
        if self._analyst and self._gop:
            self._analyst.arrived(at_s)
            yield from self._show(self._decode(self._gop, self._analyst, packet, at_s))

    @property
    def _running(self) -> Session:
        assert self._session is not None  # noqa: S101 - begun with the first packet
        return self._session

    def _begin(self, packet: Packet, why: str, parameters: bytes | None) -> Iterator[Frame | PacketBatch]:
        """Begin a session at ``packet``; a new decoder when the parameters changed, the running one otherwise."""
        yield from self._batch.close()
        if parameters:
            self._stream = _restated(self._stream, parameters, packet)
            if self._gop:
                yield from self._show(self._gop.drain())
                self._gop = GopDecoder(PictureDecoder(self._stream, self._media.rotation))
        elif min(self._stream.size_wh) <= 0:
            self._stream = _restated(self._stream, self._stream.extradata, packet)
        created_at = self._media.created_at if self._session is None else None
        wall_s = self._now() - self._burst_s if self._now else None
        self._burst_s = 0.0
        self._session = self._desk.line.begin(packet.pts, self._stream.time_base, wall_s=wall_s, created_at=created_at)
        self._desk.open(self._session)
        self._sizes.reset()
        self._drift.reset()
        self._least_lag_s = None
        if self._analyst:
            self._analyst.begin_session()
        self._count("sessions", self._desk.camera, why)

    def _decode(self, gop: GopDecoder, analyst: Analyst, packet: Packet, at_s: float) -> list[Picture]:
        if self._stream.codec in _INTRA_ONLY and not analyst.wants(at_s):
            return []  # every picture stands alone: those that nobody looks at need no decoding
        self._token += 1
        self._in_flight[self._token] = (self._running, packet)
        if len(self._in_flight) > _MAX_IN_FLIGHT:
            del self._in_flight[next(iter(self._in_flight))]
        faults = gop.faults
        is_late = self._falls_behind(at_s)
        if is_late:
            gop.doze()
        pictures = gop.push(packet, self._token)
        spikes = self._sizes.is_spike(len(packet.payload), at_s, is_key=packet.is_key)
        if is_late:
            for _ in range(gop.forget_owed()):
                self._count("dropped", self._desk.camera, "late")
        elif gop.is_dozing and spikes:
            pictures += gop.wake()
        for _ in range(gop.faults - faults):
            self._count("decode_errors", self._desk.camera, self._stream.codec)
        return pictures

    def _show(self, pictures: list[Picture]) -> Iterator[Frame]:
        """Frames of ``pictures`` that are worth publishing; wakes or rests the decoder by what is seen."""
        gop, analyst = self._gop, self._analyst
        if gop is None or analyst is None:
            return
        waiting = deque(pictures)
        while waiting:
            picture = waiting.popleft()
            frame = self._frame(picture, analyst)
            if frame is not None:
                yield frame
            if gop.is_dozing and analyst.is_open and not self._is_late:
                waiting.extend(gop.wake())
        if not gop.is_dozing and self._session and self._sizes.may_doze(self._desk.line.end_s or 0.0):
            gop.doze()

    def _frame(self, picture: Picture, analyst: Analyst) -> Frame | None:
        session, packet = self._in_flight.pop(picture.token, (None, None))
        if session is None or packet is None:
            return None  # the key frame of a group that was woken, coming out a second time
        at_s = session.at_s(packet.pts)
        if session is not self._session or packet.pts < session.origin_pts or not self._desk.is_later(at_s):
            self._count("dropped", self._desk.camera, "not_later")
            return None
        self.pictures += 1
        if not analyst.can_see(picture):
            self._count("dropped", self._desk.camera, "too_small")
            return None
        if self._stream.codec not in _INTRA_ONLY and not analyst.wants(at_s):
            return None
        self._source_wh = picture.size_wh
        look = analyst.look(picture, at_s)
        self._sizes.note_gate(is_open=analyst.is_open, at_s=at_s)
        if look is None:
            return None
        return Frame(self._desk.name(session, packet.pts, at_s, picture.size_wh), look.note, look.i420)

    def _rest(self) -> list[Frame | PacketBatch]:
        frames: list[Frame | PacketBatch] = list(self._batch.close())
        if self._gop:
            owed = self._gop.wake() if self._gop.is_dozing else []
            frames += self._show(owed + self._gop.drain())
        return frames

    def _drifted(self, packet: Packet) -> str | None:
        if self._now is None or self._session is None:
            return None
        return "clock_drift" if self._drift.has_drifted(self._session.at_s(packet.pts), self._now()) else None

    def _falls_behind(self, at_s: float) -> bool:
        """Live only: whether this machine is too slow just now, so that old packets have to go undecoded."""
        if self._now is None:
            return False
        lag_s = self._now() - at_s
        self._least_lag_s = lag_s if self._least_lag_s is None else min(self._least_lag_s, lag_s)
        excess_s = lag_s - self._least_lag_s
        self._is_late = excess_s > (_CAUGHT_UP_S if self._is_late else _LATE_S)
        return self._is_late


def _restated(stream: StreamInfo, parameters: bytes, packet: Packet) -> StreamInfo:
    """``stream`` with new parameter sets and the size of the picture in key packet ``packet``."""
    stream = replace(stream, extradata=parameters)
    decoder = PictureDecoder(stream)
    pictures = GopDecoder(decoder)
    shown = pictures.push(packet, 0) or pictures.drain()
    return replace(stream, size_wh=shown[0].size_wh) if shown else stream


class _Batch:
    """Collects packets of one session until they span ``batch_s`` of media time."""

    def __init__(self, camera: str, batch_s: float) -> None:
        self._camera = camera
        self._batch_s = batch_s
        self._packets: list[Packet] = []
        self._session: Session | None = None
        self._stream: StreamInfo | None = None

    def add(self, packet: Packet, session: Session, stream: StreamInfo) -> Iterator[PacketBatch]:
        if self._batch_s <= 0:
            return
        self._session, self._stream = session, stream
        self._packets.append(packet)
        if abs(packet.pts - self._packets[0].pts) * stream.time_base >= self._batch_s:
            yield from self.close()

    def close(self) -> Iterator[PacketBatch]:
        packets, self._packets = self._packets, []
        if packets and self._session and self._stream:
            origin = self._session
            yield PacketBatch(
                self._camera, origin.id, self._stream, origin.origin_at, origin.origin_pts, tuple(packets)
            )
