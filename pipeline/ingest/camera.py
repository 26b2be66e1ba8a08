"""One camera, from its address to pictures. In: a ``CameraConfig``; out: ``Frame`` and ``PacketBatch`` values.

A recording is read once, as fast as the consumer takes it, and closes with a tick that says ``ended``. A live camera is
read for ever: when it fails, ticks of ``gate="absent"`` pass the time, about one in a second, until it is back. The
clock, the pause and the chance are arguments; the bus is none of this file's business.
Next files: ``pipeline/ingest/stream.py`` (how a medium is read), ``workers/ingest.py`` (who calls this).
"""

from __future__ import annotations

import random as _random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.errors import SourceError, SourceRefused
from pipeline.ingest.analysis import Analyst
from pipeline.ingest.backoff import Backoff
from pipeline.ingest.desk import Desk
from pipeline.ingest.health import HealthConfig
from pipeline.ingest.motion import GateConfig
from pipeline.ingest.quiet import QuietConfig
from pipeline.ingest.source import SourceConfig, open_source, requests
from pipeline.ingest.stream import StreamReader
from pipeline.ingest.timestamps import SessionLine
from pipeline.protocols import Count
from pipeline.types import Frame, FrameNote, PacketBatch
from pipeline.video.container import open_media
from pipeline.video.media import MediaRequest, OpenMedia

__all__ = ["CameraConfig", "CameraReader", "recording_length_s"]

_TICK_S = 1.0
_MIN_SIDE_PX = 16


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """How one camera is read.

    ``analysis_wh`` bounds the analysis picture (the detector's input size); ``start_at`` is when a recording began,
    if its container is not to be asked. ``has_frames`` False gives packets alone (no decoding: the recorded stream of
    a camera whose sub-stream is analysed); ``batch_s`` 0 gives frames alone.
    """

    name: str
    source: SourceConfig
    detect_fps: float = 5.0
    heartbeat_s: float = 2.0
    analysis_wh: tuple[int, int] = (640, 384)
    start_at: datetime | None = None
    has_frames: bool = True
    batch_s: float = 0.5
    gate: GateConfig = field(default_factory=GateConfig)
    health: HealthConfig = field(default_factory=HealthConfig)
    quiet: QuietConfig = field(default_factory=QuietConfig)

    def __post_init__(self) -> None:
        if min(self.analysis_wh) < _MIN_SIDE_PX:
            raise ValueError(f"analysis_wh: expected sides >= {_MIN_SIDE_PX}, got {self.analysis_wh}")
        if self.batch_s < 0 or not (self.has_frames or self.batch_s):
            raise ValueError(f"batch_s: expected >= 0, and > 0 without frames, got {self.batch_s}")
        if self.start_at is not None and self.start_at.tzinfo is None:
            raise ValueError("start_at: expected a time zone, got a naive datetime")


def _count_nothing(name: str, camera: str, reason: str) -> None:
    """Where nobody counts."""


def _tell_nobody(error: SourceError) -> None:
    """Where nobody listens."""


class CameraReader:
    """Frames and packets of one camera, as an iterator. Iterate it once, from one thread."""

    def __init__(
        self,
        config: CameraConfig,
        *,
        after: tuple[int, float] | None = None,
        open_media: OpenMedia = open_media,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = _random.random,
        count: Count = _count_nothing,
        tell: Callable[[SourceError], None] = _tell_nobody,
    ) -> None:
        """``after`` is the last session and media time (UTC seconds) of an earlier reader of this live camera.

        ``tell`` hears of every failure that is survived. ``now`` gives UTC seconds. Raises ValueError for a bad rate.
        """
        self._config = config
        self._open_media = open_media
        self._now = now
        self._sleep = sleep
        self._count = count
        self._tell = tell
        self._backoff = Backoff(random)
        start_at_s = config.start_at.timestamp() if config.start_at else None
        self._desk = Desk(config.name, SessionLine(start_at_s=start_at_s, after=after))
        self._analyst = Analyst(
            detect_fps=config.detect_fps,
            heartbeat_s=config.heartbeat_s,
            analysis_wh=config.analysis_wh,
            gate=config.gate,
            health=config.health,
        )

    def __iter__(self) -> Iterator[Frame | PacketBatch]:
        """Read the camera. Raises SourceRefused or SourceError for a recording that yields no picture at all."""
        return self._live() if self._config.source.is_live else self._recording()

    def _recording(self) -> Iterator[Frame | PacketBatch]:
        seen = 0
        failure: SourceError | None = None
        for request in requests(self._config.source):
            try:
                for value, pictures in self._read(request, None):
                    seen += pictures
                    if value is not None:
                        yield value
            except SourceError as error:
                # One bad file of a folder, or a file cut short: what can be read is read.
                failure = error
                self._count("source_errors", self._config.name, type(error).__name__)
                self._tell(error)
        if not seen:
            shown = self._config.source.shown
            raise failure or SourceRefused(f"No picture in {shown} can be decoded.")
        if self._config.has_frames:
            yield self._desk.tick(self._desk.line.end_s or 0.0, FrameNote("absent", ended=True))

    def _live(self) -> Iterator[Frame | PacketBatch]:
        (request,) = requests(self._config.source)
        while True:
            began_s = self._now()
            delivered = 0
            try:
                for value, pictures in self._read(request, self._now):
                    delivered += pictures
                    if value is not None:
                        yield value
                failure = SourceError(f"{request.shown} closed the stream.")
            except SourceError as error:
                failure = error
            self._tell(failure)
            self._count("reconnects", self._config.name, type(failure).__name__)
            lived_s = self._now() - began_s if delivered else 0.0
            wait_s = self._backoff.after_failure(lived_s=lived_s, is_refusal=isinstance(failure, SourceRefused))
            yield from self._wait(wait_s)

    def _read(
        self, request: MediaRequest, now: Callable[[], float] | None
    ) -> Iterator[tuple[Frame | PacketBatch | None, int]]:
        """Values of one medium, each with how many pictures were decoded since the one before."""
        media = open_source(request, self._open_media)
        try:
            reader = StreamReader(
                media,
                self._desk,
                self._analyst if self._config.has_frames else None,
                quiet=self._config.quiet,
                batch_s=self._config.batch_s,
                count=self._count,
                now=now,
            )
            known = 0
            for value in reader.read():
                yield value, reader.pictures - known
                known = reader.pictures
            yield None, reader.pictures - known
        finally:
            media.close()

    def _wait(self, wait_s: float) -> Iterator[Frame]:
        """Ticks while the camera is away, the first at once.

        The wait is summed up from its naps: a clock that is set back meanwhile would make it last for hours.
        """
        left_s = wait_s
        while True:
            now_s = self._now()
            if self._config.has_frames:
                self._desk.line.reach(now_s)
                yield self._desk.tick(now_s, self._analyst.absent(now_s))
            if left_s <= 0:
                return
            nap_s = min(_TICK_S, left_s)
            self._sleep(nap_s)
            left_s -= nap_s


def recording_length_s(source: SourceConfig, open_media: OpenMedia = open_media) -> float | None:
    """Length in seconds of all files of a recording, for a progress bar; None when live, or a file does not say.

    Raises what opening the source raises; of a folder, files that cannot be opened add nothing.
    """
    if source.is_live or source.kind == "stdin":
        return None
    total_s = 0.0
    for request in requests(source):
        try:
            media = open_media(request)
        except SourceError:
            if source.kind != "directory":
                raise
            continue
        try:
            if media.duration_s is None:
                return None
            total_s += media.duration_s
        finally:
            media.close()
    return total_s
