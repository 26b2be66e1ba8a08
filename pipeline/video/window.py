"""Native pixels of a past moment. In: ``PacketBatch`` values and a media time; out: one BGR picture.

One group of pictures is decoded, from the last key frame before the moment; nothing else of the stream is touched.
The bus keeps packets for this, so that no native picture is kept or sent. Next file: ``pipeline/video/decoder.py``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SourceError
from pipeline.types import Packet, PacketBatch
from pipeline.video.decoder import Picture, PictureDecoder

__all__ = ["pixels_at"]

_SAME_FRAME_S = 0.0005
"""Media times are exact to the microsecond; anything closer than this is the same frame."""

_REORDER_PACKETS = 16
"""Packets after the moment that can still hold its frame back (the deepest reordering H.264 and H.265 allow)."""


def pixels_at(
    batches: Iterable[PacketBatch], at_s: float, *, rotation: int = 0, max_distance_s: float = 5.0
) -> tuple[NDArray[np.uint8], float]:
    """The frame shown at media time ``at_s``: (height, width, 3) uint8 BGR, upright, and that frame's own media time.

    ``batches`` are of one camera, in any number of sessions, oldest first, and have to reach back to a key frame. The
    newest frame that is not later than ``at_s`` is taken, the first one when all are later. ``rotation`` turns it
    counter-clockwise, in degrees.
    Raises SourceError when the packets hold no frame within ``max_distance_s`` of the moment.
    """
    group = _group(batches, at_s)
    if group is None:
        raise SourceError(f"The packets kept hold no key frame near media time {at_s:.3f}.")
    batch, packets = group
    found = _decode(batch, packets, at_s, rotation)
    if found is None or abs(found[1] - at_s) > max_distance_s:
        raise SourceError(f"The packets kept hold no frame near media time {at_s:.3f}.")
    return found[0].bgr(), found[1]


def _group(batches: Iterable[PacketBatch], at_s: float) -> tuple[PacketBatch, list[Packet]] | None:
    """The packets from the last key frame not later than ``at_s`` on, of one session and one set of parameters."""
    best: tuple[PacketBatch, list[Packet]] | None = None
    is_open = False
    past = 0
    for batch in batches:
        if best and (batch.session != best[0].session or batch.stream != best[0].stream):
            is_open = False
        for packet in batch.packets:
            is_past = batch.at_s(packet.pts) > at_s + _SAME_FRAME_S
            if packet.is_key and (best is None or not is_past):
                best, is_open, past = (batch, []), True, 0
            if best and is_open:
                best[1].append(packet)
                past += is_past
                if past > _REORDER_PACKETS:
                    return best
    return best


def _decode(batch: PacketBatch, packets: list[Packet], at_s: float, rotation: int) -> tuple[Picture, float] | None:
    decoder = PictureDecoder(batch.stream, rotation)
    best: tuple[Picture, float] | None = None
    for pictures in _steps(decoder, packets):
        for picture in pictures:
            frame_at_s = batch.at_s(packets[picture.token].pts)
            if best is not None and frame_at_s > at_s + _SAME_FRAME_S:
                return best
            best = (picture, frame_at_s)
    return best


def _steps(decoder: PictureDecoder, packets: list[Packet]) -> Iterable[list[Picture]]:
    for token, packet in enumerate(packets):
        try:
            yield decoder.decode(packet.payload, token)
        except SourceError:
            continue  # one damaged packet; the frames around it are still worth showing
    try:
        yield decoder.drain()
    except SourceError:
        return
