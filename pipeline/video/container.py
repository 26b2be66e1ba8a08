"""The door to libav's demuxers. In: a ``MediaRequest``; out: a ``Media`` that yields ``CodedPacket`` values.

Every libav error leaves here as one sentence of ``pipeline/errors.py`` with no credentials in it. Time-outs are held
twice: by libav's own socket options (set by ``pipeline/ingest/source.py``) and by PyAV's interrupt callback, which also
covers DNS-less stalls inside a handshake. Next file: ``pipeline/video/decoder.py``.
"""

from __future__ import annotations

import errno
import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import av
from av.error import FFmpegError

from pipeline.errors import SourceError, SourceRefused, SourceStalled
from pipeline.redact import redact
from pipeline.types import StreamInfo
from pipeline.video.media import CodedPacket, Media, MediaRequest

__all__ = ["LibavMedia", "open_media", "recognise"]

_MAX_READ_FAULTS = 16
"""Unreadable packets in a row after which a source is given up."""

_MAX_ROTATION_PACKETS = 64

_REFUSALS: tuple[tuple[type[FFmpegError], str], ...] = (
    (av.error.HTTPUnauthorizedError, "wrong or missing user name and password (401)"),
    (av.error.HTTPForbiddenError, "access is forbidden (403)"),
    (av.error.HTTPNotFoundError, "no such stream on the server (404)"),
    (av.error.HTTPClientError, "the server refuses the request (4xx)"),
    (av.error.FileNotFoundError, "no such file or device"),
    (av.error.PermissionError, "permission denied"),
    (av.error.IsADirectoryError, "it is a directory"),
    (av.error.ProtocolNotFoundError, "this kind of address is not supported or not allowed here"),
    (av.error.DemuxerNotFoundError, "this libav has no reader for the format"),
    (av.error.InvalidDataError, "it holds no video that can be read"),
    (av.error.EOFError, "it is empty or ends before the first picture"),
)


class LibavMedia:
    """A ``Media`` over one opened libav container; use :func:`open_media`."""

    def __init__(
        self, container: av.container.InputContainer, video: av.VideoStream, request: MediaRequest, rotation: int
    ) -> None:
        self._container = container
        self._video = video
        self._request = request
        self._rotation = rotation
        context = video.codec_context
        self._stream = StreamInfo(
            codec=context.codec.canonical_name,
            extradata=context.extradata or b"",
            size_wh=(context.width, context.height),
            time_base=video.time_base,
        )

    @property
    def stream(self) -> StreamInfo:
        """Codec parameters as declared when the medium was opened."""
        return self._stream

    @property
    def rotation(self) -> int:
        """Counter-clockwise turn in degrees (0, 90, 180, 270) that makes the decoded picture upright."""
        return self._rotation

    @property
    def frame_rate(self) -> float:
        """Declared frames per second; 0 when unknown or absurd (a 90 kHz "rate" means variable)."""
        rate = float(self._video.average_rate or self._video.guessed_rate or 0)
        return rate if 0 < rate <= 240 else 0.0

    @property
    def duration_s(self) -> float | None:
        """Length of a recording in seconds; None when unknown or live."""
        if self._request.is_live or not self._container.duration or self._container.duration < 0:
            return None
        return float(self._container.duration / av.time_base)

    @property
    def created_at(self) -> datetime | None:
        """The container's ``creation_time`` (UTC), when it is a plausible one: clocks that were never set say 1904."""
        text = self._container.metadata.get("creation_time") or self._video.metadata.get("creation_time")
        try:
            at = datetime.fromisoformat(text) if text else None
        except ValueError:
            return None
        if at is None or not 1990 <= at.year <= 2200:
            return None
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)

    def packets(self) -> Iterator[CodedPacket]:
        """Packets of the video stream in decoding order; see :class:`pipeline.video.media.Media`."""
        faults = 0
        demuxed = self._container.demux(self._video)
        while True:
            asked_s = time.monotonic()
            try:
                packet = next(demuxed, None)
            except av.error.InvalidDataError as error:
                # libav can go on after a damaged stretch; a medium that is nothing but damage must still end.
                faults += 1
                if faults > _MAX_READ_FAULTS:
                    raise self._failed(error) from error
                demuxed = self._container.demux(self._video)
                continue
            except FFmpegError as error:
                raise self._failed(error) from error
            is_stalled = self._is_overdue(asked_s)
            if packet is None:
                if is_stalled:
                    raise self._stalled()
                return
            faults = 0
            if packet.size:
                yield _coded(packet)
            if is_stalled:
                # When the time-out strikes, libav first hands out the packet its parser was holding, and would then
                # wait for as long again.
                raise self._stalled()

    def close(self) -> None:
        """Let go of the connection or file. May be called twice."""
        self._container.close()

    def _failed(self, error: FFmpegError) -> SourceError:
        if isinstance(error, av.error.ExitError | av.error.TimeoutError):
            return self._stalled()
        return SourceError(f"Reading {self._request.shown} failed: {_reason(error)}.")

    def _stalled(self) -> SourceStalled:
        return SourceStalled(f"{self._request.shown} sent nothing for {self._request.read_timeout_s or 0:g} s.")

    def _is_overdue(self, asked_s: float) -> bool:
        limit_s = self._request.read_timeout_s
        return limit_s is not None and time.monotonic() - asked_s >= 0.98 * limit_s


