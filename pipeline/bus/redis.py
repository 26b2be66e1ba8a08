"""The bus on Redis Streams: one server, a Cluster, or one server that keeps and one that forgets.

In and out: as :class:`pipeline.protocols.Bus` says. Keys come from ``pipeline/bus/topics.py``, messages from
``pipeline/bus/codec.py``, steps that must happen as one from ``pipeline/bus/scripts.py``.

Two servers, because Redis persists all keys or none: findings, alerts, leases and saved folds belong on a server that
writes its append-only file, while 20 MB/s of frames and packets would wear out a disk for nothing. With ``frames_url``
perishable topics go to that second server; without it one server holds all. Either way an exchange takes effect once:
the durable side notes which exchange it has seen, so that repeating it after a crash or a lost answer adds nothing.

What is guaranteed: with ``appendfsync always`` every answered durable write survives a power cut, with ``everysec`` all
but the last second; a killed Redis process (``kill -9``) loses nothing that was answered in either mode.
Next file: ``pipeline/bus/server.py``.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.bus import codec
from pipeline.bus.connection import Link, Tls
from pipeline.bus.reader import RawEntry, entries_of, read_streams
from pipeline.bus.requests import RedisRequests
from pipeline.bus.scripts import ACQUIRE, BURY, EXCHANGE, PUBLISH, RELEASE, SAVE
from pipeline.bus.topics import (
    ALERT_REVISIONS,
    ALERTS,
    ALERTS_CHANNEL,
    DEAD,
    MAX_ALERTS,
    MAX_DEAD,
    MAX_REVISIONS,
    Topic,
    exchange_key,
    lease_key,
    require_position,
    state_key,
    stream_key,
)
from pipeline.bus.writer import StreamWriter, id_after
from pipeline.descriptions import DescribeRequest
from pipeline.errors import MessageError
from pipeline.protocols import Count, Entry, Lease, Message
from pipeline.types import Alert

__all__ = ["DeadLetter", "RedisBus"]

_MAX_DEAD_BYTES = 64 * 2**10


def _ignore(name: str, camera: str, reason: str) -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that could not be parsed: where it stood, why it was refused, and the first 64 KiB of each field."""

    key: str
    id: str
    reason: str
    fields: Mapping[bytes, bytes]


