"""Reads one opened medium of a camera: packets in; ``PacketBatch`` and ``Frame`` values out, in the order of time.

    packet -> TimestampValidator -> Session ─┬─> batch of packets
                                             └─> PictureLane -> Frame

Numbers, sessions and the analyst belong to the camera and outlive the medium. Next file: ``pipeline/ingest/lane.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from pipeline.errors import SourceError
from pipeline.ingest.analysis import Analyst
from pipeline.ingest.desk import Desk
from pipeline.ingest.gop import GopDecoder
from pipeline.ingest.lane import PictureLane
from pipeline.ingest.quiet import QuietConfig
from pipeline.ingest.timestamps import DriftWatch, Session, TimestampValidator, with_first_stamps
from pipeline.protocols import Count
from pipeline.types import Frame, Packet, PacketBatch, StreamInfo
from pipeline.video.container import recognise
from pipeline.video.decoder import PictureDecoder
from pipeline.video.media import CodedPacket, Media
from pipeline.video.parameters import ParameterWatch

__all__ = ["StreamReader"]

_MAX_EDGE_S = 0.5
_MAX_EDGE_PACKETS = 256
_MAX_BURST_S = 10.0
_USUAL_FPS = 25.0


class StreamReader:
    """Reads one medium to its end or its error. ``packets`` and ``pictures`` say what came of it."""

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
        self._count = count
        self._now = now
        self._stream = media.stream
        self._step_s = 1 / (media.frame_rate or _USUAL_FPS)
        self._validator = TimestampValidator(self._stream.time_base, step_s=self._step_s)
        self._parameters = ParameterWatch(self._stream)
        self._drift = DriftWatch()
        self._lane: PictureLane | None = None
        if analyst:
            self._lane = PictureLane(self._stream, media.rotation, desk, analyst, quiet=quiet, count=count, now=now)
        self._batch = _Batch(desk.camera, batch_s)
        self._session: Session | None = None
        self._burst_s = 0.0
        self.packets = 0

    @property
    def pictures(self) -> int:
        """Pictures that could be looked at; without frames, packets taken."""
        return self._lane.pictures if self._lane else self.packets

    def read(self) -> Iterator[Frame | PacketBatch]:
        """Everything of the medium. Raises what ``Media.packets`` raises, after giving out what came before."""
        failure: SourceError | None = None
        packets = with_first_stamps(self._media.packets(), max(1, round(self._step_s / self._stream.time_base)))
        try:
            for coded in packets if self._now is None else self._from_live_edge(packets, self._now):
                yield from self._take(coded)
        except SourceError as error:
            failure = error  # the packets up to the fault are what a clip of the incident needs
        yield from self._batch.close()
        if self._lane:
            yield from self._lane.rest()
        if failure:
            raise failure

    def _from_live_edge(self, packets: Iterator[CodedPacket], now: Callable[[], float]) -> Iterator[CodedPacket]:
        """``packets``, the first ones held until they arrive at their own pace.

        Many servers begin with a burst, from the last key frame on. Its first picture is older than it looks: anchored
        at its arrival, media time would run ahead of the clock for the whole session.
        """
        held: list[CodedPacket] = []
        span_s = 0.0
        began_s = asked_s = now()
        for coded in packets:
            held.append(coded)
            came_s = now()
            first = next((early.pts for early in held if early.is_key and early.pts is not None), None)
            span_s = 0.0 if first is None or coded.pts is None else float((coded.pts - first) * self._stream.time_base)
            is_at_edge = came_s - asked_s >= self._step_s / 2 or came_s - began_s >= _MAX_EDGE_S
            if is_at_edge or len(held) >= _MAX_EDGE_PACKETS or not 0 <= span_s <= _MAX_BURST_S:
                break
            asked_s = now()
        self._burst_s = min(max(span_s, 0.0), _MAX_BURST_S)
        yield from held
        yield from packets

    def _take(self, coded: CodedPacket) -> Iterator[Frame | PacketBatch]:
        verdict = self._validator.check(coded)
        packet = verdict.packet
        if packet is None:
            self._count("dropped", self._desk.camera, verdict.reason)
            return
        self.packets += 1
        stream = self._changed_stream(coded.extradata, packet)
        session = self._session
        why = verdict.breaks or ("parameters" if stream else None) or self._drifted(session, packet)
        if session is None or why:
            yield from self._batch.close()
            if stream:
                self._stream = stream
                if self._lane and session:
                    yield from self._lane.restate(stream)
            session = self._begin(packet, why or "opened")
        at_s = session.at_s(packet.pts)
        self._desk.line.reach(at_s + self._validator.step_s)
        yield from self._batch.add(packet, session, self._stream)
        if self._lane:
            yield from self._lane.take(packet, session, at_s)

    def _changed_stream(self, extradata: bytes | None, packet: Packet) -> StreamInfo | None:
        """The stream as it is from ``packet`` on, when that differs from what was declared or seen before."""
        parameters = self._parameters.changed(packet.payload) if packet.is_key else None
        if extradata or parameters:
            return _measured(replace(self._stream, extradata=extradata or parameters or b""), packet)
        if packet.is_key and self._parameters.is_lost:
            found = recognise(packet.payload, self._stream)
            if found and found.codec != self._stream.codec:
                self._parameters = ParameterWatch(found)
                self._parameters.changed(packet.payload)
                return _measured(found, packet)
        # A source that did not declare its picture size shows it in the first key frame.
        return _measured(self._stream, packet) if self._session is None and min(self._stream.size_wh) <= 0 else None

    def _begin(self, packet: Packet, why: str) -> Session:
        created_at = self._media.created_at if self._session is None else None
        wall_s = self._now() - self._burst_s if self._now else None
        self._burst_s = 0.0
        session = self._desk.line.begin(packet.pts, self._stream.time_base, wall_s=wall_s, created_at=created_at)
        self._session = session
        self._desk.open(session)
        self._drift.reset()
        if self._lane:
            self._lane.begin_session()
        self._count("sessions", self._desk.camera, why)
        return session

    def _drifted(self, session: Session | None, packet: Packet) -> str | None:
        if self._now is None or session is None:
            return None
        return "clock_drift" if self._drift.has_drifted(session.at_s(packet.pts), self._now()) else None


def _measured(stream: StreamInfo, packet: Packet) -> StreamInfo:
    """``stream`` with the size of the picture in key packet ``packet``; as it was when that cannot be decoded."""
    probe = GopDecoder(PictureDecoder(stream))
    pictures = probe.push(packet, 0) or probe.drain()
    return replace(stream, size_wh=pictures[0].size_wh) if pictures else stream


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
        if abs(packet.pts - self._packets[0].pts) * float(stream.time_base) >= self._batch_s:
            yield from self.close()

    def close(self) -> Iterator[PacketBatch]:
        packets, self._packets = self._packets, []
        if packets and self._session and self._stream:
            origin = self._session
            yield PacketBatch(
                self._camera, origin.id, self._stream, origin.origin_at, origin.origin_pts, tuple(packets)
            )
