"""Notices that a camera changed its picture: the parameter sets of H.264 and H.265 inside key packets.

In: key packets as read; out: the new parameter sets as ``extradata`` when they differ from the last ones. Cameras send
them in band, so a resolution changed in the camera's settings shows here before anything is decoded.
Formats: ITU-T H.264 and H.265 Annex B (start codes) and ISO/IEC 14496-15 (length prefixes, as in MP4).
Next file: ``pipeline/ingest/camera.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.types import StreamInfo

__all__ = ["ParameterWatch"]

_START = b"\x00\x00\x01"
_H264_SETS = (7, 8)  # SPS, PPS
_HEVC_SETS = (32, 33, 34)  # VPS, SPS, PPS
_H264_SIZE_SET, _HEVC_SIZE_SET = 7, 33


class ParameterWatch:
    """Follows one stream; other codecs than H.264 and H.265 never change here."""

    def __init__(self, stream: StreamInfo) -> None:
        self._is_hevc = stream.codec == "hevc"
        self._is_watching = stream.codec in ("h264", "hevc")
        self._length_bytes = _length_bytes(stream)
        self._last: bytes | None = None
        self._is_lost = False

    @property
    def is_lost(self) -> bool:
        """Whether the last key packet lacked the parameter sets that came with the ones before: another codec?"""
        return self._is_lost

    def changed(self, payload: bytes) -> bytes | None:
        """Look at one key packet; the new parameter sets, start codes included, when the SPS differs from the last one.

        None when nothing changed, when there are none inside, and for the first ones seen.
        """
        if not self._is_watching:
            return None
        wanted = _HEVC_SETS if self._is_hevc else _H264_SETS
        size_set = _HEVC_SIZE_SET if self._is_hevc else _H264_SIZE_SET
        sets: list[bytes] = []
        size_sets = b""
        for unit in self._units(payload):
            kind = (unit[0] >> 1) & 0x3F if self._is_hevc else unit[0] & 0x1F
            if kind in wanted:
                sets.append(b"\x00" + _START + unit)
                size_sets += unit if kind == size_set else b""
            elif kind <= (31 if self._is_hevc else 5):
                break  # a slice: parameter sets stand before it
        self._is_lost = not size_sets and self._last is not None and not self._length_bytes
        if not size_sets:
            return None
        before, self._last = self._last, size_sets
        return b"".join(sets) if before is not None and before != size_sets else None

    def _units(self, payload: bytes) -> Iterator[bytes]:
        units = _prefixed(payload, self._length_bytes) if self._length_bytes else _start_coded(payload)
        return (unit for unit in units if unit)


def _length_bytes(stream: StreamInfo) -> int:
    """Size of a length prefix; 0 when the stream uses start codes."""
    head = stream.extradata
    if not head or head[0] != 1:
        return 0
    at = 21 if stream.codec == "hevc" else 4
    return (head[at] & 3) + 1 if len(head) > at else 0


def _prefixed(payload: bytes, length_bytes: int) -> Iterator[bytes]:
    at = 0
    while at + length_bytes <= len(payload):
        size = int.from_bytes(payload[at : at + length_bytes], "big")
        at += length_bytes
        yield payload[at : at + size]
        at += size


def _start_coded(payload: bytes) -> Iterator[bytes]:
    begin = payload.find(_START)
    while begin >= 0:
        begin += len(_START)
        end = payload.find(_START, begin)
        yield payload[begin : end if end >= 0 else len(payload)].rstrip(b"\x00")
        begin = end
