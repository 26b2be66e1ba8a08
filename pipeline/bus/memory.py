"""The bus without a server: the same contract as Redis, inside one process, for replay and for tests.

In and out: as :class:`pipeline.protocols.Bus` says. Messages are kept as they are (they are frozen values), alerts too;
what Redis would refuse because it does not belong on a stream is refused here as well. Thread-safe. Nothing outlives
the process. Next file: ``pipeline/bus/redis.py``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Condition

from pipeline.bus.codec import require_fit, size_and_end
from pipeline.bus.ledger import Ledger, Line
from pipeline.bus.topics import (
    MAX_ALERTS,
    MAX_ASKED,
    MAX_REVISIONS,
    MAX_TRIES,
    MAX_WAITING,
    Topic,
    require_position,
    stream_key,
)
from pipeline.bus.urgency import count_dropped, request_id, urgency
from pipeline.descriptions import DescribeRequest
from pipeline.protocols import Count, Entry, Lease, Message
from pipeline.types import Alert

__all__ = ["MemoryBus"]


def _ignore(name: str, camera: str, reason: str) -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True)
class _Held:
    id: int
    message: Message
    line: Line


@dataclass(slots=True)
class _Stream:
    entries: deque[_Held] = field(default_factory=deque)
    last_exchange: tuple[tuple[str, str], ...] = ()

    def excess(self, topic: Topic, line: Line) -> int:
        """How many of the oldest entries have to go before a message of ``line`` fits."""
        return len(Ledger(topic, (held.line for held in self.entries)).excess(line.size_bytes, line.end_s))


@dataclass(slots=True)
class _Requests:
    """Requests to describe by id: waiting by (urgency, id), taken until when, how often, and all that were asked."""

    by_id: dict[str, DescribeRequest] = field(default_factory=dict)
    waiting: set[tuple[float, str]] = field(default_factory=set)
    taken: dict[str, float] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    asked: dict[str, None] = field(default_factory=dict)

    def forget(self, id_: str) -> None:
        """``id_`` is neither waiting nor taken any more."""
        request = self.by_id.pop(id_, None)
        if request is not None:
            self.waiting.discard((urgency(request), id_))
        self.taken.pop(id_, None)
        self.tries.pop(id_, None)


class MemoryBus:
    """A :class:`pipeline.protocols.Bus` of dictionaries behind one lock.

    ``clock`` gives the seconds by which leases expire; ``count`` is told of every entry dropped to make room.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, count: Count = _ignore) -> None:
        self._clock = clock
        self._count = count
        self._changed = Condition()
        self._last_id = 0
        self._streams: dict[str, _Stream] = {}
        self._states: dict[tuple[str, str], bytes] = {}
        self._leases: dict[tuple[str, str], tuple[str, float]] = {}
        self._alerts: deque[tuple[int, Alert]] = deque(maxlen=MAX_ALERTS)
        self._revisions: dict[tuple[str, int], None] = {}
        self._requests = _Requests()

    def append(self, camera: str, topic: Topic, message: Message, *, wait_s: float | None = None) -> bool:
        """Add a message within the topic's bound; see :meth:`pipeline.protocols.Bus.append`. Raises MessageError."""
        require_fit(camera, topic, message)
        with self._changed:
            stream = self._stream(camera, topic)
            line = Line("", *size_and_end(message))
            if wait_s is not None and not self._wait(lambda: stream.excess(topic, line) == 0, wait_s):
                return False
            for _ in range(stream.excess(topic, line)):
                stream.entries.popleft()
                if topic.max_age_s is None:
                    self._count("bus_dropped", camera, f"{topic.name}_full")
            self._last_id += 1
            stream.entries.append(_Held(self._last_id, message, line))
            self._changed.notify_all()
            return True

    def read(
        self, positions: Mapping[tuple[str, Topic], str], *, max_entries: int, block_s: float
    ) -> dict[tuple[str, Topic], list[Entry]]:
        """At most ``max_entries`` of each stream after its position; see :meth:`pipeline.protocols.Bus.read`."""

        def look() -> dict[tuple[str, Topic], list[Entry]]:
            found = {}
            for (camera, topic), position in positions.items():
                after = int(position)
                entries = [Entry(str(e.id), e.message) for e in self._stream(camera, topic).entries if e.id > after]
                if entries:
                    found[camera, topic] = entries[:max_entries]
            return found

        with self._changed:
            self._wait(lambda: bool(look()), block_s)
            return look()

    def newest(self, camera: str, topic: Topic) -> str:
        """Position of the newest entry, ``"0"`` when there is none."""
        with self._changed:
            entries = self._stream(camera, topic).entries
            return str(entries[-1].id) if entries else "0"

    def depth(self, camera: str, topic: Topic) -> int:
        """Entries now in the stream."""
        with self._changed:
            return len(self._stream(camera, topic).entries)

    def exchange(
        self, camera: str, consumed: Sequence[tuple[Topic, str]], produced: Sequence[tuple[Topic, Message]]
    ) -> None:
        """Remove and add in one step; see :meth:`pipeline.protocols.Bus.exchange`. Raises MessageError."""
        for topic, message in produced:
            require_fit(camera, topic, message)
        token = tuple((topic.name, id_) for topic, id_ in consumed)
        with self._changed:
            for topic, id_ in consumed:
                stream = self._stream(camera, topic)
                stream.entries = deque(entry for entry in stream.entries if entry.id != int(id_))
            if consumed:
                source = self._stream(camera, consumed[0][0])
                if source.last_exchange == token:
                    return
                source.last_exchange = token
            for topic, message in produced:
                self.append(camera, topic, message)
            self._changed.notify_all()

    def trim(self, camera: str, topic: Topic, before: str) -> None:
        """Forget entries up to and including position ``before``."""
        with self._changed:
            entries = self._stream(camera, topic).entries
            while entries and entries[0].id <= int(before):
                entries.popleft()
            self._changed.notify_all()

    def save_state(self, camera: str, role: str, state: bytes, *, lease: Lease | None = None) -> bool:
        """Replace the saved fold of ``role`` for ``camera``; False, nothing saved, when ``lease`` is not held."""
        with self._changed:
            if lease is not None:
                owner, until = self._leases.get((lease.camera, lease.role), ("", 0.0))
                if owner != lease.owner or self._clock() >= until:
                    return False
            self._states[camera, role] = bytes(state)
            return True

    def load_state(self, camera: str, role: str) -> bytes | None:
        """The saved fold, or None."""
        with self._changed:
            return self._states.get((camera, role))

    def acquire(self, lease: Lease, ttl_s: float) -> bool:
        """Take or renew a lease; False while somebody else holds it."""
        with self._changed:
            owner, until = self._leases.get((lease.camera, lease.role), (lease.owner, 0.0))
            now = self._clock()
            if owner != lease.owner and now < until:
                return False
            self._leases[lease.camera, lease.role] = (lease.owner, now + ttl_s)
            return True

    def release(self, lease: Lease) -> None:
        """Give a lease back if it is ours."""
        with self._changed:
            if self._leases.get((lease.camera, lease.role), ("", 0.0))[0] == lease.owner:
                del self._leases[lease.camera, lease.role]

    def publish_alert(self, alert: Alert) -> bool:
        """Keep an alert revision once; False when it was already there."""
        with self._changed:
            revision = (alert.id, alert.revision)
            if revision in self._revisions:
                return False
            self._revisions[revision] = None
            if len(self._revisions) > MAX_REVISIONS:
                del self._revisions[next(iter(self._revisions))]
            self._last_id += 1
            self._alerts.append((self._last_id, alert))
            self._changed.notify_all()
            return True

    def alerts(self, since: str, *, max_entries: int, block_s: float) -> list[tuple[str, Alert]]:
        """Alert revisions after position ``since``, oldest first, each with its position. Raises UsageError."""
        require_position(since)
        after = int(since.partition("-")[0])
        with self._changed:
            self._wait(lambda: bool(self._alerts) and self._alerts[-1][0] > after, block_s)
            return [(str(id_), alert) for id_, alert in self._alerts if id_ > after][:max_entries]

    def newest_alert(self) -> str:
        """Position of the newest alert revision, ``"0"`` when there is none."""
        with self._changed:
            return str(self._alerts[-1][0]) if self._alerts else "0"

    def request(self, request: DescribeRequest) -> bool:
        """Ask for words about a moment, once; see :meth:`pipeline.protocols.Bus.request`."""
        id_, queue = request_id(request), self._requests
        with self._changed:
            if id_ in queue.asked:
                return False
            queue.asked[id_] = None
            if len(queue.asked) > MAX_ASKED:
                del queue.asked[next(iter(queue.asked))]
            queue.by_id[id_] = request
            queue.waiting.add((urgency(request), id_))
            while len(queue.waiting) > MAX_WAITING:
                _, least = min(queue.waiting)
                queue.forget(least)
                count_dropped(self._count, [least], "queue_full")
            return id_ in queue.by_id

    def next_requests(self, count: int, *, hold_s: float) -> list[DescribeRequest]:
        """At most ``count`` requests, most urgent first; see :meth:`pipeline.protocols.Bus.next_requests`."""
        queue = self._requests
        with self._changed:
            now_s = self._clock()
            for id_ in [id_ for id_, until_s in queue.taken.items() if until_s <= now_s]:
                del queue.taken[id_]
                if queue.tries[id_] >= MAX_TRIES:
                    queue.forget(id_)
                    count_dropped(self._count, [id_], "given_up")
                else:
                    queue.waiting.add((urgency(queue.by_id[id_]), id_))
            chosen = sorted(queue.waiting, reverse=True)[:count]
            for place in chosen:
                queue.waiting.discard(place)
                queue.taken[place[1]] = now_s + hold_s
                queue.tries[place[1]] = queue.tries.get(place[1], 0) + 1
            return [queue.by_id[id_] for _, id_ in chosen]

    def finish_request(self, request: DescribeRequest) -> None:
        """It has been described, or never will be."""
        with self._changed:
            self._requests.forget(request_id(request))

    def requests_waiting(self) -> int:
        """How many requests nobody works on yet."""
        with self._changed:
            return len(self._requests.waiting)

    def close(self) -> None:
        """Nothing to let go of."""

    def _stream(self, camera: str, topic: Topic) -> _Stream:
        return self._streams.setdefault(stream_key(camera, topic), _Stream())

    def _wait(self, is_met: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for ``is_met`` while others change the bus; whether it was met. The lock is held by the caller."""
        return self._changed.wait_for(is_met, timeout_s)
