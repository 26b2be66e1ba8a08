"""What people said of alerts: useful, false, or expected; kept in one SQLite file, undone at will.

In: an alert and a verdict. Out: :class:`Mark` values: those applied become silences, those useful become positives for
``vedette train fusion``. Every write is durable when the call returns. The alert's own message is kept beside the
verdict, so that a mark outlives the ledger. Next file: ``workers/feedback.py``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, cast, get_args

from pipeline.errors import StorageError
from pipeline.types import Alert

__all__ = ["VERDICTS", "FeedbackStore", "Mark", "Verdict"]

Verdict = Literal["useful", "false", "expected"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
_VERSION = 1
_SCHEMA = """
create table if not exists marks (
    alert_id text primary key, camera text not null, verdict text not null, given_at text not null,
    is_applied integer not null, message text not null)
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """What somebody said of ``alert``; ``is_applied``: alerts like it are silenced."""

    alert: Alert
    verdict: Verdict
    given_at: datetime
    is_applied: bool


class FeedbackStore:
    """The marks of a site in the file at ``path``; ``to_text`` and ``from_text`` are the alert's message form.

    Every method raises StorageError, one sentence, when the file cannot be used.
    """

    def __init__(self, path: Path, to_text: Callable[[Alert], str], from_text: Callable[[str], Alert]) -> None:
        self._path = path
        self._to_text = to_text
        self._from_text = from_text

    def mark(self, alert: Alert, verdict: Verdict, at: datetime, *, is_applied: bool) -> None:
        """Keep ``verdict``, in place of an earlier one of the same alert."""
        row = (alert.id, alert.camera, verdict, at.isoformat(), int(is_applied), self._to_text(alert))
        with self._opened() as store:
            store.execute("insert or replace into marks values (?, ?, ?, ?, ?, ?)", row)

    def undo(self, alert_id: str) -> bool:
        """Forget what was said of an alert, and what it silenced; False when nothing was."""
        with self._opened() as store:
            return store.execute("delete from marks where alert_id = ?", (alert_id,)).rowcount > 0

    def of(self, alert_id: str) -> Mark | None:
        """The mark of one alert."""
        return next((mark for mark in self.marks() if mark.alert.id == alert_id), None)

    def marks(self, camera: str | None = None) -> tuple[Mark, ...]:
        """Every mark, or those of one camera, oldest first."""
        if not self._path.exists():
            return ()
        query = (
            "select verdict, given_at, is_applied, message from marks where ? is null or camera = ? order by given_at"
        )
        with self._opened() as store:
            rows = store.execute(query, (camera, camera)).fetchall()
        return tuple(
            Mark(self._from_text(message), cast(Verdict, verdict), datetime.fromisoformat(given_at), bool(is_applied))
            for verdict, given_at, is_applied, message in rows
        )

    def version(self) -> tuple[int, int]:
        """Changes whenever the marks may have."""
        try:
            stat = self._path.stat()
        except OSError:
            return (0, 0)
        return (stat.st_mtime_ns, stat.st_size)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=10.0)) as store, store:
                version = store.execute("pragma user_version").fetchone()[0]
                if version > _VERSION:
                    raise StorageError(f"{self._path} was written by a newer Vedette; this one cannot use it.")
                store.execute(_SCHEMA)
                store.execute(f"pragma user_version = {_VERSION}")
                yield store
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"{self._path} cannot be used: {error}.") from error
