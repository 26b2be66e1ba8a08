"""A bus that fails when told to: what workers do when Redis goes away, without a Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.bus.memory import MemoryBus
from pipeline.bus.topics import Topic
from pipeline.errors import BusError
from pipeline.protocols import Entry, Lease, Message
from pipeline.types import Alert


class FlakyBus(MemoryBus):
    """A memory bus; ``failures`` maps a method's name to how many of its next calls fail."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: dict[str, int] = {}

    def append(self, camera: str, topic: Topic, message: Message, *, wait_s: float | None = None) -> bool:
        self._perhaps_fail("append")
        return super().append(camera, topic, message, wait_s=wait_s)

    def read(
        self, positions: Mapping[tuple[str, Topic], str], *, max_entries: int, block_s: float
    ) -> dict[tuple[str, Topic], list[Entry]]:
        self._perhaps_fail("read")
        return super().read(positions, max_entries=max_entries, block_s=min(block_s, 0.01))

    def exchange(
        self, camera: str, consumed: Sequence[tuple[Topic, str]], produced: Sequence[tuple[Topic, Message]]
    ) -> None:
        self._perhaps_fail("exchange")
        super().exchange(camera, consumed, produced)

    def acquire(self, lease: Lease, ttl_s: float) -> bool:
        self._perhaps_fail("acquire")
        return super().acquire(lease, ttl_s)

    def save_state(self, camera: str, role: str, state: bytes, *, lease: Lease | None = None) -> bool:
        self._perhaps_fail("save_state")
        return super().save_state(camera, role, state, lease=lease)

    def publish_alert(self, alert: Alert) -> bool:
        self._perhaps_fail("publish_alert")
        return super().publish_alert(alert)

    def _perhaps_fail(self, method: str) -> None:
        if self.failures.get(method, 0) > 0:
            self.failures[method] -= 1
            raise BusError("Redis is away.")
