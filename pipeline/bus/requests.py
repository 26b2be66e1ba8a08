"""The site's queue of requests to describe on Redis: bounded, most urgent first, nothing lost when a describer dies.

In: :class:`~pipeline.descriptions.DescribeRequest` from alert workers. Out: the most urgent ones, for describe workers
(``pipeline/bus/urgency.py``). What has to make room, or was taken too often without an answer, is counted as
``describe_dropped`` with its reason. Next file: ``pipeline/bus/redis.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.bus import codec
from pipeline.bus.connection import Link
from pipeline.bus.scripts import ASK, FINISH, TAKE
from pipeline.bus.topics import (
    MAX_ASKED,
    MAX_TRIES,
    MAX_WAITING,
    REQUESTS_ASKED,
    REQUESTS_TAKEN,
    REQUESTS_TEXT,
    REQUESTS_TRIES,
    REQUESTS_WAITING,
)
from pipeline.bus.urgency import count_dropped, request_id, urgency
from pipeline.descriptions import DescribeRequest
from pipeline.errors import MessageError
from pipeline.protocols import Count

__all__ = ["RedisRequests"]

_KEYS = (REQUESTS_WAITING, REQUESTS_TAKEN, REQUESTS_TEXT, REQUESTS_TRIES)

Bury = Callable[[str, bytes, Mapping[bytes, bytes], MessageError], None]


class RedisRequests:
    """The queue on one Redis; all of its keys lie in one slot. ``bury`` records a request that cannot be read."""

    def __init__(self, link: Link, count: Count, bury: Bury) -> None:
        self._link = link
        self._count = count
        self._bury = bury

    def ask(self, request: DescribeRequest) -> bool:
        """Put ``request`` into the queue once; whether it is there now. Raises MessageError, BusError."""
        id_ = request_id(request)
        keys = [REQUESTS_WAITING, REQUESTS_TEXT, REQUESTS_TRIES, REQUESTS_ASKED]
        args = [id_, f"{urgency(request):.6f}", codec.encode_request(request), MAX_WAITING, MAX_ASKED]
        is_new, *dropped = self._link.evaluate(ASK, keys, args)
        gone = [word.decode() for word in dropped]
        count_dropped(self._count, gone, "queue_full")
        return bool(is_new) and id_ not in gone

    def take(self, count: int, hold_s: float) -> list[DescribeRequest]:
        """At most ``count`` requests, most urgent first, held for ``hold_s``. Raises BusError."""
        args = [count, max(1, round(hold_s * 1_000)), MAX_TRIES]
        given_up, taken = self._link.evaluate(TAKE, _KEYS, args)
        count_dropped(self._count, [word.decode() for word in given_up], "given_up")
        requests = []
        for id_, text in taken:
            try:
                requests.append(codec.decode_request(text))
            except MessageError as error:
                self._bury(REQUESTS_TEXT, id_, {b"request": text}, error)
                self._link.run(FINISH, _KEYS, [id_])
        return requests

    def finish(self, request: DescribeRequest) -> None:
        """Forget ``request``. Raises BusError."""
        self._link.run(FINISH, _KEYS, [request_id(request)])

    def waiting(self) -> int:
        """Requests that nobody works on. Raises BusError."""
        return int(self._link.call(REQUESTS_WAITING, "ZCARD", REQUESTS_WAITING))
