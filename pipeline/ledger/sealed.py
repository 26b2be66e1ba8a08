"""A finished hour of the ledger as one Parquet file: the only module that knows DuckDB.

In: rows, in the order in which they were folded. Out: a file that is there whole or not at all, which any reader of
Parquet understands, and the same rows back. Columns: ``kind, media_at, session, seq, about, head, blob, tracks, crc``;
``head`` is JSON as on the bus. Next file: ``pipeline/ledger/recorder.py``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import StorageError
from pipeline.ledger.rows import ROW_KINDS, Row, RowKind

__all__ = ["VERSION", "find_sealed", "read_sealed", "write_sealed"]

VERSION = "1"
_COLUMNS = "kind, epoch_us(media_at), session, seq, about, head, blob, tracks, crc"
_MEMORY = "512MB"


def write_sealed(path: Path, rows: Sequence[Row]) -> None:
    """Write ``rows`` to ``path``, which appears at once and complete; raises StorageError when the disk refuses.

    One process at a time may write the same path.
    """
    partial = path.with_name(f".{path.name}")
    options = f"format parquet, compression zstd, row_group_size 20480, kv_metadata {{vedette_ledger: '{VERSION}'}}"
    bodies = "head::blob as head, blob::blob as blob, tracks::blob as tracks"
    select = f"select kind, media_at, session, seq, about, {bodies}, crc from ledger_rows"  # noqa: S608
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _duckdb(path) as connection:
            connection.register("ledger_rows", _table(rows))
            connection.execute(f"copy ({select}) to {_quoted(partial)} ({options})")
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.chmod(0o600)
        partial.replace(path)
    except OSError as error:
        raise StorageError(f"The ledger cannot write {path}: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def read_sealed(
    path: Path, *, from_us: int | None = None, to_us: int | None = None, kinds: Collection[RowKind] = ROW_KINDS
) -> tuple[list[Row], int]:
    """Rows of ``path`` from ``from_us`` to before ``to_us``, in their order, and how many were damaged and left out.

    Raises StorageError, one sentence, when the file is damaged or was written by a newer version.
    """
    least, most = -(2**62) if from_us is None else from_us, 2**62 if to_us is None else to_us
    pattern = _pattern(path)
    with _duckdb(path) as connection:
        said = dict(connection.execute("select key, value from parquet_kv_metadata(?)", [pattern]).fetchall())
        version = said.get(b"vedette_ledger", b"?").decode("ascii", "replace")
        if version != VERSION:
            raise StorageError(f"{path} has version {version[:20]} of the ledger; this program reads {VERSION}.")
        query = (
            f"select {_COLUMNS} from read_parquet(?, file_row_number=true)"  # noqa: S608
            " where epoch_us(media_at) >= ? and epoch_us(media_at) < ? and list_contains(?, kind)"
            " order by file_row_number"
        )
        found = connection.execute(query, [pattern, least, most, sorted(kinds)]).fetchall()
    rows, damaged = [], 0
    for *values, crc in found:
        row = _row(values)
        if row is None or row.crc != crc:
            damaged += 1
        else:
            rows.append(row)
    return rows, damaged


def find_sealed(paths: Sequence[Path], prefix: str) -> list[Path]:
    """Which of ``paths`` hold an alert whose ``about`` begins with ``prefix``. Damaged files are passed over."""
    patterns = [_pattern(path) for path in paths]
    query = (
        "select distinct filename from read_parquet(?, filename=true) where kind = 'alert' and starts_with(about, ?)"
    )
    if not patterns:
        return []
    try:
        with _duckdb(paths[0].parent) as connection:
            found = {name for (name,) in connection.execute(query, [patterns, prefix]).fetchall()}
    except StorageError:
        if len(paths) == 1:
            return []
        return [path for each in paths for path in find_sealed([each], prefix)]
    return [path for path in paths if str(path) in found]


def _row(values: list[Any]) -> Row | None:
    try:
        return Row(*values)
    except (ValueError, TypeError):
        return None


@contextmanager
def _duckdb(path: Path) -> Iterator[Any]:
    """A connection that uses one thread and no network; what goes wrong becomes a StorageError about ``path``."""
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": _MEMORY,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    try:
        with duckdb.connect(":memory:", config=settings) as connection:
            yield connection
    except duckdb.Error as error:
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        is_full = "No space left" in str(error)
        reason = "No space left on device" if is_full else f"is damaged or not readable ({words[:160]})"
        raise StorageError(f"{path}: {reason}.") from error


def _table(rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "kind": _objects([row.kind for row in rows]),
        "media_at": np.array([row.at_us for row in rows], np.int64).view("datetime64[us]"),
        "session": np.array([row.session for row in rows], np.int64),
        "seq": np.array([row.seq for row in rows], np.int64),
        "about": _objects([row.about for row in rows]),
        "head": _objects([row.head for row in rows]),
        "blob": _objects([row.blob for row in rows]),
        "tracks": _objects([row.tracks for row in rows]),
        "crc": np.array([row.crc for row in rows], np.uint32),
    }


def _objects(values: Sequence[object]) -> Any:
    column = np.empty(len(values), object)
    column[:] = values
    return column


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _pattern(path: Path) -> str:
    """``path`` with the characters that would make it a pattern taken literally."""
    return re.sub(r"([\[*?])", r"[\1]", str(path))
