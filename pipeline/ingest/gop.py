"""Decodes all of a stream or only its key frames, and can change its mind in the middle of a group of pictures (GOP).

In: packets with tokens; out: pictures. While it dozes, only key frames are decoded and the packets after the last one
are kept; :meth:`GopDecoder.wake` decodes those at once, so nothing between the key frame and now is lost.
Next file: ``pipeline/ingest/quiet.py`` (when to doze and when to wake).
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import SourceError
from pipeline.types import Packet
from pipeline.video.decoder import Picture, PictureDecoder

__all__ = ["GopDecoder"]


class GopDecoder:
    """One decoder with the packets it still owes: at most one GOP of them. ``faults`` counts damaged packets."""

    def __init__(self, decoder: PictureDecoder) -> None:
        self._decoder = decoder
        self._owed: list[tuple[Packet, int]] = []
        self._is_dozing = False
        self._has_gap = False
        self.faults = 0

    @property
    def is_dozing(self) -> bool:
        """Whether only key frames are decoded now."""
        return self._is_dozing

    def push(self, packet: Packet, token: int) -> list[Picture]:
        """Take the next packet; pictures that came out, possibly of earlier packets."""
        if packet.is_key:
            return self._push_key(packet, token)
        if self._has_gap:
            return []
        if self._is_dozing:
            self._owed.append((packet, token))
            return []
        return self._decode(packet, token)

    def doze(self) -> None:
        """Decode only key frames from here on."""
        self._is_dozing = True

    def wake(self) -> Iterator[Picture]:
        """Decode everything again, beginning with what is owed; consume it before the next packet is pushed.

        A key frame may come out a second time. One picture at a time: a GOP of them would fill the memory.
        """
        self._is_dozing = False
        owed, self._owed = self._owed, []
        return (picture for packet, token in owed for picture in self._decode(packet, token))

    def give_up(self) -> None:
        """Leave undecoded what is owed and what comes before the next key frame: there is no time for it."""
        self._owed.clear()
        self._has_gap = True

    def drain(self) -> list[Picture]:
        """Pictures held back at the end of the stream, or before other parameters begin."""
        try:
            return self._decoder.drain()
        except SourceError:
            self.faults += 1
            self._decoder.reset()
            return []

    def _push_key(self, packet: Packet, token: int) -> list[Picture]:
        if not (self._is_dozing or self._has_gap):
            return self._decode(packet, token)
        held = [] if self._has_gap else self.drain()
        self._decoder.reset()
        self._owed.clear()
        self._has_gap = False
        pictures = self._decode(packet, token)
        if not pictures:
            # A stream with B-frames holds its key frame back: take it out now, and send it again before the others.
            pictures = self.drain()
            self._owed.append((packet, token))
            if not self._is_dozing:
                pictures += self.wake()
        return held + pictures

    def _decode(self, packet: Packet, token: int) -> list[Picture]:
        try:
            return self._decoder.decode(packet.payload, token)
        except SourceError:
            self.faults += 1
            return []
