"""Measures the pixels of what was detected and hands the findings over, beside the detector, in a thread of its own.

In: outcomes of the detect stage, a step's at a time. Out: findings with looks on ``vedette:{cam}:detections``, in
order. A recording's looks have to be the same in every replay, whoever dies in between: what the looker remembers of
such a camera is kept on the bus before its frames are taken off their stream. Used by ``workers/detect.py``.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from pipeline.bus.topics import DETECTIONS, FRAMES
from pipeline.detect.stage import Outcome
from pipeline.protocols import Bus, Lease, Looker
from pipeline.telemetry import Telemetry
from pipeline.types import FrameKey
from workers.runtime import bus_patience

__all__ = ["ROLE", "Courier", "KeptLooker"]

ROLE = "looks"
_LENGTH = struct.Struct("<I")


class KeptLooker(Looker, Protocol):
    """A looker whose memory of a camera can go on elsewhere."""

    def memory(self, camera: str) -> bytes:
        """What is remembered of ``camera``; empty when that is nothing."""
        ...

    def recall(self, camera: str, memory: bytes, upcoming: FrameKey) -> bool:
        """Continue ``camera`` from ``memory`` if that is from before the ``upcoming`` frame of the same session."""
        ...


class Courier:
    """Hands over one step's outcomes after another's while the next pictures are looked at.

    Otherwise the processor's inference streams would idle meanwhile. ``keep``: cameras whose memory is kept, each with
    the lease under which it is.
    """

    def __init__(
        self,
        bus: Bus,
        telemetry: Telemetry,
        stop: threading.Event,
        looker: KeptLooker | None = None,
        *,
        keep: Mapping[str, Lease] | None = None,
    ) -> None:
        self._bus, self._telemetry, self._stop, self._looker = bus, telemetry, stop, looker
        self._keep = dict(keep or {}) if looker is not None else {}
        self._kept: dict[str, bytes] = {}
        self._left: dict[str, tuple[bytes, ...]] = {}  # by a camera's former worker, newest first
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hand-over")
        self._under_way: Future[None] | None = None

    def take(self, outcomes: list[Outcome]) -> None:
        """Begin to hand over ``outcomes``; waits for those before. Raises what handing those over raised."""
        self.wait()
        self._under_way = self._thread.submit(self._deliver, outcomes)

    def wait(self) -> None:
        """Return when nothing is under way. Raises what handing over raised."""
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            under_way.result()

    def close(self) -> None:
        """Deliver what is under way and end the thread."""
        self._thread.shutdown()
        self.wait()

    def forget(self, camera: str) -> None:
        """Another worker has this camera now; nothing may be under way."""
        self._kept.pop(camera, None)
        self._left.pop(camera, None)
        if self._looker is not None:
            self._looker.forget(camera)

    def recall(self, camera: str) -> None:
        """Go on with the memory that the camera's former worker kept, if it did; nothing may be under way."""
        if camera in self._keep:
            saved = bus_patience(lambda: self._bus.load_state(camera, ROLE), self._stop, self._telemetry)
            self._left[camera] = _unpacked(saved or b"")

    def _deliver(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            looked = outcome if self._looker is None else self._looked_at(self._looker, outcome)
            bus_patience(lambda looked=looked: _hand_over(self._bus, looked), self._stop, self._telemetry)  # type: ignore[misc]

    def _looked_at(self, looker: KeptLooker, outcome: Outcome) -> Outcome:
        """``outcome`` with looks. What was remembered before and after it is saved, if it is kept: which of the two
        holds shows when frames come back."""
        camera, keys = outcome.camera, [frame.ref.key for frame in outcome.frames if frame.i420 is not None]
        if not keys or camera not in self._keep:
            return outcome.looked_at(looker)
        if any(looker.recall(camera, memory, keys[0]) for memory in self._left.pop(camera, ())):
            self._kept[camera] = looker.memory(camera)
        before, looked = self._kept.get(camera, b""), outcome.looked_at(looker)
        after = self._kept[camera] = looker.memory(camera)
        state, lease = _LENGTH.pack(len(before)) + before + after, self._keep[camera]
        bus_patience(lambda: self._bus.save_state(camera, ROLE, state, lease=lease), self._stop, self._telemetry)
        return looked


def _hand_over(bus: Bus, outcome: Outcome) -> None:
    bus.exchange(
        outcome.camera,
        [(FRAMES, entry_id) for entry_id in outcome.entry_ids],
        [(DETECTIONS, finding) for finding in outcome.findings],
    )


def _unpacked(saved: bytes) -> tuple[bytes, ...]:
    """The memories in ``saved``, newest first; none when it is damaged."""
    if len(saved) < _LENGTH.size:
        return ()
    (length,) = _LENGTH.unpack_from(saved)
    before, after = saved[_LENGTH.size : _LENGTH.size + length], saved[_LENGTH.size + length :]
    return tuple(memory for memory in (after, before) if memory)
