"""The alert role's scribe: puts what is folded, and the alerts that come out, into the ledger of each camera.

In: findings with their tracks, descriptions, alerts, in the order of the fold. Out: files below ``data_dir/ledger``. It
is called before the fold's place is saved and leaves out what it has written before, so that killing the role at any
moment neither loses nor doubles an entry. Alerts also go into the history that ``vedette history`` reads. Writing is
one append to the page cache every two seconds; a thread beside it makes Parquet of a finished hour and keeps within
bounds. A disk that is full costs entries, counted as ``ledger_dropped``, and one line in the log; never an alert.
Next file: ``pipeline/ledger/recorder.py``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from pipeline.bus import codec
from pipeline.bus.head import instant_us
from pipeline.descriptions import SceneDescription
from pipeline.errors import MessageError, StorageError
from pipeline.ledger.recorder import EVENT, Recorder, seal
from pipeline.ledger.rows import Row
from pipeline.ledger.shelf import prune
from pipeline.ledger.tracks import tracks_to_bytes
from pipeline.settings import LedgerSettings
from pipeline.store.history import AlertHistory
from pipeline.telemetry import Telemetry
from pipeline.types import Alert, Detections, Finding, FrameKey, FrameRef, Track

__all__ = ["Scribe", "alert_history", "alert_row", "description_row", "finding_row", "scribe"]

FINISH_S = 20.0


def finding_row(finding: Finding, tracks: Sequence[Track] | None) -> Row:
    """A finding as the ledger keeps it. Raises MessageError when it could not have stood on the bus."""
    fields = codec.encode(_slim(finding, tracks or ()))
    labels = "" if finding.detections is None else ",".join(finding.detections.label)
    key, kept = finding.ref.key, None if tracks is None else tracks_to_bytes(tracks)
    head, blob = bytes(fields[b"head"]), bytes(fields[b"blob"])
    return Row("finding", instant_us(finding.ref.captured_at), key.session, key.seq, labels, head, blob, kept)


def _slim(finding: Finding, tracks: Sequence[Track]) -> Finding:
    """``finding`` without the looks and embeddings of boxes that are part of no track: judges never ask for those.

    Most boxes are weak ones that nobody follows; with their looks the ledger would be some five times as large.
    """
    seen, looks = finding.detections, finding.looks
    if seen is None or (looks is None and seen.embedding is None):
        return finding
    is_idle = np.ones(len(seen), bool)
    is_idle[[track.detection for track in tracks if track.detection is not None]] = False
    if looks is not None:
        looks = replace(looks, values=np.where(is_idle[:, None], np.float32(np.nan), looks.values))
    if seen.embedding is not None:
        embedding = np.where(is_idle[:, None], np.float32(0), seen.embedding)
        seen = Detections(seen.xyxy, seen.confidence, seen.label, embedding)
    return replace(finding, detections=seen, looks=looks)


def description_row(description: SceneDescription, after: FrameRef) -> Row:
    """A description as it was heard right ``after`` that frame's finding. Raises MessageError as above."""
    fields = codec.encode(description)
    key = description.ref.key
    about = f"{description.source} {description.alert_id or '-'}"
    head, blob = bytes(fields[b"head"]), bytes(fields[b"blob"])
    return Row("description", instant_us(after.captured_at), key.session, key.seq, about, head, blob)


def alert_row(alert: Alert, at: datetime, key: FrameKey) -> Row:
    """An alert revision that came of frame ``key`` at ``at``. Raises MessageError for a number that is not finite."""
    head = bytes(codec.encode_alert(alert)[b"head"])
    about = f"{alert.id} r{alert.revision}"
    return Row("alert", instant_us(at), key.session, key.seq, about, head)


