"""Folds a camera's ledger again: recorded findings and descriptions through alert stages, no detector and no pixels.

In: the ledger and stages with their tapes. Out: the alert revisions of each stage, those a live fold or a replay of the
same findings gives. Several stages share the reading, decoding and tracks of a finding. Next file:
``workers/backtest.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.alert.stage import AlertStage
from pipeline.alert.view import is_blind
from pipeline.bus import codec
from pipeline.descriptions import SceneDescription
from pipeline.errors import MessageError
from pipeline.ledger.reader import read_rows
from pipeline.ledger.rows import Row, RowKind
from pipeline.ledger.tape import Tape
from pipeline.ledger.tracks import tracks_from_bytes
from pipeline.protocols import Moment, Tracker
from pipeline.types import Alert, Finding, Track

__all__ = ["Entry", "Voice", "alert_of", "entries", "microseconds", "recorded_alerts", "refold"]

FOLDED: tuple[RowKind, ...] = ("finding", "description")
RAISED: tuple[RowKind, ...] = ("alert",)


@dataclass(frozen=True, slots=True)
class Entry:
    """What was folded: a finding with the tracks made of it (None: the tracker was not asked), or a description."""

    message: Finding | SceneDescription
    tracks: tuple[Track, ...] | None = None


@dataclass(slots=True)
class Voice:
    """One configuration at work: its stage, the tape its tracker plays, the alerts it has raised."""

    stage: AlertStage
    tape: Tape
    alerts: list[Alert]

    @classmethod
    def of(cls, new_stage: Callable[[Tape], AlertStage]) -> Voice:
        """A voice with a tape of its own."""
        tape = Tape()
        return cls(new_stage(tape), tape, [])


def entries(
    root: Path,
    camera: str,
    tell: Callable[[str], None],
    *,
    from_us: int | None = None,
    to_us: int | None = None,
    has_looks: bool = True,
) -> Iterator[Entry]:
    """What the alert stage of ``camera`` folded, in that order; what cannot be read is left out and told.

    ``has_looks`` False leaves looks out, for stages without words and without learning, which never ask for them.
    """
    for row in read_rows(root, camera, tell, from_us=from_us, to_us=to_us, kinds=FOLDED):
        try:
            is_bare = row.kind == "finding" and not has_looks
            message = codec.decode_boxes(_fields(row)) if is_bare else codec.decode(_fields(row))
            tracks = None if row.tracks is None else tracks_from_bytes(row.tracks)
        except (MessageError, ValueError) as error:
            tell(f"An entry of {camera}'s ledger is left out: {error}.")
            continue
        if isinstance(message, Finding | SceneDescription):
            yield Entry(message, tracks)


def refold(voices: Sequence[Voice], recorded: Iterator[Entry], tracker: Tracker | None = None) -> int:
    """Fold ``recorded`` with every voice; how many findings there were.

    With a ``tracker`` objects are tracked anew instead of played back.
    """
    count = 0
    for entry in recorded:
        message, tracks = entry.message, entry.tracks
        if isinstance(message, SceneDescription):
            for voice in voices:
                voice.alerts += voice.stage.describe(message)
            continue
        count += 1
        if tracker is not None:
            tracks = None if is_blind(Moment(message, ())) else tracker.update(message)
        for voice in voices:
            voice.tape.put(tracks)
            voice.alerts += voice.stage.step(message)
    return count


def recorded_alerts(
    root: Path, camera: str, tell: Callable[[str], None], *, from_us: int | None = None, to_us: int | None = None
) -> Iterator[Alert]:
    """The alert revisions that the site raised at the time, in order."""
    for row in read_rows(root, camera, tell, from_us=from_us, to_us=to_us, kinds=RAISED):
        alert = alert_of(row)
        if alert is None:
            tell(f"An alert in {camera}'s ledger is damaged and left out.")
        else:
            yield alert


def alert_of(row: Row) -> Alert | None:
    """The alert that ``row`` holds; None when it cannot be read."""
    try:
        return codec.decode_alert(_fields(row))
    except MessageError:
        return None


def _fields(row: Row) -> dict[bytes, bytes]:
    return {b"v": codec.VERSION, b"type": row.kind.encode(), b"head": row.head, b"blob": row.blob}


def microseconds(at: datetime) -> int:
    """UTC microseconds of an instant."""
    return round((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)
