"""The part of the ledger that is being written: an append-only file of frames, held by one living process.

In: rows. Out: bytes in the kernel's hands when :meth:`Journal.append` returns, so that killing the process loses none.
A write that fails (the disk is full) leaves the file as it was before. Next file: ``pipeline/ledger/shelf.py``.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.ledger.rows import Row, pack, unpack

__all__ = ["Journal", "held", "is_abandoned", "read_journal"]

_MAGIC = b"VLEDGER1"
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


class Journal:
    """A new journal at ``path``. Raises StorageError when it cannot be made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.row_count = 0
        self.row_bytes = 0
        try:
            path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
        except OSError as error:
            raise StorageError(f"The ledger cannot write {path}: {error.strerror}.") from error
        self._size = 0
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)  # somebody may be asking whether it is abandoned
            self._write(_MAGIC)
        except OSError as error:
            os.close(self._file)
            with suppress(OSError):
                path.unlink()
            raise StorageError(f"The ledger cannot write {path}: {error.strerror}.") from error

    def append(self, rows: Sequence[Row]) -> None:
        """Add ``rows``: all of them, or none and a StorageError."""
        try:
            self._write(pack(rows))
        except OSError as error:
            raise StorageError(f"The ledger cannot write {self.path}: {error.strerror}.") from error
        self.row_count += len(rows)
        self.row_bytes += sum(row.size_bytes for row in rows)

    def close(self) -> None:
        """Nothing more is written; the file stays until somebody seals it."""
        os.close(self._file)

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            raise
        self._size += len(content)


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Whether the journal at ``path`` is nobody's now; it then belongs to the caller until the block ends.

    False when a living process writes or seals it, when it is not there, or has not begun.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = os.fstat(file).st_size > 0 and path.exists()  # an empty one is between its making and its lock
    except OSError:
        is_ours = False
    try:
        yield is_ours
    finally:
        os.close(file)


def is_abandoned(path: Path) -> bool:
    """Whether no living process writes or seals the journal at ``path``; False when it is not there."""
    with held(path) as is_free:
        return is_free


def read_journal(path: Path) -> list[Row]:
    """Every row of the journal at ``path`` up to where its writer was killed.

    Raises StorageError, one sentence, when it is not a journal of this version or cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error
    if not content.startswith(_MAGIC):
        if _MAGIC.startswith(content):
            return []  # killed before the first byte was written
        is_other = content.startswith(_MAGIC[:-1])
        reason = "was written by another version of Vedette" if is_other else "is not a journal of the ledger"
        raise StorageError(f"{path} {reason}; it is left out.")
    return unpack(content[len(_MAGIC) :])[0]
