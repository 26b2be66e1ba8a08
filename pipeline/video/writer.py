"""Compressed video files from raw pictures: H.264, H.265 or MJPEG, as a camera would write them.

In: frames as RGB or BGR (H, W, 3) or planar I420 (H * 3 / 2, W), uint8. Out: a file (container by its suffix, MP4 or
MKV or AVI), yuv420p, constant frame rate, no B-frames, a key frame every ``gop`` pictures. Next file: ``reader.py``.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StorageError, UsageError

__all__ = ["Codec", "VideoWriter"]

Codec = Literal["h264", "hevc", "mjpeg"]
PixelOrder = Literal["rgb", "bgr", "i420"]

_ENCODERS: dict[str, str] = {"h264": "libx264", "hevc": "libx265", "mjpeg": "mjpeg"}
_FORMATS: dict[str, str] = {"rgb": "rgb24", "bgr": "bgr24", "i420": "yuv420p"}


class VideoWriter:
    """Write pictures to ``path``; use as a context manager, a file that was not closed may not play.

    Give ``crf`` for constant quality, or ``bit_rate_kbps`` for an average rate with a one-second buffer, like CCTV
    cameras do; neither means 700 kbit/s. ``pixels`` says what the arrays hold. Raises UsageError for a size that is not
    even or a codec this build of FFmpeg lacks, StorageError when the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        size_wh: tuple[int, int],
        fps: int | Fraction,
        codec: Codec = "h264",
        bit_rate_kbps: int | None = None,
        crf: int | None = None,
        gop: int = 30,
        pixels: PixelOrder = "rgb",
        preset: str = "veryfast",
    ) -> None:
        w, h = size_wh
        if w < 16 or h < 16 or w % 2 or h % 2:
            raise UsageError(f"a video needs an even size of at least 16x16 pixels, got {w}x{h}")
        if codec not in _ENCODERS:
            raise UsageError(f"unknown video codec {codec!r}: choose from {', '.join(_ENCODERS)}")
        if gop < 1 or fps <= 0:
            raise UsageError(f"a video needs a positive frame rate and key frame distance, got fps={fps}, gop={gop}")
        self._path = path
        self._size_wh = size_wh
        self._pixels = pixels
        self._count = 0
        self._is_open = False
        try:
            path.open("wb").close()  # libavformat opens the file at the first picture only; say it now
            self._container: Any = av.open(str(path), "w")
        except (OSError, ValueError) as error:
            raise StorageError(f"cannot write a video to {path}: {_reason(error)}") from error
        try:
            self._stream: Any = self._container.add_stream(_ENCODERS[codec], rate=Fraction(fps))
        except (av.FFmpegError, ValueError) as error:
            self._container.close()
            raise UsageError(f"this FFmpeg cannot encode {codec}: {_reason(error)}") from error
        self._is_open = True
        self._stream.width, self._stream.height = w, h
        self._stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        self._stream.codec_context.gop_size = gop
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.options = _options(codec, bit_rate_kbps, crf, gop, preset)
        if crf is None or codec == "mjpeg":
            self._stream.codec_context.bit_rate = (bit_rate_kbps or 700) * 1000

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()

    @property
    def frame_count(self) -> int:
        """Pictures written so far."""
        return self._count

    def write(self, pixels: NDArray[np.uint8], pts: int | None = None) -> None:
        """Append one picture; ``pts`` counts in frames (default: the next one). Raises StorageError, UsageError."""
        w, h = self._size_wh
        expected = (h * 3 // 2, w) if self._pixels == "i420" else (h, w, 3)
        if pixels.shape != expected or pixels.dtype != np.uint8:
            raise UsageError(f"expected a {self._pixels} picture {expected} uint8, got {pixels.shape} {pixels.dtype}")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=_FORMATS[self._pixels])
        frame.pts = self._count if pts is None else pts
        frame.time_base = 1 / Fraction(self._stream.codec_context.framerate)
        self._encode(frame)
        self._count += 1

    def close(self) -> None:
        """Flush the encoder and finish the file; closing twice does nothing. Raises StorageError."""
        if not self._is_open:
            return
        try:
            self._encode(None)
        except StorageError:
            self._abandon()
            raise
        self._is_open = False
        try:
            self._container.close()
        except (OSError, ValueError) as error:
            raise StorageError(f"cannot finish the video {self._path}: {_reason(error)}") from error

    def _encode(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (OSError, ValueError) as error:
            raise StorageError(f"cannot write the video {self._path}: {_reason(error)}") from error

    def _abandon(self) -> None:
        """Close without flushing: an error is already on its way up, and the disk may be full."""
        if self._is_open:
            self._is_open = False
            try:
                self._container.close()
            except (OSError, ValueError):
                return  # the error that brought us here is the one to report


def _options(codec: str, bit_rate_kbps: int | None, crf: int | None, gop: int, preset: str) -> dict[str, str]:
    if codec == "mjpeg":
        return {}
    options = {"preset": preset, "bf": "0", "sc_threshold": "0"}
    if codec == "hevc":
        options = {
            "preset": preset,
            "x265-params": f"bframes=0:keyint={gop}:min-keyint={gop}:pools=1:frame-threads=1:log-level=error",
        }
    if crf is not None:
        options["crf"] = str(crf)
    else:
        rate = bit_rate_kbps or 700
        options |= {"maxrate": f"{int(rate * 1.3)}k", "bufsize": f"{rate}k"}
    return options


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)
