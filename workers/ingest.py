"""The ingest role: one process reads one camera and puts its packets and analysis frames on the bus.

In: the camera. Out: ``vedette:{cam}:packets`` and ``vedette:{cam}:frames``. Reading happens in a thread of its own,
because libav cannot be interrupted while it waits for a silent camera. Next file: ``pipeline/ingest/camera.py``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

from pipeline.telemetry import Telemetry

from pipeline.bus.topics import FRAMES, PACKETS
from pipeline.errors import BusError, VedetteError
from pipeline.protocols import Bus
from pipeline.types import Frame, PacketBatch
from workers.claims import Claims
from workers.runtime import Liveness, bus_patience

__all__ = ["Past", "load_past", "work"]

ROLE = "ingest"
LEAVE_S = 2.0
REMEMBER_EVERY_S = 5.0
BUS_REST_S = 0.5

Past = tuple[int, float]
"""The last session of a camera and its last media time: what comes next has to be later."""


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
    read: Callable[[Past | None], Iterator[Frame | PacketBatch]],
    telemetry: Telemetry,
    liveness: Liveness,
    stop: threading.Event,
    *,
    wait_s: float | None = None,
) -> VedetteError | None:
    """Read ``camera`` until told to stop or its recording ends; the error that ended it, if one did.

    ``read(past)`` yields the camera's frames and packet batches; ``wait_s`` as in :meth:`Bus.append`: None for a live
    camera (a full queue drops its oldest), seconds for a recording (a full queue makes the reader wait, for ever).
    """
    outlet = _Outlet(bus, camera, telemetry, liveness, stop, wait_s)
    thread: threading.Thread | None = None
    while not stop.is_set():
        change = bus_patience(lambda: claims.renew(time.monotonic()), stop, telemetry, liveness)
        if change is None:
            break
        if change.lost:  # another process reads this camera now; ours would only add older frames
            telemetry.log.warning("camera_taken_over", camera=camera)
            break
        if change.gained and thread is None:
            past = bus_patience(lambda: load_past(bus, camera), stop, telemetry, liveness)
            thread = threading.Thread(target=outlet.drain, args=(read, past), name=f"read-{camera}", daemon=True)
            thread.start()
        if thread is None:
            liveness.progress()
        elif not thread.is_alive():
            break
        outlet.finished.wait(0.5)
    stop.set()
    if thread is not None:
        thread.join(LEAVE_S)
    outlet.remember()
    return outlet.error


class _Outlet:
    """Puts what a reader yields on the bus."""

    def __init__(
        self,
        bus: Bus,
        camera: str,
        telemetry: Telemetry,
        liveness: Liveness,
        stop: threading.Event,
        wait_s: float | None,
    ) -> None:
        self._bus, self._camera, self._telemetry = bus, camera, telemetry
        self._liveness, self._stop, self._wait_s = liveness, stop, wait_s
        self._past: Past | None = None
        self._remembered_at_s = 0.0
        self._rest_until_s = 0.0
        self._is_bus_away = False
        self.finished = threading.Event()
        self.error: VedetteError | None = None

    def drain(self, read: Callable[[Past | None], Iterator[Frame | PacketBatch]], past: Past | None) -> None:
        """Everything the reader yields, until it ends, fails for good, or the worker is told to stop."""
        try:
            for value in read(past):
                if self._stop.is_set():
                    return
                self._liveness.progress()
                self._put(value)
        except VedetteError as error:
            self.error = error
        finally:
            self.finished.set()

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
        topic = FRAMES if isinstance(value, Frame) else PACKETS
        if self._wait_s is not None:
            self._put_patiently(value, self._wait_s)
        elif time.monotonic() < self._rest_until_s:
            self._telemetry.count("dropped", self._camera, "bus_away")
        else:
            try:
                self._bus.append(self._camera, topic, value)
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
            bus_patience(lambda: self._bus.append(self._camera, PACKETS, value), self._stop, self._telemetry)
            return
        while not self._stop.is_set():
            if bus_patience(
                lambda: self._bus.append(self._camera, FRAMES, value, wait_s=wait_s), self._stop, self._telemetry
            ):
                return
