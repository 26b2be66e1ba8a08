"""The alert role: folds each camera's findings and descriptions into alerts, and remembers how far it got.

In: ``vedette:{cam}:detections`` and ``vedette:{cam}:descriptions``. Out: ``vedette:alerts``, and requests to describe.
The fold's state and its positions in both inputs are saved as one value, so a successor continues exactly there;
findings folded again after a kill produce the same alert revisions, which the bus lets through once. Where among the
findings a description was heard is decided by when it came, so that is saved before anything that follows from it is
told. Nothing waits for a description. Next file: ``pipeline/alert/stage.py``.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from pipeline.alert.message import from_json, to_json
from pipeline.alert.stage import AlertStage
from pipeline.bus.topics import DESCRIPTIONS, DETECTIONS
from pipeline.coverage import Coverage
from pipeline.descriptions import DescribeRequest, SceneDescription
from pipeline.errors import BusError, MessageError
from pipeline.protocols import Bus, Entry, Json
from pipeline.telemetry import Telemetry
from pipeline.types import Alert, Finding, FrameKey
from workers.claims import Claims
from workers.ledger import Scribe
from workers.runtime import Liveness, bus_patience

__all__ = ["Fold", "coverage_of", "has_ended", "work"]

ROLE = "alert"
COVERAGE = "coverage"
STATE_VERSION = 2
READ_ENTRIES = 64
BLOCK_S = 0.5
SAVE_EVERY_S = 2.0
SAVE_COVERAGE_EVERY_S = 10.0
MAX_UNASKED = 16
"""Requests of one camera that wait for a bus that does not take them."""


@dataclass(slots=True)
class Fold:
    """One camera's alert stage with its places in its inputs, and what is still to be published and asked.

    ``early`` is the frame that the next description speaks of and the fold has not reached: after a kill, findings are
    folded again, while the description of what they will lead to is there already. ``coverage`` records what the
    camera really saw; it is saved beside the fold, less often, because it is long.
    """

    stage: AlertStage
    outbox: deque[Alert] = field(default_factory=deque)
    unasked: deque[DescribeRequest] = field(default_factory=deque)
    coverage: Coverage = field(default_factory=Coverage)
    coverage_saved_at_s: float = 0.0
    position: str = "0"
    saved_position: str = "0"
    words_position: str = "0"
    early: FrameKey | None = None
    saved_words_position: str = "0"
    saved_at_s: float = 0.0
    has_ended: bool = False

    @property
    def is_listening(self) -> bool:
        """Whether the next description may be heard."""
        return self.early is None or self.stage.has_reached(self.early)

    @property
    def has_moved(self) -> bool:
        """Whether it has taken in anything since it was saved."""
        return (self.position, self.words_position) != (self.saved_position, self.saved_words_position)

    def to_bytes(self) -> bytes:
        """The saved form: version, positions, whether the recording ended, what is untold, and the stage's state."""
        value = {
            "v": STATE_VERSION,
            "position": self.position,
            "words_position": self.words_position,
            "ended": self.has_ended,
            "outbox": [to_json(alert) for alert in self.outbox],
            "stage": self.stage.state(),
        }
        return json.dumps(value, separators=(",", ":")).encode()

    def restore(self, saved: bytes) -> None:
        """Continue from :meth:`to_bytes`. Raises ValueError for a state that this version cannot read."""
        value = _opened(saved)
        self.stage.restore(value["stage"])
        self.position = self.saved_position = str(value["position"])
        self.words_position = self.saved_words_position = str(value["words_position"])
        try:
            self.outbox = deque(from_json(text) for text in value["outbox"])
        except MessageError as error:
            raise ValueError(f"saved alert state: {error}") from error
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
    *,
    is_asking: bool = True,
    has_feedback: Callable[[], bool] = lambda: False,
) -> None:
    """Fold the findings of every claimed camera until told to stop, then save and release.

    ``scribe`` is told of everything before the place up to which it was folded is saved. ``is_asking`` False asks
    nobody to describe anything. ``has_feedback``: whether people have dismissed alerts since it was last asked, so that
    stages are to be built anew; they go on from where they were saved.
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
            if has_feedback():
                _set_down(bus, folds, claims, scribe)
            for camera in claims.held:
                if camera not in folds:
                    scribe.open(camera)
                    folds[camera] = _resume(bus, camera, new_stage, telemetry)
            if folds:
                _round(bus, folds, claims, telemetry, scribe, is_asking=is_asking)
            else:
                stop.wait(BLOCK_S)
        except BusError as error:
            liveness.bus_is(error)  # the next renewal waits until it is back
        liveness.progress()
    _leave(bus, folds, claims, telemetry, scribe)


def _set_down(bus: Bus, folds: dict[str, Fold], claims: Claims, scribe: Scribe) -> None:
    """Save every fold and let go of it, to be taken up again from what was saved."""
    for camera, fold in folds.items():
        _save(bus, camera, fold, claims, scribe)
    folds.clear()


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


def _round(
    bus: Bus, folds: dict[str, Fold], claims: Claims, telemetry: Telemetry, scribe: Scribe, *, is_asking: bool
) -> None:
    """One read over all cameras. Safe to cut short: alerts wait in the outbox until the bus has taken them."""
    for fold in folds.values():
        _deliver(bus, fold, telemetry)
    positions = {(camera, DETECTIONS): fold.position for camera, fold in folds.items()}
    positions |= {(camera, DESCRIPTIONS): fold.words_position for camera, fold in folds.items() if fold.is_listening}
    found = bus.read(positions, max_entries=READ_ENTRIES, block_s=BLOCK_S)
    for camera, fold in folds.items():
        for entry in found.get((camera, DETECTIONS), ()):
            fold.position = entry.id
            if isinstance(entry.message, Finding):
                _fold(fold, entry.message, telemetry, scribe, is_asking=is_asking)
                _deliver(bus, fold, telemetry)
        _ask(bus, fold, telemetry)
    for camera in [camera for camera, topic in found if topic is DESCRIPTIONS]:
        for entry in found[camera, DESCRIPTIONS]:
            if not _is_due(folds[camera], entry):
                break
            if not _hear(bus, camera, folds[camera], entry, claims, telemetry, scribe):
                del folds[camera]  # somebody else folds it now, and hears this in another place
                break
    for camera, fold in folds.items():
        is_due = time.monotonic() - fold.saved_at_s >= SAVE_EVERY_S or fold.has_ended
        if is_due and fold.has_moved:
            _save(bus, camera, fold, claims, scribe)
            telemetry.queued(camera, DETECTIONS.name, bus.depth(camera, DETECTIONS))


def _fold(fold: Fold, finding: Finding, telemetry: Telemetry, scribe: Scribe, *, is_asking: bool) -> None:
    alerts = fold.stage.step(finding)
    scribe.folded(finding, fold.stage.tracked, alerts)
    fold.outbox.extend(alerts)
    if is_asking:
        fold.unasked.extend(fold.stage.requests)
    fold.coverage.add(finding.ref.at_s, finding.note.conditions)
    fold.has_ended = finding.note.ended
    telemetry.folded(finding)
    telemetry.tracking(finding.ref.key.camera, fold.stage.track_count)


def _is_due(fold: Fold, entry: Entry) -> bool:
    """Whether the fold has reached what a description speaks of; else it is read again once that is so."""
    fold.early = entry.message.ref.key if isinstance(entry.message, SceneDescription) else None
    return fold.is_listening


def _hear(
    bus: Bus, camera: str, fold: Fold, entry: Entry, claims: Claims, telemetry: Telemetry, scribe: Scribe
) -> bool:
    """Take in a description, save where, then tell what came of it; False when the camera is somebody else's now."""
    fold.words_position = entry.id
    if not isinstance(entry.message, SceneDescription):
        return True
    alerts = fold.stage.describe(entry.message)
    scribe.described(entry.message, alerts)
    fold.outbox.extend(alerts)
    if not _save(bus, camera, fold, claims, scribe):
        return False
    _deliver(bus, fold, telemetry)
    return True


