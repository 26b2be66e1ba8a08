"""The alert role: folds each camera's findings into alerts, and remembers how far it got.

In: ``vedette:{cam}:detections``. Out: ``vedette:alerts``. The fold's state and its position in the input are saved as
one value, so a successor continues exactly there; findings folded again after a kill produce the same alert revisions,
which the bus lets through once. Next file: ``pipeline/alert/stage.py``.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from pipeline.alert.stage import AlertStage
from pipeline.bus.topics import DETECTIONS
from pipeline.coverage import Coverage
from pipeline.errors import BusError
from pipeline.protocols import Bus, Json
from pipeline.telemetry import Telemetry
from pipeline.types import Alert, Finding
from workers.claims import Claims
from workers.ledger import Scribe
from workers.runtime import Liveness, bus_patience

__all__ = ["Fold", "coverage_of", "has_ended", "work"]

ROLE = "alert"
COVERAGE = "coverage"
STATE_VERSION = 1
READ_ENTRIES = 64
BLOCK_S = 0.5
SAVE_EVERY_S = 2.0
SAVE_COVERAGE_EVERY_S = 10.0


@dataclass(slots=True)
class Fold:
    """One camera's alert stage with its place in the stream of findings, and the alerts still to be published.

    ``coverage`` records what the camera really saw; it is saved beside the fold, less often, because it is long.
    """

    stage: AlertStage
    outbox: deque[Alert] = field(default_factory=deque)
    coverage: Coverage = field(default_factory=Coverage)
    coverage_saved_at_s: float = 0.0
    position: str = "0"
    saved_position: str = "0"
    saved_at_s: float = 0.0
    has_ended: bool = False

    def to_bytes(self) -> bytes:
        """The saved form: version, position, whether the recording ended, and the stage's state."""
        value = {"v": STATE_VERSION, "position": self.position, "ended": self.has_ended, "stage": self.stage.state()}
        return json.dumps(value, separators=(",", ":")).encode()

    def restore(self, saved: bytes) -> None:
        """Continue from :meth:`to_bytes`. Raises ValueError for a state that this version cannot read."""
        value = _opened(saved)
        self.stage.restore(value["stage"])
        self.position = self.saved_position = str(value["position"])
        self.has_ended = bool(value["ended"])


def coverage_of(bus: Bus, camera: str) -> Coverage:
    """What ``camera`` really saw, as last saved; empty when nothing was or it cannot be read."""
    coverage = Coverage()
    saved = bus.load_state(camera, COVERAGE)
    if saved is not None:
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            coverage.restore(json.loads(saved))
    return coverage


def _opened(saved: bytes) -> Json:
    value = json.loads(saved)
    if not isinstance(value, dict) or value.get("v") != STATE_VERSION:
        raise ValueError(f"saved alert state: expected version {STATE_VERSION}")
    return value


def has_ended(bus: Bus, camera: str) -> bool:
    """Whether the recording of ``camera`` has been folded to its end (replay over the bus waits for this)."""
    saved = bus.load_state(camera, ROLE)
    if saved is None:
        return False
    try:
        return bool(_opened(saved)["ended"])
    except (ValueError, KeyError):
        return False  # whoever folds next begins afresh and saves anew


def work(
    bus: Bus,
    claims: Claims,
    new_stage: Callable[[str], AlertStage],
    telemetry: Telemetry,
    liveness: Liveness,
    stop: threading.Event,
    scribe: Scribe,
) -> None:
    """Fold the findings of every claimed camera until told to stop, then save and release.

    ``scribe`` is told of everything before the place up to which it was folded is saved.
    """
    folds: dict[str, Fold] = {}
    while not stop.is_set():
        change = bus_patience(lambda: claims.renew(time.monotonic()), stop, telemetry, liveness)
        if change is None:
            break
        for camera in change.lost:
            folds.pop(camera, None)  # its successor continues from the last saved state
            scribe.close(camera)
        try:
            for camera in claims.held:
                if camera not in folds:
                    scribe.open(camera)
                    folds[camera] = _resume(bus, camera, new_stage, telemetry)
            if folds:
                _round(bus, folds, claims, telemetry, scribe)
            else:
                stop.wait(BLOCK_S)
        except BusError as error:
            liveness.bus_is(error)  # the next renewal waits until it is back
        liveness.progress()
    _leave(bus, folds, claims, telemetry, scribe)