def open_media(request: MediaRequest) -> Media:
    """Open ``request`` and find its first video stream.

    Raises SourceRefused (no such thing, not allowed, no video in it), SourceStalled (it accepted and said nothing
    within the time-out) or SourceError (anything that may pass, such as a refused connection).
    """
    container = _open(request)
    try:
        video = _first_video(container, request)
        rotation = 0 if request.is_live else _declared_rotation(request, video)
        return LibavMedia(container, video, request, rotation)
    except BaseException:
        container.close()
        raise


def recognise(payload: bytes, stream: StreamInfo) -> StreamInfo | None:
    """What a key packet with start codes really is, when it no longer looks like ``stream``; None when it is not known.

    MPEG-TS may go on with another codec in the same stream; libav then hands out packets under the old name.
    """
    try:
        with av.open(io.BytesIO(payload), "r") as container:
            videos = container.streams.video
            if not videos or videos[0].codec_context is None:
                return None
            context = videos[0].codec_context
            size_wh = (context.width, context.height)
            return StreamInfo(context.codec.canonical_name, b"", size_wh, stream.time_base)
    except FFmpegError:
        return None


def _open(request: MediaRequest) -> av.container.InputContainer:
    asked_s = time.monotonic()
    try:
        return av.open(
            request.location,
            "r",
            format=request.container_format,
            options=dict(request.options),
            timeout=(request.open_timeout_s, request.read_timeout_s),
            metadata_errors="replace",
        )
    except FFmpegError as error:
        raise _open_error(error, request, time.monotonic() - asked_s) from error


def _open_error(error: FFmpegError, request: MediaRequest, waited_s: float) -> SourceError:
    # libav turns an interrupted handshake into all sorts of errors ("invalid data", "input/output error").
    if request.open_timeout_s is not None and waited_s >= 0.95 * request.open_timeout_s:
        return SourceStalled(f"{request.shown} did not answer within {request.open_timeout_s:g} s.")
    is_passing = request.is_live and isinstance(error, av.error.EOFError | av.error.InvalidDataError)
    for kind, why in _REFUSALS:
        if isinstance(error, kind) and not is_passing:
            return SourceRefused(f"Cannot open {request.shown}: {why}.")
    if request.is_live:
        # What libav says when a host name does not resolve, too.
        why = "the host cannot be reached" if error.errno == errno.EIO else _reason(error)
        return SourceError(f"Cannot open {request.shown}: {why}.")
    return SourceRefused(f"Cannot open {request.shown}: {_reason(error)}.")


def _reason(error: FFmpegError) -> str:
    return redact((error.strerror or type(error).__name__).rstrip("."))


def _first_video(container: av.container.InputContainer, request: MediaRequest) -> av.VideoStream:
    videos = [s for s in container.streams.video if s.codec_context is not None and not _is_cover_picture(s)]
    if not videos:
        kinds = sorted({s.type for s in container.streams})
        held = f"only {', '.join(kinds)}" if kinds else "no stream at all"
        raise SourceRefused(f"Cannot open {request.shown}: there is no video in it that can be decoded, {held}.")
    video = videos[0]
    if not video.time_base:
        raise SourceRefused(f"Cannot open {request.shown}: its video has no time base.")
    return video


def _is_cover_picture(video: av.VideoStream) -> bool:
    return bool(video.disposition & av.stream.Disposition.attached_pic)


def _coded(packet: av.Packet) -> CodedPacket:
    extradata = bytes(packet.get_sidedata("new_extradata")) if packet.has_sidedata("new_extradata") else None
    return CodedPacket(
        pts=packet.pts,
        dts=packet.dts,
        duration=max(packet.duration or 0, 0),
        is_key=packet.is_keyframe,
        is_corrupt=packet.is_corrupt,
        payload=bytes(packet),
        extradata=extradata,
    )


def _declared_rotation(request: MediaRequest, video: av.VideoStream) -> int:
    """Turn from the display matrix of a recording, 0 when there is none.

    PyAV shows the matrix only on decoded frames, so the file is opened a second time and one frame decoded; a pipe can
    be read only once and has none of the containers that carry a matrix worth the trouble.
    """
    container_name = video.container.format.name
    if request.location.startswith("pipe:") or not any(name in container_name for name in ("mov", "matroska")):
        return 0
    with _open(request) as container:
        stream = container.streams[video.index]
        stream.codec_context.thread_count = 1
        try:
            for count, packet in enumerate(container.demux(stream)):
                for frame in packet.decode():
                    return int(round(frame.rotation / 90) * 90 % 360)
                if count >= _MAX_ROTATION_PACKETS:
                    break
        except FFmpegError:
            return 0
    return 0
