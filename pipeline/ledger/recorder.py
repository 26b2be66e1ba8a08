"""Writes one camera's ledger: every message once, in the order of the fold, nothing lost when the process is killed.

In: rows as the alert stage folds them; :meth:`Recorder.flush` before its place is saved. What is folded again after a
kill was flushed before and is left out: nothing is lost, nothing doubled. Out: a journal; whoever seals it
(:func:`seal`) need not be this thread. A full disk costs rows, which are counted, and never stops the caller.
Next file: ``pipeline/ledger/reader.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.ledger.journal import Journal, held, is_abandoned, read_journal
from pipeline.ledger.rows import Row
from pipeline.ledger.sealed import read_sealed, write_sealed
from pipeline.ledger.shelf import JOURNAL, PARQUET, Volume, day_of, new_stem, volumes
from pipeline.protocols import Count

__all__ = ["EVENT", "Recorder", "Written", "seal"]

EVENT = "ledger_dropped"
MAX_PENDING = 1000
MAX_ROWS = 20_000
MAX_BYTES = 48 * 2**20
MAX_SPAN_US = 3600 * 1_000_000
_MAX_SESSIONS = 64
_MAX_OTHERS = 4096
_REMEMBERED_VOLUMES = 2


class Written:
    """Which entries of a camera are in its ledger already. Findings of a session count up, so its last one says it."""

    def __init__(self) -> None:
        self._last_seq: dict[int, int] = {}
        self._others: dict[tuple[str, int, int, str], None] = {}

    def add(self, row: Row) -> bool:
        """Note ``row``; False when it was there before."""
        if row.kind != "finding":
            is_new = row.identity not in self._others
            self._others[row.identity] = None
            if len(self._others) > _MAX_OTHERS:
                del self._others[next(iter(self._others))]
            return is_new
        if row.seq <= self._last_seq.get(row.session, -1):
            return False
        self._last_seq[row.session] = row.seq
        if len(self._last_seq) > _MAX_SESSIONS:
            del self._last_seq[min(self._last_seq)]
        return True


class Recorder:
    """The ledger of ``camera`` below ``root``. ``seal_later`` is given every journal that is finished.

    ``tell`` hears of the first failure to write, and of None when writing works again.
    """

    def __init__(
        self,
        root: Path,
        camera: str,
        seal_later: Callable[[Path], None],
        count: Count,
        tell: Callable[[StorageError | None], None],
    ) -> None:
        self._root = root
        self._camera = camera
        self._seal_later = seal_later
        self._count = count
        self._tell = tell
        self._pending: list[Row] = []
        self._journal: Journal | None = None
        self._opened_us = 0
        self._is_failing = False
        self._written = Written()
        for row in _newest_rows(volumes(root, camera)):
            self._written.add(row)
        for volume in volumes(root, camera):
            if volume.is_journal and is_abandoned(volume.path):
                seal_later(volume.path)

    @property
    def path(self) -> Path | None:
        """The journal that is being written, if any."""
        return None if self._journal is None else self._journal.path

    def note(self, row: Row) -> None:
        """Keep ``row`` at the next flush, or when many wait for it, unless it is in the ledger already."""
        if self._written.add(row):
            self._pending.append(row)
            if len(self._pending) >= MAX_PENDING:
                self.flush()

    def flush(self) -> None:
        """Hand what was noted to the kernel. What the disk refuses is dropped, counted and told of once."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        try:
            for part in _parts(pending):
                self._append(part)
        except StorageError as error:
            for row in pending:
                self._count(EVENT, self._camera, row.kind)
            if not self._is_failing:
                self._tell(error)
            self._is_failing = True
        else:
            if self._is_failing:
                self._tell(None)
            self._is_failing = False

    def close(self) -> None:
        """Flush and let go of the journal; whoever serves this camera next seals it."""
        self.flush()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _append(self, rows: list[Row]) -> None:
        if self._journal is not None and self._is_full(self._journal, rows[0].at_us):
            self._journal.close()
            self._seal_later(self._journal.path)
            self._journal = None
        if self._journal is None:
            at_us = rows[0].at_us
            stem = new_stem(at_us)
            self._journal = Journal(self._root / self._camera / day_of(at_us).isoformat() / f"{stem}{JOURNAL}")
            self._opened_us = at_us
        self._journal.append(rows)

    def _is_full(self, journal: Journal, at_us: int) -> bool:
        return (
            journal.row_count >= MAX_ROWS
            or journal.row_bytes >= MAX_BYTES
            or not 0 <= at_us - self._opened_us < MAX_SPAN_US
            or day_of(at_us) != day_of(self._opened_us)
        )


def seal(journal: Path) -> Path | None:
    """Make a Parquet file of ``journal`` and delete it; the file, or None when there was nothing to be sealed.

    Repeating it after a kill gives the same file. Raises StorageError; the journal then stays and is read as it is.
    """
    with held(journal) as is_free:
        if not is_free:
            return None
        rows = read_journal(journal)
        target = journal.with_suffix(PARQUET)
        if rows:
            write_sealed(target, rows)
        journal.unlink()
        return target if rows else None


def _parts(rows: list[Row]) -> Iterable[list[Row]]:
    """``rows`` cut where the UTC day changes."""
    begin = 0
    for at in range(1, len(rows) + 1):
        if at == len(rows) or day_of(rows[at].at_us) != day_of(rows[begin].at_us):
            yield rows[begin:at]
            begin = at


def _newest_rows(own: list[Volume]) -> Iterable[Row]:
    """Rows of the newest volumes; what cannot be read is left to the reader, who says so."""
    for volume in own[-_REMEMBERED_VOLUMES:]:
        with suppress(StorageError):
            yield from read_journal(volume.path) if volume.is_journal else read_sealed(volume.path)[0]
