"""What the video door hands out, without any vendor in it: how to open a medium, and the packets that come out.

``MediaRequest`` goes in; a ``Media`` gives ``CodedPacket`` values with the time stamps as the source wrote them, right
or wrong. ``pipeline/ingest/timestamps.py`` judges those. Next file: ``pipeline/video/container.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from pipeline.redact import redact
from pipeline.types import StreamInfo

__all__ = ["CodedPacket", "Media", "MediaRequest", "OpenMedia"]


@dataclass(frozen=True, slots=True, repr=False)
class MediaRequest:
    """How to open one medium. ``location`` is a libav URL and may hold a password, so it is never printed.

    ``container_format`` forces a demuxer (None: probe). ``is_live`` says whether an end is a fault.
    """

    location: str
    container_format: str | None = None
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    open_timeout_s: float | None = None
    read_timeout_s: float | None = None
    is_live: bool = False

    def __post_init__(self) -> None:
        for name, value in (("open_timeout_s", self.open_timeout_s), ("read_timeout_s", self.read_timeout_s)):
            if value is not None and not 0 < value < 3600:
                raise ValueError(f"{name}: expected None or 0 < seconds < 3600, got {value}")

    @property
    def shown(self) -> str:
        """The location as people may see it."""
        return redact(self.location.removeprefix("file:"))

    def __repr__(self) -> str:
        return f"MediaRequest({self.shown})"


@dataclass(frozen=True, slots=True, repr=False)
class CodedPacket:
    """One compressed video packet as it was read; ``pts`` and ``dts`` in the stream's time base, None when missing.

    ``duration`` is 0 when unknown. ``extradata`` is set when the container announced new decoder parameters here.
    """

    pts: int | None
    dts: int | None
    duration: int
    is_key: bool
    is_corrupt: bool
    payload: bytes
    extradata: bytes | None = None

    def __repr__(self) -> str:
        return f"CodedPacket(pts={self.pts}, dts={self.dts}, is_key={self.is_key}, bytes={len(self.payload)})"


class Media(Protocol):
    """An opened source with one video stream. Close it."""

    @property
    def stream(self) -> StreamInfo:
        """Codec parameters as declared when the medium was opened."""
        ...

    @property
    def rotation(self) -> int:
        """Counter-clockwise turn, in degrees (0, 90, 180, 270), that makes the decoded picture upright."""
        ...

    @property
    def frame_rate(self) -> float:
        """Declared frames per second; 0 when unknown."""
        ...

    @property
    def duration_s(self) -> float | None:
        """Length of a recording in seconds; None when unknown or live."""
        ...

    @property
    def created_at(self) -> datetime | None:
        """When the recording began, as its container says (UTC); None when it does not."""
        ...

    def packets(self) -> Iterator[CodedPacket]:
        """Packets in decoding order until the source ends.

        Raises SourceStalled when nothing comes within the read time-out, SourceError for any other failure.
        """
        ...

    def close(self) -> None:
        """Let go of the connection or file. May be called twice."""
        ...


OpenMedia = Callable[[MediaRequest], Media]
"""Opens a medium: :func:`pipeline.video.container.open_media`, or a fake in tests."""
