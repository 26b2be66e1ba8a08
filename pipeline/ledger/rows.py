"""One entry of the ledger, and its frame in a journal: length-prefixed, compressed, with a checksum.

In: a message in wire form (head and blob, as on the bus) with what it is about. Out: bytes that can be read back up to
the last whole frame, whatever killed the writer. Nothing is unpickled. Next file: ``pipeline/ledger/journal.py``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["MAX_FRAME_BYTES", "ROW_KINDS", "Row", "RowKind", "pack", "unpack"]

RowKind = Literal["finding", "description", "alert"]
ROW_KINDS: tuple[RowKind, ...] = get_args(RowKind)
MAX_FRAME_BYTES = 256 * 2**20
"""No frame inflates to more: a batch of findings is some kilobytes."""

_FRAME = struct.Struct("<III")  # compressed bytes, inflated bytes, CRC-32 of the compressed bytes
_ROW = struct.Struct("<BqqqIIIi")  # kind, at_us, session, seq, bytes of about, head, blob, tracks (-1: None)
_FASTEST = 1


@dataclass(frozen=True, slots=True, repr=False)
class Row:
    """A message as it stood on the bus; ``at_us``: media time (UTC microseconds) at which it was folded or came out.

    ``session`` and ``seq`` name the frame it belongs to. ``about``: the labels of a finding, the source of a
    description, id and revision of an alert. ``tracks``: what the tracker made of a finding, None if it was not asked.
    """

    kind: RowKind
    at_us: int
    session: int
    seq: int
    about: str
    head: bytes
    blob: bytes = b""
    tracks: bytes | None = None

    def __post_init__(self) -> None:
        if self.kind not in ROW_KINDS:
            raise ValueError(f"row kind: expected one of {', '.join(ROW_KINDS)}, got {self.kind!r}")

    @property
    def size_bytes(self) -> int:
        """What it takes up before compression."""
        return _ROW.size + len(self.about) + len(self.head) + len(self.blob) + len(self.tracks or b"")

    @property
    def crc(self) -> int:
        """CRC-32 of what it carries."""
        return zlib.crc32(self.tracks or b"", zlib.crc32(self.blob, zlib.crc32(self.head)))

    @property
    def identity(self) -> tuple[RowKind, int, int, str]:
        """Equal for the same entry written twice."""
        return (self.kind, self.session, self.seq, "" if self.kind == "finding" else self.about)

    def __repr__(self) -> str:
        return f"Row({self.kind}, {self.session}/{self.seq}, {self.about[:40]!r})"


def pack(rows: Sequence[Row]) -> bytes:
    """``rows`` as one frame. Raises ValueError when they are more than a frame may hold."""
    parts: list[bytes] = []
    for row in rows:
        about = row.about.encode("utf-8", "replace")
        tracks = -1 if row.tracks is None else len(row.tracks)
        sizes = (len(about), len(row.head), len(row.blob), tracks)
        parts += [_ROW.pack(ROW_KINDS.index(row.kind), row.at_us, row.session, row.seq, *sizes), about]
        parts += [row.head, row.blob, row.tracks or b""]
    content = b"".join(parts)
    if len(content) > MAX_FRAME_BYTES:
        raise ValueError(f"ledger frame: expected at most {MAX_FRAME_BYTES} bytes, got {len(content)}")
    packed = zlib.compress(content, _FASTEST)
    return _FRAME.pack(len(packed), len(content), zlib.crc32(packed)) + packed


def unpack(content: bytes) -> tuple[list[Row], int]:
    """The rows of every whole frame at the beginning of ``content``, and how many bytes those frames take.

    The first frame that is cut off, damaged or larger than allowed ends the reading.
    """
    rows: list[Row] = []
    at = 0
    while at + _FRAME.size <= len(content):
        packed_size, size, crc = _FRAME.unpack_from(content, at)
        packed = content[at + _FRAME.size : at + _FRAME.size + packed_size]
        if len(packed) != packed_size or size > MAX_FRAME_BYTES or zlib.crc32(packed) != crc:
            break
        try:
            rows += _rows_of(_inflated(packed, size))
        except (ValueError, struct.error, zlib.error):
            break
        at += _FRAME.size + packed_size
    return rows, at


def _inflated(packed: bytes, size: int) -> bytes:
    content = zlib.decompressobj().decompress(packed, size + 1)
    if len(content) != size:
        raise ValueError("frame has another size than it says")
    return content


def _rows_of(content: bytes) -> Iterator[Row]:
    at = 0
    while at < len(content):
        kind, at_us, session, seq, n_about, n_head, n_blob, n_tracks = _ROW.unpack_from(content, at)
        at += _ROW.size
        pieces = []
        for size in (n_about, n_head, n_blob, max(n_tracks, 0)):
            pieces.append(content[at : at + size])
            at += size
        if at > len(content) or kind >= len(ROW_KINDS):
            raise ValueError("row reaches beyond its frame")
        about, head, blob, tracks = pieces
        yield Row(
            ROW_KINDS[kind], at_us, session, seq, about.decode("utf-8", "replace"), head, blob,
            None if n_tracks < 0 else tracks,
        )  # fmt: skip
