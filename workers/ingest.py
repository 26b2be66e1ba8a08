"""The ingest role: one process reads one camera and puts its packets and analysis frames on the bus.

In: the camera. Out: ``vedette:{cam}:packets`` and ``vedette:{cam}:frames``. Reading happens in a thread of its own,
because libav cannot be interrupted while it waits for a silent camera. Next file: ``pipeline/ingest/camera.py``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from pipeline.bus.topics import FRAMES, PACKETS, Topic
from pipeline.errors import BusError, SourceError, VedetteError
from pipeline.protocols import Bus
from pipeline.telemetry import Telemetry
from pipeline.types import Frame, PacketBatch
from workers.claims import Claims
from workers.runtime import Liveness, bus_patience

__all__ = ["Past", "Reader", "load_past", "work"]

ROLE = "ingest"
LEAVE_S = 1.5
ROUND_S = 0.3
REMEMBER_EVERY_S = 5.0
BUS_REST_S = 0.5

Past = tuple[int, float]
"""The last session of a camera and its last media time: what comes next has to be later."""

Reader = Callable[[Past | None], Iterator[Frame | PacketBatch]]
"""Reads a camera, or one stream of it, from after an earlier reader's past."""


def load_past(bus: Bus, camera: str) -> Past | None:
    """Where an earlier ingest process of this camera stopped, or None."""
    saved = bus.load_state(camera, ROLE)
    if saved is None:
        return None
    value = json.loads(saved)
    return int(value["session"]), float(value["at_s"])


def work(
    bus: Bus,
    claims: Claims,
    camera: str,
    readers: Sequence[Reader],
    telemetry: Telemetry,
    liveness: Liveness,
    stop: threading.Event,
    *,
    packets: Topic = PACKETS,
    wait_s: float | None = None,
) -> VedetteError | None:
    """Read ``camera`` until told to stop or its recording ends; the error that ended it, if one did.

    ``readers`` yield the camera's frames and packet batches (two when a sub-stream is analysed), each in a thread.
    ``packets`` is the packets topic with this camera's bounds. ``wait_s`` as in :meth:`Bus.append`: None for a live
    camera (a full queue drops its oldest), seconds for a recording (a full queue makes the reader wait, for ever).
    """
    outlets = [_Outlet(bus, camera, packets, telemetry, liveness, stop, wait_s) for _ in readers]
    threads: list[threading.Thread] = []
    while not stop.is_set():
        change = bus_patience(lambda: claims.renew(time.monotonic()), stop, telemetry, liveness)
        if change is None:
            break
        if change.lost:  # another process reads this camera now; ours would only add older frames
            outlets[0].error = SourceError(f"Another process reads camera {camera} now.")
            break
        if change.gained and not threads:
            past = bus_patience(lambda: load_past(bus, camera), stop, telemetry, liveness)
            for outlet, read in zip(outlets, readers, strict=True):
                thread = threading.Thread(target=outlet.drain, args=(read, past), name=f"read-{camera}", daemon=True)
                thread.start()
                threads.append(thread)
        if not threads:
            liveness.progress()
        elif not any(thread.is_alive() for thread in threads) or any(outlet.error for outlet in outlets):
            break
        stop.wait(ROUND_S)
    stop.set()
    for thread in threads:
        thread.join(LEAVE_S)
    for outlet in outlets:
        outlet.remember()
    _release(claims, telemetry)
    return next((outlet.error for outlet in outlets if outlet.error is not None), None)


def _release(claims: Claims, telemetry: Telemetry) -> None:
    try:
        claims.release()
    except BusError as error:
        telemetry.log.warning("bus_away", error=str(error))


class _Outlet:
    """Puts what a reader yields on the bus."""

    def __init__(
        self,
        bus: Bus,
        camera: str,
        packets: Topic,
        telemetry: Telemetry,
        liveness: Liveness,
        stop: threading.Event,
        wait_s: float | None,
    ) -> None:
        self._bus, self._camera, self._packets, self._telemetry = bus, camera, packets, telemetry
        self._liveness, self._stop, self._wait_s = liveness, stop, wait_s
        self._past: Past | None = None
        self._remembered_at_s = 0.0
        self._rest_until_s = 0.0
        self._is_bus_away = False
        self.error: VedetteError | None = None

    def drain(self, read: Reader, past: Past | None) -> None:
        """Everything the reader yields, until it ends, fails for good, or the worker is told to stop."""
        try:
            for value in read(past):
                if self._stop.is_set():
                    return
                self._liveness.progress()
                self._put(value)
        except VedetteError as error:
            self.error = error

    def remember(self) -> None:
        """Save the last session and media time, so that a later process goes on after them."""
        if self._past is None:
            return
        session, at_s = self._past
        try:
            self._bus.save_state(self._camera, ROLE, json.dumps({"session": session, "at_s": at_s}).encode())
        except BusError as error:
            self._telemetry.log.warning("bus_away", error=str(error))

    def _put(self, value: Frame | PacketBatch) -> None:
        topic = FRAMES if isinstance(value, Frame) else self._packets
        if self._wait_s is not None:
            self._put_patiently(value, self._wait_s)
        elif time.monotonic() < self._rest_until_s:
            self._telemetry.count("dropped", self._camera, "bus_away")
        else:
            try:
                self._bus.append(self._camera, topic, value)
                self._telemetry.published(value)
                self._telemetry.published(value)
                if self._is_bus_away:
                    self._telemetry.log.info("bus_back")
                self._is_bus_away = False
            except BusError as error:
                if not self._is_bus_away:
                    self._telemetry.log.warning("bus_away", error=str(error))
                self._is_bus_away = True
                self._telemetry.count("dropped", self._camera, "bus_away")
                self._rest_until_s = time.monotonic() + BUS_REST_S
        if isinstance(value, Frame):
            self._past = (value.ref.key.session, value.ref.at_s)
            if time.monotonic() - self._remembered_at_s > REMEMBER_EVERY_S:
                self._remembered_at_s = time.monotonic()
                self.remember()

    def _put_patiently(self, value: Frame | PacketBatch, wait_s: float) -> None:
        """A recording loses nothing: wait for room as long as it takes. Packets are not needed to decide."""
        if isinstance(value, PacketBatch):
            if bus_patience(lambda: self._bus.append(self._camera, self._packets, value), self._stop, self._telemetry):
                self._telemetry.published(value)
            return
        while not self._stop.is_set():
            if bus_patience(
                lambda: self._bus.append(self._camera, FRAMES, value, wait_s=wait_s), self._stop, self._telemetry
            ):
                self._telemetry.published(value)
                return
