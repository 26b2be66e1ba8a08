"""The history of alerts: every revision as it was published, found by camera, kind, severity and time.

In: :class:`~pipeline.types.Alert` revisions, in any order, any number of times. Out: the newest revision of each
incident, or all revisions of one. Kept as the alert message itself (``pipeline/alert/message.py``), so that nothing is
lost that a subscriber saw. One SQLite file, as safe as ``pipeline/store/database.py`` says.
Next file: ``pipeline/store/descriptions.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.alert.message import from_json, to_json
from pipeline.errors import MessageError, StorageError
from pipeline.store.database import Database, Kept, Layout
from pipeline.types import Alert, Severity

__all__ = ["MAX_INCIDENTS", "AlertHistory"]

MAX_INCIDENTS = 200_000
"""Default bound; an incident is a few revisions of about 2 kB."""
_SLACK = 256  # incidents above the bound that are tolerated, so that not every one costs a count

_LAYOUT = Layout(
    "alerts",
    1,
    (
        "CREATE TABLE incidents (id TEXT PRIMARY KEY, camera TEXT NOT NULL, kind TEXT NOT NULL, severity TEXT "
        "NOT NULL, opened_s REAL NOT NULL, until_s REAL NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE INDEX incidents_by_time ON incidents (opened_s)",
        "CREATE TABLE revisions (id TEXT NOT NULL, revision INTEGER NOT NULL, message TEXT NOT NULL, "
        "PRIMARY KEY (id, revision)) WITHOUT ROWID",
    ),
)
_WANTED = (
    "SELECT r.message FROM incidents i JOIN revisions r ON r.id = i.id AND r.revision = i.revision "
    "WHERE (?1 = '[]' OR i.camera IN (SELECT value FROM json_each(?1))) "
    "AND (?2 = '[]' OR i.kind IN (SELECT value FROM json_each(?2))) "
    "AND (?3 = '[]' OR i.severity IN (SELECT value FROM json_each(?3))) "
    "AND (?4 IS NULL OR i.until_s >= ?4) AND (?5 IS NULL OR i.opened_s <= ?5) "
    "ORDER BY i.opened_s DESC, i.id DESC LIMIT ?6"
)


class AlertHistory(Kept):
    """All alerts of a site in one file; belongs to the thread that opened it.

    Every method raises StorageError when the file cannot be used.
    """

    def __init__(self, path: Path, *, max_incidents: int = MAX_INCIDENTS) -> None:
        if max_incidents < 1:
            raise ValueError(f"max_incidents: expected 1 or more, got {max_incidents}")
        self._path = path
        self._max = max_incidents
        self._added = _SLACK  # a file that is already above the bound is cut at the first alert
        self._database = Database(path, _LAYOUT)

    def add(self, alert: Alert) -> None:
        """Keep one revision; one that is there already changes nothing. Raises MessageError for numbers it refuses."""
        self.add_all([alert])

    def add_all(self, alerts: Sequence[Alert]) -> None:
        """Keep several revisions, all or none of them."""
        messages = [to_json(alert) for alert in alerts]
        with self._database.writing() as connection:
            for alert, message in zip(alerts, messages, strict=True):
                connection.execute(
                    "INSERT OR IGNORE INTO revisions VALUES (?, ?, ?)", (alert.id, alert.revision, message)
                )
                connection.execute(
                    "INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                    "kind = excluded.kind, severity = excluded.severity, until_s = excluded.until_s, "
                    "revision = excluded.revision WHERE excluded.revision > revision",
                    (
                        alert.id,
                        alert.camera,
                        alert.kind,
                        alert.severity,
                        alert.opened_at.timestamp(),
                        alert.updated_at.timestamp(),
                        alert.revision,
                    ),
                )
            self._added += len(alerts)
            if self._added >= _SLACK:
                self._added = 0
                connection.execute(
                    "DELETE FROM incidents WHERE id IN (SELECT id FROM incidents ORDER BY opened_s DESC, id DESC "
                    "LIMIT -1 OFFSET ?)",
                    (self._max,),
                )
                connection.execute("DELETE FROM revisions WHERE id NOT IN (SELECT id FROM incidents)")

    def newest(
        self,
        *,
        cameras: Sequence[str] = (),
        kinds: Sequence[str] = (),
        severities: Sequence[Severity] = (),
        from_s: float | None = None,
        to_s: float | None = None,
        limit: int = 100,
    ) -> list[Alert]:
        """The newest revision of each incident, last opened first; an empty filter takes all.

        ``from_s`` and ``to_s``: incidents that overlap this stretch of UTC seconds.
        """
        filters = [json.dumps(list(words)) for words in (cameras, kinds, severities)]
        with self._database.reading() as connection:
            return self._read(connection.execute(_WANTED, (*filters, from_s, to_s, limit)))

    def revisions(self, id: str) -> list[Alert]:
        """Every revision of one incident, oldest first; empty for an id that is not known."""
        with self._database.reading() as connection:
            wanted = "SELECT message FROM revisions WHERE id = ? ORDER BY revision"
            return self._read(connection.execute(wanted, (id,)))

    def forget_before(self, at_s: float) -> int:
        """Delete incidents last heard of before ``at_s`` (UTC seconds); how many."""
        with self._database.writing() as connection:
            gone = connection.execute("DELETE FROM incidents WHERE until_s < ?", (at_s,)).rowcount
            connection.execute("DELETE FROM revisions WHERE id NOT IN (SELECT id FROM incidents)")
            return gone

    def __len__(self) -> int:
        with self._database.reading() as connection:
            return int(connection.execute("SELECT COUNT(*) FROM incidents").fetchone()[0])

    def _read(self, rows: Iterable[tuple[str]]) -> list[Alert]:
        try:
            return [from_json(message) for (message,) in rows]
        except MessageError as error:
            raise StorageError(f"{self._path}: holds an alert that cannot be read ({error}).") from error
