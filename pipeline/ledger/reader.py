"""Reads one camera's ledger back: rows of a stretch of media time, each once, in the order in which they were folded.

In: the root folder. Out: rows; and one sentence through ``tell`` for every file that is damaged or of a newer version,
the rest of which is used. Next file: ``workers/ledger.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.ledger.journal import read_journal
from pipeline.ledger.recorder import MAX_SPAN_US, Written
from pipeline.ledger.rows import ROW_KINDS, Row, RowKind
from pipeline.ledger.sealed import find_sealed, read_sealed
from pipeline.ledger.shelf import PARQUET, Volume, cameras, volumes

__all__ = ["find_alert", "read_rows", "span_us"]

_ENDLESS_US = 2**62
_ALERTS: tuple[RowKind, ...] = ("alert",)
_LONGEST_ALERT_US = 24 * 3600 * 1_000_000
_LONGEST_US = 2 * MAX_SPAN_US  # the batch that fills a volume may reach beyond its span


def read_rows(
    root: Path,
    camera: str,
    tell: Callable[[str], None],
    *,
    from_us: int | None = None,
    to_us: int | None = None,
    kinds: Collection[RowKind] = ROW_KINDS,
) -> Iterator[Row]:
    """Rows of ``camera`` with ``from_us`` <= media time < ``to_us`` and a kind of ``kinds``, one file at a time."""
    least = -_ENDLESS_US if from_us is None else from_us
    most = _ENDLESS_US if to_us is None else to_us
    written = Written()
    for volume in volumes(root, camera):
        if not least - _LONGEST_US < volume.begins_us < most:
            continue
        for row in _rows_of(volume, least, most, kinds, tell):
            if row.kind in kinds and least <= row.at_us < most and written.add(row):
                yield row


def find_alert(root: Path, alert_id: str, tell: Callable[[str], None]) -> list[Row]:
    """Every kept revision of the alert ``alert_id``, oldest first; empty when the ledger does not know it.

    Newest days are searched first.
    """
    by_day: dict[date, list[Volume]] = {}
    for camera in cameras(root):
        for volume in volumes(root, camera):
            by_day.setdefault(volume.day, []).append(volume)
    prefix = f"{alert_id} r"
    for day in sorted(by_day, reverse=True):
        sealed = [volume.path for volume in by_day[day] if not volume.is_journal]
        having = set(find_sealed(sealed, prefix))
        for volume in by_day[day]:
            if volume.path in having or (volume.is_journal and _holds(volume, prefix)):
                least, most = volume.begins_us - _LONGEST_ALERT_US, volume.begins_us + _LONGEST_ALERT_US
                near = read_rows(root, volume.camera, tell, from_us=least, to_us=most, kinds=_ALERTS)
                return [row for row in near if row.about.startswith(prefix)]
    return []


def _holds(volume: Volume, prefix: str) -> bool:
    with suppress(StorageError):
        return any(row.kind == "alert" and row.about.startswith(prefix) for row in read_journal(volume.path))
    return False


def span_us(root: Path, camera: str) -> tuple[int, int] | None:
    """Media times between which ``camera``'s ledger has rows, from file names: to the hour at the end; None: none."""
    own = volumes(root, camera)
    if not own:
        return None
    return own[0].begins_us, own[-1].begins_us + MAX_SPAN_US


def _rows_of(
    volume: Volume, least: int, most: int, kinds: Collection[RowKind], tell: Callable[[str], None]
) -> list[Row]:
    try:
        if volume.is_journal:
            return read_journal(volume.path)
        rows, damaged = read_sealed(volume.path, from_us=least, to_us=most, kinds=kinds)
    except StorageError as error:
        sealed = volume.path.with_suffix(PARQUET)
        if volume.is_journal and not volume.path.exists() and sealed.exists():  # it was sealed at this moment
            return _rows_of(Volume(volume.day, volume.stem, volume.camera, sealed), least, most, kinds, tell)
        tell(str(error))
        return []
    if damaged:
        tell(f"{volume.path}: {damaged} damaged rows are left out.")
    return rows
