"""The recorder and the reader: everything once, in order, whatever kills the writer or fills the disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.ledger import recorder as module
from pipeline.ledger.reader import find_alert, read_rows
from pipeline.ledger.recorder import Recorder, seal
from pipeline.ledger.rows import Row
from pipeline.ledger.shelf import volumes
from tests.unit.ledger.books import DAY_US, START_US, row


class Desk:
    """A recorder with everything it says."""

    def __init__(self, root: Path) -> None:
        self.sealed: list[Path] = []
        self.counts: list[tuple[str, str, str]] = []
        self.told: list[StorageError | None] = []
        count = self.counts.append
        self.recorder = Recorder(root, "gate", self.sealed.append, lambda *event: count(event), self.told.append)

    def write(self, rows: list[Row]) -> None:
        for one in rows:
            self.recorder.note(one)
        self.recorder.flush()


def read(root: Path, **between: int) -> list[Row]:
    problems: list[str] = []
    rows = list(read_rows(root, "gate", problems.append, **between))
    assert problems == []
    return rows


def test_every_row_is_written_once_however_often_it_is_folded(tmp_path: Path) -> None:
    rows = [row(n) for n in range(30)] + [row(30, kind="alert", about="a_1 r1"), row(30, kind="alert", about="a_1 r2")]
    first = Desk(tmp_path)
    first.write(rows[:20])
    first.write(rows[10:])
    first.recorder.close()
    again = Desk(tmp_path)
    again.write([*rows[5:], row(31)])
    assert read(tmp_path) == [*rows, row(31)]
    assert again.sealed == [volume.path for volume in volumes(tmp_path, "gate")][:1], "its predecessor's journal"
    assert seal(again.sealed[0]) is not None
    again.recorder.close()
    third = Desk(tmp_path)
    third.write([row(3), row(31), row(32)])
    assert read(tmp_path) == [*rows, row(31), row(32)]


def test_two_writers_at_once_double_nothing_for_the_reader(tmp_path: Path) -> None:
    slept, awake = Desk(tmp_path), Desk(tmp_path)
    awake.write([row(n) for n in range(8)])
    slept.write([row(n) for n in range(6)])
    assert read(tmp_path) == [row(n) for n in range(8)]


def test_a_flush_before_the_kill_is_all_there(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.unit.ledger.test_recorder import Desk; "
        "from tests.unit.ledger.books import row\n"
        "desk = Desk(Path(sys.argv[1]))\n"
        "for n in range(10**6):\n"
        "    desk.write([row(2 * n), row(2 * n + 1)]); print(2 * n + 1, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = -1
    for line in child.stdout:
        acknowledged = int(line)
        if acknowledged > 500:
            break
    os.kill(child.pid, signal.SIGKILL)
    acknowledged = max([acknowledged, *(int(line) for line in child.stdout.read().split())])
    child.wait()
    found = [one.seq for one in read(tmp_path)]
    assert found == list(range(len(found)))
    assert len(found) >= acknowledged + 1
    (journal,) = [volume.path for volume in volumes(tmp_path, "gate")]
    assert Desk(tmp_path).sealed == [journal]
    seal(journal)
    assert [one.seq for one in read(tmp_path)] == found


def test_days_hours_and_sizes_begin_new_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    midnight = START_US // DAY_US * DAY_US + DAY_US
    times = [midnight - 2_000_000, midnight - 1_000_000, midnight, midnight + 1_000_000, midnight + 3_700_000_000]
    rows = [row(n, at_us=at_us) for n, at_us in enumerate(times)]
    desk.write(rows)
    monkeypatch.setattr(module, "MAX_ROWS", 1)
    desk.write([row(9, at_us=times[-1] + 1)])
    assert [volume.day.isoformat() for volume in volumes(tmp_path, "gate")] == [
        "2026-09-21",
        "2026-09-22",
        "2026-09-22",
    ]
    assert len(desk.sealed) == 2
    for path in desk.sealed:
        seal(path)
    assert read(tmp_path) == [*rows, row(9, at_us=times[-1] + 1)]
    assert read(tmp_path, from_us=times[1], to_us=times[3]) == rows[1:3]


def test_a_full_disk_costs_rows_which_are_counted_and_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    desk.write([row(0)])

    def full(_file: int, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        desk.write([row(1), row(2)])
        desk.write([row(3)])
    desk.write([row(4)])
    assert read(tmp_path) == [row(0), row(4)]
    assert desk.counts == [("ledger_dropped", "gate", "finding")] * 3
    assert next(str(error) for error in desk.told if error is not None).endswith("No space left on device.")
    assert [error is None for error in desk.told] == [False, True]


def test_sealing_killed_at_any_moment_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(n) for n in range(50)]
    desk = Desk(tmp_path)
    desk.write(rows)
    desk.recorder.close()
    (journal,) = [volume.path for volume in volumes(tmp_path, "gate")]

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for method in ("replace", "unlink"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, method, killed)
            with pytest.raises(KeyboardInterrupt):
                seal(journal)
        assert read(tmp_path) == rows
    assert seal(journal) == journal.with_suffix(".parquet")
    assert seal(journal) is None
    assert read(tmp_path) == rows
    assert [entry.name for entry in journal.parent.iterdir()] == [journal.with_suffix(".parquet").name]


def test_a_journal_in_use_is_not_sealed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.write([row(0)])
    assert desk.recorder.path is not None
    assert seal(desk.recorder.path) is None
    assert read(tmp_path) == [row(0)]


def test_a_damaged_or_newer_file_is_one_sentence_and_the_rest_is_used(tmp_path: Path) -> None:
    for n in range(3):
        desk = Desk(tmp_path)
        desk.write([row(n, at_us=START_US + n * 7_200_000_000)])
        desk.recorder.close()
    first, second, _ = [volume.path for volume in volumes(tmp_path, "gate")]
    seal(first)
    first.with_suffix(".parquet").write_bytes(b"PAR1 and nothing else")
    second.write_bytes(b"VLEDGER9" + second.read_bytes()[8:])
    problems: list[str] = []
    assert [one.seq for one in read_rows(tmp_path, "gate", problems.append)] == [2]
    assert len(problems) == 2
    assert "damaged" in problems[0]
    assert "another version" in problems[1]
    Desk(tmp_path).write([row(3, at_us=START_US + 4 * 7_200_000_000)])


def test_an_alert_is_found_with_all_its_revisions(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    times = [START_US, START_US + 3_600_000_000, START_US + 7_300_000_000]
    for n, at_us in enumerate(times):
        desk.write([row(n, at_us=at_us), row(n, kind="alert", at_us=at_us, about=f"a_1 r{n + 1}")])
        desk.write([row(n, kind="alert", at_us=at_us, about=f"a_12 r{n + 1}")])
    for path in desk.sealed:
        seal(path)
    problems: list[str] = []
    assert [one.about for one in find_alert(tmp_path, "a_1", problems.append)] == ["a_1 r1", "a_1 r2", "a_1 r3"]
    assert find_alert(tmp_path, "a_", problems.append) == []
    assert problems == []