class Scribe:
    """Keeps the ledgers of the cameras that an alert worker serves; ``root`` None keeps nothing.

    ``history`` gets every alert too, whether a ledger is kept or not.
    """

    def __init__(
        self, root: Path | None, settings: LedgerSettings, telemetry: Telemetry, history: AlertHistory | None = None
    ) -> None:
        self._history = history
        self._is_history_failing = False
        self._root = root if settings.keep_days > 0 else None
        self._settings = settings
        self._telemetry = telemetry
        self._recorders: dict[str, Recorder] = {}
        self._newest: dict[str, FrameRef] = {}
        self._finished: SimpleQueue[Path | None] = SimpleQueue()
        self._sealer = threading.Thread(target=self._seal_finished, name="ledger", daemon=True)

    def start(self) -> None:
        """Begin to make Parquet of what is handed over."""
        self._sealer.start()

    def open(self, camera: str) -> None:
        """``camera`` is served from now on."""
        if self._root is None or camera in self._recorders:
            return

        def tell(error: StorageError | None) -> None:
            if error is None:
                self._telemetry.log.info("ledger_writes_again", camera=camera)
            else:
                self._telemetry.log.error("ledger_refused", camera=camera, error=str(error))

        try:
            self._recorders[camera] = Recorder(self._root, camera, self._finished.put, self._telemetry.count, tell)
        except OSError as error:
            tell(StorageError(f"The ledger of {camera} cannot be opened: {error.strerror}."))

    def folded(self, finding: Finding, tracks: Sequence[Track] | None, alerts: Sequence[Alert]) -> None:
        """``finding`` was folded; the tracker made ``tracks`` of it and ``alerts`` came out."""
        self._remember(alerts)
        camera = finding.ref.key.camera
        if camera not in self._recorders:
            return
        try:
            self._recorders[camera].note(finding_row(finding, tracks))
            self._newest[camera] = finding.ref
            self._note_alerts(camera, alerts)
        except (MessageError, ValueError):
            self._telemetry.count(EVENT, camera, "unwritable")

    def described(self, description: SceneDescription, alerts: Sequence[Alert]) -> None:
        """``description`` was heard, after the newest finding; ``alerts`` came out."""
        self._remember(alerts)
        camera = description.ref.key.camera
        if camera not in self._recorders or camera not in self._newest:
            return
        try:
            self._recorders[camera].note(description_row(description, self._newest[camera]))
            self._note_alerts(camera, alerts)
        except (MessageError, ValueError):
            self._telemetry.count(EVENT, camera, "unwritable")

    def raised(self, alert: Alert) -> None:
        """``alert`` came out; of which finding is not said."""
        self._remember([alert])
        if alert.camera in self._recorders:
            try:
                self._recorders[alert.camera].note(alert_row(alert, alert.updated_at, FrameKey(alert.camera, 0, 0)))
            except MessageError:
                self._telemetry.count(EVENT, alert.camera, "unwritable")

    def flush(self, camera: str) -> None:
        """Hand what was noted of ``camera`` to the kernel; the place of its fold may be saved after that."""
        if camera in self._recorders:
            self._recorders[camera].flush()

    def close(self, camera: str) -> None:
        """``camera`` is not served any more."""
        if camera in self._recorders:
            self._recorders.pop(camera).close()
            self._newest.pop(camera, None)

    def stop(self) -> None:
        """Close everything and wait, within bounds, for what is being sealed; the rest is sealed at the next start."""
        for camera in list(self._recorders):
            self.close(camera)
        self._finished.put(None)
        if self._sealer.is_alive():
            self._sealer.join(FINISH_S)

    def _remember(self, alerts: Sequence[Alert]) -> None:
        """Put ``alerts`` into the history; once for each, whoever redelivers them."""
        if self._history is None or not alerts:
            return
        try:
            self._history.add_all(alerts)
            self._is_history_failing = False
        except (StorageError, MessageError) as error:
            self._telemetry.count(EVENT, alerts[0].camera, "history")
            if not self._is_history_failing:
                self._telemetry.log.error("history_not_kept", error=str(error))
            self._is_history_failing = True

    def _note_alerts(self, camera: str, alerts: Sequence[Alert]) -> None:
        newest = self._newest[camera]
        for alert in alerts:
            self._recorders[camera].note(alert_row(alert, newest.captured_at, newest.key))

    def _seal_finished(self) -> None:
        while (journal := self._finished.get()) is not None:
            try:
                seal(journal)
                if self._root is not None:
                    prune(self._root, keep_days=self._settings.keep_days, max_bytes=self._settings.max_bytes)
            except (StorageError, OSError) as error:
                self._telemetry.log.error("ledger_not_sealed", file=journal.name, error=str(error))


@contextmanager
def alert_history(path: Path | None, telemetry: Telemetry) -> Iterator[AlertHistory | None]:
    """The history of alerts at ``path``; None for None, or when the file cannot be used, which the log then says."""
    opened = None
    if path is not None:
        try:
            opened = AlertHistory(path)
        except StorageError as error:
            telemetry.log.error("history_not_kept", error=str(error))
    try:
        yield opened
    finally:
        if opened is not None:
            opened.close()


@contextmanager
def scribe(
    root: Path | None, settings: LedgerSettings, telemetry: Telemetry, history: AlertHistory | None = None
) -> Iterator[Scribe]:
    """A scribe at work for the length of the block."""
    one = Scribe(root, settings, telemetry, history)
    one.start()
    try:
        yield one
    finally:
        one.stop()
