"""Reads what stands after given positions of many Redis streams, with as few commands as their places allow.

In: positions by key, for each connection. Out: entries as the server gives them, not yet parsed. Streams of one hash
slot take one XREAD that waits on the server; several slots or servers take one XREAD per slot, one round trip per node,
and a short pause, since Redis can wait on one slot only. Next file: ``pipeline/bus/writer.py``.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pipeline.bus.connection import Link

__all__ = ["RawEntry", "entries_of", "read_streams"]

_MAX_BLOCK_S = 2.0
_POLL_S = 0.02

RawEntry = tuple[bytes, dict[bytes, bytes]]
"""Id and fields of a stream entry as the server gives them."""


def read_streams(
    wanted: Mapping[Link, Mapping[str, str]], max_entries: int, block_s: float
) -> list[tuple[str, list[RawEntry]]]:
    """At most ``max_entries`` of each stream (key -> position), waiting up to ``block_s``, less if that is long.

    Raises BusError.
    """
    slots: dict[Link, dict[int, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for link, positions in wanted.items():
        for key, position in positions.items():
            slots[link][link.slot_of(key)][key] = position
    groups = [(link, group) for link, by_slot in slots.items() for group in by_slot.values()]
    if len(groups) == 1:
        ((link, group),) = groups
        block_ms = round(min(block_s, _MAX_BLOCK_S, link.timeout_s / 2) * 1_000)
        return _streams(link.call(next(iter(group)), *_xread(group, max_entries, block_ms)))
    nodes: dict[tuple[Link, str], list[dict[str, str]]] = defaultdict(list)
    for link, group in groups:
        nodes[link, link.node_of(next(iter(group)))].append(group)
    found = []
    for (link, _), here in nodes.items():
        replies = link.batch(next(iter(here[0])), [_xread(group, max_entries) for group in here])
        found += [stream for reply in replies for stream in _streams(reply)]
    if not found and block_s > 0:
        time.sleep(min(_POLL_S, block_s))
    return found


def entries_of(reply: Any) -> list[RawEntry]:
    """The entries of an XRANGE reply, without those deleted while it was made."""
    return [(id_, fields) for id_, fields in reply or [] if fields]


def _xread(wanted: Mapping[str, str], max_entries: int, block_ms: int = 0) -> list[Any]:
    """The command that reads what stands after each position, waiting ``block_ms`` for it unless that is 0."""
    block = ["BLOCK", block_ms] if block_ms else []
    return ["XREAD", "COUNT", max_entries, *block, "STREAMS", *wanted, *wanted.values()]


def _streams(reply: Any) -> list[tuple[str, list[RawEntry]]]:
    """An XREAD reply, which redis-py gives as a list or (RESP3) as a map."""
    if not reply:
        return []
    pairs = reply.items() if isinstance(reply, dict) else reply
    return [(key.decode(), entries_of(raw)) for key, raw in pairs]
