"""The rows beside the vectors: cameras by number, and the words of each remembered moment.

Functions over the connection of an open transaction (``pipeline/store/database.py``).
Next file: ``pipeline/store/descriptions.py``.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from pipeline.store.blocks import BLOCK_ROWS, EMPTY, SPAN, Block
from pipeline.types import utc_from_s

__all__ = [
    "TABLES",
    "Remembered",
    "camera_number",
    "camera_numbers",
    "delete_before",
    "delete_oldest",
    "moments_of",
    "newest_moments",
    "row_count",
    "texts_of",
]

TABLES = (
    "CREATE TABLE cameras (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE descriptions (id INTEGER PRIMARY KEY AUTOINCREMENT, camera INTEGER NOT NULL, "
    "begin_s REAL NOT NULL, end_s REAL NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL, source TEXT NOT NULL, "
    "language TEXT NOT NULL, alert_id TEXT)",
    "CREATE INDEX descriptions_by_time ON descriptions (camera, end_s)",
    "CREATE VIEW moments AS SELECT d.id, c.name AS camera, d.begin_s, d.end_s, d.title, d.text, d.source, d.language, "
    "d.alert_id FROM descriptions d JOIN cameras c ON c.id = d.camera",
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """A moment of one camera that was put into words, from ``begin_at`` to ``end_at`` (media time, UTC)."""

    id: int
    camera: str
    begin_at: datetime
    end_at: datetime
    title: str
    text: str
    source: str
    language: str
    alert_id: str | None


def camera_number(connection: sqlite3.Connection, name: str) -> int:
    """The number of a camera, given to it here when it is new."""
    connection.execute("INSERT OR IGNORE INTO cameras (name) VALUES (?)", (name,))
    return int(connection.execute("SELECT id FROM cameras WHERE name = ?", (name,)).fetchone()[0])


def camera_numbers(connection: sqlite3.Connection, names: Sequence[str]) -> list[int]:
    """The numbers of those cameras that are known."""
    wanted = "SELECT id FROM cameras WHERE name IN (SELECT value FROM json_each(?))"
    return [int(row[0]) for row in connection.execute(wanted, (json.dumps(list(names)),))]


def moments_of(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Remembered]:
    """The moments called ``ids``."""
    wanted = "SELECT * FROM moments WHERE id IN (SELECT value FROM json_each(?))"
    return {moment.id: moment for moment in _read(connection.execute(wanted, (json.dumps(list(ids)),)))}


def newest_moments(connection: sqlite3.Connection, cameras: Sequence[str], limit: int) -> list[Remembered]:
    """The moments that ended last, newest first; ``cameras`` empty: of all."""
    wanted = (
        "SELECT * FROM moments WHERE ?1 = '[]' OR camera IN (SELECT value FROM json_each(?1)) "
        "ORDER BY end_s DESC, id DESC LIMIT ?2"
    )
    return _read(connection.execute(wanted, (json.dumps(list(cameras)), limit)))


def texts_of(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, str]:
    """The texts of those of ``ids`` that are there."""
    wanted = "SELECT id, text FROM descriptions WHERE id IN (SELECT value FROM json_each(?))"
    return {int(id): str(text) for id, text in connection.execute(wanted, (json.dumps(list(ids)),))}


def row_count(connection: sqlite3.Connection) -> int:
    """How many moments are remembered."""
    return int(connection.execute("SELECT COUNT(*) FROM descriptions").fetchone()[0])


def delete_oldest(connection: sqlite3.Connection, count: int) -> int:
    """Forget the ``count`` moments that were added first; how many there were."""
    wanted = "SELECT id FROM descriptions ORDER BY id LIMIT ?"
    return _delete(connection, [int(row[0]) for row in connection.execute(wanted, (max(0, count),))])


def delete_before(connection: sqlite3.Connection, at_s: float, camera: str | None) -> int:
    """Forget moments that ended before ``at_s`` (UTC seconds), of one camera or of all; how many there were."""
    wanted = "SELECT id FROM moments WHERE end_s < ?1 AND (?2 IS NULL OR camera = ?2)"
    return _delete(connection, [int(row[0]) for row in connection.execute(wanted, (at_s, camera))])


def _delete(connection: sqlite3.Connection, rows: Sequence[int]) -> int:
    """Delete descriptions, their spans, and blocks that hold nothing any more."""
    ids = np.asarray(rows, np.int64)
    for number in np.unique(ids // BLOCK_ROWS).tolist():
        block = Block(connection, number)
        gone = ids[ids // BLOCK_ROWS == number]
        spans = block.spans()
        spans[gone % BLOCK_ROWS] = np.zeros((), SPAN)
        if (spans["state"] == EMPTY).all():
            connection.execute("DELETE FROM blocks WHERE id = ?", (number,))
        else:
            block.write_spans(spans)
    connection.executemany("DELETE FROM descriptions WHERE id = ?", [(row,) for row in rows])
    return len(rows)


def _read(rows: Iterable[tuple[Any, ...]]) -> list[Remembered]:
    return [
        Remembered(id, camera, utc_from_s(begin_s), utc_from_s(end_s), *words)
        for id, camera, begin_s, end_s, *words in rows
    ]
