"""What every worker loop shares: stop on a signal, wait out a bus that is away, say once that it went and came back.

A worker is ``while not stop.is_set(): step()``; each step is a plain function of the bus. Next file:
``workers/wiring.py``.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from pipeline.errors import BusError
from pipeline.telemetry import Telemetry

__all__ = ["Liveness", "bus_patience", "stop_on_signals"]

T = TypeVar("T")
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


class Liveness:
    """What a worker answers on ``/health``: the last time it made progress, and whether the bus is there."""

    def __init__(self, clock: Callable[[], float], stall_s: float = 30.0) -> None:
        self._clock = clock
        self._stall_s = stall_s
        self._progress_at = clock()
        self._bus_error: str | None = None

    def progress(self) -> None:
        """The loop came round."""
        self._progress_at = self._clock()

    def bus_is(self, error: BusError | None) -> None:
        """The bus answered (None) or failed."""
        self._bus_error = None if error is None else str(error)

    def report(self) -> tuple[bool, dict[str, object]]:
        """(is healthy, facts) for the health endpoint."""
        idle_s = self._clock() - self._progress_at
        is_healthy = self._bus_error is None and idle_s < self._stall_s
        return is_healthy, {"idle_s": round(idle_s, 1), "bus": self._bus_error or "ok"}


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM or SIGINT sets; the former handlers are put back afterwards."""
    stop = threading.Event()

    def set_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    former = {number: signal.signal(number, set_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def bus_patience(
    do: Callable[[], T], stop: threading.Event, telemetry: Telemetry, liveness: Liveness | None = None
) -> T | None:
    """``do()`` again and again until the bus lets it through; None when told to stop before that.

    ``do`` has to be safe to repeat: an answer can be lost after its effect.
    """
    pause_s = FIRST_PAUSE_S
    is_waiting = False
    while True:
        try:
            result = do()
        except BusError as error:
            if liveness is not None:
                liveness.bus_is(error)
                liveness.progress()
            if not is_waiting:
                telemetry.log.warning("bus_away", error=str(error))
                is_waiting = True
            if stop.wait(pause_s):
                return None
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            continue
        if is_waiting:
            telemetry.log.info("bus_back")
        if liveness is not None:
            liveness.bus_is(None)
        return result
