"""Small video files made on the spot, for tests: what they show is known to the pixel, and any of it can be broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Paint = Callable[[int, tuple[int, int]], NDArray[np.uint8]]
"""Frame number and (width, height) in; I420 (height * 3 / 2, width) out."""


def moving_square(number: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """A textured wall with a bright square that walks to the right and comes round again."""
    i420 = wall(number, size_wh)
    width, height = size_wh
    side = height // 4
    left = number * 6 % (width - side)
    i420[height // 3 : height // 3 + side, left : left + side] = 230
    return i420


def wall(number: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """A textured wall with a little sensor noise: nothing happens."""
    width, height = size_wh
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(number).integers(-2, 3, (height, width))
    i420 = np.full((height * 3 // 2, width), 128, np.uint8)
    i420[:height] = 90 + 40 * ((x // 24 + y // 24) % 2) + noise
    return i420


def numbered(number: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture whose upper left shows ``number`` in 12 binary blocks; :func:`read_number` reads it."""
    i420 = np.full((size_wh[1] * 3 // 2, size_wh[0]), 128, np.uint8)
    for bit in range(12):
        i420[:16, bit * 16 : bit * 16 + 16] = 220 if number >> bit & 1 else 30
    return i420


def read_number(luma: NDArray[np.uint8]) -> int:
    """The number :func:`numbered` painted, from a luma picture or one channel of the same size."""
    return sum(int(luma[8, bit * 16 + 8] > 125) << bit for bit in range(12))


def write_clip(
    path: Path,
    *,
    frames: int = 50,
    fps: int = 25,
    size_wh: tuple[int, int] = (192, 128),
    codec: str = "libx264",
    gop: int = 25,
    b_frames: int = 0,
    paint: Paint = moving_square,
    pts: Sequence[int] | None = None,
    rotation: int = 0,
    metadata: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    container: str | None = None,
    options: dict[str, str] | None = None,
    first: int = 0,
) -> Path:
    """Encode ``frames`` pictures into ``path``; ``pts`` (in 1/1000 s) replaces the regular stamps."""
    with av.open(str(path), "w", format=container) as output:
        output.metadata.update(metadata or {})
        stream = output.add_stream(codec, rate=fps)
        stream.width, stream.height = size_wh
        stream.pix_fmt = pix_fmt
        stream.thread_count = 1
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000) if pts else Fraction(1, fps)
        stream.options = {**_codec_options(codec, gop, b_frames), **(options or {})}
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(paint(first + number, size_wh), format="yuv420p")
            frame.pts = pts[number] if pts else number
            frame.time_base = stream.codec_context.time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _codec_options(codec: str, gop: int, b_frames: int) -> dict[str, str]:
    if codec == "libx265":
        keys = f"keyint={gop}:min-keyint={gop}:bframes={b_frames}:log-level=none:pools=none:frame-threads=1"
        return {"preset": "ultrafast", "x265-params": keys}
    if codec == "libx264":
        return {"preset": "veryfast", "g": str(gop), "bf": str(b_frames), "sc_threshold": "0"}
    return {"g": str(gop)}


def write_audio(path: Path) -> Path:
    """A file with one second of sound and no picture."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def join(path: Path, parts: Iterable[Path]) -> Path:
    """The bytes of ``parts`` one after another (MPEG-TS and raw streams survive that)."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path