class RedisBus:
    """A :class:`pipeline.protocols.Bus` on Redis 6.2 or newer; thread-safe.

    ``frames_url`` names a second server for perishable topics; ``count`` is told of every entry dropped to make room.
    Raises UsageError for a URL that cannot be used; a server that is away is a BusError of the first call.
    """

    def __init__(
        self,
        url: str,
        *,
        frames_url: str | None = None,
        is_cluster: bool = False,
        tls: Tls | None = None,
        timeout_s: float = 5.0,
        count: Count = _ignore,
    ) -> None:
        self._durable = Link(url, is_cluster=is_cluster, tls=tls, timeout_s=timeout_s)
        self._perishable = self._durable
        if frames_url is not None and frames_url != url:
            frames_tls = tls if frames_url.startswith("rediss://") else None
            self._perishable = Link(frames_url, is_cluster=is_cluster, tls=frames_tls, timeout_s=timeout_s)
        self._count = count
        self._writers: dict[tuple[str, Topic], StreamWriter] = {}
        self._requests = RedisRequests(self._durable, count, self._bury_value)

    def append(self, camera: str, topic: Topic, message: Message, *, wait_s: float | None = None) -> bool:
        """Add a message within the topic's bound; see :meth:`pipeline.protocols.Bus.append`.

        Raises MessageError for a message that does not belong there, BusError; after a BusError appending the same
        message again does not double it.
        """
        codec.require_fit(camera, topic, message)
        writer = self._writers.get((camera, topic))
        if writer is None:
            new = StreamWriter(self._link(topic), stream_key(camera, topic), topic)
            writer = self._writers.setdefault((camera, topic), new)
        dropped = writer.append(codec.encode(message), *codec.size_and_end(message), wait_s)
        if dropped is None:
            return False
        self._count_dropped(camera, topic, dropped)
        return True

    def read(
        self, positions: Mapping[tuple[str, Topic], str], *, max_entries: int, block_s: float
    ) -> dict[tuple[str, Topic], list[Entry]]:
        """At most ``max_entries`` of each stream after its position; see :meth:`pipeline.protocols.Bus.read`.

        Waiting on streams of several Cluster slots or of both servers polls every 20 ms, since Redis can block on one
        slot only.
        """
        places = {stream_key(camera, topic): (camera, topic) for camera, topic in positions}
        wanted: dict[Link, dict[str, str]] = defaultdict(dict)
        for (camera, topic), position in positions.items():
            wanted[self._link(topic)][stream_key(camera, topic)] = position
        until = time.monotonic() + block_s
        while True:
            left_s = max(0.0, until - time.monotonic())
            found: dict[tuple[str, Topic], list[Entry]] = {}
            for key, raw in read_streams(wanted, max_entries, left_s):
                camera, topic = places[key]
                entries = self._parsed(camera, topic, key, raw)
                if entries:
                    found[camera, topic] = entries
            if found or time.monotonic() >= until:
                return found

    def newest(self, camera: str, topic: Topic) -> str:
        """Position of the newest entry, ``"0"`` when there is none."""
        key = stream_key(camera, topic)
        newest = entries_of(self._link(topic).call(key, "XREVRANGE", key, "+", "-", "COUNT", 1))
        return newest[0][0].decode() if newest else "0"

    def depth(self, camera: str, topic: Topic) -> int:
        """Entries now in the stream."""
        key = stream_key(camera, topic)
        return int(self._link(topic).call(key, "XLEN", key))

    def exchange(
        self, camera: str, consumed: Sequence[tuple[Topic, str]], produced: Sequence[tuple[Topic, Message]]
    ) -> None:
        """Remove what was consumed and add what came of it; see :meth:`pipeline.protocols.Bus.exchange`.

        One atomic step per server, the durable one first; repeating it changes nothing. Raises MessageError, BusError.
        """
        for topic, message in produced:
            codec.require_fit(camera, topic, message)
        token = ",".join(f"{topic.name}:{id_}" for topic, id_ in consumed)
        encoded = [(topic, codec.encode(message)) for topic, message in produced]
        for link in dict.fromkeys((self._durable, self._perishable)):
            out = [(topic, id_) for topic, id_ in consumed if self._link(topic) is link]
            into = [(topic, fields) for topic, fields in encoded if self._link(topic) is link]
            if out or into:
                self._exchange_on(link, camera, consumed[0][0] if consumed else into[0][0], token, out, into)

    def trim(self, camera: str, topic: Topic, before: str) -> None:
        """Forget entries up to and including position ``before``."""
        key = stream_key(camera, topic)
        self._link(topic).call(key, "XTRIM", key, "MINID", "=", id_after(before))

    def save_state(self, camera: str, role: str, state: bytes, *, lease: Lease | None = None) -> bool:
        """Replace the saved fold of ``role`` for ``camera``; False when ``lease`` is another's now, nothing is saved.

        Raises MessageError above 64 MiB.
        """
        if len(state) > codec.MAX_BLOB_BYTES:
            raise MessageError(f"state of {role} for {camera} has {len(state)} bytes; at most {codec.MAX_BLOB_BYTES}")
        key = state_key(camera, role)
        if lease is not None:
            keys = [lease_key(lease.camera, lease.role), key]
            return self._durable.run(SAVE, keys, [lease.owner, state]) == 1
        self._durable.call(key, "SET", key, state)
        return True

    def load_state(self, camera: str, role: str) -> bytes | None:
        """The saved fold, or None."""
        key = state_key(camera, role)
        state = self._durable.call(key, "GET", key)
        return None if state is None else bytes(state)

    def acquire(self, lease: Lease, ttl_s: float) -> bool:
        """Take or renew a lease; False while somebody else holds it."""
        key = lease_key(lease.camera, lease.role)
        return self._durable.run(ACQUIRE, [key], [lease.owner, max(1, round(ttl_s * 1_000))]) == 1

    def release(self, lease: Lease) -> None:
        """Give a lease back if it is ours."""
        self._durable.run(RELEASE, [lease_key(lease.camera, lease.role)], [lease.owner])

    def publish_alert(self, alert: Alert) -> bool:
        """Put an alert revision on the stream and the channel, once; False when it was already there.

        Passes even while the server is out of memory for frames. Raises MessageError, BusError.
        """
        fields = codec.encode_alert(alert)
        revision = f"{alert.id}/{alert.revision}"
        args = [revision, MAX_ALERTS, MAX_REVISIONS, ALERTS_CHANNEL, fields[b"head"], *_words(fields)]
        return self._durable.run(PUBLISH, [ALERTS, ALERT_REVISIONS], args) == 1

    def alerts(self, since: str, *, max_entries: int, block_s: float) -> list[tuple[str, Alert]]:
        """Alert revisions after position ``since``, oldest first, each with its position.

        Raises UsageError for a position that is none (people type it), BusError.
        """
        require_position(since)
        until = time.monotonic() + block_s
        while True:
            left_s = max(0.0, until - time.monotonic())
            found = []
            for key, raw in read_streams({self._durable: {ALERTS: since}}, max_entries, left_s):
                for id_, fields in raw:
                    try:
                        found.append((id_.decode(), codec.decode_alert(fields)))
                    except MessageError as error:
                        self._bury(self._durable, key, id_, fields, error)
            if found or time.monotonic() >= until:
                return found

    def newest_alert(self) -> str:
        """Position of the newest alert revision, ``"0"`` when there is none."""
        newest = entries_of(self._durable.call(ALERTS, "XREVRANGE", ALERTS, "+", "-", "COUNT", 1))
        return newest[0][0].decode() if newest else "0"

    def request(self, request: DescribeRequest) -> bool:
        """Ask for words about a moment, once; see :meth:`pipeline.protocols.Bus.request`. Raises MessageError."""
        return self._requests.ask(request)

    def next_requests(self, count: int, *, hold_s: float) -> list[DescribeRequest]:
        """At most ``count`` requests, most urgent first; see :meth:`pipeline.protocols.Bus.next_requests`."""
        return self._requests.take(count, hold_s)

    def finish_request(self, request: DescribeRequest) -> None:
        """It has been described, or never will be."""
        self._requests.finish(request)

    def requests_waiting(self) -> int:
        """How many requests nobody works on yet."""
        return self._requests.waiting()

    def dead_letters(self, *, max_entries: int = MAX_DEAD) -> list[DeadLetter]:
        """The newest entries that could not be parsed, newest first."""
        raw = entries_of(self._durable.call(DEAD, "XREVRANGE", DEAD, "+", "-", "COUNT", max_entries))
        own = {b"key", b"id", b"reason"}
        return [
            DeadLetter(
                key=fields.get(b"key", b"").decode("utf-8", "replace"),
                id=fields.get(b"id", b"").decode("utf-8", "replace"),
                reason=fields.get(b"reason", b"").decode("utf-8", "replace"),
                fields={name: value for name, value in fields.items() if name not in own},
            )
            for _, fields in raw
        ]

    def close(self) -> None:
        """Let go of connections."""
        self._durable.close()
        self._perishable.close()

    def _link(self, topic: Topic) -> Link:
        return self._durable if topic.is_durable else self._perishable

    def _count_dropped(self, camera: str, topic: Topic, dropped: int) -> None:
        for _ in range(dropped):
            self._count("bus_dropped", camera, f"{topic.name}_full")

    def _exchange_on(
        self,
        link: Link,
        camera: str,
        source: Topic,
        token: str,
        consumed: Sequence[tuple[Topic, str]],
        produced: Sequence[tuple[Topic, codec.Fields]],
    ) -> None:
        topics = dict.fromkeys(topic for topic, _ in (*consumed, *produced))
        keys = [exchange_key(camera, source), *(stream_key(camera, topic) for topic in topics)]
        place = {key: number for number, key in enumerate(keys, start=1)}
        args: list[Any] = [token if produced else "", len(consumed)]
        for topic, id_ in consumed:
            args += [place[stream_key(camera, topic)], id_]
        for topic, fields in produced:
            words = _words(fields)
            args += [place[stream_key(camera, topic)], topic.max_entries, len(words), *words]
        dropped = link.run(EXCHANGE, keys, args)
        if produced:
            self._count_dropped(camera, produced[0][0], dropped)

    def _parsed(self, camera: str, topic: Topic, key: str, raw: Sequence[RawEntry]) -> list[Entry]:
        entries = []
        for id_, fields in raw:
            try:
                message = codec.decode(fields)
                codec.require_fit(camera, topic, message)
                entries.append(Entry(id_.decode(), message))
            except MessageError as error:
                self._bury(self._link(topic), key, id_, fields, error)
        return entries

    def _bury(self, link: Link, key: str, id_: bytes, fields: Mapping[bytes, bytes], error: MessageError) -> None:
        """Move an entry to ``dead``: recorded there first, so that a crash in between cannot lose it."""
        self._bury_value(key, id_, fields, error)
        link.call(key, "XDEL", key, id_)

    def _bury_value(self, key: str, id_: bytes, fields: Mapping[bytes, bytes], error: MessageError) -> None:
        letter: list[Any] = [b"key", key, b"id", id_, b"reason", str(error)[:1_000]]
        for name, value in list(fields.items())[:16]:
            letter += [name[:100], value[:_MAX_DEAD_BYTES]]
        self._durable.run(BURY, [DEAD], [MAX_DEAD, *letter])


def _words(fields: codec.Fields) -> list[Any]:
    return [word for pair in fields.items() for word in pair]
