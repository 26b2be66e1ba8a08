"""Decides when a quiet camera may be decoded by its key frames alone, and when to wake up.

In: the size of every packet and what the motion gate said; out: :class:`Rest`. An encoder spends bytes where the
picture changes, so the sizes of predicted packets, watched against their own quiet level, tell of motion before a
single one is decoded. Key frames are always decoded and shown to the gate: a size watch that misses a faint change
costs at most one group of pictures. Pure, media time only. Next file: ``pipeline/ingest/camera.py``.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass

__all__ = ["QuietConfig", "SizeWatch"]


@dataclass(frozen=True, slots=True)
class QuietConfig:
    """Knobs of the quiet mode.

    ``settle_s``: media seconds the gate has to be closed before dozing. ``max_blind_s``: longest distance of key
    frames at which dozing is allowed. ``learn_s``: span of the learned quiet level. ``excess``: how much larger than
    the quiet level packets have to be, as a share of it. ``deviations``: and how many robust deviations above it.
    """

    is_enabled: bool = True
    settle_s: float = 3.0
    max_blind_s: float = 4.2
    learn_s: float = 10.0
    excess: float = 0.5
    deviations: float = 5.0

    def __post_init__(self) -> None:
        if min(self.settle_s, self.max_blind_s, self.learn_s, self.excess, self.deviations) <= 0:
            raise ValueError(f"quiet mode: expected numbers > 0, got {self}")


class SizeWatch:
    """Learns the quiet level of a camera's predicted packets and notices spikes above it."""

    _MIN_LEARNED = 20
    _MAX_LEARNED = 600
    _RUN = 3

    def __init__(self, config: QuietConfig) -> None:
        self._config = config
        self._learned: deque[tuple[float, int]] = deque(maxlen=self._MAX_LEARNED)
        self._run: deque[int] = deque(maxlen=self._RUN)
        self._limit: float | None = None
        self._last_key_s: float | None = None
        self._gop_s: float | None = None
        self._quiet_since_s: float | None = None

    def note_gate(self, *, is_open: bool, at_s: float) -> None:
        """The motion gate looked at a picture of media time ``at_s``."""
        if is_open:
            self._quiet_since_s = None
        elif self._quiet_since_s is None:
            self._quiet_since_s = at_s

    def may_doze(self, at_s: float) -> bool:
        """Whether only key frames need to be decoded from here: quiet for long enough, and key frames close enough."""
        return (
            self._config.is_enabled
            and self._gop_s is not None
            and self._gop_s <= self._config.max_blind_s
            and len(self._learned) >= self._MIN_LEARNED
            and self._quiet_since_s is not None
            and at_s - self._quiet_since_s >= self._config.settle_s
        )

    def is_spike(self, size: int, at_s: float, *, is_key: bool) -> bool:
        """Note a packet of ``size`` bytes; True when the scene must be looked at.

        That is when bytes jumped, or when a key frame is overdue.
        """
        if is_key:
            self._note_key(at_s)
            return False
        self._run.append(size)
        spikes = self._limit is not None and len(self._run) == self._RUN and sum(self._run) / self._RUN > self._limit
        if self._quiet_since_s is not None:
            self._learned.append((at_s, size))
        is_blind = self._last_key_s is not None and at_s - self._last_key_s > self._config.max_blind_s
        return spikes or is_blind

    def reset(self) -> None:
        """A new session: sizes of another encoder, or of another setting, teach nothing."""
        self._learned.clear()
        self._run.clear()
        self._limit = self._last_key_s = self._gop_s = self._quiet_since_s = None

    def _note_key(self, at_s: float) -> None:
        if self._last_key_s is not None:
            self._gop_s = at_s - self._last_key_s
        self._last_key_s = at_s
        self._run.clear()
        while self._learned and self._learned[0][0] < at_s - self._config.learn_s:
            self._learned.popleft()
        if len(self._learned) < self._MIN_LEARNED:
            self._limit = None
            return
        sizes = [size for _, size in self._learned]
        level = statistics.median(sizes)
        deviation = 1.4826 * statistics.median(abs(size - level) for size in sizes)
        self._limit = level + max(self._config.excess * level, self._config.deviations * deviation / self._RUN**0.5)
