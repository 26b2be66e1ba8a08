"""Footage as the stages get it: a video through the door for av, or a folder of numbered stills made to look like one.

In: a path. Out: the ``open_media`` a ``CameraReader`` takes, the media time of every frame, and a digest of every
frame. A still is handed on as the packet of a codec libav knows (TIFF, BMP, PNG, JPEG), so that sampling, motion gate
and scaling are the ones of the product. Next file: ``pipeline/evaluate/leaks.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SourceError, SourceRefused, UsageError
from pipeline.types import StreamInfo
from pipeline.video.container import open_media
from pipeline.video.decoder import Picture, PictureDecoder
from pipeline.video.media import CodedPacket, Media, MediaRequest, OpenMedia

__all__ = ["STILL_CODECS", "Stills", "frame_times_s", "opener", "pictures", "stills_in"]

STILL_CODECS = {".tif": "tiff", ".tiff": "tiff", ".bmp": "bmp", ".png": "png", ".jpg": "mjpeg", ".jpeg": "mjpeg"}
_USUAL_FPS = 25.0
_TICKS_PER_S = 90_000


def stills_in(folder: Path) -> list[Path]:
    """The stills of a folder by number (or name), without what file managers leave behind (``._*``, ``.DS_Store``).

    Raises UsageError when there is none, when they are of several codecs, or when the folder cannot be read.
    """
    try:
        found = [p for p in folder.iterdir() if p.suffix.lower() in STILL_CODECS and not p.name.startswith(".")]
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}.") from error
    if not found:
        raise UsageError(f"There is no picture ({', '.join(STILL_CODECS)}) in {folder}.")
    if len({STILL_CODECS[p.suffix.lower()] for p in found}) > 1:
        raise UsageError(f"The pictures in {folder} are of several kinds; keep one.")
    return sorted(found, key=lambda p: (len(p.stem), p.stem) if p.stem.isdecimal() else (0, p.stem))


class Stills:
    """A folder of stills as a medium: still ``i`` is shown at ``i / fps`` seconds."""

    def __init__(self, folder: Path, fps: float) -> None:
        """Raises UsageError as :func:`stills_in` does, and for a rate that is not within 0 .. 1000."""
        if not 0 < fps <= 1000:
            raise UsageError(f"Stills are shown at more than 0 and at most 1000 frames per second, not {fps}.")
        self._files = stills_in(folder)
        self._fps = fps
        self._step = max(1, round(_TICKS_PER_S / fps))
        codec = STILL_CODECS[self._files[0].suffix.lower()]
        self._stream = StreamInfo(codec, b"", _size_wh(codec, self._files), Fraction(1, _TICKS_PER_S))

    @property
    def stream(self) -> StreamInfo:
        """Codec and size of the first still that decodes."""
        return self._stream

    @property
    def rotation(self) -> int:
        """Stills are upright."""
        return 0

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self._fps

    @property
    def duration_s(self) -> float | None:
        """Seconds in all."""
        return len(self._files) * self._step / _TICKS_PER_S

    @property
    def created_at(self) -> datetime | None:
        """Stills do not say."""
        return None

    def packets(self) -> Iterator[CodedPacket]:
        """One packet per still. Raises SourceError for a file that cannot be read."""
        for index, file in enumerate(self._files):
            try:
                payload = file.read_bytes()
            except OSError as error:
                raise SourceError(f"{file} cannot be read: {error.strerror}.") from error
            yield CodedPacket(index * self._step, index * self._step, self._step, True, False, payload)

    def close(self) -> None:
        """Nothing is held open."""


def _size_wh(codec: str, files: Sequence[Path]) -> tuple[int, int]:
    decoder = PictureDecoder(StreamInfo(codec, b"", (0, 0), Fraction(1, _TICKS_PER_S)))
    for file in files:
        try:
            payload = file.read_bytes()
            found = decoder.decode(payload, 0) if payload else []
        except (SourceError, OSError):
            continue  # one damaged still; the others are worth looking at
        if found:
            return found[0].size_wh
    raise SourceRefused(f"No picture in {files[0].parent} can be decoded.")


@dataclass(frozen=True, slots=True)
class _StillsOpener:
    folder: Path
    fps: float

    def __call__(self, _request: MediaRequest, /) -> Media:
        return Stills(self.folder, self.fps)


def opener(path: Path, stills_fps: float = 0.0) -> OpenMedia:
    """How a reader opens the footage at ``path``: as a video, or as stills when it is a folder."""
    return _StillsOpener(path, stills_fps) if path.is_dir() else open_media


def _open(path: Path, stills_fps: float) -> Media:
    request = MediaRequest(f"file:{path.absolute()}", options={"protocol_whitelist": "file,crypto,data"})
    return opener(path, stills_fps)(request)


def frame_times_s(path: Path, stills_fps: float = 0.0) -> NDArray[np.float64]:
    """Seconds from the first frame to each frame, (N,), in the order of display; no pixel is decoded.

    Frames without a time stamp are spaced by the declared rate. Raises SourceError for footage that cannot be read.
    """
    media = _open(path, stills_fps)
    try:
        step = 1.0 / (media.frame_rate or _USUAL_FPS)
        time_base = float(media.stream.time_base)
        # In an AVI an empty packet repeats a frame and is none; an empty still is a frame that was lost.
        stamps = [packet.pts for packet in media.packets() if packet.payload or isinstance(media, Stills)]
    finally:
        media.close()
    if not stamps:
        raise SourceRefused(f"There is no frame in {path}.")
    known = [pts for pts in stamps if pts is not None]
    if len(set(known)) < len(stamps):
        return np.array([index * step for index in range(len(stamps))], dtype=np.float64)
    times = np.sort(np.array(known, dtype=np.float64)) * time_base  # (N,)
    return np.asarray(times - times[0], dtype=np.float64)


def pictures(path: Path, stills_fps: float = 0.0) -> Iterator[Picture]:
    """Every picture that can be decoded, in the order of display.

    Raises SourceError for footage that cannot be read.
    """
    media = _open(path, stills_fps)
    try:
        decoder = PictureDecoder(media.stream, media.rotation)
        for token, packet in enumerate(media.packets()):
            if not packet.payload:  # to libav it means that the stream is over
                continue
            try:
                yield from decoder.decode(packet.payload, token)
            except SourceError:
                continue  # a damaged packet costs its own picture
        yield from decoder.drain()
    finally:
        media.close()
