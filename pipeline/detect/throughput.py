"""How fast a detector's bare network is, the yardstick for what the pipeline around it keeps.

In: a detector and frames of one size. Out: images per second of the compiled network alone, inputs prepared before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from pipeline.types import Frame

__all__ = ["Bare", "bare_throughput"]


class Bare(Protocol):
    """A detector that can run its network without preparation and post-processing."""

    def run_bare(self, frames: Sequence[Frame]) -> int:
        """Run the network over prepared frames and count the pictures it took."""
        ...


def bare_throughput(
    detector: Bare, frames: Sequence[Frame], seconds: float, *, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Images per second of the bare network over ``frames`` (one size, all with a picture), for about ``seconds``.

    The first round, in which buffers are made, is not counted. Raises ValueError when there are no frames.
    """
    if not frames:
        raise ValueError("bare throughput: expected at least one frame, got none")
    detector.run_bare(frames)
    start, pictures, elapsed_s = clock(), 0, 0.0
    while elapsed_s < seconds or pictures == 0:
        pictures += detector.run_bare(frames)
        elapsed_s = clock() - start
    return pictures / elapsed_s
