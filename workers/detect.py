"""The detect role: turns waiting frames of the cameras it holds into findings.

In: ``vedette:{cam}:frames``. Out: ``vedette:{cam}:detections``; a frame leaves its stream in the same atomic step in
which its finding arrives, so a killed detector leaves every unanswered frame to its successor.
Next files: ``workers/courier.py``, ``pipeline/detect/stage.py``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipeline.bus.topics import DETECTIONS, FRAMES
from pipeline.detect.stage import DetectStage
from pipeline.protocols import Bus
from pipeline.telemetry import Telemetry
from workers.claims import Claims
from workers.courier import Courier, KeptLooker
from workers.runtime import Liveness, bus_patience

__all__ = ["work"]

BLOCK_S = 0.5
HIGH_WATER = DETECTIONS.max_entries - 2 * FRAMES.max_entries
"""Findings of a recording that may wait to be folded; above, its frames wait, so that none is ever trimmed."""


def work(
    bus: Bus,
    claims: Claims,
    stage: DetectStage,
    telemetry: Telemetry,
    liveness: Liveness,
    stop: threading.Event,
    *,
    recorded: frozenset[str] = frozenset(),
    looker: KeptLooker | None = None,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Look at the frames of every claimed camera until told to stop, then release.

    ``recorded``: cameras that are recordings, of which no frame is ever dropped. ``looker`` measures the pixels of what
    was detected; None for boxes alone. ``now`` gives seconds.
    Raises InferenceError when the detector fails: a fresh process is worth more than one with a broken runtime.
    """
    positions: dict[str, str] = {}
    courier = Courier(bus, telemetry, stop, looker, keep={name: claims.lease(name) for name in recorded})
    while not stop.is_set():
        change = bus_patience(lambda: claims.renew(time.monotonic()), stop, telemetry, liveness)
        if change is None:
            break
        if change.lost or change.gained:
            courier.wait()  # what is under way must not be read again
        for camera in change.lost:
            stage.forget(camera)
            courier.forget(camera)
            positions.pop(camera, None)
        for camera in change.gained:
            courier.recall(camera)
            positions[camera] = "0"  # what its former worker left unanswered is answered first
            telemetry.log.info("camera_claimed", role="detect", camera=camera)
        if positions:
            bus_patience(lambda: _fetch(bus, stage, positions, recorded, telemetry, now), stop, telemetry, liveness)
            _answer(stage, courier, telemetry, now)
        else:
            stop.wait(BLOCK_S)
        liveness.progress()
    courier.close()
    bus_patience(claims.release, stop, telemetry)


def _fetch(
    bus: Bus,
    stage: DetectStage,
    positions: dict[str, str],
    recorded: frozenset[str],
    telemetry: Telemetry,
    now: Callable[[], float],
) -> None:
    """Let what is new on every camera's stream wait in the stage; blocks a while when nothing is.

    A live frame's wait counts from here: its media time follows the camera's clock, which drifts from ours.
    """
    streams = {
        (camera, FRAMES): position
        for camera, position in positions.items()
        if camera not in recorded or bus.depth(camera, DETECTIONS) < HIGH_WATER
    }
    if not streams:
        time.sleep(BLOCK_S)
        return
    for (camera, _), entries in bus.read(streams, max_entries=FRAMES.max_entries, block_s=BLOCK_S).items():
        telemetry.queued(camera, FRAMES.name, len(entries))
        for entry in entries:
            stage.offer(camera, entry, None if camera in recorded else now())
            positions[camera] = entry.id


def _answer(stage: DetectStage, courier: Courier, telemetry: Telemetry, now: Callable[[], float]) -> None:
    """Look at everything that waits, a batch at a time, and hand over what came of it."""
    while stage.has_waiting:
        began_s = time.perf_counter()
        outcomes = stage.step(now())
        pictures = sum(finding.detections is not None for outcome in outcomes for finding in outcome.findings)
        telemetry.detected(pictures, time.perf_counter() - began_s)
        courier.take(outcomes)
