"""A recording that is read ahead on demand: frames in order, and the packets around any moment that was just passed.

In: frames and packet batches of one recorded camera, in the order in which its reader yields them. Out: its frames, one
after another; and, for whoever describes a moment, the packets around it, for which the tape reads on as far as it must
and keeps the frames it meets for later. So what is described in a replay depends on the recording alone, not on how far
somebody happened to have read. Next file: ``pipeline/replay.py``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from pipeline.errors import SourceError
from pipeline.types import Frame, PacketBatch

__all__ = ["Tape"]

_MAX_AHEAD = 128  # frames; a recording whose clock jumps back must not be read to its end for one moment


class Tape:
    """One recorded camera. The packets of the last ``keep_s`` seconds of media time are kept."""

    def __init__(self, values: Iterable[Frame | PacketBatch], *, keep_s: float = 30.0, beyond_s: float = 1.0) -> None:
        """``beyond_s``: packets so long after a moment belong to it; pictures may be held back by their successors."""
        self._values = iter(values)
        self._keep_s = keep_s
        self._beyond_s = beyond_s
        self._ahead: deque[Frame] = deque()
        self._packets: deque[PacketBatch] = deque()
        self._failure: SourceError | StopIteration | None = None

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        while not self._ahead:
            if self._failure is not None:
                raise self._failure
            self._read_on()
        return self._ahead.popleft()

    def around(self, at_s: float) -> tuple[PacketBatch, ...]:
        """Packets from up to ``keep_s`` before the media time ``at_s`` to shortly after it, oldest first.

        What goes wrong further on in the recording goes wrong when its frames are asked for.
        """
        while self._failure is None and len(self._ahead) < _MAX_AHEAD:
            if self._packets and _end_s(self._packets[-1]) >= at_s + self._beyond_s:
                break
            try:
                self._read_on()
            except (SourceError, StopIteration) as error:
                self._failure = error
        return tuple(self._packets)

    def _read_on(self) -> None:
        value = next(self._values)
        if isinstance(value, Frame):
            self._ahead.append(value)
            return
        self._packets.append(value)
        while _end_s(self._packets[0]) < _end_s(value) - self._keep_s:
            self._packets.popleft()


def _end_s(batch: PacketBatch) -> float:
    return max((batch.at_s(packet.pts) for packet in batch.packets), default=batch.origin_at.timestamp())
