"""Keeps callers away from a server that keeps failing. Time is an argument: nothing here reads a clock.

In: failures and successes; out: whether to try. Closed, every call is let through; after ``most_failures`` in a row it
opens, and nobody is let through for ``pause_s``; then one call may try (the others still wait), and its outcome closes
the breaker or opens it for twice as long, up to ten minutes (Nygard: Release It!, 2007). Thread-safe.
"""

from __future__ import annotations

import threading

__all__ = ["Breaker"]

_MAX_PAUSE_S = 600.0


class Breaker:
    """A circuit breaker around one server."""

    def __init__(self, most_failures: int, pause_s: float) -> None:
        """``pause_s`` is the first pause; every further one in a row is twice as long."""
        self._most_failures = most_failures
        self._first_pause_s = self._pause_s = pause_s
        self._failures = 0
        self._open_until_s: float | None = None
        self._is_trying = False
        self._lock = threading.Lock()

    def admit(self, at_s: float) -> float | None:
        """None when a call may go out now (report its outcome!), else the seconds until one may be tried."""
        with self._lock:
            if self._open_until_s is None:
                return None
            if at_s < self._open_until_s or self._is_trying:
                return max(0.0, self._open_until_s - at_s)
            self._is_trying = True
            return None

    def succeeded(self) -> None:
        """A call went through: all is well again."""
        with self._lock:
            self._failures, self._pause_s = 0, self._first_pause_s
            self._open_until_s, self._is_trying = None, False

    def failed(self, at_s: float) -> None:
        """A call failed at ``at_s``; calls that were under way when it opened do not lengthen the pause."""
        with self._lock:
            self._failures += 1
            is_late = self._open_until_s is not None and not self._is_trying
            if is_late or self._failures < self._most_failures:
                return
            self._open_until_s = at_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, _MAX_PAUSE_S)
            self._is_trying = False
