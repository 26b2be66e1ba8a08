"""Decodes all of a stream or only its key frames, and can change its mind in the middle of a group of pictures (GOP).

In: packets with tokens; out: pictures. While it dozes, only key frames are decoded and the packets after the last one
are kept; :meth:`GopDecoder.wake` decodes those at once, so nothing between the key frame and now is lost.
Next file: ``pipeline/ingest/quiet.py``.
"""

from __future__ import annotations

from pipeline.errors import SourceError
from pipeline.types import Packet
from pipeline.video.decoder import Picture, PictureDecoder

__all__ = ["GopDecoder"]


class GopDecoder:
    """One decoder of one session with the packets it still owes. ``faults`` counts damaged packets."""

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

    @property
    def owed_bytes(self) -> int:
        """Compressed bytes kept for :meth:`wake`."""
        return sum(len(packet.payload) for packet, _ in self._owed)

    def push(self, packet: Packet, token: int) -> list[Picture]:
        """Take the next packet; pictures that came out, possibly of earlier packets."""
        if not self._is_dozing:
            return self._decode(packet, token)
        if not packet.is_key:
            self._owed.append((packet, token))
            return []
        held = self._decoder.drain() if not self._has_gap else []
        self._decoder.reset()
        self._owed.clear()
        self._has_gap = False
        pictures = self._decode(packet, token)
        if not pictures:
            # A stream with B-frames holds its key frame back: take it out now, and send it again before the others.
            pictures = self._drain()
            self._owed.append((packet, token))
        return held + pictures

    def doze(self) -> None:
        """Decode only key frames from here on."""
        self._is_dozing = True

    def wake(self) -> list[Picture]:
        """Decode everything again, beginning with what is owed. A key frame may come out a second time."""
        self._is_dozing = False
        owed, self._owed = self._owed, []
        return [picture for packet, token in owed for picture in self._decode(packet, token)]

    def forget_owed(self) -> int:
        """Give up the packets that are owed (too far behind); how many they were. The next key frame heals the gap."""
        count = len(self._owed)
        self._owed.clear()
        self._has_gap = self._has_gap or count > 0
        return count

    def drain(self) -> list[Picture]:
        """Pictures held back at the end of the stream."""
        return self._drain()

    def _decode(self, packet: Packet, token: int) -> list[Picture]:
        try:
            return self._decoder.decode(packet.payload, token)
        except SourceError:
            self.faults += 1
            return []

    def _drain(self) -> list[Picture]:
        try:
            return self._decoder.drain()
        except SourceError:
            self.faults += 1
            self._decoder.reset()
            return []
