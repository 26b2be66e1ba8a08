"""Appends to one Redis stream within its topic's bounds, in one round trip.

In: encoded fields with their size and media time. Out: how many entries were dropped to make room, or None when there
was no room in time. It remembers what it wrote, so that bytes and media seconds are bounded without asking; after a
restart or an error it learns the stream again. Next file: ``pipeline/bus/connection.py``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Lock
from typing import Any

from pipeline.bus import codec
from pipeline.bus.connection import Link, OutOfMemory
from pipeline.bus.ledger import Ledger, Line
from pipeline.bus.reader import RawEntry, entries_of
from pipeline.bus.topics import Topic
from pipeline.errors import BusError, MessageError

__all__ = ["StreamWriter", "id_after"]

_FIRST_PAUSE_S = 0.001
_MAX_PAUSE_S = 0.02
_PAGE = 8


class StreamWriter:
    """Writes ``key`` for the one process that owns it; a second writer is noticed and costs a look at the stream."""

    def __init__(self, link: Link, key: str, topic: Topic) -> None:
        self._link = link
        self._key = key
        self._topic = topic
        self._is_window = topic.max_bytes is not None or topic.max_age_s is not None
        self._lock = Lock()
        self._ledger: Ledger | None = None
        self._is_doubtful = False

    def append(self, fields: codec.Fields, size_bytes: int, end_s: float, wait_s: float | None) -> int | None:
        """Entries dropped for lack of room (what leaves a window of bytes or seconds is none), or None when ``wait_s``
        passed without room.

        Live and perishable, a server without memory costs this stream its older half. Raises BusError; whether the
        server had added the entry before the connection broke is found out by the next call, which does not add the
        same head twice.
        """
        with self._lock:
            if self._is_doubtful and self._was_added(fields):
                return 0
            if self._ledger is None:
                self._ledger = self._learn()
            if wait_s is not None and not self._wait(size_bytes, end_s, wait_s):
                return None
            gone = self._ledger.excess(size_bytes, end_s)
            add = self._addition(fields, gone, is_live=wait_s is None)
            before = len(self._ledger)
            try:
                if gone or self._is_window:
                    before, id_ = self._link.batch(self._key, [["XLEN", self._key], add])
                else:  # room enough, whatever readers took meanwhile: the depth need not be known
                    id_ = self._link.call(self._key, *add)
            except OutOfMemory:
                self._ledger = None
                if wait_s is not None or self._topic.is_durable:
                    raise
                return self._add_to_half(add)
            except BusError:
                self._is_doubtful, self._ledger = True, None
                raise
            return self._note(int(before), len(gone), Line(id_.decode(), size_bytes, end_s))

    def _addition(self, fields: codec.Fields, gone: Sequence[Line], *, is_live: bool) -> list[Any]:
        """The command that adds; live it drops what is over the bound, else nothing is ever dropped."""
        bound: list[Any] = ["MAXLEN", "=", self._topic.max_entries] if is_live else []
        if self._is_window and gone:
            bound = ["MINID", "=", id_after(gone[-1].id)]
        return ["XADD", self._key, *bound, "*", *(word for pair in fields.items() for word in pair)]

    def _add_to_half(self, add: Sequence[Any]) -> int:
        """Give the full server half of this stream back, add to the rest; returns how many entries were dropped."""
        keep = self._depth() // 2
        n_dropped = int(self._link.call(self._key, "XTRIM", self._key, "MAXLEN", "=", keep))
        self._link.call(self._key, *add)
        return n_dropped

    def _note(self, before: int, n_gone: int, line: Line) -> int:
        """Bring the ledger up to date with the depth that the server had; returns how many entries were dropped."""
        if self._ledger is None or len(self._ledger) < before:  # somebody else writes here too
            self._ledger = None
            return 0 if self._is_window else max(0, before + 1 - self._topic.max_entries)
        n_dropped = max(0, n_gone - (len(self._ledger) - before))  # the rest had been consumed meanwhile
        self._ledger.keep_newest(before - n_dropped)
        self._ledger.add(line)
        return 0 if self._is_window else n_dropped

    def _wait(self, size_bytes: int, end_s: float, wait_s: float) -> bool:
        """Whether readers made room for the message within ``wait_s``."""
        until, pause_s = time.monotonic() + wait_s, 0.0
        while self._ledger is None or self._ledger.excess(size_bytes, end_s):
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(pause_s, left_s))
            pause_s = min(max(_FIRST_PAUSE_S, pause_s * 1.5), _MAX_PAUSE_S)
            depth = self._depth()
            if self._ledger is None or len(self._ledger) < depth:
                self._ledger = self._learn()
            else:
                self._ledger.keep_newest(depth)
        return True

    def _depth(self) -> int:
        return int(self._link.call(self._key, "XLEN", self._key))

    def _learn(self) -> Ledger:
        """The ledger of what stands in the stream now, read page by page where sizes and times matter."""
        if not self._is_window:
            return Ledger(self._topic, [Line("", 0, 0.0)] * self._depth())
        ledger, position = Ledger(self._topic), "-"
        while page := self._page(position):
            for id_, fields in page:
                try:
                    size_bytes, end_s = codec.size_and_end(codec.decode(fields))
                except MessageError:  # a reader will bury it; until then it counts with its bytes, as the oldest
                    size_bytes, end_s = sum(map(len, fields.values())), 0.0
                ledger.add(Line(id_.decode(), size_bytes, end_s))
            position = f"({page[-1][0].decode()}"
        return ledger

    def _page(self, position: str) -> list[RawEntry]:
        return entries_of(self._link.call(self._key, "XRANGE", self._key, position, "+", "COUNT", _PAGE))

    def _was_added(self, fields: codec.Fields) -> bool:
        """Whether the newest entry is the one whose answer was lost."""
        newest = entries_of(self._link.call(self._key, "XREVRANGE", self._key, "+", "-", "COUNT", 1))
        self._is_doubtful = False
        return bool(newest) and newest[0][1].get(b"head") == fields[b"head"]


def id_after(position: str) -> str:
    """The smallest stream id greater than ``position``."""
    milliseconds, _, number = position.partition("-")
    return f"{milliseconds}-{int(number or 0) + 1}"
