"""How long to wait before the next attempt: exponential back-off with full jitter, forgotten after a healthy minute.

Pure: the random source and all times are arguments. "Full jitter" (a delay drawn evenly from 0 to the exponential
bound) is the variant that spreads many cameras behind one restarted recorder best: M. Brooker, "Exponential Backoff
And Jitter", AWS Architecture Blog, 2015. Next file: ``pipeline/ingest/camera.py``.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Counts failures of one source and says how long to wait after each."""

    def __init__(
        self,
        random: Callable[[], float],
        *,
        first_s: float = 1.0,
        longest_s: float = 30.0,
        refused_s: float = 10.0,
        healthy_s: float = 60.0,
    ) -> None:
        """``random`` draws from [0, 1). The bound doubles from ``first_s`` to ``longest_s``; a refusal (wrong password)
        begins at ``refused_s``, so that a camera does not lock the account. Raises ValueError for bounds out of order.
        """
        if not 0 < first_s <= refused_s <= longest_s or healthy_s <= 0:
            raise ValueError(
                "back-off: expected 0 < first_s <= refused_s <= longest_s and healthy_s > 0, "
                f"got {first_s}, {refused_s}, {longest_s}, {healthy_s}"
            )
        self._random = random
        self._first_s = first_s
        self._longest_s = longest_s
        self._refused_s = refused_s
        self._healthy_s = healthy_s
        self._failures = 0

    def after_failure(self, *, lived_s: float, is_refusal: bool = False) -> float:
        """Seconds to wait after a connection that delivered pictures for ``lived_s`` seconds (0: it never did)."""
        if lived_s >= self._healthy_s:
            self._failures = 0
        bound_s = min(self._longest_s, self._first_s * 2.0 ** min(self._failures, 32))
        if is_refusal:
            bound_s = max(bound_s, self._refused_s)
        self._failures += 1
        return bound_s * self._random()
