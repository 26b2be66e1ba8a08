"""What a writer remembers of its stream, so that bytes and media seconds are bounded without asking the server.

In: size and end time of each message as it is appended, and now and then the true depth of the stream. Out: how many of
the oldest entries have to go before the next message fits. Pure; the Redis bus and the memory bus both use it.
Next file: ``pipeline/bus/memory.py``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.bus.topics import Topic

__all__ = ["Ledger", "Line"]


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of a stream: its id, its payload in bytes, media time (UTC seconds) of its end."""

    id: str
    size_bytes: int
    end_s: float


class Ledger:
    """The entries of one stream, oldest first, held against the bounds of its topic."""

    def __init__(self, topic: Topic, lines: Iterable[Line] = ()) -> None:
        self._topic = topic
        self._lines: deque[Line] = deque()
        self._bytes = 0
        for line in lines:
            self.add(line)

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: Line) -> None:
        """Note an appended entry."""
        self._lines.append(line)
        self._bytes += line.size_bytes

    def excess(self, size_bytes: int, end_s: float) -> list[Line]:
        """The oldest entries that have to go before a message of this size and end time fits (all, if need be)."""
        topic = self._topic
        count, total, gone = len(self._lines) + 1, self._bytes + size_bytes, []
        for line in self._lines:
            is_over = (
                count > topic.max_entries
                or (topic.max_bytes is not None and total > topic.max_bytes)
                or (topic.max_age_s is not None and line.end_s < end_s - topic.max_age_s)
            )
            if not is_over:
                break
            gone.append(line)
            count, total = count - 1, total - line.size_bytes
        return gone

    def keep_newest(self, depth: int) -> None:
        """Forget the oldest lines beyond ``depth``."""
        while len(self._lines) > depth:
            self._bytes -= self._lines.popleft().size_bytes
