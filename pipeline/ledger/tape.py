"""A tracker that plays back what the site's own tracker made of each finding, so that only the rest is done again.

In: the tracks of the next finding (:meth:`Tape.put`). Out: those tracks, when the alert stage asks. Track ids, and with
them the ids of alerts, are then those the site gave out. Next file: ``pipeline/ledger/compare.py``.
"""

from __future__ import annotations

from pipeline.protocols import Json
from pipeline.types import Finding, Track

__all__ = ["Tape"]


class Tape:
    """A :class:`~pipeline.protocols.Tracker` of recorded tracks."""

    def __init__(self) -> None:
        self._tracks: tuple[Track, ...] = ()

    def put(self, tracks: tuple[Track, ...] | None) -> None:
        """What to answer for the next finding; None (the tracker was not asked then) is no tracks."""
        self._tracks = tracks or ()

    def update(self, finding: Finding) -> tuple[Track, ...]:  # noqa: ARG002 - the tape was made of it
        """The recorded tracks."""
        return self._tracks

    def state(self) -> Json:
        """Nothing: a tape has no memory."""
        return {}

    def restore(self, state: Json) -> None:
        """See :meth:`state`."""
