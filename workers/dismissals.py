"""What people said of a site's alerts, and what of it is silent now.

In: the site's feedback file. Out: silences for the alert role and for back-tests. Next file:
``pipeline/ledger/feedback.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.alert.message import from_json, to_json
from pipeline.alert.silence import Silence, silence_of
from pipeline.errors import MessageError, StorageError
from pipeline.ledger.feedback import FeedbackStore, Mark
from pipeline.settings import SiteSettings
from pipeline.telemetry import Telemetry

__all__ = ["Dismissals", "dismissed_spans", "open_feedback", "silences_of"]


def open_feedback(site: SiteSettings) -> FeedbackStore:
    """The marks of ``site``, in its data directory."""
    return FeedbackStore(site.data_dir / "feedback.sqlite", to_json, from_json)


def silences_of(marks: Sequence[Mark]) -> tuple[Silence, ...]:
    """What the applied dismissals among ``marks`` silence."""
    return tuple(
        silence
        for mark in marks
        if mark.is_applied and mark.verdict != "useful"
        for silence in silence_of(mark.alert, is_expected=mark.verdict == "expected")
    )


def dismissed_spans(marks: Sequence[Mark]) -> tuple[tuple[float, float], ...]:
    """Begin and end (UTC seconds) of the alerts that were called false or expected: nothing was wrong then."""
    return tuple(
        (mark.alert.opened_at.timestamp(), (mark.alert.closed_at or mark.alert.updated_at).timestamp())
        for mark in marks
        if mark.verdict != "useful"
    )


class Dismissals:
    """The applied dismissals of a site as the alert role sees them: a file that cannot be read silences nothing."""

    def __init__(self, site: SiteSettings, telemetry: Telemetry) -> None:
        self._store = open_feedback(site)
        self._telemetry = telemetry
        self._version = self._store.version()

    def of(self, camera: str) -> tuple[Silence, ...]:
        """What is silenced at ``camera`` now."""
        try:
            return silences_of(self._store.marks(camera))
        except (StorageError, MessageError, ValueError) as error:
            self._telemetry.log.error("feedback_unreadable", camera=camera, error=str(error))
            return ()

    def spans_of(self, camera: str) -> tuple[tuple[float, float], ...]:
        """When alerts of ``camera`` were dismissed, for the judge that may learn from those moments now."""
        try:
            return dismissed_spans(self._store.marks(camera))
        except (StorageError, MessageError, ValueError) as error:
            self._telemetry.log.error("feedback_unreadable", camera=camera, error=str(error))
            return ()

    def has_changed(self) -> bool:
        """Whether somebody marked or unmarked an alert since the last time this was asked."""
        version = self._store.version()
        is_new, self._version = version != self._version, version
        return is_new