def _resume(bus: Bus, camera: str, new_stage: Callable[[str], AlertStage], telemetry: Telemetry) -> Fold:
    fold = Fold(new_stage(camera), coverage=coverage_of(bus, camera))
    saved = bus.load_state(camera, ROLE)
    if saved is not None:
        try:
            fold.restore(saved)
        except (ValueError, KeyError, TypeError) as error:
            telemetry.log.warning("alert_state_refused", camera=camera, error=str(error))
            telemetry.count("alert_state_refused", camera, "unreadable")
            fold = Fold(new_stage(camera), coverage=fold.coverage)
    telemetry.log.info("camera_claimed", role=ROLE, camera=camera, position=fold.position)
    return fold


def _round(bus: Bus, folds: Mapping[str, Fold], claims: Claims, telemetry: Telemetry, scribe: Scribe) -> None:
    """One read over all cameras. Safe to cut short: alerts wait in the outbox until the bus has taken them."""
    for fold in folds.values():
        _deliver(bus, fold, telemetry)
    positions = {(camera, DETECTIONS): fold.position for camera, fold in folds.items()}
    for (camera, _), entries in bus.read(positions, max_entries=READ_ENTRIES, block_s=BLOCK_S).items():
        fold = folds[camera]
        for entry in entries:
            fold.position = entry.id
            if isinstance(entry.message, Finding):
                alerts = fold.stage.step(entry.message)
                scribe.folded(entry.message, fold.stage.tracked, alerts)
                fold.outbox.extend(alerts)
                fold.coverage.add(entry.message.ref.at_s, entry.message.note.conditions)
                fold.has_ended = entry.message.note.ended
                telemetry.folded(entry.message)
                telemetry.tracking(camera, fold.stage.track_count)
                _deliver(bus, fold, telemetry)
    for camera, fold in folds.items():
        is_due = time.monotonic() - fold.saved_at_s >= SAVE_EVERY_S or fold.has_ended
        if is_due and fold.position != fold.saved_position:
            _save(bus, camera, fold, claims, scribe)
            telemetry.queued(camera, DETECTIONS.name, bus.depth(camera, DETECTIONS))


def _deliver(bus: Bus, fold: Fold, telemetry: Telemetry) -> None:
    while fold.outbox:
        if bus.publish_alert(fold.outbox[0]):
            telemetry.alerted(fold.outbox[0])
        fold.outbox.popleft()


def _save(bus: Bus, camera: str, fold: Fold, claims: Claims, scribe: Scribe) -> None:
    scribe.flush(camera)
    if not bus.save_state(camera, ROLE, fold.to_bytes(), lease=claims.lease(camera)):
        return  # taken over; the next renewal says so
    bus.trim(camera, DETECTIONS, fold.position)
    fold.saved_position, fold.saved_at_s = fold.position, time.monotonic()
    if fold.has_ended or time.monotonic() - fold.coverage_saved_at_s >= SAVE_COVERAGE_EVERY_S:
        _save_coverage(bus, camera, fold, claims)


def _save_coverage(bus: Bus, camera: str, fold: Fold, claims: Claims) -> None:
    record = json.dumps(fold.coverage.state(), separators=(",", ":")).encode()
    bus.save_state(camera, COVERAGE, record, lease=claims.lease(camera))
    fold.coverage_saved_at_s = time.monotonic()


def _leave(bus: Bus, folds: Mapping[str, Fold], claims: Claims, telemetry: Telemetry, scribe: Scribe) -> None:
    """Deliver, save and release; when the bus is away now, the last saved states stand and are folded on from."""
    try:
        for camera, fold in folds.items():
            _deliver(bus, fold, telemetry)
            if fold.position != fold.saved_position:
                _save(bus, camera, fold, claims, scribe)
            _save_coverage(bus, camera, fold, claims)
        claims.release()
    except BusError as error:
        telemetry.log.warning("bus_away", error=str(error))
