"""When a picture was really sent: the correction from media time to the sender's clock.

A live session's media time is anchored where its first packet arrived, which is later than it was sent (libav looks at
a stream for a while before it hands out packets). So "now minus media time" flatters. The bench owns the sender: it
finds each packet of a camera in the recording that is being sent by its last bytes, and thus knows when it left.
In: recordings, packets from the bus, the moment each recording began. Out: seconds to add to a latency.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.ingest.source import SourceConfig, requests
from pipeline.types import PacketBatch
from pipeline.video.container import open_media

__all__ = ["SentClip", "late_s"]

TAIL_BYTES = 32


class SentClip:
    """A recording as it is sent round and round: when after its beginning each packet leaves."""

    def __init__(self, video: Path) -> None:
        """Raises SourceError when ``video`` cannot be read."""
        media = open_media(next(iter(requests(SourceConfig(str(video))))))
        try:
            packets = [(coded.dts, coded.pts, coded.payload[-TAIL_BYTES:]) for coded in media.packets()]
            time_base = media.stream.time_base
        finally:
            media.close()
        known = [(dts, pts, tail) for dts, pts, tail in packets if dts is not None and pts is not None]
        first = min((dts for dts, _, _ in known), default=0)
        shown = sorted(pts for _, pts, _ in known)
        step = (shown[-1] - shown[0]) / (len(shown) - 1) if len(shown) > 1 else 1.0
        self.length_s = float(((shown[-1] - shown[0] + step) if shown else 0.0) * time_base)
        self._sent_s = {tail: float((dts - first) * time_base) for dts, _, tail in known}

    def sent_s(self, payload: bytes) -> float | None:
        """Seconds after the beginning of a round at which this packet leaves; None for one that is not in here."""
        return self._sent_s.get(payload[-TAIL_BYTES:])


def late_s(clip: SentClip, began_s: float, batches: Iterable[PacketBatch]) -> float | None:
    """By how many seconds a camera's media time lies after the sending of its pictures; None when nothing is known.

    It is known up to whole rounds of the recording, of which the least is taken.
    """
    for batch in batches:
        for packet in batch.packets:
            sent_s = clip.sent_s(packet.payload)
            if sent_s is not None and clip.length_s > 0:
                tenth_s = clip.length_s / 10  # clocks may differ a little, and rounds are long
                return (batch.at_s(packet.pts) - began_s - sent_s + tenth_s) % clip.length_s - tenth_s
    return None
