"""Journals and sealed files: what is written can be read, what cannot be read is one sentence, disks fill."""

from __future__ import annotations

import errno
import os
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import StorageError
from pipeline.ledger.journal import Journal, is_abandoned, read_journal
from pipeline.ledger.sealed import find_sealed, read_sealed, write_sealed
from pipeline.ledger.shelf import Volume, cameras, day_of, new_stem, prune, volumes
from tests.unit.ledger.books import DAY_US, START_US, row

ROWS = [row(n) for n in range(40)] + [row(7, kind="alert", about="a_1 r1"), row(8, kind="description", about="vlm:x -")]


def test_a_journal_reads_back_and_belongs_to_its_writer_until_it_is_closed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "gate" / "x.journal")
    journal.append(ROWS[:5])
    assert not is_abandoned(journal.path)
    journal.append(ROWS[5:])
    assert read_journal(journal.path) == ROWS
    assert (journal.row_count, journal.row_bytes > 0) == (len(ROWS), True)
    journal.close()
    assert is_abandoned(journal.path)
    assert not is_abandoned(tmp_path / "none.journal")


def test_a_write_that_the_disk_refuses_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "x.journal")
    journal.append(ROWS[:3])
    real = os.write
    calls = []

    def full(file: int, content: bytes) -> int:
        calls.append(1)
        if len(calls) == 1:
            return real(file, bytes(content)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StorageError, match="No space left on device"):
            journal.append(ROWS[3:])
    journal.append(ROWS[5:])
    journal.close()
    assert read_journal(journal.path) == ROWS[:3] + ROWS[5:]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"VLEDGER2abc", "another version"), (b"something else", "is not a journal"), (b"\0" * 64, "is not a journal")],
)
def test_what_is_no_journal_is_one_sentence(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "x.journal"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=complaint):
        read_journal(path)


def test_a_writer_killed_before_its_first_byte_left_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    path.write_bytes(b"VLED")
    assert read_journal(path) == []


def test_a_sealed_file_reads_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "it's [odd]* ?" / "x.parquet"
    write_sealed(path, ROWS)
    assert read_sealed(path) == (ROWS, 0)
    assert [entry.name for entry in path.parent.iterdir()] == ["x.parquet"]
    some, _ = read_sealed(path, from_us=row(5).at_us, to_us=row(9).at_us, kinds=["finding"])
    assert some == [row(n) for n in range(5, 9)]
    assert find_sealed([path], "a_1 r") == [path]
    assert find_sealed([path], "a_2 r") == []
    assert find_sealed([], "a_1 r") == []


def test_anybody_can_read_a_sealed_file(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_sealed(path, ROWS)
    query = f"select kind, count(*), min(media_at), max(decode(head)->>'$.n') from '{path}' group by 1 order by 1"
    found = duckdb.sql(query).fetchall()
    assert [(kind, count) for kind, count, *_ in found] == [("alert", 1), ("description", 1), ("finding", 40)]
    assert found[2][2].isoformat() == "2026-09-21T14:13:20"


@pytest.mark.parametrize("keep", [0, 4, 300, 1500])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "x.parquet"
    write_sealed(path, ROWS)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StorageError, match="damaged"):
        read_sealed(path)
    assert find_sealed([path, path], "a") == []


def test_a_file_of_a_newer_version_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    duckdb.sql(f"copy (select 1 as later) to '{path}' (format parquet, kv_metadata {{vedette_ledger: '9'}})")
    with pytest.raises(StorageError, match=r"has version 9 of the ledger; this program reads 1"):
        read_sealed(path)


def test_a_row_that_does_not_fit_its_checksum_is_left_out_and_counted(tmp_path: Path) -> None:
    path, other = tmp_path / "x.parquet", tmp_path / "y.parquet"
    write_sealed(path, ROWS)
    changed = "select * replace (case when seq = 3 then 'x'::blob else head end as head)"
    duckdb.sql(f"copy ({changed} from '{path}') to '{other}' (format parquet, kv_metadata {{vedette_ledger: '1'}})")
    rows, damaged = read_sealed(other)
    assert (len(rows), damaged) == (len(ROWS) - 1, 1)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        write_sealed(blocked / "x.parquet", ROWS)
    with pytest.raises(StorageError, match="cannot write"):
        Journal(blocked / "x.journal")


def shelved(root: Path, camera: str, at_us: int, size: int = 1000, suffix: str = ".parquet") -> Path:
    path = root / camera / day_of(at_us).isoformat() / f"{new_stem(at_us)}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def test_volumes_come_in_the_order_of_media_time_and_strangers_are_ignored(tmp_path: Path) -> None:
    paths = [shelved(tmp_path, "gate", START_US + n * 3_600_000_000) for n in (30, 2, 1, 25)]
    shelved(tmp_path, "yard", START_US)
    (tmp_path / "gate" / "notes").mkdir()
    (tmp_path / "gate" / "2026-13-45").mkdir()
    (paths[0].parent / "readme.parquet").write_text("")
    (paths[0].parent / f".{paths[0].name}").write_text("")
    found = volumes(tmp_path, "gate")
    assert [volume.path for volume in found] == [paths[2], paths[1], paths[3], paths[0]]
    assert [volume.begins_us for volume in found] == [START_US + n * 3_600_000_000 for n in (1, 2, 25, 30)]
    assert [volume.path for volume in volumes(tmp_path, "gate", to_day=date(2026, 9, 21))] == [paths[2], paths[1]]
    assert cameras(tmp_path) == ("gate", "yard")
    assert cameras(tmp_path / "none") == ()


def test_a_journal_counts_before_the_file_made_of_it(tmp_path: Path) -> None:
    path = shelved(tmp_path, "gate", START_US)
    journal = path.with_suffix(".journal")
    journal.write_bytes(b"")
    assert volumes(tmp_path, "gate") == [Volume(date(2026, 9, 21), path.stem, "gate", journal)]


def test_old_days_go_then_the_oldest_files_until_there_is_room(tmp_path: Path) -> None:
    paths = [shelved(tmp_path, "gate", START_US + n * DAY_US) for n in range(5)]
    other = shelved(tmp_path, "yard", START_US - 50 * DAY_US)
    assert prune(tmp_path, keep_days=4, max_bytes=10**6) == 1
    assert not paths[0].parent.exists()
    assert other.exists(), "the newest day of a camera is kept, however long ago"
    assert prune(tmp_path, keep_days=4, max_bytes=2500) == 3
    assert [path.exists() for path in (other, *paths)] == [False, False, False, False, True, True]


def test_a_journal_that_is_being_written_is_never_deleted(tmp_path: Path) -> None:
    stem = new_stem(START_US)
    journal = Journal(tmp_path / "gate" / day_of(START_US).isoformat() / f"{stem}.journal")
    journal.append(ROWS)
    assert prune(tmp_path, keep_days=1, max_bytes=1) == 0
    journal.close()
    assert prune(tmp_path, keep_days=1, max_bytes=1) == 1
