"""One SQLite file opened the same way by everybody: durable under kill -9, shared by processes, errors as sentences.

In: a path and a :class:`Layout`. Out: a :class:`Database` whose reads see one moment and whose writes happen whole or
not at all. Write-ahead logging lets many read while one writes; writers queue for up to ``BUSY_S``.
Next file: ``pipeline/store/descriptions.py``.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import StorageError

__all__ = ["BUSY_S", "Database", "Kept", "Layout"]

BUSY_S = 20.0
"""How long a writer waits for another one before it gives up."""
_PAGE_BYTES = 8192  # measured: 4096 read blocks of vectors a third slower, 16384 wrote twice the log per row
_LOG_BYTES = 16 << 20  # the write-ahead log is cut back to this after a check point
_APPLICATION_ID = 0x56656474  # "Vedt": what `file` and this module know our databases by


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file holds: ``noun`` for sentences, ``version`` of its tables, ``tables`` the SQL that makes them."""

    noun: str
    version: int
    tables: tuple[str, ...]


class _Closed(ABC):
    """Closed at the end of a ``with`` block."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Database(_Closed):
    """A connection; belongs to the thread that opened it. Every method raises StorageError with one sentence."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path = path
        self._noun = layout.noun
        with self._sentences():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(f"{path.parent}: cannot be made ({error.strerror}).") from error
            self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        try:
            with self._sentences():
                self._prepare(layout)
        except StorageError:
            self._connection.close()
            raise

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for use inside :meth:`reading` and :meth:`writing`."""
        return self._connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Everything read inside sees the file as it was at the first read."""
        with self._transaction("BEGIN DEFERRED") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Everything written inside happens at once when the block ends, or not at all when it raises."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def close(self) -> None:
        """Give the file back; closing twice is fine."""
        self._connection.close()

    def _prepare(self, layout: Layout) -> None:
        run = self._connection.execute
        run(f"PRAGMA page_size = {_PAGE_BYTES}")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")  # a power cut may cost the last rows, never the file
        run(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        if self._version() == (0, 0):
            with self.writing():
                if self._version() == (0, 0):  # another process may have made the tables since
                    self._create(layout)
        application, version = self._version()
        if application != _APPLICATION_ID:
            raise StorageError(f"{self._path}: is a database of another program, not Vedette's {self._noun}.")
        if version != layout.version:
            raise StorageError(
                f"{self._path}: holds {self._noun} of version {version} and this Vedette reads {layout.version}; "
                "use the Vedette that wrote it, or move the file away."
            )

    def _create(self, layout: Layout) -> None:
        if self._connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            raise StorageError(f"{self._path}: is a database of another program, not Vedette's {self._noun}.")
        for statement in layout.tables:
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        self._connection.execute(f"PRAGMA user_version = {layout.version}")

    def _version(self) -> tuple[int, int]:
        application = self._connection.execute("PRAGMA application_id").fetchone()[0]
        return int(application), int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._sentences():
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself rolls back when the disk is full
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(self._sentence(error)) from error

    def _sentence(self, error: sqlite3.Error) -> str:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return f"{self._path}: the file of {self._noun} is damaged; move it away and a new one is begun."
        if name.startswith("SQLITE_FULL"):
            return f"{self._path}: the disk is full, {self._noun} cannot be kept."
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return f"{self._path}: another process has been writing for more than {BUSY_S:.0f} s."
        return f"{self._path}: {self._noun} cannot be read or written ({error})."


class Kept(_Closed):
    """What is kept in one database."""

    _database: Database

    def close(self) -> None:
        """Give the file back; closing twice is fine."""
        self._database.close()