def _ask(bus: Bus, fold: Fold, telemetry: Telemetry) -> None:
    """Put requests on the queue. A bus that does not take them keeps no alert waiting: they wait, then are dropped."""
    while fold.unasked:
        request = fold.unasked[0]
        try:
            bus.request(request)
        except BusError:
            while len(fold.unasked) > MAX_UNASKED:
                telemetry.count("describe_dropped", fold.unasked.popleft().ref.key.camera, "bus_away")
            return
        except MessageError:
            telemetry.count("describe_dropped", request.ref.key.camera, "unwritable")
        fold.unasked.popleft()


def _deliver(bus: Bus, fold: Fold, telemetry: Telemetry) -> None:
    while fold.outbox:
        if bus.publish_alert(fold.outbox[0]):
            telemetry.alerted(fold.outbox[0])
        fold.outbox.popleft()


def _save(bus: Bus, camera: str, fold: Fold, claims: Claims, scribe: Scribe) -> bool:
    """Save the fold and forget the inputs it has taken in; False when it is somebody else's now."""
    scribe.flush(camera)
    if not bus.save_state(camera, ROLE, fold.to_bytes(), lease=claims.lease(camera)):
        return False  # taken over; the next renewal says so
    for topic, position, saved in (
        (DETECTIONS, fold.position, fold.saved_position),
        (DESCRIPTIONS, fold.words_position, fold.saved_words_position),
    ):
        if position != saved:
            bus.trim(camera, topic, position)
    fold.saved_position, fold.saved_words_position = fold.position, fold.words_position
    fold.saved_at_s = time.monotonic()
    if fold.has_ended or time.monotonic() - fold.coverage_saved_at_s >= SAVE_COVERAGE_EVERY_S:
        _save_coverage(bus, camera, fold, claims)
    return True


def _save_coverage(bus: Bus, camera: str, fold: Fold, claims: Claims) -> None:
    record = json.dumps(fold.coverage.state(), separators=(",", ":")).encode()
    bus.save_state(camera, COVERAGE, record, lease=claims.lease(camera))
    fold.coverage_saved_at_s = time.monotonic()


def _leave(bus: Bus, folds: Mapping[str, Fold], claims: Claims, telemetry: Telemetry, scribe: Scribe) -> None:
    """Deliver, save and release; when the bus is away now, the last saved states stand and are folded on from."""
    try:
        for camera, fold in folds.items():
            _deliver(bus, fold, telemetry)
            if fold.has_moved:
                _save(bus, camera, fold, claims, scribe)
            _save_coverage(bus, camera, fold, claims)
        claims.release()
    except BusError as error:
        telemetry.log.warning("bus_away", error=str(error))
